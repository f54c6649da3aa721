"""Table 1's questions in other settings: PPGD and LPA from other starts and as their authors ran them, and the second
paper's own weights."""

from collections.abc import Iterator

import pandas as pd

from fairlib import bootstrap
from fairlib.book import runner
from fairlib.book.experiments import shared
from fairlib.book.experiments.table1.cases import SCALE
from fairlib.book.experiments.table1.records import attacked_rows, by_method, estimate, pair, recorded, tried

BOUNDED = ("ppgd", "lpa")
STARTS = ("noise", "image")
FREE = "ours_a=0, no cost"
WEIGHED = [*((m, c) for m in ("pgd", "ours_a=0") for c in ("L2", *SCALE))]  # cells that wait for the paper's weights


def without_start() -> pd.DataFrame:
    """The attacks on the images for which PPGD and LPA were started at the image itself, these two from there."""
    here, there = tried(recorded("start")), attacked_rows()
    others = there[there["image"].isin(here["image"]) & ~there["method"].isin(BOUNDED)]
    return pd.concat([others, here[here["method"].isin(BOUNDED)]], ignore_index=True)


def own_settings() -> pd.DataFrame:
    """The attacks on the images for which PPGD and LPA were run as their authors ran them, too: `ppgd, noise` and so
    on, by their start. Raises FileNotFoundError without records."""
    here = tried(shared.of_kind("rivals", "own").dropna(subset=["method"])).drop_duplicates(["image", "method"])
    there = attacked_rows()
    return pd.concat([there[there["image"].isin(here["image"])], here], ignore_index=True)


def paper_weights() -> pd.DataFrame:
    """PGD and Algorithm 1 on ResNet-50 with PieAPP. Raises FileNotFoundError without records."""
    return tried(runner.results("paper_weights").dropna(subset=["method"]))


def success_order() -> dict[str, dict]:
    """How much more often LPA succeeds than PPGD, and PGD than LPA."""
    hits = attacked_rows().groupby("method")["success"].agg(["sum", "size"])
    counts = {method: (int(own["sum"]), int(own["size"])) for method, own in hits.iterrows()}
    return {
        f"success/{first}_minus_{second}": shared.more_often(counts[first], counts[second])
        for first, second in (("lpa", "ppgd"), ("pgd", "lpa"))
    }


def looks() -> dict[str, float]:
    """How many more looks at its cost than steps Algorithm 1 takes, an image."""
    rows = attacked_rows()
    rows = rows[rows["method"] == "ours_a=0"]
    return bootstrap.mean(rows["looks"] - rows["backwards"])


def estimates() -> dict[str, dict]:
    """Those of the ledger's quantities that have records."""
    found = {key: estimate(value, "table1-cells") for key, value in success_order().items()}
    found["ours/looks_minus_steps"] = estimate(looks(), "table1-cells") | {"units": None}
    for name, of in (("start=image", _from_image), ("own", _own), ("paper_weights", _weights)):
        try:
            found |= {f"{name}/{key}": value for key, value in of()}
        except FileNotFoundError:
            continue
    return found


def _from_image() -> Iterator[tuple[str, dict]]:
    rows = without_start()
    for other in BOUNDED:
        for judge in SCALE:
            gap = pair(rows, "ours_a=0", other, judge)
            yield f"ours_a=0_minus_{other}/{judge}", estimate(gap, "table1-random-start")


def _own() -> Iterator[tuple[str, dict]]:
    rows = own_settings()
    for other in BOUNDED:
        for start in STARTS:
            for judge in SCALE:
                gap = pair(rows, "ours_a=0", f"{other}, {start}", judge)
                own = estimate(gap, "rivals-own-settings") | {"record": "results/rivals"}
                yield f"{start}/ours_a=0_minus_{other}/{judge}", own


def _weights() -> Iterator[tuple[str, dict]]:
    rows = paper_weights()
    shown = {"record": "results/paper_weights", "basis": "ResNet-50 and PieAPP"}
    for method, column in WEIGHED:
        yield (
            f"{method}/{column}",
            estimate(bootstrap.mean(by_method(rows, column)[method].dropna()), "step-or-cost") | shown,
        )
    for judge in SCALE:
        yield f"ours_a=0_minus_pgd/{judge}", estimate(pair(rows, "ours_a=0", "pgd", judge), "step-or-cost") | shown
        yield f"cost_minus_none/{judge}", estimate(pair(rows, "ours_a=0", FREE, judge), "step-or-cost") | shown
