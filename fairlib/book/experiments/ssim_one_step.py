"""The one-step SSIM attack beside one step of PGD of the same L2, on all digits that a network gets right.

Second paper, section 3.1 and figure 2.
"""

import pandas as pd
import torch
from torch import Tensor

from fairlib import checks, data, intervals, training
from fairlib.attacks import answers, gradient_and_right, margin, ssim, step_factor
from fairlib.book import runner
from fairlib.book.experiments.shared import exact, interval, mean
from fairlib.perceptual import distance

NETWORKS = ("LeNet5", "FullyConnected")
L2 = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
FIGURE_L2 = 2.0  # where figure 2 and the ledger look
RIM = 5  # pixels: as far as a window of 11 reaches to either side
BATCH = 500


def units(profile: str) -> list[dict]:
    """Both networks, in both profiles."""
    checks.one_of(profile, ("embedded", "paper"), "profile")
    return [{"network": network} for network in NETWORKS]


def run(*, network: str) -> dict:
    """From the shipped network and all MNIST test images that it gets right.

    `rows`, one for each `attack` (`ssim`, `ssim, inside`, `pgd`) and `L2`: `right` (turned), `n`, and mean and 95 %
    interval of the `SSIM` to the original and of `rim`, the share of the squared change that lies within 5 pixels of an
    edge. `quantities`: what the ledger asks, by its names, and two more.
    """
    model = training.shipped(network, "MNIST")
    x, y = data.load("MNIST", "test")
    means = class_means()
    seen = pd.concat(
        [attacked(model, *batch, means) for batch in zip(x.split(BATCH), y.split(BATCH), strict=True)],
        ignore_index=True,
    )
    seen["image"] = seen.groupby(["attack", "L2"]).cumcount()
    rows = [
        {"attack": attack, "L2": eps, "right": int(one["turned"].sum()), "n": len(one)}
        | {f"{name}{end}": v for name in ("SSIM", "rim") for end, v in _mean(one[name]).items()}
        for (attack, eps), one in seen.groupby(["attack", "L2"], sort=False)
    ]
    return {"rows": rows, "quantities": quantities(seen)}


def class_means() -> Tensor:
    """The mean training image of each digit, (10, 1, 28, 28)."""
    x, y = data.load("MNIST", "train")
    return torch.stack([x[y == c].mean(0) for c in range(10)])


def attacked(model: torch.nn.Module, x: Tensor, y: Tensor, means: Tensor) -> pd.DataFrame:
    """Every attack and L2 on the images x (N, 1, 28, 28) that the model gets right: a row for each of them and each.

    `turned`: the model is wrong now. `length`: the L2 of what was done. `SSIM` to the original. `surrogate`:
    g'd - (lambda/2) d'Hd of the clipped step d, with the Hessian of the attack `ssim` and the lambda at which it goes
    as far. `resemblance`: SSIM to the mean image of the class that the model now sees; `toward`: cosine between d and
    the way from the mean image of the true class to that one. `rim`: see `run`.
    """
    g, right = gradient_and_right(model, x, y)
    with torch.no_grad():
        m = margin(answers(model, x), y).double()
    g = m.sigmoid().view(-1, 1, 1, 1) * g.double()  # the loss's gradient, from the margin's
    x, y, g = x[right], y[right], g[right]
    exactly, judge = x.double(), distance("SSIM")
    apply, _ = ssim.hessian(exactly, ssim.mirrored(x))
    steps = {"ssim": ssim.direction(exactly, g), "ssim, inside": ssim.direction(exactly, g, ssim.inside), "pgd": g}
    found = []
    for eps in L2:
        lam = 1 / step_factor(exactly, steps["ssim"], eps).flatten()
        for attack, step in steps.items():
            x_adv = (exactly + step_factor(exactly, step, eps) * step).clamp(0, 1)
            d = x_adv - exactly
            x_adv = x_adv.float()
            with torch.no_grad():
                answer = model(x_adv).argmax(1)
            inner = d[..., RIM:-RIM, RIM:-RIM]
            columns = {
                "turned": answer != y,
                "length": d.flatten(1).norm(dim=1),
                "SSIM": 1 - judge(x, x_adv),
                "surrogate": dot(g, d) - lam / 2 * dot(d, apply(d)),
                "resemblance": 1 - judge(means[answer], x_adv),
                "toward": torch.cosine_similarity(d.flatten(1), (means[answer] - means[y]).flatten(1).double()),
                "rim": 1 - dot(inner, inner) / dot(d, d),
            }
            found.append(pd.DataFrame({k: v.numpy() for k, v in columns.items()}).assign(attack=attack, L2=eps))
    return pd.concat(found)


