"""What a page says a number in: the value, and behind it the ends of its interval, rounded alike everywhere."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from fairlib import checks, intervals

VALUES = ("value", "accuracy", "share")  # what tables call it


def with_ends(found: object, digits: int = 2, *, sign: str = "", times: float = 1, unit: str = "") -> str:
    """A number with the ends of its interval, as text.

    Parameters
    ----------
    found : mapping, Series, Estimate or sequence of float
        With `value` (or `accuracy`, or `share`), `low` and `high` under these names, as keys or as attributes; or the
        three in this order.
    digits : int
        How many stand behind the point.
    sign : str
        "+" where numbers above zero are to have one, too.
    times : float
        A factor, such as 100 for shares in per cent.
    unit : str
        What stands behind the value, such as " %".

    Returns
    -------
    str
        As `0.43 [0.42, 0.44]`. What rounds to zero has no minus.

    Raises
    ------
    ValueError
        For what has no such three numbers, and for digits or a sign that there are not.

    Examples
    --------
    >>> with_ends({"value": 0.43, "low": 0.42, "high": 0.44})
    '0.43 [0.42, 0.44]'
    >>> with_ends((0.051, -0.0004, 0.09), 0, sign="+", times=100, unit=" %")
    '+5 % [+0, +9]'
    """
    checks.whole(digits, "digits", 0)
    checks.one_of(sign, ("", "+"), "sign")
    rounded = (round(times * float(end), digits) + 0.0 for end in _three(found))  # no -0.00
    value, low, high = (f"{end:{sign}.{digits}f}" for end in rounded)
    return f"{value}{unit} [{low}, {high}]"


def _three(found: object) -> tuple[float, float, float]:
    """Value, low and high of whatever holds them."""
    if isinstance(found, Mapping | pd.Series):
        three = _named(found.get)
    elif hasattr(found, "low"):
        three = _named(lambda name: getattr(found, name, None))
    else:
        three = found
    try:
        value, low, high = map(float, three)
    except (TypeError, ValueError):
        mend = "name these so, or give the three in this order"
        raise ValueError(f"found is {found!r}, expected numbers: value, low and high; {mend}") from None
    return value, low, high


def _named(get: Callable[[str], float | None]) -> list[float | None]:
    """The three of something that has names, from what looks one up."""
    values = [found for name in VALUES if (found := get(name)) is not None]
    return [*values[:1], get("low"), get("high")]


def share(hits: ArrayLike) -> dict[str, float]:
    """How many of these are true.

    Parameters
    ----------
    hits : array_like of bool
        One or more; 1 and 0 will do.

    Returns
    -------
    dict
        `value`, the ends `low` and `high` of its Wilson 95 % interval, and the number of hits and misses, `n`.

    Raises
    ------
    ValueError
        For none, and for what is neither true nor false.

    Examples
    --------
    >>> with_ends(share([True, True, True, False]))
    '0.75 [0.30, 0.95]'
    """
    hits = _answers(hits, "hits")
    counts = pd.DataFrame({"right": [int(hits.sum())], "n": [len(hits)]})
    row = intervals.with_interval(counts).iloc[0]
    return {"value": float(row["accuracy"]), "low": float(row["low"]), "high": float(row["high"]), "n": len(hits)}


def more_often(first: ArrayLike, second: ArrayLike) -> dict[str, float]:
    """By how much more often the first are true than the second, on the same cases.

    Parameters
    ----------
    first, second : array_like of bool
        One or more each, the cases in one order; 1 and 0 will do.

    Returns
    -------
    dict
        `value`, the ends `low` and `high` of the 95 % interval of `fairlib.intervals.paired`, and the number of cases
        `n`.

    Raises
    ------
    ValueError
        For none, for different numbers of them, and for what is neither true nor false.

    Examples
    --------
    >>> with_ends(more_often([True, True, True, False], [True, False, False, False]), sign="+")
    '+0.50 [-0.26, +0.93]'
    """
    first, second = _answers(first, "first"), _answers(second, "second")
    if len(first) != len(second):
        raise ValueError(f"first has {len(first)} answers and second {len(second)}; give those of the same cases")
    found = intervals.paired(int((first & ~second).sum()), int((second & ~first).sum()), len(first))
    return dict(zip(("value", "low", "high"), map(float, found), strict=True)) | {"n": len(first)}


def _answers(values: ArrayLike, name: str) -> np.ndarray:
    """One truth value or more, in a row."""
    answers = checks.answers(values, name)
    if answers.ndim != 1 or not answers.size:
        raise ValueError(f"{name} has the shape {answers.shape}, expected one or more answers in a row")
    return answers
