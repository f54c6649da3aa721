"""A number of ours with its interval, and what it rests on."""

import math
import re
from dataclasses import dataclass

TINY = 1e-9  # two decimal fractions that are equal on paper differ by less than this in binary


@dataclass(frozen=True)
class Estimate:
    """One number of ours with its 95 % interval, low <= value <= high.

    Parameters
    ----------
    value, low, high : float
        Finite, low <= value <= high; an exact number is both ends of its interval.
    anchor : str
        Label of the cell or section of the chapter that shows it.
    record : str
        The file or folder of the runs that it came from, relative to `data/`, or "" when the chapter computes it live.
    n : int or None
        Images behind it.
    sd : float or None
        Standard deviation between `seeds` trainings, then `value` is their mean; None where there is one or none.
    seeds : int
        Number of trainings, 1 or more.
    units : int or None
        How many independent trainings, worlds or adversarial data sets bear it; None where nothing was drawn. Left out,
        it is `seeds` where that is more than one.
    basis : str
        What it rests on, in words: "10 trainings x 2,000 images". Left out, it is put together from the other fields.

    Raises
    ------
    ValueError
        For anything else.
    """

    value: float
    low: float
    high: float
    anchor: str
    record: str = ""
    n: int | None = None
    sd: float | None = None
    seeds: int = 1
    units: int | None = None
    basis: str = ""

    def __post_init__(self) -> None:
        numbers = (self.value, self.low, self.high)
        if not all(_number(v) for v in numbers) or not self.low - TINY <= self.value <= self.high + TINY:
            raise ValueError(
                f"an estimate has value, low, high = {numbers}, expected finite numbers with low <= value <= high; "
                "an exact number has its own value as both ends of its interval"
            )
        if not isinstance(self.anchor, str) or not re.fullmatch(r"[\w.-]+", self.anchor):
            raise ValueError(f"anchor is {self.anchor!r}, expected the label of a place on the chapter's page")
        for name in ("record", "basis"):
            if not isinstance(text := getattr(self, name), str):
                raise ValueError(f"{name} is {text!r}, expected a text, or ''; see fairlib.book.claims.Estimate")
        if self.n is not None and not _count(self.n):
            raise ValueError(f"n is {self.n!r}, expected a number of images, or None")
        if not _count(self.seeds):
            raise ValueError(f"seeds is {self.seeds!r}, expected the number of trainings, 1 or more")
        if (self.sd is None) != (self.seeds == 1) or (self.sd is not None and not (_number(self.sd) and self.sd >= 0)):
            raise ValueError(
                f"sd is {self.sd!r} with seeds={self.seeds}, expected 0 or more with 2 trainings or more, else None"
            )
        if self.units is not None and not _count(self.units):
            raise ValueError(f"units is {self.units!r}, expected how many trainings, worlds or data sets, or None")
        if self.units is None and self.seeds > 1:
            object.__setattr__(self, "units", self.seeds)
        if not self.basis:
            object.__setattr__(self, "basis", self._counted())

    def _counted(self) -> str:
        images = f"{self.n:,} images" if self.n else ""
        trainings = f"{self.seeds} trainings" if self.seeds > 1 else ""
        if self.high - self.low < TINY and not (images or trainings):
            return "exact"
        return " x ".join(filter(None, (trainings, images)))


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
