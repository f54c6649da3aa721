"""The images of an audit as one table: what the manifest says of each, what the model answered, what is right.

From it everything else is counted: countries, classes, groups.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from fairlib import fairness, geography, intervals
from fairlib.audit.predictions import Predictions


def images_table(manifest: geography.Manifest, predictions: Predictions, log_wealth: pd.Series) -> pd.DataFrame:
    """Join a manifest, the answers to its images, and wealth.

    Parameters
    ----------
    manifest : fairlib.geography.Manifest
        N rows.
    predictions : Predictions
        Of the same rows.
    log_wealth : Series
        Natural logarithm of the wealth of each country (or region); for a manifest whose images have their own it is
        not asked.

    Returns
    -------
    DataFrame
        A row per classified image: `line`, `path`, `country`, `name` (of the country), `class`, `labels`, `predicted`,
        `top` (tuple of classes), `confidence`, `right`, `right_in_top_5`, `log_wealth`; `cluster` and the groups where
        the manifest has them.
    """
    classified = predictions.predicted >= 0
    rows = manifest.rows[classified].reset_index(drop=True)
    top = [tuple(k for k in each if k >= 0) for each in predictions.top[classified].tolist()]
    names = geography.countries()["name"]
    table = rows.assign(
        name=[names.get(code, code) for code in rows["country"]],
        predicted=predictions.predicted[classified],
        top=top,
        confidence=predictions.confidence[classified],
        right=hits(predictions.predicted[classified], rows["labels"]),
        right_in_top_5=[not set(each).isdisjoint(those) for each, those in zip(top, rows["labels"], strict=True)],
    )
    if "log_wealth" not in table:
        table["log_wealth"] = log_wealth[table["country"]].to_numpy()
    return table


def hits(predicted: np.ndarray, labels: Iterable[Sequence[int]]) -> np.ndarray:
    """Say of each prediction whether it is right.

    Parameters
    ----------
    predicted : (N,) int64
        Class indices.
    labels : iterable of sequence of int
        For each of the N images the class indices that are right.

    Returns
    -------
    (N,) bool
    """
    return np.array([p in those for p, those in zip(predicted, labels, strict=True)], dtype=bool)


def countries_table(images: pd.DataFrame) -> pd.DataFrame:
    """Count the right answers in each country.

    Parameters
    ----------
    images : DataFrame
        As `images_table` returns it.

    Returns
    -------
    DataFrame
        A country table (`fairlib.fairness.country_table`) with the column `name` in front and, at the end,
        `right_in_top_5` and the mean `confidence`. The wealth is the mean of the logarithms of the images'.
    """
    by_country = images.groupby("country", sort=True)
    table = fairness.country_table(images["country"], images["right"], by_country["log_wealth"].mean())
    table.insert(0, "name", by_country["name"].first())
    return table.assign(right_in_top_5=by_country["right_in_top_5"].sum(), confidence=by_country["confidence"].mean())


def classes_table(images: pd.DataFrame) -> pd.DataFrame:
    """Count the right answers to the images of each class.

    Parameters
    ----------
    images : DataFrame
        As `images_table` returns it.

    Returns
    -------
    DataFrame
        A row per `class`: `n`, `right`, `accuracy` with its Wilson 95 % interval, the number of `countries` that show
        it, and the mean `log_wealth` of its images.
    """
    by_class = images.groupby("class", sort=True)
    counts = by_class["right"].agg(["size", "sum"]).rename(columns={"size": "n", "sum": "right"})
    table = intervals.with_interval(counts)
    return table.assign(countries=by_class["country"].nunique(), log_wealth=by_class["log_wealth"].mean())


def beside_class(images: pd.DataFrame) -> pd.DataFrame:
    """Set each country beside all images of the classes that it shows.

    Parameters
    ----------
    images : DataFrame
        As `images_table` returns it.

    Returns
    -------
    DataFrame
        A row per country: `name`, `n`, and its images' means of `wealthier` (log wealth less its class's mean) and
        `more_accurate` (1 for a right answer and 0 otherwise, less its class's accuracy).
    """
    by_class = images.groupby("class")
    away = pd.DataFrame(
        {
            "name": images["name"],
            "n": 1,
            "wealthier": images["log_wealth"] - by_class["log_wealth"].transform("mean"),
            "more_accurate": images["right"].astype(float) - by_class["right"].transform("mean"),
        }
    )
    whose = away.groupby(images["country"])
    return whose.agg({"name": "first", "n": "sum", "wealthier": "mean", "more_accurate": "mean"})
