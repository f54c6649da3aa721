"""The Lagrangian perceptual attack, LPA (Laidlaw, Singla and Feizi 2021, section 4)."""

import torch
from torch import Tensor, nn

from fairlib import checks
from fairlib.attacks.gradients import Gradients, gradient
from fairlib.attacks.loss import answers, lead
from fairlib.attacks.perceptual_pgd import INSIDE, checked, project, start
from fairlib.attacks.pgd_l2 import unit
from fairlib.perceptual import Distance

LAMBDA, FACTOR = 0.01, 10.0  # the first weight of the penalty, and what it is multiplied by
H = 0.1  # L2 length of the probe that finds out how fast the distance grows


@torch.inference_mode(False)
def lpa(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    bound: float,
    distance: Distance,
    a: float = 0.0,
    N: int = 40,
    searches: int = 5,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Ascend margin - lambda max(0, sqrt(distance(x, x_adv)) - sqrt(bound)), then project onto the bound.

    x (N, C, H, W) float32 in [0, 1], y (N,) int64 true labels, model(x) logits. The margin is max_(i != y) logits_i -
    logits_y, which counts up to a + 1 and no further. There are `searches` of N steps; after each lambda, 0.01 at
    first, grows tenfold for the images outside the bound. Step k goes along the gradient and moves the root of the
    distance by sqrt(bound) / 10^((k - 1) / N), which a probe of L2 length 0.1 calibrates. The first point is x, or with
    a `generator` x plus Gaussian noise of 0.01, as in their paper and code. Returns a new tensor like x, not rounded to
    8 bits; the bound holds.

    As in their code, an image is finished, and leaves the batch, when another class leads by more than a >= 0 within
    the bound; unlike there it does not take one more step then. N and `searches` are those of their evaluation. An
    image that the model already gets wrong comes back as it is; one without a finite gradient stays where it is, with a
    warning. Raises ValueError for input of another shape, dtype or range, a model in training mode, and where no
    gradient is finite.
    """
    checked(model, x, y, bound=bound, distance=distance, a=a, N=N)
    checks.whole(searches, "searches")
    x_adv, left, z = start(model, x, y, generator)
    if not len(left):
        return x_adv
    y, lam, radius = y[left], torch.full((len(left),), LAMBDA, device=x.device), bound**0.5
    with torch.no_grad():
        features = distance.features(x_adv[left])
    with Gradients(x) as gradients:
        for k in range(searches * N):
            with torch.enable_grad():
                point = z.requires_grad_()
                ahead = lead(answers(model, point), y)
                found = distance.between(tuple(features), point)
                # The root has no slope at zero: below the bound it is never taken.
                penalty = found.clamp(min=bound).sqrt() - radius
                g = gradient(ahead.clamp(max=a + 1) - lam * penalty, point)
            on = ~((ahead > a) & (found <= INSIDE * bound)).detach()
            x_adv[left] = z = z.detach()
            if not on.any():
                return x_adv
            left, z, y, lam, g, ahead, *features = (t[on] for t in (left, z, y, lam, g, ahead, *features))
            direction = unit(gradients.seen(g, left, resting=ahead > a + 1))
            with torch.no_grad():
                speed = distance.between(distance.features(z), (z + H * direction)).clamp_min(0).sqrt() / H
                size = radius * 0.1 ** (k % N / N) / speed.clamp_min(1e-8)
                z = (z + size.view(-1, 1, 1, 1) * direction).clamp(0, 1)
                if (k + 1) % N == 0:
                    lam = torch.where(distance.between(tuple(features), z) > bound, FACTOR * lam, lam)
    x_adv[left] = project(distance, tuple(features), x.detach()[left], z, bound)
    return x_adv
