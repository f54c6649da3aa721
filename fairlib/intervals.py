"""Confidence intervals: what chance in images, trainings and measurements allows an accuracy or a mean to be."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

from fairlib import checks

# --- Accuracies: so many right answers out of so many images. ---------------------------------------------------------


def with_interval(counts: pd.DataFrame) -> pd.DataFrame:
    """Add the accuracy and its Wilson 95 % interval to a table of counts.

    Parameters
    ----------
    counts : DataFrame
        Columns `right` and `n`, whole numbers with 0 <= right <= n and n >= 1; others are kept.

    Returns
    -------
    DataFrame
        The table with the columns `accuracy`, `low` and `high`, all in [0, 1].

    Raises
    ------
    ValueError
        For what are no counts, or more right answers than images.

    Notes
    -----
    With p = right / n and z = 1.96: (p + z^2 / (2n) +- z sqrt(p (1 - p) / n + z^2 / (4n^2))) / (1 + z^2 / n).

    References
    ----------
    Wilson (1927), Probable inference, the law of succession, and statistical inference.

    Examples
    --------
    >>> with_interval(pd.DataFrame({"right": [90], "n": [100]})).round(3)
       right    n  accuracy    low   high
    0     90  100       0.9  0.826  0.945
    """
    counted(counts)
    low, high = proportion_confint(counts["right"], counts["n"], method="wilson")
    return counts.assign(accuracy=counts["right"] / counts["n"], low=low, high=high)


def counted(counts: pd.DataFrame) -> None:
    """Refuse a table unless its columns `right` and `n` are counts.

    Parameters
    ----------
    counts : DataFrame
        To be looked at.

    Raises
    ------
    ValueError
        Where a column is missing, a value is no whole number, n < 1 or right > n.
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


def sampling_range(accuracy: float, n: int, *, decimals: int = 2, level: float = 0.95) -> tuple[float, float]:
    """Say what an accuracy measured on so many images may be printed as.

    A published value outside the range is not explained by the sampling of the images alone.

    Parameters
    ----------
    accuracy : float
        The true accuracy, in [0, 1].
    n : int
        Images that it is measured on, 1 or more.
    decimals : int
        Digits after the point, as printed.
    level : float
        Probability of the range, in (0, 1).

    Returns
    -------
    low, high : float
        The central range of Binomial(n, accuracy) / n, rounded.

    Raises
    ------
    ValueError
        For an argument outside its range.
    """
    checks.unit(accuracy, "accuracy")
    checks.whole(n, "n")
    checks.whole(decimals, "decimals", 0)
    checks.share(level, "level")
    low, high = stats.binom.interval(level, n, accuracy)
    return round(low / n, decimals), round(high / n, decimals)


def explained(published: float, accuracy: float, n: int) -> bool:
    """Say whether sampling alone can print a published accuracy.

    Parameters
    ----------
    published : float
        As printed, with two decimals, in [0, 1].
    accuracy : float
        The true accuracy, in [0, 1].
    n : int
        Images that the published one was measured on.

    Returns
    -------
    bool
        Whether `published` lies in `sampling_range(accuracy, n)`.

    Raises
    ------
    ValueError
        For an argument outside its range.
    """
    checks.unit(published, "published")
    low, high = sampling_range(accuracy, n)
    return low <= published <= high


def gain(rows: pd.DataFrame) -> tuple[float, float]:
    """Bound the defended minus the defenseless accuracy at one budget, with 95 % confidence.

    Parameters
    ----------
    rows : DataFrame
        Columns `method`, `right` and `n`, one row of the method `defended` and one of `defenseless`; rows of other
        methods do not count.

    Returns
    -------
    low, high : float
        In [-1, 1].

    Raises
    ------
    ValueError
        For other rows than these two, and for what are no counts.

    Notes
    -----
    Newcombe's score interval for two independent samples. The two are the same images, so it is wider than it need be;
    where it is known which images changed sides, `paired` is narrower.

    References
    ----------
    Newcombe (1998), Interval estimation for the difference between independent proportions, method 10.
    """
    counted(rows)
    both = rows[rows["method"].isin(("defended", "defenseless"))] if "method" in rows else rows[:0]
    if sorted(both.get("method", ())) != ["defended", "defenseless"]:
        raise ValueError("rows are not one of the method defended and one of defenseless; take those of a single eps")
    both = both.set_index("method")
    low, high = confint_proportions_2indep(
        both["right"]["defended"], both["n"]["defended"], both["right"]["defenseless"], both["n"]["defenseless"],
        compare="diff", method="newcomb",
    )  # fmt: skip
    return low, high


