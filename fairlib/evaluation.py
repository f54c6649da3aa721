"""Accuracy under attack over a data set, with its interval, and what a published figure's own sampling allows."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd
import torch
from scipy.stats import binom, norm, t
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint
from torch import Tensor, nn

from fairlib import checks, runtime
from fairlib.attacks import answers, fgsm_grid
from fairlib.defenses import CentroidDefense

GridAttack = Callable[..., Iterable[Tensor]]
# The paper's rows, and the grids that its released notebooks evaluate.
TABLE_EPS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
LEDGER_EPS = tuple(k / 20 for k in range(11))  # twice as fine, for what is read off the figures
RELEASED_EPS = {
    "FullyConnected": tuple(k / 255 for k in (1, *range(5, 126, 5))),
    "LeNet5": tuple(k / 255 for k in range(0, 125, 4)),
}


def under_attack(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: Sequence[float],
    defense: CentroidDefense | None = None,
    attack: GridAttack = fgsm_grid,
    batch_size: int = 500,
) -> pd.DataFrame:
    """Count right answers over a grid of budgets, without and with a defence.

    x (N, C, H, W), y (N,); `attack(model, x, y, eps=grid)` yields x_adv for each budget in turn, and sees the
    undefended model only (threat model of section 3.1 as the released code has it). Returns one row per eps and method
    (`defenseless`; with a defence also `defended` and `loose`): `right`, `n`, `accuracy`, and the Wilson 95 % interval
    `low`, `high`.
    """
    checks.labels(y, len(x), getattr(model, "classes", None))
    checks.several(eps, "eps")
    for e in eps:
        checks.unit(e, "eps")
    if not len(eps) or not len(x):
        raise ValueError(f"{len(eps)} budgets and {len(x)} images, expected at least one of each")
    checks.whole(batch_size, "batch_size")
    methods = ("defenseless",) if defense is None else ("defenseless", "defended", "loose")
    right = np.zeros((len(eps), len(methods)), dtype=int)
    batches = list(zip(x.split(batch_size), y.split(batch_size), strict=True))
    for x_batch, y_batch in runtime.progress(batches, "attacking"):
        for row, x_adv in zip(right, attack(model, x_batch, y_batch, eps=eps), strict=True):
            with torch.no_grad():
                found = [answers(model, x_adv).argmax(1) == y_batch]
            if defense is not None:
                predicted, loose = defense.predict_and_loose(x_adv, y_batch)
                found += [predicted == y_batch, loose]
            row += [int(f.sum()) for f in found]
    rows = [(e, m, k) for e, counts in zip(eps, right, strict=True) for m, k in zip(methods, counts, strict=True)]
    return with_interval(pd.DataFrame(rows, columns=["eps", "method", "right"]).assign(n=len(x)))


def with_interval(counts: pd.DataFrame) -> pd.DataFrame:
    """Add `accuracy` and the Wilson 95 % interval `low`, `high` to a table of `right` out of `n`.

    Raises ValueError for what are no counts, or more right ones than there are.
    """
    counted(counts)
    low, high = proportion_confint(counts["right"], counts["n"], method="wilson")
    return counts.assign(accuracy=counts["right"] / counts["n"], low=low, high=high)


def counted(counts: pd.DataFrame) -> None:
    """Refuse a table unless its columns `right` and `n` are counts with 0 <= right <= n and n >= 1."""
    checks.columns(
        counts, ("right", "n"), "the table of counts", "count the right answers, and the images, in each row"
    )
    right, n = checks.counts(counts["right"], "right"), checks.counts(counts["n"], "n", low=1)
    if (right > n).any():
        i = int((right > n).argmax())
        raise ValueError(
            f"right is {right[i]:g} of n = {n[i]:g}, expected no more than there are; give counts of images"
        )


def draw(x: Tensor, y: Tensor, n: int, *, seed: int) -> tuple[Tensor, Tensor]:
    """`n` images at random without replacement: the paper evaluates on 150 (FC) or 200 (LeNet) images."""
    checks.labels(y, len(x))
    checks.whole(n, "n", 1, len(x))  # the images there are
    chosen = torch.randperm(len(x), generator=runtime.generator(seed))[:n]
    return x[chosen], y[chosen]


def sampling_range(accuracy: float, n: int, *, decimals: int = 2, level: float = 0.95) -> tuple[float, float]:
    """What an accuracy measured on `n` images may be printed as, if the true one is `accuracy`.

    The central `level` range of Binomial(n, accuracy) / n, rounded like the paper's tables: a published value outside
    it is not explained by the sampling of `n` images alone. Raises ValueError for accuracy outside [0, 1] or n < 1.
    """
    checks.unit(accuracy, "accuracy")
    checks.whole(n, "n")
    checks.whole(decimals, "decimals", 0)
    checks.share(level, "level")
    low, high = binom.interval(level, n, accuracy)
    return round(low / n, decimals), round(high / n, decimals)


def beside_published(measured: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Our accuracies beside the paper's, as text for a page: one row per eps, two columns per method.

    `measured` comes from `under_attack`, `published` holds `eps`, `method`, `accuracy`, `n`. A published value is
    marked with a dagger where it lies outside `sampling_range` of our accuracy.
    """
    for frame, name in ((measured, "measured"), (published, "published")):
        wanted = ("eps", "method", "accuracy", *(("low", "high") if frame is measured else ("n",)))
        checks.columns(frame, wanted, name, "see fairlib.evaluation.under_attack and fairlib.data.table")
    both = measured.merge(published, on=["eps", "method"], suffixes=("", "_paper"), validate="one_to_one")
    if len(both) != len(published):
        raise ValueError(f"{len(published) - len(both)} published rows have no measured counterpart; use eps=TABLE_EPS")
    columns = {}
    for method, rows in both.groupby("method", sort=False):
        columns[method, "ours"] = [f"{r.accuracy:.2f} [{r.low:.2f}, {r.high:.2f}]" for r in rows.itertuples()]
        columns[method, "paper"] = [
            f"{r.accuracy_paper:.2f}" + ("" if explained(r.accuracy_paper, r.accuracy, r.n_paper) else " †")
            for r in rows.itertuples()
        ]
    table = pd.DataFrame(columns, index=[f"{e:.1f}" for e in both["eps"].unique()])
    return table.rename_axis(columns=["", "eps"])


