"""What the first paper leaves open: each choice that its text, or our reading of its released code, does not settle,
switched the other way, one at a time.

The choices themselves are `data/tables/ambiguities.csv`; its column `variants` names the switches that measure a row.
"""

import math
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from fairlib import attacks, checks, data, ensemble, evaluation, intervals, runtime, training, tuning
from fairlib.book import runner
from fairlib.book.experiments import fgsm, future_work
from fairlib.book.experiments.future_work import EPS, PAIRS, answers, attacked, distances
from fairlib.defenses import NOBODY, CentroidDefense
from fairlib.models import LayeredModel, LeNet5

SEEDS = tuple(range(10))
FEW = (0, 1, 2)  # where a training is a long one
IMAGES = {"embedded": 2_000, "paper": 10_000}  # test images for each training
METHODS = ("defenseless", "defended", "loose")
# What a variant is compared with, where that is not the plain defence.
REFERENCE = {
    "sets=any": "sets=sum", "sets=released": "sets=sum", "sets=released, none dropped": "sets=released",
    "weights=early, rounded": "weights=early", "weights=late, rounded": "weights=late",
}  # fmt: skip
RELABELLED = ("labels=medoid", "labels=random")


def units(profile: str) -> list[dict]:
    """Per network and data set every switch over ten trainings; LeNet with one pool; the printed rule of training where
    it differs from the released one; MNIST's centroid sets against the test images among them."""
    images = IMAGES[checks.one_of(profile, tuple(IMAGES), "profile")]
    longer = [("FullyConnected", "MNIST"), *(("LeNet5", name) for name in data.DATASETS)]
    return [
        *({"what": "switches", "network": n, "dataset": d, "images": images} for n, d in PAIRS),
        *({"what": "one pool", "network": "LeNet5", "dataset": d, "images": 10_000} for d in data.DATASETS),
        *({"what": "printed rule", "network": n, "dataset": d, "images": 10_000} for n, d in longer),
        *({"what": "own images", "network": n, "dataset": "MNIST", "images": 10_000} for n in training.RELEASED_EPOCHS),
    ]


def run(*, what: str, network: str, dataset: str, images: int) -> dict:
    """One unit; its `rows` count the images that come out right, in lists over `EPS`."""
    kinds = {"switches": switches, "one pool": one_pool, "printed rule": printed_rule, "own images": own_images}
    return {"rows": kinds[checks.one_of(what, tuple(kinds), "what")](network, dataset, images)}


# --- The switches. ----------------------------------------------------------------------------------------------------


def switches(network: str, dataset: str, images: int) -> list[dict]:
    """Ten trainings, each with its own test images: a row per `seed` and `variant`, a list for each of `METHODS`.

    For the plain defence and those with corrected centroids, `by_class` holds the defended network's right answers per
    eps and class, `of_class` the number of images in each class.
    """
    x, y = data.load(dataset, "train")
    x_test, y_test = data.load(dataset, "test")
    models = ensemble.released(network, dataset, seeds=SEEDS)
    rows = []
    for seed, model in zip(SEEDS, models, strict=True):
        x_train, y_train, _, _ = data.train_validation(x, y, seed=seed)
        test = evaluation.draw(x_test, y_test, images, seed=seed)
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
    pairs = zip(x.split(future_work.BATCH), y.split(future_work.BATCH), strict=True)
    return torch.cat([a + eps * attacks.input_gradient(model, a, b).sign() for a, b in pairs])


