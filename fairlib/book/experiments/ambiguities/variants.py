"""Every switch that can be thrown on a trained network, and its centroid sets against the test images among them."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from fairlib import attacks, data, evaluation, runtime, training, tuning
from fairlib.book.experiments import shared
from fairlib.book.experiments.future_work import EPS
from fairlib.book.experiments.shared import BATCH, METHODS, answers, attacked, distances
from fairlib.defenses import NOBODY, CentroidDefense
from fairlib.models import LayeredModel, LeNet5

RELABELLED = ("labels=medoid", "labels=random")


def switches(network: str, dataset: str, images: int) -> list[dict]:
    """Ten trainings, each with its own test images: a row per `seed` and `variant`, a list for each of `METHODS`.

    For the plain defence and those with corrected centroids, `by_class` holds the defended network's right answers per
    eps and class, `of_class` the number of images in each class.
    """
    x, y = data.load(dataset, "train")
    rows = []
    for seed, model, test in shared.trainings(network, dataset, images):
        x_train, y_train, _, _ = data.train_validation(x, y, seed=seed)
        seen = evaluation.draw(x_train, y_train, images, seed=seed)
        rows += [{"seed": seed} | row for row in switched(model, dataset, test, seen, seed=seed)]
    return rows


def switched(
    model: LayeredModel, dataset: str, test: tuple[Tensor, Tensor], seen: tuple[Tensor, Tensor], *, seed: int
) -> list[dict]:
    """Every switch on one network, the rows of `switches`; `seen` are images, with labels, that it was trained on."""
    alpha, sets, (x, y) = data.alphas(dataset), centroid_sets(dataset, seed), test
    variants = defenses(model, sets, alpha, seed)
    plain, _ = variants["plain"]
    every = [name for name, _ in model.layers(x[:1])]
    look = {
        how: CentroidDefense(model, torch.stack(list(sets.values())), alpha, taps=every, conv_cosine=how)
        for how in {defense.conv_cosine for defense, _ in variants.values()}
    }
    counts: dict[str, dict[str, list]] = {}

    def count(variant: str, undefended: Tensor, predicted: Tensor, loose: Tensor, truth: Tensor) -> None:
        row = counts.setdefault(variant, {method: [] for method in METHODS})
        for method, right in zip(METHODS, (undefended == truth, predicted == truth, loose), strict=True):
            row[method].append(int(right.sum()))
        if variant in ("plain", *RELABELLED):
            row.setdefault("by_class", []).append(torch.bincount(truth[predicted == truth], minlength=10).tolist())
            row["of_class"] = torch.bincount(truth, minlength=10).tolist()

    for eps, near_eps in zip(EPS, on_released_grid(type(model).__name__), strict=True):
        x_adv = attacked(model, x, y, eps)
        undefended = answers(model, x_adv)
        near = {how: distances(defense, x_adv) for how, defense in look.items()}
        for variant, (defense, chosen) in variants.items():
            taps, places = [every.index(tap) for tap in defense.taps], [list(sets).index(name) for name in chosen]
            distance = near[defense.conv_cosine][taps][:, :, places]
            count(variant, undefended, *decisions(defense, distance, y), y)
            for reading, (predicted, loose) in readings(variant, distance, alpha, y).items():
                count(reading, undefended, predicted, loose, y)
        for variant, (images, labels, e) in {
            "released grid": (x, y, near_eps),
            "training images": (*seen, eps),
        }.items():
            x_in = attacked(model, images, labels, e)
            count(variant, answers(model, x_in), *decisions(plain, distances(plain, x_in), labels), labels)
        x_free = unclipped(model, x, y, eps)
        count("no clipping", answers(model, x_free), *decisions(plain, unchecked_distances(plain, sets, x_free), y), y)
        if isinstance(model, LeNet5) and dataset == "FashionMNIST":
            stranger = CentroidDefense(training.shipped("LeNet5", "MNIST"), sets["first"], alpha)
            x_in = attacked(stranger.model, x, y, eps)
            decided = decisions(stranger, distances(stranger, x_in), y)
            count("weights of MNIST", answers(stranger.model, x_in), *decided, y)
    return [{"variant": variant} | row for variant, row in counts.items()]


def defenses(
    model: LayeredModel, sets: Mapping[str, Tensor], alpha: Tensor, seed: int
) -> dict[str, tuple[CentroidDefense, list[str]]]:
    """Each variant that is an argument of `CentroidDefense`, and the names of the centroid sets that it uses."""
    layers = range(1, len(model.released_taps) + 1)
    early, late = ([math.exp(sign * i) for i in layers] for sign in (-1, 1))
    logits = {"FullyConnected": (*model.released_taps[:-1], "linear_out"), "LeNet5": model.released_taps[:-1]}
    options = {
        "plain": {},
        "taps=paper": {"taps": "paper"},
        "taps=logits": {"taps": logits[type(model).__name__]},
        "comparison=lt": {"comparison": "lt"},
        "nobody=False": {"nobody": False},
        "ties=highest": {"ties": "highest"},
        "ties=random": {"ties": "random", "generator": runtime.generator(seed)},
        "ties=closest": {"ties": "closest"},
        "loose_rule=top3": {"loose_rule": "top3"},
        "alpha=+0.1": {"alpha": alpha + 0.1},
        "alpha=-0.1": {"alpha": alpha - 0.1},
        "alpha=0.3": {"alpha": torch.full_like(alpha, 0.3)},
        "weights=early": {"weights": early},
        "weights=early, rounded": {"weights": [round(w, 1) for w in early]},
        "weights=late": {"weights": late},
        "weights=late, rounded": {"weights": [round(w, 1) for w in late]},
    }
    if isinstance(model, LeNet5):  # the others have no maps
        options["conv_cosine=flat"] = {"conv_cosine": "flat"}
    several = [name for name in sets if name not in RELABELLED]
    if len(several) > 1:
        options |= {f"sets={reading}": {"sets": reading} for reading in ("sum", "any", "released")}
    options |= {name: {} for name in RELABELLED if name in sets}
    made = {}
    for variant, given in options.items():
        chosen = several if variant.startswith("sets=") else [variant] if variant in RELABELLED else ["first"]
        centroids = torch.stack([sets[name] for name in chosen])
        made[variant] = CentroidDefense(model, centroids, **{"alpha": alpha} | given), chosen
    return made


def centroid_sets(dataset: str, seed: int) -> dict[str, Tensor]:
    """The released sets, and where centroids of the first do not carry their class, two in which they are replaced: by
    their class's medoid, and by an image of the class drawn with `seed`."""
    released = data.table("pepe_centroids").query("dataset == @dataset")
    sets = {name: data.centroids(dataset, name) for name in released["centroid_set"].unique()}
    wrong = strangers(dataset)
    for kind in ("medoid", "random") if wrong else ():
        sets[f"labels={kind}"] = sets["first"].clone()
        sets[f"labels={kind}"][wrong] = data.centroids(dataset, kind, seed=seed)[wrong]
    return sets


