"""Attacks on photographs, judged: passes counted, distances image by image, intervals, and tests between methods."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from scipy.stats import permutation_test
from statsmodels.stats.proportion import proportion_confint
from torch import Tensor, nn

from fairlib import attacks, checks
from fairlib.perceptual import Distance, known

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
    known(distance, "distance")
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
    checks.pair(x, x_adv)
    change = (x_adv - x).detach().double().flatten(1)
    return pd.DataFrame({f"L{p}": torch.linalg.vector_norm(change, float(p), dim=1).cpu() for p in ("1", "2", "inf")})


def measure(
    model: nn.Module, x: Tensor, y: Tensor, attacked: Mapping[str, Tensor], judges: Sequence[Distance]
) -> pd.DataFrame:
    """What each of several attacks did to each image: one row per image and method.

    x (N, C, H, W) float32 in [0, 1], y (N,) int64 labels, `attacked` x_adv by method. Columns: `image` (0 to N - 1),
    `method`, `right` (the classifier gets the clean image right), `success` (its label changes from right to wrong,
    section 3.2), L1, L2, Linf, and a column per judge under its name. The judges look at the clean image once. Raises
    ValueError for a model in training mode, for images and labels of another shape, dtype or range, and for no attack.
    """
    _measurable(model, x, y, attacked, judges)
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


def _measurable(
    model: nn.Module, x: Tensor, y: Tensor, attacked: Mapping[str, Tensor], judges: Sequence[Distance]
) -> None:
    checks.images(x)
    checks.labels(y, len(x), getattr(model, "classes", None))
    checks.instance(attacked, Mapping, "attacked", "name the attack: {'pgd': x_adv}")
    if not attacked:
        raise ValueError("attacked is empty, expected the images of one attack or more")
    checks.several(judges, "judges")
    for judge in judges:
        known(judge, "a judge")


def answers(model: nn.Module, x: Tensor, batch_size: int = 10) -> Tensor:
    """The model's classes, (N,), without gradients. Raises ValueError as `measure` does."""
    checks.fitting(model, x)
    checks.whole(batch_size, "batch_size")
    with torch.no_grad():
        return torch.cat([attacks.answers(model, batch).argmax(1) for batch in x.split(batch_size)])


def success_rate(success: Sequence[bool]) -> dict[str, float]:
    """Share of the images that the classifier gets right on which an attack succeeds, with its Wilson 95 % interval.

    Raises ValueError without any image, and for anything but True and False (or 1 and 0).
    """
    success = np.asarray(success)
    if success.ndim != 1 or not len(success) or not np.isin(success, (0, 1)).all():
        raise ValueError(f"success is {success!r}, expected True or False for each of one or more images")
    n, hits = len(success), int(np.sum(success))
    value, (low, high) = hits / n, proportion_confint(hits, n, method="wilson")
    # Rounding may put an end an ulp on the wrong side of 0 or 1.
    return {"value": value, "low": min(float(low), value), "high": max(float(high), value), "n": n}


def mean(values: Sequence[float]) -> dict[str, float]:
    """The mean of one number per image, with its 95 % bootstrap interval over images (percentiles)."""
    return bootstrapped(np.mean, values)


def difference(first: Sequence[float], second: Sequence[float]) -> dict[str, float]:
    """The mean of first - second over the same images: bootstrap interval, and `p` of the paired permutation test.

    The test flips the signs of the differences: all of them for a few images, `RESAMPLES` times otherwise.
    """
    first, second = _numbers(first, second)
    gap = first - second
    test = permutation_test((gap,), np.mean, permutation_type="samples", vectorized=True, n_resamples=RESAMPLES, rng=0)
    return mean(gap) | {"p": float(test.pvalue)}


def ratio(first: Sequence[float], second: Sequence[float]) -> dict[str, float]:
    """The mean of `first` over the mean of `second`, on the same images, with its 95 % bootstrap interval."""
    return bootstrapped(lambda a, b, axis: a.mean(axis) / b.mean(axis), first, second)


def margin(values: pd.DataFrame, leader: str) -> dict[str, float]:
    """By how much the column `leader` leads: the smallest mean among the other columns minus its own.

    `values` has a row per image, a column per method; positive means first. Each bootstrap sample draws images and
    looks anew for the best of the others.
    """
    checks.instance(values, pd.DataFrame, "values", "make one: a row per image, a column per method")
    checks.one_of(leader, tuple(values.columns), "leader")
    if len(values.columns) < 2:
        raise ValueError(f"values has the column {leader} only, expected another one for it to lead")
    others = [values[name] for name in values.columns if name != leader]

    def lead(own: np.ndarray, *rest: np.ndarray, axis: int) -> np.ndarray:
        return np.min([r.mean(axis=axis) for r in rest], axis=0) - own.mean(axis=axis)

    return bootstrapped(lead, values[leader], *others)


def bootstrapped(statistic: Callable[..., np.ndarray], *samples: Sequence[float]) -> dict[str, float]:
    """`statistic(*samples, axis=)` of numbers of the same images, with its 95 % bootstrap interval over the images.

    Percentiles of `RESAMPLES` resamples of the images, but for those in which the statistic divides by nothing. Raises
    ValueError for fewer than two images, for samples of different lengths, for what is not a finite number, and where
    the statistic divides by nothing in the sample itself.
    """
    columns = _numbers(*samples)
    n = len(columns[0])
    if n < 2:
        raise ValueError(f"there are {n} images, expected two or more: one gives no interval")
    drawn = np.random.default_rng(0).integers(n, size=(RESAMPLES, n))
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(statistic(*columns, axis=0))
        values = statistic(*(column[drawn] for column in columns), axis=1)
    if not np.isfinite(value):
        raise ValueError(
            "the statistic divides by nothing, expected numbers whose mean is not 0 below the fraction bar"
        )
    low, high = np.quantile(values[np.isfinite(values)], [0.025, 0.975])
    # Rounding may put a mean of equal numbers an ulp outside its interval.
    return {"value": value, "low": min(float(low), value), "high": max(float(high), value), "n": n}


def _numbers(*samples: Sequence[float]) -> list[np.ndarray]:
    """The samples as arrays (n,) of float64, looked at."""
    try:
        columns = [np.asarray(sample, dtype=float) for sample in samples]
    except (TypeError, ValueError) as error:
        raise ValueError(f"the values are not numbers ({error}), expected one number for each image") from error
    shapes = [column.shape for column in columns]
    if len(set(shapes)) > 1 or len(shapes[0]) != 1:
        raise ValueError(f"the values have shape {' and '.join(map(str, shapes))}, expected one number for each image")
    if not np.isfinite(columns).all():
        raise ValueError("the values hold NaN or infinity, expected a number for each image; leave these images out")
    return columns
