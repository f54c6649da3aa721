"""An audit's throughput, memory, and whether it goes on after `kill -9`: on made images of 256 pixels.

python -m benchmarks.audit [--images 50000] [--timed 10000] [--kills 10] [--model resnet18] [--measure ...]

Throughput: images a second of the audit, reading and noting included, beside those of the model alone on tensors that
lie in memory, by turns over parts of the first `--timed` images, in one run on the same cores; and the same per second
of processor time, which others on these cores do not change. Memory: what is resident
while all images are audited, looked at once a second, by how far the audit is. Kills: an audit of all images that was
killed at random moments and begun again, its files beside those of the one that was not. For memory and kills the model
is one layer, so that all but the model is what counts. The model's weights are random; the images are noise. What was
measured is printed as JSON.
"""

import argparse
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.attacks import answers
from benchmarks.measure import alike, compared, counted
from fairlib import geography, imagenet, runtime
from fairlib.audit import Classifier, classify, read_image, standard_preparation

COUNTRIES = ("IND", "PER", "BRA", "DEU", "NOR", "USA", "NGA", "KEN", "MEX", "FRA", "CHN", "JPN")
CLASSES, SIZE, BATCH, PARTS = 10, 224, 32, 5
MEASURES = ("throughput", "memory", "kills")
WANTED = 0.85  # of the model's own throughput
FLAT = 1.05  # times what is resident after a tenth of the images
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
    """Images of noise in twelve countries, and their manifest; those that a folder has already stay."""
    if (folder / "manifest.csv").exists():
        return folder / "manifest.csv"
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


def rows(scale: float, seconds: float) -> Iterator[dict]:
    """The audit of few images against EfficientNet-Lite0 alone, on tensors that lie in memory."""
    with tempfile.TemporaryDirectory() as temporary:
        folder, images = Path(temporary), round(128 * scale)
        manifest, runs = geography.manifest(make(folder, images)), itertools.count()
        classifier = Classifier(
            "EfficientNet-Lite0", imagenet.pretrained("EfficientNet-Lite0"), standard_preparation(SIZE)
        )
        pixels = torch.stack([read_image(folder / path, classifier.preparation) for path in manifest.rows["path"]])

        def audited() -> Tensor:
            found = classify(classifier, manifest, folder / f"{next(runs)}.jsonl")
            return torch.from_numpy(found.predicted)

        with torch.no_grad():
            _, macs = counted(lambda: classifier.model(pixels[:1]))
        yield compared(
            "the audit", f"EfficientNet-Lite0, {images} made images of 256 pixels",
            {"fairlib": audited, "the model alone": lambda: answers(classifier.model, pixels, 8).argmax(1)},
            alike(0), seconds=seconds, kind="part", aims={"ratio": 1 / WANTED},
            macs={"fairlib": images * macs, "the model alone": images * macs},
            why="It reads, decodes and prepares every image, and notes every answer in a file.",
        )  # fmt: skip


