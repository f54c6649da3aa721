"""No figure without words."""

import io

import numpy as np
import pandas as pd
import PIL.Image
import pytest
import torch

from fairlib.book import plots
from fairlib.book.plots import style


def shown(figure, monkeypatch) -> tuple[bytes, np.ndarray, np.ndarray]:
    """What `show` puts on the page, as bytes and pixels, and the pixels that matplotlib drew."""
    found, drawn = [], io.BytesIO()
    monkeypatch.setattr(style, "display", found.append)
    plots.show(figure, "A figure.")
    dpi = 200 if any(axes.images for axes in figure.axes) else 150
    figure.savefig(drawn, format="png", dpi=dpi, bbox_inches="tight", facecolor="white")
    png = found[0].data
    return png, *(np.asarray(PIL.Image.open(io.BytesIO(b)).convert("RGB")).astype(int) for b in (png, drawn.getvalue()))


def test_a_drawing_is_small_and_looks_the_same(monkeypatch):
    rows = [{"label": f"{i}", "series": s, "value": i, "low": i - 1, "high": i + 1} for i in range(9) for s in "abcd"]
    figure, _ = plots.dots(pd.DataFrame(rows), "x")
    png, found, drawn = shown(figure, monkeypatch)
    assert found.shape == drawn.shape and abs(found - drawn).max() < 64 and (abs(found - drawn) > 24).mean() < 0.001
    whole = io.BytesIO()
    PIL.Image.fromarray(drawn.astype("uint8")).save(whole, format="png", optimize=True)
    assert len(png) < 0.6 * len(whole.getvalue())


def test_a_photograph_keeps_its_colours(monkeypatch):
    figure, _ = plots.images({"a": torch.rand(1, 3, 64, 64)}, ["one"], "A photograph.", side=1.2)
    _, found, drawn = shown(figure, monkeypatch)
    assert (found == drawn).all()


def test_a_grey_picture_is_smaller_and_the_same(monkeypatch):
    figure, _ = plots.images({"a": torch.rand(1, 1, 64, 64)}, ["one"], "A digit.", side=1.2)
    png, found, drawn = shown(figure, monkeypatch)
    assert (found == drawn).all()
    whole = io.BytesIO()
    PIL.Image.fromarray(drawn.astype("uint8")).save(whole, format="png", optimize=True)
    assert len(png) < 0.9 * len(whole.getvalue())


def test_a_figure_without_words_is_refused():
    figure, _ = plots.dots(pd.DataFrame([{"label": "a", "series": "s", "value": 0, "low": 0, "high": 0}]), "x")
    with pytest.raises(ValueError, match="alt is empty, expected a sentence"):
        plots.show(figure, " ")
