"""Do models trained on the worst case depend less on a country's wealth? All arms, in the simulated world.

Second paper, sections 4.2 and 4.3 and figure 5b. The world says which image carries the shortcut; that is looked at
here after all training is done, to explain what was found.
"""

from collections.abc import Callable
from functools import cache, partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fairlib import attacks, checks, dro, fairness, geography, intervals, perceptual, runtime, training
from fairlib.book import runner
from fairlib.book.experiments import shared
from fairlib.models import LayeredModel

START = ("LeNet5", "World")  # the model that every arm starts from, trained plainly on the world
WORLD = 0  # its seed
IMAGES = 10_000  # that the start model was trained on, and as many others to test on
ALPHA, T1, T2, BATCH = 0.01, 3, 3, 32
TOGETHER = 10  # models that are trained in step
NOISE = 8 / 255
SSIM_LENGTH = 0.7  # the mean length of PGD's attacks on the start model
PERC_STEPS = 20


# What each arm attacks with; None for no attack. Hyperparameters are the attacks' own defaults where none stand here.
ARMS: dict[str, Callable[[torch.Generator], dro.Attack] | None] = {
    "plain": None,
    "noise": lambda generator: partial(attacks.random_sign, eps=NOISE, generator=generator),
    "pgd": lambda generator: attacks.pgd_l2,
    "perc": lambda generator: partial(attacks.perc_al, iterations=PERC_STEPS),
    "ssim": lambda generator: partial(attacks.ssim_step, length=SSIM_LENGTH),
    "ours": lambda generator: partial(attacks.perceptual, cost=perceptual.distance("SSIM")),
    "pgd, rounded at the end": lambda generator: partial(attacks.pgd_l2, quantise="straight_through"),
    "ours, rounded at the end": lambda generator: partial(
        attacks.perceptual, cost=perceptual.distance("SSIM"), quantise="straight_through"
    ),
}
ADVERSARIAL = ("pgd", "perc", "ssim", "ours")
RIVALS = ("pgd", "perc")  # what the paper compares with
VARIANTS = ("pgd, rounded at the end", "ours, rounded at the end")
# Images that Algorithm 2 starts from; D_rob for each adversarial arm, and for each variant; models from an arm's first
# D_rob, from each other one, and from one of a variant.
SIZES = {
    "embedded": {"images": 2_000, "sets": 8, "variants": 3, "first": 50, "others": 10, "variant": 5},
    "paper": {"images": 10_000, "sets": 8, "variants": 8, "first": 50, "others": 50, "variant": 50},
}


def units(profile: str) -> list[dict]:
    """The start model, and for each arm its data sets D_rob, a seed each, with the models trained on it."""
    size = SIZES[checks.one_of(profile, tuple(SIZES), "profile")]
    found = [{"arm": "start", "seed": 0, "images": IMAGES, "models": 1}]
    sets = dict.fromkeys(ARMS, 1) | dict.fromkeys(ADVERSARIAL, size["sets"]) | dict.fromkeys(VARIANTS, size["variants"])
    for arm, n in sets.items():
        for seed in range(n):
            models = size["variant" if arm in VARIANTS else "others" if seed else "first"]
            found.append({"arm": arm, "seed": seed, "images": size["images"], "models": models})
    return found


def run(*, arm: str, seed: int, images: int, models: int) -> dict:
    """`rows` of `model` and how many held-out images it gets `right`, a number per country.

    For every arm but `start` also a row per `group` of held-out images: by how much the arm's models, on the mean, are
    more accurate on them than the start model (`value`, with its 95 % interval over images, `low` and `high`, of `n`).
    """
    test, model = geography.world("test", IMAGES, seed=WORLD), training.shipped(*START)
    before = right(model, test.x, test.y)
    if arm == "start":
        return {"rows": [{"model": 0, "right": by_country(before, test.country)}]}
    trained = arm_models(model, arm, seed=seed, images=images, models=models)
    found = torch.stack([right(one, test.x, test.y) for one in trained])
    rows = [{"model": i, "right": by_country(one, test.country)} for i, one in enumerate(found)]
    gained = found.float().mean(0) - before.float()
    return {"rows": rows + [{"group": name} | shared.mean(gained[of]) for name, of in groups(test).items()]}


