"""Problem (2) and its dual on a space of a few points, and what lambda does. Second paper, section 3."""

import warnings

import numpy as np
import pandas as pd
import torch
from scipy.optimize import linprog, minimize_scalar

from fairlib import bootstrap, photographs
from fairlib.book.experiments import shared, table1


def primal(loss: np.ndarray, cost: np.ndarray, delta: float) -> tuple[float, np.ndarray]:
    """The worst expected loss over the distributions within delta of n equally likely points: equation (2), inner part.

    loss (m,): of each point of the space; cost (n, m): of moving each of the n points of P_0 there. Returns the optimum
    and the plan gamma (n, m), how much of each point goes where: a linear programme, row sums 1/n, cost at most delta.
    """
    n, m = cost.shape
    rows = np.kron(np.eye(n), np.ones(m))
    found = linprog(-np.tile(loss, n), cost.reshape(1, -1), [delta], rows, np.full(n, 1 / n))
    if not found.success:
        raise ValueError(f"no distribution lies within delta = {delta} of P_0 ({found.message}); take delta >= 0")
    return -found.fun, found.x.reshape(n, m)


def surrogate(loss: np.ndarray, cost: np.ndarray, lam: float) -> np.ndarray:
    """phi_lambda of each of the n points of P_0, the largest loss - lam * cost over the space: equation (4), (n,)."""
    return (loss - lam * cost).max(1)


def dual(loss: np.ndarray, cost: np.ndarray, delta: float) -> tuple[float, float]:
    """The smallest lam * delta + mean phi_lam over lam >= 0, and that lam: equation (3), inner part; convex in lam."""
    enough = np.ptp(loss) / cost[cost > 0].min()  # from here on no point finds a move worth its cost
    found = minimize_scalar(
        lambda lam: lam * delta + surrogate(loss, cost, lam).mean(),
        bounds=(0, enough), method="bounded", options={"xatol": 1e-9},
    )  # fmt: skip
    return found.fun, found.x


def example() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Twelve places on a line, a bumpy loss (12,), and squared distances (4, 12) of four of them, the data."""
    place = np.linspace(0, 1, 12)
    loss = np.sin(9 * place) + 2 * place
    return place, loss, np.subtract.outer(place[[1, 4, 6, 9]], place) ** 2


DELTAS = (0.0, 0.005, 0.02, 0.05, 0.1)


def gap() -> float:
    """The largest difference of primal and dual optimum of the example, over `DELTAS`."""
    _, loss, cost = example()
    return float(max((primal(loss, cost, delta)[0] - dual(loss, cost, delta)[0] for delta in DELTAS), key=abs))


def smallest_pieapp() -> int:
    """The side of the smallest square image that PieAPP's network takes; tried without weights, shapes alone."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "IProgress not found")  # what it imports wants bars
        from pyiqa.archs.pieapp_arch import PieAPP

    with torch.device("meta"):
        network = PieAPP(pretrained=False).eval()
        for side in range(1, 129):
            image = torch.zeros(1, 3, side, side)
            try:
                network(image, image)
            except RuntimeError:  # no patch fits in
                continue
            return side
    raise ValueError("PieAPP takes no image of up to 128 pixels, expected 64; compare pyiqa's version with the lock")


def lambdas() -> pd.DataFrame:
    """The recorded sweep, with `increase`: the surrogate at the end minus at the start."""
    rows = table1.tried(table1.recorded("lambda"))
    gain = rows["loss"] - rows["loss_before"] - rows["lam"] * (rows["cost"] - rows["cost_before"])
    return rows.assign(increase=gain)


def against_none(rows: pd.DataFrame, method: str, lam: float, column: str) -> dict[str, float]:
    """The column at this lambda minus that at lambda = 0, over the images on which both succeed."""
    own = rows[(rows["method"] == method) & rows["success"]].pivot_table(column, "image", "lam")
    both = own[[lam, 0.0]].dropna()
    return bootstrap.difference(both[lam], both[0.0])


def more_with_confidence(rows: pd.DataFrame) -> dict[str, float]:
    """How much higher the surrogate at lambda = 1 ends with a = 5 than with a = 0, over the same images."""
    ends = rows.query("lam == 1").pivot_table("increase", "image", "method")[["ours_a=5", "ours_a=0"]].dropna()
    return bootstrap.difference(ends["ours_a=5"], ends["ours_a=0"])


def smallest_cost() -> dict[str, dict]:
    """The smallest PieAPP met with its weights, where there are records."""
    try:
        rows = table1.paper_weights()
    except FileNotFoundError:
        return {}
    shown = {"anchor": "the-cost", "n": len(rows), "record": "results/paper_weights"}
    return {"pieapp/smallest_cost": shared.exact(float(rows["cost"].min())) | shown}


def estimates() -> dict[str, dict]:
    """The quantities that the ledger asks of this chapter (data/claims/README.md), from the example and the records."""
    rows = lambdas()
    ours = rows.query("method == 'ours_a=0'")
    found = {
        f"lambda=1_minus_lambda=0/{column}": table1.estimate(
            against_none(rows, "ours_a=0", 1.0, column), "what-lambda-does"
        )
        for column in table1.SCALE
    }
    increase = bootstrap.mean(ours.query("lam == 1")["increase"])
    rate = photographs.success_rate(table1.attacked_rows().query("method == 'ours_a=0'")["success"])
    exact = {"duality/gap": (gap(), "duality"), "pieapp/smallest_size": (smallest_pieapp(), "the-cost")}
    found |= {key: shared.exact(number) | {"anchor": anchor} for key, (number, anchor) in exact.items()}
    found |= smallest_cost()
    return found | {
        "surrogate_increase/lambda=1": table1.estimate(increase, "lambda-swept") | {"units": None},
        "surrogate_increase/a=5_minus_a=0": table1.estimate(more_with_confidence(rows), "what-is-solved"),
        "success/N=100": table1.estimate(rate, "lambda-swept"),
    }
