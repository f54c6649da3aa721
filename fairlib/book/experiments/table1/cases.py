"""The attacks of table 1 on one photograph after the other, judged, and behind the defences of figure 4."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from fairlib import attacks, checks, data, defenses, imagenet, perceptual, photographs, runtime
from fairlib.attacks import START_NOISE, cross_entropy
from fairlib.perceptual import SALIENCY, Distance

CLASSIFIER, SIZE = "EfficientNet-Lite0", 299
METHODS = ("perc_al", "pgd", "ppgd", "lpa", "ours_a=0", "ours_a=1", "ours_a=5")  # rows of table 1
NORMS = ("L1", "L2", "Linf")
# LPIPS is that of VGG, LPIPS and DISTS are times 1,000, as in the paper. The last one is what PerC-AL minimises; no
# attack here climbs or keeps to any of the others.
JUDGES = {"LPIPS": "LPIPS-VGG"} | {name: name for name in ("DISTS", "ST-LPIPS", "MS-SSIM", "CIEDE2000")}
SCALE = {"LPIPS": 1_000, "DISTS": 1_000}
SUBSTITUTE = "LPIPS-Alex"  # the cost where PieAPP's weights are not at hand, and PPGD's and LPA's distance: no judge
QUALITIES = tuple(range(90, 0, -10))
BITS = tuple(range(1, 8))
ROUNDINGS = ("floor", "round", "straight_through")
LAMBDAS = (0.0, 1.0, 10.0, 100.0, 1_000.0, 10_000.0)

# PerC-AL's iterations, all of which it uses: as many as its own paper, or as many as a processor can afford.
PERC_AL_N = {"embedded": 100, "paper": 1_000}
# Of PPGD and LPA, on `SUBSTITUTE`; not printed. Chosen on 20 photographs that Foolbox gives out, where the two's LPIPS
# then lies near the printed ones.
BOUND = 0.003
# Kind of unit: the first image of each, and how many it takes.
SHARDS = {
    "embedded": {
        "table": range(0, 60, 5), "stepping": range(60, 240, 20), "rounding": range(0, 20, 10),
        "start": range(0, 20, 10), "lambda": range(0, 20, 5),
    },
    "paper": dict.fromkeys(("table", "rounding", "start", "lambda"), range(0, 1_000, 20)),
}  # fmt: skip
STEPPING = ("pgd", "ours_a=0", "ours_a=1", "ours_a=5")  # they leave as soon as they succeed: seconds for ten images

Attack = Callable[..., Tensor]


def units(profile: str) -> list[dict]:
    """Shards of the images for each kind of unit; `budget` names the iterations that the attacks are given."""
    shards = SHARDS[checks.one_of(profile, tuple(SHARDS), "profile")]
    return [
        {"what": what, "budget": profile, "first": first, "images": shard.step}
        for what, shard in shards.items()
        for first in shard
    ]


@dataclass(frozen=True)
class Case:
    """One image to attack: the classifier, Algorithm 1's cost, a key of `PERC_AL_N`, the image's place in the folder,
    which seeds random starts, its pixels x (1, 3, H, W) and label y (1,)."""

    model: nn.Module
    cost: Distance
    budget: str
    image: int
    x: Tensor
    y: Tensor


def run(*, what: str, budget: str, first: int, images: int) -> dict:
    """`cost`, the name of Algorithm 1's cost, and `rows`, what the function `KINDS[what]` gives about these images.

    Every row has `image` (its place in the folder) and `right`, whether the classifier gets it right as it is; images
    that it gets wrong have no other row. Raises FileNotFoundError where FAIRLIB_IMAGES is not set.
    """
    checks.one_of(what, tuple(KINDS), "what")
    x, y = (t.to(runtime.device()) for t in from_folder(first, images))
    model, cost = imagenet.pretrained(CLASSIFIER).to(x.device), ground_cost(budget)
    rows = []
    for i in range(len(x)):
        case = Case(model, cost, budget, first + i, x[i : i + 1], y[i : i + 1])
        right = bool(_right(model, case.x, case.y))
        found = KINDS[what](case) if right else [{"method": "none"}]
        rows += [{"image": case.image, "right": right} | _short(row) for row in found]
    return {"cost": cost.name, "rows": rows}


def from_folder(first: int, number: int) -> tuple[Tensor, Tensor]:
    """Images x (number, 3, 299, 299) and labels y from FAIRLIB_IMAGES, from the one at place `first` on."""
    folder = os.environ.get("FAIRLIB_IMAGES")
    if not folder:
        raise FileNotFoundError(
            "FAIRLIB_IMAGES is not set; let it name a folder of photographs with their labels (see fairlib.data), best "
            "the 1,000 of the NIPS 2017 competition, which the paper attacks"
        )
    x, y = data.photographs(Path(folder), size=SIZE)
    if len(x) < first + number:
        raise ValueError(f"{folder} holds {len(x)} images, expected {first + number} or more for this unit")
    return x[first : first + number], y[first : first + number]


def ground_cost(budget: str) -> Distance:
    """The cost of Algorithm 1: PieAPP with the full budget where its weights are at hand, else `SUBSTITUTE`."""
    if checks.one_of(budget, tuple(PERC_AL_N), "budget") == "paper":
        try:
            return perceptual.distance("PieAPP")
        except FileNotFoundError:
            pass
    return perceptual.distance(SUBSTITUTE)


def methods(case: Case, cost: Distance, bounding: Distance) -> dict[str, Attack]:
    """Table 1's rows as attacks (model, x, y) -> x_adv; `cost` is Algorithm 1's, `bounding` PPGD's and LPA's distance.

    All stop at the same sign of success, another class in the lead, but for Algorithm 1 with a = 1 and a = 5. PPGD and
    LPA start at a random point, as in their own paper.
    """
    bounded = {"bound": BOUND, "distance": bounding, "confidence": 0.0}
    return {
        "perc_al": partial(attacks.perc_al, iterations=PERC_AL_N[case.budget]),
        "pgd": attacks.pgd_l2,
        "ppgd": partial(attacks.ppgd, **bounded, generator=runtime.generator(case.image)),
        "lpa": partial(attacks.lpa, **bounded, generator=runtime.generator(case.image)),
        **{f"ours_a={a}": partial(attacks.perceptual, cost=cost, confidence=float(a)) for a in (0, 1, 5)},
    }


def judges() -> list[Distance]:
    """The perceptual distances that the judges of `JUDGES` go by, and the saliency model."""
    return [*map(perceptual.distance, JUDGES.values()), SALIENCY]


def stepping(case: Case, names: Sequence[str] = STEPPING) -> list[dict]:
    """The image under these methods: the rows of `measured`, all judges, and what each attack took.

    That is `forwards` and `backwards` of the classifier, and `looks` of the distance that is climbed or kept to.
    """
    return _under(case, names)[0]


def table(case: Case) -> list[dict]:
    """All of table 1: the rows of `stepping`, each with `jpeg` and `bits`, lists over `QUALITIES` and `BITS`, 1 where
    the classifier is right about the attacked image behind the defence. Method `none` has these two of the clean image.
    """
    rows, attacked = _under(case, METHODS)
    return [
        *(row | defended(case.model, attacked[row["method"]], case.y) for row in rows),
        {"method": "none"} | defended(case.model, case.x, case.y),
    ]


def _under(case: Case, names: Sequence[str]) -> tuple[list[dict], dict[str, Tensor]]:
    attacked, took = {}, {}
    for name in names:
        (cost, looks), (bounding, more) = map(photographs.count_looks, (case.cost, perceptual.distance(SUBSTITUTE)))
        attacked[name], count = _tried(case, methods(case, cost, bounding)[name])
        took[name] = vars(count) | {"looks": looks.forwards + more.forwards}
    return [row | took[row["method"]] for row in measured(case, attacked, judges())], attacked


def rounding(case: Case) -> list[dict]:
    """PGD and Algorithm 1 with each way to round: the rows of `measured`, no judges, with `quantise` and `steps`."""
    rows = []
    for quantise in ROUNDINGS:
        given = methods(case, case.cost, case.cost)
        tried = {name: _tried(case, partial(given[name], quantise=quantise)) for name in STEPPING}
        found = measured(case, {name: x_adv for name, (x_adv, _) in tried.items()}, [])
        rows += [row | {"quantise": quantise, "steps": tried[row["method"]][1].backwards} for row in found]
    return rows


def start(case: Case) -> list[dict]:
    """PPGD and LPA from the image itself, and `noise`, their random start alone: the rows of `measured`, all judges."""
    own = perceptual.distance(SUBSTITUTE)
    given = methods(case, case.cost, own)
    attacked = {name: _tried(case, partial(given[name], generator=None))[0] for name in ("ppgd", "lpa")}
    noise = torch.randn(case.x.shape, generator=runtime.generator(case.image)).to(case.x)
    return measured(case, attacked | {"noise": (case.x + START_NOISE * noise).clamp(0, 1)}, judges())


def sweep(case: Case) -> list[dict]:
    """Algorithm 1 with a = 0 and a = 5 over `LAMBDAS`: the rows of `measured`, LPIPS and DISTS, with `lam`, `steps`,
    `loss` and `cost` at the end, `loss_before` and `cost_before` at the start."""
    seen, rows = [perceptual.distance(JUDGES[name]) for name in SCALE], []
    before = {"loss_before": _loss(case, case.x), "cost_before": case.cost(case.x, case.x).item()}
    for name in ("ours_a=0", "ours_a=5"):
        attack = methods(case, case.cost, case.cost)[name]
        tried = {lam: _tried(case, partial(attack, cost_weight=lam)) for lam in LAMBDAS}
        for row in measured(case, {lam: x_adv for lam, (x_adv, _) in tried.items()}, seen):
            x_adv, count = tried[lam := row["method"]]
            after = {"loss": _loss(case, x_adv), "cost": case.cost(case.x, x_adv).item()}
            rows.append(row | {"method": name, "lam": lam, "steps": count.backwards} | before | after)
    return rows


KINDS = {"table": table, "stepping": stepping, "rounding": rounding, "start": start, "lambda": sweep}


def _tried(case: Case, attack: Attack) -> tuple[Tensor, photographs.Count]:
    """What an attack makes of the image, and the passes that it takes."""
    with photographs.count_passes(case.model) as count:
        return attack(case.model, case.x, case.y), count


def measured(case: Case, attacked: Mapping[str, Tensor], seen: Sequence[Distance]) -> list[dict]:
    """A row per method: `method`, `success`, the norms, these judges by table 1's names and scales, and `off_grid`.

    The last is how far the farthest pixel lies from a multiple of 1/255, in levels.
    """
    rows = photographs.measure(case.model, case.x, case.y, attacked, seen)
    rows = rows.drop(columns=["image", "right"]).rename(columns={metric: name for name, metric in JUDGES.items()})
    for name in SCALE.keys() & set(rows):
        rows[name] *= SCALE[name]
    rows["off_grid"] = [(255 * x_adv - (255 * x_adv).round()).abs().max().item() for x_adv in attacked.values()]
    return rows.to_dict("records")


def defended(model: nn.Module, x: Tensor, y: Tensor) -> dict[str, list[int]]:
    """Whether one image comes out right under each setting of figure 4."""
    settings = {
        "jpeg": [defenses.jpeg(x, quality) for quality in QUALITIES],
        "bits": [defenses.bit_depth(x, bits) for bits in BITS],
    }
    return {name: _right(model, torch.cat(made), y.expand(len(made))).int().tolist() for name, made in settings.items()}


def _right(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return photographs.predict(model, x) == y


def _loss(case: Case, x: Tensor) -> float:
    with torch.no_grad():
        return cross_entropy(case.model(x), case.y).mean().item()


def _short(row: dict) -> dict:
    """Six digits of what was measured: a record holds thousands of these."""
    return {key: float(f"{value:.6g}") if isinstance(value, float) else value for key, value in row.items()}
