"""Checks of one value: a number, a word, a path, a thing of a kind."""

import math
import os
from collections.abc import Iterable, Sequence
from numbers import Integral, Number, Real
from pathlib import Path


def unit(value: float, name: str) -> float:
    """Refuse a number outside [0, 1].

    Parameters
    ----------
    value : float
        The number; NaN and truth values are none.
    name : str
        What the message calls it.

    Returns
    -------
    float
        The number.

    Raises
    ------
    ValueError
        When the value is no number in [0, 1].

    Examples
    --------
    >>> unit(8 / 255, "eps")
    0.03137254901960784
    """
    if not is_number(value) or not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} is {value!r}, expected a number in [0, 1]: pixels live on that scale (8/255, not 8)")
    return float(value)


def share(value: float, name: str) -> float:
    """Refuse a number that is not strictly between 0 and 1.

    Parameters
    ----------
    value : float
        The number, such as a confidence level.
    name : str
        What the message calls it.

    Returns
    -------
    float
        The number.

    Raises
    ------
    ValueError
        When the value is no number above 0 and below 1.
    """
    if not is_number(value) or not 0 < value < 1:
        raise ValueError(f"{name} is {value!r}, expected a share above 0 and below 1 (0.95, not 95)")
    return float(value)


def finite(value: float, name: str) -> float:
    """Refuse a number that is infinite or NaN.

    Parameters
    ----------
    value : float
        The number.
    name : str
        What the message calls it.

    Returns
    -------
    float
        The number.

    Raises
    ------
    ValueError
        When the value is no finite number.
    """
    if not is_number(value) or not math.isfinite(value):
        raise ValueError(f"{name} is {value!r}, expected a finite number")
    return float(value)


def positive(value: float, name: str, what: str) -> None:
    """Refuse a number that is not above 0, or not finite.

    Parameters
    ----------
    value : float
        The number.
    name, what : str
        What the message calls it, and what it is: `the learning rate`.

    Raises
    ------
    ValueError
        When the value is no finite number above 0.
    """
    if not is_number(value) or not 0 < value < float("inf"):
        raise ValueError(f"{name} is {value!r}, expected a positive number, {what}")


def not_negative(value: float, name: str, what: str) -> None:
    """Refuse a number below 0; it may be infinite.

    Parameters
    ----------
    value : float
        The number.
    name, what : str
        What the message calls it, and what it is: `the step's length`.

    Raises
    ------
    ValueError
        When the value is no number of 0 or more.
    """
    if not is_number(value) or not value >= 0:
        raise ValueError(f"{name} is {value!r}, expected 0 or more, {what}")


def whole(value: int, name: str, low: int = 1, high: int | None = None) -> int:
    """Refuse what is no whole number, or one out of bounds.

    Parameters
    ----------
    value : int
        The number; truth values and 3.0 are none.
    name : str
        What the message calls it.
    low, high : int
        The bounds, both allowed; None sets no upper one.

    Returns
    -------
    int
        The number.

    Raises
    ------
    ValueError
        When the value is no whole number from `low` to `high`.
    """
    if not is_number(value, Integral) or value < low or (high is not None and value > high):
        ends = f"of {low} or more" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name} is {value!r}, expected a whole number {ends}")
    return value


def one_of(value: str, allowed: Sequence[str], name: str) -> str:
    """Refuse a word that is not on a list.

    Parameters
    ----------
    value : str
        The word.
    allowed : sequence of str
        The list.
    name : str
        What the message calls the word.

    Returns
    -------
    str
        The word.

    Raises
    ------
    ValueError
        When the word is not on the list, which the message gives.
    """
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} is {value!r}, expected one of: {', '.join(allowed)}")
    return value


def instance(value: object, kind: type, name: str, mend: str) -> None:
    """Refuse what is not of a kind.

    Parameters
    ----------
    value : object
        Anything.
    kind : type
        What it has to be an instance of.
    name : str
        What the message calls it.
    mend : str
        The end of the message: where to get one that is.

    Raises
    ------
    ValueError
        When the value is not of that kind.
    """
    if not isinstance(value, kind):
        raise ValueError(f"{name} is {described(value)}, expected a {kind.__name__}; {mend}")


def several(values: Iterable, name: str) -> None:
    """Refuse a single value where there may be several.

    Parameters
    ----------
    values : iterable
        The values; a string is a single one.
    name : str
        What the message calls them.

    Raises
    ------
    ValueError
        When there is only a single value, not in a list.
    """
    if not isinstance(values, Iterable) or isinstance(values, str | bytes):
        raise ValueError(f"{name} is {described(values)}, expected several; put a single one into a list")


def path(value: str | os.PathLike, name: str) -> Path:
    """Refuse what is no path.

    Parameters
    ----------
    value : str or os.PathLike
        The path; nothing need lie there.
    name : str
        What the message calls it.

    Returns
    -------
    Path
        The path.

    Raises
    ------
    ValueError
        When the value is neither a string nor a path.
    """
    if not isinstance(value, str | os.PathLike):
        raise ValueError(f"{name} is {described(value)}, expected a path; give it as a string or a pathlib.Path")
    return Path(value)


def is_number(value: object, kind: type = Real) -> bool:
    """Whether a value is a number of a kind; truth values, which Python counts among them, are none."""
    return isinstance(value, kind) and not isinstance(value, bool)


def described(value: object) -> str:
    """What a message calls a value: itself, if it is a word, a number or None, else its kind, such as `a Tensor`."""
    return repr(value) if isinstance(value, str | Number | None) else f"a {type(value).__name__}"
