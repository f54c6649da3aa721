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
