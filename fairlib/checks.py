"""Bad input, refused in one place: each check says what was wrong, what was expected and how to mend it.

Checks of tensors import torch when they are called, so that what works on numbers alone does without it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from numbers import Integral, Number, Real
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


def images(x: Tensor, shape: Sequence[int] | None = None, name: str = "x") -> None:
    """Refuse anything but a non-empty float32 batch (N, C, H, W) of pixels in [0, 1].

    `shape` is the (C, H, W) that the model or the data set asks for; None accepts any.
    """
    import torch

    if not isinstance(x, torch.Tensor):
        raise ValueError(f"{name} is a {type(x).__name__}, expected a torch.Tensor; use torch.as_tensor(...)")
    if x.dtype != torch.float32:
        hint = "divide 8-bit pixels by 255" if not x.is_floating_point() else "call .float()"
        raise ValueError(f"{name} has dtype {x.dtype}, expected torch.float32; {hint}")
    expected = "(N, C, H, W)" if shape is None else f"(N, {', '.join(map(str, shape))})"
    if x.ndim != 4 or (shape is not None and tuple(x.shape[1:]) != tuple(shape)):
        raise ValueError(f"{name} has shape {tuple(x.shape)}, expected {expected}; a single image needs x[None]")
    if x.numel() == 0:
        raise ValueError(f"{name} is empty (shape {tuple(x.shape)}), expected at least one image")
    low, high = (float(v) for v in torch.aminmax(x.detach()))
    if not (low >= 0.0 and high <= 1.0):  # NaN fails both comparisons
        what = "holds NaN" if low != low else f"spans [{low:g}, {high:g}]"
        raise ValueError(f"{name} {what}, expected pixels in [0, 1]; the model normalises, the caller must not")


def pair(x: Tensor, x_adv: Tensor) -> None:
    """Refuse two batches of images unless both are such, of one shape."""
    images(x)
    images(x_adv, x.shape[1:], "x_adv")
    if len(x_adv) != len(x):
        raise ValueError(f"x_adv has {len(x_adv)} images, expected {len(x)}: one for each image of x")


def channels(x: Tensor, allowed: Sequence[int]) -> None:
    """Refuse anything but floating-point images (N, C, H, W), one or more, with a number of channels on the list."""
    from torch import Tensor

    if not isinstance(x, Tensor) or not x.is_floating_point() or x.ndim != 4 or not x.numel():
        what = f"{x.dtype} of shape {tuple(x.shape)}" if isinstance(x, Tensor) else f"a {type(x).__name__}"
        raise ValueError(f"x is {what}, expected one or more floating-point images (N, C, H, W)")
    if x.shape[1] not in allowed:
        hint = "drop an alpha channel with x[:, :3], repeat a grey one with x.expand(-1, 3, -1, -1)"
        raise ValueError(f"x has {x.shape[1]} channels, expected {' or '.join(map(str, allowed))}; {hint}")


def sides(x: Tensor, smallest: int, name: str) -> None:
    """Refuse images (N, C, H, W) that are smaller than what is named can take."""
    if min(x.shape[2:]) < smallest:
        raise ValueError(
            f"x has shape {tuple(x.shape)}, expected sides of {smallest} pixels or more for {name}; take larger images"
        )


def labels(y: Tensor, n: int, classes: int | None = 10) -> None:
    """Refuse anything but (n,) int64 labels in [0, classes); None knows of no largest one."""
    import torch

    if not isinstance(y, torch.Tensor) or y.dtype != torch.int64:
        kind = y.dtype if isinstance(y, torch.Tensor) else type(y).__name__
        raise ValueError(f"y is {kind}, expected a torch.int64 tensor; use torch.as_tensor(y, dtype=torch.int64)")
    if tuple(y.shape) != (n,):
        raise ValueError(f"y has shape {tuple(y.shape)}, expected ({n},): one label per image")
    low, high = (int(v) for v in torch.aminmax(y)) if n else (0, 0)
    if low < 0 or (classes is not None and high >= classes):
        expected = "0 or more" if classes is None else f"in [0, {classes - 1}]"
        raise ValueError(f"y spans [{low}, {high}], expected labels {expected}; count classes from 0")


def evaluating(model: nn.Module) -> None:
    """Refuse what is no model, and a model in training mode."""
    from torch import nn

    instance(model, nn.Module, "the model", "get one with fairlib.training.shipped or fairlib.models.pretrained")
    if model.training:
        raise ValueError("the model is in training mode, expected evaluation mode; call model.eval() first")


def fitting(model: nn.Module, x: Tensor) -> None:
    """Refuse a model in training mode, and images other than it asks for, where it does."""
    evaluating(model)
    images(x, getattr(model, "shape", None))


def classified(model: nn.Module, x: Tensor, y: Tensor) -> None:
    """Refuse a model in training mode, images and labels other than it asks for, and parameters without gradients."""
    fitting(model, x)
    labels(y, len(x), getattr(model, "classes", None))
    if any(p.is_inference() for p in model.parameters()):
        raise ValueError(
            "the model was made under torch.inference_mode(), so that nothing can be differentiated through it; make "
            "or load it outside of that, or copy it: copy.deepcopy(model)"
        )


def unit(value: float, name: str) -> float:
    """Refuse a number outside [0, 1] (NaN included); return it as a float."""
    if not _number(value) or not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} is {value!r}, expected a number in [0, 1]: pixels live on that scale (8/255, not 8)")
    return float(value)


def positive(value: float, name: str, what: str) -> None:
    """Refuse anything but a finite number above 0."""
    if not _number(value) or not 0 < value < float("inf"):
        raise ValueError(f"{name} is {value!r}, expected a positive number, {what}")


def not_negative(value: float, name: str, what: str) -> None:
    """Refuse anything but a number that is 0 or more; it may be infinite."""
    if not _number(value) or not value >= 0:
        raise ValueError(f"{name} is {value!r}, expected 0 or more, {what}")


def whole(value: int, name: str, low: int = 1, high: int | None = None) -> int:
    """Refuse anything but a whole number from `low` to `high`; return it."""
    if not _number(value, Integral) or value < low or (high is not None and value > high):
        ends = f"of {low} or more" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name} is {value!r}, expected a whole number {ends}")
    return value


def _number(value: object, kind: type = Real) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def one_of(value: str, allowed: Sequence[str], name: str) -> str:
    """Refuse a name that is not on the list; return it."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} is {value!r}, expected one of: {', '.join(allowed)}")
    return value


