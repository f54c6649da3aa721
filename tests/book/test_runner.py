"""Units are worked off once each, wherever they run; whatever ends a run, what was finished stays."""

import importlib
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import dask
import pandas as pd
import pytest
from dask.distributed import Client, LocalCluster
from joblib.externals.loky import get_reusable_executor

from fairlib import files, runtime
from fairlib.book import cluster, runner

ROOT = Path(__file__).resolve().parents[2]
TOY = '''\
import os, time, uuid
from pathlib import Path
import torch
from fairlib import runtime

def units(profile):
    return [{"n": n, "shape": (64, 8)} for n in range({"embedded": 6, "paper": 7}[profile])]

def run(*, n, shape):
    """Leaves a trace of each execution; waits, or fails, while a file says so."""
    log = Path(os.environ["TOY_LOG"])
    (log / f"started-{n}-{os.getpid()}-{uuid.uuid4().hex}").touch()
    while (log / f"hold-{n}").exists():
        time.sleep(0.02)
    if (log / f"break-{n}").exists():
        raise KeyError(f"no luck with {n}")
    a = torch.randn(*shape, generator=runtime.generator(n))
    return {"rows": [{"k": k, "value": v} for k, v in enumerate((a.T @ a).softmax(1)[0].tolist())]}
'''


