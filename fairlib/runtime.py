"""How a run is run: profile, device, threads, seeds, progress, and the record of where a number came from."""

import multiprocessing
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd
import torch
from tqdm import tqdm

from fairlib import checks

PROFILES = ("embedded", "paper")


def profile() -> str:
    """`embedded` (default: minutes on two cores, no network) or `paper`, from `FAIRLIB_PROFILE`.

    Raises ValueError for any other value.
    """
    return checks.one_of(os.environ.get("FAIRLIB_PROFILE", "embedded"), PROFILES, "FAIRLIB_PROFILE")


def device() -> torch.device:
    """The accelerator where there is one, else the CPU; `FAIRLIB_DEVICE` overrides (for example `cpu`)."""
    name = os.environ.get("FAIRLIB_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"FAIRLIB_DEVICE is {name!r}, which is not usable here ({error}); unset it or use cpu"
        ) from error


def generator(seed: int) -> torch.Generator:
    """A CPU random generator of its own: nothing in `fairlib` draws from torch's global one.

    Raises ValueError for a seed that is no whole number of 0 or more.
    """
    return torch.Generator().manual_seed(checks.whole(seed, "seed", 0))


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Run a block on `n` CPU threads, then give back the caller's setting.

    With one thread a sum has one order, so that training gives the same bits on any number of cores.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def progress(items: Iterable, what: str, total: int | None = None) -> tqdm:
    """A progress bar in a terminal and in Jupyter, where it is gone at the end.

    Silent in a pipe, in a worker process, and in a notebook whose outputs are stored or compared: under pytest, or
    with `FAIRLIB_QUIET` set.
    """
    working = multiprocessing.current_process().name != "MainProcess"
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    looked_at = hasattr(shell, "kernel") and not os.environ.keys() & {"FAIRLIB_QUIET", "PYTEST_VERSION"}
    return tqdm(items, desc=what, total=total, disable=working or (False if looked_at else None), leave=False)


def commit() -> str:
    """The git commit of the package's own repository, `(changed)` behind it where its code or data are not those of it.

    Without a repository in which this file is tracked, the version of the installed package, as `version 0.1.0`; or
    `unknown`. A repository around a virtual environment is none, nor is one that the variables GIT_* name.
    """
    here = Path(__file__).resolve()
    if not _git("ls-files", "--error-unmatch", "--", here.name, at=here.parent):
        found = installed("fairness-robustness-book")
        return found if found == "unknown" else f"version {found}"
    name = _git("rev-parse", "--short=12", "HEAD", at=here.parent)
    if not name:
        return "unknown"  # nothing is committed yet
    counts = ["--", ".", "../data", ":(exclude)../data/results"]
    changed = _git("status", "--porcelain", "--untracked-files=normal", *counts, at=here.parent)
    return name + " (changed)" * bool(changed)


def _git(*command: str, at: Path) -> str:
    """What git says about the folder itself, or "" where it cannot say."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        run = subprocess.run(
            ["git", "--no-optional-locks", *command],
            cwd=at, env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return ""
    return run.stdout.strip()


def installed(package: str) -> str:
    """The version of an installed package, or `unknown`."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def facts(*, started: float, **more) -> dict:
    """Where a run came from: profile, device, threads, `more`, seconds since `started`, date, git commit, versions.

    `started` is what `time.perf_counter()` gave when the run began.
    """
    where = device()
    return {
        "profile": profile(),
        "device": torch.cuda.get_device_name(where) if where.type == "cuda" else f"{where.type} ({platform.machine()})",
        "threads": torch.get_num_threads(),
        **more,
        "seconds": round(time.perf_counter() - started),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": commit(),
        "python": platform.python_version(),
        **{name: installed(name) for name in ("torch", "torchvision", "numpy", "statsmodels")},
    }


def provenance(*, seed: int, started: float) -> pd.DataFrame:
    """`facts` for display at a chapter's end, one row each; `started` is `time.perf_counter()` at the first cell."""
    found = facts(started=started, seed=seed)
    return pd.DataFrame({"value": [str(v) for v in found.values()]}, index=pd.Index(found, name="fact"))