def unchecked_distances(defense: CentroidDefense, sets: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """`defense.distances` for the first centroid set and images whose pixels leave [0, 1], which it would refuse."""
    with torch.no_grad():
        centroids = tuning.directions(defense.model, sets["first"])
        cosine = [
            torch.stack([a @ k.T for a, k in zip(tuning.directions(defense.model, b), centroids, strict=True)])
            for b in x.split(future_work.BATCH)
        ]
    return ((1 - torch.cat(cosine, dim=1)) / 2)[:, :, None]


# --- Other trainings, other images. -----------------------------------------------------------------------------------


class OnePool(LeNet5):
    """LeNet as section 3.3 reads: one 2x2 max-pool, between the two convolutions; hence 1,600 inputs to `fc1`."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(1600, 120)

    def layers(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        z = self.conv1(x)
        yield "conv1", z
        z = self.conv2(F.max_pool2d(z.relu(), 2))
        yield "conv2", z
        a = z.relu().flatten(1)
        for name in ("fc1", "fc2"):
            z = getattr(self, name)(a)
            yield name, z
            a = z.relu()
        z = self.fc3(a)
        yield "fc3", z
        yield "log_softmax", F.log_softmax(z, dim=1)


def one_pool(network: str, dataset: str, images: int) -> list[dict]:
    """`OnePool` trained as the released code trains LeNet: a row per `seed`."""
    rows = []
    for seed in FEW:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = OnePool()
        split = data.train_validation(*data.load(dataset, "train"), seed=seed)
        training.fit(model, *split, epochs=training.RELEASED_EPOCHS[network], stop_at=None)
        rows.append({"seed": seed, "variant": "one pool"} | plainly(model, dataset, images))
    return rows


def printed_rule(network: str, dataset: str, images: int) -> list[dict]:
    """Training until 95 % validation accuracy or for 20 epochs, in the released order: a row per `seed`."""
    rows = []
    for seed in FEW:
        model = training.initialised(network, seed=seed)
        split = data.train_validation(*data.load(dataset, "train"), seed=seed)
        training.fit(model, *split, epochs=20, stop_at=0.95)
        rows.append({"seed": seed, "variant": "printed rule"} | plainly(model, dataset, images))
    return rows


def plainly(model: LayeredModel, dataset: str, images: int) -> dict[str, list[int]]:
    """How many of the first test images come out right with the plain defence: a list over `EPS` for each method."""
    defense = CentroidDefense(model, data.centroids(dataset), data.alphas(dataset))
    x, y = (t[:images] for t in data.load(dataset, "test"))
    table = evaluation.under_attack(model, x, y, eps=EPS, defense=defense, batch_size=future_work.BATCH)
    return {method: rows["right"].tolist() for method, rows in table.groupby("method")}


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


# --- What was found. --------------------------------------------------------------------------------------------------


def accuracies() -> pd.DataFrame:
    """The recorded accuracies: index `network`, `dataset`, `variant`, `seed`; columns method and eps.

    `released rule` is what `one pool` and `printed rule` are compared with, the trainings recorded in `seeds` with the
    same seeds. Where both profiles were run, those with more test images.
    """
    rows = runner.results("ambiguities").dropna(subset="variant")
    rows = rows[rows["images"] == rows.groupby(["what", "network", "dataset"])["images"].transform("max")]
    index = ["network", "dataset", "variant", "seed", "images"]
    rows = rows[[*index, *METHODS]].assign(eps=[EPS] * len(rows)).explode(["eps", *METHODS])
    rows = rows.melt([*index, "eps"], METHODS, "method", "right")
    again = runner.results("seeds").query("what == 'trainings' and seed in @FEW and eps in @EPS")
    again = again.assign(variant="released rule").rename(columns={"n": "images"})
    rows = pd.concat([rows, again[rows.columns]]).astype({"eps": float, "right": float, "seed": int})
    rows["accuracy"] = rows["right"] / rows["images"]
    return rows.pivot_table("accuracy", ["network", "dataset", "variant", "seed"], ["method", "eps"])


def effects() -> pd.DataFrame:
    """What each switch changes: rows of `variant`, `network`, `dataset`, `method`, `eps`, `value`, `low`, `high`.

    The mean over trainings of the variant's accuracy minus its reference's, and the 95 % interval of that mean. The
    two are measured on the same images and, except for `training images`, networks with the same seed.
    """
    accuracy, rows = accuracies(), []
    for (network, dataset, variant), table in accuracy.groupby(level=[0, 1, 2]):
        if variant in ("plain", "released rule", "sets=sum", "weights=early", "weights=late"):
            continue
        few = variant in ("one pool", "printed rule")
        reference = "released rule" if few else REFERENCE.get(variant, "plain")
        change = table.droplevel([0, 1, 2]) - accuracy.loc[network, dataset, reference]
        where = {"variant": variant, "network": network, "dataset": dataset}
        rows += [where | {"method": m, "eps": e} | intervals.over_seeds(change[m, e]) for m, e in change.columns]
    return pd.concat([pd.DataFrame(rows), drawn_centroids(), float32_gradient()])


def drawn_centroids() -> pd.DataFrame:
    """Rows of `effects` for a random image per class in place of the first set: ten draws, the shipped network."""
    rows = []
    drawn = future_work.recorded("draws").query("alpha == 'published' and network in @training.RELEASED_EPOCHS")
    for (network, dataset), table in drawn.groupby(["network", "dataset"]):
        first, others = (table[(table["centroids"] == "first") == is_first] for is_first in (True, False))
        change = np.subtract(others["right"].tolist(), first["right"].item()) / table["images"].iloc[0]
        where = {"variant": "random centroids", "network": network, "dataset": dataset, "method": "defended"}
        rows += [where | {"eps": e} | intervals.over_seeds(values) for e, values in zip(EPS, change.T, strict=True)]
    return pd.DataFrame(rows)


def float32_gradient() -> pd.DataFrame:
    """Rows of `effects` for FGSM with the released code's gradient in place of the exact one: ten trainings."""
    return fgsm.effects().query("eps in @EPS").assign(variant="float32 gradient")


def recall() -> pd.DataFrame:
    """The share of a Fashion-MNIST class that the defended network gets right, centroids as released and corrected.

    Index `network`, `variant`, `seed`; columns eps and class.
    """
    rows = runner.results("ambiguities").dropna(subset="by_class").query("dataset == 'FashionMNIST'")
    rows = rows[rows["images"] == rows["images"].max()]
    index = pd.MultiIndex.from_frame(rows[["network", "variant", "seed"]].astype({"seed": int}))
    share = np.array(rows["by_class"].tolist()) / np.array(rows["of_class"].tolist())[:, None]
    columns = pd.MultiIndex.from_product([EPS, range(share.shape[2])], names=["eps", "class"])
    return pd.DataFrame(share.reshape(len(rows), -1), index, columns).sort_index()


class Pools(TorchFunctionMode):
    """Counts the max-pools that are computed while it is entered."""

    n = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.n += func is F.max_pool2d
        return func(*args, **(kwargs or {}))


def estimates() -> dict[str, dict]:
    """The quantities that the ledger asks of this chapter (data/claims/README.md), from records and networks."""
    model = training.initialised("LeNet5", seed=0)
    with Pools() as pools:  # with a gradient: without one the network pools otherwise
        model(torch.zeros(1, *model.shape))
    first_two = list(model.children())[:2]
    counted = {
        "chance/text": (1 / model.classes, "chance-level"),
        "chance/released": (1 / (model.classes + 1), "chance-level"),
        "LeNet5/fully_connected_among_first_two": (sum(isinstance(m, nn.Linear) for m in first_two), "lenet-layers"),
        "LeNet5/pools": (pools.n, "lenet-layers"),
        **{f"centroids/{d}/right_label": (model.classes - len(strangers(d)), "centroid-labels") for d in data.DATASETS},
    }
    found = {
        key: dict.fromkeys(("value", "low", "high"), value) | {"anchor": anchor}
        for key, (value, anchor) in counted.items()
    }
    accuracy = accuracies()
    for network, dataset in PAIRS:
        for rule, variant in (("top3", "loose_rule=top3"), ("released", "plain")):
            estimate = intervals.over_seeds(accuracy.loc[network, dataset, variant]["loose", 0.1])
            found[f"{network}/{dataset}/loose/{rule}/eps=0.1"] = estimate | {"anchor": "loose-rule"}
    return found
