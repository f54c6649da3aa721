"""The chapter on runtime: what it tells the ledger, from records that follow a known law."""

import pandas as pd
import pytest
import torch

from fairlib import runtime
from fairlib.book import claims, plots, runner
from fairlib.book.experiments import runtime as sweeps

SIZES = {"width": sweeps.WIDTHS, "depth": sweeps.DEPTHS}


def rows(repetition: int, *, fc: float = 1.2) -> list[dict]:
    """Seconds by a law: alone 1 a layer; the defence adds 4 / d of that, and `printed` takes n times as long."""
    found = []
    for what, sizes in SIZES.items():
        for size in sizes:
            n, d = (4, size) if what == "width" else (size, 256)
            for batch in (1, 1_000):
                alone, slack = n * batch * 1e-3, 1 + 0.001 * repetition
                row = {"what": what, "size": size, "batch": batch, "undefended": [alone, alone, 9 * alone]}
                row |= {"defended": [alone * (1 + 4 / d * slack)] * 3}
                found.append(row | {"printed": [n * alone * slack] * 3 if batch == 1 else None})
    for network, ratio in {"FullyConnected": fc, "LeNet5": 1.4}.items():
        for batch in (1, 1_000, 100):
            row = {"what": network, "size": None, "batch": batch, "undefended": [1.0] * 3, "printed": None}
            found.append(row | {"defended": [ratio + 0.01 * repetition] * 3})
    return [{"repetition": repetition} | row for row in found]


@pytest.fixture
def records(monkeypatch):
    """Three repetitions of the law."""

    def put(**changed):
        frame = pd.DataFrame([row for i in range(3) for row in rows(i, **changed)])
        monkeypatch.setattr(runner, "results", lambda chapter: frame if chapter == "runtime" else None)

    put()
    return put


def test_each_quantity_that_is_asked_is_estimated(records):
    asked = claims.asked("runtime")
    found = sweeps.estimates()
    assert set(found) == asked
    assert all(claims.Estimate(**fields) for fields in found.values())


def test_estimates_follow_the_law(records):
    found = {quantity: e["value"] for quantity, e in sweeps.estimates().items()}
    assert found["time/overhead/width_slope"] == pytest.approx(-1)
    assert found["time/ratio/depth_slope"] == pytest.approx(0, abs=1e-9)
    assert found["FullyConnected/time/ratio/batch=1"] == pytest.approx(1.21)
    assert found["LeNet5/time/ratio/batch=100"] == pytest.approx(1.41)
    assert found["macs/inference/width_slope"] == pytest.approx(2)
    for key in ("inference/depth", "defence/depth", "defence/width"):
        assert found[f"macs/{key}_slope"] == pytest.approx(1)
    assert 1.5 < found["macs/algorithm1/depth_slope"] < 2  # n (n + 1) / 2
    assert found["cosines_per_layer"] == 10


def test_a_changed_record_moves_the_verdict(records):
    def verdict():
        estimates = {quantity: claims.Estimate(**e) for quantity, e in sweeps.estimates().items()}
        [claim] = [c for c in claims.load("pepe") if c.id == "pepe-runtime-minimal-fc-1"]
        return claims.judge(claim, estimates)

    before = verdict()
    records(fc=1.3)
    assert (before, verdict()) == (claims.REPRODUCED, claims.NOT_REPRODUCED)


def test_modes_are_kept_apart(monkeypatch):
    values = pd.DataFrame({0: [2.0, 1.25, 1.98, 2.01]})
    monkeypatch.setattr(sweeps, "ratios", lambda network, *, batch: values)
    assert sweeps.modes("LeNet5", batch=1_000) == [(1, 1.25), (3, pytest.approx(1.9966667))]


def test_recorded_takes_the_median_over_rounds(records):
    table = sweeps.recorded("width", batch=1, of="undefended")
    assert table.shape == (3, len(sweeps.WIDTHS))
    assert (table == 4e-3).all(axis=None)  # one round in three took nine times as long


def test_lines_are_what_the_figure_draws(records):
    width, depth = (sweeps.lines(what).set_index(["line", "size"]) for what in ("width", "depth"))
    assert width.loc[("1,000 images", 32), "value"] == pytest.approx(4 / 32 * 1.001)
    assert width.loc[("counted", 64), "value"] == pytest.approx(11 / 64)
    assert depth.loc[("as printed, 1 image", 8), "value"] == pytest.approx(8 * 1.001)
    assert depth.loc[("counted", 16), "value"] == pytest.approx(1 + 11 / 256)
    for table in (width, depth):
        assert (table["low"] <= table["value"]).all() and (table["value"] <= table["high"]).all()


def test_the_figure_draws_the_lines(records):
    panels = {("width d", "share"): sweeps.lines("width"), ("depth n", "ratio"): sweeps.lines("depth")}
    figure, alt = plots.scaling(panels)
    for axis, frame in zip(figure.axes, panels.values(), strict=True):
        drawn = {c.get_label(): c.lines[0].get_xydata().tolist() for c in axis.containers}
        assert drawn == {line: points[["size", "value"]].to_numpy().tolist() for line, points in frame.groupby("line")}
        assert (axis.get_xscale(), axis.get_yscale()) == ("log", "log")
    assert "ratio, as printed, 1 image: 2 at 2, 32 at 32." in alt


@pytest.mark.parametrize("profile", runtime.PROFILES)
def test_units(profile):
    found = sweeps.units(profile)
    assert len(found) > 1 and [list(unit) for unit in found] == [["repetition"]] * len(found)
    with pytest.raises(ValueError, match="profile"):
        sweeps.units("quick")


@pytest.mark.usefixtures("no_trace")
def test_example_is_the_same_each_time():
    (model, *first), (_, *second) = sweeps.example(2, 16), sweeps.example(2, 16)
    assert [tuple(t.shape) for t in first] == [(10, 1, 1, 16), (10,), (1_000, 1, 1, 16)]
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert (model.hidden, model.shape) == (("linear1",), (1, 1, 16))


@pytest.mark.parametrize(("images", "batch", "calls"), [(1, 1, 1), (20, 20, 1), (20, 5, 4)])
def test_seconds_runs_every_image_in_batches(monkeypatch, images, batch, calls):
    """The defence and the network see the same batches; a single image also goes through Algorithm 1."""
    monkeypatch.setattr(sweeps, "ROUNDS", 1)
    model, centroids, alpha, x = sweeps.example(2, 16)
    seen = []
    model.linear1.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    row = sweeps.seconds(model, centroids, alpha, x[:images], batch)
    assert (row["images"], row["batch"]) == (images, batch)
    assert all(len(row[name]) == 1 and row[name][0] > 0 for name in ("undefended", "defended"))
    assert (row["printed"] is None) == (images > 1)
    repeats = 3
    per_image = 11 * 2 * repeats if images == 1 else 0
    assert seen[0] == len(centroids)  # kept beforehand
    assert seen[1:] == 2 * repeats * calls * [batch] + per_image * [1]
