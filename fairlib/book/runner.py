"""Works off the units of `fairlib.book.experiments`, and reads what they found.

Each unit becomes one record, `data/results/<chapter>/<unit>.json`, written whole when the unit is done. A unit that has
its record is not run again, unless the record is stale: something that its numbers come from has changed since (see
`fairlib.digest`, which gives the record's `source`), and `fairlib.book.verify` has not found that this moves no number
(it notes the digest that it saw under `verified`). To run a unit again for another reason, delete its record.
"""

import argparse
import importlib
import json
import os
import pkgutil
import re
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType

import joblib
import pandas as pd

from fairlib import checks, digest, files, runtime
from fairlib.book import claims

EXPERIMENTS = "fairlib.book.experiments"
FIELDS = {"arguments", "source", "provenance", "result"}
VERIFIED = {"date", "sample", "source"}
SECONDS_BETWEEN_LINES = 20  # of status, where there is no terminal
Call = tuple[int, str, dict]  # number, module and arguments of a unit
Outcome = tuple[int, dict | None, str | None]  # its number, and its record or what went wrong


@dataclass(frozen=True)
class Unit:
    """One call of a chapter's `run`, with JSON values as arguments."""

    chapter: str
    arguments: dict

    @property
    def name(self) -> str:
        """`chapter/key=value,...`, for people and for the record's path."""
        values = {key: re.sub(r"[^a-zA-Z0-9.-]+", "_", str(value)).strip("_") for key, value in self.arguments.items()}
        return f"{self.chapter}/{','.join(f'{key}={value}' for key, value in values.items())}"

    @property
    def path(self) -> Path:
        return files.root() / "results" / f"{self.name}.json"

    def record(self) -> dict | None:
        """What the unit found, or None where it has no record yet. Raises ValueError for a damaged one."""
        if not self.path.is_file():
            return None
        try:
            record = json.loads(self.path.read_text())
            if missing := FIELDS - record.keys():
                raise ValueError(f"{', '.join(sorted(missing))} missing")
            if record["arguments"] != self.arguments:
                raise ValueError(f"it has the arguments {record['arguments']}, expected {self.arguments}")
            if "verified" in record and (missing := VERIFIED - record["verified"].keys()):
                raise ValueError(f"{', '.join(sorted(missing))} of verified missing")
        except (ValueError, AttributeError) as error:
            raise ValueError(
                f"{self.path} is not a whole record of its unit ({error}); restore it with `git checkout -- data`, "
                f"or delete it and run `make reproduce ONLY={self.name}`"
            ) from error
        return record

    def write(self, record: dict) -> None:
        """Keep the record, whole or not at all."""
        with files.replacing(self.path) as partial:
            partial.write_text(json.dumps(record, allow_nan=False) + "\n")


def modules() -> dict[str, ModuleType]:
    """The modules of `fairlib.book.experiments` that have units or estimates, by chapter."""
    names = sorted(module.name for module in pkgutil.iter_modules(importlib.import_module(EXPERIMENTS).__path__))
    found = {name: importlib.import_module(f"{EXPERIMENTS}.{name}") for name in names}
    return {name: module for name, module in found.items() if hasattr(module, "units") or hasattr(module, "estimates")}


def chapters() -> list[str]:
    """The chapters that have units."""
    return [name for name, module in modules().items() if hasattr(module, "units")]


def units(chapter: str, *profiles: str) -> list[Unit]:
    """A chapter's units in these profiles, each once. Raises ValueError for an unknown chapter."""
    checks.one_of(chapter, chapters(), "chapter")
    found: dict[str, Unit] = {}
    for profile in profiles:
        for arguments in modules()[chapter].units(profile):
            unit = Unit(chapter, json.loads(json.dumps(arguments)))
            if found.setdefault(unit.name, unit) != unit:
                raise ValueError(
                    f"two units are called {unit.name}; let arguments differ in letters, digits, dots or dashes"
                )
    return list(found.values())


