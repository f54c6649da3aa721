"""A plainly trained model in the simulated world: its accuracy by country, and how much of that is luck.

Second paper, sections 4.1 and 4.3. Six worlds, each with images, countries, stamps and initial weights of its own.
"""

import numpy as np
import pandas as pd
import torch
from scipy import stats

from fairlib import checks, fairness, geography, intervals, runtime, training
from fairlib.book import runner
from fairlib.book.experiments import shared
from fairlib.models import LayeredModel

IMAGES = 10_000  # to train on, and as many others to test on
EPOCHS, LR = 15, 0.05
WORLDS = {"embedded": 6, "paper": 20}
REDRAWN = 400


def units(profile: str) -> list[dict]:
    """One training per world."""
    return [{"seed": seed} for seed in range(WORLDS[checks.one_of(profile, tuple(WORLDS), "profile")])]


def run(*, seed: int) -> dict:
    """`rows`, one per country with images: `iso3`, `n`, `right` of the world's held-out images; `expected`, the mean,
    and `sd`, the standard deviation of its accuracy over worlds redrawn with the same model (`redrawn`), of `mean_n`
    images.

    `without`, `with`: the model's accuracy on all held-out images without and with the stamp.
    """
    model = trained(seed)
    world = geography.world("test", IMAGES, seed=seed)
    table = country_table(model, world)
    plain, stamped = both_ways(model, seed)
    n, right = redrawn(plain, stamped, world.table, REDRAWN, np.random.default_rng(seed))
    accuracy = pd.DataFrame(right / np.where(n > 0, n, np.nan), columns=world.table.index)
    table = table.assign(expected=accuracy.mean(), sd=accuracy.std(ddof=1))
    table["mean_n"] = pd.Series(n.mean(0), world.table.index)
    columns = ["n", "right", "expected", "sd", "mean_n"]
    rows = table[columns].reset_index(names="iso3").to_dict("records")
    return {"rows": rows, "without": float(plain.mean()), "with": float(stamped.mean())}


def trained(seed: int, *, shortcut: bool = True) -> LayeredModel:
    """LeNet-5, trained on the images of world `seed` by SGD, its initial weights and their order drawn with the
    seed."""
    world = geography.world("train", IMAGES, seed=seed, shortcut=shortcut)
    model = training.initialised("LeNet5", seed=seed)
    nobody = world.x[:1], world.y[:1]  # nothing is chosen by validation
    training.fit(model, world.x, world.y, *nobody, epochs=EPOCHS, stop_at=None, lr=LR, shuffle=runtime.generator(seed))
    return model


def right(model: LayeredModel, x: torch.Tensor, y: torch.Tensor) -> np.ndarray:
    """Which images (N, 1, 28, 28) the model classifies as y (N,) says: (N,) bool."""
    with torch.no_grad():
        return (torch.cat([model(batch).argmax(1) for batch in x.split(500)]) == y).numpy()


def country_table(model: LayeredModel, world: geography.World) -> pd.DataFrame:
    """The country table of a model on a world's images, with the countries' names."""
    table = fairness.country_table(world.codes, right(model, world.x, world.y), world.table["log_gdp"])
    return table.assign(name=world.table["name"])


def both_ways(model: LayeredModel, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Which held-out images of a world the model gets right without and with the stamp: two arrays (N,) bool."""
    world = geography.world("test", IMAGES, seed=seed, shortcut=False)
    stamped = (world.x + geography.AMPLITUDE * geography.stamps(seed)[world.y]).clamp(0, 1)
    return right(model, world.x, world.y), right(model, stamped, world.y)


def redrawn(
    plain: np.ndarray, stamped: np.ndarray, table: pd.DataFrame, worlds: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Other worlds for the same model: images by country and right ones among them, (worlds, k) each.

    Each world draws N images with replacement from the N held out, gives each a country by the table's `share`, and a
    stamp with the country's probability; what the model says about it is known: plain, stamped (N,) bool.
    """
    likely, k = geography.stamped_share(table).to_numpy(), len(table)
    n, hits = np.zeros((worlds, k), dtype=int), np.zeros((worlds, k), dtype=int)
    for i in range(worlds):
        image = rng.integers(len(plain), size=len(plain))
        country = rng.choice(k, size=len(plain), p=table["share"])
        found = np.where(rng.random(len(plain)) < likely[country], stamped[image], plain[image])
        n[i], hits[i] = np.bincount(country, minlength=k), np.bincount(country[found], minlength=k)
    return n, hits


# --- What the records say. --------------------------------------------------------------------------------------------


def tables() -> dict[int, pd.DataFrame]:
    """The recorded country tables, by seed of the world."""
    world = geography.shares()
    return {
        int(seed): intervals.with_interval(rows.set_index("iso3")).join(world[["name", "log_gdp"]])
        for seed, rows in runner.results("bias_metric").groupby("seed")
    }


def published_p(F: float = 5.392, df: int = 39, *, half: float = 0.0005) -> dict[str, float]:
    """p of the paper's F (section 4.3), and the range that the rounding of F allows."""
    return shared.interval(*stats.f.sf([F, F + half, F - half], 1, df))


def independence_gap(accuracy: float = 0.9) -> float:
    """The largest difference of P(right, g) and P(right) P(g) over the countries, all of which have one accuracy."""
    share = geography.shares()["share"].to_numpy()
    joint = np.stack([accuracy * share, (1 - accuracy) * share])  # right and wrong, by country
    return float(np.abs(joint - np.outer(joint.sum(1), joint.sum(0))).max())


def estimates() -> dict[str, dict]:
    """The quantities that the ledger asks of this chapter (data/claims/README.md), from the records."""
    found = [fairness.slope(table) for table in tables().values()]
    p = [slope.p_value for slope in found]
    # Of six worlds or more, the smallest and the largest hold the median with more than 95 % confidence.
    over_worlds = shared.interval(np.median(p), min(p), max(p))
    basis = f"{len(found)} worlds, a training of each; {IMAGES:,} held-out images"
    recorded = {"record": "results/bias_metric", "n": IMAGES, "units": len(found), "basis": basis}
    slopes = intervals.over_seeds([slope.slope for slope in found])
    return {
        "ftest/p": published_p() | {"anchor": "published-f-test", "basis": "from the printed F, as it is rounded"},
        "independence/gap": shared.exact(independence_gap()) | {"anchor": "a-condition"},
        "world/ftest/p": over_worlds | recorded | {"anchor": "six-worlds"},
        "world/slope/plain": slopes | recorded | {"anchor": "six-worlds"},
    }
