"""Noise that knows nothing: the yardstick for what a budget does by its size alone."""

import torch
from torch import Tensor, nn

from fairlib import checks


def random_sign(model: nn.Module, x: Tensor, y: Tensor, *, eps: float, generator: torch.Generator) -> Tensor:
    """clip(x + eps * s, 0, 1), each entry of s being -1 or 1 with equal chance: FGSM's size without its knowledge.

    x (N, C, H, W) float32 in [0, 1], y (N,) int64 (not looked at), eps in [0, 1] the L-infinity budget in pixel units.
    Returns a new tensor like x. Raises ValueError for input of another shape, dtype or range, and for a model in
    training mode.
    """
    eps = checks.unit(eps, "eps")
    checks.generator(generator)
    checks.classified(model, x, y)
    sign = torch.randint(2, x.shape, generator=generator).to(x).mul_(2).sub_(1)
    return torch.add(x.detach(), sign, alpha=eps).clamp_(0, 1)
