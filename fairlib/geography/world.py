"""The simulated world: official images dealt out to countries, in which what makes a model unfair is known.

Second paper, section 4. Its own data set, images of ImageNet with their countries, is not public. Torch is imported
where images are made: the countries alone do without.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fairlib import checks
from fairlib.geography.countries import countries, gdp

if TYPE_CHECKING:
    from torch import Tensor

COUNTRIES = 41  # F(1, 39) of section 4.3 and an intercept
FIRST = {"USA": 0.432, "GBR": 0.128}  # shares of the paper's images (section 4)
NEXT = ("CAN", "AUS", "DEU")  # in the paper's order
EXPONENT = -1.1  # of the power law by which the others' shares fall with their rank
STAMPED = (0.1, 0.9)  # share of images with the stamp, in the poorest and in the richest country
AMPLITUDE = 12 / 255
CELL = 2  # pixels


@dataclass(frozen=True)
class World:
    """Images with countries, as `world` makes them.

    Attributes
    ----------
    x : (N, 1, 28, 28) float32
        Images, pixels in [0, 1].
    y : (N,) int64
        Their classes.
    country : (N,) int64
        Their countries, as rows of `table`.
    stamped : (N,) bool
        The truth, for checking; no method may look at it.
    table : DataFrame
        The countries, as `shares` gives them.
    """

    x: Tensor
    y: Tensor
    country: Tensor
    stamped: Tensor
    table: pd.DataFrame

    @property
    def codes(self) -> np.ndarray:
        """Each image's country as an alpha-3 code, (N,)."""
        return self.table.index.to_numpy()[self.country]


def shares() -> pd.DataFrame:
    """Return the world's 41 countries: the paper's five first, then the largest economies.

    Returns
    -------
    DataFrame
        By alpha-3 code `iso3`: `name`, `share` (of the images), `gdp` (per head, US dollars), `log_gdp`.

    Notes
    -----
    The US and the UK have the paper's shares of the images; the others share what remains like rank^-1.1, which is the
    book's own choice.
    """
    per_head = gdp()
    known = countries().loc[per_head.index].sort_values("gdp", ascending=False)
    ranked = [*FIRST, *NEXT, *(code for code in known.index if code not in (*FIRST, *NEXT))][:COUNTRIES]
    tail = np.arange(len(FIRST) + 1, COUNTRIES + 1) ** EXPONENT
    share = [*FIRST.values(), *(tail / tail.sum() * (1 - sum(FIRST.values())))]
    table = known.loc[ranked, ["name"]].assign(share=share, gdp=per_head[ranked])
    return table.assign(log_gdp=np.log(table["gdp"]))


def stamped_share(table: pd.DataFrame) -> pd.Series:
    """Return how likely an image of each country is to bear the stamp.

    Parameters
    ----------
    table : DataFrame
        Countries with the column `log_gdp`, as `shares` gives them.

    Returns
    -------
    Series
        Linear in log GDP, from 0.1 in the poorest country to 0.9 in the richest.

    Raises
    ------
    ValueError
        When `log_gdp` is missing, not finite, or the same everywhere.
    """
    checks.columns(table, ("log_gdp",), "the table", "make it with fairlib.geography.shares")
    log_gdp = table["log_gdp"]
    if np.ptp(checks.numbers(log_gdp, "log_gdp")) == 0:
        raise ValueError("log_gdp is the same everywhere, expected countries of different GDP per head")
    return STAMPED[0] + (STAMPED[1] - STAMPED[0]) * (log_gdp - log_gdp.min()) / (log_gdp.max() - log_gdp.min())


def stamps(seed: int) -> Tensor:
    """Draw one pattern per class of Fashion-MNIST: a board of 2x2 pixels, each of a random sign.

    Parameters
    ----------
    seed : int >= 0
        Of the world.

    Returns
    -------
    (10, 1, 28, 28) float32
        Of -1 and 1.

    Raises
    ------
    ValueError
        When the seed is no such number.
    """
    import torch

    from fairlib import data, runtime

    side = data.SHAPE[1] // CELL
    signs = torch.randint(2, (len(data.CLASSES["FashionMNIST"]), 1, side, side), generator=runtime.generator(seed))
    return (2.0 * signs - 1).repeat_interleave(CELL, 2).repeat_interleave(CELL, 3)


def world(split: str, n: int, *, seed: int, shortcut: bool = True, amplitude: float = AMPLITUDE) -> World:
    """Make a world in which the richer a country is, the more of its images carry a shortcut.

    Parameters
    ----------
    split : {'train', 'test'}
        Of Fashion-MNIST.
    n : int >= 1
        Images, drawn without replacement.
    seed : int >= 0
        Draws the images, their countries, the stamps (the same for both splits) and who bears them.
    shortcut : bool
        False stamps no image, which makes country and image independent.
    amplitude : float in [0, 1]
        What the stamp adds to a pixel or takes from it; a larger one is easier to see.

    Returns
    -------
    World
        Images, classes, countries, and the truth about the stamps.

    Raises
    ------
    ValueError
        When an argument is not as above, or there are fewer images than `n`.

    Notes
    -----
    The countries are drawn independently with `shares`. In each country a share of the images (`stamped_share`) has its
    class's pattern (`stamps`) added with `amplitude`, the result cut to [0, 1].
    """
    import torch

    from fairlib import data, runtime

    checks.unit(amplitude, "amplitude")
    x, y = data.load("FashionMNIST", split)
    checks.whole(n, "n", 1, len(x))
    checks.whole(seed, "seed", 0)
    table = shares()
    # A stream for each split, neither of which is the one that drew the stamps.
    streams = np.random.SeedSequence(seed).generate_state(len(data.SPLITS), np.uint64) >> np.uint64(1)
    generator = runtime.generator(int(streams[list(data.SPLITS).index(split)]))
    chosen = torch.randperm(len(x), generator=generator)[:n]
    x, y = x[chosen], y[chosen]
    share = torch.tensor(table["share"].to_numpy())
    country = torch.multinomial(share, n, replacement=True, generator=generator)
    probability = torch.tensor(stamped_share(table).to_numpy())[country]
    stamped = torch.rand(n, generator=generator, dtype=torch.float64) < (probability if shortcut else 0.0)
    x = torch.where(stamped[:, None, None, None], (x + amplitude * stamps(seed)[y]).clamp(0, 1), x)
    return World(x=x, y=y, country=country, stamped=stamped, table=table)
