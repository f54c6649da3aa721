"""What else could one do? Other defences beside the first paper's, under one arsenal of attacks; and certificates.

Madry et al. (2018); Gowal et al. (2018); Cohen, Rosenfeld and Kolter (2019).
"""

import copy
from collections.abc import Callable, Iterator
from functools import partial

import pandas as pd
import torch
from torch import Tensor, nn

from fairlib import attacks, checks, complexity, data, defenses, ensemble, evaluation, runtime, training
from fairlib.attacks import TEMPERATURES
from fairlib.baselines import NearestCentroid
from fairlib.book.experiments import shared
from fairlib.book.experiments.shared import BATCH
from fairlib.defenses import CentroidDefense
from fairlib.models import LayeredModel

SEEDS = (0, 1, 2)
EPS = (0.05, 0.1)  # at which all are attacked
TRAINED_AT = 0.1
IMAGES = {"FullyConnected": 500, "LeNet5": 200}  # test images for each training, drawn by its seed
# Of what is trained here, and how; the network alone is trained as released, and the others start from it.
TRAINING_IMAGES, EPOCHS = {"FullyConnected": 20_000, "LeNet5": 5_000}, {"FullyConnected": 6, "LeNet5": 3}
LR = 0.01  # with 0.05 the fully connected network's units die
BOUNDED_EPOCHS = 12  # of interval training, which starts anew
STEPS = 7  # of PGD in training
BLUR = 1.0  # pixels
# The arsenal.
PGD = {"iterations": 20, "restarts": 2}
APGD, ADAPTIVE, SQUARE = 30, 40, 100  # iterations, iterations, queries
SHARP = 5  # by which soft votes are multiplied before the loss is taken, so that the leading rival counts
# Certificates: boxes of this half-width, and noise of this standard deviation.
BOXES = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.2)
BOXED, SIGMA, SMOOTHED, DRAWS = 300, 0.25, 200, 2_000
RADII = tuple(round(0.05 * k, 2) for k in range(15))
DATASETS = ("MNIST",)
INDEX = ["network", "dataset", "method", "seed"]

Answers = Callable[[Tensor], Tensor]  # images (N, C, H, W) -> classes (N,), -1 for nobody


def units(profile: str) -> list[dict]:
    """The frontier for each network, certificates for the fully connected one; the same in both profiles."""
    checks.one_of(profile, runtime.PROFILES, "profile")
    looks = (("frontier", "FullyConnected"), ("frontier", "LeNet5"), ("certificates", "FullyConnected"))
    return [{"what": what, "network": network, "dataset": name} for name in DATASETS for what, network in looks]


def run(*, what: str, network: str, dataset: str) -> dict:
    """Rows over three trainings; the seed names the training and its test images.

    - `frontier`: for each `method` the `images` that are `right` clean and, under the worst of the arsenal image by
      image, at each of `EPS` (`attacked`); how many of those that were right before it each attack fools (`fooled`, at
      the last of `EPS`, one after the other); multiply-adds for one image (`inference`) and of the whole training;
    - `certificates`: for each `method` over `BOXES` the images that are right for certain (`certified`) and those that
      an attack leaves right (`attacked`); or, smoothed, over `RADII` the right ones with such an L2 radius.
    """
    looks = {"frontier": frontier, "certificates": certificates}
    look = looks[checks.one_of(what, tuple(looks), "what")]
    x, y = data.load(dataset, "test")
    found = []
    for seed, alone in zip(SEEDS, ensemble.released(network, dataset, seeds=SEEDS), strict=True):
        test = evaluation.draw(x, y, IMAGES[network], seed=seed)
        found += [{"seed": seed} | row for row in look(alone, network, dataset, seed, *test)]
    return {"rows": found}


# --- The frontier. ----------------------------------------------------------------------------------------------------


def frontier(alone: LayeredModel, network: str, dataset: str, seed: int, x: Tensor, y: Tensor) -> Iterator[dict]:
    """One training's rows."""
    centroids, alpha = data.centroids(dataset), data.alphas(dataset)
    of_network = complexity.macs(CentroidDefense(alone, centroids, alpha))
    # A training step takes a network's multiply-adds three times, the gradient of an attack twice; bounds are two more
    # passes that are differentiated.
    w, pixels = of_network["inference"], centroids[0].numel()
    released = 3 * w * 55_000 * training.RELEASED_EPOCHS[network]
    here = w * TRAINING_IMAGES[network] * EPOCHS[network]
    one, two = (CentroidDefense(alone, centroids, alpha, ties=ties) for ties in ("lowest", "closest"))
    blurred = defenses.Blurred(alone, BLUR)
    hardened = {name: trained(recipe, alone, dataset, seed) for name, recipe in recipes(network).items()}
    methods: dict[str, tuple[nn.Module, Answers, int, int]] = {  # attacked, answers, inference, training
        "network alone": (alone, partial(shared.answers, alone), w, released),
        "centroid defence": (Votes(one, centroids), one.predict, of_network["kept"], released),
        "closest-tie rule": (Votes(two, centroids), two.predict, of_network["kept"], released),
        "nearest centroid": (near := NearestCentroid(centroids), partial(shared.answers, near), 11 * pixels, 0),
        "blurred input": (blurred, partial(shared.answers, blurred), w + 14 * pixels, released),
    }
    for name, model in hardened.items():
        more = {"FGSM training": 3 + 2, "PGD training": 3 + 2 * STEPS}.get(name)
        cost = released + here * more if more else 9 * w * TRAINING_IMAGES[network] * BOUNDED_EPOCHS
        methods[name] = (model, partial(shared.answers, model), w, cost)
    for name, (target, answers, inference, cost) in methods.items():
        right = answers(x) == y
        left, fooled = [], {}
        for eps in EPS:
            survivors, fooled = worst_case(target, answers, alone, x, y, right, eps)
            left.append(survivors)
        yield {"method": name, "images": len(x), "right": int(right.sum()), "attacked": left, "fooled": fooled,
               "inference": inference, "training": cost}  # fmt: skip


