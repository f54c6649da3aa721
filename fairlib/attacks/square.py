"""Random search, which needs no gradient: the Square attack (Andriushchenko et al. 2020, L-infinity) on the tally."""

from collections.abc import Sequence

import torch
from torch import Tensor

from fairlib import checks
from fairlib.attacks.adaptive import TEMPERATURES, check, leads, objective
from fairlib.defenses import CentroidDefense

SHARE = 0.8  # of the pixels in the first square; halved at each of these fractions of the queries
# Those of the authors' code, which halves just after a fraction, not at it; the paper says 10, 50, 200, ... of 10,000.
HALVINGS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)


def square(
    defense: CentroidDefense,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    queries: int,
    generator: torch.Generator,
    temperatures: Sequence[float] = TEMPERATURES,
) -> Tensor:
    """Set random squares to x + eps or x - eps, keep what raises the lead of a rival, until the defence is fooled.

    x (N, C, H, W) float32 in [0, 1], y (N,) int64 true labels, eps in [0, 1] the L-infinity budget in pixel units.
    Climbs what `adaptive` climbs, from vertical stripes of one pixel's width, and looks at values only. Every image is
    attacked on its own; returns, like x, the first of its points at which `defense.predict` errs, else the one with the
    largest lead. Raises ValueError as `adaptive` does.
    """
    eps = checks.unit(eps, "eps")
    checks.whole(queries, "queries")
    checks.generator(generator)
    check(defense, x, y, temperatures)

    def value(z: Tensor, labels: Tensor) -> Tensor:
        with torch.no_grad():
            return objective(leads(defense, z, labels, temperatures=temperatures))

    def moved(*shape: int) -> Tensor:
        """x with its pixels moved by eps or -eps; `shape` 1 where they share a sign."""
        sign = torch.randint(2, shape, generator=generator).to(x).mul_(2).sub_(1)
        return torch.addcmul(x, sign, torch.full_like(sign, eps)).clamp_(0, 1)

    x = x.detach()
    n, channels, height, width = x.shape
    row, column = torch.arange(height, device=x.device)[:, None], torch.arange(width, device=x.device)
    x_adv = moved(n, channels, 1, width)
    highest = value(x_adv, y)
    left = torch.arange(n, device=x.device)  # the images that still come out right
    for query in range(queries):
        left = left[defense.predict(x_adv[left]) == y[left]]
        if not len(left):
            break
        share = SHARE / 2 ** sum(query >= fraction * queries for fraction in HALVINGS)
        side = min(max(1, round((share * height * width) ** 0.5)), height, width)
        top, first = (
            torch.randint(size - side + 1, (n, 1, 1, 1), generator=generator).to(x.device) for size in (height, width)
        )
        inside = (row >= top) & (row < top + side) & (column >= first) & (column < first + side)
        candidate = torch.where(inside, moved(n, channels, 1, 1), x_adv)[left]
        found = value(candidate, y[left])
        better = found > highest[left]
        x_adv[left[better]], highest[left[better]] = candidate[better], found[better]
    return x_adv
