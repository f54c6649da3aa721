"""Random search, which needs no gradient: the Square attack (Andriushchenko et al. 2020, L-infinity)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fairlib import checks
from fairlib.attacks.adaptive import TEMPERATURES, check_attackable, mean_lead, surrogate_leads
from fairlib.attacks.loss import answers, lead
from fairlib.defenses import CentroidDefense

FIRST_SHARE = 0.8  # of the pixels in the first square; halved at each of these fractions of the queries
# Those of the authors' code, which halves just after a fraction, not at it; the paper says 10, 50, 200, ... of 10,000.
HALVINGS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)


def square(
    target: CentroidDefense | nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    queries: int,
    generator: torch.Generator,
    temperatures: Sequence[float] = TEMPERATURES,
) -> Tensor:
    """Set random squares to x + eps or x - eps, keep what raises the lead of a rival, until the target is fooled.

    Parameters
    ----------
    target : CentroidDefense or nn.Module
        A defence, with one set of centroids, ties="lowest" and weights of 1; or a classifier in evaluation mode, whose
        model(x) are logits or log-probabilities (N, K).
    x : Tensor
        (N, C, H, W) float32 in [0, 1], the images.
    y : Tensor
        (N,) int64, the true classes.
    eps : float
        L-infinity budget, in [0, 1], in pixel units (8/255, not 8).
    queries : int
        Largest number of squares tried per image, 1 or more.
    generator : torch.Generator
        Draws the squares and their signs.
    temperatures : sequence of float
        How soft a vote of a defence is, each above 0, on the scale of the distances.

    Returns
    -------
    Tensor
        x_adv, a new tensor like x: of each image the first point, among those that raised F, at which the target errs,
        else the one with the highest value of F.

    Raises
    ------
    ValueError
        When an input has another shape, dtype or range, the model is in training mode, or the surrogate does not know
        the rule of the defence.

    Notes
    -----
    What is climbed, by its values only, is the best rival's lead F(x) = max over j != y of z_j - z_y in the answers z
    of a classifier, and for a defence

        F(x) = mean over temperatures T of max over rivals j of (votes_T(j) - votes_T(y) +- 1/2),

    where votes_T(j) = sum over layers i of sigmoid((alpha_j - D_ij(x)) / T), D_ij being the distance of the image to
    the centroid of class j at layer i, and nobody, who is a rival too, gets the sum over i of prod over j of (1 -
    vote). Half a vote is added for a class below y, which wins a tie, and taken from all others. The first point is x
    with vertical stripes of one pixel's width, each channel's moved by eps or -eps. Deviations from the paper:

    - The second F stands for its margin of logits, which a defence that votes does not have.
    - The side of the square shrinks as in the authors' code (`HALVINGS`).

    References
    ----------
    Andriushchenko, Croce, Flammarion and Hein (2020), Square Attack, section 3.
    """
    eps = checks.unit(eps, "eps")
    checks.whole(queries, "queries")
    checks.generator(generator)
    votes = isinstance(target, CentroidDefense)
    if votes:
        check_attackable(target, x, y, temperatures)
    else:
        checks.classified(target, x, y)

    def value(points: Tensor, labels: Tensor) -> Tensor:
        """F, (n,)."""
        with torch.no_grad():
            if votes:
                return mean_lead(surrogate_leads(target, points, labels, temperatures, True))
            return lead(answers(target, points, labels), labels)

    def right(points: Tensor, labels: Tensor) -> Tensor:
        """Which of them come out right, (n,) bool."""
        with torch.no_grad():
            return (target.predict(points) if votes else answers(target, points).argmax(1)) == labels

    def shifted(*shape: int) -> Tensor:
        """x with its pixels moved by eps or -eps; `shape` is 1 where they share a sign."""
        sign = torch.randint(2, shape, generator=generator).to(x).mul_(2).sub_(1)
        return torch.addcmul(x, sign, torch.full_like(sign, eps)).clamp_(0, 1)

    def corner(size: int, side: int) -> Tensor:
        """Where each image's square begins along one axis, (N, 1, 1, 1)."""
        return torch.randint(size - side + 1, (len(x), 1, 1, 1), generator=generator).to(x.device)

    x = x.detach()
    n, channels, height, width = x.shape
    row, column = torch.arange(height, device=x.device)[:, None], torch.arange(width, device=x.device)
    x_adv = shifted(n, channels, 1, width)
    highest = value(x_adv, y)
    active = torch.arange(n, device=x.device)  # the images that still come out right
    for query in range(queries):
        active = active[right(x_adv[active], y[active])]
        if not len(active):
            break
        side = side_of_square(query, queries, height, width)
        top, left = corner(height, side), corner(width, side)
        inside = (row >= top) & (row < top + side) & (column >= left) & (column < left + side)
        candidate = torch.where(inside, shifted(n, channels, 1, 1), x_adv)[active]
        reached = value(candidate, y[active])
        better = reached > highest[active]
        x_adv[active[better]], highest[active[better]] = candidate[better], reached[better]
    return x_adv


def side_of_square(query: int, queries: int, height: int, width: int) -> int:
    """The side in pixels, 1 or more, of the square that is tried by a query out of so many."""
    halvings = sum(query >= fraction * queries for fraction in HALVINGS)
    side = round((FIRST_SHARE / 2**halvings * height * width) ** 0.5)
    return min(max(1, side), height, width)
