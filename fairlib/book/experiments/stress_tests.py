"""Stress tests of the centroid defence: attackers who know it, transfer, noise, and plain baselines beside it.

What the first paper does not ask; its threat model is section 3.1.
"""

from collections.abc import Callable, Sequence
from functools import partial

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from fairlib import attacks, checks, data, ensemble, evaluation, intervals, runtime, training
from fairlib.attacks import TEMPERATURES, gradient, mean_lead, soft_leads, unusable
from fairlib.baselines import Binarised, NearestCentroid, SmallestMeanDistance
from fairlib.book import claims
from fairlib.book.experiments import shared
from fairlib.book.experiments.ablations import CHANCE
from fairlib.book.experiments.shared import BATCH, PAIRS, SEEDS
from fairlib.defenses import CentroidDefense
from fairlib.models import LayeredModel

OTHER = {"FullyConnected": "LeNet5", "LeNet5": "FullyConnected"}
CURVE_EPS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
TABLE_EPS = (0.1, 0.2)
CHECKED_EPS = 0.1
STEPS, RESTARTS, QUERIES = (5, 10, 25, 50, 100, 200), 5, (100, 500)
BLIND = 3  # of the attacks on the undefended network, the first so many are tried on all else, too
SIDES = (14, 7)  # pixels to a side, of cameras that are limited in their resolution
# Test images per training, on the curve, and for the checks.
IMAGES = {
    "embedded": {"trainings": 200, "curve": 500, "checks": 200},
    "paper": {"trainings": 2_000, "curve": 10_000, "checks": 2_000},
}

Predict = Callable[[Tensor], Tensor]
Attack = Callable[[Tensor, Tensor], Tensor]


def units(profile: str) -> list[dict]:
    """Per network and data set: ten trainings under every attack, the shipped network over eps, the attack's checks."""
    images = IMAGES[checks.one_of(profile, tuple(IMAGES), "profile")]
    return [
        {"what": what, "network": network, "dataset": name, "images": n}
        for what, n in images.items()
        for network, name in PAIRS
    ]


def run(*, what: str, network: str, dataset: str, images: int) -> dict:
    """How many of `images` test images come out right: `rows` of `seed`, `eps`, `attack`, `method`, `right`.

    `trainings`: seed s gives the training, its draw of images and the attacks' random starts. `curve`, `checks`: the
    shipped network and one draw. `attack` is `none`, the name of one, or `strongest`: an image counts as right where
    the method withstands every attack on it, those that know the method and those that do not, at this eps and at the
    smaller ones. `checks` adds a `setting` of the attack.
    """
    checks.one_of(what, tuple(IMAGES["embedded"]), "what")
    if what == "curve":
        return {"rows": curve(training.shipped(network, dataset), dataset, images)}
    if what == "checks":
        return {"rows": masking(training.shipped(network, dataset), dataset, images)}
    models = ensemble.released(network, dataset, seeds=SEEDS)
    stranger = training.shipped(OTHER[network], dataset)
    twins = [*models[1:], models[0]]
    tables = [
        under_every_attack(model, twin, stranger, dataset, images, seed=seed)
        for seed, model, twin in zip(SEEDS, models, twins, strict=True)
    ]
    return {"rows": [row for table in tables for row in table]}


