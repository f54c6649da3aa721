"""The audit's figures are the book's: the same pixels but for names of countries, and what they show in words."""

import numpy as np
import pandas as pd
import pytest
from audited import COUNTRIES, expected
from matplotlib.backends.backend_agg import FigureCanvasAgg

from fairlib import fairness, intervals
from fairlib.audit import figures
from fairlib.book import plots


@pytest.fixture(params=[6, 3])
def table(request):
    counts = expected()[["n", "right", "log_gdp"]].assign(name=list(COUNTRIES))
    return intervals.with_interval(counts).head(request.param)


def drawn(figure):
    """A figure's pixels, without names beside its dots, which the two place by other rules."""
    for text in [text for axis in figure.axes for text in axis.texts]:
        text.remove()
    canvas = FigureCanvasAgg(figure)
    figure.set_layout_engine("none")  # what the names left of the room
    for axis, place in zip(figure.axes, ([0.15, 0.2, 0.6, 0.7], [0.8, 0.2, 0.03, 0.7]), strict=False):
        axis.set_position(place)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def test_the_figure_of_all_countries_is_that_of_the_book(table):
    line = fairness.band(table, np.linspace(table["log_gdp"].min(), table["log_gdp"].max(), 50))
    figure, alt = figures.accuracy_by_wealth(table, line)
    assert {text.get_text() for text in figure.axes[0].texts} <= set(table["name"])
    assert 2 <= len(figure.axes[0].texts) <= 3
    books, books_alt = plots.wealth({"": (table, line)})
    assert np.array_equal(drawn(figure), drawn(books))
    assert alt == books_alt.replace(" : ", " ")


def test_one_number_of_images_has_no_scale(table):
    line = fairness.band(table, np.linspace(table["log_gdp"].min(), table["log_gdp"].max(), 50))
    assert len(figures.accuracy_by_wealth(table, line)[0].axes) == 2
    assert len(figures.accuracy_by_wealth(table.assign(n=24), line)[0].axes) == 1


@pytest.mark.parametrize("mark", [None, 0.05])
def test_the_power_curve_shows_what_it_is_given(mark):
    points = [(0, 0.04, 0, 0.1), (0.05, 0.5, 0.4, 0.6), (0.1, 0.9, 0.8, 1)]
    curve = pd.DataFrame(points, columns=["slope", "share", "low", "high"])
    figure, alt = figures.power_curve(curve, mark)
    (axis,) = figure.axes
    line, level, *upright = axis.lines
    assert np.array_equal(line.get_xydata(), curve[["slope", "share"]])
    assert set(level.get_ydata()) == {0.05}
    assert [set(line.get_xdata()) for line in upright] == ([{mark}] if mark else [])
    (band,) = (np.unique(path.vertices, axis=0) for path in axis.collections[0].get_paths())
    assert {tuple(row) for row in curve[["slope", "low"]].to_numpy()} <= {tuple(row) for row in band}
    assert {tuple(row) for row in curve[["slope", "high"]].to_numpy()} <= {tuple(row) for row in band}
    assert alt.endswith("GLS, 1/sqrt(n) (paper): 0.04 at 0, 0.90 at 0.1.")


def test_two_figures_of_a_page_share_no_ids(table):
    line = fairness.band(table, np.linspace(table["log_gdp"].min(), table["log_gdp"].max(), 50))
    one, other = (figures.svg(*figures.accuracy_by_wealth(table, line), name) for name in ("one", "other"))
    assert one.startswith('<svg role="img"') and 'id="one-' in one and 'id="one-' not in other
