"""Names beside dots cover neither each other nor the dots, wherever the dots lie."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fairlib.audit.naming import name_dots

NAMES = ["Democratic Republic of the Congo", "Saint Vincent and the Grenadines", "Island 5"]


def placed(points: np.ndarray, named: list[int], line: np.ndarray) -> tuple[list, np.ndarray, object]:
    """The boxes of the names, the dots and the frame, in pixels."""
    figure = Figure(figsize=(4.8, 2.7), layout="constrained")
    axis = figure.subplots()
    axis.scatter(*points.T)
    axis.plot(*line.T)
    name_dots(axis, points[named], NAMES[: len(named)], points, line)
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    return [text.get_window_extent(renderer) for text in axis.texts], axis.transData.transform(points), axis.bbox


CROWDED = {
    "neighbours": np.array([[0, 0], [0.02, 0.01], [0.03, -0.01], [1, 1], [0.5, 0.5]]),
    "corners": np.array([[0, 0], [1, 1], [1, 0], [0, 1], [0.5, 0.5]]),
    "on top of each other": np.array([[0.5, 0.5], [0.5, 0.5], [0.5, 0.52], [0, 0], [1, 1]]),
}


@pytest.mark.parametrize("points", CROWDED.values(), ids=CROWDED)
def test_no_name_lies_over_another_or_a_dot_or_the_frame(points):
    boxes, dots, frame = placed(points, [0, 1, 2], np.array([[0, 0], [1, 1]]))
    assert len(boxes) == 3
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])
        assert not any(box.contains(*dot) for dot in dots)
        assert frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1


def test_a_name_keeps_off_the_line_where_it_can():
    rng = np.random.default_rng(0)
    for _ in range(5):
        x = np.sort(rng.uniform(0, 1, 8))
        points = np.column_stack([x, 0.2 + 0.6 * x + rng.normal(0, 0.05, 8)])
        line = np.array([[0, 0.2], [1, 0.8]])
        figure = Figure(figsize=(4.8, 2.7), layout="constrained")
        axis = figure.subplots()
        axis.scatter(*points.T)
        axis.plot(*line.T)
        name_dots(axis, points[[4]], NAMES[2:], points, line)
        box = axis.texts[0].get_window_extent(FigureCanvasAgg(figure).get_renderer())
        crossed = axis.transData.transform(np.column_stack([np.linspace(0, 1, 500), np.linspace(0.2, 0.8, 500)]))
        assert not any(box.contains(*point) for point in crossed)
        near = axis.transData.transform(points[4])
        assert np.hypot(*(np.clip(near, box.min, box.max) - near)) < 20 * figure.dpi / 72 + 1
