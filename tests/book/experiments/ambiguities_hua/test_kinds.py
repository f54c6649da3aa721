"""The ratio of two means by hand, and the interval of two unpaired shares against a published one."""

import pandas as pd
import pytest
from book.experiments.ambiguities_hua.hand_made import attacked

from fairlib.book.experiments.ambiguities_hua.kinds import times, unpaired


def test_a_factor_is_the_ratio_of_means_over_images_that_both_turn():
    default = attacked("pgd", [1, 2, 3, 4])
    switched = attacked("pgd", [2, 2, 5, 400], won=[1, 1, 1, 0])
    rows = [times("x", *(pd.DataFrame(t) for t in pair)) for pair in ((switched, default), (default,) * 2)]
    assert {(e["outcome"], e["n"]) for e in rows[0]} == {("LPIPS", 3), ("L2", 3)}
    assert [e["value"] for e in rows[0]] == pytest.approx([9 / 6] * 2)
    # Whichever images are drawn, the ratio lies between the smallest and the largest of one image.
    assert all(1 <= e["low"] < e["value"] < e["high"] <= 2 for e in rows[0])
    assert [(e["value"], e["low"], e["high"]) for e in rows[1]] == [(1, 1, 1)] * 2
    assert {(e["of"], e["off_levels"]) for e in rows[0]} == {(4, False)}
    alone = pd.DataFrame(attacked("pgd", [1, 2], won=[1, 0]))
    assert times("x", alone, alone) == []


def test_a_factor_says_whether_a_file_would_change_its_pictures():
    """Of the two that both turn, none is between two levels of 256, then one is."""
    default = pd.DataFrame(attacked("pgd", [1, 2, 3], won=[1, 1, 0], off_grid=[0.0, 0.0, 0.5]))
    between = pd.DataFrame(attacked("pgd", [1, 2, 3], off_grid=[0.0, 0.5, 0.5]))
    found = [times("x", switched, default)[0]["off_levels"] for switched in (default, between)]
    assert found == [False, True]


def test_the_interval_of_unpaired_shares_is_newcombes():
    """His example (1998, table II): 56/70 - 48/80 has 0.0524 to 0.3339 by method 10."""
    a, b = pd.Series({"right": 56, "n": 70}), pd.Series({"right": 48, "n": 80})
    e = unpaired(a, b)
    assert (e["value"], e["low"], e["high"]) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
