"""Lines are told apart, and the alt texts say where they end."""

import pandas as pd
import pytest

from fairlib.book import plots


def test_rounding_draws_three_lines_that_are_told_apart_without_colour():
    rows = [
        {"gradient": g, "eps": eps, "accuracy": a - eps, "low": a - eps - 0.05, "high": a - eps + 0.02}
        for g, a in (("naive", 0.9), ("exact", 0.5), ("float64", 0.45))
        for eps in (0.0, 0.3)
    ]
    figure, alt = plots.rounding({f"net\nlogits x {k}": pd.DataFrame(rows) for k in (1, 10, 100)})
    assert len(figure.axes) == 3
    lines = {line.get_label(): line for line in figure.axes[2].lines}
    assert lines["float32, naive"].get_xydata().ravel().tolist() == pytest.approx([0, 0.9, 0.3, 0.6])
    assert lines["float64"].get_xydata().ravel().tolist() == pytest.approx([0, 0.45, 0.3, 0.15])
    assert len({(line.get_linestyle(), line.get_marker()) for line in lines.values()}) == 3
    band = figure.axes[0].collections[1].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (pytest.approx(0.15), pytest.approx(0.52))
    assert "net, logits x 10: at eps 0.3 float32, naive 0.60, float32, exact 0.20, float64 0.15." in alt
