"""Everything that takes images or models, on an accelerator: the same answers as on the CPU, and where they belong.

The accelerator is the one that `FAIRLIB_ACCELERATOR` names, such as `cuda`, else the pretend one of `pretend.py`, which
refuses what a GPU refuses. Each case runs twice: as written, and with what it hands to `to` moved. A public function
without a case fails the last test.
"""

import copy
import dataclasses
import importlib
import inspect
import os
import pkgutil
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import torch
from PIL import Image
from pretend import accelerator as pretended
from safetensors.torch import load_file
from torch import Tensor, nn

import fairlib
from fairlib import (
    attacks,
    audit,
    baselines,
    complexity,
    data,
    defenses,
    dro,
    ensemble,
    evaluation,
    geography,
    imagenet,
    models,
    perceptual,
    photographs,
    runtime,
    training,
    tuning,
)
from fairlib.book import plots
from fairlib.book.experiments import table1
from fairlib.book.experiments.table1 import cases
from fairlib.defenses import CentroidDefense, bit_depth, jpeg
from fairlib.dro import algorithm2

pytestmark = pytest.mark.usefixtures("no_trace")
ANYWHERE = "device"  # where the tensors of the result lie: with the images
MEMORY = "memory"  # in the CPU's memory, wherever the images lie
CASES: dict[str, tuple[Callable, str]] = {}
REAL = os.environ.get("FAIRLIB_ACCELERATOR")
# A real one rounds otherwise, and where an attack asks for a sign, a pixel's may flip: few of them.
NEAR, FLIPPED = (dict(rtol=1e-3, atol=1e-4), 0.02) if REAL else (dict(rtol=1e-5, atol=1e-6), 0.0)


@contextmanager
def accelerator() -> Iterator[torch.device]:
    if REAL:
        yield torch.empty(0, device=REAL).device
    else:
        with pretended() as device:
            yield device


def case(name: str, lies: str = ANYWHERE) -> Callable:
    """Enter a case under the name of the function it runs, with more words where that has several."""

    def entered(run: Callable) -> Callable:
        assert name not in CASES
        CASES[name] = run, lies
        return run

    return entered


def moved(thing: object, device: torch.device | None) -> object:
    """A copy of a tensor or a module, on the device."""
    found = copy.deepcopy(thing) if isinstance(thing, nn.Module) else thing.clone()
    return found if device is None else found.to(device)


class Picture(nn.Sequential):
    """Sees colours and their places, coarsely: logits of three classes from images (N, C, H, W)."""

    classes = 3

    def __init__(self, channels: int = 3) -> None:
        super().__init__(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16 * channels, 3))
        g = runtime.generator(5)
        with torch.no_grad():
            for p in self.parameters():
                p.copy_(2 * torch.rand(p.shape, generator=g) - 1)


@pytest.fixture(scope="module")
def given(one_thread):
    """What the cases start from: small networks, digits, coloured images."""
    x, y = data.load("MNIST", "test")
    with torch.random.fork_rng(devices=[]):
        colour, grey = Picture().eval(), Picture(1).eval()
    pictures = torch.rand(4, 3, 16, 16, generator=runtime.generator(0))
    return SimpleNamespace(
        lenet=training.shipped("LeNet5", "MNIST"), fc=training.shipped("FullyConnected", "MNIST"),
        centroids=data.centroids("MNIST"), alpha=data.alphas("MNIST"), x=x[:8].clone(), y=y[:8].clone(),
        training_x=x[8:104].clone(), training_y=y[8:104].clone(),
        colour=colour, grey=grey, pictures=pictures, seen=colour(pictures).argmax(1),
        greys=pictures[:, :1].clone(), seen_grey=grey(pictures[:, :1]).argmax(1),
    )  # fmt: skip


def digits(given, to, network="lenet"):
    return to(getattr(given, network)), to(given.x), to(given.y)


def pictures(given, to):
    return to(given.colour), to(given.pictures), to(given.seen)


def defended(given, to, **options):
    return CentroidDefense(to(given.lenet), to(given.centroids), given.alpha, **options)


# --- Attacks. ---------------------------------------------------------------------------------------------------------


@case("fairlib.attacks.fgsm")
def _(given, to):
    return attacks.fgsm(*digits(given, to), eps=0.1)


@case("fairlib.attacks.fgsm_grid")
def _(given, to):
    return list(attacks.fgsm_grid(*digits(given, to), eps=[0, 0.1]))


