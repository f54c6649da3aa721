"""Auto-PGD, which chooses its own step sizes, in the L-infinity ball (Croce and Hein 2020)."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from fairlib import checks
from fairlib.attacks.gradients import Gradients, gradient
from fairlib.attacks.loss import CheckedModel, lead, margin
from fairlib.attacks.pgd import ball

RISING = 0.75  # the share of steps that must raise the loss, or the step is halved; and the weight of a step
FIRST, SHRINK, LEAST = 0.22, 0.03, 0.06  # of the iterations: up to the first look, less each time, at least


@torch.inference_mode(False)
def apgd(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    generator: torch.Generator,
    iterations: int = 100,
    loss: str = "cross-entropy",
) -> Tensor:
    """Climb a loss by sign steps with momentum, halving an image's step where it no longer helps, until it is fooled.

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
    generator : torch.Generator
        Draws the first point.
    iterations : int
        Largest number of steps, 1 or more.
    loss : {"cross-entropy", "dlr"}
        What is climbed; the second, the difference of logits ratio, needs three classes.

    Returns
    -------
    Tensor
        x_adv, a new tensor like x: of each image the first point at which the model errs, else the one with the highest
        loss. An image without a finite gradient stays where it is, with a warning.

    Raises
    ------
    ValueError
        When an input has another shape, dtype or range, the model is in training mode, no gradient is finite, or there
        are too few classes for the loss.

    Notes
    -----
    With P the projection to max(x - eps, 0) and min(x + eps, 1), and f the loss,

        z_(t+1) = P(x_t + step * sign(grad f(x_t))),    x_(t+1) = P(x_t + 3/4 (z_(t+1) - x_t) + 1/4 (x_t - x_(t-1))),

    the first step without the second term. At looks that come closer to each other, an image's step is halved, and it
    goes back to its best point, where fewer than three quarters of the steps since the last look raised f, or where
    neither the step nor the highest f changed since then. The first step is 2 eps long. The second loss is

        -(z_y - max over j != y of z_j) / (z_(1) - z_(3)),    z_(1) >= z_(2) >= ... the sorted answers.

    Deviations from the paper, of which the first is the authors' code's:

    - Three quarters themselves are too few, and the first point is uniform noise, stretched to touch the ball.
    - The margin m stands for the cross-entropy log(1 + exp(m)), which rises with it and rounds to 0 in float32.
    - An image that is fooled is done.

    References
    ----------
    Croce and Hein (2020), Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free
    attacks, sections 3 and 4.
    """
    eps = checks.unit(eps, "eps")
    checks.whole(iterations, "iterations")
    checks.generator(generator)
    climbed = {"cross-entropy": margin, "dlr": ratio}[checks.one_of(loss, ("cross-entropy", "dlr"), "loss")]
    checks.classified(model, x, y)
    answers, x = CheckedModel(model, y), x.detach()
    low, high = ball(x, eps)
    x_adv = start(x, eps, generator).clamp_(low, high)
    previous, best, best_sign = x_adv.clone(), x_adv.clone(), torch.zeros_like(x)
    step = torch.full((len(x), 1, 1, 1), 2 * eps, device=x.device)
    value = torch.full((len(x),), -torch.inf, device=x.device)
    highest, at_last_look = value.clone(), value.clone()
    rises, halved = torch.zeros_like(value), torch.ones_like(value, dtype=torch.bool)
    active = torch.arange(len(x), device=x.device)
    looks = dict(periods(iterations))
    with Gradients(x) as gradients:
        for t in range(iterations + 1):
            with torch.enable_grad():
                point = x_adv[active].requires_grad_()
                z = answers(point)
                reached = climbed(z, y[active])
                right = z.argmax(1) == y[active]
                sign = gradients.usable(gradient(reached, point), active, settled=~right).sign()
            reached = reached.detach()
            rises[active] += reached > value[active]
            value[active] = reached
            better = (reached > highest[active]) | ~right
            best[active[better]], best_sign[active[better]] = x_adv[active[better]], sign[better]
            highest[active[better]] = reached[better]
            active, sign = active[right], sign[right]
            if t == iterations or not len(active):
                break
            if length := looks.get(t, 0):
                stuck = ~halved[active] & (at_last_look[active] >= highest[active])
                halve = (rises[active] <= RISING * length) | stuck
                halved[active], at_last_look[active], rises[active] = halve, highest[active], 0.0
                back = active[halve]
                step[back] /= 2
                x_adv[back], sign[halve] = best[back], best_sign[back]
            here = x_adv[active]
            moved = (here + step[active] * sign).clamp(low[active], high[active])
            weight = RISING if t else 1.0
            moved = here + weight * (moved - here) + (1 - weight) * (here - previous[active])
            previous[active] = here
            x_adv[active] = moved.clamp(low[active], high[active])
    return best


def ratio(z: Tensor, y: Tensor) -> Tensor:
    """The difference of logits ratio of answers z (N, K) to images of the classes y (N,): (N,), K at least 3.

    Above 0 where the answer is wrong; the same for logits and log-probabilities, and for their multiples.
    """
    if z.shape[1] < 3:
        raise ValueError(f"the model knows {z.shape[1]} classes, expected 3 or more for loss='dlr'; take cross-entropy")
    ordered = z.sort(1, descending=True).values
    return lead(z, y) / (ordered[:, 0] - ordered[:, 2]).clamp_min(1e-12)


def start(x: Tensor, eps: float, generator: torch.Generator) -> Tensor:
    """x (N, C, H, W) plus uniform noise whose largest entry is eps in each image."""
    noise = (2 * torch.rand(x.shape, generator=generator) - 1).to(x.device)
    return x + eps * noise / noise.abs().amax((1, 2, 3), keepdim=True)


def periods(iterations: int) -> Iterator[tuple[int, int]]:
    """The steps after which the step sizes are looked at, and how many steps have gone by since the last look."""
    length, least, less = (max(int(share * iterations), 1) for share in (FIRST, LEAST, SHRINK))
    t = length
    while t < iterations:
        yield t, length
        length = max(length - less, least)
        t += length
