"""p recovered from an interval, and Holm's correction, against SciPy and by hand."""

from dataclasses import replace

import numpy as np
import pytest
from book.claims.hand_made import at
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from fairlib import intervals
from fairlib.book import claims
from fairlib.book.claims import Estimate


def test_the_p_of_trainings_is_that_of_the_t_test():
    values = np.random.default_rng(0).normal(0.02, 0.03, (50, 10))
    for row in values:
        e = Estimate(**intervals.over_seeds(row), anchor="cell")
        assert claims.p_value(e) == pytest.approx(stats.ttest_1samp(row, 0).pvalue)


@given(st.floats(-4, 4), st.floats(0.1, 2))
def test_without_trainings_it_is_the_normal_one(z, error):
    half = stats.norm.ppf(0.975) * error
    e = at(z * error, z * error - half, z * error + half)
    assert claims.p_value(e) == pytest.approx(2 * stats.norm.sf(abs(z)))


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=3).map(sorted), st.integers(2, 20))
def test_it_is_below_the_level_exactly_where_zero_is_outside(ends, seeds):
    low, value, high = ends
    for e in (at(value, low, high), at(value, low, high, sd=0.1, seeds=seeds)):
        p = claims.p_value(e)
        if min(abs(low), abs(high), abs(value)) > 1e-6 and abs(p - 0.05) > 1e-9:
            assert (p < 0.05) == (low > 0 or high < 0)


def test_what_is_exact_is_certain():
    assert (claims.p_value(at(0.1)), claims.p_value(at(-0.1)), claims.p_value(at(0.0))) == (0, 0, 1)


def by_p(p):
    z = stats.norm.isf(p / 2)
    return at(z, z - 1.959964, z + 1.959964)


def test_holm_by_hand():
    """0.01 x 4, 0.013 x 3 but no less than before, 0.03 x 2, 0.2 x 1."""
    found = claims.adjusted({name: by_p(p) for name, p in (("a", 0.2), ("b", 0.013), ("c", 0.03), ("d", 0.01))})
    assert found == pytest.approx({"a": 0.2, "b": 0.04, "c": 0.06, "d": 0.04}, rel=1e-4)
    assert claims.adjusted({}) == {}


@settings(max_examples=25)  # statsmodels collects garbage at each call
@given(st.lists(st.floats(1e-6, 0.99), min_size=1, max_size=8))
def test_more_comparisons_never_make_one_more_certain(ps):
    family = {str(i): by_p(p) for i, p in enumerate(ps)}
    found = claims.adjusted(family)
    exact = [claims.p_value(e) for e in family.values()]
    assert list(found.values()) == pytest.approx(multipletests(exact, method="holm")[1].tolist())
    for i, p in enumerate(ps):
        assert p * (1 - 1e-4) <= found[str(i)] <= min(1, len(ps) * p) * (1 + 1e-4)
    assert found["0"] <= claims.adjusted(family | {"more": by_p(0.5)})["0"] + 1e-12
    assert claims.p_value(replace(family["0"], basis="x")) == pytest.approx(claims.adjusted({"0": family["0"]})["0"])
