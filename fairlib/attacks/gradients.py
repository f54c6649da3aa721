"""Gradients of one value per image with respect to that image: looked at before they are used."""

import sys
import warnings
from types import TracebackType

import torch
from torch import Tensor

from fairlib.attacks.loss import named


def gradient(value: Tensor, z: Tensor, *, keep: bool = False) -> Tensor:
    """The gradient of each value (n,) with respect to its own image of z (n, C, H, W), whatever it is.

    `keep` keeps the graph, so that the gradient can be differentiated again. Raises ValueError for a value that does
    not depend on z.
    """
    found = None
    if value.requires_grad:
        (found,) = torch.autograd.grad(value.sum(), z, create_graph=keep, allow_unused=True)
    if found is None:
        raise ValueError(
            "the value has no gradient with respect to the images, expected a differentiable one: something on the way "
            "leaves PyTorch's graph (numpy, .detach(), torch.no_grad())"
        )
    return found


def unusable(g: Tensor) -> tuple[Tensor, Tensor]:
    """For which images a gradient g (n, C, H, W) is not finite, and for which it is zero at every pixel: (n,) bool."""
    total = g.sum((1, 2, 3))
    lost, flat = ~total.isfinite(), total == 0
    if (doubtful := lost | flat).any():  # a sum is quick, and can overflow or cancel
        largest = g[doubtful].abs().amax((1, 2, 3))
        lost[doubtful], flat[doubtful] = ~largest.isfinite(), largest == 0
    return lost, flat


class Gradients:
    """What an attack on the images x (N, C, H, W) asks for gradients, in a `with` block around its steps.

    An image whose gradient is not finite gets zeros for it, so that it stays where it is and the others go on. At the
    end of the block those images are named in a warning, or in a ValueError where no image is left; a warning names
    those, too, whose gradient was zero at every pixel, which says nothing about how hard they are to attack.
    """

    def __init__(self, x: Tensor) -> None:
        self.lost, self.flat = torch.zeros(2, len(x), dtype=torch.bool, device=x.device)

    def __call__(self, value: Tensor, z: Tensor, which: Tensor | None = None) -> Tensor:
        """The gradient of each value (n,) with respect to its image of z; `which` are the n images' places in x."""
        return self.seen(gradient(value, z), which)

    def seen(self, g: Tensor, which: Tensor | None = None, resting: Tensor | None = None) -> Tensor:
        """Take note of the gradients g (n, C, H, W), and return them without what is not finite.

        `resting` are those, (n,) bool, that are where they should be: theirs may be zero.
        """
        lost, flat = unusable(g)
        which = slice(None) if which is None else which
        self.lost[which] |= lost
        self.flat[which] |= flat if resting is None else flat & ~resting
        return g.masked_fill(lost.view(-1, 1, 1, 1), 0) if lost.any() else g

    def __enter__(self) -> "Gradients":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            return
        lost = f"the gradient is not finite for {named(self.lost)}"
        mend = "look at what the model computes there (a root or a power at 0, a division, an overflow)"
        if len(self.lost) and self.lost.all():
            raise ValueError(f"{lost}, which is all of them; {mend}")
        if self.lost.any():
            warnings.warn(f"{lost}, which stay where they are; {mend}", stacklevel=outside())
        if self.flat.any():
            warnings.warn(
                f"the gradient is zero at every pixel for {named(self.flat)}: the attack learns nothing there, so that "
                "their resistance means nothing; look for rounding, saturation or dead units in the model",
                stacklevel=outside(),
            )


def outside() -> int:
    """The `stacklevel` with which a warning points at who called the attack, past the frames of fairlib and PyTorch."""
    frame, level = sys._getframe(1), 1
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in {"fairlib", "torch"}:
        frame, level = frame.f_back, level + 1
    return level


def dot(u: Tensor, v: Tensor) -> Tensor:
    """The inner product, image by image: (n, C, H, W) twice -> (n, 1, 1, 1)."""
    return (u * v).sum((1, 2, 3), keepdim=True)
