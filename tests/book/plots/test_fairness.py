"""The figures of countries, tests and arms show the numbers that they are given."""

import pandas as pd
import pytest

from fairlib import fairness
from fairlib.book import plots


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


def test_each_test_has_its_words():
    assert set(plots.TOLD) == set(fairness.METHODS)


def test_data_weights_tells_the_shares():
    figure, alt = plots.data_weights([1.0, 1.0, 1.0, 2.0, 3.0, 4.0], [2 / 12, 3 / 12, 7 / 12])
    (axis,) = figure.axes
    assert axis.lines[0].get_xydata().tolist() == [[i + 1, P] for i, P in enumerate((1, 1, 1, 2, 3, 4))]
    assert "images 16.7%, iteration 1 25.0%, iteration 2 58.3%" in alt and "to 4" in alt


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


def test_frontiers_draws_each_arms_path_in_the_order_of_its_training():
    rows = [("pgd", 0.91, 0.03), ("pgd", 0.83, 0.01), ("ours", 0.91, 0.03), ("ours", 0.79, 0.008)]
    frame = pd.DataFrame(rows, columns=["arm", "accuracy", "value"]).assign(low=0.0, high=0.04)
    figure, alt = plots.frontiers({"slope": frame, "poorest third": frame}, "accuracy on all")
    assert [axis.get_ylabel() for axis in figure.axes] == ["slope", "poorest third"]
    pgd, ours = figure.axes[0].containers
    assert pgd.lines[0].get_xdata().tolist() == [0.91, 0.83] and ours.lines[0].get_ydata().tolist() == [0.03, 0.008]
    assert pgd.lines[2][0].get_segments()[1][:, 1] == pytest.approx([0.0, 0.04])
    assert "slope, Algorithm 1: 0.030 at 0.91, 0.008 at 0.79." in alt


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
