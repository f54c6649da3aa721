"""Works off the units of `fairlib.book.experiments`, and reads what they found.

A unit's record is written whole when the unit is done. A unit that has its record is not run again, unless the record
is stale (`fairlib.book.units`). To run a unit again for another reason, delete its record.
"""

import argparse
import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import joblib
import pandas as pd

from fairlib import checks, files, runtime
from fairlib.book import claims, units
from fairlib.book.progress import Outcome, exit_status, watched
from fairlib.book.units import Unit

Call = tuple[int, str, dict]  # number, module and arguments of a unit


def records(chapter: str) -> list[dict]:
    """What the chapter's finished units left, those of both profiles, stale or not.

    Parameters
    ----------
    chapter : str
        One of `units.chapters()`.

    Returns
    -------
    list of dict
        Each has `arguments`, `result` (what `run` returned), `provenance` and `source`.

    Raises
    ------
    ValueError
        For an unknown chapter or a damaged record.
    FileNotFoundError
        Where no unit is finished.
    """
    found = [record for unit in units.of(chapter, *runtime.PROFILES) if (record := unit.record())]
    if not found:
        raise FileNotFoundError(f"no results of {chapter} in {files.root()}; run `make reproduce ONLY={chapter}/`")
    return found


def results(chapter: str) -> pd.DataFrame:
    """The rows of all `records` of a chapter.

    Parameters
    ----------
    chapter : str
        One of `units.chapters()`.

    Returns
    -------
    pandas.DataFrame
        What stands under `rows` in each result; the first columns are its unit's arguments.

    Raises
    ------
    ValueError, FileNotFoundError
        As in `records`.
    """
    rows = [record["arguments"] | row for record in records(chapter) for row in record["result"]["rows"]]
    return pd.DataFrame(rows)


def provenance_line(chapter: str) -> str:
    """Where a chapter's results come from, for the page.

    Parameters
    ----------
    chapter : str
        One of `units.chapters()`.

    Returns
    -------
    str
        When they were computed, on what, how long, how much of it all; what was verified, and what is stale.

    Raises
    ------
    ValueError, FileNotFoundError
        As in `records`.
    """
    found = records(chapter)
    facts = pd.DataFrame([record["provenance"] for record in found])
    values = {key: " and ".join(sorted(facts[key].astype(str).unique())) for key in facts}
    line = (
        f"Recorded on {values['date']}: {len(found)} of {len(units.of(chapter, *runtime.PROFILES))} units, "
        f"{facts['seconds'].sum() / 60:.0f} minutes of {values['device']}, threads per unit: {values['threads']}, "
        f"torch {values['torch']}, commit {values['commit']}."
    )
    if verified := [record["verified"] for record in found if "verified" in record]:
        again = len({name for note in verified for name in note["sample"]})
        dates = " and ".join(sorted({note["date"] for note in verified}))
        line += f" Verified on {dates}: {again} of them run again, no number moved; that stands for {len(verified)}."
    current = units.source(chapter)
    if stale := sum(not units.fresh(record, current) for record in found):
        line += f" What they rest on has changed since {stale} of them."
    return line


def provenance_told(*chapters: str) -> str:
    """The lines of several chapters with what their words mean, for readers who meet them for the first time.

    Parameters
    ----------
    *chapters : str
        Of `units.chapters()`.

    Returns
    -------
    str
        What a unit is; where some are stale, what that means; `provenance_line` of each chapter.

    Raises
    ------
    ValueError, FileNotFoundError
        As in `records`.
    """
    lines = [provenance_line(chapter) for chapter in chapters]
    unit = ("A *unit* is a part of the computation that is recorded by itself; those that are not here belong to "
            "larger runs, or need what is not at hand.")  # fmt: skip
    since = ("Where something has changed since, it is the package's code: these are the results of the version whose "
             "commit stands here, and were not made again with today's.")  # fmt: skip
    return " ".join([unit, *[since] * any("has changed since" in line for line in lines), *lines])


def reproduce(profile: str, only: str = "", *, jobs: int = -1) -> dict[str, str]:
    """Run a profile's units that have no record, or a stale one.

    Parameters
    ----------
    profile : str
        `embedded` or `paper`.
    only : str
        A part of a unit's name, or a pattern of such a part with * and ?; or `chapter/`.
    jobs : int
        Units at a time on this machine, -1 for one per core.

    Returns
    -------
    dict of str to str
        The errors of the units that fail, by name.

    Raises
    ------
    ValueError
        Where nothing matches, a record is damaged, or a cluster is asked for that cannot do the work.

    Notes
    -----
    With `FAIRLIB_SCHEDULER=tcp://host:port` the units go to that Dask cluster; its workers need this package, but no
    common disk. A result is written here as it arrives, so that an interruption loses only what was under way.
    """
    wanted = asked(profile, only)
    before = {unit.name: unit.record() for unit in wanted}
    sources = {unit.chapter: units.source(unit.chapter) for unit in wanted}
    stale = [unit for unit in wanted if (r := before[unit.name]) and not units.fresh(r, sources[unit.chapter])]
    todo = [unit for unit in wanted if not before[unit.name]] + stale
    print(f"{len(wanted)} units: {len(wanted) - len(todo)} finished, {len(todo)} to run, {len(stale)} of them stale")
    failed = {}
    with closing(worked(todo, jobs)) as outcomes:
        for unit, record, error in outcomes:
            if record is None:
                failed[unit.name] = error
                continue
            record["source"] = sources[unit.chapter]
            record["provenance"]["profile"] = profile  # a worker's environment may name another
            unit.write(record)
    return failed


