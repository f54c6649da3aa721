"""The Fast Gradient Sign Method (Goodfellow et al. 2015; first paper, section 2)."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from fairlib import checks
from fairlib.attacks.gradients import Gradients
from fairlib.attacks.loss import answers, margin


def fgsm(model: nn.Module, x: Tensor, y: Tensor, *, eps: float) -> Tensor:
    """x_adv = clip(x + eps * sign(grad_x J(theta, x, y)), 0, 1), with J the cross-entropy.

    x (N, C, H, W) float32 in [0, 1], y (N,) int64 true labels, model(x) logits or log-probabilities, eps in [0, 1] the
    L-infinity budget in pixel units. Returns a new tensor like x. Deviations from the paper's text: the result is
    clipped to [0, 1], as in its released code; the sign is that of the margin's gradient (`input_gradient`), which is
    J's and does not round to 0. An image without a finite gradient comes back as it is, with a warning. Raises
    ValueError for input of another shape, dtype or range, a model in training mode, and where no gradient is finite.
    """
    (x_adv,) = fgsm_grid(model, x, y, eps=[eps])
    return x_adv


def fgsm_grid(model: nn.Module, x: Tensor, y: Tensor, *, eps: Sequence[float]) -> Iterator[Tensor]:
    """`fgsm` for each budget of a grid, in order; the gradient, which does not depend on eps, is taken once."""
    checks.several(eps, "eps")
    budgets = [checks.unit(e, "eps") for e in eps]
    direction = input_gradient(model, x, y).sign_()
    return (torch.add(x.detach(), direction, alpha=e).clamp_(0, 1) for e in budgets)


@torch.inference_mode(False)
def input_gradient(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """grad_x m, image by image (N, C, H, W), m being the margin: grad_x J(theta, x, y) but for the factor sigmoid(m).

    Its sign and direction are those of grad_x J, and it stays where J rounds to 0 (`fairlib.attacks.loss`). The model's
    own gradients stay untouched. Input, warnings and errors are those of `fgsm`.
    """
    checks.classified(model, x, y)
    with Gradients(x) as gradients:
        return gradients(*margin_at(model, x, y))


def margin_at(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The margin of each image (N,), and the tensor z of the images with respect to which it can be differentiated."""
    with torch.enable_grad():
        z = (x.clone() if x.is_inference() else x.detach()).requires_grad_()
        return margin(answers(model, z), y), z
