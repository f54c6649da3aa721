"""The rules: an estimate of ours and what a paper says in, a verdict out. None looks at anything else."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from numpy.typing import NDArray
from scipy import stats

from fairlib import checks
from fairlib.book.claims.estimate import TINY, Estimate
from fairlib.book.terms import NOT_REPRODUCED, NOT_TESTABLE, REPRODUCED, UNDECIDED


def _real(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)


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


def reaches(
    estimate: Estimate, low: float | NDArray, high: float | NDArray, *, decimals: int, n: int | None = None
) -> bool | NDArray:
    """Whether a `repetition` of an estimate and a published range have a number in common.

    Parameters
    ----------
    estimate : Estimate
        Ours, or an alternative.
    low, high : float or array
        The published range, or several of them.
    decimals, n : int
        As in `repetition`.

    Returns
    -------
    bool or array of bool
        Of the shape of `low`.

    Raises
    ------
    ValueError
        For what `repetition` refuses.
    """
    lowest, highest = repetition(estimate, decimals=decimals, n=n)
    return (lowest <= high) & (low <= highest)


def matches_range(
    estimate: Estimate,
    *,
    low: int | float,
    high: int | float,
    decimals: int,
    n: int | None = None,
    alternatives: Sequence[Estimate] = (),
) -> str:
    """A `repetition` of our measurement reaches the published range, and one of no alternative does.

    Not reproduced: a repetition of ours does not reach [low, high]. Undecided: it does, and so does one of an
    alternative (the wrong network, the wrong data set, an untrained network), so that the number cannot tell them
    apart. Reproduced: ours alone does.

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
    alternatives : sequence of Estimate
        What would stand in ours' place if the statement were wrong.

    Returns
    -------
    str
        `REPRODUCED`, `NOT_REPRODUCED` or `UNDECIDED`.

    Raises
    ------
    ValueError
        For a range in the wrong order, and what `repetition` refuses.
    """
    if not checks.finite(low, "low") <= checks.finite(high, "high"):
        raise ValueError(f"low={low}, high={high}: expected low <= high; exchange them")

    if not reaches(estimate, low, high, decimals=decimals, n=n):
        return NOT_REPRODUCED
    reached = [reaches(other, low, high, decimals=decimals, n=n) for other in alternatives]
    return UNDECIDED if any(reached) else REPRODUCED


def matches(
    estimate: Estimate,
    *,
    value: int | float,
    decimals: int,
    n: int | None = None,
    alternatives: Sequence[Estimate] = (),
) -> str:
    """The same as `matches_range` for one published `value`."""
    return matches_range(estimate, low=value, high=value, decimals=decimals, n=n, alternatives=alternatives)


def between(estimate: Estimate, *, low: int | float, high: int | float, decimals: int | None = None) -> str:
    """Our interval lies inside [low, high]; undecided: it holds both what is inside and what is outside.

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
        `REPRODUCED`, `NOT_REPRODUCED` or `UNDECIDED`.

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
    return UNDECIDED if estimate.low <= high + slack and low - slack <= estimate.high else NOT_REPRODUCED


def at_least(estimate: Estimate, *, value: int | float, decimals: int | None = None) -> str:
    """Our interval lies at or above `value`; undecided: it straddles it. The rest is as in `between`."""
    return between(estimate, low=value, high=math.inf, decimals=decimals)


def at_most(estimate: Estimate, *, value: int | float, decimals: int | None = None) -> str:
    """Our interval lies at or below `value`; undecided: it straddles it. The rest is as in `between`."""
    return between(estimate, low=-math.inf, high=value, decimals=decimals)


def equivalent(estimate: Estimate, *, smallest: int | float, to: int | float = 0) -> str:
    """Our interval lies within `smallest` of `to`: what a paper calls minimal, comparable, about or the same.

    Parameters
    ----------
    estimate : Estimate
        Ours.
    smallest : float
        The smallest effect of interest, above 0.
    to : float
        What it is said to equal.

    Returns
    -------
    str
        `REPRODUCED`, `NOT_REPRODUCED` (wholly further away) or `UNDECIDED`.

    Raises
    ------
    ValueError
        For what is no such number, and what is no estimate.
    """
    checks.positive(smallest, "smallest", "the smallest effect of interest")
    checks.finite(to, "to")
    return between(estimate, low=to - smallest, high=to + smallest)


def positive(estimate: Estimate, *, smallest: int | float) -> str:
    """Our interval lies above zero, and not all of it below the smallest effect of interest.

    Parameters
    ----------
    estimate : Estimate
        Ours.
    smallest : float
        The smallest effect of interest, above 0.

    Returns
    -------
    str
        `REPRODUCED`: low > 0 and high >= `smallest`. `NOT_REPRODUCED`: high < `smallest`, so that no effect of interest
        is left; below zero or wholly within -`smallest` to `smallest`. Else `UNDECIDED`.

    Raises
    ------
    ValueError
        For what is no such number, and what is no estimate.
    """
    _checked(estimate)
    checks.positive(smallest, "smallest", "the smallest effect of interest")
    if estimate.high < smallest - TINY:
        return NOT_REPRODUCED
    return REPRODUCED if estimate.low > 0 else UNDECIDED


def mirrored(estimate: Estimate) -> Estimate:
    """The estimate of the same quantity with its sign changed.

    Parameters
    ----------
    estimate : Estimate
        Ours.

    Returns
    -------
    Estimate
        Its interval runs from -high to -low.

    Raises
    ------
    ValueError
        For what is no estimate.
    """
    _checked(estimate)
    return replace(estimate, value=-estimate.value, low=-estimate.high, high=-estimate.low)


def negative(estimate: Estimate, *, smallest: int | float) -> str:
    """Our interval lies below zero: `positive`, mirrored."""
    return positive(mirrored(estimate), smallest=smallest)


def orders(estimate: Estimate, *, first: str, among: list, smallest: int | float) -> str:
    """`first` leads `among`: its lead over the runner-up is `positive`."""
    return positive(estimate, smallest=smallest)


def no_effect(estimate: Estimate, smallest: float) -> bool:
    """Whether an interval lies wholly within the smallest effect of interest, on either side of zero.

    Parameters
    ----------
    estimate : Estimate
        Ours.
    smallest : float
        The smallest effect of interest.

    Returns
    -------
    bool
        True: decided, and nothing there.
    """
    return -smallest < estimate.low and estimate.high < smallest


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
        *(between, at_least, at_most, equivalent, positive, negative, orders),
        not_testable,
    )
}
CELLS = ("matches", "matches_range")  # the rules for a printed number
SIGNS = ("positive", "negative", "orders")  # those for a side of zero
