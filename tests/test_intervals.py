"""Intervals against closed formulas, sampling ranges against simulated samples."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fairlib import intervals


def test_wilson_interval():
    counts = pd.DataFrame({"right": [0, 1, 75, 149, 150, 9999], "n": [150] * 5 + [10_000]})
    found = intervals.with_interval(counts)
    z = stats.norm.ppf(0.975)
    for row in found.itertuples():
        p, n = row.right / row.n, row.n
        centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        assert row.accuracy == p
        assert (row.low, row.high) == pytest.approx(
            ((centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n))
        )
    assert list(counts.columns) == ["right", "n"], "the caller's table was changed"


@pytest.mark.parametrize("n", [150, 200])
@pytest.mark.parametrize("accuracy", [0.0, 0.02, 0.3, 0.53, 0.95, 1.0])
def test_sampling_range_covers_what_is_sampled(accuracy, n):
    """At least 95 % of simulated evaluations are printed inside it, and at most 2.5 % fall out at either end."""
    printed = np.round(np.random.default_rng(0).binomial(n, accuracy, 20_000) / n, 2)
    low, high = intervals.sampling_range(accuracy, n)
    assert (printed < low).mean() < 0.028 and (printed > high).mean() < 0.028
    inside = (printed > low) & (printed < high)
    assert inside.mean() < 0.95, "a narrower range would do"


def test_sampling_range_by_hand():
    """Binomial(2, 1/2) is 0, 1 or 2 with probabilities 1/4, 1/2, 1/4."""
    assert intervals.sampling_range(0.5, 2, level=0.95) == (0.0, 1.0)
    assert intervals.sampling_range(0.5, 2, level=0.4) == (0.5, 0.5)
    low, high = intervals.sampling_range(1 / 3, 10**6, decimals=4)
    assert (low, high) == (round(low, 4), round(high, 4)) == pytest.approx((1 / 3 - 0.00092, 1 / 3 + 0.00092), abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "mend"),
    [
        ((1.1, 150), r"accuracy is 1\.1, expected a number in \[0, 1\]"),
        ((53, 150), r"accuracy is 53, expected a number in \[0, 1\]"),
        ((math.nan, 150), r"accuracy is nan, expected a number in \[0, 1\]"),
        ((0.5, 0), "n is 0, expected a whole number of 1 or more"),
    ],
)
def test_an_impossible_sample_is_refused(arguments, mend):
    with pytest.raises(ValueError, match=mend):
        intervals.sampling_range(*arguments)


def test_explained_is_the_sampling_range_ends_included():
    low, high = intervals.sampling_range(0.5, 150)
    inside = [intervals.explained(value, 0.5, 150) for value in (low - 0.01, low, 0.5, high, high + 0.01)]
    assert inside == [False, True, True, True, False]


def test_gain_is_newcombes_interval():
    """Newcombe 1998, method 10, from the two Wilson intervals."""
    rows = intervals.with_interval(
        pd.DataFrame({"method": ["defended", "defenseless"], "right": [56, 48], "n": [70, 80]})
    )
    p, low, high = (rows[name].to_numpy() for name in ("accuracy", "low", "high"))
    down = math.hypot(p[0] - low[0], high[1] - p[1])
    up = math.hypot(high[0] - p[0], p[1] - low[1])
    assert intervals.gain(rows) == pytest.approx((p[0] - p[1] - down, p[0] - p[1] + up))
    assert intervals.gain(rows) == pytest.approx((0.0524, 0.3339), abs=5e-5), "as printed in that paper's table II"
    assert intervals.gain(rows[::-1]) == intervals.gain(rows), "the order of the rows does not matter"


def test_prediction_range_covers_the_next_training():
    """Simulated: trainings whose true accuracy scatters, each measured on n images."""
    generator = np.random.default_rng(1)
    n, inside = 400, 0
    for _ in range(2000):
        *seen, following = generator.normal(0.6, 0.03, 6)
        low, high = intervals.prediction_range(seen, n)
        inside += low <= generator.binomial(n, following) / n <= high
    assert 0.94 < inside / 2000 < 0.99


def test_prediction_range_by_hand():
    """Mean 1/2, variance 0.02, two trainings: 1/2 +- hypot(t(1) sqrt(0.02 * 3/2), z sqrt(1/4 / n)), cut to [0, 1]."""
    half = math.hypot(stats.t.ppf(0.6, 1) * math.sqrt(0.03), stats.norm.ppf(0.6) * math.sqrt(0.25 / 100))
    assert intervals.prediction_range([0.4, 0.6], 100, level=0.2) == pytest.approx((0.5 - half, 0.5 + half))
    assert intervals.prediction_range([0.4, 0.6], 100) == (0, 1)


@pytest.mark.parametrize(("accuracies", "n"), [([0.5], 100), ([], 100), ([[0.5, 0.6]], 100), ([0.5, 0.6], 0)])
def test_too_little_to_predict_from_is_refused(accuracies, n):
    with pytest.raises(ValueError, match=r"expected 2 or more numbers along 1 axis|n is 0, expected a whole number"):
        intervals.prediction_range(accuracies, n)


def test_paired_is_bonett_and_prices_interval():
    """Their formula, worked by hand for 30 gained and 10 lost of 98 images; agreement everywhere; a whole gain."""
    up, down = 31 / 100, 11 / 100
    half = 1.959964 * math.sqrt((up + down - 0.2**2) / 100)
    assert intervals.paired(30, 10, 98) == pytest.approx((20 / 98, 0.2 - half, 0.2 + half), abs=1e-6)
    value, low, high = intervals.paired(0, 0, 1000)
    assert value == 0
    assert low == pytest.approx(-high)
    assert intervals.paired(50, 0, 50)[2] == 1
    assert [-v for v in intervals.paired(10, 30, 98)] == pytest.approx(
        [intervals.paired(30, 10, 98)[i] for i in (0, 2, 1)]
    )


def test_paired_covers_the_difference():
    """Images of which 20 % flip one way and 12 % the other: the interval holds 0.08 in 95 % of the samples."""
    flips = np.random.default_rng(0).multinomial(200, [0.20, 0.12, 0.68], size=2000)
    found = [intervals.paired(gained, lost, 200) for gained, lost, _ in flips.tolist()]
    assert np.mean([low <= 0.08 <= high for _, low, high in found]) == pytest.approx(0.95, abs=0.015)
    assert np.mean([high - low for _, low, high in found]) == pytest.approx(
        2 * 1.96 * math.sqrt((0.32 - 0.08**2) / 200), rel=0.05
    )


@pytest.mark.parametrize("counts", [(-1, 0, 10), (6, 5, 10), (0, 0, 0)])
def test_impossible_pairs_are_refused(counts):
    with pytest.raises(ValueError, match=r"expected (counts of some of n >= 1 images|a whole number of [01] or more)"):
        intervals.paired(*counts)


def test_the_interval_of_a_median_is_made_of_order_statistics():
    """Of 20 values the 6th and the 15th enclose the median with 95.9 %: P(6 <= Binomial(20, 1/2) <= 14)."""
    values = np.random.default_rng(0).permutation(np.arange(20.0))
    assert stats.binom.cdf(14, 20, 0.5) - stats.binom.cdf(5, 20, 0.5) > 0.95
    assert intervals.median(values) == (9.5, 5, 14)
    with pytest.raises(ValueError, match="expected six or more"):
        intervals.median([1.0] * 5)


def test_the_interval_of_a_mean_is_students():
    value, low, high = intervals.mean([1.0, 2.0, 4.0])
    half = stats.t.ppf(0.975, 2) * math.sqrt(7 / 3) / math.sqrt(3)
    assert (value, low, high) == pytest.approx((7 / 3, 7 / 3 - half, 7 / 3 + half))
    with pytest.raises(ValueError, match="expected two or more"):
        intervals.mean([1.0])