def recipes(network: str) -> dict[str, Callable]:
    """How the hardened networks are trained: (the network alone, x, y, its seed) -> another network."""
    fgsm = partial(attacks.fgsm, eps=TRAINED_AT)
    pgd = partial(attacks.pgd, eps=TRAINED_AT, step_size=TRAINED_AT / 4, iterations=STEPS)
    found = {
        "FGSM training": partial(against, fgsm),
        "PGD training": partial(against, pgd),
    }
    if network == "FullyConnected":
        found["interval training"] = bounded
    return found


def against(attack: Callable, alone: LayeredModel, x: Tensor, y: Tensor, seed: int) -> LayeredModel:
    """The network, trained further on attacked images."""
    model, epochs = copy.deepcopy(alone), EPOCHS[type(alone).__name__]
    defenses.adversarial_training(model, x, y, attack, epochs=epochs, lr=LR, generator=runtime.generator(seed))
    return model


def bounded(alone: LayeredModel, x: Tensor, y: Tensor, seed: int) -> LayeredModel:
    """A network of the same kind and initial weights, trained for its interval bounds."""
    model = training.initialised(type(alone).__name__, seed=seed).eval()
    g = runtime.generator(seed)
    defenses.interval_training(model, x, y, eps=TRAINED_AT, epochs=BOUNDED_EPOCHS, generator=g)
    return model


def trained(recipe: Callable, alone: LayeredModel, dataset: str, seed: int) -> LayeredModel:
    """What a recipe makes of a network, on the first so many images of its seed's split."""
    x, y = data.train_validation(*data.load(dataset, "train"), seed=seed)[:2]
    few = TRAINING_IMAGES[type(alone).__name__]
    return recipe(alone, x[:few], y[:few], seed)


class Votes(nn.Module):
    """The centroid defence as a classifier of K + 1 classes, the last one nobody, that an attack can differentiate.

    The answers are soft votes, the mean over `TEMPERATURES`, less what breaks ties, times `SHARP`; the class that the
    defence really returns is lifted just above the others by a constant, so that the largest answer is the defence's.
    `twin` is the same defence with the rule for ties that `attacks.adaptive` knows."""

    def __init__(self, defense: CentroidDefense, centroids: Tensor) -> None:
        super().__init__()
        self.defense, self.shape = defense, defense.model.shape
        self.twin = CentroidDefense(defense.model, centroids, defense.alpha)
        self.register_buffer("temperatures", torch.tensor(TEMPERATURES).view(-1, 1, 1, 1))
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        distance = self.defense.distances(x)[:, :, 0]
        vote = ((self.defense.alpha - distance) / self.temperatures).sigmoid()  # temperature, layer, image, class
        last = torch.arange(self.defense.classes) / 20 if self.defense.ties == "lowest" else distance.mean(0)
        nobody = (1 - vote).prod(3).sum(1).mean(0) - 0.5
        soft = SHARP * torch.cat([vote.sum(1).mean(0) - last, nobody[:, None]], dim=1)
        with torch.no_grad():
            own = (self.defense.predict(x.detach()) % soft.shape[1])[:, None]
            others = soft.scatter(1, own, -torch.inf).amax(1, keepdim=True)
            lift = (others + 1e-3 - soft.gather(1, own)).clamp_min(0)
        return soft.scatter_add(1, own, lift)


def worst_case(
    target: nn.Module, answers: Answers, alone: LayeredModel, x: Tensor, y: Tensor, right: Tensor, eps: float
) -> tuple[int, dict[str, int]]:
    """How many of the images that are `right` (N,) stay so under every attack, and how many each attack took of those
    that the ones before it had left."""
    keep, fooled = right.nonzero()[:, 0], {}
    for name, attack in arsenal(alone, eps, votes=isinstance(target, Votes)).items():
        parts = [attack(target, x[part], y[part]) for part in keep.split(BATCH)]
        wrong = torch.cat([answers(z) for z in parts]) != y[keep] if parts else torch.zeros(0, dtype=torch.bool)
        fooled[name] = int(wrong.sum())
        keep = keep[~wrong]
    return len(keep), fooled


