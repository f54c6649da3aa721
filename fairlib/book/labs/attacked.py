"""Photographs under attack, for the labs: what five attacks of table 1 change in a window of each of some.

`python -m fairlib.book.labs.attacked` makes `data/perturbations` (ten minutes of one core): a table, and for each
photograph the changes, one attack below the other, as a picture in which 128 is none. Nothing is lost but by rounding
to eight bits.
"""

import functools
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from fairlib import data, files, imagenet, perceptual, photographs, runtime
from fairlib.book.experiments import table1
from fairlib.book.labs import encoded

METHODS = ("perc_al", "pgd", "ppgd", "lpa", "ours_a=0")
NAMES = {
    "perc_al": "PerC-AL",
    "pgd": "PGD",
    "ppgd": "PPGD",
    "lpa": "LPA",
    "ours_a=0": "Algorithm 1, a = 0",
}
PHOTOGRAPHS = 12  # the first that the classifier gets right and all attacks turn, in eight bits
WINDOW, STRIDE = 144, 4  # the window in which the attacks change most, each counted alike
SIZES = ("own", "equal")  # as the attack left it; scaled to the L2 of `REFERENCE` in the same window
REFERENCE = "ours_a=0"
JUDGES = {"LPIPS": "LPIPS-VGG"} | {name: name for name in ("DISTS", "SSIM", "CIEDE2000")}
NONE = 128  # what stands for no change
GOLDEN = 0.6180339887498949  # what is added before rounding down walks through [0, 1) by it


def scaled(pixels: np.ndarray, change: np.ndarray, scale: float) -> np.ndarray:
    """The pixels (H, W, 3) of eight bits with a change (H, W, 3) times `scale`; labs.scaled of photos.js is the same.

    A product that is no whole number is rounded up in as many pixels as its fraction says, so that sizes between whole
    multiples can be shown.
    """
    added = np.arange(change.size, dtype=np.float64).reshape(change.shape) * GOLDEN % 1
    return np.clip(pixels.astype(np.int64) + np.floor(scale * change + added).astype(np.int64), 0, 255).astype(np.uint8)


def l2(pixels: np.ndarray, changed: np.ndarray) -> float:
    """The L2 norm of a change, pixels in [0, 1]."""
    return float(np.linalg.norm((changed.astype(np.float64) - pixels) / 255))


def equalled(pixels: np.ndarray, change: np.ndarray, target: float) -> float:
    """The scale at which a change has this L2 norm, by bisection."""
    low, high = 0.0, 256.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if l2(pixels, scaled(pixels, change, middle)) < target else (low, middle)
    return round((low + high) / 2, 6)


@functools.cache
def table() -> pd.DataFrame:
    """A row per photograph, method and size.

    `file` and `place` among the book's photographs, `top` and `left` of the window, `scale`, L2 and the distances of
    `JUDGES` in the window, LPIPS and DISTS times 1,000.
    """
    return pd.read_csv(files.checked("perturbations/table.csv"))


