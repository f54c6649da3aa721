"""Units are worked off once each, wherever they run; whatever ends a run, what was finished stays."""

import importlib
import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from book.toy import command, dask_cluster, finished, said, serial, starts, until, workers
from dask.distributed import Client

from fairlib import runtime
from fairlib.book import runner, units


def test_a_killed_worker_loses_nothing(log, tmp_path):
    (log / "hold-5").touch()
    with (
        dask_cluster(tmp_path, {}, {}) as address,
        Client(address) as client,
        command(tmp_path, FAIRLIB_SCHEDULER=address) as run,
    ):
        until(lambda: finished() == set(range(5)) and workers(log, 5), run)
        until(lambda: not any(client.has_what().values()), run)  # what has come is kept nowhere else
        (killed,) = workers(log, 5)
        os.kill(killed, signal.SIGKILL)
        until(lambda: len(workers(log, 5)) == 2, run)
        (log / "hold-5").unlink()
        assert run.wait(timeout=120) == 0, said(tmp_path)
    assert starts(log) == {n: 1 for n in range(5)} | {5: 2}
    pd.testing.assert_frame_equal(runner.results("toy"), serial(), check_exact=True)


@pytest.mark.parametrize(("how", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGKILL", -9)])
def test_an_interrupted_run_goes_on_where_it_was(log, tmp_path, how, status):
    (log / "hold-4").touch()
    with command(tmp_path) as run:
        until(lambda: len(finished()) == 5 and workers(log, 4), run)
        run.send_signal(getattr(signal, how))
        assert run.wait(timeout=120) == status, said(tmp_path)
    assert finished() == {0, 1, 2, 3, 5}
    assert ("what was finished is kept" in said(tmp_path)) == (how == "SIGINT")
    if how == "SIGKILL":  # nobody was left to end the workers, which by themselves wait for another five minutes
        for pid in workers(log):
            os.kill(pid, signal.SIGKILL)
    else:
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers(log)))
    (log / "hold-4").unlink()
    with command(tmp_path) as run:
        assert run.wait(timeout=120) == 0, said(tmp_path)
    assert said(tmp_path).startswith("6 units: 5 finished, 1 to run, 0 of them stale\n")
    assert starts(log) == {n: 1 for n in (0, 1, 2, 3, 5)} | {4: 2}
    pd.testing.assert_frame_equal(runner.results("toy"), serial(), check_exact=True)


def test_a_failed_unit_is_named_and_the_others_go_on(log, capsys):
    (log / "break-2").touch()
    assert runner.main(["--jobs=1"]) == 1
    (said,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("failed")]
    assert said.startswith("failed: toy/n=2,shape=64_8: KeyError: 'no luck with 2' (toy.py, line ")
    assert finished() == {0, 1, 3, 4, 5}
    (log / "break-2").unlink()
    assert runner.main(["--jobs=1"]) == 0
    assert starts(log) == {n: 1 for n in (0, 1, 3, 4, 5)} | {2: 2}


def test_a_finished_unit_is_not_run_again_by_the_other_profile(log):
    runner.reproduce("embedded", jobs=1)
    runner.reproduce("paper", jobs=1)
    assert starts(log) == {n: 1 for n in range(7)}
    assert [record["provenance"]["profile"] for record in runner.records("toy")] == 6 * ["embedded"] + ["paper"]


@pytest.mark.parametrize(
    ("only", "run"), [("n=3", {3}), ("toy/", set(range(6))), ("n=[12]", {1, 2}), ("toy/n=?,*64", set(range(6)))]
)
def test_only(log, only, run):
    assert runner.reproduce("embedded", only, jobs=1) == {}
    assert finished() == set(starts(log)) == run