def quantities(seen: pd.DataFrame) -> dict[str, dict]:
    """What the ledger asks of one network, from the rows of `attacked` with the number of the `image`.

    Beside it `pgd_minus_ssim/toward`, and `pgd_minus_ssim/success`, at the same L2.
    """
    wide = seen.pivot_table(index=["L2", "image"], columns="attack")
    both_long = wide["length"][["ssim", "pgd"]]
    at = wide.loc[FIGURE_L2]
    turned = at["turned"][["ssim", "pgd"]].astype(bool)
    both = turned.all(axis=1)

    def gap(name: str, first: str, second: str, rows: pd.DataFrame) -> dict:
        return mean(torch.tensor((rows[name][first] - rows[name][second]).to_numpy()))

    only = [int((turned[a] & ~turned[b]).sum()) for a, b in (("pgd", "ssim"), ("ssim", "pgd"))]
    success = interval(*intervals.paired(*only, len(at)))
    share = intervals.with_interval(pd.DataFrame({"right": [int(both.sum())], "n": [len(at)]})).iloc[0]
    ratio = (both_long.max(axis=1) / both_long.min(axis=1)).max()
    return {
        "L2_ratio": exact(float(ratio)) | {"n": len(at)},
        "share_both_succeed": {"value": share["accuracy"], "low": share["low"], "high": share["high"], "n": len(at)},
        "ssim_minus_pgd/SSIM": gap("SSIM", "ssim", "pgd", at),
        "ssim_minus_pgd/surrogate": gap("surrogate", "ssim", "pgd", at),
        "pgd_minus_ssim/resemblance": gap("resemblance", "pgd", "ssim", at[both]),
        "pgd_minus_ssim/toward": gap("toward", "pgd", "ssim", at[both]),
        "pgd_minus_ssim/success": success | {"n": len(at)},
        "largest_SSIM": exact(float(seen["SSIM"].max())) | {"n": len(at)},
    }


SHOWN = {  # the quantities of the ledger, and the end of their interval that is nearer to refuting the claim
    "L2_ratio": max,
    "share_both_succeed": min,
    "ssim_minus_pgd/SSIM": min,
    "ssim_minus_pgd/surrogate": min,
    "pgd_minus_ssim/resemblance": min,
    "largest_SSIM": max,
}


def estimates() -> dict[str, dict]:
    """The quantities that the ledger asks of this chapter (data/claims/README.md), each from one network's record.

    From that of the two networks that speaks less for the claim; where they disagree, from the other one as well.
    """
    found = [record["result"]["quantities"] for record in runner.records("ssim_one_step")]
    basis = f"the worse of {len(found)} networks, one training of each; all test images that it gets right"
    shown = {"anchor": "ssim-one-step-verdict", "record": "results/ssim_one_step", "basis": basis, "units": len(found)}
    end = {max: "high", min: "low"}
    quantities = {
        name: worse((each[name] for each in found), key=lambda e, worse=worse: e[end[worse]]) | shown
        for name, worse in SHOWN.items()
    }
    name = "pgd_minus_ssim/resemblance"
    better = max((each[name] for each in found), key=lambda e: e["low"])
    return quantities | {f"better/{name}": better | shown | {"basis": basis.replace("worse", "better")}}


def dot(u: Tensor, v: Tensor) -> Tensor:
    """The inner product, image by image: (n, 1, H, W) twice -> (n,)."""
    return (u * v).sum((1, 2, 3))


def _mean(values: pd.Series) -> dict[str, float]:
    found = mean(torch.tensor(values.to_numpy()))
    return {"": found["value"], "_low": found["low"], "_high": found["high"]}
