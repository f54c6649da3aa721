"""The time that the defence takes, against the width and the depth of a network, and for the networks of the paper.

First paper, section 4.2 (Proposition 1).
"""

import numpy as np
import pandas as pd
import torch

from fairlib import checks, complexity, data, intervals, runtime, training
from fairlib.book import runner
from fairlib.book.experiments import shared
from fairlib.complexity import EqualLayers
from fairlib.defenses import CentroidDefense
from fairlib.models import LayeredModel

WIDTHS, DEPTH = (32, 64, 128, 256, 512), 4
DEPTHS, WIDTH = (2, 4, 8, 16, 32), 256
REPETITIONS, ROUNDS = 6, 8
MEASURED = {"undefended", "defended", "printed"}  # seconds, which differ from run to run
CALLS = ((1, 1), (1_000, 1_000), (1_000, 100))  # images, and how many of them in a call


def units(profile: str) -> list[dict]:
    """Everything, measured anew at another time."""
    checks.one_of(profile, runtime.PROFILES, "profile")
    return [{"repetition": i} for i in range(REPETITIONS)]


def run(*, repetition: int) -> dict:
    """Seconds on one CPU thread, a list over rounds per call: `rows` by `what` and `size`, as `seconds` gives them.

    `what` is `width` or `depth`, for networks of that `size`, or a network of the paper (`size` None). The seconds are
    the machine's of that moment: it takes several repetitions to know how far they can be trusted.
    """
    rows = []
    for what, sizes in {"width": WIDTHS, "depth": DEPTHS}.items():
        for size in sizes:
            model, centroids, alpha, x = example(*((DEPTH, size) if what == "width" else (size, WIDTH)))
            rows += [{"what": what, "size": size} | seconds(model, centroids, alpha, x[:n], n) for n in (1, 1_000)]
    x, _ = data.load("MNIST", "test")
    centroids, alpha = data.centroids("MNIST"), data.alphas("MNIST")
    for network in training.RELEASED_EPOCHS:
        model = training.shipped(network, "MNIST")
        rows += [{"what": network, "size": None} | seconds(model, centroids, alpha, x[:n], b) for n, b in CALLS]
    return {"rows": rows}


