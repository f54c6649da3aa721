"""Is the first paper's defence individually fair, and who pays for it? What its title promises and no table measures.

First paper, sections 2 and 3.2.1; Dwork et al. (2012), definition 2.1.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from fairlib import attacks, checks, data, evaluation, fairness, runtime, training
from fairlib.baselines import NearestCentroid
from fairlib.book.experiments import shared
from fairlib.book.experiments.shared import BATCH, IMAGES, PAIRS
from fairlib.defenses import CentroidDefense
from fairlib.intervals import over_seeds
from fairlib.models import LayeredModel

EPS = 0.1
GRID = evaluation.LEDGER_EPS
SCALES = tuple(2 ** (k / 2) for k in range(-4, 11))  # c, by which the distance of two individuals is multiplied
LAYER = {"FullyConnected": "linear5", "LeNet5": "fc2"}  # the last hidden one, before its ReLU
NEIGHBOURS = ("same class", "any two", "noise", "fgsm")
HARDENED = "adversarially trained"
EPOCHS = {"FullyConnected": 5, "LeNet5": 2}  # of the adversarial training, as are these:
BATCH_SIZE, LR, MOMENTUM = 100, 0.05, 0.9
DEALS = 2_000  # of right answers, by chance
INDEX = ["network", "dataset", "seed"]

Answer = Callable[[Tensor], Tensor]  # images (N, C, H, W) -> a distribution over outcomes (N, A) for each


def units(profile: str) -> list[dict]:
    """Per network and data set: the ten trainings, and one network that is trained on attacked images, too."""
    images = IMAGES[checks.one_of(profile, tuple(IMAGES), "profile")]
    return [
        {"what": what, "network": network, "dataset": name, "images": images}
        for what in ("trainings", "hardened")
        for network, name in PAIRS
    ]


def run(*, what: str, network: str, dataset: str, images: int) -> dict:
    """Rows of `look` and what it counts, over `images` test images; the seed names the training and its images.

    - `confusion`: by `eps` and `method` how many images of each class got each answer, nobody last;
    - `condition`: by `eps`, images whose class is fair at every tap: the `returned` one, the `true` one, the one of the
      `undefended` network; `several`, images with two such classes or more; `classes`, all such classes;
    - `renumbered`: by `eps`, answers that are `changed` where the classes are numbered backwards, right answers that
      are `won` and `lost` by class;
    - `pairs`: by `pairs`, `method` and `answer` the mean D, and over `SCALES` the pairs with D > c d, d by `pixels` and
      by `layer`, and both mean d;
    - `survives`: by `eps` of `GRID`, images that are nearest to their own class's centroid in pixels.

    `hardened` has the first and the fourth, of one network of another training (`adversarial_training`).
    """
    if checks.one_of(what, ("trainings", "hardened"), "what") == "trainings":
        found = [
            {"seed": seed} | row
            for seed, model, test in shared.trainings(network, dataset, images)
            for row in of_training(model, network, dataset, *test)
        ]
        return {"rows": found}
    model = adversarial_training(network, dataset, seed=0)
    x, y = evaluation.draw(*data.load(dataset, "test"), images, seed=0)
    x_adv = shared.attacked(model, x, y, EPS)
    methods = {(HARDENED, "class"): certain(lambda batch: shared.answers(model, batch), model.classes + 1)}
    apart = Apart(model, LAYER[network])
    found = [confusion(HARDENED, e, y, shared.answers(model, z)) for e, z in ((0.0, x), (EPS, x_adv))]
    return {"rows": [{"seed": 0} | row for row in (*found, *pairs(methods, apart, x, y, x_adv))]}


def of_training(model: LayeredModel, network: str, dataset: str, x: Tensor, y: Tensor) -> Iterator[dict]:
    """One training's rows, all looks."""
    centroids, alpha = data.centroids(dataset), data.alphas(dataset)
    defense, backwards = (
        CentroidDefense(model, centroids, alpha),
        CentroidDefense(model, centroids.flip(0), alpha.flip(0)),
    )
    nearest = NearestCentroid(centroids)
    x_adv = shared.attacked(model, x, y, EPS)
    own = shared.attacked(nearest, x, y, EPS)  # knows the centroids, and no network
    for eps, z, of_nearest in ((0.0, x, x), (EPS, x_adv, own)):
        alone, defended = shared.answers(model, z), predicted(defense, z)
        turned = predicted(backwards, z)
        turned = torch.where(turned < 0, turned, model.classes - 1 - turned)
        yield confusion("defenseless", eps, y, alone)
        yield confusion("defended", eps, y, defended)
        yield confusion("nearest centroid", eps, y, shared.answers(nearest, of_nearest))
        yield {"look": "condition", "eps": eps} | everywhere(defense, z, returned=defended, true=y, undefended=alone)
        yield {"look": "renumbered", "eps": eps} | exchanged(y, defended, turned, model.classes)
    outcomes = model.classes + 1
    methods: dict[tuple[str, str], Answer] = {
        ("defenseless", "class"): certain(lambda batch: shared.answers(model, batch), outcomes),
        ("defenseless", "shares"): lambda batch: probabilities(model, batch),
        ("defended", "class"): certain(lambda batch: predicted(defense, batch), outcomes),
        ("defended", "shares"): lambda batch: votes(defense, batch),
    }
    apart = Apart(model, LAYER[network])
    yield from pairs(methods, apart, x, y, x_adv)
    simple = {("nearest centroid", "class"): certain(lambda batch: shared.answers(nearest, batch), outcomes)}
    yield from pairs(simple, apart, x, y, own)
    grids = (attacks.fgsm_grid(model, a, b, eps=GRID) for a, b in zip(x.split(BATCH), y.split(BATCH), strict=True))
    right = [
        [int((shared.answers(nearest, z) == b).sum()) for z in grid]
        for grid, b in zip(grids, y.split(BATCH), strict=True)
    ]
    yield {"look": "survives", "count": torch.tensor(right).sum(0).tolist()}


