"""Table 1 with two settings switched: how far Algorithm 1 steps, and the lead that PerC-AL asks for.

Second paper, section 3.2. For the pages of table 1, which read the records. The attacks are those of `table1`, on the
photographs that come with the book, so that anybody can run this again.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from fairlib import checks, data, files, imagenet, perceptual, photographs, runtime
from fairlib.attacks import cross_entropy
from fairlib.book.experiments import table1

SIZE = 224
STEPS = (0.1, 0.03, 0.01)  # eps of Algorithm 1, line 8; the first is the paper's
LEADS = (0, 40)  # kappa of PerC-AL, logits; the second is its authors' where a confidence is asked for
JUDGES = ("LPIPS", "DISTS")
SHARDS = {"steps": range(0, 24, 4), "leads": range(0, 24, 2)}  # kind of unit: the first photograph of each

Attack = Callable[..., Tensor]


def units(profile: str) -> list[dict]:
    """Shards of the book's photographs for each kind of unit; of the slow leads two, where not all are asked for."""
    checks.one_of(profile, runtime.PROFILES, "profile")
    some = SHARDS if profile == "paper" else SHARDS | {"leads": SHARDS["leads"][:2]}
    return [{"what": what, "first": i, "images": shard.step} for what, shard in some.items() for i in shard]


def run(*, what: str, first: int, images: int) -> dict:
    """`rows`: of each photograph (its place among the book's) `right`, whether the classifier gets it right as it is.

    Of these a row for each `method` of `tried`: those of `table1.measured` with `JUDGES`, and `gradient`, the L2 length
    of the cross-entropy's gradient at the photograph.
    """
    checks.one_of(what, tuple(SHARDS), "what")
    every = data.photographs(files.root() / "photographs", size=SIZE)
    x, y = (t[first : first + images].to(runtime.device()) for t in every)
    model = imagenet.pretrained(table1.CLASSIFIER).to(x.device)
    cost = perceptual.distance(table1.SUBSTITUTE)
    judges = [perceptual.distance(table1.JUDGES[name]) for name in JUDGES]
    rows = []
    for i in range(len(x)):
        case = table1.Case(model, cost, "embedded", first + i, x[i : i + 1], y[i : i + 1])
        right = bool(photographs.predict(model, case.x) == case.y)
        found = attacked(case, what, judges) if right else [{}]
        rows += [{"image": case.image, "right": right} | row for row in found]
    return {"rows": rows}


def attacked(case: table1.Case, what: str, judges: list[perceptual.Distance]) -> list[dict]:
    """The rows of one photograph."""
    found = {name: attack(case.model, case.x, case.y) for name, attack in tried(case, what).items()}
    long = length(case)
    return [row | {"gradient": long} for row in table1.measured(case, found, judges)]


def tried(case: table1.Case, what: str) -> dict[str, Attack]:
    """The attacks (model, x, y) -> x_adv of one kind of unit, by name."""
    given = table1.methods(case, case.cost, case.cost)
    if what == "leads":
        return {f"lead={lead}": partial(given["perc_al"], confidence=float(lead)) for lead in LEADS}
    steps = {f"eps={eps}": partial(given["ours_a=0"], step_size=eps) for eps in STEPS}
    return {name: given[name] for name in ("pgd", "ours_a=1")} | steps


def length(case: table1.Case) -> float:
    """The L2 length of the gradient that PGD and Algorithm 1 climb, at the photograph."""
    leaf = case.x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(cross_entropy(case.model(leaf), case.y).sum(), leaf)
    return gradient.norm().item()
