"""A chapter `toy` whose units leave traces, and ways to run it: as a command, on a cluster, one after the other."""

import importlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
from dask.distributed import Client, LocalCluster

from fairlib import files

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
        "import signal, sys; from fairlib.book import runner, units; units.EXPERIMENTS = 'toys'; "
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


@contextmanager
def small_cluster(monkeypatch, **how):
    """A Dask cluster in this process, which the units are to go to."""
    with LocalCluster(**{"processes": False, "dashboard_address": None, "n_workers": 1} | how) as made:
        monkeypatch.setenv("FAIRLIB_SCHEDULER", made.scheduler_address)
        yield made.scheduler_address
