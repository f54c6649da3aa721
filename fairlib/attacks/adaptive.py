"""An attacker who knows the centroid defence: gradient ascent on a differentiable surrogate of its tally.

The method is that of Athalye, Carlini and Wagner (2018): replace what has no useful gradient, here the comparison
D <= alpha, by something smooth that agrees with it, and let the defence itself say whether it is fooled. The first
paper's attacker (section 3.1) has what this one uses: the weights, the centroids, the image's true label. That the
thresholds are known too is our reading of "white-box".
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from fairlib import checks
from fairlib.attacks.gradients import Gradients
from fairlib.attacks.pgd import project, start
from fairlib.defenses import CentroidDefense

TEMPERATURES = (0.01, 0.03, 0.1, 0.3, 1.0)


@torch.inference_mode(False)
def adaptive(
    defense: CentroidDefense,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    temperatures: Sequence[float] = TEMPERATURES,
    tie_aware: bool = True,
    rival: int | None = None,
    step: float | None = None,
    steps: int = 50,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Raise the lead of a rival over the true class, by sign steps within the budget, until the defence is fooled.

    x (N, C, H, W) float32 in [0, 1], y (N,) int64 true labels, eps in [0, 1] the L-infinity budget in pixel units; step
    likewise, eps / 10 by default. What is climbed is the mean over the `temperatures` of `leads`, those of the class
    `rival` (K stands for nobody), or with None, at each temperature, of whoever leads. The first point is x, or with a
    `generator` a random point of the ball. Every image is attacked on its own; returns, like x, the first of its points
    at which `defense.predict` errs, else the last. An image without a finite gradient stays where it is, with a
    warning.

    Raises ValueError for input of another shape, dtype or range, a model in training mode, and a defence whose rule the
    surrogate does not know; where no gradient is finite.
    """
    eps = checks.unit(eps, "eps")
    step = eps / 10 if step is None else checks.unit(step, "step")
    checks.whole(steps, "steps")
    check(defense, x, y, temperatures)
    if rival is not None and (isinstance(rival, bool) or rival not in range(defense.classes + 1)):
        raise ValueError(f"rival is {rival!r}, expected a class, {defense.classes} for nobody, or None")
    x = x.detach()
    x_adv = start(x, eps, generator)
    left = torch.arange(len(x), device=x.device)  # the images that still come out right
    with Gradients(x) as gradients:
        for t in range(steps + 1):
            left = left[defense.predict(x_adv[left]) == y[left]] if len(left) else left
            if not len(left) or t == steps:
                break
            with torch.enable_grad():
                z = x_adv[left].requires_grad_()
                lead = leads(defense, z, y[left], temperatures=temperatures, tie_aware=tie_aware)
                direction = gradients(objective(lead, rival), z, left).sign_()
            x_adv[left] = project(z.detach() + step * direction, x[left], eps)
    return x_adv


def leads(
    defense: CentroidDefense, x: Tensor, y: Tensor, *, temperatures: Sequence[float], tie_aware: bool = True
) -> Tensor:
    """By how many votes each rival leads the true class when votes are soft: (T, N, K + 1), the last column for nobody.

    At each of the T temperatures layer i's vote for class j is sigmoid((alpha_j - D_ij) / temperature), not 0 or 1;
    nobody gets what all classes leave, the product of 1 - vote. The released rule is that a tie goes to the lowest
    index: a class below the true one needs as many votes, a class above it and nobody need one more. `tie_aware` adds
    half a vote to the former and takes half a vote from the latter, whereupon a rival with a positive lead wins; as the
    temperature falls to 0 this is exactly where the defence errs. Without it there are no halves and nobody is no
    rival. The column of the true class is -inf. Differentiable in x. Raises ValueError as `adaptive` does.
    """
    check(defense, x, y, temperatures)
    heat = torch.as_tensor(temperatures, dtype=torch.float32, device=x.device).view(-1, 1, 1, 1)
    vote = ((defense.alpha - defense.distances(x)[:, :, 0]) / heat).sigmoid()  # (T, L, N, K)
    votes = torch.cat([vote.sum(1), (1 - vote).prod(3, keepdim=True).sum(1)], 2)
    own = y.clone().expand(len(heat), -1)[..., None]  # a copy: what autograd keeps must not come from inference mode
    lead = votes - votes.gather(2, own)
    index = torch.arange(defense.classes + 1, device=x.device)
    if tie_aware:
        lead = lead + torch.where(index < own, 0.5, -0.5)
    no_rival = (index == own) | ((index == defense.classes) & (not (tie_aware and defense.nobody)))
    return lead.masked_fill(no_rival, -torch.inf)


def objective(lead: Tensor, rival: int | None = None) -> Tensor:
    """What is climbed, image by image: the mean over temperatures of the rival's lead, (T, N, K + 1) -> (N,).

    Whoever leads stands in for a rival who is none: the true class itself, or a nobody without votes.
    """
    foremost = lead.amax(2)
    if rival is not None:
        foremost = torch.where(lead[..., rival].isinf(), foremost, lead[..., rival])
    return foremost.mean(0)


def check(defense: CentroidDefense, x: Tensor, y: Tensor, temperatures: Sequence[float]) -> None:
    """Refuse what the surrogate does not fit, and temperatures that are none."""
    checks.instance(defense, CentroidDefense, "defense", "get one with fairlib.defenses.CentroidDefense(model, ...)")
    checks.classified(defense.model, x, y)
    checks.several(temperatures, "temperatures")
    for temperature in temperatures:
        checks.positive(temperature, "a temperature", "on the scale of the distances")
    if not len(temperatures):
        raise ValueError("temperatures is empty, expected one or more positive numbers")
    if defense.n_sets > 1 or defense.ties != "lowest" or (defense.weights != 1).any():
        raise ValueError(
            f"the defence has {defense.n_sets} sets of centroids, ties={defense.ties!r} and weights "
            f"{defense.weights.tolist()}; the surrogate knows one set, ties='lowest' and weights of 1"
        )
