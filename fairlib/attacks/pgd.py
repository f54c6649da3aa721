"""Projected gradient descent in the L-infinity ball (Madry et al. 2018)."""

import torch
from torch import Tensor, nn

from fairlib import checks
from fairlib.attacks.fgsm import margin_at
from fairlib.attacks.gradients import Gradients


@torch.inference_mode(False)
def pgd(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    step: float,
    steps: int,
    generator: torch.Generator | None = None,
) -> Tensor:
    """x_(t+1) = project(x_t + step * sign(grad_x J(theta, x_t, y))), J the cross-entropy; returns x_steps.

    x (N, C, H, W) float32 in [0, 1], y (N,) int64 true labels, model(x) logits or log-probabilities; eps, the
    L-infinity budget, and step in [0, 1], in pixel units. The first point is x, or with a `generator` a uniformly
    random point of the ball. The sign is that of the margin's gradient, which is J's and does not round to 0
    (`fairlib.attacks.loss`). Returns a new tensor like x. An image without a finite gradient stays where it is, with a
    warning. Raises ValueError for input of another shape, dtype or range, a model in training mode, and where no
    gradient is finite.
    """
    eps, step = checks.unit(eps, "eps"), checks.unit(step, "step")
    checks.whole(steps, "steps")
    checks.classified(model, x, y)
    x = x.detach()
    x_adv, low, high = start(x, eps, generator), (x - eps).clamp_(0, 1), (x + eps).clamp_(0, 1)
    with Gradients(x) as gradients:
        for _ in range(steps):
            direction = gradients(*margin_at(model, x_adv, y)).sign_()
            x_adv.add_(direction, alpha=step).clamp_(low, high)
    return x_adv


def start(x: Tensor, eps: float, generator: torch.Generator | None) -> Tensor:
    """Where an attack starts: a copy of x, or a point of the ball that the generator draws."""
    if generator is None:
        return x.clone()
    checks.generator(generator)
    noise = torch.rand(x.shape, generator=generator).to(x.device)
    return project(x + eps * (2 * noise - 1), x, eps)


def project(z: Tensor, x: Tensor, eps: float) -> Tensor:
    """The image nearest to z whose pixels differ from those of x by eps at most."""
    return z.clamp(x - eps, x + eps).clamp_(0, 1)
