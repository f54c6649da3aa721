"""The picture that a link to a page shows elsewhere: its title, the book's name, and the pair of scales."""

import textwrap
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Wedge

WIDTH, HEIGHT = 1200, 630  # pixels, what Open Graph's readers expect
BLUE, INK, PAPER = "#0072B2", "#222832", "white"


def draw(title: str, book: str, path: Path) -> None:
    """Write the card of a page as a PNG.

    title, book: what the page and the book are called; path: where it goes, its folder made where it is missing.
    """
    figure = Figure(figsize=(WIDTH / 100, HEIGHT / 100), dpi=100, facecolor=PAPER)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, HEIGHT))
    axes.axis("off")
    axes.add_patch(FancyBboxPatch((0, 0), WIDTH, 24, boxstyle="square,pad=0", color=BLUE))
    lines = textwrap.wrap(title, 26)[:5]
    size = 46 if len(lines) < 5 else 38
    text = dict(color=INK, parse_math=False, family="DejaVu Sans", va="center")
    axes.text(80, 250, "\n".join(lines), size=size, weight="bold", linespacing=1.25, **text)
    _scales(axes, 80, 480, 90)
    axes.text(200, 525, book, size=30, **text)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})


def _scales(axes, left: float, bottom: float, side: float) -> None:
    """The logo, as in book/_static/logo.svg, whose unit is a 64th of its side."""
    unit = side / 64
    axes.add_patch(
        FancyBboxPatch((left, bottom), side, side, boxstyle=f"round,pad=0,rounding_size={12 * unit}", color=BLUE)
    )

    def line(*points: tuple[float, float]) -> None:
        x, y = zip(*((left + unit * x, bottom + unit * (64 - y)) for x, y in points), strict=True)
        axes.add_line(
            Line2D(x, y, color=PAPER, linewidth=4 * unit * 0.72, solid_capstyle="round", solid_joinstyle="round")
        )

    line((32, 12), (32, 50))
    line((20, 52), (44, 52))
    line((12, 20), (52, 20))
    for middle in (12, 52):
        line((middle - 6, 34), (middle, 20), (middle + 6, 34))
        pan = (left + unit * middle, bottom + unit * (64 - 34))
        axes.add_patch(Wedge(pan, 7 * unit, 180, 360, color=PAPER))
