"""Projected gradient descent, PGD, in the L-infinity ball (Madry et al. 2018)."""

import torch
from torch import Tensor, nn

from fairlib import checks
from fairlib.attacks.gradients import Gradients
from fairlib.attacks.loss import CheckedModel, margin


@torch.inference_mode(False)
def pgd(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    step_size: float,
    iterations: int,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Climb the cross-entropy by sign steps, within eps of each image.

    Parameters
    ----------
    model : nn.Module
        A classifier in evaluation mode; model(x) are logits or log-probabilities (N, K).
    x : Tensor
        (N, C, H, W) float32 in [0, 1], the images.
    y : Tensor
        (N,) int64, the true classes.
    eps : float
        L-infinity budget, in [0, 1], in pixel units (8/255, not 8).
    step_size : float
        By how much a step moves every pixel, in [0, 1], in pixel units; Madry et al.'s alpha.
    iterations : int
        Number of steps T, 1 or more.
    generator : torch.Generator or None
        Draws the first point uniformly from the ball; without one it is x.

    Returns
    -------
    Tensor
        x_adv, a new tensor like x. An image without a finite gradient stays where it is, with a warning.

    Raises
    ------
    ValueError
        When an input has another shape, dtype or range, the model is in training mode, or no gradient is finite.

    Notes
    -----
    x_(t+1) = clip(x_t + step_size * sign(grad_x J(theta, x_t, y)), max(x - eps, 0), min(x + eps, 1)), with J the
    cross-entropy; x_T is returned. One choice of ours:

    - The sign is that of the gradient of the margin m, where J = log(1 + exp(m)): J's own sign, which does not round
      to 0 where the network is sure.

    References
    ----------
    Madry, Makelov, Schmidt, Tsipras and Vladu (2018), Towards Deep Learning Models Resistant to Adversarial Attacks,
    section 2.1.
    """
    eps, step_size = checks.unit(eps, "eps"), checks.unit(step_size, "step_size")
    checks.whole(iterations, "iterations")
    checks.classified(model, x, y)
    answers, x = CheckedModel(model, y), x.detach()  # looks at the first answers, then trusts the model
    low, high = ball(x, eps)
    x_adv = starting_point(x, eps, generator)
    with Gradients(x) as gradients:
        for _ in range(iterations):
            with torch.enable_grad():
                point = x_adv.detach().requires_grad_()  # the memory of x_adv, which changes after the gradient only
                value = margin(answers(point), y)
            x_adv.add_(gradients(value, point).sign_(), alpha=step_size).clamp_(low, high)
    return x_adv


def ball(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """The lowest and the highest value of each pixel, in [0, 1] and no further than eps from x."""
    return (x - eps).clamp_(0, 1), (x + eps).clamp_(0, 1)


def starting_point(x: Tensor, eps: float, generator: torch.Generator | None) -> Tensor:
    """A copy of x, or a point of the ball around it that the generator draws uniformly."""
    if generator is None:
        return x.clone()
    checks.generator(generator)
    noise = torch.rand(x.shape, generator=generator).to(x.device)
    return (x + eps * (2 * noise - 1)).clamp_(*ball(x, eps))
