"""What is known of each image: whether the model is right, and its class, country, cluster and wealth. Checked once."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from fairlib import checks
from fairlib.fairness.table import Array

Codes = NDArray[np.intp]
SAME = 1e-9  # log wealths of one country that are this close are one number, written with other last digits


class Images(NamedTuple):
    """The images of an audit, as whole numbers from 0 upwards where they were labels."""

    right: Array  # (N,): 1 or 0
    log_wealth: Array  # (N,)
    classes: Codes  # (N,)
    countries: Codes  # (N,)
    clusters: Codes | None  # (N,): what one household or photographer took; none spans two countries

    def only(self, chosen: NDArray[np.bool_]) -> "Images":
        """Some of the images, labelled from 0 upwards again."""
        labels = (None if one is None else np.unique(one[chosen], return_inverse=True)[1] for one in self[2:])
        return Images(self.right[chosen], self.log_wealth[chosen], *labels)


def images(
    right: ArrayLike, log_wealth: ArrayLike, classes: Sequence, countries: Sequence, clusters: Sequence | None
) -> Images:
    """Check what is known of each image, and number the labels.

    A cluster is told apart by its country as well: the first household of one is not the first of another.
    """
    right = checks.answers(right, "right")
    if right.ndim != 1 or not len(right):
        raise ValueError(f"right has shape {right.shape}, expected one answer per image")
    log_wealth = checks.numbers(log_wealth, "log_wealth")
    if len(log_wealth) != len(right):
        raise ValueError(f"{len(log_wealth)} of log_wealth for {len(right)} images, expected one per image")
    of_class, of_country = codes(classes, "classes", len(right)), codes(countries, "countries", len(right))
    of_cluster = None
    if clusters is not None:
        of_cluster = codes(clusters, "clusters", len(right))
        of_cluster = np.unique(of_country * (of_cluster.max() + 1) + of_cluster, return_inverse=True)[1]
    return Images(right.astype(float), log_wealth, of_class, of_country, of_cluster)


def codes(labels: Sequence, name: str, count: int) -> Codes:
    """Number the labels of images from 0 upwards in their sorted order; a missing one is refused."""
    return numbered(labels, name, count)[0]


def numbered(labels: Sequence, name: str, count: int) -> tuple[Codes, pd.Index]:
    """The number of each image's label, and the labels in the order of their numbers."""
    checks.several(labels, name)
    if isinstance(labels, np.ndarray | pd.Series) and labels.dtype.kind in "iu" and labels.shape == (count,):
        names, number = np.unique(np.asarray(labels), return_inverse=True)  # the same, quicker
        return number.astype(np.intp), pd.Index(names, dtype=object)
    series = pd.Series(list(labels), dtype=object)
    if len(series) != count:
        raise ValueError(f"{len(series)} of {name} for {count} images, expected one per image")
    if (missing := series.isna()).any():
        raise ValueError(
            f"{name} holds {series[missing].iloc[0]!r}, expected a label for every image; leave out images without one"
        )
    number, names = pd.factorize(series, sort=True)
    return number.astype(np.intp), names


def means(values: Array, labels: Codes) -> Array:
    """The mean (N,) of the values of all images that share an image's label."""
    n = np.bincount(labels)
    return (np.bincount(labels, values) / np.maximum(n, 1))[labels]


def wealth_within(log_wealth: Array, countries: Codes) -> Array:
    """By how much each image's wealth is above its country's mean: (N,), zero where a country has one wealth."""
    deviation = log_wealth - means(log_wealth, countries)
    return np.where(np.abs(deviation) > SAME, deviation, 0.0)
