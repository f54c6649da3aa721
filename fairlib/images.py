"""Attacks on photographs, judged: passes counted, distances image by image, intervals, and tests between methods."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from scipy.stats import bootstrap, permutation_test
from statsmodels.stats.proportion import proportion_confint
from torch import Tensor, nn

from fairlib import checks
from fairlib.perceptual import Distance

RESAMPLES = 4_999


@dataclass
class Count:
    """How many images went forward through a network, and how many came back as gradients."""

    forwards: int = 0
    backwards: int = 0

    def note(self, output: Tensor) -> None:
        """One pass whose `output` has an image per row; it comes back when someone differentiates it."""
        self.forwards += len(output)
        if output.requires_grad:
            output.register_hook(self._returned)

    def _returned(self, gradient: Tensor) -> None:
        self.backwards += len(gradient)


@contextmanager
def counted(model: nn.Module) -> Iterator[Count]:
    """Count the images that pass through `model` inside the block, forward and backward; the model stays as it is.

    A batch of n images is n passes, so that an attack whose finished images leave the batch is given credit for it.
    """
    count = Count()
    handle = model.register_forward_hook(lambda module, inputs, output: count.note(output))
    try:
        yield count
    finally:
        handle.remove()


def counting(distance: Distance) -> tuple[Distance, Count]:
    """The same distance, and the count of the images that it looks at from now on, clean or attacked."""
    count = Count()

    def features(x: Tensor) -> tuple[Tensor, ...]:
        found = distance.features(x)
        count.note(found[0])
        return found

    def between(known: tuple[Tensor, ...], x_adv: Tensor) -> Tensor:
        found = distance.between(known, x_adv)
        count.note(found)
        return found

    return replace(distance, features=features, between=between), count


def norms(x: Tensor, x_adv: Tensor) -> pd.DataFrame:
    """L1 (sum of absolute changes), L2 and Linf of x_adv - x, a row per image; pixels in [0, 1], as in table 1.

    x, x_adv (N, C, H, W) float32 in [0, 1]. Raises ValueError for input of another shape, dtype or range.
    """
    checks.images(x)
    checks.images(x_adv, x.shape[1:], "x_adv")
    if len(x_adv) != len(x):
        raise ValueError(f"x_adv has {len(x_adv)} images, expected {len(x)}: one for each image of x")
    change = (x_adv - x).detach().double().flatten(1)
    return pd.DataFrame({f"L{p}": torch.linalg.vector_norm(change, float(p), dim=1).cpu() for p in ("1", "2", "inf")})


def measure(
    model: nn.Module, x: Tensor, y: Tensor, attacked: Mapping[str, Tensor], judges: Sequence[Distance]
) -> pd.DataFrame:
    """What each of several attacks did to each image: one row per image and method.

    x (N, C, H, W) float32 in [0, 1], y (N,) int64 labels, `attacked` x_adv by method. Columns: `image` (0 to N - 1),
    `method`, `right` (the classifier gets the clean image right), `success` (its label changes from right to wrong,
    section 3.2), L1, L2, Linf, and a column per judge under its name. The judges look at the clean image once.
    """
    right = answers(model, x) == y
    tables = []
    for method, x_adv in attacked.items():
        table = norms(x, x_adv).assign(image=range(len(x)), method=method, right=right.cpu().numpy())
        tables.append(table.assign(success=(right & (answers(model, x_adv) != y)).cpu().numpy()))
    with torch.no_grad():
        for judge in judges:
            clean = [judge.features(image[None]) for image in x]
            for table, x_adv in zip(tables, attacked.values(), strict=True):
                found = [judge.between(f, image[None]).item() for f, image in zip(clean, x_adv, strict=True)]
                table[judge.name] = found
    first = ["image", "method", "right", "success"]
    return pd.concat(tables, ignore_index=True)[[*first, *tables[0].columns.difference(first, sort=False)]]


def answers(model: nn.Module, x: Tensor, batch_size: int = 10) -> Tensor:
    """The model's classes, (N,), without gradients."""
    with torch.no_grad():
        return torch.cat([model(batch).argmax(1) for batch in x.split(batch_size)])


def success_rate(success: Sequence[bool]) -> dict[str, float]:
    """Share of the images that the classifier gets right on which an attack succeeds, with its Wilson 95 % interval."""
    n, hits = len(success), int(np.sum(success))
    value, (low, high) = hits / n, proportion_confint(hits, n, method="wilson")
    # Rounding may put an end an ulp on the wrong side of 0 or 1.
    return {"value": value, "low": min(float(low), value), "high": max(float(high), value), "n": n}


def mean(values: Sequence[float]) -> dict[str, float]:
    """The mean of one number per image, with its 95 % bootstrap interval over images (percentiles)."""
    return _bootstrapped(np.mean, np.asarray(values, dtype=float))


def difference(first: Sequence[float], second: Sequence[float]) -> dict[str, float]:
    """The mean of first - second over the same images: bootstrap interval, and `p` of the paired permutation test.

    The test flips the signs of the differences: all of them for a few images, `RESAMPLES` times otherwise.
    """
    gap = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    test = permutation_test((gap,), np.mean, permutation_type="samples", vectorized=True, n_resamples=RESAMPLES, rng=0)
    return mean(gap) | {"p": float(test.pvalue)}


def ratio(first: Sequence[float], second: Sequence[float]) -> dict[str, float]:
    """The mean of `first` over the mean of `second`, on the same images, with its 95 % bootstrap interval."""

    def of_means(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray:
        return a.mean(axis=axis) / b.mean(axis=axis)

    return _bootstrapped(of_means, *(np.asarray(values, dtype=float) for values in (first, second)))


def margin(values: pd.DataFrame, leader: str) -> dict[str, float]:
    """By how much the column `leader` leads: the smallest mean among the other columns minus its own.

    `values` has a row per image, a column per method; positive means first. Each bootstrap sample draws images and
    looks anew for the best of the others.
    """
    others = [values[name] for name in values.columns if name != leader]

    def lead(own: np.ndarray, *rest: np.ndarray, axis: int) -> np.ndarray:
        return np.min([r.mean(axis=axis) for r in rest], axis=0) - own.mean(axis=axis)

    return _bootstrapped(lead, *(np.asarray(column, dtype=float) for column in (values[leader], *others)))


def _bootstrapped(statistic, *samples: np.ndarray) -> dict[str, float]:
    if len(samples[0]) < 2:
        raise ValueError(f"there are {len(samples[0])} images, expected two or more: one gives no interval")
    value = float(statistic(*samples, axis=0))
    found = bootstrap(
        samples, statistic, paired=True, vectorized=True, n_resamples=RESAMPLES, method="percentile", rng=0
    ).confidence_interval
    # Rounding may put a mean of equal numbers an ulp outside its interval.
    low, high = min(float(found.low), value), max(float(found.high), value)
    return {"value": value, "low": low, "high": high, "n": len(samples[0])}