def pictures(file: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The window of a photograph (H, W, 3), uint8, and each method's change of it, int16."""
    row = table().query("file == @file").iloc[0]
    whole = np.asarray(Image.open(files.checked(f"photographs/{file}")).convert("RGB"))
    clean = whole[row["top"] : row["top"] + WINDOW, row["left"] : row["left"] + WINDOW]
    stacked = np.asarray(Image.open(files.checked(f"perturbations/{file}")).convert("RGB")).astype(np.int16) - NONE
    return clean, dict(zip(METHODS, np.split(stacked, len(METHODS)), strict=True))


def numbers() -> dict:
    """What the pages that show them compute with: windows and changes as WebP in base64, and the table."""
    rows, listed = table(), pd.read_csv(files.checked("photographs/images.csv"), keep_default_na=False)
    shown = list(rows["file"].unique())
    of = listed.set_index("file").loc[shown]
    pairs = [(pictures(file)[0], files.checked(f"perturbations/{file}").read_bytes()) for file in shown]
    return {
        "methods": list(METHODS),
        "names": NAMES,
        "reference": REFERENCE,
        "side": WINDOW,
        "photographs": [
            {"file": file, "class": name, "clean": encoded.webp(clean), "changes": encoded.text(changes)}
            for file, name, (clean, changes) in zip(shown, of["class"], pairs, strict=True)
        ],
        "table": [
            {
                "photograph": shown.index(row["file"]),
                "method": row["method"],
                "size": row["size"],
                "scale": row["scale"],
            }
            | {"distances": {name: row[name] for name in ("L2", *JUDGES)}}
            for row in rows.to_dict("records")
        ],
    }


def credits() -> str:
    """Whose photographs they are, in Markdown."""
    return data.credits(table()["place"].unique().tolist())


def make(folder: Path) -> None:
    """Attack the photographs with table 1's settings, and write the table and the changes into a folder.

    What an earlier run wrote there stays; a run that was interrupted goes on where it was.
    """
    x, y = data.photographs(size=table1.SIZE)
    model, own = imagenet.pretrained(table1.CLASSIFIER), perceptual.distance(table1.SUBSTITUTE)
    judges = {name: perceptual.distance(judge) for name, judge in JUDGES.items()}
    names = pd.read_csv(files.checked("photographs/images.csv"))["file"]
    path = folder / "table.csv"
    rows = pd.read_csv(path).to_dict("records") if path.exists() else []
    for place in runtime.progress(range(len(x)), "attacking"):
        done = {row["place"] for row in rows}
        if len(done) == PHOTOGRAPHS:
            break
        case = table1.Case(model, own, "embedded", place, x[place : place + 1], y[place : place + 1])
        whole = None if place in done else _attacked(case)
        if whole is None:
            continue
        top, left = _window(whole)
        cut = np.s_[top : top + WINDOW, left : left + WINDOW]
        found = _sizes(_bytes(case.x)[cut], {method: change[cut] for method, change in whole.items()}, judges)
        _write(folder / names[place], [change[cut] for change in whole.values()])
        told = {"file": names[place], "place": place, "top": top, "left": left}
        rows = sorted(rows + [told | row for row in found], key=lambda row: row["place"])
        pd.DataFrame(rows).to_csv(path, index=False, float_format="%.7g", lineterminator="\n")


def _write(path: Path, changes: Sequence[np.ndarray]) -> None:
    """Changes below each other, as a picture."""
    stacked = np.concatenate(changes) + NONE
    if stacked.min() < 0 or stacked.max() > 255:
        raise ValueError(f"an attack moves a pixel of {path.name} by more than 127 levels, which has no room")
    Image.fromarray(stacked.astype(np.uint8)).save(path, lossless=True, quality=100, method=6)


def _bytes(x: Tensor) -> np.ndarray:
    return (255 * x[0]).round().permute(1, 2, 0).numpy().astype(np.int16)


def _attacked(case: table1.Case) -> dict[str, np.ndarray] | None:
    """Each method's change of the whole photograph in eight bits, or None where one does not turn the classifier."""
    attacks = table1.methods(case, case.cost, case.cost)
    changes = {}
    for method in METHODS if photographs.predict(case.model, case.x) == case.y else ():
        x_adv = (255 * attacks[method](case.model, case.x, case.y)).round() / 255
        if photographs.predict(case.model, x_adv) == case.y:
            return None
        changes[method] = _bytes(x_adv) - _bytes(case.x)
    return changes or None


def _window(changes: dict[str, np.ndarray]) -> tuple[int, int]:
    """Top and left of the window in which the methods change most, each divided by all that it changes."""
    total = sum(np.abs(change).sum(2) / np.abs(change).sum() for change in changes.values())
    means = F.avg_pool2d(torch.from_numpy(total)[None, None], WINDOW, stride=STRIDE)[0, 0]
    top, left = divmod(int(means.argmax()), means.shape[1])
    return STRIDE * top, STRIDE * left


def _sizes(pixels: np.ndarray, changes: dict[str, np.ndarray], judges: dict[str, perceptual.Distance]) -> list[dict]:
    """A row per method and size: the scale, L2, and the judges of the window; LPIPS and DISTS times 1,000."""
    target = l2(pixels, pixels + changes[REFERENCE])
    rows = []
    for method, change in changes.items():
        for size in SIZES:
            own = size == "own" or method == REFERENCE
            scale = 1.0 if own else equalled(pixels, change, target)
            changed = scaled(pixels, change, scale)
            pair = (torch.from_numpy(image / np.float32(255)).permute(2, 0, 1)[None] for image in (pixels, changed))
            x, x_adv = pair
            with torch.no_grad():
                told = {name: table1.SCALE.get(name, 1) * judge(x, x_adv).item() for name, judge in judges.items()}
            rows.append({"method": method, "size": size, "scale": scale, "L2": l2(pixels, changed)} | told)
    return rows


if __name__ == "__main__":
    target = Path(sys.argv[1]) if sys.argv[1:] else files.root() / "perturbations"
    target.mkdir(exist_ok=True)
    make(target)
