"""What the book's heavy work costs, against how much it is given: processor time that grows as a power of the size."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import torch.nn.functional as F

from fairlib import checks, complexity, data, ensemble, imagenet, intervals, runtime, training
from fairlib.attacks import fgsm, perceptual
from fairlib.book import runner
from fairlib.perceptual import distance

SIZES = {
    "images": (500, 1_000, 2_000, 4_000, 8_000),
    "side": (96, 128, 192, 256, 320),
    "iterations": (4, 8, 16, 32),
    "models": (4, 8, 16, 32),
}
REPETITIONS = 4
PHOTOGRAPHS, SIDE, ITERATIONS = 2, 96, 4  # of Algorithm 1, where they stay the same
TRAINED = 1_024  # images of an epoch of each model


def units(profile: str) -> list[dict]:
    """Each sweep, at several times."""
    checks.one_of(profile, runtime.PROFILES, "profile")
    return [{"what": what, "repetition": i} for i in range(REPETITIONS) for what in SIZES]


def run(*, what: str, repetition: int) -> dict:
    """Seconds of one processor, by `size`: the least of two calls each, which do the same on one thread.

    `images`: FGSM on LeNet-5, so many of MNIST's. `side` and `iterations`: Algorithm 1 with LPIPS on
    EfficientNet-Lite0, photographs of so many pixels a side, or so many steps, no image finished before. `models`: an
    epoch of so many LeNet-5 at once. The seconds are the machine's of that moment: it takes several repetitions to
    know them.
    """
    calls = {size: partial(sweep(what), size) for size in SIZES[what]}
    found = complexity.times(calls, rounds=1, repeats=2).iloc[0]
    return {"rows": [{"size": size, "seconds": round(seconds, 6)} for size, seconds in found.items()]}


def sweep(what: str) -> Callable[[int], object]:
    """The work of a size."""
    if what == "images":
        model, (x, y) = training.shipped("LeNet5", "MNIST"), data.load("MNIST", "test")
        return lambda size: fgsm(model, x[:size], y[:size], eps=0.1)
    if what == "models":
        x, y = data.load("MNIST", "train")
        few = x[: TRAINED + 100], y[: TRAINED + 100]
        return lambda size: ensemble.fit_many("LeNet5", *few, seeds=range(size), epochs=1, validation=100)
    model, cost = imagenet.pretrained("efficientnet_lite0"), distance("LPIPS-Alex")
    x, _ = data.photographs(size=max(SIZES["side"]))
    x = x[:PHOTOGRAPHS]

    def attacked(side: int, iterations: int) -> object:
        small = F.interpolate(x, size=side, mode="area") if side < x.shape[-1] else x
        y = model(small).argmax(1)
        return perceptual(
            model,
            small,
            y,
            cost=cost,
            step_size=0.01,
            confidence=1e9,
            iterations=iterations,
            quantise="straight_through",
        )

    return (lambda size: attacked(size, ITERATIONS)) if what == "side" else (lambda size: attacked(SIDE, size))


def recorded(what: str) -> pd.DataFrame:
    """The seconds of a sweep: a row per repetition, a column per size; of `side` the columns are pixels."""
    rows = runner.results("costs").query("what == @what")
    rows = rows.assign(size=rows["size"] ** 2) if what == "side" else rows
    return rows.pivot_table("seconds", index="repetition", columns="size")


def exponent(what: str) -> tuple[float, float, float]:
    """The power of the size with which a sweep's seconds grow, with its 95 % interval over repetitions."""
    return intervals.mean(complexity.slopes(recorded(what)))


def extrapolated(what: str, size: float) -> tuple[float, float, float]:
    """The seconds of a size by each repetition's power law, with their 95 % interval over repetitions.

    The interval holds what differs from repetition to repetition; that the law holds there, it takes for granted.
    """
    return _spread(_log_seconds(what, size))


def an_attack(images: int, *, side: int, iterations: float) -> tuple[float, float, float]:
    """The seconds of Algorithm 1 on so many images, as measured a few at a time, with the interval over repetitions.

    The law in pixels at `side`, times the law in steps from those that were taken there to `iterations`.
    """
    further = _log_seconds("iterations", iterations) - _log_seconds("iterations", ITERATIONS)
    return _spread(_log_seconds("side", side**2) + further + np.log(images / PHOTOGRAPHS))


def bend(what: str) -> list[tuple[float, float, float]]:
    """The power between the two smallest sizes of a sweep, and between the two largest: one, were it a power law."""
    table = recorded(what)
    return [intervals.mean(complexity.slopes(table[part])) for part in (table.columns[:2], table.columns[-2:])]


def _log_seconds(what: str, size: float) -> np.ndarray:
    """The logarithm of the seconds of a size by the power law of each repetition."""
    table = recorded(what)
    x, y = np.log(table.columns.to_numpy(float)), np.log(table.to_numpy())
    return y.mean(1) + complexity.slopes(table).to_numpy() * (np.log(size) - x.mean())


def _spread(logs: np.ndarray) -> tuple[float, float, float]:
    value, low, high = np.exp(intervals.mean(logs))
    return float(value), float(low), float(high)


def lines(what: str) -> pd.DataFrame:
    """What `plots.scaling` draws of a sweep: the seconds as `timed`, and the `power law` through them."""
    table = recorded(what)
    timed = [("timed", size, *intervals.mean(seconds)) for size, seconds in table.items()]
    law = [("power law", size, *(extrapolated(what, size)[0],) * 3) for size in table.columns]
    return pd.DataFrame(timed + law, columns=["line", "size", "value", "low", "high"])
