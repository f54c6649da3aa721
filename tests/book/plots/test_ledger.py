"""The figure of the ledger shows every verdict."""

import pandas as pd

from fairlib.book import claims, plots


def test_verdicts_are_stacked_and_told_apart_without_colour():
    counts = pd.DataFrame(
        {"A": [100, 5, 3, 1, 0, 0, 0, 2], "B": [10, 0, 30, 2, 1, 0, 4, 0]}, index=list(claims.VERDICTS)
    )
    figure, alt = plots.verdicts(counts)
    (axis,) = figure.axes
    assert [bars.get_label() for bars in axis.containers] == list(claims.VERDICTS)
    for i, bars in enumerate(axis.containers):
        assert [bar.get_width() for bar in bars] == counts.iloc[i].tolist()
        assert [bar.get_x() for bar in bars] == counts.iloc[:i].sum().tolist()
    looks = {(bars[0].get_hatch(), bars[0].get_facecolor() == (1, 1, 1, 1)) for bars in axis.containers}
    assert len(looks) == len(claims.VERDICTS)
    assert [t.get_text() for t in axis.texts if t.get_text()] == ["100", "10", "5", "30"]  # where there is room
    assert (
        "B: 10 reproduced, 30 not reproduced, 2 undecided, 1 only with the released code, 4 not testable here." in alt
    )


def test_records_are_bars_and_stale_ones_are_open():
    table = pd.DataFrame(
        {"experiment": ["a", "b", "c"], "minutes": [3.0, 9.4, 6.0], "recorded": [2, 4, 1], "fresh": [2, 3, 1]}
    )
    figure, alt = plots.recorded(table)
    (axis,) = figure.axes
    assert [label.get_text() for label in axis.get_yticklabels()] == ["a", "c", "b"]  # upwards
    bars = {bar.get_y() + bar.get_height() / 2: bar for bar in axis.patches}
    assert [bars[i].get_width() for i in range(3)] == [3.0, 6.0, 9.4]
    assert [bars[i].get_facecolor() == (1, 1, 1, 1) for i in range(3)] == [False, False, True]
    assert alt.endswith("the longest first: b 9, changed since; c 6; a 3.")
