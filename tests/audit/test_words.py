"""Numbers in words."""

import math

from audited import expected

from fairlib.audit.report import STEEPEST, detectable_slopes, jsonable
from fairlib.audit.words import detectable


def test_a_sample_that_finds_nothing_says_so():
    few = expected().loc[["IND", "PER", "NOR"]].assign(n=1, right=[0, 1, 1], accuracy=[0.0, 1.0, 1.0])
    slopes = detectable_slopes(few, 0.0, 0.1, worlds=50, seed=0)
    assert math.isnan(slopes["detectable"]) and slopes["curve"][-1]["slope"] == STEEPEST
    assert detectable(jsonable(slopes)) == "no slope up to 1.000"
