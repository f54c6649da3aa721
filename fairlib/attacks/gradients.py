"""Gradients of one value per image with respect to that image: looked at before they are used."""

import sys
import warnings
from types import TracebackType

import torch
from torch import Tensor


def gradient(value: Tensor, x: Tensor, *, keep_graph: bool = False) -> Tensor:
    """The gradient of each image's value with respect to that image, whatever it is.

    Parameters
    ----------
    value : Tensor
        (N,), one number per image, computed from x.
    x : Tensor
        (N, C, H, W), a leaf that requires a gradient.
    keep_graph : bool
        Whether the gradient can be differentiated again.

    Returns
    -------
    Tensor
        (N, C, H, W) like x; finite or not.

    Raises
    ------
    ValueError
        When the value does not depend on x in PyTorch's graph.
    """
    result = None
    if value.requires_grad:
        (result,) = torch.autograd.grad(value.sum(), x, create_graph=keep_graph, allow_unused=True)
    if result is None:
        raise ValueError(missing("the value"))
    return result


def missing(what: str) -> str:
    """The message about something without a gradient, and how to mend it."""
    return (
        f"{what} has no gradient with respect to the images: something on the way leaves PyTorch's graph (JPEG, numpy, "
        ".detach(), torch.no_grad()); put a differentiable stand-in there, or let the gradient pass straight through, "
        "x + (f(x) - x).detach()"
    )


def depends(value: Tensor, x: Tensor) -> bool:
    """Whether a value was computed from the leaf x, as far as PyTorch's graph knows."""
    waiting, visited = [value.grad_fn], {None}
    while waiting:
        node = waiting.pop()
        if node in visited:
            continue
        visited.add(node)
        if getattr(node, "variable", None) is x:
            return True
        waiting.extend(parent for parent, _ in node.next_functions)
    return False


def unusable(gradient: Tensor) -> tuple[Tensor, Tensor]:
    """For which images a gradient is not finite, and for which it is zero at every pixel.

    Parameters
    ----------
    gradient : Tensor
        (N, C, H, W).

    Returns
    -------
    not_finite, zero : Tensor
        (N,) bool each.
    """
    total = gradient.sum((1, 2, 3))
    not_finite, zero = ~total.isfinite(), total == 0
    doubtful = not_finite | zero  # a sum is quick, and can overflow or cancel
    if doubtful.any():
        largest = gradient[doubtful].abs().amax((1, 2, 3))
        not_finite[doubtful], zero[doubtful] = ~largest.isfinite(), largest == 0
    return not_finite, zero


class Gradients:
    """The gradients that an attack uses, in a `with` block around its steps.

    An image whose gradient is not finite gets zeros for it, so that it stays where it is and the others go on. At the
    end of the block those images are named in a warning, or in a ValueError where no image is left; a warning names
    those, too, whose gradient was zero at every pixel, which says nothing about how hard they are to attack.

    Parameters
    ----------
    x : Tensor
        (N, C, H, W), the images under attack.
    """

    def __init__(self, x: Tensor) -> None:
        self.not_finite = torch.zeros(len(x), dtype=torch.bool, device=x.device)
        self.zero = torch.zeros_like(self.not_finite)

    def __call__(self, value: Tensor, x: Tensor, indices: Tensor | None = None) -> Tensor:
        """The gradient of each value (n,) with respect to its image of x; `indices` (n,) are their places in the batch.

        Everything but finite gradients is replaced as `usable` does.
        """
        return self.usable(gradient(value, x), indices)

    def usable(self, gradient: Tensor, indices: Tensor | None = None, settled: Tensor | None = None) -> Tensor:
        """Note which gradients cannot be used, and return zeros in place of those that are not finite.

        Parameters
        ----------
        gradient : Tensor
            (n, C, H, W), of the images at `indices` (n,) int64, or of the whole batch.
        indices : Tensor or None
            Places in the batch.
        settled : Tensor or None
            (n,) bool: the images that need no further step, whose gradient may be zero.

        Returns
        -------
        Tensor
            (n, C, H, W), finite.
        """
        not_finite, zero = unusable(gradient)
        indices = slice(None) if indices is None else indices
        self.not_finite[indices] |= not_finite
        self.zero[indices] |= zero if settled is None else zero & ~settled
        return gradient.masked_fill(not_finite.view(-1, 1, 1, 1), 0) if not_finite.any() else gradient

    def __enter__(self) -> "Gradients":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            return
        message = f"the gradient is not finite for {named(self.not_finite)}"
        hint = (
            "look at what the model computes there (a root or a power at 0, a division, an overflow, the logarithm of "
            "a softmax that rounds to 0)"
        )
        if len(self.not_finite) and self.not_finite.all():
            raise ValueError(f"{message}, which is all of them; {hint}")
        if self.not_finite.any():
            warnings.warn(f"{message}, which stay where they are; {hint}", stacklevel=caller_level())
        if self.zero.any():
            warnings.warn(
                f"the gradient is zero at every pixel for {named(self.zero)}: the attack learns nothing there, so that "
                "their resistance means nothing; look for rounding, saturation or dead units in the model",
                stacklevel=caller_level(),
            )


def named(images: Tensor) -> str:
    """Some images by their places in the batch, for a message: (N,) bool -> "images 3, 17 and 4 others of 20"."""
    places = images.nonzero()[:, 0].tolist()
    shown, more = ", ".join(map(str, places[:10])), len(places) - 10
    if more > 0:
        shown += f" and {more} other{'s' if more > 1 else ''}"
    return f"{'images' if len(places) > 1 else 'image'} {shown} of {len(images)}"


def caller_level() -> int:
    """The `stacklevel` with which a warning points at who called the attack, past the frames of fairlib and PyTorch."""
    frame, level = sys._getframe(1), 1
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in {"fairlib", "torch"}:
        frame, level = frame.f_back, level + 1
    return level


def normalised(gradient: Tensor) -> Tensor:
    """g / ||g||_2, image by image, (N, C, H, W); zero where g is. In double precision: entries go down to 1e-30."""
    norm = torch.linalg.vector_norm(gradient, dim=(1, 2, 3), keepdim=True, dtype=torch.float64)
    return (gradient / norm.clamp_min(torch.finfo(norm.dtype).tiny)).to(gradient.dtype)


def dot(u: Tensor, v: Tensor) -> Tensor:
    """The inner product, image by image: (N, C, H, W) twice -> (N, 1, 1, 1)."""
    return (u * v).sum((1, 2, 3), keepdim=True)
