"""Marks stand where the numbers are, and the alt texts say them."""

import pandas as pd
import pytest

from fairlib.book import plots


def test_tradeoff_places_each_variant():
    rows = [
        {
            "variant": v,
            "x": 0.1 * i,
            "x_low": 0.1 * i - 0.01,
            "x_high": 0.1 * i + 0.02,
            "y": 0.5,
            "y_low": 0.4,
            "y_high": 0.7,
        }
        for i, v in enumerate(["undefended", "as published", "optimised"], start=1)
    ]
    figure, alt = plots.tradeoff({"one": pd.DataFrame(rows), "two": pd.DataFrame(rows[:1])}, "clean", "attacked")
    first, second = figure.axes
    placed = {c.get_label(): c.lines[0].get_xydata()[0].tolist() for c in first.containers}
    assert placed == {"undefended": [0.1, 0.5], "as published": [0.2, 0.5], "optimised": pytest.approx([0.3, 0.5])}
    ends = first.containers[0].lines[2][0].get_segments()[0][:, 0]
    assert ends == pytest.approx([0.09, 0.12])
    assert len(second.containers) == 1
    assert "one, optimised: 0.30, 0.50." in alt
    with pytest.raises(KeyError):
        plots.tradeoff({"one": pd.DataFrame([rows[0] | {"variant": "unheard of"}])}, "x", "y")


def test_dots_keeps_the_order_of_labels_and_series():
    rows = [
        {"label": label, "series": series, "value": value, "low": value - 0.1, "high": value + 0.3}
        for label, series, value in [("b", "LeNet", 0.1), ("b", "FC", -0.2), ("a", "LeNet", 0.4)]
    ]
    figure, alt = plots.dots(pd.DataFrame(rows), "change")
    (axis,) = figure.axes
    assert [t.get_text() for t in axis.get_yticklabels()] == ["b", "a"]
    lenet, fc = axis.containers
    assert (lenet.get_label(), fc.get_label()) == ("LeNet", "FC")
    assert lenet.lines[0].get_xdata().tolist() == [0.1, 0.4]
    assert [round(v) for v in lenet.lines[0].get_ydata()] == [0, 1]
    assert fc.lines[2][0].get_segments()[0][:, 0] == pytest.approx([-0.3, 0.1])
    assert "b: LeNet +0.10, FC -0.20." in alt
    assert "a: LeNet +0.40." in alt
    assert "dashed" not in alt
    marked, alt = plots.dots(pd.DataFrame(rows), "change", mark=(5, "promised"))
    (promised,) = [line for line in marked.axes[0].lines if line.get_label() == "promised"]
    assert list(promised.get_xdata()) == [5, 5]
    assert alt.endswith("A dashed line at 5: promised.")


def test_dots_of_ratios_stand_on_a_logarithmic_axis_beside_the_papers():
    rows = [
        {"label": label, "series": series, "value": value, "low": value / 2, "high": 2 * value, "paper": paper}
        for label, series, value, paper in [("b", "LPIPS", 4.0, 0.5), ("b", "SSIM", 0.25, float("nan"))]
    ]
    figure, alt = plots.dots(pd.DataFrame(rows), "PGD is 1", ratio=True)
    (axis,) = figure.axes
    assert axis.get_xscale() == "log"
    assert [c.lines[0].get_xdata().tolist() for c in axis.containers] == [[4.0], [0.25]]
    (paper,) = [line for line in axis.lines if line.get_label() == "paper"]
    assert paper.get_xdata().tolist() == [0.5]
    assert paper.get_ydata() == pytest.approx(axis.containers[0].lines[0].get_ydata())
    assert [list(line.get_xdata()) for line in axis.lines[-1:]] == [[1, 1]]
    assert "b: LPIPS 4, paper 0.5, SSIM 0.25." in alt
    _, alone = plots.dots(pd.DataFrame(rows).drop(columns="paper"), "PGD is 1", ratio=True)
    assert "paper" not in alone
