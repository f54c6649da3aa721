"""An audit's throughput, memory, and whether it goes on after `kill -9`: on made images of 256 pixels.

python benchmarks/audit.py [--images 50000] [--kills 10] [--model resnet18] [--folder FOLDER]

Throughput: images a second of the audit, reading and noting included, beside those of the model alone on tensors that
lie in memory, by turns in one run on the same cores. Memory: the most that was resident after a tenth of the images,
and after all. Kills: an audit that was killed at random moments and begun again, its report beside that of one that
was not. The model's weights are random; the images are noise.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from fairlib import geography, runtime
from fairlib.audit import Classifier, classify, standard_preparation

COUNTRIES = ("IND", "PER", "BRA", "DEU", "NOR", "USA", "NGA", "KEN", "MEX", "FRA", "CHN", "JPN")
CLASSES, SIZE, BATCH = 10, 224, 32
WANTED = 0.85  # of the model's own throughput
MODULE = """
import torch, torchvision

def make():
    torch.manual_seed(0)
    return torchvision.models.get_model({model!r}, weights=None, num_classes={classes})

def quick():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.AvgPool2d(16), torch.nn.Flatten(), torch.nn.Linear(3 * 14 * 14, {classes}))
"""


def make(folder: Path, images: int) -> Path:
    """Images of noise in twelve countries, and their manifest."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    lines = ["path,label,country"]
    for i in range(images):
        name = f"images/{i}.jpg"
        small = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
        small.resize((256, 256)).save(folder / name, quality=85)
        lines.append(f"{name},{rng.integers(CLASSES)},{COUNTRIES[rng.integers(len(COUNTRIES))]}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder / "manifest.csv"


def resident() -> float:
    """Megabytes of this process's memory that are resident."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def throughput(module: dict, manifest: geography.Manifest, folder: Path, parts: int = 5) -> None:
    """The audit's and the model's images a second, by turns over parts of the set; and memory."""
    network = module["make"]().eval()
    pixels = torch.rand(BATCH, 3, SIZE, SIZE, device=runtime.device())
    audit, alone, memory = [], [], []
    for part in range(parts):
        rows = manifest.rows.iloc[part::parts].reset_index(drop=True)
        shard = geography.Manifest(manifest.folder, rows, manifest.skipped, manifest.named, manifest.unmatched)
        started = time.perf_counter()
        classify(Classifier("random", network, standard_preparation(SIZE)), shard, folder / f"part{part}.jsonl")
        audit.append(len(rows) / (time.perf_counter() - started))
        memory.append(resident())
        started, batches = time.perf_counter(), max(len(rows) // BATCH // 4, 4)
        with torch.no_grad():
            for _ in range(batches):
                network(pixels).cpu()
        alone.append(batches * BATCH / (time.perf_counter() - started))
    ratio = np.median(np.array(audit) / np.array(alone))
    print(f"audit {np.median(audit):.1f}, model alone {np.median(alone):.1f} images a second: {ratio:.2f} of it")
    print(f"wanted: {WANTED} or more; {'met' if ratio >= WANTED else 'missed'}")
    print(f"resident after each of {parts} parts: {', '.join(f'{each:.0f}' for each in memory)} MB")


def killed(folder: Path, images: int, kills: int) -> None:
    """Whether an audit killed at random moments ends with the report of one that was not."""
    rng = random.Random(0)

    def command(out: str) -> list[str]:
        options = ["--model", "benchmark_model:quick", "--out", out, "--skipped-limit", "1"]
        return [sys.executable, "-m", "fairlib", "audit", "manifest.csv", *options]

    def run(out: str) -> dict:
        subprocess.run(command(out), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        return json.loads((folder / f"{out}.json").read_text()) | {"provenance": None}

    kept = folder / "killed.predictions.jsonl"
    for wanted in sorted(rng.randrange(images) for _ in range(kills)):
        audit = subprocess.Popen(command("killed"), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while audit.poll() is None and not (kept.exists() and len(kept.read_bytes().splitlines()) > wanted):
            time.sleep(rng.uniform(0.01, 0.1))
        audit.send_signal(signal.SIGKILL)
        audit.wait()
    same = run("killed") == run("whole")
    print(f"killed {kills} times and gone on: the report is {'the same' if same else 'ANOTHER'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--model", default="resnet18", help="a classifier of torchvision, with random weights")
    parser.add_argument("--folder", type=Path, help="where the images are made (default: a temporary folder)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        path = make(folder, arguments.images)
        code = MODULE.format(model=arguments.model, classes=CLASSES)
        (folder / "benchmark_model.py").write_text(code)
        module: dict = {}
        exec(code, module)
        throughput(module, geography.manifest(path), folder)
        if arguments.kills:
            killed(folder, arguments.images, arguments.kills)


if __name__ == "__main__":
    main()
