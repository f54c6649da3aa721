"""Everything compared in one run, the ways of each comparison taken in turn: `make bench`.

python -m benchmarks [--scale 1] [--seconds 12] [--only attacks training] [--out data/results/bench.json]

One CPU thread, processor time. Prints medians and ratios, and writes what `notebooks/bench.md` shows. `python -m
benchmarks.audit` and `python benchmarks/labs.py` stand apart: 50,000 images, and a browser.
"""

import argparse
import json
import time
from importlib import import_module
from pathlib import Path

from fairlib import files, runtime
from fairlib.book import bench

PARTS = {"attacks": 8, "defense": 4, "training": 4, "dro": 3, "perceptual": 3, "audit": 1}  # rows of each
LARGEST = 12_000  # bytes of the record


def measured(parts: list[str], scale: float, seconds: float) -> dict:
    """The record of these parts."""
    began, rows = time.perf_counter(), []
    with runtime.progress((), "bench", sum(PARTS[part] for part in parts)) as progress:
        for part in parts:
            for row in import_module(f"benchmarks.{part}").rows(scale, seconds):
                rows.append(row)
                progress.update()
                progress.write(bench.line(row))
    return {"rows": rows, "provenance": runtime.facts(started=began, scale=scale)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of images and steps (default 1)")
    parser.add_argument("--seconds", type=float, default=12.0, help="after which a comparison begins no round (12)")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--out", type=Path, help="default: data/results/bench.json, for a whole run")
    given = parser.parse_args()
    record = measured(given.only, given.scale, given.seconds)
    text = json.dumps(record, allow_nan=False, separators=(",", ":")) + "\n"
    whole = given.only == list(PARTS) and given.scale == 1
    out = given.out or (bench.path() if whole else None)
    if len(text) > LARGEST:
        raise RuntimeError(f"the record has {len(text)} bytes, may have {LARGEST}")
    if out:
        with files.replacing(out) as partial:
            partial.write_text(text)
    print(bench.summary(record))


if __name__ == "__main__":
    main()
