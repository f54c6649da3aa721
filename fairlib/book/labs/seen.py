"""The lab `Can you see it?`: the figure that stands in for it."""

from matplotlib.figure import Figure
from torch import from_numpy

from fairlib.book import plots
from fairlib.book.labs import attacked
from fairlib.book.labs.attacked import credits

__all__ = ["credits", "figure"]
SHOWN = 0  # which of the photographs
TIMES = 10  # how much the changes below are enlarged


def figure() -> tuple[Figure, str]:
    """One window, under each attack; below, what each changes."""
    file = attacked.table()["file"].unique()[SHOWN]
    clean, changes = attacked.pictures(file)
    image = from_numpy(clean / 255).permute(2, 0, 1)
    moved = {method: from_numpy(change / 255).permute(2, 0, 1) for method, change in changes.items()}
    names = {method: attacked.NAMES[method].partition(",")[0] for method in moved}
    panels = {"original": image} | {names[method]: image + change for method, change in moved.items()}
    panels |= {"no change": 0 * image + 0.5}
    panels |= {f"{TIMES} x {names[m]}": (0.5 + TIMES * change).clamp(0, 1) for m, change in moved.items()}
    told = ", ".join(f"{attacked.NAMES[m]} {255 * change.abs().mean():.2f}" for m, change in moved.items())
    alt = (
        "A window of a photograph as it is and under five attacks, and below what each attack changes, "
        f"{TIMES} times enlarged. Mean change in levels of 255: {told}."
    )
    return plots.photographs(panels, alt, columns=len(moved) + 1)
