"""The rules by hand, by simulation, and by what must hold for any number."""

from dataclasses import replace

import numpy as np
import pytest
from book.claims.hand_made import ESTIMATES, ONE, SHARP, TEN, WIDE, at
from hypothesis import assume, example, given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from fairlib import intervals
from fairlib.book import claims
from fairlib.book.claims import NOT_REPRODUCED, NOT_TESTABLE, REPRODUCED, RULES, UNDECIDED

RANK = {REPRODUCED: 2, UNDECIDED: 1, NOT_REPRODUCED: 0}
S = {"smallest": 0.02}
LEADS = S | {"first": "a", "among": ["a", "b"]}


@pytest.mark.parametrize(
    ("rule", "estimate", "parameters", "expected"),
    [
        ("matches", TEN, {"value": 0.537, "n": 150, "decimals": 2}, REPRODUCED),
        ("matches", TEN, {"value": 0.538, "n": 150, "decimals": 2}, NOT_REPRODUCED),
        ("matches", TEN, {"value": 0.343, "n": 150, "decimals": 2}, REPRODUCED),
        ("matches", TEN, {"value": 0.342, "n": 150, "decimals": 2}, NOT_REPRODUCED),
        ("matches", WIDE, {"value": 0.695, "n": 150, "decimals": 2}, REPRODUCED),
        ("matches", WIDE, {"value": 0.695, "n": 150, "decimals": 2, "alternatives": [at(0.8)]}, REPRODUCED),
        ("matches", WIDE, {"value": 0.695, "n": 150, "decimals": 2, "alternatives": [at(0.8), at(0.7)]}, UNDECIDED),
        ("matches", WIDE, {"value": 0.696, "n": 150, "decimals": 2, "alternatives": [at(0.7)]}, NOT_REPRODUCED),
        ("matches_range", TEN, {"low": 0.3, "high": 0.5, "n": 150, "decimals": 2}, REPRODUCED),  # inside
        ("matches_range", TEN, {"low": 0.537, "high": 0.8, "n": 150, "decimals": 2}, REPRODUCED),
        ("matches_range", TEN, {"low": 0.538, "high": 0.8, "n": 150, "decimals": 2}, NOT_REPRODUCED),
        ("matches_range", TEN, {"low": 0.1, "high": 0.343, "n": 150, "decimals": 2}, REPRODUCED),
        ("matches_range", TEN, {"low": 0.1, "high": 0.342, "n": 150, "decimals": 2}, NOT_REPRODUCED),
        (
            "matches_range",
            TEN,
            {"low": 0.5, "high": 0.6, "decimals": 2, "n": 150, "alternatives": [at(0.67)]},
            UNDECIDED,
        ),
        ("matches", SHARP, {"value": 0.455, "n": 10_000, "decimals": 2}, REPRODUCED),
        ("matches", SHARP, {"value": 0.456, "n": 10_000, "decimals": 2}, NOT_REPRODUCED),
        ("matches", ONE, {"value": 0.5268, "n": 150, "decimals": 2}, REPRODUCED),
        ("matches", ONE, {"value": 0.5270, "n": 150, "decimals": 2}, NOT_REPRODUCED),
        ("matches", ONE, {"value": 0.3550, "n": 150, "decimals": 2}, REPRODUCED),
        ("matches", ONE, {"value": 0.3547, "n": 150, "decimals": 2}, NOT_REPRODUCED),
        ("matches", at(600.0, 590.0, 615.0), {"value": 615.005, "decimals": 2}, REPRODUCED),
        ("matches", at(600.0, 590.0, 615.0), {"value": 615.02, "decimals": 2}, NOT_REPRODUCED),
        ("matches", at(0.0, 0.0, 0.0), {"value": 0.0, "n": 150, "decimals": 2}, REPRODUCED),
        ("between", at(0.17, 0.15, 0.2), {"low": 0.15, "high": 0.2}, REPRODUCED),
        ("between", at(0.17, 0.146, 0.204), {"low": 0.15, "high": 0.2, "decimals": 2}, REPRODUCED),
        ("between", at(0.17, 0.146, 0.204), {"low": 0.15, "high": 0.2}, UNDECIDED),
        ("between", at(0.14, 0.13, 0.151), {"low": 0.15, "high": 0.2}, UNDECIDED),
        ("between", at(0.13, 0.12, 0.149), {"low": 0.15, "high": 0.2}, NOT_REPRODUCED),
        ("between", at(0.23, 0.21, 0.25), {"low": 0.15, "high": 0.2}, NOT_REPRODUCED),
        ("at_least", at(2.5, 2.0, 3.0), {"value": 2.0}, REPRODUCED),
        ("at_least", at(2.5, 1.9, 3.0), {"value": 2.0}, UNDECIDED),
        ("at_least", at(1.5, 1.0, 1.9), {"value": 2.0}, NOT_REPRODUCED),
        ("at_most", at(0.003, 0.002, 0.004), {"value": 0.0, "decimals": 2}, REPRODUCED),
        ("at_most", at(0.003, 0.002, 0.006), {"value": 0.0, "decimals": 2}, UNDECIDED),
        ("at_most", at(0.008, 0.006, 0.009), {"value": 0.0, "decimals": 2}, NOT_REPRODUCED),
        ("equivalent", at(0.0, -0.02, 0.02), S, REPRODUCED),
        ("equivalent", at(0.0, -0.021, 0.02), S, UNDECIDED),
        ("equivalent", at(0.0, -0.5, 0.5), S, UNDECIDED),
        ("equivalent", at(0.03, 0.021, 0.04), S, NOT_REPRODUCED),
        ("equivalent", at(-0.03, -0.04, -0.021), S, NOT_REPRODUCED),
        ("equivalent", at(1.01, 0.99, 1.02), {"smallest": 0.02, "to": 1}, REPRODUCED),
        ("positive", at(0.2, 0.1, 0.3), S, REPRODUCED),
        ("positive", at(0.015, 0.001, 0.03), S, REPRODUCED),
        ("positive", at(0.015, 0.011, 0.019), S, NOT_REPRODUCED),  # no effect, whatever side of zero
        ("positive", at(-0.005, -0.009, -0.001), S, NOT_REPRODUCED),
        ("positive", at(0.0, -0.019, 0.019), S, NOT_REPRODUCED),
        ("positive", at(0.01, -0.019, 0.021), S, UNDECIDED),
        ("positive", at(-0.016, -0.036, 0.004), S, NOT_REPRODUCED),  # an effect of 0.02 is excluded
        ("positive", at(0.2, -0.1, 0.3), S, UNDECIDED),
        ("positive", at(-0.2, -0.3, -0.1), S, NOT_REPRODUCED),
        ("positive", at(0.0), S, NOT_REPRODUCED),
        ("positive", at(0.02), S, REPRODUCED),
        ("negative", at(-0.2, -0.3, -0.1), S, REPRODUCED),
        ("negative", at(-0.2, -0.3, 0.1), S, UNDECIDED),
        ("negative", at(-0.005, -0.009, -0.001), S, NOT_REPRODUCED),
        ("negative", at(0.2, 0.1, 0.3), S, NOT_REPRODUCED),
        ("orders", at(0.5, 0.2, 0.8), LEADS, REPRODUCED),
        ("orders", at(0.5, -0.2, 0.8), LEADS, UNDECIDED),
        ("orders", at(-0.5, -0.8, -0.2), LEADS, NOT_REPRODUCED),
        ("equals", at(0.025542), {"value": 0.02554, "decimals": 5}, REPRODUCED),
        ("equals", at(0.025546), {"value": 0.02554, "decimals": 5}, NOT_REPRODUCED),
        ("equals", at(0.002431, 0.002398, 0.002464), {"value": 0.00242, "decimals": 5}, REPRODUCED),
        ("equals", at(7), {"value": 7, "decimals": 0}, REPRODUCED),
        ("equals", at(8), {"value": 7, "decimals": 0}, NOT_REPRODUCED),
        ("not_testable", None, {"reason": "no data"}, NOT_TESTABLE),
    ],
)
def test_a_rule_by_hand(rule, estimate, parameters, expected):
    assert RULES[rule](estimate, **parameters) == expected