@case("fairlib.attacks.input_gradient")
def _(given, to):
    return attacks.input_gradient(*digits(given, to))


@case("fairlib.attacks.pgd")
def _(given, to):
    return attacks.pgd(*digits(given, to, "fc"), eps=0.1, step_size=0.02, iterations=3)


@case("fairlib.attacks.pgd from a random point")
def _(given, to):
    return attacks.pgd(*digits(given, to), eps=0.1, step_size=0.02, iterations=3, generator=runtime.generator(0))


@case("fairlib.attacks.random_sign")
def _(given, to):
    return attacks.random_sign(*digits(given, to), eps=0.1, generator=runtime.generator(0))


@case("fairlib.attacks.adaptive")
def _(given, to):
    return attacks.adaptive(defended(given, to), to(given.x), to(given.y), eps=0.1, iterations=3)


@case("fairlib.attacks.adaptive from a random point, one rival")
def _(given, to):
    options = {"eps": 0.1, "iterations": 2, "rival": 3, "generator": runtime.generator(0)}
    return attacks.adaptive(defended(given, to), to(given.x), to(given.y), **options)


@case("fairlib.attacks.apgd")
def _(given, to):
    options = {"eps": 0.1, "iterations": 12, "generator": runtime.generator(0)}
    return [attacks.apgd(*digits(given, to), **options, loss=loss) for loss in ("cross-entropy", "dlr")]


@case("fairlib.attacks.square on a network")
def _(given, to):
    return attacks.square(*digits(given, to), eps=0.2, queries=5, generator=runtime.generator(0))


@case("fairlib.attacks.soft_leads")
def _(given, to):
    leads = attacks.soft_leads(defended(given, to), to(given.x), to(given.y), temperatures=[0.1, 1.0])
    return leads, attacks.mean_lead(leads), attacks.mean_lead(leads, 3)


@case("fairlib.attacks.margin_at")
def _(given, to):
    model, x, y = digits(given, to)
    value, leaf = attacks.margin_at(model, x, y)
    gradient, z = attacks.gradient(value, leaf), attacks.answers(model, x, y)
    seen = attacks.margin(z, y), attacks.cross_entropy(z, y), attacks.lead(z, y)
    return value.detach(), gradient, *attacks.unusable(gradient), *(one.detach() for one in seen)


@case("fairlib.attacks.square")
def _(given, to):
    options = {"eps": 0.2, "queries": 5, "generator": runtime.generator(0)}
    return attacks.square(defended(given, to), to(given.x), to(given.y), **options)


@case("fairlib.attacks.perceptual")
def _(given, to):
    return attacks.perceptual(*pictures(given, to), cost=perceptual.distance("SSIM"), iterations=4)


@case("fairlib.attacks.perceptual, straight through")
def _(given, to):
    cost = perceptual.distance("CIEDE2000")
    return attacks.perceptual(
        *pictures(given, to), cost=cost, cost_weight=1e-3, iterations=2, quantise="straight_through"
    )


@case("fairlib.attacks.pgd_l2")
def _(given, to):
    return attacks.pgd_l2(*pictures(given, to), iterations=4)


@case("fairlib.attacks.perc_al")
def _(given, to):
    return attacks.perc_al(*pictures(given, to), iterations=4)


@case("fairlib.attacks.ppgd")
def _(given, to):
    return attacks.ppgd(*pictures(given, to), bound=0.05, distance=perceptual.distance("SSIM"), iterations=3)


@case("fairlib.attacks.ppgd from a random point")
def _(given, to):
    options = {"bound": 1e-3, "distance": perceptual.distance("SSIM"), "generator": runtime.generator(0)}
    return attacks.ppgd(*pictures(given, to), iterations=2, **options)


@case("fairlib.attacks.lpa")
def _(given, to):
    options = {"bound": 0.05, "distance": perceptual.distance("SSIM"), "generator": runtime.generator(0)}
    return attacks.lpa(*pictures(given, to), iterations=3, searches=2, **options)


@case("fairlib.attacks.ssim_step")
def _(given, to):
    model, x, y = to(given.grey), to(given.greys), to(given.seen_grey)
    return [attacks.ssim_step(model, x, y, length=0.5, windows=w) for w in ("mirrored", "inside", "whole")]


@case("fairlib.attacks.pgd_step")
def _(given, to):
    return attacks.pgd_step(to(given.grey), to(given.greys), to(given.seen_grey), length=0.5)


# --- Defences and what stands beside them. ----------------------------------------------------------------------------


