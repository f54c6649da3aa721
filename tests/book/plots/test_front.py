"""A card's picture has its marks where the numbers are, and says them."""

import pandas as pd
import pytest

from fairlib.book import plots

ROWS = [("a", "before", -10.0, -12.0, -8.0), ("b", "before", 3.0, 2.0, 4.0), ("a", "after", 5.0, -0.4, 9.6)]
FRAME = pd.DataFrame(ROWS, columns=["label", "series", "value", "low", "high"])


def test_marks_stand_at_their_numbers():
    figure, alt = plots.card(FRAME, "gain, in 100 answers")
    (axis,) = figure.axes
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["a", "b"]
    before, after = axis.containers
    assert before.lines[0].get_xydata().tolist() == [[-10, 0], [3, 1]]
    assert after.lines[2][0].get_segments()[0][:, 0] == pytest.approx([-0.4, 9.6])
    assert before.lines[0].get_markerfacecolor() == "white" != after.lines[0].get_markerfacecolor()
    assert before.lines[0].get_marker() != after.lines[0].get_marker()  # not by colour alone
    assert [
        line.get_xdata() for line in axis.lines if len(set(line.get_xdata())) == 1 and list(line.get_ydata()) == [0, 1]
    ]
    assert alt == "Gain, in 100 answers. a: before -10 [-12, -8], after 5 [0, 10]. b: before 3 [2, 4]."


def test_one_series_is_the_filled_one_and_needs_no_legend():
    figure, _ = plots.card(FRAME.query("series == 'after'"), "x")
    assert figure.legends == []
    assert figure.axes[0].containers[0].lines[0].get_marker() == "s"


def test_zero_is_in_sight_where_all_lie_on_one_side():
    figure, _ = plots.card(FRAME.query("label == 'b'"), "x")
    (axis,) = figure.axes
    assert [line for line in axis.lines if list(line.get_xdata()) == [0, 0]]
    assert axis.get_xlim()[0] < 0 < axis.get_xlim()[1]
