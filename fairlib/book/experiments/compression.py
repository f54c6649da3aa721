"""Attacked images behind JPEG and fewer bits, from the records of table 1. Second paper, section 3.2, figure 4.

Nothing is attacked again: `table1` records for each image and method whether the classifier is right behind a defence.
"""

from collections.abc import Mapping

import pandas as pd
from torch import Tensor, nn

from fairlib import bootstrap, photographs
from fairlib.book.experiments import table1

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
    }
    return leads | pairs
