"""Runs a sample of the units again, and notes on the records of a kind that it still gives the same numbers.

A move of code that changes no number makes records stale; to run all of their units again would take hours. Two units
of a chapter are of one kind when those of their arguments that are strings (what, network, data set) are the same. The
sample has of each kind the unit that was the quickest when it was recorded; where records of a kind were made from
several states of the code (`source`, and the commit), one from each. Where some kinds have stale records, they alone.

Compared is `result`, field by field: whole numbers exactly, others to within `TOLERANCE`. Measured times differ from
run to run: of the fields that an experiment names in `MEASURED`, only the shape is compared. Where a whole kind comes
out the same, each of its records gets `verified`: the date, the sample, and the digest of what it was verified with,
beside its own `source`, which stays. Where a number moved, nothing is noted.
"""

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from itertools import chain

from fairlib import checks, runtime
from fairlib.book import runner, units
from fairlib.book.progress import exit_status
from fairlib.book.units import Unit

# Another processor rounds float32 otherwise: seen to move numbers by 1e-5 of themselves, differences of two by 2e-6.
TOLERANCE = {"rel_tol": 1e-4, "abs_tol": 1e-5}
Recorded = tuple[Unit, dict]  # with its record
Move = tuple[str, object, object]  # a field, what is recorded, what came out now


def kind(unit: Unit) -> str:
    """The unit's name with a * for each argument that is no string: what `ONLY=` takes."""
    chapter, _, key = unit.name.partition("/")
    pairs = zip(key.split(","), unit.arguments.values(), strict=False)
    parts = [pair if isinstance(value, str) else f"{pair.split('=')[0]}=*" for pair, value in pairs]
    return f"{chapter}/{','.join(parts)}"


def sample(found: Iterable[Recorded]) -> list[Recorded]:
    """Of the records of one kind, the quickest of each state of the code; ties go by name.

    Parameters
    ----------
    found : iterable of Recorded
        Units with their records.

    Returns
    -------
    list of Recorded
    """
    drawn: dict[tuple[str, str], Recorded] = {}
    for unit, record in sorted(found, key=lambda one: (one[1]["provenance"]["seconds"], one[0].name)):
        drawn.setdefault((record["source"], record["provenance"]["commit"]), (unit, record))
    return list(drawn.values())