def strangers(dataset: str) -> list[int]:
    """The classes whose first released centroid carries another label."""
    first = data.table("pepe_centroids").query("dataset == @dataset and centroid_set == 'first'")
    return first.loc[first["class"] != first["true_label"], "class"].tolist()


def decisions(defense: CentroidDefense, distance: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """`defense.predict_and_loose` on distances (L, N, S, K) that were taken before, in place of images."""
    defense.distances = lambda _: distance
    try:
        return defense.predict_and_loose(y, y)  # of the images only their number is asked
    finally:
        del defense.distances


def readings(variant: str, distance: Tensor, alpha: Tensor, y: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """Readings of the released code that `CentroidDefense` does not offer, by name: predicted classes, and loose hits.

    Of the plain defence, what the bucket "nobody" does in a tie and in the loose rule; of the released loop over sets,
    that places past the last class keep their votes, for a class that is no image's.
    """
    if variant == "plain":
        tally, nobody = tuning.votes(distance[:, :, 0], alpha)
        most, own = tally.amax(1), tally.gather(1, y[:, None])[:, 0]
        predicted = tuning.decide(distance[:, :, 0], alpha)
        highest = torch.maximum(most, nobody)
        tied = (tally == highest[:, None]).sum(1)
        return {
            "nobody wins ties": (tally.argmax(1).masked_fill(nobody >= most, NOBODY), (own == highest) & (tied < 4)),
            "loose, nobody counts": (predicted, (own == highest) & (tied + (nobody == highest) < 4)),
            "loose, nobody ignored": (predicted, (own == most) & ((tally == most[:, None]).sum(1) < 4)),
        }
    if variant == "sets=released":
        fair = every_place(distance, alpha)
        tally, nobody = fair.sum(0), (~fair.any(2)).sum(0)
        most, own = torch.maximum(tally.amax(1), nobody), tally.gather(1, y[:, None])[:, 0]
        predicted = tally.argmax(1).masked_fill(nobody > tally.amax(1), NOBODY)
        tied = (tally == most[:, None]).sum(1)
        return {"sets=released, none dropped": (predicted, (own == most) & (tied < 4))}
    return {}


def every_place(distance: Tensor, alpha: Tensor) -> Tensor:
    """The released loop over sets as `CentroidDefense` reads it, but no place of its list is dropped: (L, N, S * K).

    A place past the last class has no threshold of its own; here whatever stands there passes.
    """
    taps, n, n_sets, classes = distance.shape
    places = torch.arange(n_sets * classes)
    bound = torch.cat([alpha, torch.full((len(places) - classes,), torch.inf)])
    fair = torch.zeros(taps, n, len(places), dtype=torch.bool)
    for s in range(n_sets):
        survivors = fair.sum(-1, keepdim=True)
        # Survivors first, as if their indices were similarities; then the set's own distances; then nothing.
        order = fair.long().argsort(dim=-1, descending=True, stable=True)
        taken = (1 - order.float()) / 2
        own = places - survivors
        similar = distance[:, :, s].gather(-1, own.clamp(0, classes - 1))
        value = torch.where(own < 0, taken, similar.masked_fill(own >= classes, torch.nan))
        fair = value <= bound  # NaN, where the list has ended, compares as false
    return fair


def on_released_grid(network: str) -> list[float]:
    """For each of `EPS` the nearest budget at which the released code evaluates this network."""
    return [min(evaluation.RELEASED_EPS[network], key=lambda e, eps=eps: abs(e - eps)) for eps in EPS]


def unclipped(model: LayeredModel, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """FGSM as the paper prints it: x + eps * sign(gradient), whose pixels leave [0, 1]."""
    pairs = zip(x.split(BATCH), y.split(BATCH), strict=True)
    return torch.cat([a + eps * attacks.input_gradient(model, a, b).sign() for a, b in pairs])


def unchecked_distances(defense: CentroidDefense, sets: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """`defense.distances` for the first centroid set and images whose pixels leave [0, 1], which it would refuse."""
    with torch.no_grad():
        centroids = tuning.directions(defense.model, sets["first"])
        cosine = [
            torch.stack([a @ k.T for a, k in zip(tuning.directions(defense.model, b), centroids, strict=True)])
            for b in x.split(BATCH)
        ]
    return ((1 - torch.cat(cosine, dim=1)) / 2)[:, :, None]


def own_images(network: str, dataset: str, images: int) -> list[dict]:
    """The shipped network with each released set: `right` among the test images, `own` images of the set that are among
    these, and how many of them are right, `own_right`."""
    model, alpha, (x, y) = training.shipped(network, dataset), data.alphas(dataset), data.load(dataset, "test")
    known = data.table("pepe_centroids").query("dataset == @dataset")
    sets = {name: data.centroids(dataset, name) for name in known["centroid_set"].unique()}
    defense = CentroidDefense(model, torch.stack(list(sets.values())), alpha)
    rows = {name: {"centroids": name, "right": [], "own_right": []} for name in sets}
    for eps in EPS:
        near = distances(defense, attacked(model, x[:images], y[:images], eps))
        for distance, (name, row) in zip(near.unbind(2), rows.items(), strict=True):
            right = tuning.decide(distance, alpha) == y[:images]
            own = known[(known["centroid_set"] == name) & (known["split"] == "test") & (known["index"] < images)][
                "index"
            ]
            row["own"] = len(own)
            row["right"].append(int(right.sum()))
            row["own_right"].append(int(right[own.tolist()].sum()))
    return list(rows.values())