def test_only_the_chosen_chapters_estimates_are_computed(log, monkeypatch, capsys):
    toy, asked = importlib.import_module("toys.toy"), set()

    def chapter(name, **more):
        return SimpleNamespace(estimates=lambda: asked.add(name) or {}, **more)

    others = {"seeds": chapter("seeds", units=lambda profile: []), "loose": chapter("loose")}
    monkeypatch.setattr(toy, "estimates", chapter("toy").estimates, raising=False)
    monkeypatch.setattr(units, "modules", lambda: {"toy": toy} | others)
    monkeypatch.setattr(runner.claims, "recorded", lambda chapter: {})
    runner.reproduce("paper", jobs=1)
    for only, expected in [
        ("", {"toy", "seeds", "loose"}),
        ("toy/", {"toy"}),
        ("n=3", {"toy"}),
        ("loose/", {"loose"}),
    ]:
        asked.clear()
        assert runner.main(["--only", only, "--jobs=1"]) == 0
        assert asked == expected
        assert ("the other chapters keep their estimates" in capsys.readouterr().out) == bool(only)


def test_a_record_says_where_it_comes_from(log):
    runner.reproduce("embedded", "n=0", jobs=1)
    (record,) = runner.records("toy")
    assert record["arguments"] == {"n": 0, "shape": [64, 8]}
    expected = runtime.facts(started=time.perf_counter())
    assert record["provenance"] | {"seconds": 0} == expected | {"threads": 1, "seconds": 0}
    line = runner.provenance_line("toy")
    assert line.startswith(
        f"Recorded on {expected['date']}: 1 of 7 units, 0 minutes of {expected['device']}, threads per"
    )
    assert "has changed since" not in line
    told = runner.provenance_told("toy", "toy")
    assert told.startswith("A *unit* is a part of the computation") and told.endswith(f"at hand. {line} {line}")


def test_a_stale_record_is_made_again(log, capsys):
    runner.reproduce("embedded", jobs=1)
    source = log.parent / "path" / "toys" / "toy.py"
    source.write_text(source.read_text() + "# another version\n")
    runner.reproduce("embedded", jobs=1)  # the same code
    assert "6 units: 6 finished, 0 to run, 0 of them stale" in capsys.readouterr().out
    source.write_text(source.read_text().replace("(a.T @ a)", "(a.mT @ a)"))
    assert runner.provenance_line("toy").endswith(" What they rest on has changed since 6 of them.")
    assert "it is the package's code" in runner.provenance_told("toy")
    assert len(runner.results("toy")) == 48
    runner.reproduce("embedded", jobs=1)
    assert starts(log) == {n: 2 for n in range(6)}
    assert "6 units: 0 finished, 6 to run, 6 of them stale" in capsys.readouterr().out
    assert "has changed since" not in runner.provenance_line("toy")


def test_bad_input_is_refused(log, capsys, monkeypatch):
    with pytest.raises(ValueError, match="chapter is 'tom', expected one of: toy"):
        runner.results("tom")
    with pytest.raises(FileNotFoundError, match=r"no results of toy in .*; run `make reproduce ONLY=toy/`"):
        runner.results("toy")
    with pytest.raises(
        ValueError, match=r"(?s)no unit of the profile embedded matches 'n=9', .*\n  toy/n=5,shape=64_8$"
    ):
        runner.reproduce("embedded", "n=9")
    with pytest.raises(ValueError, match="profile is 'Paper', expected one of: embedded, paper"):
        runner.reproduce("Paper")
    monkeypatch.setenv("FAIRLIB_PROFILE", "huge")
    assert runner.main([]) == 2
    assert capsys.readouterr().err == "reproduce: FAIRLIB_PROFILE is 'huge', expected one of: embedded, paper\n"
    assert starts(log) == {}


def test_what_is_no_json_fails_by_name(log, monkeypatch):
    toy = importlib.import_module("toys.toy")
    for result, error in [
        (float("nan"), "ValueError: Out of range"),
        (pd.Series([1]), "TypeError: Object of type Series"),
    ]:
        monkeypatch.setattr(toy, "run", lambda result=result, **arguments: {"x": result})
        (found,) = runner.reproduce("embedded", "n=0", jobs=1).values()
        assert found.startswith(error)
    assert finished() == set()