def example(depth: int, width: int) -> tuple[LayeredModel, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Proposition 1's network with random weights, ten random centroids, MNIST's thresholds, 1,000 random images."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = EqualLayers(depth, width).eval()
        pixels = torch.rand(1_010, *model.shape)
    return model, pixels[:10], data.alphas("MNIST"), pixels[10:]


def seconds(model: LayeredModel, centroids: torch.Tensor, alpha: torch.Tensor, x: torch.Tensor, batch: int) -> dict:
    """Seconds to classify x (N, C, H, W), `batch` images at a time, a list over rounds for each way to do it.

    `undefended`; `defended`, the centroids' directions kept; for a single image `printed`, Algorithm 1 line by line.
    """
    defense, batches = CentroidDefense(model, centroids, alpha), x.split(batch)
    calls = {
        "undefended": lambda: [model(b).argmax(1) for b in batches],
        "defended": lambda: [defense.predict(b) for b in batches],
    }
    row = {"images": len(x), "batch": batch, "printed": None}
    with torch.no_grad():
        row |= complexity.times(calls, rounds=ROUNDS).round(9).to_dict("list")
    if len(x) == 1:  # on its own: its many small tensors would cool the caches for the other two
        calls = {"printed": lambda: complexity.algorithm1(model, x, centroids, alpha)}
        row |= complexity.times(calls, rounds=ROUNDS).round(9).to_dict("list")
    return row


def recorded(what: str, *, batch: int, of: str = "defended") -> pd.DataFrame:
    """The seconds of one kind of call, medians over rounds: a row per repetition, a column per size."""
    rows = runner.results("runtime").query("what == @what and batch == @batch")
    rows = rows.assign(size=rows["size"].fillna(0), median=rows[of].map(np.median))
    return rows.pivot_table("median", index="repetition", columns="size")


def ratios(what: str, *, batch: int, of: str = "defended") -> pd.DataFrame:
    """`recorded` seconds `of` a call over the undefended ones."""
    return recorded(what, batch=batch, of=of) / recorded(what, batch=batch, of="undefended")


def macs() -> dict[str, pd.DataFrame]:
    """Multiply-adds of the two sweeps: a row per size; columns of `complexity.macs`, and `added` by the defence."""

    def counted(depth: int, width: int) -> dict[str, int]:
        model, centroids, alpha, _ = example(depth, width)
        found = complexity.macs(CentroidDefense(model, centroids, alpha))
        return found | {"added": found["kept"] - found["inference"]}

    return {
        "width": pd.DataFrame({d: counted(DEPTH, d) for d in WIDTHS}).T,
        "depth": pd.DataFrame({n: counted(n, WIDTH) for n in DEPTHS}).T,
    }


def lines(what: str) -> pd.DataFrame:
    """What `plots.scaling` draws of a sweep, timed and counted: `line`, `size`, `value`, `low`, `high`.

    Against the `width` the time added as a share of the network's own, against the `depth` defended over undefended.
    """
    less = 1 if what == "width" else 0
    timed = {"1,000 images": ratios(what, batch=1_000), "1 image": ratios(what, batch=1)}
    counted, table = {"counted": "kept"}, macs()[what]
    if what == "depth":
        timed["as printed, 1 image"] = ratios(what, batch=1, of="printed")
        counted["as printed, counted"] = "printed"
    found = {(name, d): intervals.mean(v - less) for name, ratio in timed.items() for d, v in ratio.items()}
    for name, column in counted.items():
        found |= {(name, d): (v - less,) * 3 for d, v in (table[column] / table["inference"]).items()}
    return pd.DataFrame([(*k, *v) for k, v in found.items()], columns=["line", "size", "value", "low", "high"])


def estimates() -> dict[str, dict]:
    """The quantities that the ledger asks of this chapter (data/claims/README.md): counted, or from the records."""
    exact = {"cosines_per_layer": len(data.centroids("MNIST"))}
    for sweep, table in macs().items():
        slopes = complexity.slopes(table.T)
        exact |= {f"macs/inference/{sweep}_slope": slopes["inference"], f"macs/defence/{sweep}_slope": slopes["added"]}
    exact["macs/algorithm1/depth_slope"] = slopes["printed"]
    found = {key: (float(value),) * 3 for key, value in exact.items()}
    found["time/overhead/width_slope"] = intervals.mean(complexity.slopes(ratios("width", batch=1_000) - 1))
    found["time/ratio/depth_slope"] = intervals.mean(complexity.slopes(ratios("depth", batch=1_000)))
    for network in training.RELEASED_EPOCHS:
        for batch in (1, 100):  # a thousand at once has two modes (`modes`)
            found[f"{network}/time/ratio/batch={batch}"] = intervals.mean(ratios(network, batch=batch)[0])
    timed = {"units": REPETITIONS, "basis": f"{REPETITIONS} repetitions on one machine"}
    return {
        key: shared.interval(*numbers) | {"anchor": _anchor(key)} | (timed if key not in exact else {})
        for key, numbers in found.items()
    }


def modes(network: str, *, batch: int, apart: float = 0.25) -> list[tuple[int, float]]:
    """The repetitions' ratios of defended to undefended time in groups: how many, and their mean; lowest first.

    Neighbours that are further apart than `apart` belong to different groups; a mean over all would be that of none.
    """
    values = np.sort(ratios(network, batch=batch)[0].to_numpy())
    groups = np.split(values, np.flatnonzero(np.diff(values) > apart) + 1)
    return [(len(group), float(group.mean())) for group in groups]


def _anchor(quantity: str) -> str:
    """The figure, table or section that shows it."""
    if quantity.startswith(("macs", "cosines")):
        return "what-the-proof-counts"
    return "fig-sweeps" if quantity.startswith("time") else "tab-networks"