def arm_models(model: LayeredModel, arm: str, *, seed: int, images: int, models: int) -> list[LayeredModel]:
    """Algorithm 2 from `model` with the arm's attack, on the first `images` of the world; then Algorithm 3.

    Every draw is the arm's and the seed's own. `plain` trains on the images themselves, for as many steps.
    """
    world = geography.world("train", IMAGES, seed=WORLD)
    x, y, rounds = world.x[:images], world.y[:images], T2
    own = 1_000 * (list(ARMS).index(checks.one_of(arm, tuple(ARMS), "arm")) * 1_000 + seed)
    if ARMS[arm] is None:
        rob, rounds = dro.WeightedImages(x, y, torch.ones(images, dtype=torch.float64)), (T1 + 1) * T2
    else:
        g = runtime.generator(own)
        options = {"iterations": T1, "lr": ALPHA, "batch_size": BATCH, "generator": g}
        rob = dro.adversarial_data(model, x, y, attack=ARMS[arm](g), **options)
    seeds = [own + 1 + i for i in range(models)]
    parts = [seeds[first : first + TOGETHER] for first in range(0, models, TOGETHER)]
    options = {"lr": ALPHA, "rounds": rounds, "batch_size": BATCH}
    return [one for part in parts for one in dro.train_many(model, rob, seeds=part, **options)]


def right(model: LayeredModel, x: Tensor, y: Tensor) -> Tensor:
    """Which images (N, 1, 28, 28) the model classifies as y (N,) says: (N,) bool."""
    with torch.no_grad():
        return torch.cat([model(batch).argmax(1) for batch in x.split(100)]) == y


def by_country(chosen: Tensor, country: Tensor) -> list[int]:
    """How many of the chosen images (N,) bool come from each country (N,)."""
    return torch.bincount(country[chosen], minlength=geography.COUNTRIES).tolist()


def groups(world: geography.World) -> dict[str, Tensor]:
    """Images by their country's GDP per head, a third of the countries each, and by what the world hides: (N,) bool."""
    thirds = np.array_split(world.table["log_gdp"].to_numpy().argsort(), 3)
    wealth = dict(zip(("poorest third", "middle third", "richest third"), thirds, strict=True))
    found = {name: torch.isin(world.country, torch.tensor(which)) for name, which in wealth.items()}
    everybody = torch.ones_like(world.stamped)
    return found | {"all": everybody, "stamped": world.stamped, "not stamped": ~world.stamped}


# --- What the records say. --------------------------------------------------------------------------------------------


def recorded() -> pd.DataFrame:
    """The rows of all units; of each arm and seed those with most images where both profiles were run."""
    return shared.largest(runner.results("fairer"), ["arm", "seed"])


def table(right: list[int]) -> pd.DataFrame:
    """The country table of a model that gets so many held-out images right, a number per country."""
    countries = held_out()
    found = countries.assign(right=right)[countries["n"] > 0]
    return found.assign(accuracy=found["right"] / found["n"])


@cache
def held_out() -> pd.DataFrame:
    """The world's countries, `log_gdp` and how many held-out images they have, `n`."""
    test = geography.world("test", IMAGES, seed=WORLD)
    return test.table[["log_gdp"]].assign(n=by_country(torch.ones_like(test.stamped), test.country))


def slopes() -> pd.DataFrame:
    """Of each model the absolute GLS `slope` and the `accuracy` over all held-out images: `arm`, `seed`, `model`."""
    rows = recorded().dropna(subset=["right"])
    tables = [table(right) for right in rows["right"]]
    slope = [abs(fairness.slope(one).slope) for one in tables]
    accuracy = [one["right"].sum() / one["n"].sum() for one in tables]
    found = rows[["arm", "seed"]].assign(model=rows["model"].astype(int), slope=slope, accuracy=accuracy)
    return found.reset_index(drop=True)


def first(found: pd.DataFrame, arm: str) -> np.ndarray:
    """The slopes of an arm's models from its first D_rob."""
    return found.query("arm == @arm and seed == 0")["slope"].to_numpy()


