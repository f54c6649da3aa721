"""Shares of counts, `right` out of `n`, with their intervals."""

import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from fairlib import checks


def with_interval(counts: pd.DataFrame) -> pd.DataFrame:
    """Add the accuracy and its Wilson 95 % interval to a table of counts.

    Parameters
    ----------
    counts : DataFrame
        A row per group, with the columns `right` and `n`: `right` of `n` images are classified correctly.

    Returns
    -------
    DataFrame
        A copy with the columns `accuracy`, `low` and `high`, each in [0, 1].

    Raises
    ------
    ValueError
        Where `counted` does.
    """
    counted(counts)
    low, high = proportion_confint(counts["right"], counts["n"], method="wilson")
    return counts.assign(accuracy=counts["right"] / counts["n"], low=low, high=high)


def counted(counts: pd.DataFrame) -> None:
    """Refuse a table unless its columns `right` and `n` are counts that fit together.

    Parameters
    ----------
    counts : DataFrame
        A row per group.

    Raises
    ------
    ValueError
        When a column is missing, holds what is no count, or not 0 <= right <= n and n >= 1.
    """
    checks.columns(
        counts, ("right", "n"), "the table of counts", "count the right answers, and the images, in each row"
    )
    right, n = checks.counts(counts["right"], "right"), checks.counts(counts["n"], "n", low=1)
    if (right > n).any():
        i = int((right > n).argmax())
        raise ValueError(
            f"right is {right[i]:g} of n = {n[i]:g}, expected no more than there are; give counts of images"
        )