@pytest.fixture
def log(tmp_path, monkeypatch) -> Path:
    """A chapter `toy` instead of the book's, a data folder of its own, and the folder where its units leave traces."""
    for folder in ("data", "log", "path/toys"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "data" / "SHA256SUMS").touch()
    (tmp_path / "path" / "toys" / "__init__.py").touch()
    (tmp_path / "path" / "toys" / "toy.py").write_text(TOY)
    monkeypatch.setenv("FAIRLIB_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("TOY_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "path"), str(ROOT)]))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for name in ("FAIRLIB_SCHEDULER", "FAIRLIB_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.syspath_prepend(tmp_path / "path")
    monkeypatch.setattr(runner, "EXPERIMENTS", "toys")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path / "log"
    get_reusable_executor().shutdown(wait=True, kill_workers=True)  # they have this test's environment
    for name in ("toys", "toys.toy"):
        sys.modules.pop(name, None)


def starts(log: Path) -> Counter:
    """How often each unit was started."""
    return Counter(int(path.name.split("-")[1]) for path in log.glob("started-*"))


def workers(log: Path, n: int | str = "*") -> set[int]:
    """The processes that ran unit n."""
    return {int(path.name.split("-")[2]) for path in log.glob(f"started-{n}-*")}


def finished() -> set[int]:
    """The units with a record, which must be whole."""
    return {json.loads(path.read_text())["arguments"]["n"] for path in files.root().glob("results/toy/*.json")}


def until(condition, process: subprocess.Popen | None = None) -> None:
    """Wait for something that another process does; the limit only ends a test that would hang."""
    limit = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < limit, "nothing happened for two minutes"
        assert process is None or process.poll() is None, "the process ended before"
        time.sleep(0.05)


@contextmanager
def command(folder: Path, **environment: str):
    """`make reproduce` as another process, on the toy; what it says goes to a file, which orphans can't keep open."""
    program = (
        "import signal, sys; from fairlib.book import runner; runner.EXPERIMENTS = 'toys'; "
        "signal.signal(signal.SIGINT, signal.default_int_handler); "  # a shell lets what it runs behind ignore it
        "sys.exit(runner.main(['--jobs=2']))"
    )
    with open(folder / "said", "w") as said:
        run = subprocess.Popen([sys.executable, "-c", program], env=os.environ | environment, stdout=said, stderr=said)
        try:
            yield run
        finally:
            run.kill()
            run.wait()


def said(folder: Path) -> str:
    return (folder / "said").read_text()


@contextmanager
def dask_cluster(folder: Path, *environments: dict[str, str]):
    """A `dask scheduler` on loopback and a `dask worker` in each environment; gives its address and ends them."""
    dask, quiet = [sys.executable, "-m", "dask"], {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    at = folder / "scheduler.json"
    local = ["--host", "127.0.0.1", "--no-dashboard"]
    processes = [subprocess.Popen([*dask, "scheduler", *local, "--port", "0", "--scheduler-file", at], **quiet)]
    try:
        until(at.exists, processes[0])
        address = json.loads(at.read_text())["address"]
        single = ["--nthreads", "1", "--no-nanny", "--local-directory", folder]
        for environment in environments:
            started = subprocess.Popen(
                [*dask, "worker", address, *local, *single], env=os.environ | environment, **quiet
            )
            processes.append(started)
        with Client(address) as client:
            client.wait_for_workers(len(environments), timeout=120)
        yield address
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait()


def serial() -> pd.DataFrame:
    """What the units give when they are called one after the other, without the runner."""
    toy = importlib.import_module("toys.toy")
    return pd.DataFrame(
        [u | row for u in json.loads(json.dumps(toy.units("embedded"))) for row in toy.run(**u)["rows"]]
    )


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


def test_a_killed_worker_loses_nothing(log, tmp_path):
    (log / "hold-5").touch()
    with dask_cluster(tmp_path, {}, {}) as address, command(tmp_path, FAIRLIB_SCHEDULER=address) as run:
        until(lambda: finished() == set(range(5)) and workers(log, 5), run)
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
    monkeypatch.setattr(runner, "modules", lambda: {"toy": toy} | others)
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


def test_a_stale_record_is_made_again(log, capsys):
    runner.reproduce("embedded", jobs=1)
    source = log.parent / "path" / "toys" / "toy.py"
    source.write_text(source.read_text() + "# another version\n")
    runner.reproduce("embedded", jobs=1)  # the same code
    assert "6 units: 6 finished, 0 to run, 0 of them stale" in capsys.readouterr().out
    source.write_text(source.read_text().replace("(a.T @ a)", "(a.mT @ a)"))
    assert runner.provenance_line("toy").endswith(" What they rest on has changed since 6 of them.")
    assert len(runner.results("toy")) == 48
    runner.reproduce("embedded", jobs=1)
    assert starts(log) == {n: 2 for n in range(6)}
    assert "6 units: 0 finished, 6 to run, 6 of them stale" in capsys.readouterr().out
    assert "has changed since" not in runner.provenance_line("toy")


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
        ('"n": 0', '"n": 1', r"it has the arguments {'n': 1, 'shape': \[64, 8\]}"),
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


def test_units_of_one_name_are_refused(log, monkeypatch):
    toy = importlib.import_module("toys.toy")
    monkeypatch.setattr(toy, "units", lambda profile: [{"a": "x y"}, {"a": "x/y"}])
    with pytest.raises(ValueError, match="two units are called toy/a=x_y"):
        runner.units("toy", "embedded")


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


@contextmanager
def small_cluster(monkeypatch, **how):
    """A Dask cluster in this process, which the units are to go to."""
    with LocalCluster(**{"processes": False, "dashboard_address": None, "n_workers": 1} | how) as made:
        monkeypatch.setenv("FAIRLIB_SCHEDULER", made.scheduler_address)
        yield made.scheduler_address


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
    assert re.search(rf"tcp://\S+: the source of toy is \w{{16}}, here {runner.source('toy')}\n", said)
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
    """Under a nanny, which starts another worker each time."""
    source = log.parent / "path" / "toys" / "toy.py"
    source.write_text(TOY.replace("    a = torch", "    if n == 1:\n        os._exit(1)\n    a = torch"))
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        small_cluster(monkeypatch, processes=True, threads_per_worker=1),
    ):
        failed = runner.reproduce("embedded", "n=[01]")
    (name,) = failed
    assert name == "toy/n=1,shape=64_8"
    assert failed[name].startswith("KilledWorker")
    assert finished() == {0}


def test_status_without_a_terminal_is_short(log, capsys):
    (log / "break-2").touch()
    runner.reproduce("embedded", jobs=1)
    first, last = capsys.readouterr().err.splitlines()
    assert first == "0 of 6 done, 1 running, 0 failed, time left unknown"
    assert last == "5 of 6 done, 0 running, 1 failed, about 0.0 min left"


def test_status_in_a_terminal_is_one_line(log, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    runner.reproduce("embedded", jobs=1)
    assert screen.getvalue().count("\n") == 1
    assert [line[:11] for line in screen.getvalue().split("\r")[1:]] == [f"{n} of 6 done" for n in range(7)]


# Chapters some of whose records are of earlier code than today's; their pages say of how many. `make verify`, and
# `make reproduce` where numbers moved, make them fresh: then their names go from here.
WAITING = (
    "ablations",
    "ambiguities",
    "bias_metric",
    "dro_training",
    "fairer",
    "fgsm",
    "future_work",
    "headline",
    "runtime",
    "seeds",
    "ssim_one_step",
    "stress_tests",
    "table1",
    "trust",
)


def waiting(chapter: str):
    return pytest.param(chapter, marks=pytest.mark.xfail(strict=True) if chapter in WAITING else ())


@pytest.mark.parametrize("chapter", runner.chapters())
def test_the_books_records_are_whole(chapter):
    listed = runner.units(chapter, *runtime.PROFILES)
    assert {unit.path for unit in listed} >= set((files.root() / "results" / chapter).glob("*"))
    for unit in runner.units(chapter, "embedded"):
        assert unit.record() is not None, f"{unit.name} has no record"
        assert unit.path.stat().st_size < 100_000


@pytest.mark.parametrize("chapter", map(waiting, runner.chapters()))
def test_the_books_records_are_of_todays_code(chapter):
    """Fails when what they rest on has changed since: run `make verify`, and `make reproduce` where numbers moved."""
    source = runner.source(chapter)
    stale = [unit.name for unit in runner.units(chapter, "embedded") if not runner.fresh(unit.record(), source)]
    assert not stale