@case("fairlib.defenses.CentroidDefense")
def _(given, to):
    defense, x, y = defended(given, to), to(given.x), to(given.y)
    return (
        defense.distances(x),
        defense.tally(x),
        defense.predict(x),
        defense.loose(x, y),
        defense.predict_and_loose(x, y),
    )


for options in (
    {"ties": "random", "comparison": "lt"},
    {"ties": "highest", "taps": "paper", "weights": [1, 2, 3, 4, 5.0]},
    {"ties": "closest", "conv_cosine": "flat", "nobody": False},
    {"loose_rule": "top3", "taps": ["fc1", "conv1"]},
):

    @case(f"fairlib.defenses.CentroidDefense, {options}")
    def _(given, to, options=options):
        more = {"generator": runtime.generator(0)} if options.get("ties") == "random" else {}
        return defended(given, to, **options, **more).predict_and_loose(to(given.x), to(given.y))


for rule in ("sum", "any", "released"):

    @case(f"fairlib.defenses.CentroidDefense, several sets, {rule}")
    def _(given, to, rule=rule):
        sets = torch.stack([given.centroids, given.centroids.flip(3)])
        return CentroidDefense(to(given.lenet), to(sets), to(given.alpha), sets=rule).tally(to(given.x))


@case("fairlib.defenses.jpeg")
def _(given, to):
    return jpeg(to(given.pictures), 50)


@case("fairlib.defenses.bit_depth")
def _(given, to):
    return bit_depth(to(given.pictures), 3)


@case("fairlib.baselines.NearestCentroid")
def _(given, to):
    x = to(given.x)
    made, sent = baselines.NearestCentroid(to(given.centroids)), to(baselines.NearestCentroid(given.centroids))
    return made(x), sent(x)


@case("fairlib.baselines.SmallestMeanDistance")
def _(given, to):
    return baselines.SmallestMeanDistance(defended(given, to))(to(given.x))


@case("fairlib.defenses.Blurred")
def _(given, to):
    return attacks.fgsm(defenses.Blurred(to(given.lenet), 1.0), to(given.x), to(given.y), eps=0.1)


def hardened(given, to, train, *options, **more):
    """The network's weights after a training."""
    model = to(given.fc)
    images, labels = to(given.training_x), to(given.training_y)
    train(model, images, labels, *options, epochs=1, generator=runtime.generator(0), batch_size=32, **more)
    return list(model.state_dict().values())


@case("fairlib.defenses.adversarial_training")
def _(given, to):
    return hardened(given, to, defenses.adversarial_training, partial(attacks.fgsm, eps=0.1))


@case("fairlib.defenses.interval_training")
def _(given, to):
    return hardened(given, to, defenses.interval_training, eps=0.01)


@case("fairlib.defenses.around")
def _(given, to):
    return tuple(defenses.around(to(given.x), 0.1))


@case("fairlib.defenses.interval_bounds")
def _(given, to):
    return [end for box in defenses.interval_bounds(to(given.fc), defenses.around(to(given.x), 0.01)) for end in box]


@case("fairlib.defenses.interval_leads")
def _(given, to):
    return defenses.interval_leads(to(given.fc), defenses.around(to(given.x), 0.01))


@case("fairlib.defenses.certified")
def _(given, to):
    return defenses.certified(to(given.fc), to(given.x), to(given.y), eps=1e-3)


def voting(given, to):
    return CentroidDefense(to(given.fc), to(given.centroids), given.alpha)


@case("fairlib.defenses.distance_bounds")
def _(given, to):
    return tuple(defenses.distance_bounds(voting(given, to), to(given.x), eps=1e-4))


@case("fairlib.defenses.certified_votes")
def _(given, to):
    return defenses.certified_votes(voting(given, to), to(given.x), to(given.y), eps=1e-5)


@case("fairlib.defenses.smoothed")
def _(given, to):
    return defenses.smoothed(to(given.fc), to(given.x), sigma=0.25, draws=50, generator=runtime.generator(0))


@case("fairlib.baselines.Binarised")
def _(given, to):
    return attacks.fgsm(baselines.Binarised(to(given.fc)), to(given.x), to(given.y), eps=0.1)


@case("fairlib.complexity.macs")
def _(given, to):
    return complexity.macs(defended(given, to))


@case("fairlib.complexity.algorithm1")
def _(given, to):
    return complexity.algorithm1(to(given.lenet), to(given.x[:1]), to(given.centroids), to(given.alpha))


