"""What things cost: the laws of known powers, and that every kind of work is done at every size."""

import numpy as np
import pandas as pd
import pytest

from fairlib.book import plots, runner, units
from fairlib.book.experiments import costs

POWERS = {"images": 1, "side": 0.5, "iterations": 1, "models": 2}


@pytest.fixture
def records(monkeypatch):
    """Seconds that follow a power of the size, of `side` of the pixels; each repetition another second per thing."""
    rows = []
    for what, sizes in costs.SIZES.items():
        for repetition in range(3):
            for size in sizes:
                things = size**2 if what == "side" else size
                seconds = (1 + repetition) * things ** POWERS[what]
                rows.append({"what": what, "repetition": repetition, "size": size, "seconds": seconds})
    monkeypatch.setattr(runner, "results", lambda chapter: pd.DataFrame(rows) if chapter == "costs" else None)


def test_exponents_are_those_of_the_law(records):
    for what, power in POWERS.items():
        assert costs.exponent(what) == pytest.approx((power,) * 3)


def test_a_law_is_gone_on_with(records):
    """The repetitions take 1, 2 and 3 seconds a thing: the geometric mean, and Student's interval of the logarithms."""
    value, low, high = costs.extrapolated("models", 1_000)
    logs = np.log([1, 2, 3])
    half = 4.302653 * logs.std(ddof=1) / np.sqrt(3)
    assert value == pytest.approx(1e6 * 6 ** (1 / 3))
    assert (low, high) == pytest.approx((value * np.exp(-half), value * np.exp(half)), rel=1e-5)
    assert costs.extrapolated("side", 100.0)[0] == pytest.approx(10 * 6 ** (1 / 3))


def test_an_attack_goes_by_pixels_then_by_steps(records):
    """A square root of the pixels, in proportion to the steps; the repetitions' rate enters once."""
    value, low, _ = costs.an_attack(10, side=100, iterations=3 * costs.ITERATIONS)
    assert value == pytest.approx(10 / costs.PHOTOGRAPHS * 100 * 3 * 6 ** (1 / 3))
    assert value / low == pytest.approx(np.exp(4.302653 * np.log([1, 2, 3]).std(ddof=1) / np.sqrt(3)), rel=1e-5)


def test_a_power_law_does_not_bend(records):
    assert costs.bend("models") == [pytest.approx((2,) * 3), pytest.approx((2,) * 3)]


def test_the_figure_shows_seconds_and_law(records):
    frame = costs.lines("side")
    assert list(frame["line"].unique()) == ["timed", "power law"]
    assert list(frame.query("line == 'timed'")["size"]) == [side**2 for side in costs.SIZES["side"]]
    _, alt = plots.scaling({("images", "seconds"): costs.lines("images")})
    assert f"seconds, timed: 1e+03 at {costs.SIZES['images'][0]}" in alt


@pytest.mark.parametrize("what", costs.SIZES)
def test_each_kind_of_work_is_timed_at_each_size(what, monkeypatch):
    monkeypatch.setitem(
        costs.SIZES, what, {"images": (2, 4), "side": (32, 64), "iterations": (1, 2), "models": (1, 2)}[what]
    )
    monkeypatch.setattr(costs, "TRAINED", 64)
    monkeypatch.setattr(costs, "SIDE", 32)
    rows = costs.run(what=what, repetition=0)["rows"]
    assert [row["size"] for row in rows] == list(costs.SIZES[what])
    assert all(row["seconds"] > 0 for row in rows)


def test_the_work_grows_with_what_is_asked(monkeypatch):
    """Looks at the calls, not at the clock."""
    asked = {}
    monkeypatch.setattr(costs, "fgsm", lambda model, x, y, *, eps: asked.setdefault("images", []).append(len(x)))
    work = costs.sweep("images")
    [work(size) for size in (2, 5)]
    attack = lambda model, x, y, *, iterations, **k: asked.setdefault("steps", []).append((*x.shape, iterations))  # noqa: E731
    monkeypatch.setattr(costs, "perceptual", attack)
    costs.sweep("side")(64), costs.sweep("iterations")(3)
    monkeypatch.setattr(
        costs.ensemble, "fit_many", lambda *a, seeds, **k: asked.setdefault("models", []).append(len(seeds))
    )
    costs.sweep("models")(7)
    steps = [(costs.PHOTOGRAPHS, 3, 64, 64, costs.ITERATIONS), (costs.PHOTOGRAPHS, 3, costs.SIDE, costs.SIDE, 3)]
    assert asked == {"images": [2, 5], "steps": steps, "models": [7]}


def test_units_are_every_sweep_at_several_times():
    asked = units.of("costs", "embedded")
    assert len(asked) == costs.REPETITIONS * len(costs.SIZES) == len({unit.name for unit in asked})