def adversarial_training(network: str, dataset: str, *, seed: int) -> LayeredModel:
    """A network trained on each batch as it is and under FGSM at `EPS`, half and half, as Goodfellow et al. (2015)
    do."""
    model = training.initialised(network, seed=seed).eval()  # neither dropout nor batch statistics
    x, y = data.train_validation(*data.load(dataset, "train"), seed=seed)[:2]
    optimiser = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM)
    generator = runtime.generator(seed)
    for _ in range(EPOCHS[network]):
        for batch in torch.randperm(len(x), generator=generator).split(BATCH_SIZE):
            both = torch.cat([x[batch], attacks.fgsm(model, x[batch], y[batch], eps=EPS)])
            optimiser.zero_grad()
            F.nll_loss(model(both), y[batch].repeat(2)).backward()
            optimiser.step()
    return model


# --- What one look counts. --------------------------------------------------------------------------------------------


def confusion(method: str, eps: float, y: Tensor, answers: Tensor, classes: int = 10) -> dict:
    """How many images of each class y (N,) got each answer (N,), -1 for nobody, which is counted last."""
    where = y * (classes + 1) + torch.where(answers < 0, classes, answers)
    counts = torch.bincount(where, minlength=classes * (classes + 1)).unflatten(0, (classes, classes + 1))
    return {"look": "confusion", "eps": eps, "method": method, "counts": counts.tolist()}


def everywhere(defense: CentroidDefense, x: Tensor, **classes: Tensor) -> dict[str, int]:
    """For how many images a class (N,) is fair at every tap; -1 is none."""
    fair = (shared.distances(defense, x)[:, :, 0] <= defense.alpha).all(0)
    own = {
        name: int((fair.gather(1, chosen.clamp_min(0)[:, None])[:, 0] & (chosen >= 0)).sum())
        for name, chosen in classes.items()
    }
    return own | {"several": int((fair.sum(1) > 1).sum()), "classes": int(fair.sum())}


def exchanged(y: Tensor, before: Tensor, after: Tensor, classes: int) -> dict:
    """What other answers (N,) change: how many, and by true class the right ones won and lost."""
    won, lost = ((after == y) & (before != y)), ((before == y) & (after != y))
    by_class = {k: torch.bincount(y[mask], minlength=classes).tolist() for k, mask in (("won", won), ("lost", lost))}
    return {"changed": int((before != after).sum())} | by_class


def pairs(
    methods: dict[tuple[str, str], Answer], apart: "Apart", x: Tensor, y: Tensor, x_adv: Tensor
) -> Iterator[dict]:
    """Each method's answers to both of a pair, beside how far the two are apart, over all pairs of `NEIGHBOURS`."""
    noise = attacks.random_sign(apart.model, x, y, eps=EPS, generator=runtime.generator(0))
    near, other = neighbours(y), torch.arange(len(y)).roll(1)
    others = {"same class": x[near], "any two": x[other], "noise": noise, "fgsm": x_adv}
    first = {name: answer(x) for name, answer in methods.items()}
    for kind in NEIGHBOURS:
        d = apart(x, others[kind])
        for (method, answer), of in methods.items():
            if kind in ("same class", "any two"):
                second = first[method, answer][near if kind == "same class" else other]
            else:
                second = of(others[kind])
            D = fairness.total_variation(first[method, answer], second)
            found = {"look": "pairs", "pairs": kind, "method": method, "answer": answer, "D": round(float(D.mean()), 6)}
            for name, between in d.items():
                found[name] = np.rint(len(D) * fairness.violations(D, between, SCALES)).astype(int).tolist()
                found[f"d {name}"] = round(float(between.mean()), 6)
            yield found