@case("fairlib.complexity.EqualLayers")
def _(given, to):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = complexity.EqualLayers(2, 12)
    return to(network)(to(given.x[:, :, :1, :12]))


# --- Models and training. ---------------------------------------------------------------------------------------------


for network in models.NETWORKS:

    @case(f"fairlib.models.{network}")
    def _(given, to, network=network):
        model = to(training.initialised(network, seed=0).eval())
        return attacks.fgsm(model, to(given.x), to(given.y), eps=0.1), list(dict(model.layers(to(given.x))).values())


@case("fairlib.imagenet.Normalised")
def _(given, to):
    return to(imagenet.Normalised(given.colour, (0.5,) * 3, (0.2,) * 3))(to(given.pictures))


@case("fairlib.imagenet.ImageNetClassifier")
def _(given, to):
    return to(imagenet.ImageNetClassifier(given.colour, (0.5,) * 3, (0.2,) * 3, 8))(to(given.pictures))


@case("fairlib.training.fit")
def _(given, to, **options):
    model = to(training.initialised("LeNet5", seed=0))
    x, y = to(given.training_x), to(given.training_y)
    found = training.fit(model, x[:80], y[:80], x[80:], y[80:], epochs=2, stop_at=0.9, **options)
    return model, found


@case("fairlib.training.fit, shuffled and interrupted")
def _(given, to, path):
    model, again = (
        to(training.initialised("FullyConnected", seed=0)),
        to(training.initialised("FullyConnected", seed=1)),
    )
    x, y = to(given.training_x), to(given.training_y)
    parts = x[:80], y[:80], x[80:], y[80:]
    training.fit(model, *parts, epochs=1, shuffle=runtime.generator(0), checkpoint=path / "fit")
    found = training.fit(again, *parts, epochs=2, shuffle=runtime.generator(1), checkpoint=path / "fit")
    return again, found


@case("fairlib.training.save", MEMORY)
def _(given, to, path):
    training.save(to(given.fc), path / "saved")
    return load_file(path / "saved"), training.load(path / "saved", "FullyConnected")


@case("fairlib.ensemble.fit_many")
def _(given, to):
    return ensemble.fit_many(
        "LeNet5", to(given.training_x), to(given.training_y), seeds=[0, 3], epochs=2, validation=16
    )


@case("fairlib.ensemble.stacked")
def _(given, to):
    return ensemble.stacked([to(given.lenet), to(training.initialised("LeNet5", seed=0))])(to(given.x))


@case("fairlib.data.train_validation")
def _(given, to):
    return data.train_validation(to(given.x), to(given.y), validation=2)


# --- Algorithms 2 and 3: D_rob lies in memory, or on the disk, whatever trains on it. ---------------------------------


def rob(given, to, **options):
    options = {"lr": 0.05, "iterations": 2, "batch_size": 3, "generator": runtime.generator(0)} | options
    options = {"attack": partial(attacks.fgsm, eps=0.1)} | options
    return dro.adversarial_data(to(given.lenet), to(given.x), to(given.y), **options)


def parts(rob):
    return rob.x, rob.y, rob.weights


@case("fairlib.dro.adversarial_data", MEMORY)
def _(given, to):
    return parts(rob(given, to))


@case("fairlib.dro.adversarial_data, an attack that draws", MEMORY)
def _(given, to):
    shared = runtime.generator(1)
    attack = partial(attacks.pgd, eps=0.1, step_size=0.05, iterations=2, generator=shared)
    return parts(rob(given, to, attack=attack, generator=shared))


@case("fairlib.dro.adversarial_data, the images in memory", MEMORY)
def _(given, to):
    attack = partial(attacks.fgsm, eps=0.1)
    options = {"lr": 0.05, "iterations": 2, "batch_size": 3, "generator": runtime.generator(0), "attack": attack}
    return parts(dro.adversarial_data(to(given.lenet), given.x, given.y, **options))


@case("fairlib.dro.adversarial_data, interrupted", MEMORY)
def _(given, to, path, monkeypatch):
    monkeypatch.setattr("fairlib.dro.store.SECONDS_BETWEEN_SAVES", -1)
    calls, attacked, fgsm = iter(range(3)), algorithm2._attacked, partial(attacks.fgsm, eps=0.1)

    def interrupted(*arguments):
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return attacked(*arguments)

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(algorithm2, "_attacked", interrupted)
        rob(given, to, attack=fgsm, folder=path)
    found = rob(given, to, attack=fgsm, folder=path, generator=runtime.generator(9))
    return *parts(found), *parts(dro.load(path))