def by_set(found: pd.DataFrame, arm: str) -> list[np.ndarray]:
    """The slopes of an arm's models, an array for each D_rob."""
    return [models["slope"].to_numpy() for _, models in found.query("arm == @arm").groupby("seed")]


def accuracies(arm: str) -> np.ndarray:
    """Of each of the arm's data sets the accuracy in each country with held-out images, the mean of its models: (sets,
    k)."""
    rows = recorded().dropna(subset=["right"]).query("arm == @arm")
    return np.stack(
        [np.mean([table(right)["accuracy"] for right in own], axis=0) for _, own in rows.groupby("seed")["right"]]
    )


def poorest(found: pd.DataFrame) -> float:
    """The accuracy over the images of the third of the countries with the lowest GDP; `found` as `table` gives it."""
    own = found[found.index.isin(poorest_countries())]
    return own["right"].sum() / own["n"].sum()


def poorest_countries() -> pd.Index:
    """The third of the countries with the lowest GDP per head."""
    return held_out().index[np.array_split(held_out()["log_gdp"].to_numpy().argsort(), 3)[0]]


def summary() -> pd.DataFrame:
    """Of each arm the mean over its data sets of `slope`, `accuracy` and `poorest`, and how many `sets` there are."""
    rows = recorded().dropna(subset=["right"])
    worst = [poorest(table(right)) for right in rows["right"]]
    by_set = slopes().assign(poorest=worst).groupby(["arm", "seed"])[["slope", "accuracy", "poorest"]].mean()
    return by_set.groupby("arm").mean().assign(sets=by_set.groupby("arm").size())


def start_point() -> pd.DataFrame:
    """The start model's `slope`, `accuracy` and `poorest`, one row."""
    return summary().loc[["start"]]


def drawn(arms: dict[str, np.ndarray] | None = None) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The slope, and the accuracy in the poorest third, from arms' `accuracies` (else the start model's and the paper's
    three arms'), as they are and in draws of countries and data sets (`shared.country_draws`): by arm (1 + draws,)."""
    countries = held_out().query("n > 0").reset_index(drop=True)
    log_gdp, n = countries["log_gdp"].to_numpy(), countries["n"].to_numpy()
    arms = arms or {arm: accuracies(arm) for arm in ("start", *RIVALS, "ours")}
    poor = np.flatnonzero(np.isin(held_out().query("n > 0").index, poorest_countries()))
    slope = shared.country_draws(shared.slope_of(log_gdp, n), len(n), list(arms.values()))
    worst = shared.country_draws(shared.accuracy_of(n[poor]), len(poor), [one[:, poor] for one in arms.values()])
    return tuple(dict(zip(arms, found.T, strict=True)) for found in (slope, worst))


def changes() -> pd.DataFrame:
    """By how much each arm's models from its first D_rob are more accurate than the start model, a row per `group`."""
    rows = recorded().dropna(subset=["group"]).query("seed == 0")
    return rows[["arm", "group", "value", "low", "high", "n"]].reset_index(drop=True)


AT = 0.85  # the accuracy at which slopes are compared


def frontier() -> pd.DataFrame:
    """Of each arm, data set and point (`alpha`, `rounds`) of `frontier` the means of `slope`, `accuracy`, `poorest`.

    The first rows are the start model's, from which all training sets out: `alpha` and `rounds` 0. FileNotFoundError
    without records.
    """
    rows = shared.largest(runner.results("frontier"), ["arm", "seed"])
    tables = [table(right) for right in rows["right"]]
    found = rows[["arm", "seed", "alpha", "rounds"]].assign(
        slope=[abs(fairness.slope(one).slope) for one in tables],
        accuracy=[one["right"].sum() / one["n"].sum() for one in tables],
        poorest=[poorest(one) for one in tables],
    )
    before = summary().loc["start", ["slope", "accuracy", "poorest"]].to_dict()
    begin = found[["arm", "seed"]].drop_duplicates().assign(alpha=0.0, rounds=0, **before)
    return pd.concat([begin, found]).groupby(["arm", "seed", "alpha", "rounds"], as_index=False).mean()


