"""What training on the worst case buys and costs is drawn where the numbers are."""

import pandas as pd
import pytest

from fairlib.book import plots


def test_lines_are_drawn_in_the_order_given():
    shares = {"b": (0.9, 0.2), "a": (0.8, 0.5)}
    rows = [(name, x, a, a - 0.1, a + 0.05) for name in shares for x, a in zip((0, 8), shares[name], strict=True)]
    figure, alt = plots.lines(pd.DataFrame(rows, columns=["line", "x", "accuracy", "low", "high"]), "eps, of 255")
    (axis,) = figure.axes
    assert [line.get_label() for line in axis.lines] == ["b", "a"]
    assert axis.lines[1].get_xydata().tolist() == [[0, 0.8], [8, 0.5]]
    ends = axis.collections[1].get_paths()[0].vertices[:, 1]
    assert (ends.min(), ends.max()) == pytest.approx((0.4, 0.85))
    assert axis.get_xlabel() == "eps, of 255" and "b: 0.90 at 0, 0.20 at 8. a: 0.80 at 0, 0.50 at 8." in alt


def test_lines_have_a_panel_for_each_value():
    rows = [
        (p, "a", x, y, y, y) for p, ys in {"P": (0.9, 0.5, 0.1), "Q": (0.8, 0.7, 0.6)}.items() for x, y in enumerate(ys)
    ]
    figure, alt = plots.lines(pd.DataFrame(rows, columns=["panel", "line", "x", "accuracy", "low", "high"]), "eps")
    assert [axis.get_title() for axis in figure.axes] == ["P", "Q"]
    assert [axis.lines[0].get_ydata().tolist() for axis in figure.axes] == [[0.9, 0.5, 0.1], [0.8, 0.7, 0.6]]
    assert "P. a: 0.90 at 0, 0.10 at 2. Q. a: 0.80 at 0, 0.60 at 2." in alt


def test_shared_attacks_stacks_what_is_apart_and_tells_the_sums():
    nan = float("nan")
    cost = pd.DataFrame(
        {"label": ["each its own", "shared"], "attacks": [nan, 1.0], "training": [nan, 2.5], "whole": [50.0, nan]}
    )
    worth = {"own": [0.88, 0.9], "shared": [0.8, 0.84]}
    figure, alt = plots.shared_attacks(cost, worth, 0.91, "full trainings")
    bars, strokes = figure.axes
    drawn = {c.get_label(): [(bar.get_x(), bar.get_width()) for bar in c] for c in bars.containers}
    assert drawn["attacks, made once"] == [(0, 0), (0, 1.0)]
    assert drawn["training of the models"] == [(0, 0), (1.0, 2.5)]
    assert [width for _, width in drawn["each model with attacks of its own"]] == [50.0, 0]
    assert [text.get_text().strip() for text in bars.texts] == ["50.0", "3.5"]
    assert [t.get_text() for t in strokes.get_yticklabels()] == ["own", "shared"]
    assert strokes.lines[0].get_xdata().tolist() == [0.88, 0.9]
    assert strokes.lines[1].get_xdata().tolist() == pytest.approx([0.89])
    assert set(strokes.lines[-1].get_xdata()) == {0.91}
    assert "shared: 3.5 full trainings." in alt and "shared: accuracy 0.820, 0.800 to 0.840." in alt
