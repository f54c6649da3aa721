"""The one-step attack on SSIM (second paper, section 3.1), and one step of PGD of the same length.

The paper shows what the attack does (figure 2) and not how it is derived; the chapter "SSIM in one step" derives it.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from fairlib import checks
from fairlib.attacks import ssim
from fairlib.attacks.gradients import Gradients
from fairlib.attacks.loss import answers, lead, margin

# H^-1 g for each kind of windows.
DIRECTIONS = {
    "mirrored": ssim.direction,
    "inside": partial(ssim.direction, windows=ssim.inside),
    "whole": ssim.whole_direction,
}


def ssim_step(model: nn.Module, x: Tensor, y: Tensor, *, length: float, windows: str = "mirrored") -> Tensor:
    """Take the one step of a given length that raises the loss most for what it costs in SSIM.

    Parameters
    ----------
    model : nn.Module
        A classifier in evaluation mode; model(x) are logits or log-probabilities (N, K).
    x : Tensor
        (N, 1, H, W) float32 in [0, 1], grey images with sides of 11 pixels or more.
    y : Tensor
        (N,) int64, the true classes.
    length : float
        The L2 length of x_adv - x, above 0; where clipping to [0, 1] leaves no such step, the image goes as far as it
        can.
    windows : str
        Which windows SSIM looks through: `mirrored`, around every pixel of an image that goes on beyond the rim as in
        a mirror; `inside`, wherever they fit into the image; `whole`, one that weighs all pixels alike.

    Returns
    -------
    Tensor
        x_adv, a new tensor like x. An image that the model already gets wrong comes back as it is, and so does one
        without a finite gradient, with a warning.

    Raises
    ------
    ValueError
        When an input has another shape, dtype or range, an image is smaller than a window, the model is in training
        mode, or no gradient is finite.

    Notes
    -----
    x_adv = clip(x + t H^-1 g, 0, 1), with g the gradient of the cross-entropy and H the Hessian of 1 - SSIM(x, .) at
    x: the direction that maximises g'd - (lambda / 2) d'Hd. t > 0 is such that x_adv is as far from x as `length` says,
    image by image. H^-1 g takes conjugate gradients, but is a formula for the whole window (`fairlib.attacks.ssim`).
    Where the paper leaves it open:

    - The paper prints no formula for the step; this one is derived in the book.
    - g is the gradient of the margin, which has the direction of the cross-entropy's and does not round to 0.

    References
    ----------
    Second paper, section 3.1 and figure 2. Wang et al. (2004), Image Quality Assessment: From Error Visibility to
    Structural Similarity.
    """
    return _step(model, x, y, DIRECTIONS[checks.one_of(windows, tuple(DIRECTIONS), "windows")], length)


def pgd_step(model: nn.Module, x: Tensor, y: Tensor, *, length: float) -> Tensor:
    """Take one step of a given length along the gradient of the loss.

    Parameters
    ----------
    model : nn.Module
        A classifier in evaluation mode; model(x) are logits or log-probabilities (N, K).
    x : Tensor
        (N, 1, H, W) float32 in [0, 1], grey images with sides of 11 pixels or more.
    y : Tensor
        (N,) int64, the true classes.
    length : float
        The L2 length of x_adv - x, above 0; where clipping to [0, 1] leaves no such step, the image goes as far as it
        can.

    Returns
    -------
    Tensor
        x_adv, a new tensor like x. An image that the model already gets wrong comes back as it is, and so does one
        without a finite gradient, with a warning.

    Raises
    ------
    ValueError
        As `ssim_step` does.

    Notes
    -----
    x_adv = clip(x + t g, 0, 1), with g the gradient of the cross-entropy and t > 0 such that x_adv is as far from x as
    `length` says.

    References
    ----------
    Second paper, section 3.1 and figure 2.
    """
    return _step(model, x, y, lambda x, g: g, length)


def _step(
    model: nn.Module, x: Tensor, y: Tensor, direction: Callable[[Tensor, Tensor], Tensor], length: float
) -> Tensor:
    """The step along `direction(x, g)`, for the images that the model gets right."""
    checks.positive(length, "length", "the step's length")
    g, right = gradient_and_right(model, x, y)
    x_adv = x.detach().clone()
    x = x_adv[right].double()
    d = direction(x, g[right].double())
    x_adv[right] = (x + step_factor(x, d, length) * d).clamp(0, 1).float()
    return x_adv


@torch.inference_mode(False)
def gradient_and_right(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The gradient of the margin, and which images the model gets right, from one pass.

    Parameters
    ----------
    model : nn.Module
        A classifier in evaluation mode; model(x) are logits or log-probabilities (N, K).
    x : Tensor
        (N, 1, H, W) float32 in [0, 1], grey images with sides of 11 pixels or more.
    y : Tensor
        (N,) int64, the true classes.

    Returns
    -------
    gradient : Tensor
        (N, 1, H, W), of the direction of the cross-entropy's gradient.
    right : Tensor
        (N,) bool.

    Raises
    ------
    ValueError
        As `ssim_step` does.
    """
    checks.classified(model, x, y)
    if x.shape[1] != 1:
        raise ValueError(
            f"x has {x.shape[1]} channels, expected 1: this SSIM compares grey images; see x.mean(1, True)"
        )
    checks.sides(x, ssim.WINDOW_SIDE, "a window of SSIM")
    with torch.enable_grad(), Gradients(x) as gradients:
        leaf = x.detach().clone().requires_grad_()
        logits = answers(model, leaf, y)
        return gradients(margin(logits, y), leaf), (lead(logits, y) <= 0).detach()


def step_factor(x: Tensor, d: Tensor, length: float) -> Tensor:
    """The factor t of a step d after which the clipped image is a given L2 length away.

    Parameters
    ----------
    x : Tensor
        (N, 1, H, W) float64 in [0, 1], the images.
    d : Tensor
        Like x, the steps.
    length : float
        The wanted length of clip(x + t d, 0, 1) - x.

    Returns
    -------
    Tensor
        t (N, 1, 1, 1), 0 or more; where clipping keeps the image nearer than that, the t at which it gets no further.

    Notes
    -----
    Between the values of t at which one more pixel reaches 0 or 1 the squared length is a + b t^2: it is enough to know
    between which two it is length^2.
    """
    d, x = d.flatten(1), x.flatten(1)
    room = torch.where(d > 0, 1 - x, x) * (d != 0)
    stop, order = torch.where(d != 0, room / d.abs(), 0).sort(1)  # the t at which each pixel stops
    room, d = room.gather(1, order).square(), d.gather(1, order).square()
    moving = d.flip(1).cumsum(1).flip(1)  # of the pixels that stop here or later
    stopped = room.cumsum(1) - room
    k = (stopped + stop.square() * moving < length**2).sum(1, keepdim=True)
    last = k == stop.shape[1]
    k = k.clamp_max(stop.shape[1] - 1)
    t = ((length**2 - stopped.gather(1, k)) / moving.gather(1, k)).sqrt()
    return torch.where(last, stop[:, -1:], t)[..., None, None]
