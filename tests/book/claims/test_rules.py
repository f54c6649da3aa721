"""The rules by hand, by simulation, and by what must hold for any number."""

from dataclasses import replace

import numpy as np
import pytest
from book.claims.hand_made import ESTIMATES, ONE, SHARP, TEN, WIDE, at
from hypothesis import assume, given
from hypothesis import strategies as st

from fairlib.book import claims
from fairlib.book.claims import NOT_REPRODUCED, NOT_TESTABLE, PARTLY, REPRODUCED, RULES, rules

RANK = {REPRODUCED: 2, PARTLY: 1, NOT_REPRODUCED: 0}


@pytest.mark.parametrize(
    ("rule", "estimate", "parameters", "expected"),
    [
        ("matches", TEN, {"value": 0.49, "n": 150, "decimals": 2}, REPRODUCED),  # both
        ("matches", TEN, {"value": 0.39, "n": 150, "decimals": 2}, REPRODUCED),
        ("matches", TEN, {"value": 0.491, "n": 150, "decimals": 2}, PARTLY),  # a repetition reaches it
        ("matches", TEN, {"value": 0.491, "n": 150, "decimals": 2, "near": 0.102}, REPRODUCED),
        ("matches", TEN, {"value": 0.538, "n": 150, "decimals": 2}, PARTLY),  # near
        ("matches", TEN, {"value": 0.549, "n": 150, "decimals": 2}, NOT_REPRODUCED),
        ("matches", TEN, {"value": 0.549, "n": 150, "decimals": 2, "near": 0.11}, PARTLY),
        ("matches", TEN, {"value": 0.537, "n": 150, "decimals": 2, "near": 0.08}, PARTLY),
        ("matches", TEN, {"value": 0.538, "n": 150, "decimals": 2, "near": 0.08}, NOT_REPRODUCED),
        ("matches", TEN, {"value": 0.537, "n": 150, "decimals": 2, "near": 0.2}, REPRODUCED),
        ("matches", TEN, {"value": 0.538, "n": 150, "decimals": 2, "near": 0.2}, PARTLY),
        ("matches", WIDE, {"value": 0.49, "n": 150, "decimals": 2}, REPRODUCED),
        ("matches", WIDE, {"value": 0.695, "n": 150, "decimals": 2}, PARTLY),  # too wide to decide
        ("matches", WIDE, {"value": 0.696, "n": 150, "decimals": 2}, NOT_REPRODUCED),
        ("matches_range", TEN, {"low": 0.3, "high": 0.5, "n": 150, "decimals": 2}, REPRODUCED),  # inside
        ("matches_range", TEN, {"low": 0.49, "high": 0.8, "n": 150, "decimals": 2}, REPRODUCED),
        ("matches_range", TEN, {"low": 0.491, "high": 0.8, "n": 150, "decimals": 2}, PARTLY),
        ("matches_range", TEN, {"low": 0.1, "high": 0.39, "n": 150, "decimals": 2}, REPRODUCED),
        ("matches_range", TEN, {"low": 0.1, "high": 0.389, "n": 150, "decimals": 2}, PARTLY),
        ("matches_range", TEN, {"low": 0.1, "high": 0.339, "n": 150, "decimals": 2}, NOT_REPRODUCED),
        ("matches_range", WIDE, {"low": 0.695, "high": 0.8, "n": 150, "decimals": 2}, PARTLY),
        ("matches_range", WIDE, {"low": 0.696, "high": 0.8, "n": 150, "decimals": 2}, NOT_REPRODUCED),
        ("matches", SHARP, {"value": 0.455, "n": 10_000, "decimals": 2}, REPRODUCED),
        ("matches", SHARP, {"value": 0.456, "n": 10_000, "decimals": 2}, PARTLY),
        ("matches", SHARP, {"value": 0.54, "n": 10_000, "decimals": 2}, PARTLY),
        ("matches", SHARP, {"value": 0.541, "n": 10_000, "decimals": 2}, NOT_REPRODUCED),
        ("matches", ONE, {"value": 0.5268, "n": 150, "decimals": 2, "near": 0.18}, REPRODUCED),
        ("matches", ONE, {"value": 0.5270, "n": 150, "decimals": 2, "near": 0.18}, PARTLY),
        ("matches", ONE, {"value": 0.3550, "n": 150, "decimals": 2, "near": 0.18}, REPRODUCED),
        ("matches", ONE, {"value": 0.3547, "n": 150, "decimals": 2, "near": 0.18}, PARTLY),
        ("matches", at(600.0, 590.0, 615.0), {"value": 615.005, "decimals": 2, "near": 150.0}, REPRODUCED),
        ("matches", at(600.0, 590.0, 615.0), {"value": 615.02, "decimals": 2, "near": 150.0}, PARTLY),
        ("matches", at(600.0, 590.0, 615.0), {"value": 449.9, "decimals": 2, "near": 150.0}, NOT_REPRODUCED),
        ("matches", at(0.0, 0.0, 0.0), {"value": 0.0, "n": 150, "decimals": 2}, REPRODUCED),
        ("between", at(0.17, 0.15, 0.2), {"low": 0.15, "high": 0.2}, REPRODUCED),
        ("between", at(0.17, 0.146, 0.204), {"low": 0.15, "high": 0.2, "decimals": 2}, REPRODUCED),
        ("between", at(0.17, 0.146, 0.204), {"low": 0.15, "high": 0.2}, PARTLY),
        ("between", at(0.14, 0.13, 0.151), {"low": 0.15, "high": 0.2}, PARTLY),
        ("between", at(0.13, 0.12, 0.149), {"low": 0.15, "high": 0.2}, NOT_REPRODUCED),
        ("between", at(0.23, 0.21, 0.25), {"low": 0.15, "high": 0.2}, NOT_REPRODUCED),
        ("at_least", at(2.5, 2.0, 3.0), {"value": 2.0}, REPRODUCED),
        ("at_least", at(2.5, 1.9, 3.0), {"value": 2.0}, PARTLY),
        ("at_least", at(1.5, 1.0, 1.9), {"value": 2.0}, NOT_REPRODUCED),
        ("at_most", at(0.003, 0.002, 0.004), {"value": 0.0, "decimals": 2}, REPRODUCED),
        ("at_most", at(0.003, 0.002, 0.006), {"value": 0.0, "decimals": 2}, PARTLY),
        ("at_most", at(0.008, 0.006, 0.009), {"value": 0.0, "decimals": 2}, NOT_REPRODUCED),
        ("positive", at(0.2, 0.1, 0.3), {}, REPRODUCED),
        ("positive", at(0.2, -0.1, 0.3), {}, PARTLY),
        ("positive", at(-0.2, -0.3, -0.1), {}, NOT_REPRODUCED),
        ("positive", at(0.0), {}, NOT_REPRODUCED),
        ("negative", at(-0.2, -0.3, -0.1), {}, REPRODUCED),
        ("negative", at(-0.2, -0.3, 0.1), {}, PARTLY),
        ("negative", at(0.2, 0.1, 0.3), {}, NOT_REPRODUCED),
        ("orders", at(0.5, 0.2, 0.8), {"first": "a", "among": ["a", "b"]}, REPRODUCED),
        ("orders", at(0.5, -0.2, 0.8), {"first": "a", "among": ["a", "b"]}, PARTLY),
        ("orders", at(-0.5, -0.8, -0.2), {"first": "a", "among": ["a", "b"]}, NOT_REPRODUCED),
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


def too_kind(value, *, n=150, near=0.10, **_):
    """`matches` as it must not be: whatever a repetition may reach is reproduced."""
    low, high = claims.repetition(WIDE, decimals=2, n=n)
    return REPRODUCED if low <= value <= high else PARTLY if abs(value - WIDE.value) <= near else NOT_REPRODUCED


def test_a_range_too_wide_to_decide_gives_no_reproduced(monkeypatch):
    far = {"value": 0.64, "decimals": 2, "n": 150}
    assert too_kind(**far) == REPRODUCED != claims.matches(WIDE, **far) == PARTLY
    near = far | {"value": 0.46}
    assert too_kind(**near) == claims.matches(WIDE, **near) == REPRODUCED
    monkeypatch.setattr(rules, "repetition", lambda estimate, **_: (estimate.value, estimate.value))  # reaches nothing
    assert claims.matches(WIDE, **near) == PARTLY
    assert claims.matches(WIDE, **far) == NOT_REPRODUCED


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
    if printed == REPRODUCED:
        assert abs(value - e.value) <= 0.05 + 1e-8


@given(ESTIMATES, st.floats(-1, 2), st.floats(0, 2))
def test_a_stricter_bound_is_never_judged_better(e, bound, more):
    assert RANK[claims.at_least(e, value=bound + more)] <= RANK[claims.at_least(e, value=bound)]
    assert RANK[claims.at_most(e, value=bound - more)] <= RANK[claims.at_most(e, value=bound)]
    inside = claims.between(e, low=bound, high=bound + more)
    assert RANK[inside] <= min(RANK[claims.at_least(e, value=bound)], RANK[claims.at_most(e, value=bound + more)])


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
    ],
)
def test_an_estimate_that_is_none_is_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        replace(ONE, **wrong)