def test_where_a_repetition_falls():
    """By hand, as above; without images only the trainings spread, without either only the printing."""
    assert claims.repetition(TEN, decimals=2, n=150) == pytest.approx((0.44 - 0.09753, 0.44 + 0.09753), abs=2e-5)
    assert claims.repetition(TEN, decimals=2) == pytest.approx((0.44 - 0.05245, 0.44 + 0.05245), abs=2e-5)
    assert claims.repetition(ONE, decimals=2, n=150) == pytest.approx((0.44 - 0.08507, 0.44 + 0.08692), abs=2e-5)
    assert claims.repetition(at(7.0), decimals=1) == pytest.approx((6.95, 7.05))


def test_a_repetition_falls_there_as_often_as_said():
    """Ten trainings, then one more measured on 150 images: 95 of 100 times inside, whatever the rounding adds."""
    random = np.random.default_rng(0)
    trainings = random.normal(0.44, 0.02, (4000, 10))
    again = random.binomial(150, random.normal(0.44, 0.02, 4000)) / 150
    inside = 0
    for ten, published in zip(trainings, again, strict=True):
        e = at(ten.mean(), sd=ten.std(ddof=1), seeds=10)
        low, high = claims.repetition(e, decimals=12, n=150)
        inside += low <= published <= high
    assert 0.94 < inside / 4000 < 0.97


