"""Noise that knows nothing: the yardstick for what a budget does by its size alone."""

import torch
from torch import Tensor, nn

from fairlib import checks


def random_sign(model: nn.Module, x: Tensor, y: Tensor, *, eps: float, generator: torch.Generator) -> Tensor:
    """Move every pixel by the whole budget, up or down with equal chance: FGSM's size without its knowledge.

    Parameters
    ----------
    model : nn.Module
        The classifier, in evaluation mode; not asked, but there because this stands where an attack stands.
    x : Tensor
        (N, C, H, W) float32 in [0, 1], the images.
    y : Tensor
        (N,) int64, the true classes; not used, either.
    eps : float
        L-infinity budget, in [0, 1], in pixel units (8/255, not 8).
    generator : torch.Generator
        Draws the signs.

    Returns
    -------
    Tensor
        x_adv, a new tensor like x.

    Raises
    ------
    ValueError
        When an input has another shape, dtype or range, or the model is in training mode.

    Notes
    -----
    x_adv = clip(x + eps * s, 0, 1), each entry of s being -1 or 1 with probability 1/2.
    """
    eps = checks.unit(eps, "eps")
    checks.generator(generator)
    checks.classified(model, x, y)
    sign = torch.randint(2, x.shape, generator=generator).to(x).mul_(2).sub_(1)
    return torch.add(x.detach(), sign, alpha=eps).clamp_(0, 1)
