"""Algorithm 1 of the second paper (section 3.2): gradient ascent on the loss minus a perceptual cost, until fooled."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairlib import checks
from fairlib.attacks.gradients import Gradients, gradient, missing, unusable
from fairlib.attacks.loss import CheckedModel, check_stopping, lead, margin
from fairlib.perceptual import Distance, check_distance

QUANTISATIONS = ("floor", "round", "straight_through")


@torch.inference_mode(False)
def perceptual(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    cost: Distance,
    step_size: float = 0.1,
    cost_weight: float = 1.0,
    confidence: float = 0.0,
    iterations: int = 100,
    quantise: str = "floor",
) -> Tensor:
    """Climb the loss minus a perceptual cost until the model is fooled (Algorithm 1).

    Parameters
    ----------
    model : nn.Module
        A classifier in evaluation mode; model(x) are logits or log-probabilities (N, K).
    x : Tensor
        (N, C, H, W) float32 in [0, 1], the images.
    y : Tensor
        (N,) int64, the true classes.
    cost : Distance
        D, the perceptual distance that is kept small; it looks at x once.
    step_size : float
        The paper's epsilon, above 0: what the gradient, which is not normalised as PGD's is, is multiplied by.
    cost_weight : float
        The paper's lambda, 0 or more.
    confidence : float
        The paper's a, 0 or more: the lead, in logits, that another class must exceed for an image to be finished.
    iterations : int
        The paper's N, 1 or more: the largest number of steps.
    quantise : str
        How "validate as an RGB image" makes every value a multiple of 1/255: `floor`, the next below ("truncate" in
        the text); `round`, the nearest; `straight_through`, the nearest for model and caller, while the attack goes
        on from the value before, so that steps of less than half a level add up.

    Returns
    -------
    Tensor
        x_adv, a new tensor like x. An image without a finite gradient stays where it is, with a warning.

    Raises
    ------
    ValueError
        When an input has another shape, dtype or range, the cost does not accept the images or has no gradient, the
        model is in training mode, or no gradient is finite.

    Notes
    -----
    phi(x_adv) = J(theta; x_adv, y) - lambda D(x, x_adv), the surrogate of equation (4), with J the cross-entropy, is
    climbed by x_adv <- validate(x_adv + epsilon grad phi), from x_adv = x. Deviation from the paper:

    - An image that the model already gets wrong comes back as it is, whatever a is.

    References
    ----------
    Second paper, section 3.2, equation (4) and Algorithm 1.
    """
    check_stopping(model, x, y, confidence=confidence, iterations=iterations)
    checks.not_negative(cost_weight, "cost_weight", "the weight of the cost, which is subtracted")
    check_distance(cost, "cost")

    def surrogate(m: Tensor, x_adv: Tensor, *features: Tensor) -> Tensor:
        difference = cost.between(features, x_adv)
        if not difference.requires_grad:
            raise ValueError(missing(f"the cost {cost.name}"))
        return F.softplus(m) - cost_weight * difference  # J = log(1 + exp(m))

    with torch.no_grad():
        features = cost.features(x.detach())
    return ascend(
        model, x, y, surrogate, *features,
        step_size=step_size, confidence=confidence, iterations=iterations, quantise=quantise,
    )  # fmt: skip


def ascend(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    surrogate: Callable[..., Tensor],
    *features: Tensor,
    direction: Callable[[Tensor], Tensor] = lambda gradient: gradient,
    step_size: float,
    confidence: float,
    iterations: int,
    quantise: str,
) -> Tensor:
    """Algorithm 1, its lines by their numbers, for a batch from which an image leaves as soon as it is finished.

    `surrogate(m, x_adv, *features)` is climbed, one value per image, m being the margin of the model's answer;
    `features` hold what it needs to know of each image, first dimension N. `direction` makes the paper's Delta out of
    the gradient. An image that never moves is not validated. The rest is as in `perceptual`.
    """
    checks.positive(step_size, "step_size", "what a step is multiplied by")
    checks.one_of(quantise, QUANTISATIONS, "quantise")
    validate = torch.floor if quantise == "floor" else torch.round
    model, x = CheckedModel(model, y), x.detach()
    x_adv = x.clone()  # line 1
    active, point = torch.arange(len(x), device=x.device), x  # the images that are not finished, and where they are
    with Gradients(x) as gradients:
        for k in range(1, iterations + 1):  # line 2
            with torch.enable_grad():
                leaf = x_adv[active].requires_grad_()
                logits = model(leaf)  # line 3
                # Line 4; at first every image that is wrong as it comes is finished.
                remaining = ~(lead(logits, y) > (confidence if k > 1 else 0.0))
                if not remaining.any():
                    break  # line 5
                if not remaining.all():
                    y, active, point = y[remaining], active[remaining], point[remaining]
                    features = tuple(feature[remaining] for feature in features)
                value = surrogate(margin(logits[remaining], y), leaf[remaining], *features)
                delta = direction(gradients.usable(gradient(value, leaf)[remaining], active))  # line 7
            point = (point + step_size * delta).clamp(0, 1)  # line 8
            unmoved = unusable(delta)[1].view(-1, 1, 1, 1)
            x_adv[active] = torch.where(unmoved, x_adv[active], validate(255 * point) / 255)  # line 9
            if quantise != "straight_through":
                point = x_adv[active]
    return x_adv  # line 11