@given(ESTIMATES, st.floats(0, 2), st.floats(0, 2), st.sampled_from([1, -1]), st.sampled_from([None, 150, 200]))
def test_a_published_value_further_away_is_never_judged_better(e, near, far, side, n):
    assume(near <= far)
    for rule, other in (("matches", {"n": n, "decimals": 2}), ("equals", {"decimals": 2})):
        closer, further = (RULES[rule](e, value=e.value + side * d, **other) for d in (near, far))
        assert RANK[further] <= RANK[closer]


@given(ESTIMATES, st.floats(-1, 2), st.sampled_from([None, 150, 200]), st.floats(0, 0.5), st.floats(0, 0.5))
def test_a_range_is_judged_no_worse_than_any_number_in_it(e, value, n, below, above):
    printed = claims.matches(e, value=value, n=n, decimals=2)
    assert claims.matches_range(e, low=value, high=value, n=n, decimals=2) == printed
    assert RANK[claims.matches_range(e, low=value - below, high=value + above, n=n, decimals=2)] >= RANK[printed]


@given(ESTIMATES, st.lists(ESTIMATES, max_size=3), ESTIMATES, st.floats(0, 1))
def test_another_alternative_is_never_a_help(e, others, one_more, value):
    """And what is printed where an alternative stands exactly is never ours alone."""
    asked = {"value": value, "decimals": 2, "n": 150}
    before = claims.matches(e, **asked, alternatives=others)
    after = claims.matches(e, **asked, alternatives=[*others, one_more])
    assert RANK[after] <= RANK[before]
    assert (before == NOT_REPRODUCED) == (after == NOT_REPRODUCED) == (claims.matches(e, **asked) == NOT_REPRODUCED)
    assert claims.matches(e, **asked, alternatives=[*others, at(value)]) != REPRODUCED
    assert claims.matches(e, **asked, alternatives=[e]) != REPRODUCED


@given(ESTIMATES, st.floats(-1, 2), st.floats(0, 2))
def test_a_stricter_bound_is_never_judged_better(e, bound, more):
    assert RANK[claims.at_least(e, value=bound + more)] <= RANK[claims.at_least(e, value=bound)]
    assert RANK[claims.at_most(e, value=bound - more)] <= RANK[claims.at_most(e, value=bound)]
    inside = claims.between(e, low=bound, high=bound + more)
    assert RANK[inside] <= min(RANK[claims.at_least(e, value=bound)], RANK[claims.at_most(e, value=bound + more)])


EFFECTS = st.lists(st.floats(-1, 1), min_size=3, max_size=3).map(sorted).map(lambda v: at(v[1], v[0], v[2]))
SMALLEST = st.floats(0.001, 0.5)


def shifted(e, by):
    return replace(e, value=e.value + by, low=e.low + by, high=e.high + by)


def within_only(estimate, smallest):
    """`positive` as it must not be: what is wholly within is decided, what reaches further below is not."""
    if claims.no_effect(estimate, smallest) or estimate.high < 0:
        return NOT_REPRODUCED
    return REPRODUCED if estimate.low > 0 else UNDECIDED


def never_falls(rule, e, by, smallest):
    return RANK[rule(shifted(e, by), smallest=smallest)] >= RANK[rule(e, smallest=smallest)]


@given(EFFECTS, st.floats(0, 1), SMALLEST)
@example(at(-0.01, -0.025, 0.005), 0.011, 0.02)
def test_a_larger_effect_is_never_judged_worse(e, by, smallest):
    assert never_falls(claims.positive, e, by, smallest)


def test_the_mutant_that_decides_only_what_is_within_falls():
    assert not never_falls(within_only, at(-0.01, -0.025, 0.005), 0.011, 0.02)


