"""Checks of many values at once, in arrays and tables: what is no answer is not made one."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from fairlib.checks.values import instance, is_number

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray


def numbers(
    values: ArrayLike,
    name: str,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    axes: int | None = 1,
    least: int = 1,
) -> NDArray[np.float64]:
    """Refuse what are no finite numbers within bounds.

    Parameters
    ----------
    values : array_like
        The numbers; words, truth values, None and NaN are none.
    name : str
        What the message calls them.
    low, high : float
        The bounds, both allowed.
    axes : int or None
        How many axes the array must have; None allows any.
    least : int
        How many numbers there must be.

    Returns
    -------
    ndarray of float64
        The numbers, in the shape of `values`.

    Raises
    ------
    ValueError
        When one of the values is no finite number within the bounds, or the shape is another.
    """
    array = _array(values, name)
    if array.dtype.kind not in "iuf":
        odd = next((v for v in array.ravel().tolist() if not is_number(v)), array)
        raise ValueError(f"{name} holds {odd!r}, expected numbers; leave out or mend what is none")
    if (axes is not None and array.ndim != axes) or array.size < least:
        along = "" if axes is None else f" along {axes} {'axis' if axes == 1 else 'axes'}"
        raise ValueError(f"{name} has shape {array.shape}, expected {least} or more numbers{along}")
    array = array.astype(float)
    if not (inside := np.isfinite(array) & (array >= low) & (array <= high)).all():
        bounds = f" in [{low:g}, {high:g}]" if (low, high) != (-math.inf, math.inf) else ""
        raise ValueError(f"{name} holds {array[~inside][0]:g}, expected finite numbers{bounds}; leave out what is none")
    return array


def counts(values: ArrayLike, name: str, *, low: int = 0, axes: int | None = 1, least: int = 1) -> NDArray[np.float64]:
    """Refuse what are no whole numbers.

    Parameters
    ----------
    values : array_like
        The numbers; 3.0 is one.
    name : str
        What the message calls them.
    low : int
        The smallest that is allowed.
    axes, least : int
        As in `numbers`.

    Returns
    -------
    ndarray of float64
        The numbers, in the shape of `values`.

    Raises
    ------
    ValueError
        When one of the values is no whole number of `low` or more, or the shape is another.
    """
    array = numbers(values, name, low=low, axes=axes, least=least)
    if (odd := array[array != np.round(array)]).size:
        raise ValueError(f"{name} holds {odd[0]:g}, expected whole numbers: they are counts, not shares")
    return array


def answers(values: ArrayLike, name: str) -> NDArray[np.bool_]:
    """Refuse what are neither truth values nor 0 and 1 in their place.

    Parameters
    ----------
    values : array_like
        The answers: right or wrong.
    name : str
        What the message calls them.

    Returns
    -------
    ndarray of bool
        The answers, in the shape of `values`.

    Raises
    ------
    ValueError
        When one of the values is neither true nor false, such as a missing answer.
    """
    array = _array(values, name)
    if array.dtype.kind != "b":
        right = [isinstance(v, bool | Real) and v in (0, 1) for v in array.ravel().tolist()]
        if not all(right):
            odd = array.ravel().tolist()[right.index(False)]
            raise ValueError(f"{name} holds {odd!r}, expected True or False; leave out what has no answer")
    return array.astype(bool)


def columns(frame: pd.DataFrame, wanted: Iterable[str], name: str, mend: str) -> None:
    """Refuse what is no table, or one that lacks a column.

    Parameters
    ----------
    frame : DataFrame
        The table.
    wanted : iterable of str
        The columns that it must have.
    name : str
        What the message calls the table.
    mend : str
        The end of the message: how to get a table that has them.

    Raises
    ------
    ValueError
        When it is no table, or a column is not there.
    """
    import pandas as pd

    instance(frame, pd.DataFrame, name, mend)
    if missing := [column for column in wanted if column not in frame]:
        raise ValueError(f"{name} lacks {', '.join(missing)}; {mend}")


def _array(values: ArrayLike, name: str) -> np.ndarray:
    """An array of the values; numbers that lie there as objects become numbers."""
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:  # lists of unequal lengths, a tensor that needs its gradient
        raise ValueError(
            f"{name} is no array of numbers ({error}), expected one; give lists of equal length"
        ) from error
    if array.dtype == object and array.size and all(is_number(v) for v in array.ravel()):
        return array.astype(float)
    return array
