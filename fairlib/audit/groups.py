"""Accuracy in groups of images: thirds of wealth, and the columns that a user names; each beside what chance gives."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from fairlib import fairness
from fairlib.audit.report import LEAST_COUNTRIES
from fairlib.audit.words import THIRDS


def compare_groups(images: pd.DataFrame, columns: Sequence[str] = (), *, seed: int = 0) -> list[dict]:
    """Compare the accuracy in groups with what chance alone gives.

    Parameters
    ----------
    images : DataFrame
        As `images_table` returns it.
    columns : sequence of str
        Columns of it that say which group an image is of.
    seed : int
        Of the permutations.

    Returns
    -------
    list of dict
        For thirds of wealth, where there are any, and for each column with two groups or more: `by`, its name; `rows`,
        one per group, as `fairlib.fairness.group_accuracy` has them; `extremes`, as `fairlib.fairness.extremes` has
        them. Chance deals images out within their classes, unless the groups are the classes.
    """
    groupings = {column: images[column].to_numpy() for column in columns}
    if _has_thirds(images):
        groupings = {THIRDS: fairness.thirds(images["log_wealth"], images["country"])} | groupings
    return [
        _compared(images, by, groups, seed)
        for by, groups in groupings.items()
        if len(np.unique(groups.astype(str))) > 1
    ]


def worst_country(images: pd.DataFrame, *, seed: int = 0) -> dict | None:
    """Set the worst country beside what chance alone makes of so many countries.

    Parameters
    ----------
    images : DataFrame
        As `images_table` returns it.
    seed : int
        Of the permutations.

    Returns
    -------
    dict, or None
        As `fairlib.fairness.extremes` has it; None where there is one country.
    """
    if images["name"].nunique() < 2:
        return None
    return asdict(fairness.extremes(images["right"], images["name"], classes=images["class"], seed=seed))


def _has_thirds(images: pd.DataFrame) -> bool:
    """Whether there are three countries, or wealths of the images' own."""
    wealths = images["log_wealth"].nunique()
    return wealths > 2 and (images["country"].nunique() >= LEAST_COUNTRIES or wealths > images["country"].nunique())


def _compared(images: pd.DataFrame, by: str, groups: np.ndarray, seed: int) -> dict:
    """One grouping of the report."""
    options = {"classes": None if by == "class" else images["class"], "seed": seed}
    table = fairness.group_accuracy(images["right"], groups, **options)
    if by == THIRDS:
        table = table.reindex([third for third in fairness.THIRDS if third in table.index])
    table = table.astype({"n": int, "right": int})
    return {
        "by": by,
        "rows": table.rename_axis("group").reset_index().to_dict("records"),
        "extremes": asdict(fairness.extremes(images["right"], groups, **options)),
    }