@given(EFFECTS, SMALLEST)
def test_the_other_sign_is_the_mirror(e, smallest):
    assert claims.mirrored(claims.mirrored(e)) == e
    assert claims.negative(e, smallest=smallest) == claims.positive(claims.mirrored(e), smallest=smallest)
    assert claims.equivalent(e, smallest=smallest) == claims.equivalent(claims.mirrored(e), smallest=smallest)
    both = {claims.positive(e, smallest=smallest), claims.negative(e, smallest=smallest)}
    assert both != {REPRODUCED}
    if claims.no_effect(e, smallest):
        assert both == {NOT_REPRODUCED}
        assert claims.equivalent(e, smallest=smallest) == REPRODUCED


@given(EFFECTS, st.floats(0, 1), st.floats(0, 1), SMALLEST)
def test_a_wider_interval_only_undecides(e, below, above, smallest):
    """More uncertainty never turns one decided verdict into the other."""
    wide = replace(e, low=e.low - below, high=e.high + above)
    for rule in (claims.positive, claims.negative, claims.equivalent):
        assert {rule(e, smallest=smallest), rule(wide, smallest=smallest)} != {REPRODUCED, NOT_REPRODUCED} or (
            rule is not claims.equivalent and claims.no_effect(e, smallest)
        )


@given(EFFECTS, SMALLEST, st.floats(0, 0.5))
def test_a_larger_smallest_effect_never_helps_a_difference_and_never_hurts_a_match(e, smallest, more):
    assert RANK[claims.positive(e, smallest=smallest + more)] <= RANK[claims.positive(e, smallest=smallest)]
    assert RANK[claims.equivalent(e, smallest=smallest + more)] >= RANK[claims.equivalent(e, smallest=smallest)]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"low": 0.5}, "low <= value <= high"),
        ({"high": None}, "finite numbers"),
        ({"value": float("nan")}, "finite numbers"),
        ({"high": float("inf")}, "finite numbers"),
        ({"anchor": ""}, "anchor"),
        ({"anchor": 'x" onclick="y'}, "anchor"),
        ({"n": 0}, "number of images"),
        ({"seeds": 0}, "1 or more"),
        ({"sd": 0.1}, "2 trainings"),
        ({"seeds": 5}, "2 trainings"),
        ({"sd": -0.1, "seeds": 5}, "2 trainings"),
        ({"units": 0}, "how many trainings"),
        ({"units": 1.5}, "how many trainings"),
        ({"basis": None}, "expected a text"),
    ],
)
def test_an_estimate_that_is_none_is_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        replace(ONE, **wrong)


@pytest.mark.parametrize(
    ("estimate", "units", "basis"),
    [
        (TEN, 10, "10 trainings"),
        (replace(TEN, n=2_000, basis="", units=None), 10, "10 trainings x 2,000 images"),
        (at(0.4, 0.3, 0.5, n=2_000), None, "2,000 images"),
        (at(0.4), None, "exact"),
        (at(0.4, 0.3, 0.5), None, ""),
        (at(0.4, 0.3, 0.5, units=5, basis="5 worlds x 2 data sets"), 5, "5 worlds x 2 data sets"),
    ],
)
def test_an_estimate_says_what_it_rests_on(estimate, units, basis):
    assert (estimate.units, estimate.basis) == (units, basis)


def test_the_rules_are_the_tests_of_scipy_and_statsmodels():
    """Two one-sided t-tests at 0.025: of a difference within the smallest effect, and of one above zero, or of none."""
    random, verdicts = np.random.default_rng(0), {"equivalent": set(), "positive": set()}
    for _ in range(300):
        values = random.normal(random.uniform(-0.04, 0.04), random.uniform(0.005, 0.05), 10)
        e = claims.Estimate(**intervals.over_seeds(values), anchor="cell")
        inside = DescrStatsW(values).ttost_mean(-0.02, 0.02)[0] < 0.025
        assert (claims.equivalent(e, smallest=0.02) == REPRODUCED) == inside == claims.no_effect(e, 0.02)
        above = stats.ttest_1samp(values, 0, alternative="greater").pvalue < 0.025
        excluded = stats.ttest_1samp(values, 0.02, alternative="less").pvalue < 0.025
        expected = NOT_REPRODUCED if excluded else REPRODUCED if above else UNDECIDED
        assert claims.positive(e, smallest=0.02) == expected
        verdicts["equivalent"].add(inside)
        verdicts["positive"].add(expected)
    assert verdicts == {"equivalent": {True, False}, "positive": {REPRODUCED, NOT_REPRODUCED, UNDECIDED}}
