"""Names beside dots of a figure: none over another name, a dot, a line or the frame, as far as there is room."""

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

FONT = 7  # points
DISTANCES = (5, 12, 20)  # points from a dot, tried in this order
DIRECTIONS = ((1, 1), (-1, 1), (1, -1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1))
COSTS = {"name": 100.0, "frame": 100.0, "dot": 10.0, "line": 1.0, "distance": 0.5}
RADIUS = 3  # points of a dot
SAMPLES = 200  # points of a line that a name is held against


def name_dots(axis: Axes, points: np.ndarray, names: Sequence[str], others: np.ndarray, line: np.ndarray) -> None:
    """Write names beside points, each where it covers the least.

    Parameters
    ----------
    axis : matplotlib.axes.Axes
        With everything else drawn on it, and its limits set.
    points : (N, 2) array
        In the axis's units.
    names : sequence of str
        N of them.
    others : (M, 2) array
        All dots, also those without names.
    line : (K, 2) array
        The corners of the line that names had better not cross, K of 2 or more.
    """
    canvas = FigureCanvasAgg(axis.figure)
    axis.figure.draw_without_rendering()
    renderer, pixels = canvas.get_renderer(), axis.figure.dpi / 72
    dots = axis.transData.transform(others)
    corners = axis.transData.transform(line)
    along = np.linspace(0, 1, len(corners))
    crossed = np.column_stack([np.interp(np.linspace(0, 1, SAMPLES), along, corners[:, k]) for k in (0, 1)])
    taken: list[Bbox] = []
    for point, name in zip(points, names, strict=True):
        best = None
        for place, written in _tries(axis, point, name):
            box = written.get_window_extent(renderer).padded(pixels)
            cost = COSTS["distance"] * place
            cost += COSTS["name"] * sum(box.overlaps(other) for other in taken)
            cost += COSTS["frame"] * (not _contains(axis.bbox, box))
            cost += COSTS["dot"] * _inside(box.padded(RADIUS * pixels), dots) + COSTS["line"] * _inside(box, crossed)
            if best is None or cost < best[0]:
                if best:
                    best[1].remove()
                best = cost, written, box
            else:
                written.remove()
        taken.append(best[2])


def _tries(axis: Axes, point: np.ndarray, name: str) -> Iterator[tuple[int, Annotation]]:
    """A name written at each place around a point, with the place's number in the order of preference."""
    sides = {1: ("left", "bottom"), 0: ("center", "center"), -1: ("right", "top")}
    for i, distance in enumerate(DISTANCES):
        for j, (right, up) in enumerate(DIRECTIONS):
            written = axis.annotate(
                name, tuple(point), xytext=(distance * right, distance * up), textcoords="offset points", fontsize=FONT,
                ha=sides[right][0], va=sides[up][1],
            )  # fmt: skip
            written.set_in_layout(False)
            yield i * len(DIRECTIONS) + j, written


def _contains(outer: Bbox, inner: Bbox) -> bool:
    return outer.x0 <= inner.x0 and inner.x1 <= outer.x1 and outer.y0 <= inner.y0 and inner.y1 <= outer.y1


def _inside(box: Bbox, points: np.ndarray) -> int:
    """How many points lie in a box."""
    x, y = points.T
    return int(((box.x0 <= x) & (x <= box.x1) & (box.y0 <= y) & (y <= box.y1)).sum())
