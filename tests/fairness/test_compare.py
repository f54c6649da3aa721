"""Comparisons of collections against SciPy, statsmodels, published examples and simulation."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from fairlib import fairness

A = np.array([0.031, 0.028, 0.035, 0.030, 0.027, 0.033, 0.040, 0.029])
B = np.array([0.022, 0.030, 0.025, 0.027, 0.024, 0.021, 0.033, 0.026])


@pytest.mark.parametrize(("t", "p"), [(3.85, 0.00017), (2.95, 0.00242)])
def test_the_paper_s_p_values_are_those_of_49_degrees_of_freedom(t, p):
    allowed = stats.t.sf([t + 0.005, t - 0.005], 49)  # what t may have been before it was rounded
    assert allowed[0] <= p <= allowed[1]
    assert not stats.t.sf(t + 0.005, 98) <= p <= stats.t.sf(t - 0.005, 98)


@pytest.mark.parametrize("test", fairness.TESTS)
def test_comparisons_are_scipy_s(test):
    found = fairness.compare(A, B, test)
    if test == "paired":
        oracle = stats.ttest_rel(A, B, alternative="greater")
    else:
        oracle = stats.ttest_ind(A, B, equal_var=test == "pooled", alternative="greater")
    assert (found.t, found.p_value) == pytest.approx((oracle.statistic, oracle.pvalue))
    assert found.degrees_of_freedom == pytest.approx(oracle.df)
    assert found.difference == pytest.approx(A.mean() - B.mean())
    if test == "paired":
        low, high = DescrStatsW(A - B).tconfint_mean()
    else:
        usevar = "pooled" if test == "pooled" else "unequal"
        low, high = CompareMeans(DescrStatsW(A), DescrStatsW(B)).tconfint_diff(usevar=usevar)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert fairness.compare(B, A, test).p_value == pytest.approx(1 - found.p_value)


def test_the_effect_is_hedges_g():
    """Two groups of 50, one standard deviation apart: g = d (1 - 3 / (4 * 98 - 1))."""
    x = np.linspace(-1, 1, 50)
    x /= x.std(ddof=1)
    for test in ("pooled", "welch"):
        assert fairness.compare(x + 1, x, test).hedges_g == pytest.approx(1 - 3 / 391)
    one, other = np.array([0.0, 2.0, 4.0]), np.array([1.0, 2.0])  # their variances are 4 and 1/2: 17/6 pooled, of 3
    assert fairness.compare(one, other).hedges_g == pytest.approx(0.5 / np.sqrt(17 / 6) * (1 - 3 / 11))
    assert fairness.compare(x + 1, 0 * x, "paired").hedges_g == pytest.approx(1 - 3 / 195)


def test_equal_means_are_no_evidence():
    found = fairness.compare(A, A[::-1])
    assert (found.difference, found.p_value) == pytest.approx((0, 0.5))
    assert found.low == pytest.approx(-found.high) and found.high > 0


@pytest.mark.parametrize(
    ("theirs", "ours", "test", "complaint"),
    [
        ([0.1], [0.1, 0.2], "pooled", "theirs has shape .*expected 2 or more"),
        ([0.1, np.nan], [0.1, 0.2], "welch", "theirs holds nan, expected finite numbers"),
        ([0.1, 0.2, 0.3], [0.1, 0.2], "paired", "3 against 2 slopes"),
        ([0.1, 0.1], [0.2, 0.2], "pooled", "no spread"),
        ([0.1, 0.2], [0.2, 0.3], "bayes", "test is 'bayes', expected one of: pooled, welch, paired"),
    ],
)
def test_bad_collections_are_refused(theirs, ours, test, complaint):
    with pytest.raises(ValueError, match=complaint):
        fairness.compare(theirs, ours, test)


def test_a_data_set_counts_once():
    theirs, ours = [A, A + 0.01, A - 0.002], [B, B + 0.003, B - 0.004]
    found = fairness.compare_over_sets(theirs, ours)
    oracle = stats.ttest_ind([x.mean() for x in theirs], [x.mean() for x in ours], equal_var=False)
    assert (found.t, found.degrees_of_freedom) == pytest.approx((oracle.statistic, oracle.df))


def test_the_intraclass_correlation_is_shrout_and_fleiss_s():
    """Six targets, four judges (Shrout and Fleiss 1979, table 2): ICC(1, 1) = 0.17."""
    ratings = [(9, 2, 5, 8), (6, 1, 3, 2), (8, 4, 6, 8), (7, 1, 2, 6), (10, 5, 6, 9), (6, 2, 4, 7)]
    assert round(fairness.intraclass_correlation(ratings), 2) == 0.17
    # With these 18 degrees of freedom within and 5 between, R's psych::ICC prints -0.13 and 0.72.
    assert [round(end, 2) for end in fairness.intraclass_correlation_interval(ratings)] == [-0.13, 0.72]
    with pytest.raises(ValueError, match=r"groups has shape \(4,\)"):
        fairness.intraclass_correlation([1, 2, 3, 4])
    with pytest.raises(ValueError, match="equal slopes"):
        fairness.intraclass_correlation([[1, 1], [2, 2]])


@pytest.mark.parametrize("icc", [0.0, 0.4])
def test_the_interval_of_the_intraclass_correlation_holds_it_as_often_as_it_says(icc):
    rng, worlds = np.random.default_rng(0), 1_000
    drawn = icc**0.5 * rng.standard_normal((worlds, 8, 1)) + (1 - icc) ** 0.5 * rng.standard_normal((worlds, 8, 10))
    ends = np.array([fairness.intraclass_correlation_interval(sets) for sets in drawn])
    for missed in ((ends[:, 0] > icc).sum(), (ends[:, 1] < icc).sum()):
        assert stats.binomtest(missed, worlds, 0.025).pvalue > 0.001


@pytest.mark.parametrize(("icc", "models"), [(0.0, 3), (0.3, 3), (0.3, 20), (0.8, 3)])
def test_the_size_within_sets_is_what_simulation_finds(icc, models):
    rng, worlds = np.random.default_rng(0), 20_000
    luck = icc**0.5 * rng.standard_normal((2, worlds, 1))
    theirs, ours = luck + (1 - icc) ** 0.5 * rng.standard_normal((2, worlds, models))
    rejected = (stats.ttest_ind(theirs, ours, axis=1, alternative="greater").pvalue < 0.05).sum()
    low, high = proportion_confint(rejected, worlds, alpha=0.001, method="wilson")
    assert low <= fairness.size_within_sets(icc, models) <= high


def test_models_of_one_data_set_are_not_independent():
    """Arms that differ by the luck of their data sets alone: counting models misleads, counting data sets does not."""
    rng, worlds = np.random.default_rng(0), 400
    wrong = right = 0
    for _ in range(worlds):
        arms = [[0.01 * rng.standard_normal() + 0.01 * rng.standard_normal(50) for _ in range(8)] for _ in range(2)]
        wrong += fairness.compare(arms[0][0], arms[1][0]).p_value < 0.05
        right += fairness.compare_over_sets(*arms).p_value < 0.05
    expected = fairness.size_within_sets(0.5, 50)
    low, high = proportion_confint(wrong, worlds, alpha=0.001, method="wilson")
    assert low <= expected <= high and expected > 0.3
    assert fairness.size_within_sets(-0.01, 50) == pytest.approx(0.05)
    low, high = proportion_confint(right, worlds, alpha=0.001, method="wilson")
    assert low <= 0.05 <= high
