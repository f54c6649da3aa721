"""What the records of table 1 say, beside what is printed, and what the ledger asks."""

from collections.abc import Mapping

import pandas as pd

from fairlib import bootstrap, photographs
from fairlib.book import claims, runner
from fairlib.book.experiments import shared
from fairlib.book.experiments.table1.cases import JUDGES, METHODS, NORMS, SCALE

PAIRS = [
    *(("ours_a=0", "pgd", norm) for norm in NORMS),
    *(("ours_a=0", other, judge) for other in ("perc_al", "ppgd", "lpa") for judge in SCALE),
    *(
        (*two, judge)
        for two in (
            ("ours_a=1", "perc_al"), ("ours_a=5", "ppgd"), ("ours_a=1", "ours_a=0"), ("ours_a=5", "ours_a=1"),
            ("pgd", "ours_a=0"),
        )
        for judge in SCALE
    ),
]  # fmt: skip
LEADS = [*(("ours_a=0", judge) for judge in (*JUDGES, "saliency")), *(("pgd", norm) for norm in NORMS)]


def recorded(what: str) -> pd.DataFrame:
    """The rows of one kind of unit; where both budgets were run, the paper's.

    Raises FileNotFoundError where there are none.
    """
    rows = shared.of_kind("table1", what)
    return rows[rows["budget"] == ("paper" if "paper" in set(rows["budget"]) else "embedded")]


def cost_name() -> str:
    """The ground cost of Algorithm 1 in these records."""
    return " and ".join(sorted({record["result"]["cost"] for record in runner.records("table1")}))


def attacked_rows() -> pd.DataFrame:
    """A row per method and image that the classifier gets right; every method has the first images, some have more."""
    rows = recorded("table")
    if rows["budget"].iloc[0] == "embedded":
        rows = pd.concat([rows, recorded("stepping")])
    return tried(rows)


def tried(rows: pd.DataFrame) -> pd.DataFrame:
    """Those that tell of an attack, on an image that the classifier gets right."""
    rows = rows[rows["right"].astype(bool) & (rows["method"] != "none")]
    return rows.astype({"success": bool})


def by_method(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """One column of the attacks that succeed: a row per image, a column per method, missing where one fails."""
    return rows[rows["success"]].pivot_table(column, "image", "method")


def published() -> pd.DataFrame:
    """Table 1 as printed: a row per method, columns `success`, the norms, LPIPS, DISTS."""
    printed: dict[str, dict[str, float]] = {method: {} for method in METHODS}
    for claim in claims.load("hua"):
        if claim.id.startswith("hua-table1-"):
            method, column = claim.quantity.split("/")
            printed[method][column] = claim.parameters["value"]
    return pd.DataFrame.from_dict(printed, orient="index")[["success", *NORMS, *SCALE]]


def cells(rows: pd.DataFrame) -> pd.DataFrame:
    """Ours: a row per method, with a dict of value, low, high and n in each of the columns of `published` and more.

    Success over the images that the classifier gets right; the others over those on which the method succeeds.
    """
    found = {}
    for method, own in rows.groupby("method"):
        won = own[own["success"]]
        found[method] = {"success": photographs.success_rate(own["success"])} | {
            column: bootstrap.mean(won[column]) for column in (*NORMS, *JUDGES, "saliency")
        }
    return pd.DataFrame.from_dict(found, orient="index").reindex(METHODS)


def pair(rows: pd.DataFrame, first: str, second: str, column: str) -> dict[str, float]:
    """Mean of first - second over the images on which both succeed, with interval and p."""
    both = by_method(rows, column)[[first, second]].dropna()
    return bootstrap.difference(both[first], both[second])


def lead(rows: pd.DataFrame, method: str, column: str) -> dict[str, float]:
    """By how much a method leads the best other, over the images on which all seven succeed."""
    return bootstrap.margin(by_method(rows, column)[list(METHODS)].dropna(), method)


def estimates_of_table() -> dict[str, dict]:
    """Cells, pairs and leads of table 1, as the ledger takes them, from the records."""
    rows = attacked_rows()
    found = {
        f"{method}/{column}": estimate(cell, "table1-cells")
        for method, row in cells(rows).iterrows()
        for column, cell in row.items()
        if column in ("success", *NORMS, *SCALE)
    }
    for first, second, column in PAIRS:
        found[f"{first}_minus_{second}/{column}"] = estimate(pair(rows, first, second, column), "table1-pairs")
    for method, column in LEADS:
        found[f"margin/{method}/{column}"] = estimate(lead(rows, method, column), "table1-judges")
    return found


def estimate(found: Mapping[str, float], anchor: str) -> dict:
    """What `photographs` found, as the ledger takes it."""
    basis = {"units": 1, "basis": f"one classifier, {found['n']} images", "record": "results/table1"}
    return {key: found[key] for key in ("value", "low", "high", "n")} | {"anchor": anchor} | basis
