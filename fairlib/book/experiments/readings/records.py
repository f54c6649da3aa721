"""What the records say, as the chapters ask for it."""

import pandas as pd

from fairlib.book import runner
from fairlib.book.experiments import shared
from fairlib.book.experiments.readings.printed import EPS
from fairlib.book.experiments.readings.switches import EPS as PAIRS_EPS
from fairlib.book.experiments.shared import METHODS

INDEX = ["network", "dataset"]


def _recorded(column: str) -> pd.DataFrame:
    """The rows that have a column; of each network and data set those with most images. FileNotFoundError: none yet."""
    rows = runner.results("readings")
    return shared.largest(rows.dropna(subset=column).dropna(axis=1, how="all"), INDEX)


def accuracies() -> pd.DataFrame:
    """Switches two at a time: index `network`, `dataset`, `switches`, `seed`; columns `defended` and `loose`, eps."""
    rows = _recorded("switches")
    rows = rows.assign(eps=[PAIRS_EPS] * len(rows)).explode(["eps", *METHODS[1:]])
    rows = rows.melt([*INDEX, "switches", "seed", "images", "eps"], list(METHODS[1:]), "method", "right")
    return _shares(rows, [*INDEX, "switches", "seed"])


def text(variant: str) -> pd.DataFrame:
    """A variant of the defence over the grid: index `network`, `dataset`, `seed`; columns method and eps, as
    `training.accuracies` has them."""
    rows = _recorded("variant").query("variant == @variant")
    rows = rows.assign(eps=[EPS] * len(rows)).explode(["eps", *METHODS])
    rows = rows.melt([*INDEX, "seed", "images", "eps"], list(METHODS), "method", "right")
    return _shares(rows, [*INDEX, "seed"])


def _shares(rows: pd.DataFrame, index: list[str]) -> pd.DataFrame:
    rows = rows.astype({"eps": float, "right": float, "seed": int})
    rows["accuracy"] = rows["right"] / rows["images"]
    return rows.pivot_table("accuracy", index, ["method", "eps"], sort=False).sort_index()


def counts(look: str) -> pd.DataFrame:
    """The rows of one look, indexed by `network`, `dataset`, `seed`."""
    rows = _recorded("look").query("look == @look").dropna(axis=1, how="all")
    return rows.astype({"seed": int}).set_index([*INDEX, "seed"]).sort_index()


def tops() -> pd.DataFrame:
    """Where the own class's centroid is the nearest: index `network`, `dataset`, `seed`; columns eps, tap.

    A tap that a network does not have is NaN.
    """
    rows = counts("nearest")
    cells = [
        {
            (e, tap): n / row["images"]
            for e, by_tap in zip(EPS, row["count"], strict=True)
            for tap, n in zip(row["taps"], by_tap, strict=True)
        }
        for _, row in rows.iterrows()
    ]
    table = pd.DataFrame(cells, rows.index)
    return table.set_axis(pd.MultiIndex.from_tuples(table.columns, names=["eps", "tap"]), axis=1)