def under_every_attack(
    model: LayeredModel, twin: LayeredModel, stranger: LayeredModel, dataset: str, images: int, *, seed: int
) -> list[dict]:
    """One training's rows. Attacks are computed on it, on another training of it and on another network."""
    x, y = evaluation.draw(*data.load(dataset, "test"), images, seed=seed)
    centroids, alpha = data.centroids(dataset), data.alphas(dataset)
    defense = CentroidDefense(model, centroids, alpha)
    lots = CentroidDefense(model, centroids, alpha, ties="random", generator=runtime.generator(seed))
    baselines = {
        "nearest centroid": NearestCentroid(centroids),
        "smallest mean distance": SmallestMeanDistance(defense),
        "binarised": Binarised(model),
    }
    two = {"defenseless": predictor(model), "defended": defense.predict}
    methods = two | {"random ties": lots.predict} | {name: predictor(b) for name, b in baselines.items()}
    rows = [_row(seed, 0.0, "none", name, predict(x) == y) for name, predict in methods.items()]
    strongest = {name: methods[name](x) == y for name in ("defenseless", "defended", *baselines)}
    for side in SIDES:
        rows += [_row(seed, 0.0, f"resolution {side}", name, two[name](coarse(x, side)) == y) for name in two]
    for eps in TABLE_EPS:
        noisy = gaussian(x, eps, seed=seed)
        rows += [_row(seed, eps, "gaussian", name, two[name](noisy) == y) for name in two]
        noise = partial(attacks.random_sign, model, eps=eps, generator=runtime.generator(seed))
        known = {"noise": noise} | dict(zip(("fgsm", "pgd"), on_network(model, eps=eps, seed=seed), strict=False))
        for name, source in {"another training": twin, "another network": stranger}.items():
            known[f"fgsm, {name}"], known[f"pgd, {name}"] = on_network(source, eps=eps, seed=seed)[:2]
        for name, attack in known.items():
            x_adv = attack(x, y)
            for method, predict in (methods if name == "fgsm" else two).items():
                rows.append(_row(seed, eps, name, method, predict(x_adv) == y))
        arsenals = {"defenseless": [], "defended": on_defense(defense, eps=eps, seed=seed)}
        arsenals |= {name: on_network(baseline, eps=eps, seed=seed) for name, baseline in baselines.items()}
        arsenals["binarised"] += [searching(baselines["binarised"], eps=eps, queries=QUERIES[0], seed=seed)]
        for method, arsenal in arsenals.items():
            blind = on_network(model, eps=eps, seed=seed)
            arsenal += blind if method == "defenseless" else blind[:BLIND]
            strongest[method] = withstanding(methods[method], x, y, arsenal, strongest[method])
            rows.append(_row(seed, eps, "strongest", method, strongest[method]))
    return rows


def curve(model: LayeredModel, dataset: str, images: int) -> list[dict]:
    """Network and defence over eps, under FGSM on the network and under the strongest attack on each."""
    x, y = evaluation.draw(*data.load(dataset, "test"), images, seed=0)
    defense = CentroidDefense(model, data.centroids(dataset), data.alphas(dataset))
    methods = {"defenseless": predictor(model), "defended": defense.predict}
    strongest = {name: predict(x) == y for name, predict in methods.items()}
    rows = [_row(0, 0.0, attack, name, right) for attack in ("fgsm", "strongest") for name, right in strongest.items()]
    for eps in CURVE_EPS:
        blind = on_network(model, eps=eps, seed=0)
        x_adv = blind[0](x, y)
        arsenals = {"defenseless": blind, "defended": on_defense(defense, eps=eps, seed=0) + blind[:BLIND]}
        for name, predict in methods.items():
            strongest[name] = withstanding(predict, x, y, arsenals[name], strongest[name])
            rows.append(_row(0, eps, "fgsm", name, predict(x_adv) == y))
            rows.append(_row(0, eps, "strongest", name, strongest[name]))
    return rows


