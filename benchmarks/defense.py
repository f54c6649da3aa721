"""FGSM and the centroid defence: against a literal loop, against inference without it, and where the time goes.

python benchmarks/defense.py [--repeats 12]

All of MNIST's test images, one CPU thread; of each call, the least time out of so many, all calls made in turn.
"""

import argparse
from collections.abc import Callable
from functools import partial

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.profiler import profile

from fairlib import complexity, data, runtime, training
from fairlib.attacks import fgsm
from fairlib.defenses import CentroidDefense

EPS = 0.1
LITERAL_IMAGES = 300
BATCH_SIZES = {"FullyConnected": (500, 1000, 2000), "LeNet5": (50, 64, 100, 128)}
TIMES_AS_FAST = {"FullyConnected": 100, "LeNet5": 20}  # as the literal loop, at least
OVERHEAD = {"FullyConnected": (1.5, 1.2), "LeNet5": (1.35, 1.25)}  # defended over undefended: the limit, the aim


def literal(defense: CentroidDefense, centroids: Tensor, x: Tensor, y: Tensor) -> list[int]:
    """FGSM and Algorithm 1 image by image and class by class; only the centroids' activations are kept."""
    model, alpha = defense.model, defense.alpha
    with torch.no_grad():
        kept = [dict(model.layers(k)) for k in centroids.split(1)]
    predicted = []
    for image, label in zip(x.split(1), y.split(1), strict=True):
        pixels = image.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(F.nll_loss(model(pixels), label), pixels)
        x_adv = (image + EPS * gradient.sign()).clamp(0, 1)
        tally, nobody = [0] * len(kept), 0
        with torch.no_grad():
            activations = dict(model.layers(x_adv))
            for tap in model.released_taps:
                fair = []
                for j, b in enumerate(kept):
                    similarity = F.cosine_similarity(activations[tap], b[tap], dim=1).mean()
                    if (1 - similarity) / 2 <= alpha[j]:
                        fair.append(j)
                for j in fair:
                    tally[j] += 1
                nobody += not fair
        predicted.append(-1 if nobody > max(tally) else tally.index(max(tally)))
    return predicted


def attacked(defense: CentroidDefense, x: Tensor, y: Tensor, batch_size: int) -> Tensor:
    batches = zip(x.split(batch_size), y.split(batch_size), strict=True)
    return torch.cat([defense.predict(fgsm(defense.model, *batch, eps=EPS)) for batch in batches])


def undefended(defense: CentroidDefense, x: Tensor, batch_size: int) -> Tensor:
    with torch.no_grad():
        return torch.cat([defense.model(batch).argmax(1) for batch in x.split(batch_size)])


def defended(defense: CentroidDefense, x: Tensor, batch_size: int) -> Tensor:
    return torch.cat([defense.predict(batch) for batch in x.split(batch_size)])


def against_the_loop(network: str, defense: CentroidDefense, x: Tensor, y: Tensor, repeats: int) -> dict:
    """Images per second with and without the loop; raises AssertionError when the two disagree about an image."""
    centroids, few = data.centroids("MNIST"), (x[:LITERAL_IMAGES], y[:LITERAL_IMAGES])
    batch_size = BATCH_SIZES[network][0]
    assert attacked(defense, *few, batch_size).tolist() == literal(defense, centroids, *few), "another defence"
    calls = {
        "loop": lambda: literal(defense, centroids, *few),
        "ours": lambda: attacked(defense, x, y, batch_size),
    }
    least = complexity.times(calls, rounds=1, repeats=min(repeats, 3)).iloc[0]
    loop, ours = LITERAL_IMAGES / least["loop"], len(x) / least["ours"]
    wanted = TIMES_AS_FAST[network]
    return {"loop, images/s": loop, "ours, images/s": ours, "ratio": ours / loop, "wanted": f"{wanted} or more"}


def against_inference(network: str, defense: CentroidDefense, x: Tensor, repeats: int) -> pd.DataFrame:
    """Milliseconds for all of x, one row per batch size."""
    ways, sizes = (undefended, defended), BATCH_SIZES[network]
    calls = {f"{way.__name__} {size}": partial(way, defense, x, size) for size in sizes for way in ways}
    least = complexity.times(calls, rounds=1, repeats=repeats).iloc[0] * 1e3
    return pd.DataFrame({way.__name__: {size: least[f"{way.__name__} {size}"] for size in sizes} for way in ways})


def operations(call: Callable[[], object], repeats: int) -> pd.Series:
    """Milliseconds that each of torch's operations takes itself."""
    runs = []
    for _ in range(repeats):
        with profile() as record:
            call()
        runs.append(pd.Series({row.key: row.self_cpu_time_total / 1e3 for row in record.key_averages()}))
    return pd.DataFrame(runs).min()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--repeats", type=int, default=12, help="the least of so many times counts (default 12)")
    repeats = arguments.parse_args().repeats
    x, y = data.load("MNIST", "test")
    defenses = {
        network: CentroidDefense(training.shipped(network, "MNIST"), data.centroids("MNIST"), data.alphas("MNIST"))
        for network in BATCH_SIZES
    }
    print(f"{len(x)} images, torch {torch.__version__}, one thread\n")
    with runtime.threads(1):
        rows = {network: against_the_loop(network, d, x, y, repeats) for network, d in defenses.items()}
        print("FGSM and defence, against a loop over images and classes")
        print(pd.DataFrame(rows).T.to_string(float_format="{:.0f}".format), "\n")
        for network, defense in defenses.items():
            times = against_inference(network, defense, x, repeats)
            best = times.idxmin()
            ratio = times["defended"].min() / times["undefended"].min()
            macs = complexity.macs(defense)
            limit, aim = OVERHEAD[network]
            print(f"{network}: milliseconds with and without the defence, by batch size")
            print(times.rename_axis("batch").to_string(float_format="{:.1f}".format))
            print(f"each at its best: {ratio:.2f} times as long (limit {limit}, aim {aim});", end=" ")
            print(
                f"{macs['kept']:,} over {macs['inference']:,} multiply-adds: {macs['kept'] / macs['inference']:.2f}\n"
            )
            ways = (undefended, defended)
            spent = {
                way.__name__: operations(partial(way, defense, x, int(best[way.__name__])), repeats) for way in ways
            }
            spent = pd.DataFrame(spent).fillna(0).assign(extra=lambda s: s["defended"] - s["undefended"])
            print(f"{network}: what the defence adds, milliseconds by operation (profiled, so more than above)")
            print(spent.nlargest(8, "extra").to_string(float_format="{:.1f}".format), "\n")


if __name__ == "__main__":
    main()
