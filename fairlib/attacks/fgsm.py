"""The Fast Gradient Sign Method (Goodfellow et al. 2015; first paper, section 2)."""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from fairlib import checks
from fairlib.models import LayeredModel


def fgsm(model: LayeredModel, x: Tensor, y: Tensor, *, eps: float) -> Tensor:
    """x_adv = clip(x + eps * sign(grad_x J(theta, x, y)), 0, 1), with J the negative log-likelihood.

    x (N, C, H, W) float32 in [0, 1], y (N,) int64 true labels, eps in [0, 1] the L-infinity budget in pixel units.
    Returns a new tensor like x. Deviation from the paper's text, as in its released code: the result is clipped to
    [0, 1]. Raises ValueError for input of another shape, dtype or range, and for a model in training mode.
    """
    (x_adv,) = fgsm_grid(model, x, y, eps=[eps])
    return x_adv


def fgsm_grid(model: LayeredModel, x: Tensor, y: Tensor, *, eps: Sequence[float]) -> Iterator[Tensor]:
    """`fgsm` for each budget of a grid, in order; the gradient, which does not depend on eps, is taken once."""
    checks.several(eps, "eps")
    budgets = [checks.unit(e, "eps") for e in eps]
    direction = input_gradient(model, x, y).sign_()
    return (torch.add(x.detach(), direction, alpha=e).clamp_(0, 1) for e in budgets)


def input_gradient(model: LayeredModel, x: Tensor, y: Tensor) -> Tensor:
    """grad_x J(theta, x, y), image by image: (N, C, H, W). The model's own gradients stay untouched."""
    checks.classified(model, x, y)
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        loss = F.nll_loss(model(x), y, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, x)
    return gradient
