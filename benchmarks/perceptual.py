"""Algorithm 1 of the second paper against a plain loop over pyiqa's LPIPS; PerC-AL against adv-lib.

The two of PerC-AL round colour differences otherwise, so that a level is seldom two levels; tests compare them closely.
"""

import importlib
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.measure import alike, compared
from fairlib import data, imagenet, photographs, weights
from fairlib.attacks import lead, perc_al, perceptual
from fairlib.perceptual import distance

SIDE, IMAGES, STEPS, STEP_SIZE = 128, 4, 10, 0.02
NEVER = 1e9  # a lead that nobody has
ADV_LIB = "adv_lib.attacks.perceptual_color_attacks.perceptual_color_distance_al"


def of_pyiqa() -> nn.Module:
    """pyiqa's LPIPS on AlexNet. It would fetch its weights: it gets those of the installed packages."""
    from torchvision import models

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        from pyiqa.archs.lpips_arch import LPIPS
    network = models.alexnet()
    network.load_state_dict(weights.load("alexnet-owt-7be5be79.pth"), strict=False)
    with patch.object(models, "alexnet", lambda **_: network):
        metric = LPIPS(pretrained=False, net="alex")
    metric.load_state_dict(weights.load("LPIPS_v0.1_alex-df73285e.pth"), strict=False)
    return metric.requires_grad_(False)


def plain(model: nn.Module, metric: nn.Module, x: Tensor, y: Tensor, confidence: float) -> Tensor:
    """Algorithm 1 line by line; the whole batch goes on until its last image is finished."""
    point, x_adv, found, on = x, x, x.clone(), torch.ones(len(x), dtype=torch.bool)
    for _ in range(STEPS):
        z = x_adv.clone().requires_grad_()
        logits = model(z)
        on = on & (lead(logits.detach(), y) <= confidence)
        if not on.any():
            break
        phi = F.cross_entropy(logits, y, reduction="sum") - metric(z, x).sum()
        (g,) = torch.autograd.grad(phi, z)
        point = (point + STEP_SIZE * g).clamp(0, 1)
        x_adv = torch.round(255 * point) / 255
        found[on] = x_adv[on]
    return found


def adv_libs() -> Callable[..., Tensor]:
    """adv-lib's PerC-AL. A package for plots that it imports is stood in for."""
    sys.modules.setdefault("visdom", types.ModuleType("visdom"))
    return importlib.import_module(ADV_LIB).perc_al


def rows(scale: float, seconds: float) -> Iterator[dict]:
    model, side = imagenet.pretrained("EfficientNet-Lite0"), max(32 * round(SIDE * scale / 32), 64)
    x, y = data.photographs(size=side)
    right = photographs.predict(model, x) == y
    x, y = x[right][:IMAGES], y[right][:IMAGES]
    metric, cost = of_pyiqa(), distance("LPIPS-Alex")
    on = f"EfficientNet-Lite0, {len(x)} photographs of {side} pixels"
    for how, confidence in (("until fooled", 0.0), (f"{STEPS} steps", NEVER)):
        options = {"cost": cost, "step_size": STEP_SIZE, "confidence": confidence, "iterations": STEPS}
        options |= {"quantise": "straight_through"}  # a floor would turn rounding errors into levels
        yield compared(
            f"Algorithm 1, {how}", on,
            {
                "fairlib": lambda o=options: perceptual(model, x, y, **o),
                "a loop over pyiqa": lambda confidence=confidence: plain(model, metric, x, y, confidence),
            },
            alike(0.02, 0.5 / 255), seconds=seconds, macs={}, aims={"ratio": 1},
        )  # fmt: skip
    theirs, options = adv_libs(), {"num_classes": 1000, "max_iterations": STEPS, "alpha_c_init": 0.1}
    yield compared(
        "PerC-AL", f"{on}, {STEPS} steps",
        {
            "fairlib": lambda: perc_al(model, x, y, iterations=STEPS, colour_step_size=0.1),
            "adv-lib": lambda: theirs(model, x, y, **options),
        },
        alike(0.1, 1.01 / 255), seconds=seconds, macs={}, aims={"ratio": 1},
        why="Ours takes the colour difference by a formula whose gradient stays finite at equal and at grey colours.",
    )  # fmt: skip
