"""Bad input, refused in one place: each check says what was wrong, what was expected and how to mend it."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def images(x: Tensor, shape: Sequence[int] | None = None, name: str = "x") -> None:
    """Refuse anything but a non-empty float32 batch (N, C, H, W) of pixels in [0, 1].

    `shape` is the (C, H, W) that the model or the data set asks for; None accepts any.
    """
    if not isinstance(x, Tensor):
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


def labels(y: Tensor, n: int, classes: int = 10) -> None:
    """Refuse anything but (n,) int64 labels in [0, classes)."""
    if not isinstance(y, Tensor) or y.dtype != torch.int64:
        kind = y.dtype if isinstance(y, Tensor) else type(y).__name__
        raise ValueError(f"y is {kind}, expected a torch.int64 tensor; use torch.as_tensor(y, dtype=torch.int64)")
    if tuple(y.shape) != (n,):
        raise ValueError(f"y has shape {tuple(y.shape)}, expected ({n},): one label per image")
    if n and not (int(y.min()) >= 0 and int(y.max()) < classes):
        raise ValueError(
            f"y spans [{int(y.min())}, {int(y.max())}], expected labels in [0, {classes - 1}]; count classes from 0"
        )


def evaluating(model: nn.Module) -> None:
    """Refuse a model in training mode."""
    if model.training:
        raise ValueError("the model is in training mode, expected evaluation mode; call model.eval() first")


def unit(value: float, name: str) -> float:
    """Refuse a number outside [0, 1] (NaN included); return it as a float."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} is {value!r}, expected a number in [0, 1]: pixels live on that scale (8/255, not 8)")
    return float(value)


def one_of(value: str, allowed: Sequence[str], name: str) -> str:
    """Refuse a name that is not on the list; return it."""
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}, expected one of: {', '.join(allowed)}")
    return value