@case("fairlib.dro.sample", MEMORY)
def _(given, to):
    return dro.sample(to(dro.sampling_weights(4, 1)), 5, runtime.generator(0))


@case("fairlib.dro.train")
def _(given, to, path):
    found = dro.WeightedImages(given.x, given.y, dro.sampling_weights(4, 1))
    options = {"lr": 0.05, "seed": 0, "batch_size": 3, "checkpoint": path / "train"}
    dro.train(to(given.lenet), found, rounds=1, **options)
    return dro.train(to(given.lenet), found, rounds=2, **options)


@case("fairlib.dro.train, the data set on the device")
def _(given, to):
    found = dro.WeightedImages(to(given.x), to(given.y), dro.sampling_weights(4, 1))
    return dro.train(to(given.lenet), found, rounds=2, lr=0.05, seed=0, batch_size=3)


@case("fairlib.dro.train, the weights there, too")
def _(given, to):
    found = dro.WeightedImages(to(given.x), to(given.y), to(dro.sampling_weights(4, 1)))
    return dro.train(to(given.lenet), found, rounds=1, lr=0.05, seed=0, batch_size=3)


@case("fairlib.dro.train_many")
def _(given, to, path):
    found = dro.WeightedImages(given.x, given.y, dro.sampling_weights(4, 1))
    options = {"lr": 0.05, "seeds": [0, 3], "batch_size": 3, "checkpoint": path / "train"}
    dro.train_many(to(given.lenet), found, rounds=1, **options)
    return dro.train_many(to(given.lenet), found, rounds=2, **options)


# --- Yardsticks. ------------------------------------------------------------------------------------------------------


GROUPS = [0, 0, 0, 1, 1, 2, 2, 2]


@case("fairlib.dro.fine_tune")
def _(given, to):
    found = dro.WeightedImages(given.x, given.y, torch.ones(8, dtype=torch.float64))
    options = {"rounds": 2, "lr": 0.05, "batch_size": 3, "objective": dro.plain}
    return dro.fine_tune(to(given.lenet), found, generator=runtime.generator(0), **options)


@case("fairlib.dro.GroupDRO, sampled in balance")
def _(given, to):
    groups = torch.tensor(GROUPS)
    found = dro.WeightedImages(given.x, given.y, dro.balancing_weights(groups))
    options = {"rounds": 2, "lr": 0.05, "batch_size": 3, "objective": dro.GroupDRO(to(groups), step_size=0.5)}
    return dro.fine_tune(to(given.lenet), found, generator=runtime.generator(0), **options)


@case("fairlib.dro.balancing_weights")
def _(given, to):
    return to(dro.balancing_weights(torch.tensor(GROUPS)))


def lowered(given, to, objective):
    """The objective of a model's answers, and its gradient towards them."""
    z = to(given.lenet)(to(given.x)).detach().requires_grad_()
    loss = objective(z, to(given.y), torch.arange(8))
    return loss.detach(), torch.autograd.grad(loss, z)[0]


@case("fairlib.dro.plain")
def _(given, to):
    return lowered(given, to, dro.plain)


@case("fairlib.dro.focal")
def _(given, to):
    return lowered(given, to, dro.focal())


@case("fairlib.dro.weighted")
def _(given, to):
    return lowered(given, to, dro.weighted(to(torch.arange(1.0, 9))))


@case("fairlib.dro.group_step")
def _(given, to):
    return dro.group_step(to(torch.tensor([0.5, 0.5])), to(torch.tensor([0.0, 3.0])), 1.0)


# --- Tuning. ----------------------------------------------------------------------------------------------------------


@case("fairlib.tuning.votes")
def _(given, to):
    return tuning.votes(defended(given, to).distances(to(given.x))[:, :, 0], to(given.alpha))


@case("fairlib.tuning.decide")
def _(given, to):
    return tuning.decide(defended(given, to).distances(to(given.x))[:, :, 0], to(given.alpha))


@case("fairlib.tuning.tune_alpha")
def _(given, to):
    distance = defended(given, to).distances(to(given.x))[:, :, 0]
    return tuning.tune_alpha(distance, to(given.y), to(given.alpha), grid=[0.1, 0.2, 0.3])


@case("fairlib.tuning.tune_alpha, thresholds as data.alphas gives them")
def _(given, to):
    distance = defended(given, to).distances(to(given.x))[:, :, 0]
    return tuning.tune_alpha(distance, to(given.y), given.alpha, grid=[0.1, 0.2, 0.3])