def masking(model: LayeredModel, dataset: str, images: int) -> list[dict]:
    """Does the attack fail for want of a gradient? One choice at a time, more effort, no gradient; at CHECKED_EPS.

    Under `zero gradient`, `right` counts the images at which what is climbed has no gradient at all.
    """
    x, y = evaluation.draw(*data.load(dataset, "test"), images, seed=0)
    defense = CentroidDefense(model, data.centroids(dataset), data.alphas(dataset))
    clean = defense.predict(x) == y
    one = partial(attacks.adaptive, defense, eps=CHECKED_EPS)

    def right(attack: Attack, before: Tensor = clean) -> Tensor:
        return withstanding(defense.predict, x, y, [attack], before)

    found = [("none", "", clean)]
    for label, temperatures in ({str(t): [t] for t in TEMPERATURES} | {"all": TEMPERATURES}).items():
        found += [
            ("temperature", label, right(partial(one, temperatures=temperatures))),
            ("temperature, ties unknown", label, right(partial(one, temperatures=temperatures, tie_aware=False))),
            ("zero gradient", label, without_gradient(defense, x, y, temperatures)),
        ]
    found += [("steps", str(steps), right(partial(one, iterations=steps))) for steps in STEPS]
    left, generator = clean, runtime.generator(0)
    for restart in range(1, RESTARTS + 1):
        left = right(partial(one, generator=generator), left)
        found.append(("restarts", str(restart), left))
    strongest = withstanding(defense.predict, x, y, on_defense(defense, eps=CHECKED_EPS, seed=0), clean)
    found.append(("all on the defence", "", strongest))
    for queries in QUERIES:
        search = searching(defense, eps=CHECKED_EPS, queries=queries, seed=0)
        found += [("square", str(queries), right(search)), ("and square", str(queries), right(search, strongest))]
    rows = [("defended", *one) for one in found] + [("binarised", *one) for one in threshold(model, x, y)]
    return [_row(0, CHECKED_EPS, attack, method, mask) | {"setting": setting} for method, attack, setting, mask in rows]


def threshold(model: LayeredModel, x: Tensor, y: Tensor) -> list[tuple[str, str, Tensor]]:
    """The checks of the binarised network: attack, setting and which images stay right, at CHECKED_EPS.

    Its gradient passes the threshold as if there were none; `square` needs no gradient.
    """
    binarised = Binarised(model)
    predict = predictor(binarised)
    clean = predict(x) == y
    found = [("none", "", clean)]
    strongest = withstanding(predict, x, y, on_network(binarised, eps=CHECKED_EPS, seed=0), clean)
    found.append(("all with a gradient", "", strongest))
    for queries in QUERIES:
        search = searching(binarised, eps=CHECKED_EPS, queries=queries, seed=0)
        for name, before in {"square": clean, "and square": strongest}.items():
            found.append((name, str(queries), withstanding(predict, x, y, [search], before)))
    return found


def on_network(model: LayeredModel, *, eps: float, seed: int) -> list[Attack]:
    """What knows a network and nothing of a defence: FGSM, PGD from the image and from a random point, both APGDs."""
    pgd = partial(attacks.pgd, model, eps=eps, step_size=eps / 8, iterations=20)
    apgd = partial(attacks.apgd, model, eps=eps, iterations=30)
    return [
        partial(attacks.fgsm, model, eps=eps),
        pgd,
        partial(pgd, generator=runtime.generator(seed)),
        *(partial(apgd, generator=runtime.generator(seed), loss=loss) for loss in ("cross-entropy", "dlr")),
    ]


def searching(target: CentroidDefense | LayeredModel, *, eps: float, queries: int, seed: int) -> Attack:
    """The random search, which needs no gradient."""
    return partial(attacks.square, target, eps=eps, queries=queries, generator=runtime.generator(seed))


def coarse(x: Tensor, side: int) -> Tensor:
    """What a camera of side x side pixels sees of x (N, C, H, W), each the mean of its area, drawn at the old size."""
    return F.interpolate(F.adaptive_avg_pool2d(x, side), x.shape[2:], mode="bilinear")


def gaussian(x: Tensor, sd: float, *, seed: int) -> Tensor:
    """x (N, C, H, W) with independent normal noise at each pixel, cut to [0, 1]."""
    return (x + sd * torch.randn(x.shape, generator=runtime.generator(seed))).clamp(0, 1)


def on_defense(defense: CentroidDefense, *, eps: float, seed: int) -> list[Attack]:
    """What knows the defence: all temperatures at once, a random start, each temperature, each rival in turn."""
    one = partial(attacks.adaptive, defense, eps=eps)
    return [
        one,
        partial(one, generator=runtime.generator(seed)),
        *(partial(one, temperatures=[t]) for t in TEMPERATURES),
        *(partial(one, rival=rival, step_size=eps / 5, iterations=20) for rival in range(defense.classes + 1)),
    ]


