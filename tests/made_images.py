"""Images that several tests of slopes within classes share: those of images.csv, and made worlds with known truth."""

from pathlib import Path

import numpy as np
import pandas as pd

FOLDER = Path(__file__).resolve().parent / "fairness"
IMAGES = pd.read_csv(FOLDER / "images.csv")
REFERENCE = pd.read_csv(FOLDER / "reference.csv").set_index(["case", "term"])  # made by reference.R


def world(
    seed: int,
    *,
    countries: int = 8,
    classes: int = 10,
    images: int = 800,
    slope: float = 0.0,
    mix: bool = False,
    country_effect: float = 0.0,
) -> dict[str, np.ndarray]:
    """Arguments of `within_class`: accuracy rises with the class's number; `mix` gives the poor the low numbers."""
    rng = np.random.default_rng(seed)
    log_gdp = np.sort(rng.uniform(7, 11.5, countries))
    country = rng.integers(countries, size=images)
    rank = np.linspace(-1, 1, countries)[country, None]
    taste = np.linspace(-1, 1, classes) * rank if mix else np.zeros((images, classes))
    shown = (taste + rng.gumbel(size=taste.shape)).argmax(1)
    level = 0.3 + 0.4 * shown / (classes - 1) + slope * (log_gdp - 9.25)[country]
    level = np.clip(level + country_effect * rng.standard_normal(countries)[country], 0, 1)
    return {
        "right": rng.random(images) < level,
        "log_wealth": log_gdp[country],
        "classes": np.array([f"class {i}" for i in shown]),
        "countries": np.array([f"country {i}" for i in country]),
    }
