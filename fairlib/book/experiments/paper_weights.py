"""PGD and Algorithm 1 with the second paper's own weights: ResNet-50 attacked, PieAPP for a cost. For chapter `table1`.

No package carries these weights: `python -m fairlib fetch` has them where there is a network. So the units are those of
the `paper` profile alone.
"""

from functools import partial

from fairlib import attacks, checks, imagenet, perceptual, photographs, runtime
from fairlib.book.experiments import table1

CLASSIFIER, COST = "ResNet-50", "PieAPP"
FREE = "ours_a=0, no cost"  # Algorithm 1 with lambda = 0
SHARDS = {"embedded": (), "paper": range(0, 60, 5)}


def units(profile: str) -> list[dict]:
    """Shards of table 1's first images; none in the profile that must run without a network."""
    return [{"first": first, "images": 5} for first in SHARDS[checks.one_of(profile, tuple(SHARDS), "profile")]]


def run(*, first: int, images: int) -> dict:
    """`rows`: of each image `right`, and of those that are right the rows of `table1.measured`, a row per method, with
    LPIPS, DISTS and the `cost`."""
    x, y = (t.to(runtime.device()) for t in table1.from_folder(first, images))
    model, cost = imagenet.pretrained(CLASSIFIER).to(x.device), perceptual.distance(COST)
    judges = [perceptual.distance(table1.JUDGES[name]) for name in table1.SCALE]
    rows = []
    for i in range(len(x)):
        case = table1.Case(model, cost, "paper", first + i, x[i : i + 1], y[i : i + 1])
        right = bool(photographs.predict(model, case.x) == case.y)
        rows += [{"image": case.image, "right": right} | row for row in (tried(case, judges) if right else [{}])]
    return {"rows": rows}


def tried(case: table1.Case, judges: list[perceptual.Distance]) -> list[dict]:
    """The rows of one image."""
    every = table1.methods(case, case.cost, perceptual.distance(table1.SUBSTITUTE))
    chosen = {name: every[name] for name in table1.STEPPING}
    chosen[FREE] = partial(attacks.perceptual, cost=case.cost, cost_weight=0.0)
    made = {name: attack(case.model, case.x, case.y) for name, attack in chosen.items()}
    rows = table1.measured(case, made, judges)
    return [row | {"cost": case.cost(case.x, made[row["method"]]).item()} for row in rows]
