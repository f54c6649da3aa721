"""Intervals and tests over images against closed forms, exact enumeration and SciPy; bad input."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fairlib import bootstrap

G = np.random.default_rng(3)


def test_the_interval_of_a_mean_is_the_normal_one_for_many_images():
    values = G.exponential(size=800)
    found = bootstrap.mean(values)
    half = 1.96 * values.std() / 800**0.5
    assert found["value"] == pytest.approx(values.mean()) and found["n"] == 800
    assert (found["low"], found["high"]) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.15 * half)


def test_the_interval_covers():
    """Of 200 samples of 40 numbers, about 95 % of the intervals hold the true mean."""
    held = [f["low"] <= 0 <= f["high"] for f in (bootstrap.mean(G.normal(size=40)) for _ in range(200))]
    assert stats.binomtest(sum(held), 200, 0.94).pvalue > 0.001


def test_equal_numbers_have_no_width():
    assert bootstrap.mean([0.1] * 7) == pytest.approx({"value": 0.1, "low": 0.1, "high": 0.1, "n": 7})
    found = bootstrap.difference([0.5] * 5, [0.5] * 5)
    assert (found["low"], found["high"], found["p_value"]) == (0, 0, 1)


def test_the_paired_test_is_the_exact_one_for_a_few_images():
    first, second = np.array([3.0, 1.0, 4.0, 1.5, 9.0]), np.array([1.0, 1.5, 1.0, 1.0, 2.0])
    gap = first - second
    flips = [abs(np.dot(signs, gap)) >= abs(gap.sum()) - 1e-12 for signs in itertools.product((1, -1), repeat=5)]
    found = bootstrap.difference(first, second)
    assert found["p_value"] == pytest.approx(np.mean(flips))
    assert found["value"] == pytest.approx(gap.mean())


def test_pairing_is_used():
    """A small shift under a large spread between images: seen by pairs, lost without."""
    base = G.normal(scale=10, size=60)
    shifted = base + 0.5 + G.normal(scale=0.5, size=60)
    found = bootstrap.difference(shifted, base)
    assert found["low"] > 0 and found["p_value"] < 0.001
    assert stats.ttest_ind(shifted, base).pvalue > 0.5
    unpaired = bootstrap.difference(shifted, G.permutation(base))
    assert unpaired["low"] < 0 < unpaired["high"]


def test_the_margin_is_over_the_best_other():
    values = pd.DataFrame({"a": G.normal(1, 0.1, 50), "b": G.normal(2, 0.1, 50), "c": G.normal(5, 0.1, 50)})
    m = values.mean()
    lead = bootstrap.margin(values, "a")
    assert lead["value"] == pytest.approx(m["b"] - m["a"]) and lead["low"] > 0.8
    behind = bootstrap.margin(values, "b")
    assert behind["value"] == pytest.approx(m["a"] - m["b"]) and behind["high"] < 0
    two = bootstrap.margin(values[["a", "b"]], "a")
    gap = bootstrap.difference(values["b"], values["a"])
    assert [two[k] for k in ("value", "low", "high")] == pytest.approx([gap[k] for k in ("value", "low", "high")])


def test_a_ratio_is_that_of_the_means_on_the_same_images():
    """Its interval is about that of the delta method."""
    first, second = G.uniform(1, 2, size=200), G.uniform(3, 4, size=200)
    found = bootstrap.ratio(first, second)
    assert found["value"] == pytest.approx(first.mean() / second.mean())
    spread = (
        np.std(first / second.mean() - second * first.mean() / second.mean() ** 2, ddof=1) / 200**0.5
    )  # delta method
    assert (found["high"] - found["low"]) / 2 == pytest.approx(1.96 * spread, rel=0.1)
    assert bootstrap.ratio(2 * second, second) == pytest.approx({"value": 2, "low": 2, "high": 2, "n": 200})


def test_the_bootstrap_is_scipys():
    samples = [G.uniform(1, 2, size=60) for _ in range(3)]

    def statistic(a, b, c, axis):
        return a.mean(axis=axis) / b.mean(axis=axis) - c.mean(axis=axis)

    ends = stats.bootstrap(
        samples, statistic, paired=True, n_resamples=bootstrap.RESAMPLES, method="percentile", rng=0
    ).confidence_interval
    found = bootstrap.interval(statistic, *samples)
    assert (found["low"], found["high"]) == pytest.approx((ends.low, ends.high), rel=1e-12)
    assert (found["value"], found["n"]) == (pytest.approx(statistic(*samples, axis=0)), 60)


def test_resamples_that_divide_by_nothing_are_left_out():
    """Of the 27 resamples of three images, the eight without the last have no ratio."""
    first, second = np.array([5.0, 1.0, 2.0]), np.array([0.0, 0.0, 1.0])
    draws = [list(draw) for draw in itertools.product(range(3), repeat=3) if 2 in draw]
    ratios = [first[draw].sum() / second[draw].sum() for draw in draws]
    found = bootstrap.ratio(first, second)
    assert len(ratios) == 19
    assert [found["low"], found["high"]] == np.quantile(ratios, [0.025, 0.975], method="inverted_cdf").tolist()
    with pytest.raises(ValueError, match="the statistic divides by nothing, expected numbers whose mean is not 0"):
        bootstrap.ratio(first, 0 * second)


NUMBERS = [1.0, 2.0, 3.0]
BAD_NUMBERS = {
    "one": ([1.0], "there are 1 images, expected two or more"),
    "none": ([], "there are 0 images, expected two or more"),
    "NaN": ([1.0, 2.0, np.nan], "the values hold NaN or infinity, expected a number for each image; leave these"),
    "infinite": ([1.0, 2.0, np.inf], "the values hold NaN or infinity"),
    "words": (["a", "b", "c"], r"the values are not numbers \(.*\), expected one number for each image"),
    "nothing": (None, r"(have shape \(\)|NaN or infinity).*, expected"),
    "two columns": ([[1.0, 2.0]] * 3, r"the values have shape .*\(3, 2\).*, expected one number for each image"),
}


@pytest.mark.parametrize("bad", BAD_NUMBERS)
def test_what_is_no_number_for_each_image_is_refused(bad):
    values, mend = BAD_NUMBERS[bad]
    with pytest.raises(ValueError, match=mend):
        bootstrap.mean(values)
    for of in (bootstrap.difference, bootstrap.ratio):
        for pair in ((values, NUMBERS), (NUMBERS, values)):
            with pytest.raises(ValueError, match="expected"):
                of(*pair)


@pytest.mark.parametrize(
    ("values", "leader", "mend"),
    [
        (None, "a", "values is None, expected a DataFrame; make one: a row per image, a column per method"),
        (pd.DataFrame({"a": NUMBERS, "b": NUMBERS}), "c", "leader is 'c', expected one of: a, b"),
        (pd.DataFrame({"a": NUMBERS}), "a", "values has the column a only, expected another one"),
    ],
)
def test_a_margin_needs_two_methods(values, leader, mend):
    with pytest.raises(ValueError, match=mend):
        bootstrap.margin(values, leader)


def test_results_repeat():
    values = G.normal(size=30)
    assert bootstrap.mean(values) == bootstrap.mean(values)
    assert bootstrap.difference(values, values**2) == bootstrap.difference(values, values**2)


def test_one_image_gives_no_interval():
    with pytest.raises(ValueError, match="there are 1 images, expected two or more"):
        bootstrap.mean([0.3])