def neighbours(y: Tensor) -> Tensor:
    """For each image another one of its class, its label in y (N,); where there is none, itself."""
    partner = torch.arange(len(y))
    for label in y.unique():
        members = (y == label).nonzero()[:, 0]
        partner[members] = members.roll(1)
    return partner


class Apart:
    """How far two images are apart: `pixels`, the root of the mean squared difference, and `layer`, the angle between
    what a layer of the model makes of them; both in [0, 1]."""

    def __init__(self, model: LayeredModel, layer: str) -> None:
        self.model, self.layer = model, layer

    def __call__(self, x: Tensor, other: Tensor) -> dict[str, np.ndarray]:
        pixels = (x - other).square().mean((1, 2, 3)).sqrt()
        return {"pixels": pixels.numpy(), "layer": fairness.angles(self.activations(x), self.activations(other))}

    def activations(self, x: Tensor) -> Tensor:
        """What the layer makes of x (N, C, H, W): (N, features)."""
        with torch.no_grad():
            return torch.cat([dict(self.model.layers(batch))[self.layer].flatten(1) for batch in x.split(BATCH)])


# --- What a method answers, as a distribution over outcomes. ----------------------------------------------------------


def certain(answer: Answer, outcomes: int) -> Answer:
    """All of the probability for the class that a method gives, the last outcome being nobody."""
    return lambda x: F.one_hot(answer(x) % outcomes, outcomes).float()


def predicted(defense: CentroidDefense, x: Tensor) -> Tensor:
    """`defense.predict` of x (N, C, H, W) in batches: (N,)."""
    return torch.cat([defense.predict(batch) for batch in x.split(BATCH)])


def probabilities(model: LayeredModel, x: Tensor) -> Tensor:
    """What the network's softmax gives to each class: (N, K)."""
    with torch.no_grad():
        return torch.cat([model(batch).double().softmax(1) for batch in x.split(BATCH)])


def votes(defense: CentroidDefense, x: Tensor) -> Tensor:
    """The share of the votes that each class gets, and nobody, last: (N, K + 1). At every tap there is at least one."""
    fair = (shared.distances(defense, x)[:, :, 0] <= defense.alpha).double()
    tally = torch.cat([fair.sum(0), (1 - fair.amax(2)).sum(0)[:, None]], dim=1)
    return tally / tally.sum(1, keepdim=True)


# --- What the records say. --------------------------------------------------------------------------------------------


def counts(look: str, what: str = "trainings") -> pd.DataFrame:
    """The rows of one look, indexed by `network`, `dataset`, `seed`. FileNotFoundError: no records yet."""
    rows = shared.recorded("individually_fair", what).query("look == @look").dropna(axis=1, how="all")
    return rows.astype({"seed": int}).set_index(INDEX).sort_index(kind="stable")


def curves(d: str) -> pd.DataFrame:
    """The share of pairs with D > c d: index `network`, `dataset`, `seed`, `pairs`, `method`, `answer`; a column for
    each c of `SCALES`. The network of the adversarial training is among them, with one seed."""
    rows = pd.concat([counts("pairs"), counts("pairs", "hardened")]).set_index(
        ["pairs", "method", "answer"], append=True
    )
    shares = np.stack(rows[d]) / rows["images"].to_numpy()[:, None]
    return pd.DataFrame(shares, rows.index, columns=list(SCALES)).sort_index()


def by_class() -> pd.DataFrame:
    """Recall and precision: index `network`, `dataset`, `seed`, `eps`, `method`, `class`."""
    rows = pd.concat([counts("confusion"), counts("confusion", "hardened")]).set_index(["eps", "method"], append=True)
    tables = {key: fairness.by_class(row["counts"]) for key, row in rows.iterrows()}
    return pd.concat(tables, names=[*rows.index.names, "class"]).sort_index()


def gaps() -> pd.DataFrame:
    """The recall of the worst class and the gap to the best one, per training; beside it where chance alone would put
    both if all classes were served alike (means over `DEALS`): index `network`, `dataset`, `seed`, `eps`, `method`."""
    found = {}
    for key, table in by_class().groupby(level=[*INDEX, "eps", "method"], sort=False):
        recall, n = table["recall"], table["n"]
        dealt = fairness.gaps_by_chance(round(float((recall * n).sum())), n, draws=DEALS, seed=0)
        worst, gap = dealt.mean(0)
        found[key] = {
            "worst": recall.min(), "best": recall.max(), "gap": recall.max() - recall.min(),
            "worst by chance": worst, "gap by chance": gap, "gap by chance, 97.5 %": np.quantile(dealt[:, 1], 0.975),
        }  # fmt: skip
    return pd.DataFrame(found).T.rename_axis([*INDEX, "eps", "method"]).sort_index()


def summary(values: pd.Series) -> dict[str, float]:
    """The mean over the trainings of one network and data set with its interval; of a single one no interval."""
    if len(values) > 1:
        return over_seeds(values)
    return dict.fromkeys(("value", "low", "high"), float(values.iloc[0]))
