"""What `make bench` measures: planted times give their ratios, ways that disagree are not timed, rows have a schema."""

import itertools
import json
import sys
from importlib import import_module

import jsonschema
import pytest
import torch

pytest.importorskip("torchattacks", reason="the benchmarks compare with it; pip install --no-deps torchattacks")
pytest.importorskip("adv_lib", reason="the benchmarks compare with it; pip install --no-deps adv-lib")
from benchmarks import __main__ as bench_command
from benchmarks import attacks, defense, measure, perceptual
from fairlib.book import bench

TIMES = {"type": "array", "items": {"type": "number", "minimum": 0}, "minItems": 3, "maxItems": 3}
ROW = {
    "type": "object",
    "required": sorted(bench.FIELDS),
    "additionalProperties": False,
    "properties": {
        **{key: {"type": "string", "minLength": 1} for key in ("method", "on", "fastest")},
        "why": {"type": "string"},
        "kind": {"enum": ["rival", "part"]},
        "rounds": {"type": "integer", "minimum": measure.LEAST},
        "seconds": {"type": "object", "additionalProperties": TIMES, "minProperties": 2},
        "macs": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}},
        "peak": {"type": "number", "exclusiveMinimum": 0},
        "ratio": TIMES,
        "share": {"type": ["number", "null"]},
        "aims": {
            "type": "object",
            "propertyNames": {"enum": list(bench.AIMS)},
            "additionalProperties": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
        },
    },
}
RECORD = {
    "type": "object",
    "required": ["rows", "provenance"],
    "properties": {"rows": {"type": "array", "items": ROW, "minItems": 1}, "provenance": {"type": "object"}},
}


@pytest.fixture
def clock(monkeypatch):
    """A processor clock that goes on by half a second whenever it is read, and by what a way asks for."""
    now = [0.0]

    def read() -> float:
        now[0] += 0.5
        return now[0]

    monkeypatch.setattr(measure.time, "process_time", read)
    return now


def taking(clock: list[float], *seconds: float):
    """A way that takes so long, one after the other: less half a second of the clock, and none when it is warmed up."""
    left = itertools.chain([0.0], itertools.cycle(seconds))

    def way() -> torch.Tensor:
        clock[0] += max(next(left) - 0.5, 0)
        return torch.zeros(3)

    return way


def test_the_ratio_is_that_of_the_medians_of_planted_times(clock):
    ways = {"fairlib": taking(clock, 9, 1, 2), "slow": taking(clock, 8, 8, 8), "quick": taking(clock, 4, 2, 5)}
    macs = {"fairlib": 3 * 2**30, "quick": 2**30}
    aims = {"ratio": 1.0, "share": 0.75, "extra": 1.3}
    row = measure.compared("a", "b", ways, measure.alike(0), seconds=0, macs=macs, aims=aims, why="so")
    assert row["seconds"] == {"fairlib": [2, 1, 9], "slow": [8, 8, 8], "quick": [4, 2, 5]}
    assert (row["fastest"], row["ratio"], row["rounds"]) == ("quick", [0.5, 0.4, 2.25], 3)
    assert row["peak"] == pytest.approx(2**30 / 0.5, rel=1e-3)  # the product takes half a second
    assert row["share"] == pytest.approx(3 / 2 * 0.5)
    # Ours takes two seconds less for two more parts of work, each of which the other needs four seconds for.
    assert row["aims"] == {"ratio": [1.0, 0.5], "share": [0.75, 0.75], "extra": [1.3, -0.25]}
    assert bench.judged(row) == {"ratio": True, "share": True, "extra": True}
    jsonschema.validate(row, ROW)


def test_rounds_end_with_the_time_but_not_before_three(monkeypatch):
    ways = {"a": lambda: None}
    assert len(measure.times(ways, 0)) == measure.LEAST
    assert len(measure.times(ways, 60)) == measure.MOST


def test_multiply_adds_are_counted():
    a = torch.rand(2, 30)
    result, macs = measure.counted(lambda: a @ a.T)
    assert macs == 2 * 30 * 2 and result.shape == (2, 2)


@pytest.mark.parametrize("wrong", [torch.ones(3), torch.full((3,), torch.nan)])
def test_ways_that_disagree_are_not_timed(clock, wrong):
    with pytest.raises(RuntimeError, match=r"^other does something else than fairlib: 100.00% of the entries differ"):
        measure.compared(
            "a", "b", {"fairlib": lambda: torch.zeros(3), "other": lambda: wrong}, measure.alike(0.5), seconds=0
        )
    assert clock == [0.0]


@pytest.mark.parametrize(
    ("attack", "wrong"),
    [
        ("fgsm", lambda network, x, y, *, eps: x),
        ("pgd", lambda network, x, y, *, eps, step_size, iterations: x),
        ("square", lambda network, x, y, **_: x),
    ],
)
def test_an_attack_of_ours_that_does_nothing_is_refused(monkeypatch, attack, wrong):
    monkeypatch.setattr(attacks, attack, wrong)
    monkeypatch.setattr(attacks, "BATCH", {"FullyConnected": 50})
    with pytest.raises(RuntimeError, match="does something else"):
        list(attacks.rows(0.05, 0))


@pytest.mark.parametrize("part", bench_command.PARTS)
def test_a_tiny_run_gives_rows(part, monkeypatch):
    for module in (attacks, defense):
        monkeypatch.setattr(module, "BATCH", {"FullyConnected": 20})
    monkeypatch.setattr(perceptual, "STEPS", 2)
    monkeypatch.setattr(perceptual, "IMAGES", 1)
    rows = list(itertools.islice(import_module(f"benchmarks.{part}").rows(0.04, 0), 4))
    jsonschema.validate({"rows": rows, "provenance": {}}, RECORD)
    assert len(rows) == {"attacks": 4, "defense": 2}.get(part, bench_command.PARTS[part])


def test_the_command_writes_a_record_that_the_page_reads(tmp_path, monkeypatch, capsys, clock):
    def rows(scale, seconds):
        yield measure.compared(
            "a", "b", {"fairlib": taking(clock, 4), "other": taking(clock, 2)}, measure.alike(0), seconds=0
        )

    monkeypatch.setattr(import_module("benchmarks.dro"), "rows", rows)
    out = tmp_path / "results" / "bench.json"
    monkeypatch.setattr(sys, "argv", ["bench", "--only", "dro", "--scale", "0.5", "--out", str(out)])
    bench_command.main()
    assert "in 0 of 1 comparisons" in capsys.readouterr().out
    monkeypatch.setattr(bench, "path", lambda: out)
    record = bench.recorded()
    jsonschema.validate(record, RECORD)
    assert record["rows"][0]["ratio"] == [2, 2, 2] and record["provenance"]["scale"] == 0.5


def test_the_record_of_the_book_is_whole_and_small():
    text = bench.path().read_text()
    assert len(text) <= bench_command.LARGEST
    record = json.loads(text)
    jsonschema.validate(record, RECORD)
    assert len(record["rows"]) == sum(bench_command.PARTS.values())
    assert bench.ratios(record)["label"].is_unique
    assert {"commit", "date", "device", "torch", "scale"} <= record["provenance"].keys()
