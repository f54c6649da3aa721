"""Each certificate is a line where its numbers are, what an attack leaves a dotted one; the alt text says them."""

import pandas as pd
import pytest

from fairlib.book import plots
from fairlib.book.plots import certain


def rows(line: str, x: list[float], values: list[float], **more: list[float]) -> list[dict]:
    return [
        {"line": line, "x": a, "value": v, "low": v - 0.05, "high": v + 0.05} | {k: c[i] for k, c in more.items()}
        for i, (a, v) in enumerate(zip(x, values, strict=True))
    ]


def test_certificates_stand_above_each_other_with_what_an_attack_leaves():
    eps = [1e-3, 1e-2, 0.1]
    boxes = pd.DataFrame(
        rows("network", eps, [0.9, 0.5, 0.0], attacked=[0.95, 0.8, 0.1])
        + rows("network, interval-trained", eps, [0.8, 0.7, 0.4], attacked=[0.8, 0.75, 0.6])
    )
    balls = pd.DataFrame(rows("network, smoothed", [0.0, 0.5], [0.9, 0.3]))
    figure, alt = plots.certificates({"a": boxes, "b": boxes}, {"a": balls, "b": balls}, "L2 radius")
    assert len(figure.axes) == 4 and figure.axes[0].get_xscale() == "log" != figure.axes[2].get_xscale()
    solid = [container.lines[0] for container in figure.axes[0].containers]
    dotted = [line for line in figure.axes[0].lines if line.get_linestyle() == ":"]
    assert [line.get_ydata().tolist() for line in solid] == [[0.9, 0.5, 0.0], [0.8, 0.7, 0.4]]
    assert [line.get_ydata().tolist() for line in dotted] == [[0.95, 0.8, 0.1], [0.8, 0.75, 0.6]]
    assert figure.axes[2].containers[0].lines[0].get_xdata().tolist() == pytest.approx([0, 0.5])
    assert "a, network: 0.90 at 0.001, half of it up to 0.01, 0.00 at 0.1." in alt
    assert [text.get_text() for text in figure.legends[0].get_texts()][-1] == "left by an attack"


def test_lines_are_told_apart_without_colour():
    assert len({style["marker"] for style in certain.LINES.values()}) == len(certain.LINES)
