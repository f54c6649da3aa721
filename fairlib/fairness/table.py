"""Country tables: of how many images from each country the model is right.

A country table, the argument `table` throughout this package, has a row per country and the columns `n` (images, the
paper's n_i), `accuracy` (the share that is right, p_i) and `log_gdp` (natural logarithm of GDP per head, g_i).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from fairlib import checks, intervals

Array = NDArray[np.float64]
LEVEL = 0.05  # of every test, and 1 - LEVEL of every interval: the paper's (section 4.1)
MAKE_TABLE = "make it with fairlib.fairness.country_table"
MAKE_LOG_GDP = "make one with np.log(fairlib.geography.gdp())"


def country_table(country: Sequence, right: ArrayLike, log_gdp: pd.Series) -> pd.DataFrame:
    """Count the right answers in each country.

    Parameters
    ----------
    country : sequence of N keys
        The country of each image, as the index of `log_gdp` names it.
    right : (N,) bool
        Whether each image is classified correctly.
    log_gdp : Series
        Natural logarithm of GDP per head, by country; it may hold countries without images.

    Returns
    -------
    DataFrame
        A row per country with images, in the order of `log_gdp`: `n`, `right`, `accuracy` with its Wilson 95 % interval
        `low`, `high`, and `log_gdp`.

    Raises
    ------
    ValueError
        When a country is missing or not in `log_gdp`, an answer is neither right nor wrong (NaN, a share, a word), or
        the arguments differ in length.

    References
    ----------
    Hua, Xu, Blanchet and Nguyen (2021), section 4.1: the groups {g_i, p_i}.

    Examples
    --------
    >>> table = country_table(["PER", "NOR", "PER"], [True, True, False], pd.Series({"NOR": 11.2, "PER": 8.8}))
    >>> table[["n", "right", "accuracy", "log_gdp"]]
         n  right  accuracy  log_gdp
    NOR  1      1       1.0     11.2
    PER  2      1       0.5      8.8
    """
    country, right = _images(country, right)
    _check_log_gdp(log_gdp, country)
    counts = pd.DataFrame({"country": country, "right": right}).groupby("country")["right"].agg(["size", "sum"])
    counts = counts.reindex([key for key in log_gdp.index if key in counts.index])
    counts = counts.rename(columns={"size": "n", "sum": "right"}).rename_axis(log_gdp.index.name)
    return intervals.with_interval(counts).assign(log_gdp=log_gdp[counts.index])


def _images(country: Sequence, right: ArrayLike) -> tuple[np.ndarray, NDArray[np.bool_]]:
    """The country and the answer of each image as arrays (N,), N >= 1, none of them missing."""
    checks.several(country, "country")
    missing = pd.isna(pd.Series(list(country), dtype=object)).to_numpy()
    if missing.any():
        raise ValueError(
            f"country holds {list(country)[missing.argmax()]!r}, expected one of log_gdp's; leave out images without a "
            "country"
        )
    country, right = np.asarray(country), checks.answers(right, "right")
    if country.shape != right.shape or country.ndim != 1 or not len(country):
        raise ValueError(f"country has shape {country.shape} and right {right.shape}, expected one of each per image")
    return country, right


def _check_log_gdp(log_gdp: pd.Series, country: np.ndarray) -> None:
    """Refuse a series unless it has one finite number for each of the countries."""
    checks.instance(log_gdp, pd.Series, "log_gdp", MAKE_LOG_GDP)
    if unknown := sorted(map(str, set(country.tolist()) - set(log_gdp.index))):
        raise ValueError(f"no GDP for {', '.join(unknown)}; see fairlib.geography.match for the known names")
    if not log_gdp.index.is_unique:
        twice = log_gdp.index[log_gdp.index.duplicated()][0]
        raise ValueError(f"log_gdp names {twice} twice, expected each once; {MAKE_LOG_GDP}")
    checks.numbers(log_gdp[log_gdp.index.isin(country)], "log_gdp")


def overall(table: pd.DataFrame) -> pd.Series:
    """Return the accuracy over all images of a country table.

    Parameters
    ----------
    table : DataFrame
        A country table that has the column `right`.

    Returns
    -------
    Series
        `n`, `right`, `accuracy`, and the accuracy's Wilson 95 % interval `low`, `high`.

    Raises
    ------
    ValueError
        When `n` or `right` is missing, or they are no counts with right <= n.
    """
    checks.columns(table, ("n", "right"), "the country table", MAKE_TABLE)
    intervals.counted(table)
    return intervals.with_interval(table[["n", "right"]].sum().to_frame().T).iloc[0]


def observations(table: pd.DataFrame) -> tuple[Array, Array, Array]:
    """Return what a slope is fitted to, as arrays.

    Parameters
    ----------
    table : DataFrame
        A country table of at least three countries.

    Returns
    -------
    log_gdp, accuracy, n : (k,) float64 each
        The paper's g, p and n, of the k countries in the table's order.

    Raises
    ------
    ValueError
        When a column is missing or holds what it cannot, there are fewer than three countries, or all have one GDP or
        one accuracy: then there is no slope, or no error to test it with.
    """
    checks.columns(table, ("n", "accuracy", "log_gdp"), "the country table", MAKE_TABLE)
    log_gdp, n = design(table)
    accuracy = checks.numbers(table["accuracy"], "accuracy", low=0, high=1)
    if len(table) < 3:
        raise ValueError(f"{len(table)} countries, expected at least 3: two leave no error to test with")
    if np.ptp(log_gdp) == 0:
        raise ValueError("log_gdp is the same everywhere, expected countries of different GDP per head")
    if np.ptp(accuracy) == 0:
        raise ValueError(f"every country has the accuracy {accuracy[0]:g}, so there is no error to test a slope with")
    return log_gdp, accuracy, n


def design(table: pd.DataFrame) -> tuple[Array, Array]:
    """Return what is known of the countries before a model has answered.

    Parameters
    ----------
    table : DataFrame
        A country table; the column `accuracy` may be missing.

    Returns
    -------
    log_gdp, n : (k,) float64 each
        The paper's g and n.

    Raises
    ------
    ValueError
        When a column is missing, `log_gdp` is not finite, or `n` is no number of images from 1 upwards.
    """
    checks.columns(table, ("n", "log_gdp"), "the country table", MAKE_TABLE)
    return checks.numbers(table["log_gdp"], "log_gdp"), checks.counts(table["n"], "n", low=1)
