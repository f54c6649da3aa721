"""The kinds of effect that a choice has, each a row of `choices.measured`."""

from collections.abc import Sequence

import pandas as pd

from fairlib import bootstrap, intervals
from fairlib.book.experiments import shared

OUTCOMES = ("LPIPS", "L2")  # of table 1; a record without judges has the norms alone
# What a method, network or defence is called on the page, and a chapter in a link.
NAMES = {
    **{"perc_al": "PerC-AL", "pgd": "PGD", "ppgd": "PPGD", "lpa": "LPA", "ours": "Alg. 1"},
    **{f"ours_a={a}": f"Alg. 1, a = {a}" for a in (0, 1, 5)},
    **{"LeNet5": "LeNet-5", "FullyConnected": "fully-connected", "jpeg": "JPEG", "bits": "bit depth"},
}

LEVEL = 0.01  # by how many levels of 256 a value may miss one and still be stored as it is

Rows = list[dict]


class Missing(LookupError):
    """There is no record that measures a choice; the message says which one it would take."""


def number(variant: str, found: dict) -> dict:
    told = {"variant": variant, "outcome": "", "kind": "number", "of": found["n"], "off_levels": False}
    return told | {k: found[k] for k in ("value", "low", "high", "n")}


def share(variant: str, outcome: str, found: dict) -> dict:
    return number(variant, found) | {"outcome": outcome, "kind": "share"}


def times(variant: str, switched: pd.DataFrame, default: pd.DataFrame, columns: Sequence[str] = OUTCOMES) -> Rows:
    """Mean of each column with the switch over its mean without, over the images on which both succeed.

    Rows of `table1`, one per image on either side; a column that either lacks is left out. Fewer than two images in
    common give nothing. `of` counts the images that both attack, `off_levels` is whether a picture of either side would
    change in a file, where `off_grid` was recorded.
    """
    tried = switched.merge(default, on="image", suffixes=("", " before"))
    both = tried[tried["success"] & tried["success before"]]
    columns = [c for c in columns if f"{c} before" in both]
    if len(both) < 2:
        return []
    told = {"kind": "times", "of": len(tried)}
    told["off_levels"] = bool(both.filter(like="off_grid").gt(LEVEL).any(axis=None))
    return [
        number(variant, bootstrap.ratio(both[c], both[f"{c} before"])) | told | {"outcome": c} for c in columns
    ]  # fmt: skip


def unpaired(first: pd.Series, second: pd.Series) -> dict[str, float]:
    """Difference of two shares, `right` of `n`, of which it is not known on which images they agree (Newcombe 1998)."""
    counts = [(int(rows["right"]), int(rows["n"])) for rows in (first, second)]
    return shared.more_often(*counts) | {"n": counts[0][1]}


def success(variant: str, switched: pd.DataFrame, default: pd.DataFrame) -> Rows:
    """The success rate with the switch minus that without, on the same images."""
    both = switched.merge(default, on="image")
    with_, without = both["success_x"], both["success_y"]
    value, low, high = intervals.paired(int((with_ & ~without).sum()), int((without & ~with_).sum()), len(both))
    return [share(variant, "success", {"value": value, "low": low, "high": high, "n": len(both)})]


def method(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    return rows[rows["method"] == name]
