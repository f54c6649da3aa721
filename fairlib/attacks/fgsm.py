"""The Fast Gradient Sign Method, FGSM (Goodfellow et al. 2015; first paper, section 2)."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from fairlib import checks
from fairlib.attacks.gradients import Gradients
from fairlib.attacks.loss import margin_at


def fgsm(model: nn.Module, x: Tensor, y: Tensor, *, eps: float) -> Tensor:
    """Move every pixel by the budget eps to where the loss grows.

    Parameters
    ----------
    model : nn.Module
        A classifier in evaluation mode; model(x) are logits or log-probabilities (N, K).
    x : Tensor
        (N, C, H, W) float32 in [0, 1], the images.
    y : Tensor
        (N,) int64, the true classes.
    eps : float
        L-infinity budget, in [0, 1], in pixel units (8/255, not 8). Several at once: `fgsm_grid`.

    Returns
    -------
    Tensor
        x_adv, a new tensor like x. An image without a finite gradient comes back as it is, with a warning.

    Raises
    ------
    ValueError
        When an input has another shape, dtype or range, the model is in training mode, or no gradient is finite.

    Notes
    -----
    x_adv = clip(x + eps * sign(grad_x J(theta, x, y)), 0, 1), with J the cross-entropy. Deviations from the paper:

    - The result is clipped to [0, 1], as in its released code; the text does not say so.
    - The sign is that of the margin's gradient (`input_gradient`): J's own sign, which does not round to 0.

    References
    ----------
    Goodfellow, Shlens and Szegedy (2015), Explaining and Harnessing Adversarial Examples, section 4.
    """
    if np.ndim(eps) > 0:
        raise ValueError(f"eps is {eps!r}, expected a number in [0, 1]; for several budgets call fgsm_grid")
    (x_adv,) = fgsm_grid(model, x, y, eps=[eps])
    return x_adv


def fgsm_grid(model: nn.Module, x: Tensor, y: Tensor, *, eps: Sequence[float]) -> Iterator[Tensor]:
    """FGSM for each budget of a grid, in order; the gradient, which does not depend on eps, is taken once.

    Parameters
    ----------
    model : nn.Module
        A classifier in evaluation mode; model(x) are logits or log-probabilities (N, K).
    x : Tensor
        (N, C, H, W) float32 in [0, 1], the images.
    y : Tensor
        (N,) int64, the true classes.
    eps : sequence of float
        L-infinity budgets, each in [0, 1], in pixel units. A single one: `fgsm`.

    Returns
    -------
    iterator of Tensor
        x_adv = clip(x + eps * sign(grad_x J(theta, x, y)), 0, 1) for each budget, with J the cross-entropy.

    Raises
    ------
    ValueError
        As `fgsm` does, before the first result is asked for.
    """
    if np.ndim(eps) == 0:
        raise ValueError(f"eps is {eps!r}, expected several budgets; put a single one into a list, or call fgsm")
    budgets = [checks.unit(e, "eps") for e in eps]
    direction = input_gradient(model, x, y).sign_()
    return (torch.add(x.detach(), direction, alpha=e).clamp_(0, 1) for e in budgets)


@torch.inference_mode(False)
def input_gradient(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The gradient of the margin with respect to each image; its sign and direction are those of the loss's gradient.

    Parameters
    ----------
    model : nn.Module
        A classifier in evaluation mode; model(x) are logits or log-probabilities (N, K). Its own gradients stay as
        they are.
    x : Tensor
        (N, C, H, W) float32 in [0, 1], the images.
    y : Tensor
        (N,) int64, the true classes.

    Returns
    -------
    Tensor
        grad_x m, (N, C, H, W); zeros, with a warning, for an image whose gradient is not finite.

    Raises
    ------
    ValueError
        When an input has another shape, dtype or range, the model is in training mode, or no gradient is finite.

    Notes
    -----
    With z the logits, m = log(sum over j != y of exp(z_j)) - z_y and J = log(1 + exp(m)), so that grad_x J =
    sigmoid(m) grad_x m. Where the network is sure of y, J and its gradient round to 0; those of m do not.
    """
    checks.classified(model, x, y)
    with Gradients(x) as gradients:
        return gradients(*margin_at(model, x, y))
