"""FGSM with the released code's gradient in float32 beside the exact one, and what the ledger asks of the chapter.

First paper, sections 2 and 3.1. Where a probability rounds to 1 the gradient of its logarithm loses the true class's
part; the book's attacks climb the margin, which loses nothing (`fairlib.attacks.loss`).
"""

import copy
from collections.abc import Sequence

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairlib import attacks, checks, data, evaluation, intervals, training
from fairlib.attacks import gradient, margin_at, unusable
from fairlib.book import runner
from fairlib.book.experiments import shared
from fairlib.book.experiments.shared import BATCH, IMAGES, METHODS, PAIRS
from fairlib.book.experiments.training import complete
from fairlib.defenses import CentroidDefense
from fairlib.evaluation import TABLE_EPS
from fairlib.models import LayeredModel

SCALES = (1, 10, 100)
GRID = tuple(k / 20 for k in range(7))
QUANTITIES = ("cosine_to_gradient", "largest_step", "gray_share", "confusion")
SHOWN = {"anchor": "fgsm-verdict"}


def units(profile: str) -> list[dict]:
    """Per network and data set: the shipped network with its logits multiplied, and ten trainings."""
    images = {"FullyConnected": 10_000, "LeNet5": IMAGES[checks.one_of(profile, tuple(IMAGES), "profile")]}
    return [
        *({"what": "scales", "network": n, "dataset": d, "images": 10_000} for n, d in PAIRS),
        *({"what": "trainings", "network": n, "dataset": d, "images": images[n]} for n, d in PAIRS),
    ]


def run(*, what: str, network: str, dataset: str, images: int) -> dict:
    """One unit; its `rows` are those of the function named `what`."""
    kinds = {"scales": scales, "trainings": trainings}
    return {"rows": kinds[checks.one_of(what, tuple(kinds), "what")](network, dataset, images)}


# --- Two gradients of one loss. ---------------------------------------------------------------------------------------


