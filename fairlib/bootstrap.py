"""What numbers of the same images say about methods: means, differences, ratios, with bootstrap intervals over images.

Every interval is made in one way: `RESAMPLES` times as many images as there are, drawn with replacement and from the
same seed; the statistic of each draw; the 2.5 % and 97.5 % quantiles of these (Efron's percentiles).
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from scipy.stats import permutation_test

from fairlib import checks

RESAMPLES = 4_999


def mean(values: Sequence[float]) -> dict[str, float]:
    """The mean of one number per image.

    Parameters
    ----------
    values : sequence of float
        One finite number for each of two or more images.

    Returns
    -------
    dict
        `value`, the ends `low` and `high` of its 95 % interval, and the number of images `n`.

    Raises
    ------
    ValueError
        For anything else.
    """
    return interval(np.mean, values)


def difference(first: Sequence[float], second: Sequence[float]) -> dict[str, float]:
    """The mean difference of two methods over the same images, and how often chance alone makes one as large.

    Parameters
    ----------
    first, second : sequence of float
        One finite number for each of two or more images, the images in one order.

    Returns
    -------
    dict
        `value` (the mean of first - second), `low`, `high`, `n` as `mean` gives them, and `p_value`, two-sided.

    Raises
    ------
    ValueError
        For anything else, and for sequences of different lengths.

    Notes
    -----
    The p-value is that of the paired permutation test, which flips the signs of the differences: in all ways for a few
    images, `RESAMPLES` times otherwise.
    """
    first, second = _numbers(first, second)
    gap = first - second
    test = permutation_test((gap,), np.mean, permutation_type="samples", vectorized=True, n_resamples=RESAMPLES, rng=0)
    return mean(gap) | {"p_value": float(test.pvalue)}


def ratio(first: Sequence[float], second: Sequence[float]) -> dict[str, float]:
    """The mean of one method's numbers over the mean of another's on the same images.

    Parameters
    ----------
    first, second : sequence of float
        One finite number for each of two or more images, the images in one order; the mean of `second` is not 0.

    Returns
    -------
    dict
        `value`, `low`, `high`, `n` as `mean` gives them.

    Raises
    ------
    ValueError
        For anything else, and for sequences of different lengths.
    """
    return interval(lambda a, b, axis: a.mean(axis) / b.mean(axis), first, second)


def margin(values: pd.DataFrame, leader: str) -> dict[str, float]:
    """By how much one method's mean lies below the smallest mean of the others.

    Parameters
    ----------
    values : DataFrame
        A row per image, a column per method.
    leader : str
        The column of the method.

    Returns
    -------
    dict
        `value` (positive where the method is first), `low`, `high`, `n` as `mean` gives them. Each draw of images looks
        anew for the best of the others.

    Raises
    ------
    ValueError
        For what is no table, another column, and no other method.
    """
    checks.instance(values, pd.DataFrame, "values", "make one: a row per image, a column per method")
    checks.one_of(leader, tuple(values.columns), "leader")
    if len(values.columns) < 2:
        raise ValueError(f"values has the column {leader} only, expected another one for it to lead")
    others = [values[name] for name in values.columns if name != leader]

    def lead(own: np.ndarray, *others: np.ndarray, axis: int) -> np.ndarray:
        return np.min([other.mean(axis=axis) for other in others], axis=0) - own.mean(axis=axis)

    return interval(lead, values[leader], *others)


def interval(statistic: Callable[..., np.ndarray], *samples: Sequence[float]) -> dict[str, float]:
    """Any statistic of numbers of the same images, with its 95 % interval.

    Parameters
    ----------
    statistic : callable
        ``statistic(*samples, axis=axis)``, which reduces that axis of arrays.
    *samples : sequence of float
        Of each quantity one finite number per image, the images in one order; two images or more.

    Returns
    -------
    dict
        `value` of the samples themselves, `low`, `high`, and the number of images `n`.

    Raises
    ------
    ValueError
        For fewer images, samples of different lengths, what is no finite number, and where the statistic divides by
        nothing in the samples themselves. Draws in which it does are left out.
    """
    columns = _numbers(*samples)
    n = len(columns[0])
    if n < 2:
        raise ValueError(f"there are {n} images, expected two or more: one gives no interval")
    drawn = np.random.default_rng(0).integers(n, size=(RESAMPLES, n))
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(statistic(*columns, axis=0))
        values = statistic(*(column[drawn] for column in columns), axis=1)
    if not np.isfinite(value):
        raise ValueError(
            "the statistic divides by nothing, expected numbers whose mean is not 0 below the fraction bar"
        )
    low, high = np.quantile(values[np.isfinite(values)], [0.025, 0.975])
    # Rounding may put a mean of equal numbers an ulp outside its interval.
    return {"value": value, "low": min(float(low), value), "high": max(float(high), value), "n": n}


def _numbers(*samples: Sequence[float]) -> list[np.ndarray]:
    """The samples as arrays (n,) of float64, looked at."""
    try:
        columns = [np.asarray(sample, dtype=float) for sample in samples]
    except (TypeError, ValueError) as error:
        raise ValueError(f"the values are not numbers ({error}), expected one number for each image") from error
    shapes = [column.shape for column in columns]
    if len(set(shapes)) > 1 or len(shapes[0]) != 1:
        raise ValueError(f"the values have shape {' and '.join(map(str, shapes))}, expected one number for each image")
    if not np.isfinite(columns).all():
        raise ValueError("the values hold NaN or infinity, expected a number for each image; leave these images out")
    return columns