def predictor(model: LayeredModel) -> Predict:
    """x (N, C, H, W) -> the model's answers (N,), without gradients."""
    return partial(shared.answers, model)


def withstanding(predict: Predict, x: Tensor, y: Tensor, arsenal: Sequence[Attack], right: Tensor) -> Tensor:
    """Which of the images that are `right` (N,) bool stay so under every attack; each is tried on what is left."""
    right = right.clone()
    for attack in arsenal:
        if not right.any():
            break
        for left in right.nonzero()[:, 0].split(BATCH):
            right[left] = predict(attack(x[left], y[left])) == y[left]
    return right


def without_gradient(defense: CentroidDefense, x: Tensor, y: Tensor, temperatures: Sequence[float]) -> Tensor:
    """At which images what the attack climbs has a gradient of exactly zero: (N,) bool."""
    z = x.clone().requires_grad_()
    _, flat = unusable(gradient(mean_lead(soft_leads(defense, z, y, temperatures=temperatures)), z))
    return flat


def _row(seed: int, eps: float, attack: str, method: str, right: Tensor) -> dict:
    return {"seed": seed, "eps": eps, "attack": attack, "method": method, "right": int(right.sum())}


def recorded(what: str) -> pd.DataFrame:
    """The rows of one kind of unit; where both profiles were run, those with more images."""
    return shared.recorded("stress_tests", what)


def accuracies() -> pd.DataFrame:
    """The recorded trainings: index `network`, `dataset`, `images`, `seed`; columns `eps`, `attack`, `method`."""
    rows = recorded("trainings")
    rows = rows.assign(accuracy=rows["right"] / rows["images"])
    keys = ["network", "dataset", "images", "seed"]
    return rows.pivot_table("accuracy", index=keys, columns=["eps", "attack", "method"], sort=False)


def estimates() -> dict[str, dict]:
    """The quantities that the ledger asks of this chapter (data/claims/README.md), from the records."""
    found = {}
    for (network, dataset, images), right in accuracies().groupby(["network", "dataset", "images"]):
        arguments = {"what": "trainings", "network": network, "dataset": dataset, "images": int(images)}
        origin = shared.origin("stress_tests", arguments)
        for key, (values, anchor) in quantities(right).items():
            found[f"{network}/{dataset}/{key}"] = intervals.over_seeds(values) | {"anchor": anchor} | origin
    asked = claims.asked("stress_tests")
    return {key: estimate for key, estimate in found.items() if key in asked}


def quantities(right: pd.DataFrame) -> dict[str, tuple[pd.Series, str]]:
    """A number per training of one network and data set, and the section that shows it; `right` as in `accuracies`."""

    def gain(eps: float, attack: str, versus: str | None = None) -> pd.Series:
        return right[eps, attack, "defended"] - right[eps, versus or attack, "defenseless"]

    fgsm, strongest = (right[CHECKED_EPS, attack, "defenseless"] for attack in ("fgsm", "strongest"))
    return {
        "strongest/gain/eps=0.1": (gain(CHECKED_EPS, "strongest"), "adaptive-attacker"),
        "strongest/above_chance/eps=0.1": (right[CHECKED_EPS, "strongest", "defended"] - CHANCE, "adaptive-attacker"),
        "strongest_minus_fgsm/gain/eps=0.1": (gain(CHECKED_EPS, "strongest", "fgsm"), "adaptive-attacker"),
        "fgsm_minus_strongest/eps=0.1": (fgsm - strongest, "adaptive-attacker"),
        "noise/gain/eps=0.2": (gain(0.2, "noise"), "random-sign-noise"),
        "gaussian/gain/sd=0.2": (gain(0.2, "gaussian"), "random-sign-noise"),
        "resolution=14/gain": (gain(0.0, "resolution 14"), "random-sign-noise"),
    }


def near_threshold(dataset: str, eps: float) -> float:
    """The share of test pixels that an attack within eps can push over a threshold at 0.5."""
    x, _ = data.load(dataset, "test")
    return ((x.double() - 0.5).abs() <= eps + 1e-6).double().mean().item()  # a pixel at eps is one
