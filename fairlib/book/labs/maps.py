"""Where in a window a distance sees the change: a map for each photograph, attack and distance of the lens.

`python -m fairlib.book.labs.maps` makes `data/perturbations/maps` out of `data/perturbations` (minutes of
one core).
"""

import functools
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from fairlib import files, perceptual, runtime
from fairlib.book.experiments import table1
from fairlib.book.labs import attacked

CELL = 4  # pixels along a side of one of a map's cells
NODES, WEIGHTS = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(3))  # on [-1, 1]


def attributed(distance: perceptual.Distance, x: Tensor, x_adv: Tensor) -> Tensor:
    """What each pixel of `x_adv` (1, 3, H, W) adds to its distance from `x`: (H, W), whose sum is the distance.

    The gradient along the straight way from x to x_adv, times the change, integrated by three nodes of Gauss and
    Legendre (Sundararajan, Taly and Yan 2017, integrated gradients).
    """
    kept = distance.features(x)
    total = torch.zeros_like(x)
    for node, weight in zip(NODES, WEIGHTS, strict=True):
        point = (x + (node.item() + 1) / 2 * (x_adv - x)).requires_grad_()
        [gradient] = torch.autograd.grad(distance.between(kept, point).sum(), point)
        total += weight.item() / 2 * gradient
    return (total * (x_adv - x)).sum(1)[0]


def cells(found: Tensor) -> np.ndarray:
    """A map's sums over cells of CELL x CELL pixels."""
    return (CELL**2 * F.avg_pool2d(found[None], CELL)[0]).numpy()


@functools.cache
def peaks() -> pd.DataFrame:
    """Of each `file` and distance what a cell of 255 adds, in the distance's own unit."""
    return pd.read_csv(files.checked("perturbations/maps/peaks.csv"), index_col="file")


def sheet(file: str) -> dict[str, dict[str, np.ndarray]]:
    """A photograph's maps by distance and method, (36, 36) uint8 each."""
    grey = np.asarray(Image.open(files.checked(f"perturbations/maps/{file}")).convert("L"))
    columns = zip(attacked.JUDGES, np.split(grey, len(attacked.JUDGES), axis=1), strict=True)
    return {
        judge: dict(zip(attacked.METHODS, np.split(column, len(attacked.METHODS)), strict=True))
        for judge, column in columns
    }


def make(folder: Path) -> None:
    """Write each photograph's maps into one picture, attacks below and distances beside each other; and their peaks.

    A distance has one scale for all attacks on a photograph. A cell that lowers the distance is 0.
    """
    judges = {name: perceptual.distance(judge) for name, judge in attacked.JUDGES.items()}
    found = {}
    for file in runtime.progress(list(attacked.table()["file"].unique()), "mapping"):
        clean, changes = attacked.pictures(file)
        x = _image(clean)
        made = {
            name: np.stack([cells(attributed(judge, x, _image(clean + change))) for change in changes.values()])
            for name, judge in judges.items()
        }
        found[file] = {name: float(maps.max()) for name, maps in made.items()}
        scaled = [np.rint(255 * maps.clip(0) / found[file][name]).astype(np.uint8) for name, maps in made.items()]
        sheet = np.concatenate([np.concatenate(list(maps)) for maps in scaled], axis=1)
        Image.fromarray(sheet).convert("RGB").save(folder / file, lossless=True, quality=100, method=6)
    table = pd.DataFrame(found).T.mul(pd.Series(table1.SCALE).reindex(judges, fill_value=1.0))
    table.to_csv(folder / "peaks.csv", index_label="file", float_format="%.7g", lineterminator="\n")


def _image(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels / np.float32(255)).permute(2, 0, 1)[None]


if __name__ == "__main__":
    target = Path(sys.argv[1]) if sys.argv[1:] else files.root() / "perturbations" / "maps"
    target.mkdir(exist_ok=True)
    make(target)