def asked(profile: str, only: str) -> list[Unit]:
    """The units of a profile that are asked for.

    Parameters
    ----------
    profile : str
        `embedded` or `paper`.
    only : str
        A part of a unit's name, or a pattern of such a part with * and ?; or `chapter/`.

    Returns
    -------
    list of Unit

    Raises
    ------
    ValueError
        For an unknown profile, and where nothing matches.
    """
    checks.one_of(profile, runtime.PROFILES, "profile")
    found = units.chosen(only, profile)
    if not found:
        names = "\n  ".join(units.chosen("", profile))
        raise ValueError(f"no unit of the profile {profile} matches {only!r}, expected a part of one of:\n  {names}")
    return [unit for unit in found.values() if unit]


def worked(todo: Sequence[Unit], jobs: int) -> Iterator[tuple[Unit, dict | None, str | None]]:
    """Run units on all that there is to run on.

    Parameters
    ----------
    todo : sequence of Unit
        What to run.
    jobs : int
        Units at a time on this machine, -1 for one per core.

    Yields
    ------
    tuple of Unit, dict or None, str or None
        Each unit as it ends, with its record, or with its error.
    """
    if not todo:
        return
    calls = [(i, f"{units.EXPERIMENTS}.{unit.chapter}", unit.arguments) for i, unit in enumerate(todo)]
    with _under_way(calls, jobs) as (outcomes, running):
        for i, record, error in watched(outcomes, len(todo), running):
            yield todo[i], record, error


def estimate(only: str = "") -> None:
    """Let each chapter whose experiments have `estimates` record them for the ledger; say which have no records yet.

    Parameters
    ----------
    only : str
        A part of a unit's name, or a pattern of such a part with * and ?; or `chapter/`.

    Notes
    -----
    The other chapters keep their estimates, even those that read the records of a chosen one.
    """
    started = time.perf_counter()
    asked = {name.split("/")[0] for name in units.chosen(only, *runtime.PROFILES)}
    for name, module in units.modules().items():
        if not hasattr(module, "estimates") or (only and name not in asked):
            continue
        wanted = [units.of(name, profile) for profile in runtime.PROFILES] if hasattr(module, "units") else [[]]
        try:
            if missing := min(sum(not unit.record() for unit in profile) for profile in wanted):
                raise FileNotFoundError(f"{missing} of its records missing; run `make reproduce ONLY={name}/`")
            found = {quantity: claims.Estimate(**fields) for quantity, fields in module.estimates().items()}
        except FileNotFoundError as error:
            print(f"the ledger gets nothing from {name} yet: {error}")
            continue
        if found != claims.recorded(name):
            print(f"the ledger has new estimates: {claims.record(name, found, runtime.facts(started=started))}")
    if only:
        print("the other chapters keep their estimates; `make reproduce` without ONLY computes all of them")


def work(i: int, module: str, arguments: dict) -> Outcome:
    """Run one unit in the process that calls this.

    Parameters
    ----------
    i : int
        The unit's number.
    module : str
        The experiment, by its dotted name.
    arguments : dict
        Of its `run`.

    Returns
    -------
    tuple of int, dict or None, str or None
        The number, and the record, or the error that the unit ended with.
    """
    started = time.perf_counter()
    try:
        with runtime.threads(1):
            result = importlib.import_module(module).run(**arguments)
            record = {"arguments": arguments, "provenance": runtime.facts(started=started), "result": result}
        json.dumps(record, allow_nan=False)  # what is no JSON fails here, by name
    except Exception as error:
        place = error.__traceback__
        while place.tb_next:
            place = place.tb_next
        file = Path(place.tb_frame.f_code.co_filename).name
        return i, None, f"{type(error).__name__}: {error} ({file}, line {place.tb_lineno})"
    return i, record, None


@contextmanager
def _under_way(calls: Sequence[Call], jobs: int) -> Iterator[tuple[Iterable[Outcome | None], Callable[[int], int]]]:
    """Start the calls on this machine's cores, or on the Dask cluster that the environment names.

    Gives their outcomes as they come, and how many are running when so many are left.
    """
    if address := os.environ.get("FAIRLIB_SCHEDULER"):
        from fairlib.book import cluster  # whose dask.distributed not everybody has

        asked = {module: units.strings(module.rpartition(".")[2]) for _, module, _ in calls}
        with cluster.connected(address, asked) as client:
            there = cluster.Work(client, work, calls, asked)
            yield there, lambda left: there.running()
        return
    with joblib.parallel_config("loky", n_jobs=jobs):
        workers = joblib.effective_n_jobs(jobs)
        parallel = joblib.Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="all")
        with closing(parallel(joblib.delayed(work)(*call) for call in calls)) as outcomes:
            yield outcomes, lambda left: min(workers, left)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line of `make reproduce`.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the process where they are left out.

    Returns
    -------
    int
        1 where units fail; else see `fairlib.book.progress.exit_status`.
    """
    parser = argparse.ArgumentParser(prog="make reproduce", description="Run the units that have no record yet.")
    parser.add_argument("--only", default="", help="a part of a unit's name, or a pattern with * and ?; or a chapter/")
    parser.add_argument("--jobs", type=int, default=-1, help="units at a time on this machine (default: one per core)")
    arguments = parser.parse_args(argv)

    def run() -> bool:
        failed = reproduce(runtime.profile(), arguments.only, jobs=arguments.jobs)
        for name, error in failed.items():
            print(f"failed: {name}: {error}", file=sys.stderr)
        estimate(arguments.only)
        return not failed

    return exit_status("reproduce", run)


if __name__ == "__main__":
    # Under its own name, by which the workers find `work`.
    from fairlib.book import runner

    sys.exit(runner.main())
