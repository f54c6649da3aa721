"""What a sample of the units says when it is run again is noted on the records, and on no others."""

import importlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fairlib import files
from fairlib.book import runner, units, verify

TOY = """\
STEP = 1

def units(profile):
    return [{"what": w, "n": n} for w in ("plain", "timed") for n in range({"embedded": 3, "paper": 4}[profile])]

def run(*, what, n):
    return {"rows": [{"k": k, "value": shape(n + k * STEP) / 3, "right": n + k} for k in range(4)], "what": what}

def shape(x):
    return x + x

def estimates():
    return {}
"""


@pytest.fixture
def toy(tmp_path, monkeypatch) -> Path:
    """The source of a chapter `toy` with records of its embedded units, those with larger n the quicker ones."""
    for folder in ("data", "path/toys"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "data" / "SHA256SUMS").touch()
    (tmp_path / "path" / "toys" / "__init__.py").touch()
    (tmp_path / "path" / "toys" / "toy.py").write_text(TOY)
    monkeypatch.setenv("FAIRLIB_DATA", str(tmp_path / "data"))
    for name in ("FAIRLIB_SCHEDULER", "FAIRLIB_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.syspath_prepend(tmp_path / "path")
    monkeypatch.setattr(units, "EXPERIMENTS", "toys")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    runner.reproduce("embedded", jobs=1)
    for unit in units.of("toy", "embedded"):
        record = unit.record()
        record["provenance"]["seconds"] = 600 - 60 * unit.arguments["n"]
        unit.write(record)
    yield tmp_path / "path" / "toys" / "toy.py"
    for name in ("toys", "toys.toy"):
        sys.modules.pop(name, None)


def edit(toy: Path, old: str, new: str) -> None:
    """Change the source, and load it anew."""
    assert old in toy.read_text()
    toy.write_text(toy.read_text().replace(old, new))
    importlib.reload(importlib.import_module("toys.toy"))


def records() -> dict[str, dict]:
    return {path.stem: json.loads(path.read_text()) for path in files.root().glob("results/toy/*.json")}


def test_a_move_that_changes_no_number_needs_no_run(toy, capsys):
    before = records()
    edit(toy, "x + x", "2 * x")
    assert "changed since 6 of them" in runner.provenance_line("toy")
    assert verify.main(["--jobs=1"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-3] == "2 kinds of 6 records, 2 of them stale; running 2 units of 2 again, which took 16.0 minutes"
    assert said[-2:] == ["toy/what=plain,n=2: the same", "toy/what=timed,n=2: the same"]
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    for name, record in records().items():
        kind = name.split(",")[0]
        noted = {"date": today, "sample": [f"toy/{kind},n=2"], "source": units.source("toy")}
        assert record == before[name] | {"verified": noted}
        assert record["source"] != record["verified"]["source"]
    assert runner.provenance_line("toy").endswith(
        f" Verified on {today}: 2 of them run again, no number moved; that stands for 6."
    )
    runner.reproduce("embedded", jobs=1)
    assert "6 units: 6 finished, 0 to run, 0 of them stale" in capsys.readouterr().out
    edit(toy, "2 * x", "x * 2")  # what was verified is not this
    assert "changed since 6 of them" in runner.provenance_line("toy")


def test_a_number_that_moved_is_said_and_nothing_is_noted(toy, capsys):
    before = records()
    edit(toy, '"right": n + k}', '"right": n + k + 5 * (k == 2 and what == "timed")}')
    assert verify.main(["--jobs=1"]) == 1
    said = capsys.readouterr()
    assert "toy/what=plain,n=2: the same\ntoy/what=timed,n=2: rows.right moved from 4 to 9 (by 5)\n" in said.out
    assert "nothing is noted on toy/what=timed,n=*; `make reproduce ONLY='toy/what=timed,n=*'`" in said.err
    after = records()
    assert {name for name in after if "verified" in after[name]} == {f"what=plain,n={n}" for n in range(3)}
    assert all(after[name] == before[name] for name in after if "timed" in name)
    runner.reproduce("embedded", "toy/what=timed,n=*", jobs=1)
    assert "3 units: 0 finished, 3 to run, 3 of them stale" in capsys.readouterr().out
    assert all("verified" not in record for name, record in records().items() if "timed" in name)


def test_rounding_passes_and_a_real_move_does_not(toy, capsys):
    edit(toy, "/ 3", "/ 3 * (1 + 1e-6)")
    assert verify.verify("embedded", jobs=1) == {}
    edit(toy, "1e-6", "1e-3")
    (said, _) = verify.verify("embedded", jobs=1).values()
    assert said.startswith("rows.value moved from 3.33")
    assert "the most of 4" in said


def test_measured_times_are_not_compared_but_their_shape_is(toy, monkeypatch):
    edit(toy, "STEP = 1", 'STEP = 1\nMEASURED = {"value"}')
    edit(toy, "shape(n + k * STEP) / 3", "shape(n + k * STEP) / 7")
    assert verify.verify("embedded", jobs=1) == {}
    edit(toy, "shape(n + k * STEP) / 7", "[shape(n + k * STEP) / 7]")
    assert len(verify.verify("embedded", jobs=1)) == 2


def test_each_state_of_the_code_has_its_unit_in_the_sample(toy):
    """A record of other code than the others' is not covered by them."""
    odd = units.Unit("toy", {"what": "plain", "n": 0})
    record = odd.record() | {"source": "of long ago"}
    record["result"]["rows"][3]["right"] = 17
    odd.write(record)
    problems = verify.verify("embedded", "plain", jobs=1)
    assert problems == {"toy/what=plain,n=*": "rows.right moved from 17 to 3 (by 14)"}
    assert not any("verified" in record for record in records().values())


def test_only_kinds_with_stale_records_are_run_where_there_are_any(toy, capsys):
    unit = units.Unit("toy", {"what": "timed", "n": 1})
    unit.write(unit.record() | {"source": "of long ago"})
    assert verify.verify("embedded", jobs=1) == {}
    assert "1 of them stale; running 2 units of 1 again" in capsys.readouterr().out
    assert {name for name, record in records().items() if "verified" in record} == {
        f"what=timed,n={n}" for n in range(3)
    }
    assert verify.verify("embedded", jobs=1) == {}
    assert "0 of them stale; running 3 units of 2 again" in capsys.readouterr().out


def test_minutes_leave_out_the_longest_kinds(toy, capsys):
    unit = units.Unit("toy", {"what": "plain", "n": 2})
    record = unit.record()
    record["provenance"]["seconds"] = 100
    unit.write(record)
    assert verify.main(["--jobs=1", "--minutes=5"]) == 0
    said = capsys.readouterr().out
    assert "left out: toy/what=timed,n=* (8.0 minutes)" in said
    assert "running 1 units of 1 again, which took 1.7 minutes" in said
    assert all(("verified" in record) == ("plain" in name) for name, record in records().items())
    for given in ("ten", "-1", "nan"):
        assert verify.main(["--jobs=1", f"--minutes={given}"]) == 2
    assert "MINUTES is 'ten', expected a number such as 10" in capsys.readouterr().err


def test_a_unit_that_fails_is_no_unit_that_is_the_same(toy, capsys):
    edit(toy, "return x + x", 'raise KeyError("gone")')
    assert verify.main(["--jobs=1"]) == 1
    assert "toy/what=plain,n=2: KeyError: 'gone' (toy.py, line" in capsys.readouterr().out
    assert not any("verified" in record for record in records().values())


def test_an_interruption_keeps_what_was_noted_and_leaves_nothing_half_written(toy, monkeypatch, capsys):
    edit(toy, "x + x", "2 * x")
    write, written = Path.write_text, []

    def interrupted(path, text):
        if len(written) == 2:
            write(path, text[:40])
            raise KeyboardInterrupt
        written.append(write(path, text))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", interrupted)
        assert verify.main(["--jobs=1"]) == 130
    assert sum("verified" in record for record in records().values()) == 2  # each file is a whole record
    assert len(list(files.root().glob("results/toy/*"))) == 6
    assert verify.main(["--jobs=1"]) == 0
    assert all("verified" in record for record in records().values())


def test_bad_input_is_refused(toy, capsys):
    with pytest.raises(
        ValueError, match=r"(?s)no unit of the profile embedded matches 'nothing', .*toy/what=plain,n=0"
    ):
        verify.verify("embedded", "nothing")
    with pytest.raises(FileNotFoundError, match=r"nothing is recorded of n=3 yet; run `make reproduce ONLY=n=3`"):
        verify.verify("paper", "n=3")
    unit = units.Unit("toy", {"what": "plain", "n": 0})
    unit.write(unit.record() | {"verified": {"date": "2026-01-01"}})
    with pytest.raises(ValueError, match=r"not a whole record of its unit \(sample, source of verified missing\)"):
        verify.verify("embedded", "toy/")


def test_moves():
    moved = lambda *pair, **more: list(verify.moves(*pair, **more))  # noqa: E731
    assert moved({"a": [1, 2.0, None, "x", True]}, {"a": [1, 2.0, None, "x", True]}) == []
    assert moved(1, 2) == [("", 1, 2)]
    assert moved({"a": {"b": 1}}, {"a": {"b": None}}) == [("a.b", 1, None)]
    assert moved({"a": 1}, {"b": 1}) in (
        [("a", 1, "nothing"), ("b", "nothing", 1)],
        [("b", "nothing", 1), ("a", 1, "nothing")],
    )
    assert moved({"a": [1, 2]}, {"a": [1]}) == [("the length of a", 2, 1)]
    assert moved(True, 1) == [("", True, 1)]
    assert moved(10**18, 10**18 + 1) == [("", 10**18, 10**18 + 1)]  # whole numbers have no tolerance
    assert moved({"t": [1.0, None]}, {"t": [2.0, 3.0]}, measured={"t"}) == [("t", None, 3.0)]