@case("fairlib.tuning.tune_centroids")
def _(given, to):
    options = {"iterations": 3, "batch_size": 5}
    return tuning.tune_centroids(*digits(given, to), to(given.centroids), to(given.alpha), **options)


@case("fairlib.tuning.tune_centroids, thresholds as data.alphas gives them")
def _(given, to):
    options = {"iterations": 3, "batch_size": 5}
    return tuning.tune_centroids(*digits(given, to), to(given.centroids), given.alpha, **options)


@case("fairlib.tuning.directions")
def _(given, to):
    return tuning.directions(to(given.lenet), to(given.x))


# --- Distances and saliency. ------------------------------------------------------------------------------------------

SIDES = {"MS-SSIM": 161, "SSIM": 16, "CIEDE2000": 16}


def apart(given, to, distance, side):
    """The distance of two images, and its gradient."""
    x = torch.nn.functional.interpolate(given.pictures[:1], side, mode="bilinear")
    x, x_adv = to(x), to(x.square()).requires_grad_()
    found = distance(x, x_adv)
    return found, *torch.autograd.grad(found.sum(), x_adv)


for name in perceptual.NAMES:
    if name != "PieAPP":  # no package carries its weights

        @case(f"fairlib.perceptual.distance {name}")
        def _(given, to, name=name):
            return apart(given, to, perceptual.distance(name), SIDES.get(name, 40))


@case("fairlib.perceptual.unweighted_lpips")
def _(given, to):
    return apart(given, to, perceptual.unweighted_lpips(), 40)


@case("fairlib.perceptual.ciede2000")
def _(given, to):
    return perceptual.ciede2000(to(given.pictures), to(given.pictures.flip(3)))


@case("fairlib.perceptual.delta_e")
def _(given, to):
    lab = perceptual.rgb_to_lab(to(given.pictures))
    return perceptual.delta_e(lab, lab.flip(3))


@case("fairlib.perceptual.rgb_to_lab")
def _(given, to):
    return perceptual.rgb_to_lab(to(given.pictures))


@case("fairlib.perceptual.spectral_residual")
def _(given, to):
    return perceptual.spectral_residual(to(given.pictures)), apart(given, to, perceptual.SALIENCY, 64)


# --- What measures and classifies. ------------------------------------------------------------------------------------


@case("fairlib.evaluation.under_attack")
def _(given, to):
    return evaluation.under_attack(*digits(given, to), eps=[0, 0.1], defense=defended(given, to), batch_size=3)


@case("fairlib.evaluation.draw")
def _(given, to):
    return evaluation.draw(to(given.x), to(given.y), 3, seed=0)


@case("fairlib.photographs.measure")
def _(given, to):
    model, x, y = pictures(given, to)
    judges = [perceptual.distance(name) for name in ("SSIM", "CIEDE2000")]
    return photographs.measure(
        model, x, y, {"none": x.clone(), "pgd": attacks.pgd_l2(model, x, y, iterations=4)}, judges
    )


@case("fairlib.photographs.norms")
def _(given, to):
    return photographs.norms(to(given.pictures), to(given.pictures.flip(3)))


@case("fairlib.photographs.predict")
def _(given, to):
    return photographs.predict(to(given.colour), to(given.pictures), batch_size=3)


@case("fairlib.photographs.count_passes")
def _(given, to):
    model, x, y = pictures(given, to)
    with photographs.count_passes(model) as count:
        attacks.pgd_l2(model, x, y, iterations=2)
    return [count.forwards, count.backwards]


@case("fairlib.photographs.Count.note")
def _(given, to):
    count = photographs.Count()
    count.note(to(given.x))
    return [count.forwards, count.backwards]


@case("fairlib.photographs.count_looks")
def _(given, to):
    distance, count = photographs.count_looks(perceptual.distance("SSIM"))
    return apart(given, to, distance, 16), [count.forwards, count.backwards]


@case("fairlib.audit.classification.classify")
def _(given, to, path, monkeypatch):
    rows = []
    for i, picture in enumerate(given.pictures):
        Image.fromarray((255 * picture).byte().permute(1, 2, 0).numpy()).save(path / f"{i}.png")
        rows.append(f"{i}.png,{i % 3},{('Peru', 'Norway', 'India')[i % 3]}")
    (path / "manifest.csv").write_text("\n".join(["path,label,country", *rows]) + "\n")
    monkeypatch.setenv("FAIRLIB_DEVICE", str(to(given.x).device))
    own = audit.Classifier("own", copy.deepcopy(given.colour), audit.standard_preparation(16))
    found = audit.classify(own, geography.manifest(path / "manifest.csv"), path / "kept", batch_size=3)
    again = audit.classify(own, geography.manifest(path / "manifest.csv"), path / "kept", batch_size=3)
    assert next(own.model.parameters()).device == to(given.x).device
    assert again.resumed == len(rows) and not found.skipped and not again.skipped
    return found.predicted.tolist(), again.predicted.tolist(), found.classes


