"""The fairness lab: the countries of the simulated world, with their wealth and their shares of the images."""

import numpy as np
from matplotlib.figure import Figure

from fairlib import fairness, geography
from fairlib.book import plots

IMAGES = 20_000  # of the figure
HARDNESS = (0.2, 0.0, -0.2)  # as worlds.js has them
ACCURACY = 0.7


def numbers() -> dict:
    """What the page computes with: name, natural logarithm of GDP per head, and share of the images."""
    table = geography.shares()
    return {
        "countries": [
            {"name": name, "wealth": round(float(g), 6), "share": float(share)}
            for name, g, share in zip(table["name"], table["log_gdp"], table["share"], strict=True)
        ]
    }


def figure() -> tuple[Figure, str]:
    """A fair model between countries that show classes of other hardness: the raw slope is not zero."""
    table = geography.shares()
    rng = np.random.default_rng(0)
    country = rng.choice(len(table), IMAGES, p=table["share"])
    rich = 2 * (table["log_gdp"] - table["log_gdp"].min()) / np.ptp(table["log_gdp"]) - 1
    share = np.stack([(1 + rich) / 3, np.full(len(table), 1 / 3), (1 - rich) / 3], 1)
    classes = (rng.random(IMAGES)[:, None] > share.cumsum(1)[country]).sum(1)
    right = rng.random(IMAGES) < ACCURACY + np.array(HARDNESS)[classes]
    codes = table.index.to_numpy()[country]
    counted = fairness.country_table(codes, right, table["log_gdp"]).join(table["name"])
    line = fairness.band(counted, np.linspace(table["log_gdp"].min(), table["log_gdp"].max(), 50))
    return plots.wealth({"A model that treats each class alike everywhere": (counted, line)})
