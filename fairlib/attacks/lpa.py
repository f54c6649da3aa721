"""The Lagrangian perceptual attack, LPA (Laidlaw, Singla and Feizi 2021, section 4)."""

import torch
from torch import Tensor, nn

from fairlib import checks
from fairlib.attacks.gradients import Gradients, gradient, normalised
from fairlib.attacks.loss import CheckedModel, lead
from fairlib.attacks.ppgd import INSIDE, check_bounded, project, starting_point
from fairlib.perceptual import Distance

FIRST_WEIGHT, WEIGHT_GROWTH = 0.01, 10.0  # the first weight of the penalty, and what it is multiplied by
PROBE_LENGTH = 0.1  # L2 length of the probe that finds out how fast the distance grows


@torch.inference_mode(False)
def lpa(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    bound: float,
    distance: Distance,
    confidence: float = 0.0,
    iterations: int = 40,
    searches: int = 5,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Climb the margin minus a penalty on a perceptual distance beyond a bound, then project onto the bound.

    Parameters
    ----------
    model : nn.Module
        A classifier in evaluation mode; model(x) are logits or log-probabilities (N, K).
    x : Tensor
        (N, C, H, W) float32 in [0, 1], the images.
    y : Tensor
        (N,) int64, the true classes.
    bound : float
        The largest distance(x, x_adv) allowed, above 0; Laidlaw et al.'s epsilon squared.
    distance : Distance
        D, whose root is penalised.
    confidence : float
        kappa, 0 or more: the lead, in logits, that another class must exceed within the bound for an image to be
        finished; it leaves the batch.
    iterations : int
        Number of steps T for each weight of the penalty, 1 or more.
    searches : int
        Number of weights S, 1 or more.
    generator : torch.Generator or None
        Draws Gaussian noise of standard deviation 0.01 for the first point, as their paper and code do; without one
        it is x.

    Returns
    -------
    Tensor
        x_adv, a new tensor like x, not rounded to 8 bits, within the bound. An image without a finite gradient stays
        where it is, with a warning.

    Raises
    ------
    ValueError
        When an input has another shape, dtype or range, the model is in training mode, or no gradient is finite.

    Notes
    -----
    With z the logits, what is climbed in S times T steps is

        min(max_(j != y) z_j - z_y, kappa + 1) - lambda max(0, sqrt(D(x, x_adv)) - sqrt(bound)).

    lambda is 0.01 at first; after each T steps it grows tenfold for the images outside the bound. Step t = 0, ...,
    T - 1 goes along the gradient and moves the root of D by sqrt(bound) / 10^(t / T), which a probe of L2 length
    h = 0.1 calibrates. The defaults of T and S are those of their evaluation. Deviations from their code:

    - A finished image does not take one more step.
    - An image that the model already gets wrong comes back as it is.

    References
    ----------
    Laidlaw, Singla and Feizi (2021), Perceptual Adversarial Robustness: Defense Against Unseen Threat Models,
    section 4 and appendix A. Second paper, section 3.2.
    """
    check_bounded(model, x, y, bound=bound, distance=distance, confidence=confidence, iterations=iterations)
    checks.whole(searches, "searches")
    model = CheckedModel(model, y)
    x_adv, active, point = starting_point(model, x, y, generator)
    if not len(active):
        return x_adv
    y, radius = y[active], bound**0.5
    weight = torch.full((len(active),), FIRST_WEIGHT, device=x.device)
    with torch.no_grad():
        features = distance.features(x_adv[active])
    with Gradients(x) as gradients:
        for k in range(searches * iterations):
            with torch.enable_grad():
                leaf = point.requires_grad_()
                ahead = lead(model(leaf), y)
                squared = distance.between(features, leaf)
                # The root has no slope at zero: below the bound it is never taken.
                penalty = squared.clamp(min=bound).sqrt() - radius
                g = gradient(ahead.clamp(max=confidence + 1) - weight * penalty, leaf)
            x_adv[active] = point = point.detach()
            remaining = ~((ahead > confidence) & (squared <= INSIDE * bound)).detach()
            if not remaining.any():
                return x_adv
            active, point, y, weight = active[remaining], point[remaining], y[remaining], weight[remaining]
            features = tuple(feature[remaining] for feature in features)
            direction = normalised(gradients.usable(g[remaining], active, settled=ahead[remaining] > confidence + 1))
            with torch.no_grad():
                probe = distance.between(distance.features(point), point + PROBE_LENGTH * direction)
                speed = probe.clamp_min(0).sqrt() / PROBE_LENGTH
                size = radius * 0.1 ** (k % iterations / iterations) / speed.clamp_min(1e-8)
                point = (point + size.view(-1, 1, 1, 1) * direction).clamp(0, 1)
                if (k + 1) % iterations == 0:
                    outside = distance.between(features, point) > bound
                    weight = torch.where(outside, WEIGHT_GROWTH * weight, weight)
    x_adv[active] = project(distance, features, x.detach()[active], point, bound)
    return x_adv