@case("fairlib.book.experiments.table1")
def _(given, to, monkeypatch):
    """The one experiment that goes where an accelerator is; with plain distances in the places of the large ones."""
    plain = perceptual.distance("SSIM")
    short = {name: partial(getattr(attacks, name), iterations=2) for name in ("perceptual", "pgd_l2", "ppgd", "lpa")}
    few = SimpleNamespace(**short, perc_al=attacks.perc_al)
    for module, name, value in (
        (data, "photographs", lambda folder, size: (given.pictures, given.seen)),
        (imagenet, "pretrained", lambda name: copy.deepcopy(given.colour)),
        (perceptual, "distance", lambda name: plain),
        (cases, "attacks", few),
        (cases, "JUDGES", {"SSIM": "SSIM"}),
        (cases, "SALIENCY", dataclasses.replace(plain, name="saliency")),
        (cases, "PERC_AL_N", {"embedded": 2}),
    ):
        monkeypatch.setattr(module, name, value)
    monkeypatch.setenv("FAIRLIB_IMAGES", "photographs")
    monkeypatch.setenv("FAIRLIB_DEVICE", str(to(given.x).device))
    return [table1.run(what=what, budget="embedded", first=1, images=1) for what in ("table", "start")]


# --- What is drawn. ---------------------------------------------------------------------------------------------------


def drawn(figure, alt):
    """The text for those who see no figure, and what it shows in colours."""
    shown = [image.get_array().tolist() for axis in figure.axes for image in axis.images]
    meshes = [mesh.get_array().tolist() for axis in figure.axes for mesh in axis.collections]
    plt.close(figure)
    assert shown or meshes
    return alt, shown, meshes


@case("fairlib.book.plots.pictures.images")
def _(given, to):
    return drawn(*plots.images({"digits": to(given.x)}, range(len(given.x)), "Digits."))


@case("fairlib.book.plots.pictures.photographs")
def _(given, to):
    return drawn(*plots.photographs({"first": to(given.pictures[0])}, "Noise."))


@case("fairlib.book.plots.tiles.tiles")
def _(given, to):
    return plots.tiles({"first": {"Noise.": to(given.pictures[0])}}).data


@case("fairlib.book.plots.tiles.framed")
def _(given, to):
    return plots.framed(to(given.pictures[0]), 2, 3, 4)


@case("fairlib.book.plots.pictures.votes")
def _(given, to):
    defense = defended(given, to)
    distance = defense.distances(to(given.x[:1]))[:, 0, 0]
    return drawn(*plots.votes({"first": distance}, defense.alpha, defense.taps, range(10)))


# --- Every case, twice. -----------------------------------------------------------------------------------------------


def close(found: Tensor, expected: Tensor) -> None:
    """Equal but for rounding, and on a real accelerator for few elements."""
    assert found.shape == expected.shape
    apart = ~torch.isclose(found.double(), expected.double(), **NEAR, equal_nan=True)
    assert apart.double().mean() <= FLIPPED, f"{int(apart.sum())} of {apart.numel()} elements differ"


def same(expected: object, found: object, device: torch.device) -> None:
    """The same values, but for rounding; tensors on the device."""
    assert type(found) is type(expected) or isinstance(expected, Tensor)
    if isinstance(expected, Tensor):
        assert found.device == device, f"lies on {found.device}"
        assert found.dtype == expected.dtype and found.requires_grad == expected.requires_grad
        close(found.detach().cpu(), expected.detach())
    elif isinstance(expected, nn.Module):
        same(dict(expected.state_dict()), dict(found.state_dict()), device)
    elif isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(found, expected, **NEAR)
    elif isinstance(expected, dict):
        assert found.keys() == expected.keys()
        same(list(expected.values()), list(found.values()), device)
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for pair in zip(expected, found, strict=True):
            same(*pair, device)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=NEAR["rtol"], abs=NEAR["atol"])
    else:
        assert found == expected and isinstance(expected, int | str | None)


