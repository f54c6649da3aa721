"""Marks and lines stand where the numbers are, told apart without colour, and the alt texts say them."""

import pandas as pd
import pytest

from fairlib.book import plots
from fairlib.book.plots import individual


def rows(keys: dict, value: float) -> dict:
    return keys | {"value": value, "low": value - 0.05, "high": value + 0.1}


def test_alike_places_each_method():
    frame = pd.DataFrame(
        [
            rows({"label": label, "method": m}, v)
            for label in ("a", "b")
            for m, v in (("defended", 0.4), ("defenseless", 0.1))
        ]
    )
    figure, alt = plots.alike({"noise": frame, "fgsm": frame[frame["method"] == "defended"]})
    first, second = figure.axes
    assert [t.get_text() for t in first.get_yticklabels()] == ["a", "b"]
    assert [c.lines[0].get_xdata().tolist() for c in first.containers] == [[0.1, 0.1], [0.4, 0.4]]
    assert first.containers[1].lines[2][0].get_segments()[0][:, 0] == pytest.approx([0.35, 0.5])
    assert len(second.containers) == 1
    assert "noise, b: defended 0.40, defenseless 0.10." in alt


def test_scales_draws_a_line_for_each_kind_of_pair():
    frame = pd.DataFrame(
        [rows({"line": line, "c": c}, v / c) for line, v in (("noise", 0.4), ("fgsm", 0.8)) for c in (1.0, 2.0, 4.0)]
    )
    figure, alt = plots.scales({"defended\npixels": frame, "alone": frame})
    axis = figure.axes[0]
    drawn = {line.get_label(): line for line in axis.lines if line.get_label() in individual.LINES}
    assert drawn["fgsm"].get_xydata().ravel().tolist() == pytest.approx([1, 0.8, 2, 0.4, 4, 0.2])
    assert len({(line.get_linestyle(), line.get_marker()) for line in drawn.values()}) == 2
    assert "defended, pixels, noise: 0.40 at c = 1, 0.10 at 4." in alt


def test_served_has_a_band_for_each_method():
    frame = pd.DataFrame(
        [rows({"class": k, "method": m}, v) for m, v in (("defended", 0.2), ("defenseless", 0.9)) for k in (0, 1)]
    )
    chance = {"clean": {"defended": (0.1, 0.3), "defenseless": (0.85, 0.95)}}
    figure, alt = plots.served({"clean": frame}, chance)
    (axis,) = figure.axes
    assert [c.get_label() for c in axis.containers] == ["defended", "defenseless"]
    bands = [(p.get_y(), p.get_y() + p.get_height()) for p in axis.patches]
    assert bands == [pytest.approx((0.1, 0.3)), pytest.approx((0.85, 0.95))]
    assert "clean, defended: 0.20, 0.20; served alike, 0.10 to 0.30." in alt


def test_layers_stand_in_their_order():
    frame = pd.DataFrame(
        [
            rows({"layer": layer, "line": line}, v)
            for line, v in (("eps = 0", 0.9), ("eps = 0.1", 0.3))
            for layer in "zab"
        ]
    )
    figure, alt = plots.layers({"net": frame}, 0.1)
    (axis,) = figure.axes
    assert [t.get_text() for t in axis.get_xticklabels()] == ["z", "a", "b"]
    assert axis.lines[1].get_ydata().tolist() == [0.3] * 3
    assert len({(str(line.get_linestyle()), line.get_marker()) for line in axis.lines}) == 3
    assert "net, eps = 0.1: z 0.30, a 0.30, b 0.30." in alt
