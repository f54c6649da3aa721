"""Collections of models compared by their slopes: the paper's t-tests, and what shared data sets do to them.

Second paper, section 4.3.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from fairlib import checks
from fairlib.fairness.table import LEVEL

TESTS = ("pooled", "welch", "paired")


@dataclass(frozen=True)
class Comparison:
    """The mean slope of one collection of models against another's, and the one-sided t-test that ours is smaller.

    Attributes
    ----------
    test : str
        One of `TESTS`.
    difference, low, high : float
        Mean slope of `theirs` minus that of `ours`, and its 95 % interval.
    t : float
        The difference over its standard error.
    degrees_of_freedom : float
        Of t; a fraction in Welch's test.
    p_value : float
        One-sided: of a t at least as large where the means are equal.
    hedges_g : float
        The difference in standard deviations, of the models of an arm (`paired`: of the differences), with Hedges'
        correction for small samples.
    """

    test: str
    difference: float
    low: float
    high: float
    t: float
    degrees_of_freedom: float
    p_value: float
    hedges_g: float


def compare(theirs: ArrayLike, ours: ArrayLike, test: str = "pooled") -> Comparison:
    """Test whether our models have smaller slopes than theirs.

    Parameters
    ----------
    theirs : (m,) numbers
        The slope of each of their models, m >= 2.
    ours : (m',) numbers
        The slope of each of ours, m' >= 2.
    test : {'pooled', 'welch', 'paired'}
        `pooled`: two samples of equal variance. `welch`: two samples. `paired`: the differences of models that belong
        together, in order.

    Returns
    -------
    Comparison
        Of theirs with ours.

    Raises
    ------
    ValueError
        When there are fewer than two models, a slope is not finite, the test is unknown, pairs are of different number,
        or the slopes have no spread.

    Notes
    -----
    H0: mean of ours >= mean of theirs; H1: mean of ours < mean of theirs.

    The paper says `two standard t-tests`; its p-values fit 49 degrees of freedom, which `paired` has with 50 models.

    References
    ----------
    Hua, Xu, Blanchet and Nguyen (2021), section 4.3.
    """
    checks.one_of(test, TESTS, "test")
    theirs, ours = checks.numbers(theirs, "theirs", least=2), checks.numbers(ours, "ours", least=2)
    if test == "paired":
        if len(theirs) != len(ours):
            raise ValueError(
                f"{len(theirs)} against {len(ours)} slopes, expected as many in both: the paired test needs pairs"
            )
        pooled_df, spread = len(theirs) - 1, (theirs - ours).std(ddof=1)
    else:
        pooled_df = len(theirs) + len(ours) - 2
        squares = (len(theirs) - 1) * theirs.var(ddof=1) + (len(ours) - 1) * ours.var(ddof=1)
        spread = np.sqrt(squares / pooled_df)
    if not spread > 0:
        raise ValueError("the slopes have no spread, so there is no error to test their difference with")
    if test == "paired":
        result = stats.ttest_rel(theirs, ours)
    else:
        result = stats.ttest_ind(theirs, ours, equal_var=test == "pooled")
    difference, (low, high) = theirs.mean() - ours.mean(), result.confidence_interval(1 - LEVEL)
    return Comparison(
        test=test,
        difference=float(difference),
        low=float(low),
        high=float(high),
        t=float(result.statistic),
        degrees_of_freedom=float(result.df),
        p_value=float(stats.t.sf(result.statistic, result.df)),
        hedges_g=float(difference / spread * (1 - 3 / (4 * pooled_df - 1))),
    )


def compare_over_sets(theirs: Sequence[ArrayLike], ours: Sequence[ArrayLike], test: str = "welch") -> Comparison:
    """Compare with every adversarial data set counted once: the mean slope of its models stands for it.

    Parameters
    ----------
    theirs, ours : sequence of arrays
        For each D_rob of an arm the slopes of the models trained on it; two D_rob or more.
    test : {'pooled', 'welch', 'paired'}
        As in `compare`.

    Returns
    -------
    Comparison
        Of the means.

    Raises
    ------
    ValueError
        When a data set has no model, or `compare` refuses the means.

    Notes
    -----
    Models trained on one D_rob share its luck; only another D_rob is a new draw of the attack. The paper counts models.
    """
    return compare(_means(theirs, "theirs"), _means(ours, "ours"), test)


def _means(sets: Sequence[ArrayLike], name: str) -> list[float]:
    """The mean slope of the models of each data set."""
    checks.several(sets, name)
    return [float(np.mean(checks.numbers(models, f"a data set of {name}"))) for models in sets]


def intraclass_correlation(groups: Sequence[ArrayLike]) -> float:
    """Estimate the share of the variance of slopes that models of one data set have in common, ICC(1, 1).

    Parameters
    ----------
    groups : (sets, m) numbers
        The slopes of m models from each data set, two or more of both.

    Returns
    -------
    float
        At most 1; 0 where models of one data set are no more alike than models of two, and it can come out a little
        below.

    Raises
    ------
    ValueError
        When the shape is not as above, or the models of each data set have equal slopes.

    Notes
    -----
    (F - 1) / (F + m - 1), F the mean square between data sets over that within them. m slopes of one data set are worth
    m / (1 + (m - 1) ICC) independent ones.

    References
    ----------
    Shrout and Fleiss, Intraclass correlations, 1979.
    """
    ratio, _, m = _variance_ratio(groups)
    return _icc(ratio, m)


def intraclass_correlation_interval(groups: Sequence[ArrayLike]) -> tuple[float, float]:
    """Return the 95 % interval of `intraclass_correlation`.

    Parameters
    ----------
    groups : (sets, m) numbers
        As there.

    Returns
    -------
    low, high : float
        From the F distribution: exact where the means of data sets, and the models about them, are normal.

    Raises
    ------
    ValueError
        As there.

    References
    ----------
    Shrout and Fleiss, Intraclass correlations, 1979.
    """
    ratio, sets, m = _variance_ratio(groups)
    upper, lower = stats.f.ppf([1 - LEVEL / 2, LEVEL / 2], sets - 1, sets * (m - 1))
    return _icc(ratio / upper, m), _icc(ratio / lower, m)


def _variance_ratio(groups: Sequence[ArrayLike]) -> tuple[float, int, int]:
    """Mean square between the groups over that within them, the number of groups, and of slopes in each."""
    slopes = checks.numbers(groups, "groups", axes=None)
    if slopes.ndim != 2 or min(slopes.shape) < 2:
        raise ValueError(
            f"groups has shape {slopes.shape}, expected two sets or more, of equally many models, two or more"
        )
    within = slopes.var(axis=1, ddof=1).mean()
    if not within > 0:
        raise ValueError("the models of each data set have equal slopes, expected some spread among them")
    sets, m = slopes.shape
    return float(m * slopes.mean(1).var(ddof=1) / within), sets, m


def _icc(ratio: float, m: int) -> float:
    """The intraclass correlation that belongs to a ratio of mean squares, of m slopes in each group."""
    return float((ratio - 1) / (ratio + m - 1))


def size_within_sets(icc: float, models: int) -> float:
    """Return how often the pooled test calls two runs of one attack different, at the level 0.05.

    Parameters
    ----------
    icc : float <= 1
        `intraclass_correlation` of the models of one data set; below 0 it is read as 0.
    models : int >= 2
        Models of either run, all trained on its one data set.

    Returns
    -------
    float
        The share of rejections of the one-sided test of `models` against as many, for normal slopes; 0.05 at icc 0.

    Raises
    ------
    ValueError
        When an argument is not as above.

    Notes
    -----
    The test takes 2 s_w^2 / m for the variance of the difference, which is 2 (s_b^2 + s_w^2 / m), s_b between and s_w
    within data sets: its t is too large by the root of 1 + m icc / (1 - icc).
    """
    if checks.finite(icc, "icc") > 1:
        raise ValueError(f"icc is {icc!r}, expected 1 or less: it is a share of a variance")
    checks.whole(models, "models", 2)
    icc = min(max(icc, 0.0), 1 - 1e-9)
    degrees_of_freedom = 2 * models - 2
    threshold = stats.t.ppf(1 - LEVEL, degrees_of_freedom)
    return float(stats.t.sf(threshold / np.sqrt(1 + models * icc / (1 - icc)), degrees_of_freedom))
