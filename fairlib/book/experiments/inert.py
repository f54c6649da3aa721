"""Why does lambda = 1 do nothing? Algorithm 1 with costs whose slope does not vanish near the image.

Second paper, section 3.2. For the chapter `beyond`; photographs, classifier and judges are those of `table1`, whose
sweep over lambda has the squared cost.
"""

from functools import partial

import pandas as pd
import torch

from fairlib import attacks, bootstrap, checks, imagenet, perceptual, photographs, runtime
from fairlib.attacks import cross_entropy
from fairlib.book import runner
from fairlib.book.experiments import table1
from fairlib.perceptual import Distance

LAMBDAS = (1.0, 10.0, 100.0)
CONFIDENCES = (0, 5)
FREE, SQUARED, ROOT, NORM = "none", "LPIPS", "root of LPIPS", "norm without heads"
SHARDS = {"embedded": range(0, 20, 5), "paper": range(0, 60, 5)}


def costs() -> dict[str, Distance]:
    """By name LPIPS on AlexNet, its root, and the norm of the difference of the features without learned heads."""
    lpips = perceptual.distance(table1.SUBSTITUTE)
    return {
        SQUARED: lpips,
        ROOT: perceptual.rooted(lpips),
        NORM: perceptual.rooted(perceptual.unweighted_lpips()),
    }


def units(profile: str) -> list[dict]:
    """Shards of table 1's first images."""
    return [{"first": first, "images": 5} for first in SHARDS[checks.one_of(profile, tuple(SHARDS), "profile")]]


def run(*, first: int, images: int) -> dict:
    """`rows`: of each image `right`, and of those that are right what `tried` gives."""
    x, y = (t.to(runtime.device()) for t in table1.from_folder(first, images))
    model, known = imagenet.pretrained(table1.CLASSIFIER).to(x.device), costs()
    rows = []
    for i in range(len(x)):
        case = table1.Case(model, known[SQUARED], "embedded", first + i, x[i : i + 1], y[i : i + 1])
        right = bool(photographs.predict(model, case.x) == case.y)
        rows += [{"image": case.image, "right": right} | row for row in (tried(case, known) if right else [{}])]
    return {"rows": rows}


def tried(case: table1.Case, known: dict[str, Distance]) -> list[dict]:
    """One image under Algorithm 1: `measured` of table 1 with LPIPS, for each `a`, `cost` and `lam`,
    first without a cost, where the latter are "none" and 0; `steps`, and `same`, whether it is the image made without.

    And for each cost `loss_slope`, the norm of the loss's gradient after the first step, and `cost_slope`, the cost's.
    """
    rows, judges = [], [perceptual.distance(table1.JUDGES["LPIPS"])]
    settings = {FREE: (known[SQUARED], 0.0)}
    settings |= {f"{name}, {lam:g}": (known[name], lam) for name in (ROOT, NORM) for lam in LAMBDAS}
    for a in CONFIDENCES:
        made, steps = {}, {}
        for name, (cost, lam) in settings.items():
            attack = partial(attacks.perceptual, cost=cost, cost_weight=lam, confidence=float(a))
            with photographs.count_passes(case.model) as count:
                made[name] = attack(case.model, case.x, case.y)
            steps[name] = count.backwards
        for row in table1.measured(case, made, judges):
            name = row.pop("method")
            same = bool(torch.equal(made[name], made[FREE]))
            told = {"a": a, "cost": name.split(",")[0], "lam": settings[name][1]}
            rows.append(told | {"steps": steps[name], "same": same} | row)
    return rows + [slopes(case, name, cost) for name, cost in known.items()]


def slopes(case: table1.Case, name: str, cost: Distance) -> dict[str, object]:
    """How steep loss and cost are after the first step of Algorithm 1, which no cost has a part in."""
    point = attacks.perceptual(case.model, case.x, case.y, cost=cost, cost_weight=0.0, iterations=1).requires_grad_()
    (loss,) = torch.autograd.grad(cross_entropy(case.model(point), case.y).sum(), point)
    (price,) = torch.autograd.grad(cost.between(cost.features(case.x), point).sum(), point)
    return {"slopes_of": name, "loss_slope": loss.norm().item(), "cost_slope": price.norm().item()}


# --- What the records say. --------------------------------------------------------------------------------------------


def recorded() -> pd.DataFrame:
    """The rows of the attacks, each image once. FileNotFoundError without records."""
    rows = runner.results("inert").dropna(subset=["cost"])
    return rows.drop_duplicates(["image", "a", "cost", "lam"]).astype({"a": int, "same": bool, "success": bool})


def steepness() -> pd.DataFrame:
    """Of each cost the mean `loss_slope` and `cost_slope` over the images, each a dict as `bootstrap.mean` gives it."""
    rows = runner.results("inert").dropna(subset=["slopes_of"]).drop_duplicates(["image", "slopes_of"])
    by = rows.groupby("slopes_of", sort=False)
    return pd.DataFrame({c: {name: bootstrap.mean(v) for name, v in by[c]} for c in ("loss_slope", "cost_slope")})


def change(cost: str, lam: float, a: int) -> dict[str, float]:
    """LPIPS with this cost minus the same without, over the images on which both succeed."""
    rows = recorded().query("a == @a and success")
    both = [
        rows.query("cost == @name and lam == @at").set_index("image")["LPIPS"]
        for name, at in ((cost, lam), (FREE, 0.0))
    ]
    wide = pd.concat(both, axis=1, join="inner")
    return bootstrap.difference(wide.iloc[:, 0], wide.iloc[:, 1])