def paired(gained: int, lost: int, n: int, *, level: float = 0.95) -> tuple[float, float, float]:
    """Compare the accuracies of two methods on the same images.

    Parameters
    ----------
    gained : int
        Images that are right with the first method only.
    lost : int
        Images that are right with the second method only; on all others the two agree.
    n : int
        Images in all.
    level : float
        Confidence, in (0, 1).

    Returns
    -------
    value, low, high : float
        The first accuracy minus the second, and its interval, in [-1, 1].

    Raises
    ------
    ValueError
        For counts that do not fit.

    Notes
    -----
    The adjusted Wald interval: with p = (gained + 1) / (n + 2) and q = (lost + 1) / (n + 2),
    p - q +- z sqrt((p + q - (p - q)^2) / (n + 2)).

    References
    ----------
    Bonett and Price (2012), Adjusted Wald confidence interval for a difference of binomial proportions based on paired
    data.
    """
    checks.whole(n, "n")
    checks.whole(gained, "gained", 0)
    checks.whole(lost, "lost", 0)
    checks.share(level, "level")
    if gained + lost > n:
        raise ValueError(f"gained={gained}, lost={lost}, n={n}: expected counts of some of n >= 1 images")
    up, down = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    half = stats.norm.ppf((1 + level) / 2) * np.sqrt((up + down - (up - down) ** 2) / (n + 2))
    return (gained - lost) / n, max(-1.0, up - down - half), min(1.0, up - down + half)


# --- Repetitions: trainings, and measurements of time. ----------------------------------------------------------------


def prediction_range(accuracies: Sequence[float], n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Say where the accuracy of one more training, measured on so many images, is expected.

    Parameters
    ----------
    accuracies : sequence of float
        Those of m >= 2 independent trainings, in [0, 1].
    n : int
        Images that the next one is measured on.
    level : float
        Probability of the range, in (0, 1).

    Returns
    -------
    low, high : float
        Cut to [0, 1].

    Raises
    ------
    ValueError
        For fewer than two accuracies and for an argument outside its range.

    Notes
    -----
    mean +- sqrt(t^2 sd^2 (1 + 1/m) + z^2 mean (1 - mean) / n): the luck of the training, whose spread is itself
    estimated (Student's t), and the luck of the sample, whose spread is known (normal z).
    """
    values = checks.numbers(accuracies, "accuracies", low=0, high=1, least=2)
    checks.whole(n, "n")
    checks.share(level, "level")
    centre, variance = values.mean(), values.var(ddof=1)
    student, normal = stats.t.ppf((1 + level) / 2, len(values) - 1), stats.norm.ppf((1 + level) / 2)
    half = np.sqrt(student**2 * variance * (1 + 1 / len(values)) + normal**2 * centre * (1 - centre) / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def over_seeds(values: Sequence[float]) -> dict[str, float]:
    """Summarise one number per seed.

    Parameters
    ----------
    values : sequence of float
        Two or more.

    Returns
    -------
    dict
        `value` (the mean), `low` and `high` (its 95 % interval, Student's t), `sd` (between the seeds), `seeds`.

    Raises
    ------
    ValueError
        For fewer than two values, and for what is no number.
    """
    values = checks.numbers(values, "values", least=2)
    value, sd, m = float(np.mean(values)), float(np.std(values, ddof=1)), len(values)
    half = float(stats.t.ppf(0.975, m - 1)) * sd / m**0.5
    return {"value": value, "low": value - half, "high": value + half, "sd": sd, "seeds": m}


def mean(values: Sequence[float]) -> tuple[float, float, float]:
    """Take the mean of independent measurements, with its 95 % interval.

    Parameters
    ----------
    values : sequence of float
        Two or more.

    Returns
    -------
    value, low, high : float
        The mean and its interval (Student's t).

    Raises
    ------
    ValueError
        For fewer than two values, and for what is no number.
    """
    values = checks.numbers(values, "values")
    if len(values) < 2:
        raise ValueError(f"{len(values)} measurements, expected two or more: one has no interval")
    low, high = DescrStatsW(values).tconfint_mean()
    return float(np.mean(values)), float(low), float(high)


def median(values: Sequence[float]) -> tuple[float, float, float]:
    """Take the median of independent measurements, with its 95 % interval.

    Parameters
    ----------
    values : sequence of float
        Six or more.

    Returns
    -------
    value, low, high : float
        The median and its distribution-free interval, whose ends are two of the values.

    Raises
    ------
    ValueError
        For fewer than six values, from which no such interval exists, and for what is no number.
    """
    values = checks.numbers(values, "values")
    if len(values) < 6:
        raise ValueError(f"{len(values)} measurements, expected six or more for a 95 % interval of their median")
    interval = stats.quantile_test(values, p=0.5).confidence_interval()
    return float(np.median(values)), float(interval.low), float(interval.high)
