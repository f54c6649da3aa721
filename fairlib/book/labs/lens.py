"""The perturbation lens: each distance's maps, and the figure that stands in for it."""

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor, from_numpy

from fairlib import files
from fairlib.book import plots
from fairlib.book.labs import attacked, encoded, maps
from fairlib.book.labs.attacked import credits

__all__ = ["credits", "figure", "numbers"]
FULL = 0.02  # share of a map's cells that are shown at full brightness
SHOWN = ("pgd", "ours_a=0")  # of the figure, on the second of the photographs


def numbers() -> dict:
    """The side of a map's cell, the distances, and of each photograph the sheet of its maps as WebP in base64."""
    shown = attacked.table()["file"].unique()
    sheets = [files.checked(f"perturbations/maps/{file}").read_bytes() for file in shown]
    return {"cell": maps.CELL, "judges": list(attacked.JUDGES), "sheets": [encoded.text(sheet) for sheet in sheets]}


def figure() -> tuple[Figure, str]:
    """Two attacks on one window: what it looks like, and where each distance sees the change."""
    file = attacked.table()["file"].unique()[1]
    clean, changes = attacked.pictures(file)
    sheets = maps.sheet(file)
    panels, told = {}, []
    for method in SHOWN:
        name = attacked.NAMES[method]
        panels[name] = _channels((clean + changes[method]) / 255)
        panels[f"{name}: change"] = _grey(_brightened(np.abs(changes[method]).max(2)))
        for judge in attacked.JUDGES:
            panels[f"{judge}"[:9] + f" of {method}"] = _grey(_brightened(sheets[judge][method]))
        told.append(f"{name} changes {100 * (changes[method] != 0).any(2).mean():.0f} % of the pixels")
    alt = (
        "Two rows, one for each of two attacks on the same window of a photograph: the attacked window, the change of "
        f"each pixel, and for four distances a map of where they see it, each brightened. {'; '.join(told)}."
    )
    return plots.photographs(panels, alt, columns=2 + len(attacked.JUDGES))


def _brightened(values: np.ndarray) -> np.ndarray:
    """A map for display, as the page has it: all but its brightest `FULL` of cells lie below 1."""
    full = np.sort(values, axis=None)[::-1][int(FULL * values.size)] or values.max() or 1
    return np.clip(values / full, 0, 1)


def _channels(image: np.ndarray) -> Tensor:
    return from_numpy(image).permute(2, 0, 1)


def _grey(values: np.ndarray) -> Tensor:
    return from_numpy(np.repeat(values[None], 3, 0))
