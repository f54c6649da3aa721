"""Two models on the same images: the difference of their slopes, what it costs each third, and levelling down."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from fairlib import checks
from fairlib.fairness.clustered import clustered_mean
from fairlib.fairness.groups import THIRDS, thirds
from fairlib.fairness.images import Codes, images
from fairlib.fairness.table import LEVEL, Array
from fairlib.fairness.within import ClassSlope, regressors, slopes

VERDICTS = ("flatter", "steeper", "neither")
AT_ONCE = 250  # draws of countries whose sums are in memory together
SINGULAR = 1e-9  # a determinant so small, for itself or beside its diagonal, is zero but for rounding


@dataclass(frozen=True)
class SlopeDifference:
    """The slopes within classes of two models on the same images.

    Attributes
    ----------
    first, second : ClassSlope
        Of each model.
    difference, low, high : float
        The second's slope less the first's, and its 95 % interval.
    verdict : {'flatter', 'steeper', 'neither'}
        What the second is. 'neither': the interval holds 0.
    """

    first: ClassSlope
    second: ClassSlope
    difference: float
    low: float
    high: float
    verdict: str


@dataclass(frozen=True)
class ModelComparison:
    """Two models on the same images.

    Attributes
    ----------
    slopes : dict of SlopeDifference
        `between` and `within` countries, as `fairlib.fairness.within_class` has them; the first decides.
    thirds : DataFrame
        A row per third of wealth: images `n`, `clusters` (countries, where there are three or more), accuracy of the
        `first` and of the `second` model, `change`, and its 95 % interval `low`, `high` (NaN with a single cluster).
    levelling_down : bool
        The second is flatter, but no third gains and one or more loses.
    """

    slopes: dict[str, SlopeDifference]
    thirds: pd.DataFrame
    levelling_down: bool


def compare_models(
    first: ArrayLike,
    second: ArrayLike,
    log_wealth: ArrayLike,
    classes: Sequence,
    countries: Sequence,
    *,
    clusters: Sequence | None = None,
    resamples: int = 1_999,
    seed: int = 0,
) -> ModelComparison:
    """Compare the slopes of two models on the same images, and what the second costs each third of wealth.

    Parameters
    ----------
    first, second : (N,) bool
        Whether each image is classified correctly, by either model.
    log_wealth, classes, countries, clusters
        As for `fairlib.fairness.within_class`.
    resamples : int >= 1
        Draws of the bootstrap.
    seed : int >= 0
        Draws them.

    Returns
    -------
    ModelComparison
        The slopes and their difference, the thirds, and whether the second levels down.

    Raises
    ------
    ValueError
        When lengths differ, or `fairlib.fairness.within_class` has no slope for one of the models.

    Notes
    -----
    Each draw takes as many countries as there are, with replacement, each with all of its images and so its clusters
    (with fewer than three countries, clusters are drawn in their place), and fits both models to it: the pairs stay
    together, and what is hard for both models cancels. The interval's ends are the quantiles Phi(-+ (k / (k - 1))^(1/2)
    t_(k - 1)) of the draws' differences, t_(k - 1) the 97.5 % quantile of Student's distribution, k what is drawn: the
    plain 2.5 % and 97.5 % are too narrow for few (Hesterberg, whose correction this is). How often the interval holds
    the true difference, with 8, 20 and 41 countries, is counted on the page of made worlds.

    A third's change is the mean of the images' differences in it; its interval is Student's with the error clustered by
    what the slope is clustered by (CR2, Satterthwaite).

    Decided by intervals: flatter, where that of the slopes' difference is without 0 and the second's slope is nearer
    to 0; a third gains where its interval lies above 0, and loses where it lies below. Levelling down is what
    Mittelstadt and others call equality by making the better off worse off.

    References
    ----------
    Hesterberg, What teachers should know about the bootstrap, 2015. Davison and Hinkley, Bootstrap methods and their
    application, 1997, section 3.8. Mittelstadt, Wachter and Russell, The unfairness of fair machine learning, 2023.
    """
    known = images(first, log_wealth, classes, countries, clusters)
    other = images(second, log_wealth, classes, countries, clusters).right
    checks.whole(resamples, "resamples")
    checks.whole(seed, "seed", 0)
    for name, right in (("first", known.right), ("second", other)):
        if np.ptp(right) == 0:
            which = "every" if right[0] else "no"
            raise ValueError(f"{name} is right on {which} image, so there is no slope to compare")
    both = slopes(known.right, known), slopes(other, known)
    terms, clustered_by = regressors(known)
    units = known.countries if clustered_by == "countries" else known.clusters
    answers = np.stack([known.right, other], 1)
    sums = _sums(np.stack(list(terms.values()), 1), answers, known.classes, units)
    drawn = _drawn_slopes(sums, resamples, seed)
    differences = {
        term: _difference(both[0][term], both[1][term], drawn[:, j, 1] - drawn[:, j, 0])
        for j, term in enumerate(terms)
        if term in both[0]
    }
    table = _thirds(thirds(log_wealth, countries), answers, units)
    flatter = next(iter(differences.values())).verdict == "flatter"
    levelling_down = flatter and not (table["low"] > 0).any() and bool((table["high"] < 0).any())
    return ModelComparison(slopes=differences, thirds=table, levelling_down=levelling_down)


class _Sums(NamedTuple):
    """What both models' slopes on any draw of countries are made of: p wealths X, and with the answers c columns."""

    counts: Array  # (units, classes): images
    columns: Array  # (c, units, classes): each column, summed
    products: Array  # (p, c, units): each wealth times each column, summed


