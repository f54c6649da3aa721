"""Redrawn worlds against the binomial law, the shipped network against its stamp, estimates against the ledger."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from fairlib import fairness, files, geography, training
from fairlib.book import claims, units
from fairlib.book.experiments import bias_metric

ROOT = Path(__file__).resolve().parents[3]


def write(chapter: str, arguments: dict, rows: list[dict]) -> None:
    unit = units.Unit(chapter, arguments)
    unit.path.parent.mkdir(parents=True, exist_ok=True)
    record = {"arguments": arguments, "source": "", "provenance": {}, "result": {"rows": rows}}
    unit.path.write_text(json.dumps(record))


def write_worlds(slopes: list[float]) -> None:
    """A world per slope; countries lie on a line but for rounding and a zigzag of 0.01, errors fall like n^-0.5."""
    world = geography.shares()
    n = np.round(10_000 * world["share"]).astype(int)
    for seed, beta in enumerate(slopes):
        p = 0.9 + beta * (world["log_gdp"] - 10) + 0.01 * (-1.0) ** np.arange(41)
        rows = [
            {"iso3": key, "n": int(n[key]), "right": round(n[key] * p[key]), "expected": p[key],
             "sd": 0.3 * n[key] ** -0.5, "mean_n": float(n[key])}
            for key in world.index
        ]  # fmt: skip
        write("bias_metric", {"seed": seed}, rows)


def test_redrawn_worlds_follow_the_binomial_law():
    rng = np.random.default_rng(0)
    plain, stamped = rng.random(2_000) < 0.7, rng.random(2_000) < 0.95
    table, worlds = geography.shares(), 3_000
    n, right = bias_metric.redrawn(plain, stamped, table, worlds, np.random.default_rng(1))
    assert n.shape == right.shape == (worlds, 41) and (n.sum(1) == 2_000).all() and (right <= n).all()
    assert stats.chisquare(n.sum(0), n.sum() * table["share"]).pvalue > 0.001
    share = geography.stamped_share(table).to_numpy()
    q = share * stamped.mean() + (1 - share) * plain.mean()
    z = (right.sum(0) - n.sum(0) * q) / np.sqrt(n.sum(0) * q * (1 - q))
    assert np.abs(z).max() < 4 and stats.kstest(z, "norm").pvalue > 0.001
    scatter = ((right - n * q) ** 2).sum(0) / (n * (q * (1 - q))).sum(0)
    assert scatter == pytest.approx(np.ones(41), abs=0.2)


@pytest.mark.usefixtures("no_trace")
def test_the_shipped_network_uses_the_stamp():
    model = training.shipped("LeNet5", "World")
    plain, stamped = bias_metric.both_ways(model, 0)
    assert stamped.mean() > plain.mean() + 0.05
    world = geography.world("test", bias_metric.IMAGES, seed=0)
    expected = np.where(world.stamped, stamped, plain)
    assert (bias_metric.right(model, world.x, world.y) == expected).all()
    table = bias_metric.country_table(model, world)
    for key, row in table.iterrows():
        of = world.codes == key
        assert (row["n"], row["right"], row["name"]) == (of.sum(), expected[of].sum(), world.table["name"][key])


def test_the_shipped_network_was_trained_as_the_others_are(monkeypatch):
    """One epoch on fewer images, twice: the same weights, from the seed alone."""
    monkeypatch.setattr(bias_metric, "IMAGES", 500)
    monkeypatch.setattr(bias_metric, "EPOCHS", 1)
    one, again, other = bias_metric.trained(0), bias_metric.trained(0), bias_metric.trained(1)
    assert not one.training
    assert torch.equal(one.fc3.weight, again.fc3.weight) and not torch.equal(one.fc3.weight, other.fc3.weight)
    fair = bias_metric.trained(0, shortcut=False)
    assert not torch.equal(one.fc3.weight, fair.fc3.weight)


def test_a_unit_records_the_table_of_its_world(monkeypatch):
    model = training.shipped("LeNet5", "World")
    monkeypatch.setattr(bias_metric, "trained", lambda seed: model)
    monkeypatch.setattr(bias_metric, "REDRAWN", 20)
    found = bias_metric.run(seed=0)
    json.dumps(found, allow_nan=False)
    assert sum(row["n"] for row in found["rows"]) == bias_metric.IMAGES
    assert all(0 <= row["right"] <= row["n"] and row["sd"] > 0 for row in found["rows"])
    assert found["with"] > found["without"]
    usa = next(row for row in found["rows"] if row["iso3"] == "USA")
    assert usa["expected"] == pytest.approx(usa["right"] / usa["n"], abs=0.03)
    assert usa["mean_n"] == pytest.approx(4_320, abs=100)


def test_units():
    assert [len(bias_metric.units(profile)) for profile in ("embedded", "paper")] == [6, 20]
    with pytest.raises(ValueError, match="profile is 'quick'"):
        bias_metric.units("quick")


def test_estimates(house):
    write_worlds([0.02, 0.025, 0.03, 0.03, 0.035, 0.04])
    found = {quantity: claims.Estimate(**fields) for quantity, fields in bias_metric.estimates().items()}
    assert set(found) == claims.asked("bias_metric")
    assert found["world/slope/plain"].value == pytest.approx(0.03, abs=0.002)
    assert found["world/slope/plain"].seeds == 6
    p = sorted(fairness.slope(table).p_value for table in bias_metric.tables().values())
    estimate = found["world/ftest/p"]
    assert (estimate.low, estimate.high) == (p[0], p[-1]) and p[2] <= estimate.value <= p[3]
    assert found["independence/gap"].value == pytest.approx(0, abs=1e-12)
    assert found["world/slope/plain"].units == 6
    assert round(found["ftest/p"].value, 5) == 0.02554
    assert found["ftest/p"].low < found["ftest/p"].value < found["ftest/p"].high < 0.05
    pages = (ROOT / "notebooks" / f"{name}.md" for name in ("bias_metric", "check_bias_metric"))
    page = "".join(path.read_text() for path in pages)
    assert all(f"({estimate.anchor})=" in page or f"name: {estimate.anchor}" in page for estimate in found.values())


def test_without_records_there_are_no_estimates(house):
    with pytest.raises(FileNotFoundError, match="no results of bias_metric"):
        bias_metric.estimates()


def test_the_network_is_listed():
    assert files.checked("checkpoints/LeNet5-World.safetensors").is_file()
