"""Numbers with their 95 % intervals, in the fields of `fairlib.book.claims.Estimate`."""

import math

from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW
from torch import Tensor


def interval(value: float, low: float, high: float) -> dict[str, float]:
    """A value and the ends of its interval."""
    return {"value": float(value), "low": float(low), "high": float(high)}


def exact(value: float) -> dict[str, float]:
    """A number that was counted and is no estimate: it is both ends of its interval."""
    return dict.fromkeys(("value", "low", "high"), value)


def with_images(estimate: dict[str, float], variance: float) -> dict[str, float]:
    """A mean over trainings that share their test images, with what drawing these images adds to its interval.

    `variance`: of the value, over draws of the images. Both halves are taken to be independent.
    """
    sampling = float(stats.norm.ppf(0.975)) * math.sqrt(variance)
    half = math.hypot(estimate["high"] - estimate["value"], sampling)
    return estimate | {"low": estimate["value"] - half, "high": estimate["value"] + half}


def mean(values: Tensor) -> dict[str, float]:
    """The mean of one number per image (N,), with Student's interval."""
    low, high = DescrStatsW(values.double().numpy()).tconfint_mean()
    return {"value": values.double().mean().item(), "low": low, "high": high, "n": len(values)}


def difference(first: Tensor, second: Tensor) -> dict[str, float]:
    """The difference of the means over two groups of images (Welch's interval)."""
    groups = [DescrStatsW(group.double().numpy()) for group in (first, second)]
    low, high = CompareMeans(*groups).tconfint_diff(usevar="unequal")
    value = groups[0].mean - groups[1].mean
    return {"value": value, "low": low, "high": high, "n": len(first) + len(second)}


def more_often(first: tuple[int, int], second: tuple[int, int]) -> dict[str, float]:
    """The difference of two shares, each given as a count and a number of images (Newcombe's interval)."""
    low, high = confint_proportions_2indep(*first, *second, compare="diff", method="newcomb")
    value = first[0] / first[1] - second[0] / second[1]
    return {"value": value, "low": low, "high": high, "n": first[1] + second[1]}
