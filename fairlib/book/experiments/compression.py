"""Attacked images behind JPEG and fewer bits, from the records of table 1. Second paper, section 3.2, figure 4.

Nothing is attacked again: `table1` records for each image and method whether the classifier is right behind a defence.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from torch import Tensor, nn

from fairlib import bootstrap, photographs
from fairlib.book.experiments import shared, table1

SETTINGS = {"jpeg": table1.QUALITIES, "bits": table1.BITS}
CLEAN = "none"  # the method that attacks nothing
PAIRS = [
    *(
        (defence, *two)
        for defence in SETTINGS
        for two in (
            ("ours_a=5", "ppgd"), ("ours_a=5", "lpa"), ("ours_a=0", "pgd"), ("ours_a=1", "ours_a=0"),
            ("ours_a=5", "ours_a=1"),
        )
    ),
    ("jpeg", "ours_a=1", "perc_al"),
]  # fmt: skip
UNEQUAL = ("ours_a=0", "pgd")  # the one pair that the paper calls similar, which is judged at equal LPIPS
CURVES = {"pgd": ("pgd", "pgd_a=5", "pgd_a=10"), "ours": ("ours_a=0", "ours_a=1", "ours_a=5")}  # ever farther


def outcomes(rows: pd.DataFrame) -> pd.DataFrame:
    """A row per image, `method`, `defence` and `setting`: `success`, the classifier is wrong behind the defence.

    `rows` are those of `table1.table`; images that the classifier gets wrong without attack and defence do not count.
    """
    rows = rows[rows["right"].astype(bool)]
    found = [
        rows[["image", "method"]].assign(defence=defence, setting=setting, success=rows[defence].str[i] == 0)
        for defence, settings in SETTINGS.items()
        for i, setting in enumerate(settings)
    ]
    return pd.concat(found, ignore_index=True)


def recorded() -> pd.DataFrame:
    """`outcomes` of the records. Raises FileNotFoundError where there are none."""
    return outcomes(table1.recorded("table"))


def live(model: nn.Module, x: Tensor, y: Tensor, attacked: Mapping[str, Tensor]) -> pd.DataFrame:
    """`outcomes` of these images: x (N, 3, H, W), all of which the model gets right, and x_adv by method."""
    rows = [
        {"image": i, "method": method, "right": True} | table1.defended(model, z[i : i + 1], y[i : i + 1])
        for method, z in {CLEAN: x, **attacked}.items()
        for i in range(len(x))
    ]
    return outcomes(pd.DataFrame(rows))


def curves(found: pd.DataFrame) -> pd.DataFrame:
    """Figure 4's lines: per defence, setting and method the success rate, `value`, `low`, `high`, over `n` images."""
    groups = found.groupby(["defence", "setting", "method"], sort=False)["success"]
    rates = {key: photographs.success_rate(success) for key, success in groups}
    return pd.DataFrame.from_dict(rates, orient="index").rename_axis(groups.keys).reset_index()


def averaged(found: pd.DataFrame, defence: str) -> pd.DataFrame:
    """The share of a defence's settings at which each image is a success: a row per image, a column per method."""
    return found[found["defence"] == defence].pivot_table("success", "image", "method")


def pair(found: pd.DataFrame, defence: str, first: str, second: str) -> dict[str, float]:
    """Mean of first - second of `averaged` over the images, with interval and p."""
    both = averaged(found, defence)[[first, second]]
    return bootstrap.difference(both[first], both[second])


def lead(found: pd.DataFrame, defence: str, method: str) -> dict[str, float]:
    """By how much a method's mean of `averaged` exceeds that of the best other one."""
    withstood = 1 - averaged(found, defence)[list(table1.METHODS)]  # `margin` looks for the smallest mean
    return bootstrap.margin(withstood, method)