def instance(value: object, kind: type, name: str, mend: str) -> None:
    """Refuse what is not of the kind; `mend` says where to get one that is."""
    if not isinstance(value, kind):
        raise ValueError(f"{name} is {_what(value)}, expected a {kind.__name__}; {mend}")


def several(values: Iterable, name: str) -> None:
    """Refuse a single value where there may be several."""
    if not isinstance(values, Iterable) or isinstance(values, str | bytes):
        raise ValueError(f"{name} is {_what(values)}, expected several; put a single one into a list")


def generator(value: torch.Generator) -> None:
    """Refuse what is no generator: a seed, or torch's global state, which None would be."""
    import torch

    instance(value, torch.Generator, "generator", "get one with fairlib.runtime.generator(seed)")


def path(value: str | os.PathLike, name: str) -> Path:
    """Refuse what is no path; return it as one."""
    if not isinstance(value, str | os.PathLike):
        raise ValueError(f"{name} is {_what(value)}, expected a path; give it as a string or a pathlib.Path")
    return Path(value)


def _what(value: object) -> str:
    return repr(value) if isinstance(value, str | Number | None) else f"a {type(value).__name__}"


# --- Numbers, many at once: what is no answer is not made one. --------------------------------------------------------


def numbers(
    values: ArrayLike,
    name: str,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    axes: int | None = 1,
    least: int = 1,
) -> NDArray[np.float64]:
    """Refuse anything but finite numbers from `low` to `high`, at least so many; return them as an array of floats.

    Words, truth values, None and NaN are no numbers. `axes`: how many the array must have; None allows any.
    """
    found = _array(values, name)
    if found.dtype.kind not in "iuf":
        odd = next((v for v in found.ravel().tolist() if not _number(v)), found)
        raise ValueError(f"{name} holds {odd!r}, expected numbers; leave out or mend what is none")
    if (axes is not None and found.ndim != axes) or found.size < least:
        shape = f"{least} or more numbers" + (
            "" if axes is None else f" along {axes} {'axis' if axes == 1 else 'axes'}"
        )
        raise ValueError(f"{name} has shape {found.shape}, expected {shape}")
    found = found.astype(float)
    if not (inside := np.isfinite(found) & (found >= low) & (found <= high)).all():
        bounds = f" in [{low:g}, {high:g}]" if (low, high) != (-math.inf, math.inf) else ""
        raise ValueError(f"{name} holds {found[~inside][0]:g}, expected finite numbers{bounds}; leave out what is none")
    return found


def counts(values: ArrayLike, name: str, *, low: int = 0, axes: int | None = 1, least: int = 1) -> NDArray[np.float64]:
    """Refuse anything but whole numbers from `low` upwards; return them as an array of floats."""
    found = numbers(values, name, low=low, axes=axes, least=least)
    if (odd := found[found != np.round(found)]).size:
        raise ValueError(f"{name} holds {odd[0]:g}, expected whole numbers: they are counts, not shares")
    return found


def answers(values: ArrayLike, name: str) -> NDArray[np.bool_]:
    """Refuse anything but truth values, or 0 and 1 in their place; return them as an array of truth values."""
    found = _array(values, name)
    if found.dtype.kind != "b":
        right = [isinstance(v, bool | Real) and v in (0, 1) for v in found.ravel().tolist()]
        if not all(right):
            odd = found.ravel().tolist()[right.index(False)]
            raise ValueError(f"{name} holds {odd!r}, expected True or False; leave out what has no answer")
    return found.astype(bool)


def columns(frame: pd.DataFrame, wanted: Iterable[str], name: str, mend: str) -> None:
    """Refuse what is no table, or one that lacks a column; `mend` says how to get one that does not."""
    instance(frame, pd.DataFrame, name, mend)
    if missing := [c for c in wanted if c not in frame]:
        raise ValueError(f"{name} lacks {', '.join(missing)}; {mend}")


def finite(value: float, name: str) -> float:
    """Refuse anything but a finite number; return it as a float."""
    if not _number(value) or not math.isfinite(value):
        raise ValueError(f"{name} is {value!r}, expected a finite number")
    return float(value)


def share(value: float, name: str) -> float:
    """Refuse anything but a number above 0 and below 1."""
    if not _number(value) or not 0 < value < 1:
        raise ValueError(f"{name} is {value!r}, expected a share above 0 and below 1 (0.95, not 95)")
    return float(value)


def _array(values: ArrayLike, name: str) -> np.ndarray:
    """An array of what was given; numbers that lie there as objects become numbers."""
    try:
        found = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:  # lists of unequal lengths, a tensor that needs its gradient
        raise ValueError(
            f"{name} is no array of numbers ({error}), expected one; give lists of equal length"
        ) from error
    if found.dtype == object and found.size and all(_number(v) for v in found.ravel()):
        return found.astype(float)
    return found