def moves(
    old: object, new: object, measured: Iterable[str] = (), field: str = "", times: bool = False
) -> Iterator[Move]:
    """Where two results differ.

    Parameters
    ----------
    old, new : object
        Two results, or parts of them, as JSON holds them.
    measured : iterable of str
        Keys of measured times, of which only the shape is compared.
    field : str
        Where in the results the two parts stand.
    times : bool
        Whether they are measured times.

    Yields
    ------
    Move
        A field, what it was, what it is.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old.keys() | new.keys():
            inside = f"{field}.{key}".lstrip(".")
            if key in old and key in new:
                yield from moves(old[key], new[key], measured, inside, times or key in measured)
            else:
                yield inside, old.get(key, "nothing"), new.get(key, "nothing")
    elif isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            yield f"the length of {field}", len(old), len(new)
        for a, b in zip(old, new, strict=False):
            yield from moves(a, b, measured, field, times)
    elif _number(old) and _number(new):
        whole = isinstance(old, int) and isinstance(new, int)
        if not times and not (old == new if whole else math.isclose(old, new, **TOLERANCE)):
            yield field, old, new
    elif old != new or type(old) is not type(new):
        yield field, old, new


def described(found: Sequence[Move]) -> str:
    """Which fields moved, how often, and the largest move of each."""
    lines = []
    for field, n in sorted(Counter(move[0] for move in found).items()):
        _, old, new = max((move for move in found if move[0] == field), key=_size)
        by = f" (by {_size((field, old, new)):.3g})" if _number(old) and _number(new) else ""
        lines.append(f"{field} moved from {old} to {new}{by}" + (f", the most of {n}" if n > 1 else ""))
    return "; ".join(lines)


def _size(move: Move) -> float:
    _, old, new = move
    return abs(new - old) if _number(old) and _number(new) else math.inf


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def verify(profile: str, only: str = "", *, minutes: float | None = None, jobs: int = -1) -> dict[str, str]:
    """Run a sample of a profile's recorded units again, and note what is still the same.

    Parameters
    ----------
    profile : str
        `embedded` or `paper`.
    only : str
        A part of a unit's name, or a pattern of such a part with * and ?; or `chapter/`.
    minutes : float, optional
        Leave out the longest kinds until the rest was recorded in so many minutes of one core.
    jobs : int
        Units at a time on this machine, -1 for one per core.

    Returns
    -------
    dict of str to str
        What moved, or failed, by kind.

    Raises
    ------
    ValueError
        Where nothing matches or a record is damaged.
    FileNotFoundError
        Where nothing is recorded.
    """
    if minutes is not None:
        checks.positive(minutes, "minutes", "such as 10")
    recorded = [(unit, record) for unit in runner.asked(profile, only) if (record := unit.record())]
    if not recorded:
        raise FileNotFoundError(
            f"nothing is recorded of {only or 'this profile'} yet; run `make reproduce ONLY={only}`"
        )
    sources = {unit.chapter: units.source(unit.chapter) for unit, _ in recorded}
    kinds: dict[str, list[Recorded]] = {}
    for unit, record in recorded:
        kinds.setdefault(kind(unit), []).append((unit, record))
    stale = {kind(unit) for unit, record in recorded if not units.fresh(record, sources[unit.chapter])}
    drawn = affordable({name: sample(kinds[name]) for name in stale or kinds}, minutes)
    old = {unit.name: record for unit, record in chain(*drawn.values())}
    print(
        f"{len(kinds)} kinds of {len(recorded)} records, {len(stale)} of them stale; running {len(old)} units of "
        f"{len(drawn)} again, which took {cost(chain(*drawn.values())) / 60:.1f} minutes"
    )
    lead = "\r" if sys.stderr.isatty() else ""
    waiting = {name: {unit.name for unit, _ in found} for name, found in drawn.items()}
    problems: dict[str, str] = {}
    with closing(runner.worked([unit for unit, _ in chain(*drawn.values())], jobs)) as outcomes:
        for unit, record, error in outcomes:
            name = kind(unit)
            if record is not None:
                measured = getattr(units.modules()[unit.chapter], "MEASURED", ())
                new = json.loads(json.dumps(record["result"]))
                error = described(list(moves(old[unit.name]["result"], new, measured)))
            print(f"{lead}{unit.name}: {error or 'the same'}", flush=True)
            if error:
                problems[name] = error
            else:
                waiting[name].remove(unit.name)
            if not waiting[name]:
                note(kinds[name], sorted(unit.name for unit, _ in drawn[name]), sources[unit.chapter])
    return problems


def cost(found: Iterable[Recorded]) -> int:
    """The seconds that these units took when they were recorded."""
    return sum(record["provenance"]["seconds"] for _, record in found)


def affordable(drawn: dict[str, list[Recorded]], minutes: float | None) -> dict[str, list[Recorded]]:
    """The kinds whose samples took so many minutes together, the quickest first; says which are left out."""
    found, spent = {}, 0
    for name in sorted(drawn, key=lambda name: (cost(drawn[name]), name)):
        spent += cost(drawn[name])
        if minutes is None or spent <= 60 * minutes:
            found[name] = drawn[name]
        else:
            print(f"left out: {name} ({cost(drawn[name]) / 60:.1f} minutes)")
    return found


def note(found: Iterable[Recorded], names: Sequence[str], source: str) -> None:
    """Note on records that a sample came out the same with what has this digest; not on one that changed meanwhile."""
    noted = {"date": datetime.now(UTC).strftime("%Y-%m-%d"), "sample": list(names), "source": source}
    for unit, record in found:
        if unit.record() == record:
            unit.write(record | {"verified": noted})


def main(argv: Sequence[str] | None = None) -> int:
    """The command line of `make verify`.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the process where they are left out.

    Returns
    -------
    int
        1 where a number moved or a unit failed; else see `fairlib.book.progress.exit_status`.
    """
    parser = argparse.ArgumentParser(prog="make verify", description="Run a sample of the recorded units again.")
    parser.add_argument("--only", default="", help="a part of a unit's name, or a pattern with * and ?")
    parser.add_argument("--jobs", type=int, default=-1, help="units at a time on this machine (default: one per core)")
    parser.add_argument("--minutes", default="", help="leave out the longest kinds until the rest fits (default: none)")
    arguments = parser.parse_args(argv)

    def run() -> bool:
        try:
            minutes = float(arguments.minutes) if arguments.minutes else None
        except ValueError as error:
            raise ValueError(f"MINUTES is {arguments.minutes!r}, expected a number such as 10") from error
        problems = verify(runtime.profile(), arguments.only, minutes=minutes, jobs=arguments.jobs)
        for name in problems:
            print(
                f"nothing is noted on {name}; `make reproduce ONLY='{name}'` runs its stale units again, and a fresh "
                "one once its record is deleted",
                file=sys.stderr,
            )
        return not problems

    return exit_status("verify", run)


if __name__ == "__main__":
    sys.exit(main())