def chosen(only: str, *profiles: str) -> dict[str, Unit | None]:
    """What `only` asks for of these profiles, by name: units, and `chapter/` for a chapter that has only estimates.

    only: a part of a name, or a pattern of such a part with * and ?.
    """
    found: dict[str, Unit | None] = {}
    for name, module in modules().items():
        if hasattr(module, "units"):
            found |= {unit.name: unit for unit in units(name, *profiles)}
        else:
            found[f"{name}/"] = None
    return {name: unit for name, unit in found.items() if fnmatch(name, f"*{only}*")}


def source(chapter: str) -> str:
    """The digest of all that the chapter's numbers come from, by which a record is known to be stale."""
    return digest.of(f"{EXPERIMENTS}.{chapter}", "run", _strings(chapter))


def _strings(chapter: str) -> list[str]:
    """The strings among the arguments of a chapter's units, which may name data files."""
    arguments = (value for unit in units(chapter, *runtime.PROFILES) for value in unit.arguments.values())
    return sorted({value for value in arguments if isinstance(value, str)})


def fresh(record: dict, source: str) -> bool:
    """Whether a record was made, or verified, with what has this digest."""
    return source in (record["source"], record.get("verified", {}).get("source"))


def records(chapter: str) -> list[dict]:
    """What the chapter's finished units left: `arguments`, `result` (what `run` returned), `provenance`, `source`.

    Units of both profiles, stale or not. Raises ValueError for an unknown chapter or a damaged record,
    FileNotFoundError where no unit is finished.
    """
    found = [record for unit in units(chapter, *runtime.PROFILES) if (record := unit.record())]
    if not found:
        raise FileNotFoundError(f"no results of {chapter} in {files.root()}; run `make reproduce ONLY={chapter}/`")
    return found


def results(chapter: str) -> pd.DataFrame:
    """The `rows` of all `records`, each with its unit's arguments as the first columns; errors as there."""
    rows = [record["arguments"] | row for record in records(chapter) for row in record["result"]["rows"]]
    return pd.DataFrame(rows)


def provenance_line(chapter: str) -> str:
    """Where those results come from, for the page: when, on what, how long, how much of it all; what was verified."""
    found = records(chapter)
    facts = pd.DataFrame([record["provenance"] for record in found])
    said = {key: " and ".join(sorted(facts[key].astype(str).unique())) for key in facts}
    line = (
        f"Recorded on {said['date']}: {len(found)} of {len(units(chapter, *runtime.PROFILES))} units, "
        f"{facts['seconds'].sum() / 60:.0f} minutes of {said['device']}, threads per unit: {said['threads']}, "
        f"torch {said['torch']}, commit {said['commit']}."
    )
    if verified := [record["verified"] for record in found if "verified" in record]:
        again = len({name for noted in verified for name in noted["sample"]})
        dates = " and ".join(sorted({noted["date"] for noted in verified}))
        line += f" Verified on {dates}: {again} of them run again, no number moved; that stands for {len(verified)}."
    current = source(chapter)
    if stale := sum(not fresh(record, current) for record in found):
        line += f" What they rest on has changed since {stale} of them."
    return line


def reproduce(profile: str, only: str = "", *, jobs: int = -1) -> dict[str, str]:
    """Run a profile's units that have no record, or a stale one; return the errors of those that fail, by name.

    only: as in `chosen`. jobs: units at a time, -1 for one per core.
    With `FAIRLIB_SCHEDULER=tcp://host:port` the units go to that Dask cluster; its workers need this package, but no
    common disk. A result is written here as it arrives, so that an interruption loses only what was under way.
    Raises ValueError where nothing matches, a record is damaged, or a cluster is asked for that cannot do the work.
    """
    wanted = asked(profile, only)
    before = {unit.name: unit.record() for unit in wanted}
    sources = {unit.chapter: source(unit.chapter) for unit in wanted}
    stale = [unit for unit in wanted if (r := before[unit.name]) and not fresh(r, sources[unit.chapter])]
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
    """The units of a profile that `only` asks for, as in `chosen`. Raises ValueError where nothing matches."""
    checks.one_of(profile, runtime.PROFILES, "profile")
    found = chosen(only, profile)
    if not found:
        names = "\n  ".join(chosen("", profile))
        raise ValueError(f"no unit of the profile {profile} matches {only!r}, expected a part of one of:\n  {names}")
    return [unit for unit in found.values() if unit]


