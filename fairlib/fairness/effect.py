"""What the paper's line amounts to: its band, its size in other units, and the countries that carry it."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from statsmodels.tools.tools import add_constant

from fairlib import checks
from fairlib.fairness.slope import regression, slope
from fairlib.fairness.table import observations


def band(table: pd.DataFrame, at: ArrayLike) -> pd.DataFrame:
    """Return the paper's line with its confidence band.

    Parameters
    ----------
    table : DataFrame
        A country table.
    at : (m,) numbers
        Values of log GDP.

    Returns
    -------
    DataFrame
        A row per value: `log_gdp`, `accuracy` on the line of `fairlib.fairness.regression`, and its pointwise 95 %
        interval `low`, `high`.

    Raises
    ------
    ValueError
        When the table has no slope (`fairlib.fairness.observations`), or a value is no number.
    """
    at = checks.numbers(at, "at")
    prediction = regression(table).get_prediction(add_constant(at, has_constant="add"))
    low, high = prediction.conf_int().T
    return pd.DataFrame({"log_gdp": at, "accuracy": prediction.predicted_mean, "low": low, "high": high})


def effect_sizes(table: pd.DataFrame) -> dict[str, float]:
    """Say in other units how much the paper's slope is.

    Parameters
    ----------
    table : DataFrame
        A country table.

    Returns
    -------
    dict
        `doubling`: accuracy per doubling of GDP, beta ln 2. `gap`: the line's height at the richest country less that
        at the poorest. `r2`: the share of the weighted variance that the line explains. `r`: the weighted correlation.

    Raises
    ------
    ValueError
        When the table has no slope (`fairlib.fairness.observations`).
    """
    fit = regression(table)
    beta, r2 = float(fit.params[1]), float(fit.rsquared)
    return {
        "doubling": beta * float(np.log(2)),
        "gap": beta * float(np.ptp(table["log_gdp"])),
        "r2": r2,
        "r": float(np.sign(beta) * r2**0.5),
    }


def influence(table: pd.DataFrame, method: str = "gls") -> pd.DataFrame:
    """Leave out each country in turn, to see which ones carry the slope.

    Parameters
    ----------
    table : DataFrame
        A country table of at least four countries.
    method : str
        How the slope is tested, as in `fairlib.fairness.slope`.

    Returns
    -------
    DataFrame
        A row per country, largest change first: `slope` and `p_value` without it, and `change`, the slope with it minus
        the slope without it. NaN where the others alone have no slope to test.

    Raises
    ------
    ValueError
        When there are fewer than four countries, or the table has no slope (`fairlib.fairness.observations`).
    """
    observations(table)
    if len(table) < 4:
        raise ValueError(f"{len(table)} countries, expected at least 4: leaving one out leaves no test with fewer")
    rows = []
    for key in table.index:
        try:
            without = slope(table.drop(key), method)
            rows.append((without.slope, without.p_value))
        except ValueError:
            rows.append((np.nan, np.nan))
    changes = pd.DataFrame(rows, columns=["slope", "p_value"], index=table.index)
    changes["change"] = slope(table, method).slope - changes["slope"]
    return changes.sort_values("change", key=np.abs, ascending=False)