def confident() -> pd.DataFrame:
    """Table 1's attacks, and PGD with confidence, on the images that have all. FileNotFoundError without records."""
    here = table1.tried(shared.of_kind("rivals", "confident").dropna(subset=["method"]))
    there = table1.tried(table1.recorded("table"))
    return pd.concat([there[there["image"].isin(here["image"])], here], ignore_index=True)


def at_equal_lpips(rows: pd.DataFrame, defence: str, method: str, curve: tuple[str, ...]) -> dict[str, float] | None:
    """How much more often a method succeeds behind a defence than those of the curve do at its mean LPIPS.

    `curve`: methods that go ever farther. Between those two whose mean LPIPS lie around the method's, success averaged
    over the settings is interpolated linearly; each draw of images does so anew. Over the images on which all of them
    succeed without a defence. None where the method's mean LPIPS lies outside the curve.
    """
    rows = rows[rows["success"]]
    rows = rows.assign(rate=[1 - sum(one) / len(one) for one in rows[defence]])
    names = [method, *curve]
    far, rate = (rows.pivot_table(c, "image", "method").reindex(columns=names).dropna() for c in ("LPIPS", "rate"))
    means = far.mean()
    if not means[curve[0]] <= means[method] <= means[curve[-1]]:
        return None

    def gap(*of: np.ndarray, axis: int) -> np.ndarray:
        (at, *fars), (own, *rates) = np.split(np.stack([v.mean(axis) for v in of]), 2)
        value = rates[0]
        for k in range(1, len(fars)):
            value = value + ((at - fars[k - 1]) / (fars[k] - fars[k - 1])).clip(0, 1) * (rates[k] - rates[k - 1])
        return own - value

    return bootstrap.interval(gap, *(frame[name] for frame in (far, rate) for name in names))


def equal_lpips() -> dict[str, dict[str, float]]:
    """Algorithm 1 minus PGD and minus PPGD at equal mean LPIPS, behind each defence; what has no records is left out.

    Against PGD it is Algorithm 1 with a = 0, and PGD goes as far; against PPGD it is Algorithm 1 that goes as far.
    """
    found, rows = {}, table1.tried(table1.recorded("table"))
    for defence in SETTINGS:
        if against := at_equal_lpips(rows, defence, "ppgd", CURVES["ours"]):
            flipped = {"value": -against["value"], "low": -against["high"], "high": -against["low"]}
            found[f"{defence}/equal_lpips/ours_minus_ppgd"] = flipped | {"n": against["n"]}
    try:
        rows = confident()
    except FileNotFoundError:
        return found
    for defence in SETTINGS:
        if gap := at_equal_lpips(rows, defence, "ours_a=0", CURVES["pgd"]):
            found[f"{defence}/equal_lpips/ours_minus_pgd"] = gap
    return found


def beyond_start() -> dict[str, float]:
    """Mean LPIPS of PPGD minus that of its random start alone, over the photographs that have both and PPGD turns."""
    noise = table1.tried(table1.recorded("start")).query("method == 'noise'")
    turned = table1.tried(table1.recorded("table")).query("method == 'ppgd' and success")
    both = turned.merge(noise, on="image", suffixes=("", " alone"))
    return bootstrap.difference(both["LPIPS"], both["LPIPS alone"])


def estimates() -> dict[str, dict]:
    """The quantities that the ledger asks of this chapter (data/claims/README.md), from the records."""
    found = recorded()
    leads = {
        f"{defence}/margin/ours_a=5": table1.estimate(lead(found, defence, "ours_a=5"), "compression-lead")
        for defence in SETTINGS
    }
    pairs = {
        f"{defence}/{first}_minus_{second}": table1.estimate(pair(found, defence, first, second), "compression-pairs")
        for defence, first, second in PAIRS
        if (first, second) != UNEQUAL
    }
    equal = {key: table1.estimate(gap, "equal-lpips") for key, gap in equal_lpips().items()}
    try:
        beyond = {"equal_lpips/ppgd_minus_noise": table1.estimate(beyond_start(), "equal-lpips")}
    except FileNotFoundError:
        beyond = {}
    return leads | pairs | equal | beyond
