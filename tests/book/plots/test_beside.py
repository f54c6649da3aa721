"""Methods are drawn where their numbers are."""

import pandas as pd
import pytest

from fairlib.book import plots


def test_marks_and_bars_stand_where_the_numbers_are():
    rows = {"ours": (-10, -12, -8, -0.02, -0.03, -0.01), "group DRO": (0.5, 0, 1, -0.001, -0.002, 0.0)}
    frame = pd.DataFrame(rows, index=["x", "x_low", "x_high", "value", "low", "high"]).T
    figure, alt = plots.beside({"slope": frame, "poorest": frame}, "accuracy", line={"slope": (-20, -0.01)})
    first, second = figure.axes
    marks = [tuple(c.lines[0].get_xydata()[0]) for c in first.containers]
    assert marks == [(-10, -0.02), (0.5, -0.001)]
    x_bar, y_bar = (bar.get_segments()[0] for bar in first.containers[0].lines[2])
    assert x_bar[:, 0].tolist() == pytest.approx([-12, -8]) and y_bar[:, 1].tolist() == pytest.approx([-0.03, -0.01])
    dashed = {axis: [line for line in axis.lines if line.get_label() == "guessing"] for axis in (first, second)}
    assert dashed[first][0].get_xydata().tolist() == [[0, 0], [-20, -0.01]] and not dashed[second]
    assert first.get_xlim() == pytest.approx((-15.25, 5.75)) and first.get_ylim() == pytest.approx((-0.03, 0.01))
    assert "slope, Algorithm 1: -0.02 at -10.0. slope, group DRO: -0.001 at +0.5." in alt


def test_every_method_has_a_name_and_a_mark_of_its_own():
    names, looks = zip(*((name, look) for name, *look in plots.METHODS.values()), strict=True)
    assert len(set(names)) == len(plots.METHODS)
    assert len({tuple(look) for look in looks}) == len(plots.METHODS)
