"""Is the audit's verdict right where the truth is known? Made worlds, and how often the tests find a slope in them.

Countries and their GDP are those of the simulated world, from its poorest to its richest; images, classes and answers
are drawn. Where a country has most of the images, as in the paper, few countries carry a slope; collections made for
audits are more even. Where no slope was put in, a verdict in more than 5 % of the worlds is a fault of the test; the
raw slope may find the mix of classes, which is a real difference between countries.
"""

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from fairlib import checks, fairness, geography, runtime
from fairlib.book import runner

WORLDS = 1_000
COUNTRIES = (8, 20, 41)
IMAGES = 2_000  # in all countries together
CLASSES = 20
HOUSEHOLD = 10  # images of one, on average
LEVELS = (0.4, 0.8)  # accuracy in the hardest and the easiest class
TASTE = 1.0  # by how much the rich prefer the easiest class over the hardest, as the logarithm of the odds
HOUSEHOLD_EFFECT = 0.15  # standard deviations of accuracy
COUNTRY_EFFECT = 0.05
# What a world has besides chance.
KINDS = {
    "chance": set(),
    "classes": {"classes"},
    "clusters": {"clusters"},
    "countries": {"countries"},
    "all": {"classes", "clusters", "countries"},
}
SHARES = ("even", "paper")  # of the images: of each country the same, or as in the simulated world
SLOPES = (0.02, 0.04)  # put into worlds of the kind `all`, for power


def units(profile: str) -> list[dict]:
    """One of each kind of world without a slope, and of two slopes, for each number and each share of countries."""
    checks.one_of(profile, tuple(runtime.PROFILES), "profile")
    truths = [(kind, 0.0) for kind in KINDS] + [("all", slope) for slope in SLOPES]
    return [
        {"kind": kind, "countries": k, "shares": shares, "slope": slope}
        for shares in SHARES
        for k in COUNTRIES
        for kind, slope in truths
    ]


def run(*, kind: str, countries: int, shares: str, slope: float) -> dict:
    """`rows`: in how many of so many `worlds` each `test` has `rejected` at the level 0.05, and `covered` the truth.

    `raw`: the paper's. `within classes`: `fairness.within_class`. `established`: that within classes, with enough
    images and the raw slope of the same sign. `too_few`: worlds with too few images to say.
    """
    rng = np.random.default_rng([countries, list(KINDS).index(kind), SHARES.index(shares), round(1_000 * slope)])
    counts = {"raw": [0, 0], "within classes": [0, 0], "established": [0, 0]}
    too_few = 0
    for _ in range(WORLDS):
        made = world(rng, KINDS[kind], countries, shares, slope)
        explained = fairness.explained_by_classes(**made)
        enough = not fairness.too_few(made["right"], made["countries"], slope=explained.adjusted)
        too_few += not enough
        agrees = enough and explained.raw.slope * explained.adjusted.slope > 0
        for test, found, counted in (
            ("raw", explained.raw, True),
            ("within classes", explained.adjusted, True),
            ("established", explained.adjusted, agrees),
        ):
            counts[test][0] += bool(counted and found.p_value < fairness.LEVEL)
            counts[test][1] += found.low <= slope <= found.high
    rows = [
        {"test": test, "rejected": rejected, "covered": covered, "worlds": WORLDS}
        for test, (rejected, covered) in counts.items()
    ]
    return {"rows": rows, "too_few": int(too_few)}


def world(
    rng: np.random.Generator, parts: set[str], countries: int, shares: str, slope: float
) -> dict[str, np.ndarray]:
    """One world's images, as `fairness.within_class` takes them, without the clusters: these lie within countries.

    parts: what countries differ by. `classes`: the poor show more of the hard ones. `clusters`: a household's images
    share a level of their own. `countries`: each has one that wealth does not explain.
    """
    table = geography.shares().sort_values("log_gdp")
    table = table.iloc[np.linspace(0, len(table) - 1, countries).round().astype(int)]
    log_gdp = table["log_gdp"].to_numpy()
    weights = np.ones(countries) if shares == "even" else table["share"].to_numpy()
    share = weights / weights.sum()
    country = rng.choice(countries, IMAGES, p=share)
    wealth = (log_gdp - log_gdp.mean()) / log_gdp.std()
    ease = np.linspace(-0.5, 0.5, CLASSES)
    liking = TASTE * np.outer(wealth[country], ease) if "classes" in parts else np.zeros((IMAGES, CLASSES))
    shown = (liking + rng.gumbel(size=liking.shape)).argmax(1)
    level = np.linspace(*LEVELS, CLASSES)[shown] + slope * (log_gdp - log_gdp @ share)[country]
    if "countries" in parts:
        level = level + COUNTRY_EFFECT * rng.standard_normal(countries)[country]
    if "clusters" in parts:
        households = np.ceil(share * IMAGES / HOUSEHOLD).astype(int)  # of each country
        household = (rng.random(IMAGES) * households[country]).astype(int)
        effect = HOUSEHOLD_EFFECT * rng.standard_normal((countries, households.max()))
        level = level + effect[country, household]
    return {
        "right": rng.random(IMAGES) < np.clip(level, 0, 1),
        "log_wealth": log_gdp[country],
        "classes": shown,
        "countries": country,
    }


def rates() -> pd.DataFrame:
    """The share of rejections of each test, with its Wilson 95 % interval, from the records.

    Rows by `kind`, `countries`, `shares`, `slope` and `test`: `rejected`, `covered`, `worlds`, `share`, `low`, `high`.
    """
    found = runner.results("audit_worlds").set_index(["kind", "countries", "shares", "slope", "test"])
    low, high = proportion_confint(found["rejected"], found["worlds"], method="wilson")
    return found.assign(share=found["rejected"] / found["worlds"], low=low, high=high)
