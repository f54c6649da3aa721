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
from fairlib.attacks.pgd import ball, starting_point
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
    step_size: float | None = None,
    iterations: int = 50,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Raise the lead of a rival over the true class, by sign steps within a budget, until the defence is fooled.

    Parameters
    ----------
    defense : CentroidDefense
        The defence under attack, with one set of centroids, ties="lowest" and weights of 1.
    x : Tensor
        (N, C, H, W) float32 in [0, 1], the images.
    y : Tensor
        (N,) int64, the true classes.
    eps : float
        L-infinity budget, in [0, 1], in pixel units (8/255, not 8).
    temperatures : sequence of float
        How soft a vote is, each above 0, on the scale of the distances.
    tie_aware : bool
        Whether the surrogate knows what the defence does with ties, and that nobody may win (`soft_leads`).
    rival : int or None
        The class that is to win, in [0, K], where K stands for nobody; None for whoever leads at each temperature.
    step_size : float or None
        By how much a step moves every pixel, in [0, 1]; eps / 10 by default.
    iterations : int
        Largest number of steps, 1 or more.
    generator : torch.Generator or None
        Draws the first point uniformly from the ball; without one it is x.

    Returns
    -------
    Tensor
        x_adv, a new tensor like x: of each image the first point at which `defense.predict` errs, else the last. An
        image without a finite gradient stays where it is, with a warning.

    Raises
    ------
    ValueError
        When an input has another shape, dtype or range, the model is in training mode, the surrogate does not know the
        rule of the defence, or no gradient is finite.

    Notes
    -----
    x_(t+1) = clip(x_t + step_size * sign(grad F(x_t)), max(x - eps, 0), min(x + eps, 1)) climbs

        F(x) = mean over temperatures T of lead_T(x),    lead_T = votes_T(rival) - votes_T(y) +- 1/2,

    where votes_T(j) = sum over layers i of sigmoid((alpha_j - D_ij(x)) / T), D_ij being the distance of the image to
    the centroid of class j at layer i, and nobody gets the sum over i of prod over j of (1 - vote). `soft_leads` says
    which half is added.

    References
    ----------
    Athalye, Carlini and Wagner (2018), Obfuscated Gradients Give a False Sense of Security. First paper, section 3.1
    and Algorithm 1.
    """
    eps = checks.unit(eps, "eps")
    step_size = eps / 10 if step_size is None else checks.unit(step_size, "step_size")
    checks.whole(iterations, "iterations")
    check_attackable(defense, x, y, temperatures)
    if rival is not None and (isinstance(rival, bool) or rival not in range(defense.classes + 1)):
        raise ValueError(f"rival is {rival!r}, expected a class, {defense.classes} for nobody, or None")
    x = x.detach()
    low, high = ball(x, eps)
    x_adv = starting_point(x, eps, generator)
    active = torch.arange(len(x), device=x.device)  # the images that still come out right
    with Gradients(x) as gradients:
        for t in range(iterations + 1):
            active = active[defense.predict(x_adv[active]) == y[active]]
            if not len(active) or t == iterations:
                break
            with torch.enable_grad():
                point = x_adv[active].requires_grad_()
                leads = surrogate_leads(defense, point, y[active], temperatures, tie_aware)
                direction = gradients(mean_lead(leads, rival), point, active).sign_()
            x_adv[active] = (point.detach() + step_size * direction).clamp(low[active], high[active])
    return x_adv


def soft_leads(
    defense: CentroidDefense, x: Tensor, y: Tensor, *, temperatures: Sequence[float], tie_aware: bool = True
) -> Tensor:
    """By how many votes each rival leads the true class when votes are soft.

    Parameters
    ----------
    defense : CentroidDefense
        With one set of centroids, ties="lowest" and weights of 1.
    x : Tensor
        (N, C, H, W) float32 in [0, 1], the images.
    y : Tensor
        (N,) int64, the true classes.
    temperatures : sequence of float
        Each above 0, on the scale of the distances.
    tie_aware : bool
        Whether to add the halves that make a positive lead one that wins.

    Returns
    -------
    Tensor
        (T, N, K + 1), the last column for nobody, -inf in that of the true class. Differentiable in x.

    Raises
    ------
    ValueError
        When an input has another shape, dtype or range, the model is in training mode, or the surrogate does not know
        the rule of the defence.

    Notes
    -----
    At temperature T layer i's vote for class j is sigmoid((alpha_j - D_ij) / T), not 0 or 1; nobody gets what all
    classes leave, the product of 1 - vote. The released rule is that a tie goes to the lowest index: a class below the
    true one needs as many votes, a class above it and nobody need one more. `tie_aware` adds half a vote to the former
    and takes half a vote from the latter, whereupon a rival with a positive lead wins; as T falls to 0 this is exactly
    where the defence errs. Without it there are no halves and nobody is no rival.
    """
    check_attackable(defense, x, y, temperatures)
    return surrogate_leads(defense, x, y, temperatures, tie_aware)


def surrogate_leads(
    defense: CentroidDefense, x: Tensor, y: Tensor, temperatures: Sequence[float], tie_aware: bool
) -> Tensor:
    """What `soft_leads` returns, for input that has been looked at."""
    temperature = torch.as_tensor(temperatures, dtype=torch.float32, device=x.device).view(-1, 1, 1, 1)
    vote = ((defense.alpha - defense.distances(x)[:, :, 0]) / temperature).sigmoid()  # (T, L, N, K)
    nobody = (1 - vote).prod(3, keepdim=True)
    votes = torch.cat([vote.sum(1), nobody.sum(1)], 2)
    # A copy of y: what autograd keeps must not come from inference mode.
    own = y.clone().expand(len(temperature), -1)[..., None]
    leads = votes - votes.gather(2, own)
    index = torch.arange(defense.classes + 1, device=x.device)
    if tie_aware:
        leads = leads + torch.where(index < own, 0.5, -0.5)
    nobody_wins = tie_aware and defense.nobody
    no_rival = (index == own) | ((index == defense.classes) & (not nobody_wins))
    return leads.masked_fill(no_rival, -torch.inf)


def mean_lead(leads: Tensor, rival: int | None = None) -> Tensor:
    """What the attacks on a defence climb: the mean over the temperatures of the rival's lead.

    Parameters
    ----------
    leads : Tensor
        (T, N, K + 1), from `soft_leads`.
    rival : int or None
        A class in [0, K], where K stands for nobody; None for whoever leads at each temperature. Whoever leads stands
        in for a rival that is none: the true class itself, or a nobody without votes.

    Returns
    -------
    Tensor
        (N,), in votes. Differentiable in the leads.
    """
    foremost = leads.amax(2)
    if rival is not None:
        foremost = torch.where(leads[..., rival].isinf(), foremost, leads[..., rival])
    return foremost.mean(0)


def check_attackable(defense: CentroidDefense, x: Tensor, y: Tensor, temperatures: Sequence[float]) -> None:
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
