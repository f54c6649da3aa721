"""Numbers in words."""

import math

from audited import expected

from fairlib.audit.report import STEEPEST, detectable_slopes, jsonable
from fairlib.audit.words import detectable, group_words, number


def test_a_sample_that_finds_nothing_says_so():
    few = expected().loc[["IND", "PER", "NOR"]].assign(n=1, right=[0, 1, 1], accuracy=[0.0, 1.0, 1.0])
    slopes = detectable_slopes(few, 0.0, 0.1, worlds=50, seed=0)
    assert math.isnan(slopes["detectable"]) and slopes["curve"][-1]["slope"] == STEEPEST
    assert detectable(jsonable(slopes)) == "no slope up to 1.000"


def test_no_minus_stands_before_zero():
    assert [number(x) for x in (-0.0004, -0.0006, 0.0, None)] == ["0.000", "−0.001", "0.000", "–"]


def test_the_groups_that_were_asked_for_are_in_the_summary():
    extremes = {"worst": "dusk", "worst_accuracy": 0.5, "gap": 0.25, "gap_p_value": 0.0004, "chance_gap": [0.1, 0, 0.2]}
    report = {"groups": [{"by": by, "extremes": extremes} for by in ("thirds of wealth", "light")]}
    assert group_words(report) == [
        "By light: dusk is worst with 0.500, 0.250 below the best, p < 0.001; chance alone gives a gap of 0.100."
    ]
