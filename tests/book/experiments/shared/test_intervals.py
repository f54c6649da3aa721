"""Intervals by hand, by SciPy, and from a published table."""

import math

import pytest
import torch
from scipy import stats

from fairlib.book.experiments.shared import difference, exact, interval, mean, more_often, with_images


def test_intervals_by_hand():
    values = torch.tensor([1.0, 2.0, 3.0, 6.0])
    half = stats.t.ppf(0.975, 3) * math.sqrt(14 / 3) / 2
    assert mean(values) == pytest.approx({"value": 3, "low": 3 - half, "high": 3 + half, "n": 4})
    other = torch.tensor([0.0, 1.0, 5.0])
    expected = stats.ttest_ind(values, other, equal_var=False).confidence_interval()
    found = difference(values, other)
    assert (found["value"], found["n"]) == (pytest.approx(1.0), 7)
    assert (found["low"], found["high"]) == pytest.approx((expected.low, expected.high))
    found = more_often((56, 70), (48, 80))  # Newcombe 1998, table II, method 10
    assert (found["value"], found["low"], found["high"]) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_the_images_that_trainings_share_widen_an_interval():
    """Of trainings that all agree only the images' own spread is left, the normal interval of a share."""
    one = {"value": 0.3, "low": 0.3, "high": 0.3, "sd": 0.0, "seeds": 10}
    found = with_images(one, 0.3 * 0.7 / 400)
    low, high = stats.norm(0.3, math.sqrt(0.3 * 0.7 / 400)).interval(0.95)
    assert (found["low"], found["high"], found["seeds"]) == pytest.approx((low, high, 10))
    both = with_images(one | {"low": 0.26, "high": 0.34}, 0.3 * 0.7 / 400)
    assert both["high"] - 0.3 == pytest.approx(math.hypot(0.04, high - 0.3))


def test_what_is_counted_has_no_width():
    assert exact(3) == interval(3, 3, 3) == {"value": 3, "low": 3, "high": 3}