@pytest.mark.parametrize("name", CASES)
def test_the_accelerators_answer_is_the_cpus(name, given, tmp_path, monkeypatch):
    run, lies = CASES[name]
    wanted = inspect.signature(run).parameters

    def ran(device: torch.device | None) -> object:
        path = tmp_path / str(device).replace(":", "")
        path.mkdir()
        more = {"path": path, "monkeypatch": monkeypatch}
        return run(given, partial(moved, device=device), **{k: v for k, v in more.items() if k in wanted})

    expected = ran(None)
    with accelerator() as device:
        found = ran(device)
        same(expected, found, device if lies == ANYWHERE else torch.device("cpu"))


def test_the_record_of_a_run_names_the_device(monkeypatch):
    monkeypatch.setenv("FAIRLIB_DEVICE", "lazy")
    with pretended():
        assert runtime.facts(started=0.0)["device"].startswith("lazy (")
    monkeypatch.setenv("FAIRLIB_DEVICE", "cpu")
    assert runtime.facts(started=0.0)["device"].startswith("cpu (")


# --- Nobody is left out. ----------------------------------------------------------------------------------------------

TAKES = re.compile(r"\b(Tensor|Module|LayeredModel|Distance|CentroidDefense|Classifier|WeightedImages)\b")
INSIDE = r"\b((?:data|defenses|dro)\.)\w+\.(?=\w+$)"  # packages that name all of it in their `__init__`
ELSEWHERE = {
    "fairlib.checks": "called by every case",
    "fairlib.book.experiments": "they load what they work on, on the CPU; table1 has a case",
    "fairlib.book.labs": "what their pages show is made once, on the CPU",
    "fairlib.defenses.Box": "two tensors, made by around",
    "fairlib.defenses.linears": "gives a network's own layers",
    "fairlib.defenses.descend": "reached through both trainings",
    "fairlib.defenses.sets": "reached through the defence of several sets",
    "fairlib.dro.descent": "reached through the algorithms",
    "fairlib.dro.store": "reached through Algorithm 2, whose cases load what it leaves",
    "fairlib.checkpoints": "reached through training and dro",
    "fairlib.ensemble.unstack": "the end of each training together",
    "fairlib.attacks.": "a module's helpers are reached through the package's functions",
    "fairlib.attacks.mean_lead": "asked with soft_leads",
    **dict.fromkeys(
        (f"fairlib.attacks.{name}" for name in ("answers", "cross_entropy", "gradient", "lead", "margin", "unusable")),
        "asked with margin_at",
    ),
    **dict.fromkeys(
        (f"fairlib.attacks.{name}" for name in ("gradient_and_right", "step_factor")), "reached through ssim_step"
    ),
    "fairlib.perceptual.": "the formulas' and networks' own functions are reached through the distances",
    "fairlib.perceptual.check_distance": "looks at a type only",
    "fairlib.perceptual.rooted": "the root of a distance, which has a case",
    "fairlib.audit.preparation.timm_preparation": "reads a network's configuration only",
}


def public() -> list[str]:
    """The functions and classes of fairlib that take tensors, models, distances or defences."""
    found = [f"fairlib.attacks.{name}" for name in attacks.__all__ if inspect.isfunction(getattr(attacks, name))]
    found += [f"fairlib.perceptual.{n}" for n in perceptual.__all__ if inspect.isfunction(getattr(perceptual, n))]
    for module in pkgutil.walk_packages(fairlib.__path__, "fairlib."):
        if module.name.endswith("__main__") or module.name.startswith(tuple(ELSEWHERE)):
            continue
        for name, thing in vars(importlib.import_module(module.name)).items():
            if getattr(thing, "__module__", None) != module.name or name.startswith("_"):
                continue
            made = inspect.isclass(thing) and not (dataclasses.is_dataclass(thing) or issubclass(thing, Exception))
            if made or inspect.isfunction(thing):
                parameters = inspect.signature(thing).parameters.values()
                if any(TAKES.search(str(p.annotation)) for p in parameters):
                    found.append(re.sub(INSIDE, r"\1", f"{module.name}.{name}"))
    return [name for name in found if name not in ELSEWHERE]


def test_every_public_function_has_a_case():
    found = public()
    entered = {re.split(r"[ ,]", name)[0] for name in CASES}
    assert {"fairlib.attacks.fgsm", "fairlib.dro.train_many", "fairlib.audit.classification.classify"} <= set(found)
    assert not [name for name in found if name not in entered]
