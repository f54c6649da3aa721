"""What the ledger asks of the chapter on FGSM. First paper, sections 2 and 3.1."""

import pandas as pd

from fairlib import data, runner
from fairlib.experiments import headline
from fairlib.experiments.training import complete

QUANTITIES = ("cosine_to_gradient", "largest_step", "gray_share", "confusion")
SHOWN = {"anchor": "fgsm-verdict"}


def estimates() -> dict[str, dict]:
    """The quantities that the ledger asks of this chapter (data/claims/README.md), from the records and the images."""
    return looked_at(QUANTITIES, SHOWN) | {
        f"gray/{name}/largest_distance": headline.exact((x - 0.5).abs().max(), len(x)) | SHOWN
        for name in data.DATASETS
        for x, _ in [data.load(name, "test")]
    }


def looked_at(quantities: tuple[str, ...], shown: dict[str, str]) -> dict[str, dict]:
    """The recorded estimates about the shipped networks whose quantities begin so; `shown` holds their anchor.

    Raises FileNotFoundError where a network has none yet.
    """
    rows = runner.results("headline").query("what == 'look'")
    rows = complete(rows.set_index(["network", "dataset", "quantity"]), "headline")
    return {
        "/".join(key): _estimate(row) | shown
        for key, row in rows.iterrows()
        if key[2].startswith(quantities)
    }  # fmt: skip


def _estimate(row: pd.Series) -> dict:
    numbers = {key: float(row[key]) for key in ("value", "low", "high")}
    return numbers | {"n": int(row["n"]), "record": "results/headline"}
