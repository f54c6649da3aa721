"""Accuracy under attack over a data set, without and with a defence, and beside what was published."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from fairlib import checks, intervals, runtime
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

    Parameters
    ----------
    model : Module
        Any classifier in evaluation mode; model(x) logits or log-probabilities (N, K).
    x : Tensor
        Images (N, C, H, W), float32 in [0, 1].
    y : Tensor
        True labels (N,), int64.
    eps : sequence of float
        Budgets in [0, 1], in pixel units.
    defense : CentroidDefense, optional
        Sees what the attack made of the images; its own model need not be `model`.
    attack : callable
        `attack(model, x, y, eps=grid)` yields x_adv (N, C, H, W) for each budget in turn, as `attacks.fgsm_grid` does.
        One that takes a single budget becomes such by
        `lambda model, x, y, *, eps: (attacks.pgd(model, x, y, eps=e, ...) for e in eps)`.
    batch_size : int
        Images that are attacked at once.

    Returns
    -------
    DataFrame
        A row for each eps and `method` (`defenseless`; with a defence also `defended` and `loose`): `eps`, `method`,
        `right`, `n`, `accuracy`, and the Wilson 95 % interval `low`, `high`.

    Raises
    ------
    ValueError
        For a single budget, budgets or labels outside their range, no image, or an attack that does not yield one
        x_adv per budget; and whatever the attack and the defence refuse.

    Notes
    -----
    The attack sees the undefended model only: the threat model of section 3.1 as the released code has it.

    References
    ----------
    First paper, sections 3.1 and 4, appendix A.
    """
    checks.labels(y, len(x), getattr(model, "classes", None))
    checks.several(eps, "eps")
    for budget in eps:
        checks.unit(budget, "eps")
    if not len(eps) or not len(x):
        raise ValueError(f"{len(eps)} budgets and {len(x)} images, expected at least one of each")
    checks.whole(batch_size, "batch_size")
    methods = ("defenseless",) if defense is None else ("defenseless", "defended", "loose")
    right = np.zeros((len(eps), len(methods)), dtype=int)
    batches = list(zip(x.split(batch_size), y.split(batch_size), strict=True))
    for x_batch, y_batch in runtime.progress(batches, "attacking"):
        attacked = attack(model, x_batch, y_batch, eps=eps)
        if isinstance(attacked, Tensor):
            raise ValueError(
                "the attack returned one tensor, expected one for each budget; take attacks.fgsm_grid, or wrap it: "
                "lambda model, x, y, *, eps: (attack(model, x, y, eps=e) for e in eps)"
            )
        for row, x_adv in zip(right, attacked, strict=True):
            with torch.no_grad():
                hits = [answers(model, x_adv).argmax(1) == y_batch]
            if defense is not None:
                predicted, loose = defense.predict_and_loose(x_adv, y_batch)
                hits += [predicted == y_batch, loose]
            row += [int(hit.sum()) for hit in hits]
    rows = [(e, m, k) for e, counts in zip(eps, right, strict=True) for m, k in zip(methods, counts, strict=True)]
    return intervals.with_interval(pd.DataFrame(rows, columns=["eps", "method", "right"]).assign(n=len(x)))


def draw(x: Tensor, y: Tensor, n: int, *, seed: int) -> tuple[Tensor, Tensor]:
    """Draw images at random, without replacement.

    Parameters
    ----------
    x : Tensor
        Images (N, C, H, W).
    y : Tensor
        Labels (N,), int64.
    n : int
        How many, 1 to N; the first paper evaluates on 150 (fully connected) or 200 (LeNet) images.
    seed : int
        0 or more.

    Returns
    -------
    x, y : Tensor
        (n, C, H, W) and (n,).

    Raises
    ------
    ValueError
        For labels that do not fit and an n that there is not.
    """
    checks.labels(y, len(x))
    checks.whole(n, "n", 1, len(x))  # the images there are
    chosen = torch.randperm(len(x), generator=runtime.generator(seed))[:n]
    return x[chosen], y[chosen]


def beside_published(measured: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Set our accuracies beside the paper's, as text for a page.

    Parameters
    ----------
    measured : DataFrame
        From `under_attack`: `eps`, `method`, `accuracy`, `low`, `high`.
    published : DataFrame
        `eps`, `method`, `accuracy` and the `n` images it was measured on, as `fairlib.data.table` has them.

    Returns
    -------
    DataFrame
        One row per eps, two columns per method: ours with its interval, and the paper's.

    Raises
    ------
    ValueError
        Where a column is missing, or a published row has no measured counterpart.
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
        columns[method, "paper"] = [f"{published:.2f}" for published in rows["accuracy_paper"]]
    table = pd.DataFrame(columns, index=[f"{e:.1f}" for e in both["eps"].unique()])
    return table.rename_axis(columns=["", "eps"])


def below_chance_at(curve: Sequence[float], chance: float = 0.1) -> float:
    """Read off the smallest budget at which the accuracy falls below chance.

    Parameters
    ----------
    curve : sequence of float
        The accuracy in [0, 1] at each of `LEDGER_EPS`.
    chance : float
        In (0, 1); 0.1 for ten classes.

    Returns
    -------
    float
        An eps in [0, 0.5], interpolated; 0.5 if the accuracy never falls so low.

    Raises
    ------
    ValueError
        For another number of accuracies, or what is no accuracy.
    """
    curve = checks.numbers(curve, "curve", low=0, high=1)
    checks.share(chance, "chance")
    if len(curve) != len(LEDGER_EPS):
        raise ValueError(f"curve has {len(curve)} accuracies, expected {len(LEDGER_EPS)}: one for each of LEDGER_EPS")
    below = np.flatnonzero(curve < chance)
    if not len(below):
        return LEDGER_EPS[-1]
    i = below[0]
    if i == 0:
        return LEDGER_EPS[0]
    return float(np.interp(chance, [curve[i], curve[i - 1]], [LEDGER_EPS[i], LEDGER_EPS[i - 1]]))
