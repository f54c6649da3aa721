"""Numbers with their intervals as text, against the same written by hand; shares against statsmodels and formulas."""

import doctest

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from fairlib.book import claims, wording

THREE = {"value": 0.4251, "low": 0.4189, "high": 0.4361}
HITS = [True, True, False, True, False, False, True]
ROW = next(pd.DataFrame([THREE | {"n": 7}]).itertuples())


@pytest.mark.parametrize(
    "found",
    [
        THREE,
        THREE | {"n": 7, "share": 0.9},  # a value comes before what else it may be called
        {"accuracy": 0.4251, "low": 0.4189, "high": 0.4361},
        {"share": 0.4251, "low": 0.4189, "high": 0.4361},
        pd.Series(THREE),
        pd.Series(THREE).rename({"value": "accuracy"}),
        ROW,
        claims.Estimate(**THREE, anchor="place"),
        tuple(THREE.values()),
        np.array(list(THREE.values())),
        torch.tensor(list(THREE.values())),
        (end for end in THREE.values()),
    ],
    ids=lambda found: type(found).__name__,
)
def test_whatever_holds_the_three_gives_the_same_text(found):
    assert wording.with_ends(found) == "0.43 [0.42, 0.44]"


@pytest.mark.parametrize(
    ("found", "given", "text"),
    [
        ((1234.5678, -2.0, 3.0), {"digits": 0}, "1235 [-2, 3]"),
        ((1.0, 0.5, 2.0), {"digits": 3, "sign": "+"}, "+1.000 [+0.500, +2.000]"),
        ((0.0, -0.5, 0.5), {"digits": 1, "sign": "+"}, "+0.0 [-0.5, +0.5]"),
        ((0.051, -0.02, 0.1234), {"digits": 1, "times": 100}, "5.1 [-2.0, 12.3]"),
        ((0.051, 0.02, 0.1234), {"digits": 0, "times": 100, "unit": " %"}, "5 % [2, 12]"),
        ((-0.004, -0.006, 0.002), {}, "0.00 [-0.01, 0.00]"),
        ((-0.004, -0.0049, -0.0), {"sign": "+"}, "+0.00 [+0.00, +0.00]"),
        ((-0.4, -0.3, 0.2), {"digits": 0}, "0 [0, 0]"),
        ((-0.00004, 0, 0), {"digits": 1, "times": 100}, "0.0 [0.0, 0.0]"),
    ],
)
def test_digits_sign_factor_and_unit(found, given, text):
    assert wording.with_ends(found, **given) == text


@pytest.mark.parametrize("value", [2.675, 0.285, 1.005, 0.125, 0.375])
def test_numbers_of_numpy_are_rounded_as_those_of_python(value):
    """2.675 lies below its decimals, which numpy's own rounding does not see."""
    ends = [value, value - 1, value + 1]
    assert wording.with_ends(np.array(ends)) == wording.with_ends(ends)
    assert wording.with_ends(ends).startswith(f"{value:.2f} [")


@pytest.mark.parametrize(
    "found",
    [
        0.43,
        None,
        "0.43 [0.42, 0.44]",
        (0.42, 0.44),
        (0.43, 0.42, 0.44, 0.45),
        np.zeros((3, 2)),
        {"value": 0.43, "low": 0.42},
        {"low": 0.42, "high": 0.44},
        {"mean": 0.43, "low": 0.42, "high": 0.44},
        THREE | {"low": "little"},
        pd.Series([0.43, 0.42, 0.44], ["SSIM", "SSIM_low", "SSIM_high"]),
    ],
    ids=lambda found: type(found).__name__,
)
def test_what_has_no_value_and_two_ends_is_refused(found):
    with pytest.raises(ValueError, match="value, low and high; name these so"):
        wording.with_ends(found)


@pytest.mark.parametrize(("given", "said"), [({"digits": -1}, "digits is -1"), ({"sign": "-"}, "sign is '-'")])
def test_digits_and_signs_that_there_are_not(given, said):
    with pytest.raises(ValueError, match=said):
        wording.with_ends(THREE, **given)


@pytest.mark.parametrize(
    "hits", [HITS, [True], [False] * 40, [True] * 40], ids=lambda hits: f"{sum(hits)} of {len(hits)}"
)
def test_a_share_has_wilsons_interval(hits):
    low, high = proportion_confint(sum(hits), len(hits), method="wilson")
    expected = {"value": sum(hits) / len(hits), "low": low, "high": high, "n": len(hits)}
    for given in (hits, np.array(hits), torch.tensor(hits), pd.Series(hits), np.array(hits, float)):
        assert wording.share(given) == pytest.approx(expected)


def test_a_share_of_none_has_no_minus():
    """Wilson's lower end is zero up to rounding, on either side."""
    for n in range(1, 60):
        assert wording.with_ends(wording.share([False] * n)).startswith("0.00 [0.00, ")
        assert wording.with_ends(wording.share([True] * n)).endswith(", 1.00]")


def test_more_often_is_the_adjusted_wald_interval_of_pairs():
    """Bonett and Price (2012) by hand: of 7, 2 are right with the first alone, 1 with the second alone."""
    second = [True, False, False, False, True, False, True]
    p, q, z = 3 / 9, 2 / 9, stats.norm.ppf(0.975)
    half = z * np.sqrt((p + q - (p - q) ** 2) / 9)
    expected = {"value": 1 / 7, "low": p - q - half, "high": p - q + half, "n": 7}
    assert wording.more_often(HITS, second) == pytest.approx(expected)
    turned = wording.more_often(torch.tensor(second), np.array(HITS))
    assert [turned["value"], turned["low"], turned["high"]] == pytest.approx([-1 / 7, q - p - half, q - p + half])


@pytest.mark.parametrize(
    ("hits", "said"),
    [
        ([], "one or more"),
        (True, "one or more"),
        ([[True, False]], "one or more"),
        ([0.5, 1.0], "True or False"),
        ([True, None], "True or False"),
        (["yes"], "True or False"),
    ],
)
def test_what_are_no_answers_is_refused(hits, said):
    with pytest.raises(ValueError, match=said):
        wording.share(hits)
    with pytest.raises(ValueError, match=said):
        wording.more_often(hits, [True])
    with pytest.raises(ValueError, match=said):
        wording.more_often([True], hits)


def test_answers_to_other_cases_are_refused():
    with pytest.raises(ValueError, match="first has 7 answers and second 2"):
        wording.more_often(HITS, [True, False])


def test_the_examples_say_what_comes_out():
    assert doctest.testmod(wording).failed == 0
