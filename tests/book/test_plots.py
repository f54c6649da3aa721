"""The figures show the numbers that they are given, and their alt texts say them."""

import pandas as pd
import pytest
import torch

from fairlib import fairness
from fairlib.book import claims, plots


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


def country_table() -> pd.DataFrame:
    rows = {"log_gdp": [7.5, 9.0, 11.0, 10.5], "accuracy": [0.6, 0.9, 0.8, 0.75], "n": [10, 100, 1_000, 50]}
    table = pd.DataFrame(rows, index=list("abcd")).assign(name=["Aland", "Beland", "Celand", "Deland"])
    return table.assign(low=table["accuracy"] - 0.1, high=table["accuracy"] + 0.05)


def test_wealth_puts_countries_where_they_belong():
    table = country_table()
    line = pd.DataFrame({"log_gdp": [7.5, 11.0], "accuracy": [0.65, 0.85], "low": [0.5, 0.8], "high": [0.8, 0.9]})
    figure, alt = plots.wealth({"one": (table, line), "two": (table.drop(columns="name"), line)}, label=1)
    first, second, *_ = figure.axes
    dots = first.collections[-1]
    assert dots.get_offsets().tolist() == table[["log_gdp", "accuracy"]].to_numpy().tolist()
    assert dots.get_array().tolist() == table["n"].tolist()
    assert {t.get_text() for t in first.texts} == {"Beland", "Celand"}  # the farthest from the line, and the largest
    assert {t.get_text() for t in second.texts} == {"b", "c"}
    assert "2,000" in [t.get_text() for t in first.get_xticklabels()]
    assert "one: 4 countries, 0.60 to 0.90; the line goes from 0.65 (poorest) to 0.85 (richest)." in alt


def test_rejections_draw_a_line_per_method():
    rows = [(x, m, s, s - 0.01, s + 0.01) for m, s in (("gls", 0.04), ("meta", 0.2)) for x in (0.0, 1.0)]
    frame = pd.DataFrame(rows, columns=["x", "method", "share", "low", "high"])
    figure, alt = plots.rejections({("size", "sd"): frame, ("power", "slope"): frame}, mark=0.5)
    first, second = figure.axes
    gls, meta, level, mark = first.lines
    assert gls.get_xydata().tolist() == [[0.0, 0.04], [1.0, 0.04]] and meta.get_ydata().tolist() == [0.2, 0.2]
    assert set(level.get_ydata()) == {0.05} and set(mark.get_xdata()) == {0.5}
    assert (first.get_xlabel(), second.get_title()) == ("sd", "power")
    assert "size, meta-regression: 0.20 at 0, 0.20 at 1." in alt
    assert set(plots.TESTED) == set(plots.TOLD) == set(fairness.METHODS)


def test_data_weights_tells_the_shares():
    figure, alt = plots.data_weights([1.0, 1.0, 1.0, 2.0, 3.0, 4.0], [2 / 12, 3 / 12, 7 / 12])
    (axis,) = figure.axes
    assert axis.lines[0].get_xydata().tolist() == [[i + 1, P] for i, P in enumerate((1, 1, 1, 2, 3, 4))]
    assert "images 16.7%, iteration 1 25.0%, iteration 2 58.3%" in alt and "to 4" in alt


def test_images_are_shown_on_the_scale_from_black_to_white():
    """Not stretched from its darkest pixel to its brightest: a grey image stays grey, and twice as much is white."""
    pixels = torch.tensor([0.25, 0.5]).view(2, 1, 1, 1).expand(2, 1, 4, 4)
    figure, _ = plots.images({"row": pixels}, ["one", "two"], "alt")
    shown = [axis.images[0] for axis in figure.axes]
    assert [image.cmap(image.norm(image.get_array()))[0, 0, 0] for image in shown] == pytest.approx(
        [0.25, 0.5], abs=0.01
    )
    assert [list(image.get_clim()) for image in shown] == [[0, 1]] * 2


def test_step_sizes_breaks_off_where_nothing_is_finite():
    rows = [("raw", 0.1, 4, 2, 0.1, 0.2, 0.3), ("raw", 1.0, 4, 0, *[float("nan")] * 3)]
    frame = pd.DataFrame(rows, columns=["scaling", "alpha", "runs", "finite", "lowest", "mean", "highest"])
    figure, alt = plots.step_sizes(frame)
    accuracy, share = figure.axes
    assert accuracy.containers[0].lines[0].get_ydata().tolist()[0] == 0.2
    assert share.lines[0].get_ydata().tolist() == [0.5, 0.0]
    assert "raw, alpha 0.1: 2 of 4 finite, accuracy 0.20. raw, alpha 1: 0 of 4 finite." in alt


def test_slope_boxes_keep_an_arms_row_in_every_panel():
    panels = {"one": {"plain": [0.03, 0.031], "pgd": [0.02, 0.01, 0.03]}, "two": {"pgd": [0.02, 0.022]}}
    figure, alt = plots.slope_boxes(panels, 0.028)
    first, second = figure.axes
    assert [t.get_text() for t in first.get_yticklabels()] == ["plain fine-tuning", "PGD (L2)"]
    dots = [line for line in second.lines if line.get_marker() == "."]
    assert dots[1].get_xdata().tolist() == [0.02, 0.022] and all(0.5 < y < 1.5 for y in dots[1].get_ydata())
    assert first.get_xlim() == second.get_xlim() and first.get_ylim() == second.get_ylim() == (1.5, -0.5)
    for axis in (first, second):
        (start,) = (line for line in axis.lines if line.get_linestyle() == "--")
        assert list(start.get_xdata()) == [0.028, 0.028]
    assert "start from: 0.0280. one, plain fine-tuning: median 0.0305, 0.0300 to 0.0310." in alt


def test_arm_changes_places_each_arm_in_its_group():
    rows = [
        (g, a, v, v - 0.01, v + 0.02)
        for g, a, v in [("poor", "pgd", -0.1), ("poor", "ours", 0.1), ("rich", "pgd", 0.2)]
    ]
    figure, alt = plots.arm_changes(pd.DataFrame(rows, columns=["group", "arm", "value", "low", "high"]))
    (axis,) = figure.axes
    pgd, ours = axis.containers
    assert pgd.lines[0].get_xdata().tolist() == [-0.1, 0.2] and [round(y) for y in pgd.lines[0].get_ydata()] == [0, 1]
    assert ours.lines[2][0].get_segments()[0][:, 0] == pytest.approx([0.09, 0.12])
    assert "poor: PGD (L2) -0.10, Algorithm 1 +0.10. rich: PGD (L2) +0.20." in alt


def test_perception_moves_the_machines_circle_out_of_the_attacks():
    figure, alt = plots.perception()
    for axis, inside in zip(figure.axes, (True, False), strict=True):
        human, machine, hidden, seen = axis.patches

        def gap(one, other):
            return ((one.center[0] - other.center[0]) ** 2 + (one.center[1] - other.center[1]) ** 2) ** 0.5

        assert gap(human, hidden) > human.radius + hidden.radius
        assert gap(human, seen) < human.radius - seen.radius and gap(machine, seen) < machine.radius - seen.radius
        apart = gap(machine, hidden)
        assert apart < machine.radius - hidden.radius if inside else apart > machine.radius + hidden.radius
    assert "lie outside both" in alt
