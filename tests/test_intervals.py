"""Shares with their intervals against the closed formula."""

import math

import pandas as pd
import pytest
from scipy import stats

from fairlib import evaluation, intervals


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


def test_evaluation_has_the_same_one():
    assert evaluation.with_interval is intervals.with_interval