def worked(units: Sequence[Unit], jobs: int) -> Iterator[tuple[Unit, dict | None, str | None]]:
    """Run units on all that there is to run on; give each with its record, or its error, as it ends."""
    if not units:
        return
    calls = [(i, f"{EXPERIMENTS}.{unit.chapter}", unit.arguments) for i, unit in enumerate(units)]
    with _under_way(calls, jobs) as (outcomes, running):
        for i, record, error in _watched(outcomes, len(units), running):
            yield units[i], record, error


def estimate(only: str = "") -> None:
    """Let each chapter whose experiments have `estimates` record them for the ledger; say which have no records yet.

    only: as in `chosen`. The other chapters keep their estimates, even those that read the records of a chosen one.
    """
    started = time.perf_counter()
    asked = {name.split("/")[0] for name in chosen(only, *runtime.PROFILES)}
    for name, module in modules().items():
        if not hasattr(module, "estimates") or (only and name not in asked):
            continue
        wanted = [units(name, profile) for profile in runtime.PROFILES] if hasattr(module, "units") else [[]]
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
    """Run unit number i in the process that calls this; return i and its record, or the error that it ended with."""
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

        asked = {module: _strings(module.rpartition(".")[2]) for _, module, _ in calls}
        with cluster.connected(address, asked) as client:
            there = cluster.Work(client, work, calls, asked)
            yield there, lambda left: there.running()
        return
    with joblib.parallel_config("loky", n_jobs=jobs):
        workers = joblib.effective_n_jobs(jobs)
        parallel = joblib.Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="all")
        with closing(parallel(joblib.delayed(work)(*call) for call in calls)) as outcomes:
            yield outcomes, lambda left: min(workers, left)


def _watched(outcomes: Iterable[Outcome | None], total: int, running: Callable[[int], int]) -> Iterator[Outcome]:
    """Pass the outcomes on and keep a line about them: rewritten in a terminal, elsewhere repeated now and then.

    None among them is a moment to look at the line. `running` says how many units are, of so many that are left.
    """
    terminal = sys.stderr.isatty()
    started = said = time.monotonic()
    done = failed = 0

    def say() -> None:
        gone, over = time.monotonic() - started, done + failed
        left = f"about {(total - over) * gone / over / 60:.1f} min left" if over else "time left unknown"
        line = f"{done} of {total} done, {running(total - over)} running, {failed} failed, {left}"
        print(f"\r{line:<75}" if terminal else line, end="" if terminal else "\n", file=sys.stderr, flush=True)

    say()
    for outcome in outcomes:
        if outcome is not None:
            failed += outcome[1] is None
            done += outcome[1] is not None
            yield outcome
        if terminal or time.monotonic() > said + SECONDS_BETWEEN_LINES or done + failed == total:
            said = time.monotonic()
            say()
    if terminal:
        print(file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line. Status 1 where units fail; else see `status`."""
    parser = argparse.ArgumentParser(prog="make reproduce", description="Run the units that have no record yet.")
    parser.add_argument("--only", default="", help="a part of a unit's name, or a pattern with * and ?; or a chapter/")
    parser.add_argument("--jobs", type=int, default=-1, help="units at a time on this machine (default: one per core)")
    given = parser.parse_args(argv)

    def whole() -> bool:
        failed = reproduce(runtime.profile(), given.only, jobs=given.jobs)
        for name, error in failed.items():
            print(f"failed: {name}: {error}", file=sys.stderr)
        estimate(given.only)
        return not failed

    return status("reproduce", whole)


def status(name: str, command: Callable[[], bool]) -> int:
    """The exit status of a command: 0 or 1 as it returns True or False, 2 for bad input, 130 when interrupted.

    It is 1, too, where a worker process of this machine dies, for example for want of memory.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exception, so that the workers end too
    try:
        return 0 if command() else 1
    except (ValueError, OSError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except BrokenExecutor as error:
        print(f"\n{name}: a worker process died, what was finished is kept: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; what was finished is kept, and the same command goes on from there", file=sys.stderr)
        return 130


if __name__ == "__main__":
    # Under its own name, by which the workers find `work`.
    from fairlib.book import runner

    sys.exit(runner.main())
