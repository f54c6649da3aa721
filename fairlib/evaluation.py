"""Accuracy under attack over a data set, with its interval, and what a published figure's own sampling allows."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd
import torch
from scipy.stats import binom
from statsmodels.stats.proportion import proportion_confint
from torch import Tensor

from fairlib import checks, runtime
from fairlib.attacks import fgsm_grid
from fairlib.defenses import CentroidDefense
from fairlib.models import LayeredModel

GridAttack = Callable[..., Iterable[Tensor]]
# The paper's rows, and the grids that its released notebooks evaluate.
TABLE_EPS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
RELEASED_EPS = {
    "FullyConnected": tuple(k / 255 for k in (1, *range(5, 126, 5))),
    "LeNet5": tuple(k / 255 for k in range(0, 125, 4)),
}


def under_attack(
    model: LayeredModel,
    x: Tensor,
    y: Tensor,
    *,
    eps: Sequence[float],
    defense: CentroidDefense | None = None,
    attack: GridAttack = fgsm_grid,
    batch_size: int = 500,
) -> pd.DataFrame:
    """Count right answers over a grid of budgets, without and with a defence.

    x (N, C, H, W), y (N,); `attack(model, x, y, eps=grid)` yields x_adv for each budget in turn, and sees the undefended model only
    (threat model of section 3.1 as the released code has it). Returns one row per eps and method (`defenseless`; with a
    defence also `defended` and `loose`): `right`, `n`, `accuracy`, and the Wilson 95 % interval `low`, `high`.
    """
    checks.labels(y, len(x), model.classes)
    if not len(eps) or not len(x):
        raise ValueError(f"{len(eps)} budgets and {len(x)} images, expected at least one of each")
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}, expected a positive number")
    methods = ("defenseless",) if defense is None else ("defenseless", "defended", "loose")
    right = np.zeros((len(eps), len(methods)), dtype=int)
    batches = list(zip(x.split(batch_size), y.split(batch_size), strict=True))
    for x_batch, y_batch in runtime.progress(batches, "attacking"):
        for row, x_adv in zip(right, attack(model, x_batch, y_batch, eps=eps), strict=True):
            with torch.no_grad():
                found = [model(x_adv).argmax(1) == y_batch]
            if defense is not None:
                predicted, loose = defense.predict_and_loose(x_adv, y_batch)
                found += [predicted == y_batch, loose]
            row += [int(f.sum()) for f in found]
    rows = [(e, m, k) for e, counts in zip(eps, right, strict=True) for m, k in zip(methods, counts, strict=True)]
    return with_interval(pd.DataFrame(rows, columns=["eps", "method", "right"]).assign(n=len(x)))


def with_interval(counts: pd.DataFrame) -> pd.DataFrame:
    """Add `accuracy` and the Wilson 95 % interval `low`, `high` to a table of `right` out of `n`."""
    low, high = proportion_confint(counts["right"], counts["n"], method="wilson")
    return counts.assign(accuracy=counts["right"] / counts["n"], low=low, high=high)


def draw(x: Tensor, y: Tensor, n: int, *, seed: int) -> tuple[Tensor, Tensor]:
    """`n` images at random without replacement: the paper evaluates on 150 (FC) or 200 (LeNet) images."""
    checks.labels(y, len(x))
    if not 1 <= n <= len(x):
        raise ValueError(f"n is {n}, expected between 1 and {len(x)}, the images there are")
    chosen = torch.randperm(len(x), generator=runtime.generator(seed))[:n]
    return x[chosen], y[chosen]


def sampling_range(accuracy: float, n: int, *, decimals: int = 2, level: float = 0.95) -> tuple[float, float]:
    """What an accuracy measured on `n` images may be printed as, if the true one is `accuracy`.

    The central `level` range of Binomial(n, accuracy) / n, rounded like the paper's tables: a published value outside it is
    not explained by the sampling of `n` images alone. Raises ValueError for accuracy outside [0, 1] or n < 1.
    """
    checks.unit(accuracy, "accuracy")
    if n < 1:
        raise ValueError(f"n is {n}, expected at least one image")
    low, high = binom.interval(level, n, accuracy)
    return round(low / n, decimals), round(high / n, decimals)
