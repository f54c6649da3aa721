"""Equalised odds of several groups and classes: the rates of right and wrong calls, beside what chance gives."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from fairlib import checks
from fairlib.fairness.images import numbered

ENDS = (0.5, 0.025, 0.975)  # what is told of chance: its median and the ends of its central 95 %


@dataclass(frozen=True)
class EqualisedOdds:
    """How far from equalised odds a classifier is, beside what chance alone gives.

    Attributes
    ----------
    difference : float
        The largest gap between two groups, of any class's rate: 0 where the odds are equal.
    by_class : DataFrame
        By class the gap between the groups of the `true_positive` and of the `false_positive` rate.
    chance : tuple of float
        The median of what chance gives for `difference`, and the ends of its central 95 %.
    p_value : float
        One-sided: of a difference as large, by chance.
    """

    difference: float
    by_class: pd.DataFrame
    chance: tuple[float, float, float]
    p_value: float


def equalised_odds(
    y: Sequence, predicted: Sequence, groups: Sequence, *, permutations: int = 1_999, seed: int = 0
) -> EqualisedOdds:
    """Compare the groups' rates of right and of wrong calls, class by class.

    Parameters
    ----------
    y : sequence of N labels
        What each image shows.
    predicted : sequence of N labels
        What the classifier calls it.
    groups : sequence of N labels
        Which group it is of; two groups or more.
    permutations : int >= 1
        How often chance deals.
    seed : int >= 0
        Draws the deals.

    Returns
    -------
    EqualisedOdds
        The gaps and what chance gives.

    Raises
    ------
    ValueError
        When there is one group or one class only, a group has no image of a class, a label is missing, or lengths
        differ.

    Notes
    -----
    For class k and group g, the true positive rate is P(predicted = k | y = k, g), the false positive rate
    P(predicted = k | y != k, g). Each class's gap is the largest rate of a group less the smallest, and `difference` is
    the largest of all: for two classes the definition of Hardt, Price and Srebro (2016), one class against the others
    for more.

    Chance deals the labels of the groups anew among images of one class, so that what is called what stays the same in
    each class. The largest of many gaps is far above 0 by chance alone where a group is small.
    """
    of, shows = numbered(groups, "groups", len(y))
    both, names = numbered([*y, *predicted], "y and predicted together", 2 * len(y))
    checks.whole(permutations, "permutations")
    checks.whole(seed, "seed", 0)
    true, called = np.split(both, 2)
    counts = np.zeros((len(shows), len(names), len(names)), dtype=int)
    np.add.at(counts, (of, true, called), 1)
    present = counts.sum((0, 2)) > 0
    if len(shows) < 2 or present.sum() < 2:
        raise ValueError(
            f"{len(shows)} group(s) and {present.sum()} class(es) of y, expected two or more of each to compare"
        )
    if (lacking := np.argwhere(counts.sum(2)[:, present] == 0)).size:
        group, k = lacking[0]
        raise ValueError(
            f"group {shows[group]!r} has no image of class {names[present][k]!r}, so that it has no rate there; take "
            "larger groups, or leave the class out"
        )
    gaps = _gaps(counts[None], present)[0]
    rng = np.random.default_rng(seed)
    dealt = np.zeros((permutations, *counts.shape), dtype=int)
    for k in np.flatnonzero(present):
        margins = counts[:, k].sum(1), counts[:, k].sum(0)
        dealt[:, :, k] = stats.random_table(*margins).rvs(permutations, random_state=rng)
    drawn = _gaps(dealt, present).max((1, 2))
    difference = float(gaps.max())
    median, low, high = (float(end) for end in np.quantile(drawn, ENDS))
    by_class = pd.DataFrame(gaps.T, names[present].rename("class"), ["true_positive", "false_positive"])
    p_value = float((1 + (drawn >= difference - 1e-12).sum()) / (1 + permutations))
    return EqualisedOdds(difference, by_class, (median, low, high), p_value)


def _gaps(counts: NDArray[np.int_], present: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The gaps between groups of both rates (P, 2, classes), from counts (P, groups, true, called)."""
    n = counts.sum(3)  # (P, groups, classes)
    hits = np.diagonal(counts, axis1=2, axis2=3)
    wrongly, others = counts.sum(2) - hits, n.sum(2, keepdims=True) - n
    rates = np.stack([hits[..., present] / n[..., present], wrongly[..., present] / others[..., present]], axis=1)
    return np.ptp(rates, axis=2)
