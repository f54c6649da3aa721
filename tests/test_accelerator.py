"""The check on an accelerator: what it runs, what it keeps, and that it says what went wrong."""

import json
import time
import zipfile
from types import SimpleNamespace

import pytest
import test_devices
import torch

from fairlib import files
from fairlib.book import runner, units, verify
from tools import accelerator


@pytest.fixture(scope="module")
def paper() -> list[units.Unit]:
    return runner.asked("paper", "")


def test_each_kind_is_run_once_and_every_chapter_before_a_second_kind(paper):
    todo = accelerator.one_of_each(paper)
    kinds = [verify.kind(unit) for unit in todo]
    assert sorted(kinds) == sorted({verify.kind(unit) for unit in paper})
    chapters = {unit.chapter for unit in paper}
    assert {unit.chapter for unit in todo[: len(chapters)]} == chapters
    assert todo[0] == paper[0]


def outcomes(todo, jobs):
    for unit, error in zip(todo, (None, "FileNotFoundError: no images", None), strict=True):
        record = {"arguments": unit.arguments, "provenance": {"seconds": 3}, "result": {"rows": []}}
        yield (unit, None, error) if error else (unit, record, None)


class Here:
    """A process that is this one: what it is given is run as it starts."""

    def __init__(self, target, args):
        self.run, self.args = target, args

    def start(self):
        self.run(*self.args)

    def join(self, seconds=None):
        assert seconds == 60

    def is_alive(self):
        return False


def test_records_come_back_under_the_repositorys_paths(paper, monkeypatch, tmp_path):
    monkeypatch.setattr(runner, "worked", outcomes)
    monkeypatch.setattr(accelerator.os, "setsid", lambda: None)
    monkeypatch.setattr(accelerator.multiprocessing, "get_context", lambda how: SimpleNamespace(Process=Here))
    todo = accelerator.one_of_each(paper)[:3]
    said = accelerator.computed(todo, seconds=60, jobs=2, to=tmp_path)
    assert list(said.values()) == ["3 s", "FileNotFoundError: no images", "3 s"]
    with zipfile.ZipFile(tmp_path / "records.zip") as archive:
        kept = {name: json.loads(archive.read(name)) for name in archive.namelist()}
    assert set(kept) == {f"data/{todo[i].path.relative_to(files.root()).as_posix()}" for i in (0, 2)}
    for record in kept.values():
        assert record["provenance"] == {"seconds": 3, "profile": "paper"}
        assert record["source"] in {units.source(unit.chapter) for unit in todo}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["records.zip"]


def test_a_unit_that_outlasts_the_time_is_ended(paper, tmp_path):
    unit = next(unit for unit in paper if unit.chapter == "dro_training")  # minutes
    started = time.monotonic()
    said = accelerator.computed([unit], seconds=5, jobs=1, to=tmp_path)
    assert said == {unit.name: "not done in time"}
    assert time.monotonic() - started < 60
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("body", "passed", "said"),
    [
        ("import os\ndef test_it():\n    assert os.environ['FAIRLIB_ACCELERATOR'] == 'cpu'\n", True, "1 passed"),
        ("def test_it():\n    assert False\n", False, "1 failed"),
        ("import time\ndef test_it():\n    time.sleep(60)\n", False, "not done within 8 seconds"),
    ],
    ids=["passes", "fails", "hangs"],
)
def test_a_run_of_tests_is_told(body, passed, said, tmp_path):
    (tmp_path / "test_it.py").write_text(body)
    seconds = 8 if "sleep" in body else 120
    found = accelerator.tested([str(tmp_path / "test_it.py"), "-n", "0"], device="cpu", seconds=seconds)
    assert found["passed"] is passed and said in found["said"]
    assert len(found["failed"]) == ("failed" in said)


def test_a_device_that_is_not_there_is_refused_before_anything_runs(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(accelerator, "checked", pytest.fail)
    monkeypatch.setenv("FAIRLIB_DEVICE", "cpu")
    monkeypatch.setenv("FAIRLIB_PROFILE", "embedded")
    assert accelerator.main(["--device", "abacus", "--out", str(tmp_path / "out")]) == 2
    assert "'abacus'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_on_a_real_device_few_elements_may_flip(monkeypatch):
    monkeypatch.setattr(test_devices, "NEAR", {"rtol": 1e-3, "atol": 1e-4})
    monkeypatch.setattr(test_devices, "FLIPPED", 0.02)
    x = torch.zeros(100)
    two, three = x.clone(), x.clone()
    two[:2], three[:3] = 0.1, 0.1
    test_devices.close(two, x)
    with pytest.raises(AssertionError, match="3 of 100 elements differ"):
        test_devices.close(three, x)
