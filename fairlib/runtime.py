"""How a run is run: profile, device, threads, seeds, progress, and the record of where a number came from.

Torch and pandas are loaded by the functions that need them.
"""

from __future__ import annotations

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
from typing import TYPE_CHECKING

from tqdm import tqdm

from fairlib import checks

if TYPE_CHECKING:
    import pandas as pd
    import torch

PROFILES = ("embedded", "paper")


def profile() -> str:
    """How much is computed, from `FAIRLIB_PROFILE`.

    Returns
    -------
    str
        `embedded`, the default: minutes on two cores, no network; or `paper`.

    Raises
    ------
    ValueError
        When the variable has any other value.
    """
    return checks.one_of(os.environ.get("FAIRLIB_PROFILE", "embedded"), PROFILES, "FAIRLIB_PROFILE")


def device() -> torch.device:
    """Where tensors are computed.

    Returns
    -------
    torch.device
        `FAIRLIB_DEVICE` if that is set, such as `cpu`; else the accelerator where there is one, else the CPU.

    Raises
    ------
    ValueError
        When the variable names a device that is not usable here.
    """
    import torch

    name = os.environ.get("FAIRLIB_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"FAIRLIB_DEVICE is {name!r}, which is not usable here ({error}); unset it or use cpu"
        ) from error


def generator(seed: int) -> torch.Generator:
    """A random generator of its own: nothing in `fairlib` draws from torch's global one.

    Parameters
    ----------
    seed : int
        0 or more; the same seed gives the same numbers on every device.

    Returns
    -------
    torch.Generator
        On the CPU: what is drawn is moved to where it is needed.

    Raises
    ------
    ValueError
        When the seed is no whole number of 0 or more.
    """
    import torch

    return torch.Generator().manual_seed(checks.whole(seed, "seed", 0))


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Run a block on some CPU threads, then give back the caller's setting.

    Parameters
    ----------
    n : int
        Number of torch's threads. On one a sum has one order, so that training gives the same bits on any number of
        cores.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def progress(items: Iterable, what: str, total: int | None = None) -> tqdm:
    """A progress bar in a terminal and in Jupyter, where it is gone at the end.

    Parameters
    ----------
    items : iterable
        What is worked through.
    what : str
        The words beside the bar.
    total : int, optional
        How many items there are, where they do not say themselves.

    Returns
    -------
    tqdm
        The same items. Silent in a pipe, in a worker process, and in a notebook whose outputs are stored or compared:
        under pytest, or with `FAIRLIB_QUIET` set.
    """
    working = multiprocessing.current_process().name != "MainProcess"
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    looked_at = hasattr(shell, "kernel") and not os.environ.keys() & {"FAIRLIB_QUIET", "PYTEST_VERSION"}
    return tqdm(items, desc=what, total=total, disable=working or (False if looked_at else None), leave=False)


def commit() -> str:
    """The git commit of the package's own repository.

    Returns
    -------
    str
        Its first 12 digits, `(changed)` behind them where code or data are not those of the commit. Without a
        repository in which this file is tracked, the version of the installed package, as `version 0.1.0`; or
        `unknown`. A repository around a virtual environment is none, nor is one that the variables GIT_* name.
    """
    here = Path(__file__).resolve()
    if not _git("ls-files", "--error-unmatch", "--", here.name, folder=here.parent):
        release = installed("fairness-robustness-book")
        return release if release == "unknown" else f"version {release}"
    name = _git("rev-parse", "--short=12", "HEAD", folder=here.parent)
    if not name:
        return "unknown"  # nothing is committed yet
    counts = ["--", ".", "../data", ":(exclude)../data/results"]
    changed = _git("status", "--porcelain", "--untracked-files=normal", *counts, folder=here.parent)
    return name + " (changed)" * bool(changed)


def _git(*command: str, folder: Path) -> str:
    """What git says about the folder itself, or "" where it cannot say."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        run = subprocess.run(
            ["git", "--no-optional-locks", *command],
            cwd=folder, env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return ""
    return run.stdout.strip()


def installed(package: str) -> str:
    """The version of an installed package.

    Parameters
    ----------
    package : str
        Its name in the package registry.

    Returns
    -------
    str
        Such as `2.6.0`, or `unknown`.
    """
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def facts(*, started: float, **more) -> dict:
    """Where a run came from.

    Parameters
    ----------
    started : float
        What `time.perf_counter()` gave when the run began.
    **more
        Further facts, such as the seed.

    Returns
    -------
    dict
        Profile; where this process has loaded torch, its device and threads; `more`, seconds since the start, date,
        git commit, versions.
    """
    return {
        "profile": profile(),
        **(_computed_on() if "torch" in sys.modules else {}),
        **more,
        "seconds": round(time.perf_counter() - started),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": commit(),
        "python": platform.python_version(),
        **{name: installed(name) for name in ("torch", "torchvision", "numpy", "statsmodels")},
    }


def _computed_on() -> dict:
    """Device and threads of torch."""
    import torch

    where = device()
    name = torch.cuda.get_device_name(where) if where.type == "cuda" else f"{where.type} ({platform.machine()})"
    return {"device": name, "threads": torch.get_num_threads()}


def provenance(*, seed: int, started: float) -> pd.DataFrame:
    """The facts of a run, for display at a chapter's end.

    Parameters
    ----------
    seed : int
        The chapter's seed.
    started : float
        What `time.perf_counter()` gave in the first cell.

    Returns
    -------
    DataFrame
        A row for each of the `facts`, the column `value`.
    """
    import pandas as pd

    rows = facts(started=started, seed=seed)
    return pd.DataFrame({"value": [str(value) for value in rows.values()]}, index=pd.Index(rows, name="fact"))
