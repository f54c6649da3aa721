"""What "truncate" does to an image: the walk of floor, and what the ledger asks. Second paper, section 3.2, line 9."""

import numpy as np

from fairlib.book.experiments import shared, table1

VALUES = 3 * 299 * 299  # of one of the paper's images
HALF_A_DIGIT = 0.005  # L1 is printed with two decimals


def walk(L1: float | np.ndarray, values: int = VALUES) -> dict[str, float | np.ndarray]:
    """What k steps of `floor` leave when each lowers half of the values by one level, at random: `steps`, L2, Linf.

    The number of steps k follows from L1 = values k / 510. A value has been lowered b ~ Binomial(k, 1/2) times, so
    E b^2 = k^2/4 + k/4 and L2 = sqrt(values (k^2/4 + k/4)) / 255; somewhere one is lowered every time: Linf = k / 255.
    """
    k = 510 * L1 / values
    return {"steps": k, "L2": np.sqrt(values * (k**2 + k)) / 510, "Linf": k / 255}


def estimates() -> dict[str, dict]:
    """The quantities that the ledger asks of this chapter (data/claims/README.md), from table 1 and the records."""
    shown, found = {"anchor": "which-rounding"}, {}
    for method, L1 in table1.published()["L1"].loc[list(table1.STEPPING)].items():
        value, low, high = (walk(L1 + d) for d in (0, -HALF_A_DIGIT, HALF_A_DIGIT))
        for norm in ("L2", "Linf"):
            ends = shared.interval(value[norm], low[norm], high[norm])
            found[f"floor_from_L1/{method}/{norm}"] = ends | shown | {"basis": "from the printed L1, as it is rounded"}
    rows = table1.attacked_rows().query("method in @table1.STEPPING")
    off = float(rows["off_grid"].max())
    levels = (
        shared.exact(off)
        | {"basis": f"{len(rows):,} attacked images"}
        | {"n": len(rows), "record": "results/table1"}
        | shown
    )
    return found | {"levels_off_grid": levels}
