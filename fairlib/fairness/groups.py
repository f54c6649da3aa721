"""Accuracy in any groups of images, each difference beside what chance alone gives."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from fairlib import checks, intervals
from fairlib.fairness.images import Codes, codes, numbered, wealth_within
from fairlib.fairness.table import LEVEL, Array

THIRDS = ("poorest third", "middle third", "richest third")
ENDS = (LEVEL / 2, 1 - LEVEL / 2)  # of what chance gives


def thirds(log_wealth: ArrayLike, countries: Sequence) -> NDArray[np.str_]:
    """Put each image into a third of wealth.

    Parameters
    ----------
    log_wealth : (N,) numbers
        Natural logarithm of wealth, of the image's country or its own.
    countries : sequence of N labels
        Where each image comes from.

    Returns
    -------
    (N,) str
        One of `THIRDS`: where each country has one wealth, thirds of the countries, however many images they have;
        otherwise thirds of the images, equal wealths in one third.

    Raises
    ------
    ValueError
        When there are fewer than three countries of one wealth each, a label is missing, or lengths differ.

    Examples
    --------
    >>> thirds([7.0, 9.0, 7.0, 11.0], ["MLI", "PER", "MLI", "NOR"]).tolist()
    ['poorest third', 'middle third', 'poorest third', 'richest third']
    """
    log_wealth = checks.numbers(log_wealth, "log_wealth")
    country = codes(countries, "countries", len(log_wealth))
    if wealth_within(log_wealth, country).any():
        third = np.minimum(3 * (stats.rankdata(log_wealth) - 0.5) // len(log_wealth), 2).astype(int)
        return np.array(THIRDS)[third]
    first = np.unique(country, return_index=True)[1]
    if len(first) < 3:
        raise ValueError(f"{len(first)} countries of one wealth each, expected at least 3 for thirds")
    third = np.empty(len(first), dtype=int)
    for number, members in enumerate(np.array_split(log_wealth[first].argsort(kind="stable"), 3)):
        third[members] = number
    return np.array(THIRDS)[third[country]]


def group_accuracy(
    right: ArrayLike, groups: Sequence, *, classes: Sequence | None = None, permutations: int = 1_999, seed: int = 0
) -> pd.DataFrame:
    """Compare the accuracy in each group with that of all others, and with what chance alone gives.

    Parameters
    ----------
    right : (N,) bool
        Whether each image is classified correctly.
    groups : sequence of N labels
        Which group each image is of; two groups or more.
    classes : sequence of N labels, optional
        What each image shows: then chance deals images out within their class, and a group with the harder classes is
        expected to be less accurate.
    permutations : int >= 1
        How often chance deals.
    seed : int >= 0
        Draws the deals.

    Returns
    -------
    DataFrame
        A row per group: `n`, `right`, `accuracy` with its Wilson 95 % interval `low`, `high`; `expected`, the accuracy
        that its mix of classes has over all groups; `difference`, its accuracy less that of all other images, and
        `chance_low`, `chance_high`, the central 95 % of what chance gives for it; `p_value`, two-sided, and
        `adjusted_p_value`, for the largest of all groups' differences.

    Raises
    ------
    ValueError
        When there is one group only, a label is missing, or lengths differ.

    Notes
    -----
    Chance: the labels of groups are permuted among the images, of one class where classes are given. The right answers
    in the groups are then multivariate hypergeometric, class by class, and are drawn so. With d the difference, d* a
    permutation's, m the mean that permutations have and s their standard deviation:

    p = (1 + #{|d* - m| >= |d - m|}) / (1 + permutations); the adjusted one compares |d - m| / s with each permutation's
    largest over all groups (Westfall and Young's max-t), so that among forty groups that differ by chance alone one or
    more has an adjusted p below 0.05 in 5 %.

    Images are taken as independent: where a household's many photographs stand in one group, chance gives more than
    this.

    References
    ----------
    Westfall and Young, Resampling-based multiple testing, 1993.
    """
    known = _dealt(right, groups, classes, permutations, seed)
    table = intervals.with_interval(pd.DataFrame({"n": known.n, "right": known.right}, index=known.names))
    difference, drawn = _against_rest(known.right, known.n), _against_rest(known.drawn, known.n)
    centre, spread = _against_rest(known.expected, known.n), drawn.std(0)
    away, away_drawn = np.abs(difference - centre), np.abs(drawn - centre)
    possible = spread > 0
    scaled = np.where(possible, away / np.where(possible, spread, 1), 0.0)
    largest = np.where(possible, away_drawn / np.where(possible, spread, 1), 0.0).max(1)
    low, high = np.quantile(drawn, ENDS, axis=0)
    return table.assign(
        expected=known.expected / known.n,
        difference=difference,
        chance_low=low,
        chance_high=high,
        p_value=_p_value(away_drawn, away),
        adjusted_p_value=_p_value(largest[:, None], scaled),
    )


@dataclass(frozen=True)
class Extremes:
    """The worst group and the gap to the best, beside what chance alone makes of so many groups.

    Attributes
    ----------
    worst, best : object
        The groups of the lowest and the highest accuracy.
    worst_accuracy, gap : float
        The lowest accuracy, and the highest less the lowest.
    chance_worst, chance_gap : tuple of float
        The median of what chance gives for them, and the ends of its central 95 %.
    worst_p_value, gap_p_value : float
        One-sided: of a lowest accuracy as low, and of a gap as large, by chance.
    """

    worst: object
    best: object
    worst_accuracy: float
    gap: float
    chance_worst: tuple[float, float, float]
    chance_gap: tuple[float, float, float]
    worst_p_value: float
    gap_p_value: float


def extremes(
    right: ArrayLike, groups: Sequence, *, classes: Sequence | None = None, permutations: int = 1_999, seed: int = 0
) -> Extremes:
    """Compare the worst group, and the gap between worst and best, with what chance alone gives.

    Parameters
    ----------
    right, groups, classes, permutations, seed
        As for `group_accuracy`.

    Returns
    -------
    Extremes
        The worst and the best group, and what chance gives.

    Raises
    ------
    ValueError
        As `group_accuracy` does.

    Notes
    -----
    Of many small groups that a model serves equally, some come out far apart. A group that has the lowest accuracy is
    worth a look only where chance seldom gives one so low.
    """
    known = _dealt(right, groups, classes, permutations, seed)
    accuracy, drawn = known.right / known.n, known.drawn / known.n
    worst, best = int(accuracy.argmin()), int(accuracy.argmax())
    lowest, gap = drawn.min(1), np.ptp(drawn, axis=1)
    return Extremes(
        worst=known.names[worst],
        best=known.names[best],
        worst_accuracy=float(accuracy[worst]),
        gap=float(accuracy[best] - accuracy[worst]),
        chance_worst=_median_and_ends(lowest),
        chance_gap=_median_and_ends(gap),
        worst_p_value=float(_p_value(-lowest, -accuracy[worst])),
        gap_p_value=float(_p_value(gap, accuracy[best] - accuracy[worst])),
    )


@dataclass(frozen=True)
class _Dealt:
    """Right answers of each group, and what chance makes of them."""

    names: pd.Index
    n: Array  # (groups,)
    right: Array  # (groups,)
    expected: Array  # (groups,): the mean over all permutations
    drawn: Array  # (permutations, groups)


def _dealt(right: ArrayLike, groups: Sequence, classes: Sequence | None, permutations: int, seed: int) -> _Dealt:
    """Check the images, and permute the labels of the groups within classes."""
    right = checks.answers(right, "right")
    if right.ndim != 1 or not len(right):
        raise ValueError(f"right has shape {right.shape}, expected one answer per image")
    group, names = numbered(groups, "groups", len(right))
    of_class = np.zeros(len(right), dtype=int) if classes is None else codes(classes, "classes", len(right))
    checks.whole(permutations, "permutations")
    checks.whole(seed, "seed", 0)
    if len(names) < 2:
        raise ValueError("all images are of one group, expected two groups or more to compare")
    counts = _counts(of_class, group)
    right_of_class = np.bincount(of_class, right).astype(int)
    drawn = np.zeros((permutations, len(names)))
    rng = np.random.default_rng(seed)
    for members, hits in zip(counts, right_of_class, strict=True):
        present = np.flatnonzero(members)
        drawn[:, present] += rng.multivariate_hypergeometric(members[present], hits, permutations, method="marginals")
    return _Dealt(
        names=names.rename("group"),
        n=counts.sum(0).astype(float),
        right=np.bincount(group, right),
        expected=(right_of_class / counts.sum(1)) @ counts,
        drawn=drawn,
    )


def _counts(rows: Codes, columns: Codes) -> NDArray[np.int_]:
    """How many images have each pair of labels: (rows, columns)."""
    shape = rows.max() + 1, columns.max() + 1
    return np.bincount(rows * shape[1] + columns, minlength=shape[0] * shape[1]).reshape(shape)


def _against_rest(right: Array, n: Array) -> Array:
    """Accuracy of each group less that of all other images: (..., groups), from right answers (..., groups)."""
    return right / n - (right.sum(-1, keepdims=True) - right) / (n.sum() - n)


def _p_value(drawn: Array, own: Array | float) -> Array:
    """The share of permutations (along axis 0) that are as large, the images' own order among them."""
    return (1 + (drawn >= own - 1e-12).sum(0)) / (1 + len(drawn))


def _median_and_ends(drawn: Array) -> tuple[float, float, float]:
    median, low, high = np.quantile(drawn, (0.5, *ENDS))
    return float(median), float(low), float(high)
