"""Units and their records: names, wholeness, and whether they are of today's code."""

import importlib
from pathlib import Path

import pytest
from book.toy import finished

from fairlib import files, runtime
from fairlib.book import runner, units


def test_a_record_is_written_whole_or_not_at_all(log, monkeypatch):
    def full(path, text):
        path.write_bytes(text[:50].encode())
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(OSError, match="no space left"):
            runner.reproduce("embedded", "n=0", jobs=1)
    assert list(files.root().glob("results/toy/*")) == []
    assert runner.reproduce("embedded", "n=0", jobs=1) == {}
    assert finished() == {0}


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"n":0', '"n":1', r"it has the arguments {'n': 1, 'shape': \[64, 8\]}"),
        ('"source"', '"sources"', "source missing"),
        (None, '{"arguments": {"n"', "Expecting|delimiter"),
        (None, "[]", "no attribute"),
    ],
)
def test_a_damaged_record_is_refused(log, old, new, problem):
    runner.reproduce("embedded", "n=0", jobs=1)
    (path,) = files.root().glob("results/toy/*.json")
    path.write_text(path.read_text().replace(old, new) if old else new)
    for use in (lambda: runner.results("toy"), lambda: runner.reproduce("embedded", jobs=1)):
        with pytest.raises(ValueError, match=rf"(?s)n=0,shape=64_8\.json is not .*({problem}).* or delete it and run"):
            use()


def test_units_of_one_name_are_refused(log, monkeypatch):
    toy = importlib.import_module("toys.toy")
    monkeypatch.setattr(toy, "units", lambda profile: [{"a": "x y"}, {"a": "x/y"}])
    with pytest.raises(ValueError, match="two units are called toy/a=x_y"):
        units.of("toy", "embedded")


# Chapters some of whose records are of earlier code than today's; their pages say of how many. `make verify`, and
# `make reproduce` where numbers moved, make them fresh: then their names go from here.
WAITING = (
    "dro_training",
    "fairer",
    "seeds",
    "table1",
)


def waiting(chapter: str):
    return pytest.param(chapter, marks=pytest.mark.xfail(strict=True) if chapter in WAITING else ())


@pytest.mark.parametrize("chapter", units.chapters())
def test_the_books_records_are_whole(chapter):
    listed = units.of(chapter, *runtime.PROFILES)
    assert {unit.path for unit in listed} >= set((files.root() / "results" / chapter).glob("*"))
    for unit in units.of(chapter, "embedded"):
        assert unit.record() is not None, f"{unit.name} has no record"
        assert unit.path.stat().st_size < 110_000


@pytest.mark.parametrize("chapter", map(waiting, units.chapters()))
def test_the_books_records_are_of_todays_code(chapter):
    """Fails when what they rest on has changed since: run `make verify`, and `make reproduce` where numbers moved."""
    source = units.source(chapter)
    stale = [unit.name for unit in units.of(chapter, "embedded") if not units.fresh(unit.record(), source)]
    assert not stale