def throughput(module: dict, manifest: geography.Manifest, folder: Path, images: int) -> dict:
    """The audit's and the model's images a second, by turns over parts of the set."""
    network = module["make"]().eval()
    pixels = torch.rand(BATCH, 3, SIZE, SIZE, device=runtime.device())
    clocks = np.zeros(
        (PARTS, 2, 2)
    )  # images a second: of each part, of audit and model, by the clock and the processor
    for part in range(PARTS):
        rows = manifest.rows.iloc[part:images:PARTS].reset_index(drop=True)
        shard = geography.Manifest(manifest.folder, rows, manifest.skipped, manifest.named, manifest.unmatched)
        classifier = Classifier("random", network, standard_preparation(SIZE))
        with timed(clocks[part, 0], len(rows)):
            classify(classifier, shard, folder / f"part{part}.jsonl")
        batches = max(len(rows) // BATCH // 4, 4)
        with timed(clocks[part, 1], batches * BATCH), torch.no_grad():
            for _ in range(batches):
                network(pixels).cpu()
    rates, ratios = np.median(clocks, axis=0), clocks[:, 0] / clocks[:, 1]
    return {
        "images": min(images, len(manifest.rows)),
        "audit": round(rates[0, 0], 1),
        "model_alone": round(rates[1, 0], 1),
        "ratio": round(np.median(ratios[:, 0]), 3),
        "ratio_of_processor_time": round(np.median(ratios[:, 1]), 3),
        "ratios": ratios[:, 0].round(3).tolist(),
        "ratios_of_processor_time": ratios[:, 1].round(3).tolist(),
        "met": bool((np.median(ratios, axis=0) >= WANTED).all()),
    }


@contextmanager
def timed(rates: np.ndarray, images: int) -> Iterator[None]:
    """Note the images a second of a block, by the clock and by the processor's time of all threads."""
    began = time.perf_counter(), time.process_time()
    yield
    rates[:] = images / (time.perf_counter() - began[0]), images / (time.process_time() - began[1])


def command(out: str) -> list[str]:
    """The audit of all images, as typed."""
    options = ["--model", "benchmark_model:quick", "--out", out, "--skipped-limit", "1"]
    return [sys.executable, "-m", "fairlib", "audit", "manifest.csv", *options]


def started(folder: Path, out: str) -> subprocess.Popen:
    """An audit that runs by itself."""
    return subprocess.Popen(command(out), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def bytes_in(path: Path) -> int:
    """The size of a file that need not be there yet."""
    return path.stat().st_size if path.exists() else 0


def resident(process: subprocess.Popen) -> float:
    """Megabytes of a process's memory that are resident."""
    return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def watched(audit: subprocess.Popen, kept: Path) -> Iterator[tuple[int, float]]:
    """Once a second, the bytes of the answers that there are and the megabytes that are resident."""
    while audit.poll() is None:
        try:
            yield bytes_in(kept), resident(audit)
        except (OSError, IndexError):  # it has just ended
            return
        time.sleep(1)


def memory(folder: Path) -> dict:
    """What is resident during one audit of all images, and how long that takes."""
    kept, began = folder / "whole.predictions.jsonl", time.perf_counter()
    audit = started(folder, "whole")
    seen = list(watched(audit, kept))
    status, seconds, all_bytes = audit.wait(), time.perf_counter() - began, bytes_in(kept)
    shares = (0.1, 0.25, 0.5, 0.75, 1.0)
    at = {
        f"{share:.0%}": next((mb for done, mb in seen if done >= 0.999 * share * all_bytes), None) for share in shares
    }
    classifying = [mb for done, mb in seen if 0.1 * all_bytes <= done < all_bytes]
    most = max(classifying, default=None)
    return {
        "status": status,
        "seconds": round(seconds),
        "resident_mb_when_classified": {share: mb and round(mb) for share, mb in at.items()},
        "most_mb_while_classifying": most and round(most),
        "most_mb": round(max(mb for _, mb in seen)),
        "met": bool(most and at["10%"] and most <= FLAT * at["10%"]),
    }


def killed(folder: Path, kills: int) -> dict:
    """Whether an audit killed at random moments ends with the files of one that was not."""
    rng = random.Random(0)
    kept, all_bytes = folder / "killed.predictions.jsonl", bytes_in(folder / "whole.predictions.jsonl")
    moments = sorted(rng.uniform(0, all_bytes) for _ in range(kills))
    survived = 0
    for moment in moments:
        audit = started(folder, "killed")
        while audit.poll() is None and bytes_in(kept) <= moment:
            time.sleep(rng.uniform(0.01, 0.2))
        survived += audit.poll() is not None
        audit.send_signal(signal.SIGKILL)
        audit.wait()
    status = started(folder, "killed").wait()
    whole, other = (
        json.loads((folder / f"{out}.json").read_text()) | {"provenance": None} for out in ("whole", "killed")
    )
    tables = ("images", "countries", "classes", "groups")
    same = [(folder / f"whole.{t}.csv").read_bytes() == (folder / f"killed.{t}.csv").read_bytes() for t in tables]
    return {
        "kills": kills - survived,
        "at": [f"{moment / all_bytes:.0%}" for moment in moments],
        "status": status,
        "met": bool(whole == other and all(same) and not survived),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--timed", type=int, default=10_000, help="of them, those that the throughput is measured on")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--model", default="resnet18", help="a classifier of torchvision, with random weights")
    parser.add_argument("--measure", nargs="+", choices=MEASURES, default=MEASURES)
    parser.add_argument("--folder", type=Path, help="where the images are made (default: a temporary folder)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        path = make(folder, arguments.images)
        code = MODULE.format(model=arguments.model, classes=CLASSES)
        (folder / "benchmark_model.py").write_text(code)
        module: dict = {}
        exec(code, module)
        facts = {"images": arguments.images, "model": arguments.model, "threads": torch.get_num_threads()}
        print(json.dumps(facts), flush=True)
        for name, measure in (
            ("throughput", lambda: throughput(module, geography.manifest(path), folder, arguments.timed)),
            ("memory", lambda: memory(folder)),
            ("kills", lambda: killed(folder, arguments.kills)),
        ):
            if name in arguments.measure:
                print(json.dumps({name: measure()}), flush=True)


if __name__ == "__main__":
    main()
