"""Table 1's rivals in other settings: PPGD and LPA as their authors ran them, and PGD with confidence.

Second paper, section 3.2, table 1 and figure 4. For the chapters `table1` and `compression`, which read the records.
The photographs, the classifier, the judges and the defences are those of `table1`.
"""

from collections.abc import Callable
from functools import partial

from torch import Tensor

from fairlib import attacks, checks, imagenet, perceptual, photographs, runtime
from fairlib.book.experiments import table1

# Laidlaw et al.'s evaluation on ImageNet: epsilon = 0.5 on the root of their distance; 40 iterations, a margin of 1 and
# (for LPA) five searches are the defaults of both attacks.
BOUND = 0.5**2
STARTS = {"noise": True, "image": False}  # where the two attacks start; noise, as in their authors' paper and code
BOUNDED = ("ppgd", "lpa")
LEADS = (5, 10)  # PGD's confidence: how far it goes until it is as far by LPIPS as Algorithm 1
SEEN = {"own": ("LPIPS", "DISTS"), "confident": ("LPIPS",)}  # judges
# Kind of unit: the first image of each, and how many it takes.
SHARDS = {
    "embedded": {"own": range(0, 25, 5), "confident": range(0, 40, 5)},
    "paper": dict.fromkeys(("own", "confident"), range(0, 1_000, 20)),
}

Attack = Callable[..., Tensor]


def units(profile: str) -> list[dict]:
    """Shards of the images for each kind of unit."""
    shards = SHARDS[checks.one_of(profile, tuple(SHARDS), "profile")]
    return [{"what": what, "first": first, "images": shard.step} for what, shard in shards.items() for first in shard]


def run(*, what: str, first: int, images: int) -> dict:
    """`rows`: of each image (its place in the folder) `right`, whether the classifier gets it right as it is.

    Of these images a row per `method` of `ATTACKS[what]`: those of `table1.measured` with the judges of `SEEN`, and
    `jpeg` and `bits`, whether the classifier is right about the attacked image behind each setting of figure 4.
    """
    checks.one_of(what, tuple(ATTACKS), "what")
    x, y = (t.to(runtime.device()) for t in table1.from_folder(first, images))
    model = imagenet.pretrained(table1.CLASSIFIER).to(x.device)
    judges = [perceptual.distance(table1.JUDGES[name]) for name in SEEN[what]]
    rows = []
    for i in range(len(x)):
        case = table1.Case(
            model, perceptual.distance(table1.SUBSTITUTE), "embedded", first + i, x[i : i + 1], y[i : i + 1]
        )
        right = bool(photographs.predict(model, case.x) == case.y)
        rows += [
            {"image": case.image, "right": right} | row for row in (attacked(case, what, judges) if right else [{}])
        ]
    return {"rows": rows}


def attacked(case: table1.Case, what: str, judges: list[perceptual.Distance]) -> list[dict]:
    """The rows of one image."""
    found = {name: attack(case.model, case.x, case.y) for name, attack in ATTACKS[what](case).items()}
    rows = table1.measured(case, found, judges)
    return [row | table1.defended(case.model, found[row["method"]], case.y) for row in rows]


def own(case: table1.Case) -> dict[str, Attack]:
    """PPGD and LPA with their authors' distance, bound and budget, from either start: `ppgd, noise` and so on."""
    options = {"bound": BOUND, "distance": perceptual.unweighted_lpips()}
    return {
        f"{name}, {start}": partial(
            getattr(attacks, name), **options, generator=runtime.generator(case.image) if noisy else None
        )
        for name in BOUNDED
        for start, noisy in STARTS.items()
    }


def confident(case: table1.Case) -> dict[str, Attack]:
    """PGD until another class leads by so many logits: `pgd_a=5` and so on."""
    return {f"pgd_a={a}": partial(attacks.pgd_l2, confidence=float(a)) for a in LEADS}


ATTACKS = {"own": own, "confident": confident}
