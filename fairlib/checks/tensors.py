"""Checks of images, labels and models. They load torch when they are called, not before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fairlib.checks.values import instance

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


def images(x: Tensor, shape: Sequence[int] | None = None, name: str = "x") -> None:
    """Refuse what is no batch of images in [0, 1].

    Parameters
    ----------
    x : Tensor
        The images: (N, C, H, W) float32, N >= 1.
    shape : sequence of int, optional
        The (C, H, W) that the model or the data set asks for; None accepts any.
    name : str
        What the message calls them.

    Raises
    ------
    ValueError
        When x is no tensor, of another type or shape, empty, or has a pixel outside [0, 1] or NaN.
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
    """Refuse two batches of images that are not of one shape.

    Parameters
    ----------
    x, x_adv : Tensor
        The images and what became of them: (N, C, H, W) float32 in [0, 1].

    Raises
    ------
    ValueError
        When one of them is no batch of images (`images`), or the shapes differ.
    """
    images(x)
    images(x_adv, x.shape[1:], "x_adv")
    if len(x_adv) != len(x):
        raise ValueError(f"x_adv has {len(x_adv)} images, expected {len(x)}: one for each image of x")


def channels(x: Tensor, allowed: Sequence[int]) -> None:
    """Refuse images with a number of channels that is not on a list.

    Parameters
    ----------
    x : Tensor
        The images: (N, C, H, W) of a floating-point type, in any range.
    allowed : sequence of int
        The numbers of channels.

    Raises
    ------
    ValueError
        When x is of another kind or shape, or its C is not on the list.
    """
    from torch import Tensor

    if not isinstance(x, Tensor) or not x.is_floating_point() or x.ndim != 4 or not x.numel():
        what = f"{x.dtype} of shape {tuple(x.shape)}" if isinstance(x, Tensor) else f"a {type(x).__name__}"
        raise ValueError(f"x is {what}, expected one or more floating-point images (N, C, H, W)")
    if x.shape[1] not in allowed:
        hint = "drop an alpha channel with x[:, :3], repeat a grey one with x.expand(-1, 3, -1, -1)"
        raise ValueError(f"x has {x.shape[1]} channels, expected {' or '.join(map(str, allowed))}; {hint}")


def sides(x: Tensor, smallest: int, name: str) -> None:
    """Refuse images that are too small.

    Parameters
    ----------
    x : Tensor
        The images: (N, C, H, W).
    smallest : int
        The shortest side that is allowed, in pixels.
    name : str
        What asks for that.

    Raises
    ------
    ValueError
        When H or W is less.
    """
    if min(x.shape[2:]) < smallest:
        raise ValueError(
            f"x has shape {tuple(x.shape)}, expected sides of {smallest} pixels or more for {name}; take larger images"
        )


def labels(y: Tensor, n: int, classes: int | None = 10) -> None:
    """Refuse what are no labels, one for each image.

    Parameters
    ----------
    y : Tensor
        The labels: (n,) int64, from 0 on.
    n : int
        The number of images.
    classes : int or None
        The number of classes K; with None no label is too large.

    Raises
    ------
    ValueError
        When y is no tensor, of another type or shape, or has a label outside [0, K - 1].
    """
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
    """Refuse what is no model, and a model in training mode.

    Parameters
    ----------
    model : nn.Module
        A classifier.

    Raises
    ------
    ValueError
        When it is no module, or in training mode.
    """
    from torch import nn

    instance(model, nn.Module, "the model", "get one with fairlib.training.shipped or fairlib.imagenet.pretrained")
    if model.training:
        raise ValueError("the model is in training mode, expected evaluation mode; call model.eval() first")


def fitting(model: nn.Module, x: Tensor) -> None:
    """Refuse a model in training mode, and images that it does not take.

    Parameters
    ----------
    model : nn.Module
        A classifier; one that has a `shape` (C, H, W) asks for such images.
    x : Tensor
        The images: (N, C, H, W) float32 in [0, 1].

    Raises
    ------
    ValueError
        When the model or the images are not such (`evaluating`, `images`).
    """
    evaluating(model)
    images(x, getattr(model, "shape", None))


def classified(model: nn.Module, x: Tensor, y: Tensor) -> None:
    """Refuse what no attack can start from: a model, images and labels that do not fit together.

    Parameters
    ----------
    model : nn.Module
        A classifier in evaluation mode; one that has a `shape` and `classes` asks for such images and labels.
    x : Tensor
        The images: (N, C, H, W) float32 in [0, 1].
    y : Tensor
        Their true labels: (N,) int64.

    Raises
    ------
    ValueError
        When one of them is not such, or nothing can be differentiated through the model.
    """
    fitting(model, x)
    labels(y, len(x), getattr(model, "classes", None))
    if any(p.is_inference() for p in model.parameters()):
        raise ValueError(
            "the model was made under torch.inference_mode(), so that nothing can be differentiated through it; make "
            "or load it outside of that, or copy it: copy.deepcopy(model)"
        )


def generator(value: torch.Generator) -> None:
    """Refuse what is no random generator: a seed, or torch's global state, which None would be.

    Parameters
    ----------
    value : torch.Generator
        The generator.

    Raises
    ------
    ValueError
        When it is none.
    """
    import torch

    instance(value, torch.Generator, "generator", "get one with fairlib.runtime.generator(seed)")
