"""Attacks on photographs, judged image by image: passes that they took, distances that they went, success."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from statsmodels.stats.proportion import proportion_confint
from torch import Tensor, nn

from fairlib import attacks, checks
from fairlib.perceptual import Distance, check_distance


@dataclass
class Count:
    """How many images went through a network.

    Parameters
    ----------
    forwards : int
        Images that went in.
    backwards : int
        Images for which a gradient came back.
    """

    forwards: int = 0
    backwards: int = 0

    def note(self, output: Tensor) -> None:
        """Count one pass, and its way back when someone differentiates it.

        Parameters
        ----------
        output : Tensor
            What came out of the network, an image per row.
        """
        self.forwards += len(output)
        if output.requires_grad:
            output.register_hook(self._note_gradient)

    def _note_gradient(self, gradient: Tensor) -> None:
        self.backwards += len(gradient)


@contextmanager
def count_passes(model: nn.Module) -> Iterator[Count]:
    """Count the images that pass through a model inside the block.

    A batch of n images is n passes, so that an attack whose finished images leave the batch is given credit for it.

    Parameters
    ----------
    model : nn.Module
        Any; it stays as it is.

    Yields
    ------
    Count
        It grows with every pass, forward and backward.
    """
    count = Count()
    handle = model.register_forward_hook(lambda module, inputs, output: count.note(output))
    try:
        yield count
    finally:
        handle.remove()


def count_looks(distance: Distance) -> tuple[Distance, Count]:
    """Count the images that a distance looks at, clean or attacked.

    Parameters
    ----------
    distance : Distance
        It stays as it is.

    Returns
    -------
    distance : Distance
        One that gives the same values.
    count : Count
        It grows with every image that the new distance looks at, and with every gradient through it.

    Raises
    ------
    ValueError
        For what is no distance.
    """
    check_distance(distance, "distance")
    count = Count()

    def features(x: Tensor) -> tuple[Tensor, ...]:
        kept = distance.features(x)
        count.note(kept[0])
        return kept

    def between(kept: tuple[Tensor, ...], x_adv: Tensor) -> Tensor:
        values = distance.between(kept, x_adv)
        count.note(values)
        return values

    return replace(distance, features=features, between=between), count


def norms(x: Tensor, x_adv: Tensor) -> pd.DataFrame:
    """Three norms of the change of each image.

    Parameters
    ----------
    x, x_adv : Tensor
        Images (N, C, H, W) float32 in [0, 1], of one shape.

    Returns
    -------
    DataFrame
        A row per image, with L1 (the sum of absolute changes), L2 and Linf of x_adv - x, pixels in [0, 1].

    Raises
    ------
    ValueError
        For images of another shape, dtype or range.

    References
    ----------
    The second paper, section 3.2, table 1.
    """
    checks.pair(x, x_adv)
    change = (x_adv - x).detach().double().flatten(1)
    return pd.DataFrame({f"L{p}": torch.linalg.vector_norm(change, float(p), dim=1).cpu() for p in ("1", "2", "inf")})


def measure(
    model: nn.Module, x: Tensor, y: Tensor, attacked: Mapping[str, Tensor], judges: Sequence[Distance]
) -> pd.DataFrame:
    """What each of several attacks did to each image.

    Parameters
    ----------
    model : nn.Module
        The classifier, in evaluation mode; model(x) are logits or log-probabilities (N, K).
    x : Tensor
        The clean images (N, C, H, W) float32 in [0, 1].
    y : Tensor
        Their labels (N,) int64.
    attacked : mapping of str to Tensor
        Each method's x_adv, of the shape of `x`.
    judges : sequence of Distance
        They look at the clean images once.

    Returns
    -------
    DataFrame
        A row per method and image: `image` (0 to N - 1), `method`, `right` (whether the classifier gets the clean image
        right), `success` (whether its answer changes from right to wrong, section 3.2), L1, L2, Linf, and a column per
        judge under its name.

    Raises
    ------
    ValueError
        For a model in training mode, images and labels of another shape, dtype or range, no attack, and a judge that is
        no distance.
    """
    _check_measurable(model, x, y, attacked, judges)
    right = predict(model, x) == y
    tables = []
    for method, x_adv in attacked.items():
        table = norms(x, x_adv).assign(image=range(len(x)), method=method, right=right.cpu().numpy())
        tables.append(table.assign(success=(right & (predict(model, x_adv) != y)).cpu().numpy()))
    with torch.no_grad():
        for judge in judges:
            clean = [judge.features(image[None]) for image in x]
            for table, x_adv in zip(tables, attacked.values(), strict=True):
                table[judge.name] = [judge.between(f, z[None]).item() for f, z in zip(clean, x_adv, strict=True)]
    first = ["image", "method", "right", "success"]
    return pd.concat(tables, ignore_index=True)[[*first, *tables[0].columns.difference(first, sort=False)]]


def _check_measurable(
    model: nn.Module, x: Tensor, y: Tensor, attacked: Mapping[str, Tensor], judges: Sequence[Distance]
) -> None:
    """Refuse what `measure` cannot work with."""
    checks.images(x)
    checks.labels(y, len(x), getattr(model, "classes", None))
    checks.instance(attacked, Mapping, "attacked", "name the attack: {'pgd': x_adv}")
    if not attacked:
        raise ValueError("attacked is empty, expected the images of one attack or more")
    checks.several(judges, "judges")
    for judge in judges:
        check_distance(judge, "a judge")


def predict(model: nn.Module, x: Tensor, batch_size: int = 10) -> Tensor:
    """The classes that a model puts first.

    Parameters
    ----------
    model : nn.Module
        A classifier in evaluation mode; model(x) are logits or log-probabilities (N, K).
    x : Tensor
        Images (N, C, H, W) float32 in [0, 1].
    batch_size : int
        Images in one pass.

    Returns
    -------
    Tensor
        (N,) int64, without a gradient.

    Raises
    ------
    ValueError
        For a model in training mode, and images other than it takes.
    """
    checks.fitting(model, x)
    checks.whole(batch_size, "batch_size")
    with torch.no_grad():
        return torch.cat([attacks.answers(model, batch).argmax(1) for batch in x.split(batch_size)])


def success_rate(success: Sequence[bool]) -> dict[str, float]:
    """The share of images on which an attack succeeds, with its Wilson 95 % interval.

    Parameters
    ----------
    success : sequence of bool
        Of each image that the classifier gets right, whether the attack succeeds; 1 and 0 will do.

    Returns
    -------
    dict
        `value`, `low` and `high` in [0, 1], and the number of images `n`.

    Raises
    ------
    ValueError
        Without an image, and for anything but True and False.

    References
    ----------
    The second paper, section 3.2: "labels change from correct to incorrect". Wilson 1927 for the interval.
    """
    success = np.asarray(success)
    if success.ndim != 1 or not len(success) or not np.isin(success, (0, 1)).all():
        raise ValueError(f"success is {success!r}, expected True or False for each of one or more images")
    n, hits = len(success), int(np.sum(success))
    value, (low, high) = hits / n, proportion_confint(hits, n, method="wilson")
    # Rounding may put an end an ulp on the wrong side of 0 or 1.
    return {"value": value, "low": min(float(low), value), "high": max(float(high), value), "n": n}