def naive_gradient(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """grad_x of -log p_y as the released code takes it, image by image: (N, C, H, W), in the precision of x.

    The model ends in the log-softmax, whose gradient with respect to the true class's logit is p_y - 1: no more than a
    few multiples of 6e-8 in float32 where the network is sure, and 0 where p_y rounds to 1.
    """
    with torch.enable_grad():
        z = x.detach().clone().requires_grad_()
        return gradient(F.nll_loss(model(z), y, reduction="none"), z)


def naive(model: nn.Module, x: Tensor, y: Tensor, *, eps: Sequence[float]) -> list[Tensor]:
    """`fgsm_grid` with `naive_gradient` in place of the margin's."""
    return stepped(x, naive_gradient(model, x, y), eps)


def any_precision(model: nn.Module, x: Tensor, y: Tensor, *, eps: Sequence[float]) -> list[Tensor]:
    """`fgsm_grid` in the precision of x and the model."""
    return stepped(x, gradient(*margin_at(model, x, y)), eps)


def stepped(x: Tensor, g: Tensor, eps: Sequence[float]) -> list[Tensor]:
    """clip(x + eps * sign(g), 0, 1) for each budget."""
    return [(x + e * g.sign()).clamp(0, 1) for e in eps]


class Scaled(nn.Module):
    """A network whose logits are multiplied: the same answers, more or less surely given."""

    def __init__(self, network: LayeredModel, scale: float) -> None:
        super().__init__()
        self.network, self.scale = network, scale

    def forward(self, x: Tensor) -> Tensor:
        """x (N, 1, 28, 28) -> log-probabilities (N, 10)."""
        *_, (_, logits), _ = self.network.layers(x)
        return F.log_softmax(self.scale * logits, dim=1)


def scales(network: str, dataset: str, images: int) -> list[dict]:
    """The shipped network under FGSM, a row per `scale` of the logits and `gradient`: `right`, a list over `GRID`.

    `certain`: for how many images the true class's probability is exactly 1 in float32; `flat`: for how many the naive
    gradient is 0 at every pixel.
    """
    x, y = (part[:images] for part in data.load(dataset, "test"))
    rows = []
    for scale in SCALES:
        model = Scaled(training.shipped(network, dataset), scale).eval()
        double = copy.deepcopy(model).double()
        found = {"scale": scale, "certain": certain(model, x, y), "flat": flat(model, x, y)}
        ways = {
            "naive": (model, x, naive),
            "exact": (model, x, attacks.fgsm_grid),
            "float64": (double, x.double(), any_precision),
        }
        for name, (net, pixels, attack) in ways.items():
            table = evaluation.under_attack(net, pixels, y, eps=GRID, attack=attack, batch_size=BATCH)
            rows.append(found | {"gradient": name, "right": table["right"].tolist()})
    return rows


def certain(model: nn.Module, x: Tensor, y: Tensor) -> int:
    """For how many images the probability of the class y is exactly 1, as rounded."""
    with torch.no_grad():
        p = [model(a).exp().gather(1, b[:, None]) for a, b in zip(x.split(BATCH), y.split(BATCH), strict=True)]
    return int((torch.cat(p) == 1).sum())


def flat(model: nn.Module, x: Tensor, y: Tensor) -> int:
    """For how many images the naive gradient is 0 at every pixel, as rounded."""
    pairs = zip(x.split(BATCH), y.split(BATCH), strict=True)
    return sum(int(unusable(naive_gradient(model, a, b))[1].sum()) for a, b in pairs)


def trainings(network: str, dataset: str, images: int) -> list[dict]:
    """Ten trainings, each with its own test images, with either gradient: a row per `seed` and `gradient`.

    For each of `METHODS` the images that come out right, a list over `TABLE_EPS`; the defence is the plain one.
    """
    rows = []
    for seed, model, test in shared.trainings(network, dataset, images):
        defense = CentroidDefense(model, data.centroids(dataset), data.alphas(dataset))
        for name, attack in {"naive": naive, "exact": attacks.fgsm_grid}.items():
            given = {"eps": TABLE_EPS, "defense": defense, "attack": attack, "batch_size": BATCH}
            table = evaluation.under_attack(model, *test, **given)
            right = {method: found["right"].tolist() for method, found in table.groupby("method")}
            rows.append({"seed": seed, "gradient": name} | right)
    return rows


# --- What was found. --------------------------------------------------------------------------------------------------


def curves() -> pd.DataFrame:
    """The recorded `scales`: rows of `network`, `dataset`, `scale`, `gradient`, `eps`, `certain`, `flat`, counts and
    accuracy with its Wilson interval."""
    rows = shared.of_kind("fgsm", "scales")
    rows = rows.assign(eps=[GRID] * len(rows)).explode(["eps", "right"]).rename(columns={"images": "n"})
    columns = ["network", "dataset", "scale", "gradient", "eps", "certain", "flat", "right", "n"]
    whole = dict.fromkeys(("scale", "certain", "flat", "right"), int)
    return intervals.with_interval(rows[columns].astype({"eps": float} | whole).reset_index(drop=True))


def accuracies() -> pd.DataFrame:
    """The recorded `trainings`: index `network`, `dataset`, `gradient`, `seed`; columns method and eps.

    Where both profiles were run, those with more test images.
    """
    rows = shared.recorded("fgsm", "trainings")
    index = ["network", "dataset", "gradient", "seed"]
    rows = rows[[*index, "images", *METHODS]].assign(eps=[TABLE_EPS] * len(rows)).explode(["eps", *METHODS])
    rows = rows.melt([*index, "images", "eps"], METHODS, "method", "right").astype({"eps": float, "seed": int})
    rows["accuracy"] = rows["right"].astype(float) / rows["images"]
    return rows.pivot_table("accuracy", index, ["method", "eps"])


def effects() -> pd.DataFrame:
    """Accuracy with the naive gradient minus that with the exact one: rows of `network`, `dataset`, `method`, `eps`,
    `value`, `low`, `high`, the mean over trainings with its 95 % interval."""
    found = accuracies()
    change = found.xs("naive", level="gradient") - found.xs("exact", level="gradient")
    return pd.DataFrame([
        {"network": network, "dataset": dataset, "method": method, "eps": eps} | intervals.over_seeds(values)
        for (network, dataset), table in change.groupby(level=[0, 1])
        for (method, eps), values in table.items()
    ])  # fmt: skip


def estimates() -> dict[str, dict]:
    """The quantities that the ledger asks of this chapter (data/claims/README.md), from the records and the images."""
    return looked_at(QUANTITIES, SHOWN) | {
        f"gray/{name}/largest_distance": shared.exact((x - 0.5).abs().max().item()) | {"n": len(x)} | SHOWN
        for name in data.DATASETS
        for x, _ in [data.load(name, "test")]
    }


def looked_at(quantities: tuple[str, ...], shown: dict[str, str]) -> dict[str, dict]:
    """The recorded estimates about the shipped networks whose quantities begin so; `shown` holds their anchor.

    Raises FileNotFoundError where a network has none yet.
    """
    rows = runner.results("headline").query("what == 'look'")
    rows = complete(rows.set_index(["network", "dataset", "quantity"]), "headline")
    return {
        "/".join(key): _estimate(row) | shown
        for key, row in rows.iterrows()
        if key[2].startswith(quantities)
    }  # fmt: skip


def _estimate(row: pd.Series) -> dict:
    """Of one network; what is exact was looked at for each of its images."""
    found = shared.interval(row["value"], row["low"], row["high"]) | {"n": int(row["n"]), "record": "results/headline"}
    drawn = {"units": 1} if row["low"] < row["high"] else {}
    return found | drawn | {"basis": f"1 network, {int(row['n']):,} images"}
