"""Units on a cluster: as elsewhere, and what is wrong with a scheduler or a worker is said."""

import importlib
import os
import re
import shutil
import signal
import socket
import threading

import dask
import pandas as pd
import pytest
from book.toy import ROOT, TOY, dask_cluster, finished, serial, small_cluster, starts, until, workers

from fairlib.book import cluster, runner, units


def test_serial_processes_and_cluster_give_the_same_numbers(log, tmp_path, monkeypatch):
    with dask_cluster(tmp_path, {}, {}) as address:
        for name, jobs, scheduler in [("one", 1, ""), ("processes", 2, ""), ("dask", 1, address)]:
            monkeypatch.setenv("FAIRLIB_DATA", str(tmp_path / name))
            monkeypatch.setenv("FAIRLIB_SCHEDULER", scheduler)
            (tmp_path / name).mkdir()
            (tmp_path / name / "SHA256SUMS").touch()
            assert runner.reproduce("embedded", jobs=jobs) == {}
    everywhere = workers(log)
    assert starts(log) == {n: 3 for n in range(6)}
    assert os.getpid() in everywhere
    assert len(everywhere) >= 3  # this process, and at least one of each kind of worker
    expected = serial()
    for name in ("one", "processes", "dask"):
        monkeypatch.setenv("FAIRLIB_DATA", str(tmp_path / name))
        pd.testing.assert_frame_equal(runner.results("toy"), expected, check_exact=True)


@pytest.mark.parametrize("listening", [False, True])
def test_a_scheduler_that_does_not_answer(log, monkeypatch, listening):
    monkeypatch.setattr(cluster, "CONNECT", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1] if listening else 9}"
        monkeypatch.setenv("FAIRLIB_SCHEDULER", address)
        with pytest.raises(
            ValueError, match=f"no Dask scheduler answers at FAIRLIB_SCHEDULER={address} .*start one with"
        ):
            runner.reproduce("embedded")
    assert starts(log) == {}


def test_a_cluster_without_workers_is_refused(log, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT", 1)
    with (
        small_cluster(monkeypatch, n_workers=0) as address,
        pytest.raises(
            ValueError, match=f"at {address} has no workers; start some with `dask worker {address}`, or unset"
        ),
    ):
        runner.reproduce("embedded")


def test_a_cluster_of_one_thread_is_used(log, monkeypatch):
    toy, where = importlib.import_module("toys.toy"), []
    run = toy.run
    monkeypatch.setattr(toy, "run", lambda **unit: where.append(threading.current_thread()) or run(**unit))
    with small_cluster(monkeypatch, threads_per_worker=1):
        assert runner.reproduce("embedded", "n=[012]") == {}
    assert len(where) == 3
    assert threading.main_thread() not in where
    assert finished() == {0, 1, 2}


def test_running_is_what_the_cluster_says(log, monkeypatch):
    for n in range(6):
        (log / f"hold-{n}").touch()
    calls = [(n, "toys.toy", {"n": n, "shape": [64, 8]}) for n in range(6)]
    with (
        small_cluster(monkeypatch, threads_per_worker=2) as address,
        cluster.connected(address, {"toys.toy": []}) as client,
    ):
        under_way = cluster.Work(client, runner.work, calls, {"toys.toy": []})
        until(lambda: len(starts(log)) == 2)
        assert under_way.running() == 2
        (log / f"hold-{next(iter(starts(log)))}").unlink()
        next(outcome for outcome in under_way if outcome)
        until(lambda: len(starts(log)) == 3)
        assert under_way.running() == 2
        for path in log.glob("hold-*"):
            path.unlink()
        assert len([outcome for outcome in under_way if outcome]) == 5
        assert under_way.running() == 0


def test_workers_that_are_not_fit_are_named(log, tmp_path, monkeypatch):
    """One has no package, one another version of the chapter."""
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "sitecustomize.py").write_text("import sys; sys.modules['fairlib'] = None")
    shutil.copytree(tmp_path / "path", tmp_path / "other")
    (tmp_path / "other" / "toys" / "toy.py").write_text(TOY.replace("softmax(1)", "softmax(0)"))
    paths = [{"PYTHONPATH": os.pathsep.join([str(tmp_path / name), str(ROOT)])} for name in ("none", "other", "path")]
    with dask_cluster(tmp_path, *paths) as address:
        monkeypatch.setenv("FAIRLIB_SCHEDULER", address)
        with pytest.raises(
            ValueError, match=r"2 of 3 workers of the Dask scheduler .* cannot do these units"
        ) as refused:
            runner.reproduce("embedded")
    said = str(refused.value)
    assert re.search(r"tcp://\S+: it lacks what the units need \(.*ModuleNotFoundError.*fairlib", said)
    assert re.search(rf"tcp://\S+: the source of toy is \w{{16}}, here {units.source('toy')}\n", said)
    assert "give each worker this checkout's package, data and pinned versions" in said
    assert starts(log) == {}


def test_differences_of_a_worker_are_said():
    ours = cluster.has({})
    assert cluster.differs(dict(ours), ours) == ""
    other = ours | {"torch": "1.13.0", "Python": "3.8"}
    assert (
        cluster.differs(other, ours) == f"Python is 3.8, here {ours['Python']}; torch is 1.13.0, here {ours['torch']}"
    )


def test_a_worker_that_came_late_and_is_not_fit_does_nothing(log):
    ours = cluster.has({})
    i, record, error = cluster.fit(runner.work, (3, "toys.toy", {"n": 0, "shape": [64, 8]}), {}, ours | {"torch": "0"})
    assert (i, record) == (3, None)
    assert error == f"its worker is not fit: torch is {ours['torch']}, here 0"
    assert starts(log) == {}


def test_units_of_a_cluster_whose_workers_are_gone_fail(log, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cluster, "ALONE", 2)
    (log / "hold-5").touch()
    with dask_cluster(tmp_path, {}) as address:
        monkeypatch.setenv("FAIRLIB_SCHEDULER", address)

        def kill():
            until(lambda: finished() == set(range(5)) and workers(log, 5))
            os.kill(*workers(log, 5), signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        failed = runner.reproduce("embedded")
        killer.join()
    assert failed == {
        "toy/n=5,shape=64_8": "the cluster has had no worker for 2 seconds; start some, and run this again"
    }
    assert "lost tcp://" in capsys.readouterr().err
    assert finished() == set(range(5))


def test_a_unit_that_kills_its_worker_fails_and_ends_nothing_else(log, tmp_path, monkeypatch):
    """Under a nanny, which starts another worker each time; unit 0 is at work in the same worker when that dies."""
    deadly = (
        "    if n == 0:\n        time.sleep(1)\n    while n == 1:\n        if list(log.glob('started-0-*')):\n"
        "            os._exit(1)\n    a = torch"
    )
    source = log.parent / "path" / "toys" / "toy.py"
    source.write_text(TOY.replace("    a = torch", deadly))
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        small_cluster(monkeypatch, processes=True, threads_per_worker=2),
    ):
        failed = runner.reproduce("embedded", "n=[01]")
    (name,) = failed
    assert name == "toy/n=1,shape=64_8"
    assert failed[name].startswith("KilledWorker: its worker died of it, also with nothing beside it")
    assert finished() == {0}
    assert (starts(log)[0], starts(log)[1]) == (2, 2)