def _sums(X: Array, answers: Array, classes: Codes, units: Codes) -> _Sums:
    """Sum over the images of each unit, and of each class in it."""
    X = X - X.mean(0)
    columns = np.concatenate([X, answers], 1).T
    shape = units.max() + 1, classes.max() + 1
    cell = units * shape[1] + classes

    def summed(values: Array) -> Array:
        return np.bincount(cell, values, minlength=shape[0] * shape[1]).reshape(shape)

    return _Sums(
        counts=summed(np.ones(len(X))),
        columns=np.stack([summed(column) for column in columns]),
        products=np.array([[np.bincount(units, x * column) for column in columns] for x in X.T]),
    )


def _slopes(sums: _Sums, draws: Array) -> Array:
    """Slopes (draws, p, models), where each draw (draws, units) counts a unit so many times. NaN where it has none.

    About the means of classes the sum of products x y is sum_i x_i y_i - sum_k (sum of x in class k)(sum of y in class
    k) / n_k.
    """
    p = len(sums.products)
    n = np.maximum(draws @ sums.counts, 1)
    columns = draws @ sums.columns  # (c, draws, classes)
    products = np.einsum("du,pcu->dpc", draws, sums.products) - np.einsum("pdk,cdk->dpc", columns[:p] / n, columns)
    squares, cross = products[:, :, :p], products[:, :, p:]
    scale = np.sqrt(np.einsum("djj->dj", squares).clip(0)).prod(1) ** 2
    has_slope = np.linalg.det(squares) > np.maximum(SINGULAR * scale, SINGULAR)
    slopes = np.full(cross.shape, np.nan)
    slopes[has_slope] = np.linalg.solve(squares[has_slope], cross[has_slope])
    return slopes


def _drawn_slopes(sums: _Sums, resamples: int, seed: int) -> Array:
    """The slopes (resamples, p, models) of draws of as many units as there are, with replacement."""
    rng, units = np.random.default_rng(seed), len(sums.counts)
    batches = [min(AT_ONCE, resamples - start) for start in range(0, resamples, AT_ONCE)]
    share = np.full(units, 1 / units)
    return np.concatenate([_slopes(sums, rng.multinomial(units, share, size).astype(float)) for size in batches])


def _difference(first: ClassSlope, second: ClassSlope, drawn: Array) -> SlopeDifference:
    """The second slope less the first, with the interval that draws (resamples,) of it give."""
    k = first.clusters
    tail = stats.norm.cdf(-np.sqrt(k / (k - 1)) * stats.t.ppf(1 - LEVEL / 2, k - 1))
    low, high = np.quantile(drawn[np.isfinite(drawn)], (tail, 1 - tail))
    verdict = "neither"
    if low > 0 or high < 0:
        verdict = "flatter" if abs(second.slope) < abs(first.slope) else "steeper"
    return SlopeDifference(first, second, second.slope - first.slope, float(low), float(high), verdict)


def _thirds(third: np.ndarray, answers: Array, units: Codes) -> pd.DataFrame:
    """What the second model costs each third of wealth."""
    rows = []
    for name in THIRDS:
        own = third == name
        change, error, freedom = clustered_mean(answers[own, 1] - answers[own, 0], units[own])
        half = stats.t.ppf(1 - LEVEL / 2, freedom) * error
        first, second = answers[own].mean(0)
        rows.append((int(own.sum()), len(np.unique(units[own])), first, second, change, change - half, change + half))
    columns = ["n", "clusters", "first", "second", "change", "low", "high"]
    return pd.DataFrame(rows, columns=columns, index=pd.Index(THIRDS, name="third"))
