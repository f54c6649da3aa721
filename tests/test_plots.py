"""The figures show the numbers that they are given, and their alt texts say them."""

import pandas as pd
import pytest

from fairlib import claims, plots


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


def test_a_figure_without_words_is_refused():
    figure, _ = plots.dots(pd.DataFrame([{"label": "a", "series": "s", "value": 0, "low": 0, "high": 0}]), "x")
    with pytest.raises(ValueError, match="alt is empty, expected a sentence"):
        plots.show(figure, " ")


def test_verdicts_are_stacked_and_told_apart_without_colour():
    counts = pd.DataFrame({"A": [100, 5, 3, 0, 0, 2], "B": [10, 0, 30, 1, 4, 0]}, index=list(claims.VERDICTS))
    figure, alt = plots.verdicts(counts)
    (axis,) = figure.axes
    assert [bars.get_label() for bars in axis.containers] == list(claims.VERDICTS)
    for i, bars in enumerate(axis.containers):
        assert [bar.get_width() for bar in bars] == counts.iloc[i].tolist()
        assert [bar.get_x() for bar in bars] == counts.iloc[:i].sum().tolist()
    looks = {(bars[0].get_hatch(), bars[0].get_facecolor() == (1, 1, 1, 1)) for bars in axis.containers}
    assert len(looks) == len(claims.VERDICTS)
    assert [t.get_text() for t in axis.texts if t.get_text()] == ["100", "10", "5", "30"]  # where there is room
    assert "B: 10 reproduced, 30 not reproduced, 1 only with the released bug, 4 not testable here." in alt


def test_steps_draws_a_line_for_each_attack_and_rings_one_length():
    numbers = {"low": 0.1, "high": 0.3, "SSIM_low": 0.85, "SSIM_high": 0.95}
    rows = [
        {"attack": attack, "L2": eps, "accuracy": 0.1 * eps, "SSIM": 1 - 0.05 * eps} | numbers
        for attack in ("pgd", "ssim")
        for eps in (1.0, 2.0)
    ]
    figure, alt = plots.steps({"net": pd.DataFrame(rows)}, 2.0)
    (axis,) = figure.axes
    assert [c.get_label() for c in axis.containers] == ["PGD", "SSIM"]
    assert axis.containers[0].lines[0].get_xydata().ravel().tolist() == pytest.approx([0.95, 0.1, 0.9, 0.2])
    assert "net, PGD: at L2 2 0.20 turned, SSIM 0.90." in alt


def test_defences_go_from_mild_to_strong():
    rows = [
        {"method": method, "setting": setting, "value": value, "low": value - 0.1, "high": value + 0.05}
        for setting, values in ((90, (0.2, 0.8)), (50, (0.3, 0.7)))
        for method, value in zip(("none", "lpa"), values, strict=True)
    ]
    figure, alt = plots.defences({"JPEG quality": pd.DataFrame(rows), "bits": pd.DataFrame(rows[:2])})
    first, second = figure.axes
    assert [t.get_text() for t in first.get_xticklabels()] == ["90", "50"] and len(second.containers) == 2
    none, lpa = (c.lines[0].get_xydata() for c in first.containers)
    assert none[:, 1].tolist() == [0.2, 0.3] and lpa[:, 1].tolist() == [0.8, 0.7]
    assert none[0, 0] < 0 < lpa[0, 0] < none[1, 0], "side by side at each setting"
    ends = first.containers[1].lines[2][0].get_segments()[0][:, 1]
    assert ends == pytest.approx([0.7, 0.85])
    assert "JPEG quality 90 to 50, lpa: 0.80 to 0.70." in alt
