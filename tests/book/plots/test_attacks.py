"""The figures of the second paper's attacks show the numbers that they are given."""

import pandas as pd
import pytest

from fairlib.book import plots


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
    named, alt = plots.defences({"JPEG quality": pd.DataFrame(rows)}, {"lpa": "LPA"})
    assert [c.get_label() for c in named.axes[0].containers] == ["none", "LPA"]
    assert "JPEG quality 90 to 50, LPA: 0.80 to 0.70." in alt


def test_beside_paper_calls_methods_by_their_names():
    frame = pd.DataFrame({"value": [2.0, 4.0], "low": 1.0, "high": 5.0, "paper": [3.0, 9.0]}, ["pgd", "lpa"])
    figure, alt = plots.beside_paper({"L2": frame}, {"pgd": "PGD (L2)"})
    (axis,) = figure.axes
    assert [t.get_text() for t in axis.get_yticklabels()] == ["PGD (L2)", "lpa"]
    assert [c.lines[0].get_xdata().tolist() for c in axis.containers] == [[2.0], [4.0]]
    grey = [
        line.get_xdata().tolist()
        for line in axis.lines
        if line.get_marker() == "D" and line.get_markerfacecolor() == "white"
    ]
    assert grey == [[3.0], [9.0]]
    assert "L2, PGD (L2): 2, paper 3. L2, lpa: 4, paper 9." in alt


def test_a_sweep_calls_methods_by_their_names():
    rows = [
        {"method": m, "x": x, "value": v, "low": v, "high": v}
        for m, v in (("pgd", 2.0), ("lpa", 4.0))
        for x in (0, 1, 10)
    ]
    figure, alt = plots.swept({"L2": pd.DataFrame(rows)}, "lambda", {"pgd": "PGD (L2)"})
    (axis,) = figure.axes
    assert axis.get_legend_handles_labels()[1] == ["PGD (L2)", "lpa"]
    assert axis.containers[1].lines[0].get_xydata().tolist() == [[0, 4], [1, 4], [10, 4]]
    assert "L2, PGD (L2): 2 at 0, 2 at 1, 2 at 10. L2, lpa: 4 at 0" in alt


def test_roundings_has_a_row_for_each_attack():
    rows = [("pgd", "floor", 500, 1.5, 0.004), ("ours_a=0", "floor", 800, 2.0, 0.06), ("pgd", "round", 0, 0, 0)]
    measured = pd.DataFrame(rows, columns=["method", "quantise", "L1", "L2", "Linf"])
    printed = pd.DataFrame({"L1": [600, 900], "L2": [1.6, 2.1], "Linf": [0.005, 0.006]}, index=["pgd", "ours_a=0"])
    walk = pd.DataFrame({"L1": [100, 1000], "L2": [0.5, 3], "Linf": [0.001, 0.01]})
    figure, alt = plots.roundings(measured, printed, walk)
    assert [axis.get_title() for axis in figure.axes] == [
        f"{attack}, {norm}" for attack in ("PGD", "Algorithm 1") for norm in ("L2", "Linf")
    ]
    assert [axis.lines[1].get_xydata().tolist() for axis in figure.axes] == [
        [[600, 1.6]], [[600, 0.005]], [[900, 2.1]], [[900, 0.006]]
    ]  # fmt: skip
    assert [len(axis.collections) for axis in figure.axes] == [1] * 4  # what changed nothing is left out
    assert "PGD, floor: median L1 500" in alt
    assert "Algorithm 1, floor: median L1 800" in alt
