"""The book on an accelerator, within minutes: what was computed there, and whether it is what the CPU computes.

python -m tools.accelerator [--device cuda] [--minutes 10] [--out FOLDER]

First every function beside the CPU (`tests/test_devices.py`), then one unit of each kind of `PROFILE=paper`, then the
notebooks' outputs, each until its share of the minutes is gone. Leaves `report.json` and `records.zip`, whose paths are
those of the repository.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from itertools import groupby, zip_longest
from operator import attrgetter
from pathlib import Path

from fairlib import files, runtime
from fairlib.book import runner, units, verify
from fairlib.book.units import Unit
from tools import release

ROOT = Path(__file__).resolve().parents[1]
SHARES = {"functions": 0.2, "units": 0.5, "notebooks": 0.3}
SHORT = ("fgsm", "centroid_defense", "ssim_one_step", "data_models")  # notebooks that take seconds


def one_of_each(wanted: Sequence[Unit]) -> list[Unit]:
    """The first unit of each kind (see `fairlib.book.verify.kind`): one of every chapter, then a second one of each."""
    first: dict[str, Unit] = {}
    for unit in wanted:
        first.setdefault(verify.kind(unit), unit)
    chapters = groupby(first.values(), key=attrgetter("chapter"))
    rounds = zip_longest(*(list(found) for _, found in chapters))
    return [unit for turn in rounds for unit in turn if unit]


def tested(arguments: Sequence[str], *, device: str, seconds: float) -> dict:
    """Run pytest there; its last line, what failed, and whether all was reached and passed."""
    asked = {"FAIRLIB_ACCELERATOR": device, "FAIRLIB_DEVICE": device}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "auto", "--tb=line", *arguments]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | asked, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return {"passed": False, "said": f"not done within {seconds:.0f} seconds", "failed": []}
    lines = done.stdout.strip().splitlines() or [done.stderr.strip()[-200:]]
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return {"passed": done.returncode == 0, "said": lines[-1], "failed": failed}


def computed(todo: Sequence[Unit], *, seconds: float, jobs: int, to: Path) -> dict[str, str]:
    """Run units until the time is gone and keep their records in one zip file; what each took or said.

    A unit that needs what this machine lacks (images, weights) says so and is no failure of the machine.
    """
    folder = to / "records"
    folder.mkdir()
    process = multiprocessing.get_context("spawn").Process(target=kept, args=(todo, jobs, folder))
    process.start()
    process.join(seconds)
    if process.is_alive():  # a unit may take longer than all of the time
        if os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.join()
    said = dict.fromkeys((unit.name for unit in todo), "not done in time")
    for line in (folder / "said.jsonl").read_text().splitlines() if (folder / "said.jsonl").exists() else ():
        said |= json.loads(line)
    (folder / "said.jsonl").unlink(missing_ok=True)
    if any(path.is_file() for path in folder.rglob("*")):
        release.zipped(folder, to / "records.zip", "data")
    shutil.rmtree(folder)
    return said


def kept(todo: Sequence[Unit], jobs: int, folder: Path) -> None:
    """Run units in a process group of their own, and write what each says, and its record, as it ends."""
    os.setsid()
    sources = {unit.chapter: units.source(unit.chapter) for unit in todo}
    with closing(runner.worked(todo, jobs)) as outcomes, (folder / "said.jsonl").open("a") as said:
        for unit, record, error in outcomes:
            if record:
                record |= {"source": sources[unit.chapter]}
                record["provenance"]["profile"] = "paper"
                with files.replacing(folder / unit.path.relative_to(files.root())) as partial:
                    partial.write_text(json.dumps(record, allow_nan=False) + "\n")
            print(json.dumps({unit.name: error or f"{record['provenance']['seconds']} s"}), file=said, flush=True)


def checked(device: str, minutes: float, to: Path, jobs: int, notebooks: Sequence[str] = SHORT) -> dict:
    """All three, one after the other; what is left of one's time the next one has."""
    started, report = time.monotonic(), {"device": device, "facts": runtime.facts(started=time.perf_counter())}

    def left(upto: float) -> float:
        return max(1.0, started + 60 * minutes * upto - time.monotonic())

    first, second = SHARES["functions"], SHARES["functions"] + SHARES["units"]
    report["functions"] = tested(["tests/test_devices.py"], device=device, seconds=left(first))
    todo = one_of_each(runner.asked("paper", ""))
    report["units"] = computed(todo, seconds=left(second), jobs=jobs, to=to)
    pages = [f"notebooks/{name}.ipynb" for name in notebooks]
    report["notebooks"] = tested(
        ["--nbval", "--nbval-current-env", "--dist", "loadfile", *pages], device=device, seconds=left(1)
    )
    return report


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make accelerator", description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--jobs", type=int, default=4, help="units at a time on the device")
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT", "accelerator")))
    given = parser.parse_args(argv)
    os.environ |= {"FAIRLIB_DEVICE": given.device, "FAIRLIB_PROFILE": "paper"}
    try:
        runtime.device()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    given.out.mkdir(parents=True, exist_ok=True)
    report = checked(given.device, given.minutes, given.out, given.jobs)
    with files.replacing(given.out / "report.json") as partial:
        partial.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))
    return int(not (report["functions"]["passed"] and report["notebooks"]["passed"]))


if __name__ == "__main__":
    sys.exit(main())
