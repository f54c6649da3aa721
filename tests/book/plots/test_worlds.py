"""The figure of made worlds shows the shares that it is given."""

import pandas as pd
import pytest

from fairlib.book import plots

NAMES = {"all": "all\nof them", "chance": "chance"}
COLUMNS = ["kind", "shares", "countries", "slope", "share", "low", "high"]


def frame(rows: list[tuple]) -> pd.DataFrame:
    return pd.DataFrame([(*row, row[-1] - 0.01, row[-1] + 0.02) for row in rows], columns=COLUMNS)


def test_each_world_has_its_row_and_each_count_its_curve():
    sizes = [("chance", "even", 8, 0.0, 0.03), ("chance", "even", 41, 0.0, 0.05), ("all", "paper", 8, 0.0, 0.04)]
    power = [("all", shares, k, x, x * k) for shares in ("even", "paper") for k in (8, 41) for x in (0.02, 0.0, 0.01)]
    figure, alt = plots.made_worlds(frame(sizes), frame(power), NAMES)
    top, bottom = figure.axes
    assert [t.get_text() for t in top.get_yticklabels()] == ["all\nof them", "chance"]
    dots = [list(zip(*one.lines[0].get_data(), strict=True)) for one in top.containers]
    assert [share for one in dots for share, _ in one] == [0.03, 0.05, 0.04]
    assert [round(row) for one in dots for _, row in one] == [1, 1, 0]
    ends = top.containers[0].lines[2][0].get_segments()[0][:, 0]
    assert ends.tolist() == pytest.approx([0.02, 0.05])
    assert 0.05 in [line.get_xdata()[0] for line in top.lines if line.get_linestyle() == ":"]
    even, full = bottom.lines[0], bottom.lines[0].get_markerfacecolor()
    assert even.get_xydata().tolist() == [[0.0, 0.0], [0.01, 0.08], [0.02, 0.16]]
    assert full != "white" and bottom.lines[2].get_markerfacecolor() == "white"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "8 countries, even shares", "41 countries, even shares", "8 countries, paper shares",
        "41 countries, paper shares",
    ]  # fmt: skip
    assert "all of them: 0.040 to 0.040. chance: 0.030 to 0.050." in alt
    assert "41 countries, paper shares: 0.00 at 0, 0.41 at 0.01, 0.82 at 0.02." in alt
