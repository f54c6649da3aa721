"""The rules: an estimate of ours and what a paper says in, a verdict out. None looks at anything else."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from scipy import stats

from fairlib import checks
from fairlib.book.terms import NOT_REPRODUCED, NOT_TESTABLE, PARTLY, REPRODUCED

TINY = 1e-9  # two decimal fractions that are equal on paper differ by less than this in binary


@dataclass(frozen=True)
class Estimate:
    """One number of ours with its 95 % interval, low <= value <= high.

    Parameters
    ----------
    value, low, high : float
        Finite, low <= value <= high; an exact number is both ends of its interval.
    anchor : str
        Label of the cell or section of the chapter that shows it.
    record : str
        The file or folder of the runs that it came from, relative to `data/`, or "" when the chapter computes it live.
    n : int or None
        Images behind it.
    sd : float or None
        Standard deviation between `seeds` trainings, then `value` is their mean; None where there is one or none.
    seeds : int
        Number of trainings, 1 or more.

    Raises
    ------
    ValueError
        For anything else.
    """

    value: float
    low: float
    high: float
    anchor: str
    record: str = ""
    n: int | None = None
    sd: float | None = None
    seeds: int = 1

    def __post_init__(self) -> None:
        numbers = (self.value, self.low, self.high)
        if not all(_number(v) for v in numbers) or not self.low - TINY <= self.value <= self.high + TINY:
            raise ValueError(
                f"an estimate has value, low, high = {numbers}, expected finite numbers with low <= value <= high; "
                "an exact number has its own value as both ends of its interval"
            )
        if not isinstance(self.anchor, str) or not re.fullmatch(r"[\w.-]+", self.anchor):
            raise ValueError(f"anchor is {self.anchor!r}, expected the label of a place on the chapter's page")
        if not isinstance(self.record, str):
            raise ValueError(f"record is {self.record!r}, expected the name of a file or folder below data/, or ''")
        if self.n is not None and not _count(self.n):
            raise ValueError(f"n is {self.n!r}, expected a number of images, or None")
        if not _count(self.seeds):
            raise ValueError(f"seeds is {self.seeds!r}, expected the number of trainings, 1 or more")
        if (self.sd is None) != (self.seeds == 1) or (self.sd is not None and not (_number(self.sd) and self.sd >= 0)):
            raise ValueError(
                f"sd is {self.sd!r} with seeds={self.seeds}, expected 0 or more with 2 trainings or more, else None"
            )


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _real(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _half_unit(decimals: int | None) -> float:
    """Half a unit of the last printed digit: what rounding hides."""
    if decimals is not None:
        checks.whole(decimals, "decimals", 0)
    return TINY + (0.0 if decimals is None else 0.5 * 10.0**-decimals)


def _checked(estimate: object) -> None:
    checks.instance(estimate, Estimate, "the estimate", "make one with fairlib.book.claims.Estimate")


def repetition(estimate: Estimate, *, decimals: int, n: int | None = None) -> tuple[float, float]:
    """Where the same measurement, made once more and printed with so many decimals, would fall.

    Parameters
    ----------
    estimate : Estimate
        Ours.
    decimals : int
        Decimals that the paper prints, 0 or more.
    n : int, optional
        Images of the paper, 1 or more. Leave it out where the value is no proportion of images.

    Returns
    -------
    tuple of float
        The lowest and the highest.

    Raises
    ------
    ValueError
        For anything else.

    Notes
    -----
    Our uncertainty and the paper's sampling error in quadrature, widened by half a unit of the last printed digit.
    Ours: with m trainings the prediction interval of one more, mean +- t(0.975, m - 1) sd sqrt(1 + 1/m); with one
    training its own interval. The paper's: 1.96 sqrt(p (1 - p)/n); for a difference of two accuracies on the same
    images p is its size, which makes p (1 - p)/n the least that its sampling variance can be.
    """
    _checked(estimate)
    if n is not None:
        checks.whole(n, "n")
    p = abs(estimate.value)
    sampling = stats.norm.ppf(0.975) * math.sqrt(max(0.0, p * (1 - p)) / n) if n else 0.0
    down, up = estimate.value - estimate.low, estimate.high - estimate.value
    if estimate.sd is not None:
        m = estimate.seeds
        down = up = stats.t.ppf(0.975, m - 1) * estimate.sd * math.sqrt(1 + 1 / m)
    half = _half_unit(decimals)
    return estimate.value - math.hypot(down, sampling) - half, estimate.value + math.hypot(up, sampling) + half


def matches_range(
    estimate: Estimate,
    *,
    low: int | float,
    high: int | float,
    decimals: int,
    n: int | None = None,
    near: int | float = 0.10,
) -> str:
    """A repetition would reach the published range, and our value is not far off.

    Reproduced: a `repetition` reaches [low, high], and our value is off by half of `near` at most. Partly: a repetition
    reaches it, however far our value is off, or our value is off by `near` at most.

    Parameters
    ----------
    estimate : Estimate
        Ours.
    low, high : float
        The published range, low <= high.
    decimals : int
        Decimals that the paper prints, 0 or more.
    n : int, optional
        Images of the paper, as in `repetition`.
    near : float
        A distance, 0 or more.

    Returns
    -------
    str
        `REPRODUCED`, `PARTLY` or `NOT_REPRODUCED`.

    Raises
    ------
    ValueError
        For a range in the wrong order, a negative distance, and what `repetition` refuses.
    """
    if not checks.finite(low, "low") <= checks.finite(high, "high"):
        raise ValueError(f"low={low}, high={high}: expected low <= high; exchange them")
    checks.not_negative(near, "near", "a distance")
    lowest, highest = repetition(estimate, decimals=decimals, n=n)
    reached = lowest <= high and low <= highest
    off = max(low - estimate.value, estimate.value - high, 0.0)
    if reached and off <= near / 2 + TINY:
        return REPRODUCED
    return PARTLY if reached or off <= near + TINY else NOT_REPRODUCED


def matches(
    estimate: Estimate, *, value: int | float, decimals: int, n: int | None = None, near: int | float = 0.10
) -> str:
    """The same as `matches_range` for one published `value`."""
    return matches_range(estimate, low=value, high=value, decimals=decimals, n=n, near=near)


def between(estimate: Estimate, *, low: int | float, high: int | float, decimals: int | None = None) -> str:
    """Our interval lies inside [low, high]; partly: it overlaps.

    Parameters
    ----------
    estimate : Estimate
        Ours.
    low, high : float
        The range, low <= high; either may be infinite.
    decimals : int, optional
        Decimals that the paper prints, 0 or more; the range is widened to what rounds into it.

    Returns
    -------
    str
        `REPRODUCED`, `PARTLY` or `NOT_REPRODUCED`.

    Raises
    ------
    ValueError
        For bounds that are no numbers, or in the wrong order, and what is no estimate.
    """
    _checked(estimate)
    if not (_real(low) and _real(high) and low <= high):
        raise ValueError(f"low={low}, high={high}: expected numbers with low <= high, which may be infinite")
    slack = _half_unit(decimals)
    if low - slack <= estimate.low and estimate.high <= high + slack:
        return REPRODUCED
    return PARTLY if estimate.low <= high + slack and low - slack <= estimate.high else NOT_REPRODUCED


def at_least(estimate: Estimate, *, value: int | float, decimals: int | None = None) -> str:
    """Our interval lies at or above `value`; partly: it straddles it. The rest is as in `between`."""
    return between(estimate, low=value, high=math.inf, decimals=decimals)


def at_most(estimate: Estimate, *, value: int | float, decimals: int | None = None) -> str:
    """Our interval lies at or below `value`; partly: it straddles it. The rest is as in `between`."""
    return between(estimate, low=-math.inf, high=value, decimals=decimals)


def positive(estimate: Estimate) -> str:
    """Our interval lies above zero; partly: it holds zero."""
    _checked(estimate)
    if estimate.low > 0:
        return REPRODUCED
    return PARTLY if estimate.high > 0 else NOT_REPRODUCED


def negative(estimate: Estimate) -> str:
    """Our interval lies below zero; partly: it holds zero."""
    _checked(estimate)
    if estimate.high < 0:
        return REPRODUCED
    return PARTLY if estimate.low < 0 else NOT_REPRODUCED


def orders(estimate: Estimate, *, first: str, among: list) -> str:
    """`first` leads `among`: the interval of its lead over the runner-up is above zero; partly: it holds zero."""
    return positive(estimate)


def equals(estimate: Estimate, *, value: int | float, decimals: int) -> str:
    """A recomputation gives the printed digits; its interval is what the rounding of its printed inputs allows.

    Parameters
    ----------
    estimate : Estimate
        Ours.
    value : float
        As printed.
    decimals : int
        Decimals that the paper prints, 0 or more.

    Returns
    -------
    str
        `REPRODUCED` or `NOT_REPRODUCED`.

    Raises
    ------
    ValueError
        For a value that is no number, and what is no estimate.
    """
    _checked(estimate)
    checks.finite(value, "value")
    half = _half_unit(decimals)
    return REPRODUCED if estimate.low - half <= value <= estimate.high + half else NOT_REPRODUCED


def not_testable(estimate: Estimate | None, *, reason: str) -> str:
    """Nothing here can decide it, for the `reason` given."""
    return NOT_TESTABLE


RULES: dict[str, Callable[..., str]] = {
    rule.__name__: rule
    for rule in (
        *(matches, matches_range, equals),
        *(between, at_least, at_most, positive, negative, orders),
        not_testable,
    )
}
