"""The attacks on photographs: finished images leave the batch, reference features kept, PerC-AL, each against another.

python benchmarks/perceptual.py [--images 20] [--size 224] [--repeats 2]

One CPU thread; of each call the least time out of so many, all calls of a comparison made in turn. The first two pairs
are seen to do the same; tests see to the third, which needs adv-lib, installed without its dependencies. What the first
saves depends on how unequally many steps the images need.
"""

import argparse
import importlib
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import replace

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairlib import complexity, data, imagenet, photographs, runtime
from fairlib.attacks import lead, perc_al, perceptual, pgd_l2
from fairlib.perceptual import Distance, distance

STEPS, PERC_AL_STEPS = 20, 20  # of the second and the third comparison, in which nobody stops early
WANTED = {"finished images leave": 2.5, "features kept": 1.4, "PerC-AL": 1.0}
ADV_LIB = "adv_lib.attacks.perceptual_color_attacks.perceptual_color_distance_al"


def all_the_way(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """PGD-L2 as `pgd_l2` does it, except that the whole batch goes on until its last image is finished."""
    point, x_adv, found, on = x, x, x.clone(), torch.ones(len(x), dtype=torch.bool)
    for _ in range(100):
        with torch.enable_grad():
            z = x_adv.clone().requires_grad_()
            logits = model(z)
            on &= lead(logits, y) <= 0
            if not on.any():
                break
            (g,) = torch.autograd.grad(F.cross_entropy(logits, y, reduction="sum"), z)
        point = (point + 0.1 * F.normalize(g.flatten(1)).view_as(g)).clamp(0, 1)
        x_adv = torch.round(255 * point) / 255
        found[on] = x_adv[on]
    return found


def afresh(cost: Distance) -> Distance:
    """The same distance, which forgets the reference and looks at both images whenever it is asked."""

    def between(features: tuple[Tensor, ...], x_adv: Tensor) -> Tensor:
        return cost.between(cost.features(features[0]), x_adv)

    return replace(cost, features=lambda x: (x,), between=between)


def adv_libs() -> Callable[..., Tensor] | None:
    """adv-lib's PerC-AL, or None. A package for plots that it imports is stood in for."""
    sys.modules.setdefault("visdom", types.ModuleType("visdom"))
    try:
        return importlib.import_module(ADV_LIB).perc_al
    except ImportError:
        return None


def compared(calls: Mapping[str, Callable[[], Tensor]], repeats: int) -> dict[str, float]:
    """Seconds of ours and of the other, the ratio; raises AssertionError where more than 1 pixel in 100 differs."""
    ours, other = (call() for call in calls.values())
    assert ((ours - other).abs() > 0.5 / 255).float().mean() < 0.01, "the two do different things"
    least = complexity.times(calls, rounds=1, repeats=repeats).iloc[0]
    return {"ours, s": least.iloc[0], "other, s": least.iloc[1], "ratio": least.iloc[1] / least.iloc[0]}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument(
        "--images", type=int, default=20, help="how many photographs, if so many are right (default 20)"
    )
    arguments.add_argument("--size", type=int, default=224, help="their side in pixels (default 224)")
    arguments.add_argument("--repeats", type=int, default=2, help="the least of so many times counts (default 2)")
    given = arguments.parse_args()
    model = imagenet.pretrained("EfficientNet-Lite0")
    x, y = data.photographs(size=given.size)
    right = photographs.predict(model, x) == y
    x, y = x[right][: given.images], y[right][: given.images]
    print(f"{len(x)} images of {given.size} pixels, torch {torch.__version__}, one thread\n")
    cost = distance("LPIPS-VGG")
    never = {"confidence": 1e9, "iterations": STEPS}
    rows = {}
    with runtime.threads(1):
        rows["finished images leave"] = compared(
            {
                "ours": lambda: pgd_l2(model, x, y, quantise="straight_through"),
                "other": lambda: all_the_way(model, x, y),
            },
            given.repeats,
        )
        few = x[:1], y[:1]
        rows["features kept"] = compared(
            {
                "ours": lambda: perceptual(model, *few, cost=cost, **never),
                "other": lambda: perceptual(model, *few, cost=afresh(cost), **never),
            },
            given.repeats,
        )
        if theirs := adv_libs():
            options = {"num_classes": 1000, "max_iterations": PERC_AL_STEPS, "alpha_c_init": 0.1}
            calls = {
                "ours": lambda: perc_al(model, *few, iterations=PERC_AL_STEPS),
                "other": lambda: theirs(model, *few, **options),
            }
            least = complexity.times(calls, rounds=1, repeats=given.repeats).iloc[0]
            rows["PerC-AL"] = {
                "ours, s": least["ours"],
                "other, s": least["other"],
                "ratio": least["other"] / least["ours"],
            }
    table = pd.DataFrame(rows).T.assign(wanted=pd.Series(WANTED))
    print(table.to_string(float_format="{:.2f}".format))


if __name__ == "__main__":
    main()
