"""The walk of floor, simulated and by hand, and the chapter's estimates from hand-made records of table 1."""

import math

import numpy as np
import pytest
from book.experiments.hand_made import write_table1

from fairlib.book.experiments import truncation


def test_the_walk_is_what_floor_does():
    """Simulated: k times each value goes down one level or stays, with even chance."""
    g = np.random.default_rng(0)
    for k in (1, 3, 9):
        lowered = g.binomial(k, 0.5, size=truncation.VALUES) / 255
        found = truncation.walk(lowered.sum())
        assert found["steps"] == pytest.approx(k, rel=0.01)
        assert found["L2"] == pytest.approx((lowered**2).sum() ** 0.5, rel=0.01)
        assert found["Linf"] == pytest.approx(lowered.max(), rel=0.01)


def test_the_walk_from_the_printed_L1():
    """By hand: PGD's 592.74 is k = 1.1271 steps."""
    k = 592.74 * 510 / (3 * 299 * 299)
    found = truncation.walk(592.74)
    assert found["L2"] == pytest.approx(math.sqrt(268203 * (k * k / 4 + k / 4)) / 255)
    assert (round(found["L2"], 2), round(found["Linf"], 4)) == (1.57, 0.0044)


def test_truncation_estimates(house):
    write_table1()
    found = truncation.estimates()
    assert found["levels_off_grid"] | {"anchor": 0} == {
        "value": 1e-5, "low": 1e-5, "high": 1e-5, "n": 20, "record": "results/table1", "anchor": 0,
        "basis": "20 attacked images",
    }  # fmt: skip
    e = found["floor_from_L1/ours_a=5/L2"]
    assert e["low"] < e["value"] < e["high"] < e["low"] + 1e-3
