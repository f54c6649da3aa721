"""What the defence costs: multiply-adds, Algorithm 1 run line by line, and times that are measured side by side.

First paper, section 4.2 (Proposition 1).
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fairlib import checks, runtime
from fairlib.defenses import CentroidDefense
from fairlib.models import LayeredModel


class EqualLayers(LayeredModel):
    """The network of Proposition 1: linear layers of equal width, ReLU between them.

    Takes (N, 1, 1, width), float32 in [0, 1]; answers with log-probabilities (N, width), of which the first ten belong
    to classes.

    Parameters
    ----------
    depth : int
        n, the number of layers, the last one included.
    width : int
        d, the neurons of each, 10 or more.

    Raises
    ------
    ValueError
        For no layer, or for fewer neurons than classes.

    References
    ----------
    First paper, section 4.2, Proposition 1.
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
        """Yield the layers' outputs by name, as every `LayeredModel` does."""
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
    """Count the multiply-adds of the centroid defence for one image.

    Parameters
    ----------
    defense : CentroidDefense
        With S sets of K centroids.

    Returns
    -------
    dict of str to int
        `inference`: the network alone.
        `proof`: and one cosine a layer (a dot product and two norms), as the proof of Proposition 1 counts.
        `kept`: and a dot product per class and the input's norm, the centroids' directions being kept, as
        `CentroidDefense` does it and the released code in substance.
        `carried`: Algorithm 1 with a cosine per class, the centroids going through the network beside the input.
        `printed`: the same, each NN_i(x) and NN_i(k_j) computed from the input up to layer i, as Algorithm 1 reads.

    Raises
    ------
    ValueError
        For what is no `CentroidDefense`.

    Notes
    -----
    With W multiply-adds of the network, W_i of them up to the layer i that is compared, F features in all these layers,
    and C = S K centroids: W; W + 3F; W + (C + 1) F; (1 + C) W + 3CF; (1 + C) sum_i W_i + 3CF. Weights times inputs, dot
    products and norms count; biases and divisions are left out.

    References
    ----------
    First paper, section 4.2, Proposition 1 and its proof.
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
    """Take the votes of Algorithm 1, line by line, for one image; nothing is kept.

    Parameters
    ----------
    model : LayeredModel
        In evaluation mode; its released taps NN_1, ..., NN_n are compared.
    x : Tensor
        One image (1, C, H, W), float32 in [0, 1].
    centroids : Tensor
        k_j, one image per class (K, C, H, W), float32 in [0, 1].
    alpha : sequence of float or Tensor
        The thresholds alpha_j, K numbers.

    Returns
    -------
    Tensor
        T, the votes (K,): the same as `CentroidDefense(..., comparison="lt").tally(x)`.

    Raises
    ------
    ValueError
        For more than one image, or whatever does not fit the model.

    Notes
    -----
    T_j = 0; for each layer i and each class j: D = (1 - cos(NN_i(x), NN_i(k_j))) / 2, and where D < alpha_j, T_j grows
    by 1. Each activation is computed from the input up to its layer, as often as it is named. On a map the cosine is
    taken over channels at each pixel and averaged, as in the released code.

    References
    ----------
    First paper, section 3.2, Algorithm 1.
    """
    checks.evaluating(model)
    checks.instance(model, LayeredModel, "the model", "write yours as one: its layers are what is compared")
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
    """Measure the seconds of several calls side by side, on one CPU thread.

    Parameters
    ----------
    calls : mapping of str to callable
        Functions without arguments, one or more, by name.
    rounds : int
        How often to measure each.
    repeats : int
        In a round every call is made so often, in turn, and the least time counts: the rest is what else the machine
        was doing.

    Returns
    -------
    DataFrame
        One row per round, one column per call. The ratio of two columns compares calls made within moments of one
        another.

    Raises
    ------
    ValueError
        For no call, and for no round or repetition.
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


def slopes(table: pd.DataFrame) -> pd.Series:
    """Fit each row's growth: the slope of log value against log size.

    Parameters
    ----------
    table : DataFrame
        Positive values, a row for each thing that grows; the columns are the sizes, two or more.

    Returns
    -------
    Series
        The slopes, one per row: 1 where the value grows with the size, 2 with its square.

    Raises
    ------
    ValueError
        Where a size or a value is not positive, which has no logarithm.
    """
    checks.instance(table, pd.DataFrame, "the table", "give a row for each, and a column for each size")
    sizes = checks.numbers(table.columns, "the sizes", least=2)
    values = checks.numbers(table, "the table", axes=2)
    if not (sizes > 0).all() or not (values > 0).all():
        raise ValueError("a size or a value is not positive and has no logarithm; measure longer, or at smaller sizes")
    return pd.Series(np.polyfit(np.log(sizes), np.log(values).T, 1)[0], table.index)