def arsenal(
    alone: LayeredModel, eps: float, *, votes: bool
) -> dict[str, Callable[[nn.Module, Tensor, Tensor], Tensor]]:
    """The attacks, in turn: first those on the undefended network, which are carried over to whatever defends it; on
    `votes` also the one that is made for them."""
    g = runtime.generator(0)
    pgd = {"eps": eps, "step_size": eps / 5, "iterations": PGD["iterations"]}

    def adaptive(target: Votes, x: Tensor, y: Tensor) -> Tensor:
        return attacks.adaptive(target.twin, x, y, eps=eps, iterations=ADAPTIVE)

    return {
        "FGSM, carried over": lambda _, x, y: attacks.fgsm(alone, x, y, eps=eps),
        "PGD, carried over": lambda _, x, y: attacks.pgd(alone, x, y, **pgd),
        "FGSM": partial(attacks.fgsm, eps=eps),
        **{f"PGD {k + 1}": partial(attacks.pgd, **pgd, generator=g) for k in range(PGD["restarts"])},
        "APGD": partial(attacks.apgd, eps=eps, iterations=APGD, generator=g),
        **({"adaptive": adaptive} if votes else {}),
        "Square": partial(attacks.square, eps=eps, queries=SQUARE, generator=g),
    }


# --- Certificates. ----------------------------------------------------------------------------------------------------


def certificates(alone: LayeredModel, network: str, dataset: str, seed: int, x: Tensor, y: Tensor) -> Iterator[dict]:
    """One training's rows."""
    prepared = trained(bounded, alone, dataset, seed)
    noisy = trained(partial(against, noise(seed)), alone, dataset, seed)
    x, y = x[:BOXED], y[:BOXED]
    centroids, alpha = data.centroids(dataset), data.alphas(dataset)
    for name, model in (("as released", alone), ("interval training", prepared)):
        defense = CentroidDefense(model, centroids, alpha)
        proven = [int(defenses.certified(model, x, y, eps=eps).sum()) for eps in BOXES]
        left = [under_pgd(model, x, y, eps) for eps in BOXES]
        yield {"method": name, "images": len(x), "certified": proven, "attacked": left}
        proven = [int(defenses.certified_votes(defense, x, y, eps=eps).sum()) for eps in BOXES]
        left = [under_adaptive(defense, x, y, eps) for eps in BOXES]
        yield {"method": f"votes, {name}", "images": len(x), "certified": proven, "attacked": left}
    x, y = x[:SMOOTHED], y[:SMOOTHED]
    for name, model in (("as released", alone), ("trained with noise", noisy)):
        options = {"sigma": SIGMA, "draws": DRAWS, "generator": runtime.generator(seed)}
        classes, radii = defenses.smoothed(model, x, **options)
        sure = [int(((classes == y) & (radii >= r)).sum()) for r in RADII]
        yield {"method": f"smoothed, {name}", "images": len(x), "certified": sure,
               "abstained": int((classes < 0).sum())}  # fmt: skip


def noise(seed: int) -> Callable:
    """As an attack: normal noise of `SIGMA`."""
    g = runtime.generator(seed)
    return lambda model, x, y: x + SIGMA * torch.randn(x.shape, generator=g)


def under_pgd(model: LayeredModel, x: Tensor, y: Tensor, eps: float) -> int:
    """How many images stay right under PGD."""
    parts = zip(x.split(BATCH), y.split(BATCH), strict=True)
    z = torch.cat([attacks.pgd(model, a, b, eps=eps, step_size=eps / 5, iterations=20) for a, b in parts])
    return int((shared.answers(model, z) == y).sum())


def under_adaptive(defense: CentroidDefense, x: Tensor, y: Tensor, eps: float) -> int:
    """How many images the defence keeps right under the attack that knows it."""
    parts = zip(x.split(BATCH), y.split(BATCH), strict=True)
    z = torch.cat([attacks.adaptive(defense, a, b, eps=eps, iterations=20) for a, b in parts])
    return int((defense.predict(z) == y).sum())


# --- What the records say. --------------------------------------------------------------------------------------------


def recorded(what: str) -> pd.DataFrame:
    """The rows of one kind of unit, indexed by `network`, `dataset`, `method`, `seed`. FileNotFoundError: no records
    yet."""
    rows = shared.of_kind("other_defenses", what)
    return rows.astype({"seed": int}).set_index(INDEX).sort_index(kind="stable")


def shares(column: str, at: int | None = None) -> pd.Series:
    """The share of images that `right` counts, or `attacked` at a place of `EPS`: index as `recorded`."""
    rows = recorded("frontier")
    counts = rows[column] if at is None else rows[column].str[at]
    return (counts / rows["images"]).astype(float)


def curves(column: str) -> pd.DataFrame:
    """The share of images that `certified` or `attacked` counts, a column for each of `BOXES`, or, smoothed, of
    `RADII`, by its place: index as `recorded`."""
    rows = recorded("certificates").dropna(subset=[column])
    table = pd.DataFrame(rows[column].to_list(), rows.index)
    return table.div(rows["images"], axis=0)