def at_accuracy(found: pd.DataFrame, column: str = "slope", accuracy: float = AT) -> dict[str, np.ndarray]:
    """Of each arm the column at this accuracy, a number per data set, on the straight lines between its points.

    `found` is what `frontier` gives; a data set whose models never come down to this accuracy is left out.
    """
    curves = {key: curve.sort_values("accuracy") for key, curve in found.groupby(["arm", "seed"])}
    at = {key: np.interp(accuracy, c["accuracy"], c[column], left=np.nan, right=np.nan) for key, c in curves.items()}
    values = pd.Series(at).dropna()
    return {arm: values[[key for key in values.index if key[0] == arm]].to_numpy() for arm in (*RIVALS, "ours")}


def early(found: pd.DataFrame) -> dict[str, dict]:
    """Where Algorithm 1's path of `frontier` is flattest with the poorest third above the start model's, beyond luck.

    `slope` and `poorest` there with intervals over data sets, `alpha` and `rounds`; empty if there is no such point.
    """
    before, points = found.query("rounds == 0")["poorest"].iloc[0], found.query("arm == 'ours' and rounds > 0")
    told = [
        {"alpha": a, "rounds": r} | {c: intervals.over_seeds(point[c]) for c in ("slope", "poorest")}
        for (a, r), point in points.groupby(["alpha", "rounds"])
    ]
    return min((p for p in told if p["poorest"]["low"] > before), key=lambda p: p["slope"]["value"], default={})


ONE = "one world and one start model"
BASIS = ONE + "; {sets} adversarial data sets an arm, {images:,} held-out images"
MODELS_OF_ONE = ONE + "; fifty models of one adversarial data set an arm"
FEWER = ONE + "; {sets} adversarial data sets an arm, five models of each at six lengths"


def estimates() -> dict[str, dict]:
    """The quantities that the ledger asks of this chapter (data/claims/README.md), from the records.

    Differences of slopes have intervals over countries and data sets (`shared.country_draws`). The paper's own count,
    fifty models of one data set, is `slope/models/...`. Those at equal accuracy are left out until `frontier` has run.
    """
    slope, worst = drawn()
    compared = {f"slope/{arm}_minus_ours": slope[arm] - slope["ours"] for arm in (*RIVALS, "start")}
    compared["slope/margin/ours"] = np.min([slope[arm] for arm in RIVALS], axis=0) - slope["ours"]
    found = {key: shared.percentiles(draws) | {"anchor": "fig-5b"} for key, draws in compared.items()}
    for arm in (*RIVALS, "start"):
        gap = shared.percentiles(worst["ours"] - worst[arm])
        found[f"poor_accuracy/ours_minus_{arm}"] = gap | {"anchor": "who-gains"}
    models = slopes()
    for arm in RIVALS:
        c = fairness.compare(first(models, arm), first(models, "ours"), "welch")
        found[f"slope/models/{arm}_minus_ours"] = _interval(c) | {"anchor": "data-sets", "basis": MODELS_OF_ONE}
        c = fairness.compare_over_sets(by_set(models, arm), by_set(models, "ours"))
        found[f"slope/drob/{arm}_minus_ours"] = _interval(c) | {"anchor": "data-sets"}
    try:
        equal = at_accuracy(frontier())
    except FileNotFoundError:
        equal = {}
    for arm in RIVALS if min(map(len, equal.values()), default=0) > 1 else ():
        found[f"slope/equal_accuracy/{arm}_minus_ours"] = _interval(
            fairness.compare(equal[arm], equal["ours"], "welch")
        ) | {"anchor": "frontier", "basis": FEWER.format(sets=len(equal["ours"])), "record": "results/frontier"}
    basis = BASIS.format(sets=len(by_set(models, "ours")), images=IMAGES)
    shown = {"record": "results/fairer", "n": IMAGES, "basis": basis, "units": 1}
    return {key: shown | fields for key, fields in found.items()}


def _interval(comparison: fairness.Comparison) -> dict[str, float]:
    return shared.interval(comparison.difference, comparison.low, comparison.high)