def explained(published: float, accuracy: float, n: int) -> bool:
    """Whether sampling `n` images alone can print `published` where the true accuracy is `accuracy`."""
    checks.unit(published, "published")
    low, high = sampling_range(accuracy, n)
    return low <= published <= high


def gain(rows: pd.DataFrame) -> tuple[float, float]:
    """The 95 % interval of defended minus defenseless accuracy at one eps (Newcombe's score interval).

    `rows` holds the two methods' `right` and `n`; rows of another method do not count. The interval treats the two as
    independent samples; they are the same images, so it is wider than it need be.
    """
    counted(rows)
    both = rows[rows["method"].isin(("defended", "defenseless"))] if "method" in rows else rows[:0]
    if sorted(both.get("method", ())) != ["defended", "defenseless"]:
        raise ValueError("rows are not one of the method defended and one of defenseless; take those of a single eps")
    both = both.set_index("method")
    low, high = confint_proportions_2indep(
        both["right"]["defended"], both["n"]["defended"], both["right"]["defenseless"], both["n"]["defenseless"],
        compare="diff", method="newcomb",
    )  # fmt: skip
    return low, high


def prediction_range(accuracies: Sequence[float], n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Where the accuracy of one more training, measured on `n` images, is expected.

    `accuracies` are those of m >= 2 independent trainings; the range is the mean +- the root of (t sd)^2 (1 + 1/m)
    + z^2 mean (1 - mean) / n, cut to [0, 1]: luck of the training, whose spread is itself estimated (Student's t), and
    luck of the sample, whose spread is known (normal z).
    """
    a = checks.numbers(accuracies, "accuracies", low=0, high=1, least=2)
    checks.whole(n, "n")
    checks.share(level, "level")
    mean, variance = a.mean(), a.var(ddof=1)
    student, normal = t.ppf((1 + level) / 2, len(a) - 1), norm.ppf((1 + level) / 2)
    half = np.sqrt(student**2 * variance * (1 + 1 / len(a)) + normal**2 * mean * (1 - mean) / n)
    return max(0.0, mean - half), min(1.0, mean + half)


def over_seeds(values: Sequence[float]) -> dict[str, float]:
    """Mean of one number per seed, its 95 % interval (Student's t), and the standard deviation between the seeds."""
    values = checks.numbers(values, "values", least=2)
    value, sd, m = float(np.mean(values)), float(np.std(values, ddof=1)), len(values)
    half = float(t.ppf(0.975, m - 1)) * sd / m**0.5
    return {"value": value, "low": value - half, "high": value + half, "sd": sd, "seeds": m}


def below_chance_at(curve: Sequence[float], chance: float = 0.1) -> float:
    """The smallest eps, interpolated on `LEDGER_EPS`, where the accuracy falls below chance; 0.5 if it never does.

    `curve`: the accuracy at each of these. Raises ValueError for another number of them, or what is no accuracy.
    """
    curve = checks.numbers(curve, "curve", low=0, high=1)
    checks.share(chance, "chance")
    if len(curve) != len(LEDGER_EPS):
        raise ValueError(f"curve has {len(curve)} accuracies, expected {len(LEDGER_EPS)}: one for each of LEDGER_EPS")
    below = np.flatnonzero(curve < chance)
    if not len(below) or not below[0]:
        return LEDGER_EPS[0] if len(below) else LEDGER_EPS[-1]
    i = below[0]
    return float(np.interp(chance, [curve[i], curve[i - 1]], [LEDGER_EPS[i], LEDGER_EPS[i - 1]]))


def paired(gained: int, lost: int, n: int, *, level: float = 0.95) -> tuple[float, float, float]:
    """The difference of two accuracies on the same `n` images, with its interval: `(value, low, high)`.

    `gained` images are right with the first method only, `lost` ones with the second only; on the others the two agree,
    as in McNemar's test. The interval is Bonett and Price's adjusted Wald interval for paired proportions (2012).
    Raises ValueError for counts that do not fit.
    """
    checks.whole(n, "n")
    checks.whole(gained, "gained", 0)
    checks.whole(lost, "lost", 0)
    checks.share(level, "level")
    if gained + lost > n:
        raise ValueError(f"gained={gained}, lost={lost}, n={n}: expected counts of some of n >= 1 images")
    up, down = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    half = norm.ppf((1 + level) / 2) * np.sqrt((up + down - (up - down) ** 2) / (n + 2))
    return (gained - lost) / n, max(-1.0, up - down - half), min(1.0, up - down + half)
