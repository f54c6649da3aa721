"""What the defence costs: multiply-adds, Algorithm 1 run line by line, and times that are measured side by side.

First paper, section 4.2 (Proposition 1).
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fairlib import checks, runtime
from fairlib.defenses import CentroidDefense
from fairlib.models import LayeredModel


class EqualLayers(LayeredModel):
    """The network of Proposition 1: n = `depth` linear layers of d = `width` neurons each, the last one included.

    x (N, 1, 1, width) float32 in [0, 1] -> (N, width) log-probabilities, of which the first ten belong to classes. ReLU
    between the layers. Raises ValueError for no layer, or for fewer neurons than classes.
    """

    def __init__(self, depth: int, width: int) -> None:
        super().__init__()
        checks.whole(depth, "depth")
        checks.whole(width, "width", self.classes)
        self.shape = (1, 1, width)
        self.hidden = tuple(f"linear{i}" for i in range(1, depth))
        for name in (*self.hidden, "linear_out"):
            setattr(self, name, nn.Linear(width, width))
        self.released_taps = (*self.hidden, "log_softmax")
        self.paper_taps = (*(f"{name}.relu" for name in self.hidden), "log_softmax")

    def layers(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        a = x.flatten(1)
        for name in self.hidden:
            z = getattr(self, name)(a)
            yield name, z
            a = z.relu()
            yield f"{name}.relu", a
        z = self.linear_out(a)
        yield "linear_out", z
        yield "log_softmax", F.log_softmax(z, dim=1)


def macs(defense: CentroidDefense) -> dict[str, int]:
    """Multiply-adds for one image: weights times inputs, dot products and norms; biases and divisions are left out.

    `inference`: the network alone. `proof`: and one cosine a layer (a dot product and two norms), as the proof of
    Proposition 1 counts. `kept`: and a dot product per class and the input's norm, the centroids' directions being
    kept, as `CentroidDefense` does it and the released code in substance. `carried`: Algorithm 1 with a cosine per
    class, the centroids going through the network beside the input. `printed`: the same, each NN_i(x) and NN_i(k_j)
    computed from the input up to layer i, as Algorithm 1 reads.
    """
    checks.instance(defense, CentroidDefense, "defense", "get one with fairlib.defenses.CentroidDefense")
    model = defense.model
    probe = torch.zeros(1, *model.shape, device=defense.alpha.device)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        up_to = {name: counter.get_total_flops() // 2 for name, _ in model.layers(probe)}
    inference = list(up_to.values())[-1]
    centroids = defense.n_sets * defense.classes
    features = sum(direction.shape[1] for direction in defense.directions.values())
    return {
        "inference": inference,
        "proof": inference + 3 * features,
        "kept": inference + (centroids + 1) * features,
        "carried": (1 + centroids) * inference + 3 * centroids * features,
        "printed": (1 + centroids) * sum(up_to[tap] for tap in defense.taps) + 3 * centroids * features,
    }


def algorithm1(model: LayeredModel, x: Tensor, centroids: Tensor, alpha: Sequence[float] | Tensor) -> Tensor:
    """T of Algorithm 1, line by line: each activation is computed from the input up to its layer, nothing is kept.

    x (1, C, H, W), one image; centroids (K, C, H, W); alpha, K thresholds. Returns the votes (K,), the same as
    `CentroidDefense(..., comparison="lt").tally(x)`. Raises ValueError for more than one image.
    """
    checks.evaluating(model)
    checks.images(x, model.shape)
    checks.images(centroids, model.shape, "centroids")
    thresholds = alpha.tolist() if isinstance(alpha, Tensor) else alpha
    if len(checks.numbers(thresholds, "alpha")) != len(centroids):
        raise ValueError(f"alpha has {len(alpha)} thresholds, expected {len(centroids)}: one for each centroid")
    if len(x) != 1:
        raise ValueError(f"x holds {len(x)} images, expected one: Algorithm 1 takes a single image")

    def activation(tap: str, image: Tensor) -> Tensor:
        return next(a for name, a in model.layers(image) if name == tap)

    tally = torch.zeros(len(centroids), device=x.device)
    with torch.no_grad():
        for tap in model.released_taps:
            a = activation(tap, x)
            for j, k in enumerate(centroids):
                b = activation(tap, k[None])
                distance = (1 - F.cosine_similarity(a, b, dim=1).mean()) / 2
                if distance < alpha[j]:
                    tally[j] += 1
    return tally


def times(calls: Mapping[str, Callable[[], object]], *, rounds: int, repeats: int = 3) -> pd.DataFrame:
    """Seconds of each call: one row per round, one column per call, on one CPU thread.

    In a round every call is made `repeats` times, in turn, and the least time counts: the rest is what else the machine
    was doing. So the ratio of two columns compares calls made within moments of one another.
    """
    if not isinstance(calls, Mapping) or not calls or not all(map(callable, calls.values())):
        raise ValueError(f"calls is {calls!r}, expected functions without arguments, one or more, by name")
    checks.whole(rounds, "rounds")
    checks.whole(repeats, "repeats")
    rows = []
    with runtime.threads(1):
        for _ in range(rounds):
            row = dict.fromkeys(calls, np.inf)
            for _ in range(repeats):
                for name, call in calls.items():
                    started = time.thread_time()
                    call()
                    row[name] = min(row[name], time.thread_time() - started)
            rows.append(row)
    return pd.DataFrame(rows)


def median(values: Sequence[float]) -> tuple[float, float, float]:
    """The median of independent measurements, and its distribution-free 95 % interval: `(value, low, high)`.

    Raises ValueError for fewer than six values, from which no such interval exists.
    """
    values = checks.numbers(values, "values")
    if len(values) < 6:
        raise ValueError(f"{len(values)} measurements, expected six or more for a 95 % interval of their median")
    interval = stats.quantile_test(values, p=0.5).confidence_interval()
    return float(np.median(values)), float(interval.low), float(interval.high)


def mean(values: Sequence[float]) -> tuple[float, float, float]:
    """The mean of independent measurements, two or more, and its 95 % interval (Student's t): `(value, low, high)`."""
    values = checks.numbers(values, "values")
    if len(values) < 2:
        raise ValueError(f"{len(values)} measurements, expected two or more: one has no interval")
    low, high = DescrStatsW(values).tconfint_mean()
    return float(np.mean(values)), float(low), float(high)


def slopes(table: pd.DataFrame) -> pd.Series:
    """For each row, the slope of log value against log size; the columns are the sizes.

    Raises ValueError where a size or a value is not positive, which has no logarithm.
    """
    checks.instance(table, pd.DataFrame, "the table", "give a row for each, and a column for each size")
    sizes = checks.numbers(table.columns, "the sizes", least=2)
    values = checks.numbers(table, "the table", axes=2)
    if not (sizes > 0).all() or not (values > 0).all():
        raise ValueError("a size or a value is not positive and has no logarithm; measure longer, or at smaller sizes")
    return pd.Series(np.polyfit(np.log(sizes), np.log(values).T, 1)[0], table.index)
