"""Is the audit's verdict right where the truth is known? Made worlds, and how often the verdict finds a slope in them.

Countries and their GDP are those of the simulated world, from its poorest to its richest; images, classes and answers
are drawn, and none of the audit's functions draws them. The share of worlds without a slope in which one is established
is the verdict's size, that of the worlds with a slope its power. `fairlib.audit.decide` and
`fairlib.audit.compare_images` are what the command prints the verdict of.
"""

from functools import cache

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from fairlib import audit, checks, fairness, geography, runtime
from fairlib.book import runner

WORLDS = 1_000
COUNTRIES = (8, 20, 41)
IMAGES = 2_000  # in all countries together
FEW = {5: (60, 100), 8: (100, 200)}  # countries and images, near the least that a verdict is given for
HOUSEHOLD = 10  # images of one, on average
LEVELS = (0.3, 0.7)  # accuracy in the hardest and the easiest class
TASTE = 1.0  # log odds by which the richest prefer the easiest class over the hardest, per standard deviation of wealth
SHARED_LUCK = 0.3  # the share of images whose luck is their household's; two of one household are alike as its square
COUNTRY_EFFECT = 0.05  # standard deviation of accuracy
SCATTER = (0.10, 0.02)  # the same in the poorest and in the richest country, where the poor differ more
# What a world has besides chance, and how many classes.
KINDS = {
    "chance": (set(), 20),
    "classes": ({"classes"}, 20),
    "small classes": ({"classes"}, 400),
    "clusters": ({"clusters"}, 20),
    "countries": ({"countries"}, 20),
    "scatter": ({"scatter"}, 20),
    "all": ({"classes", "clusters", "countries"}, 20),
}
HARDER = ("small classes", "scatter")  # than what the audit promises; with even shares only
PROMISED = tuple(kind for kind in KINDS if kind not in HARDER)
SHARES = ("even", "paper")  # of the images: of each country the same, or as in the simulated world
SLOPES = {"even": (0.01, 0.02, 0.03, 0.05), "paper": (0.02, 0.05)}  # accuracy per unit of log GDP
FREEDOM = (0, 1, 2, 3, 4, 6, 10, 1_000)  # degrees of freedom, in classes of which rejections are counted
# Two models in the same world: their slopes, and how they differ besides.
MODELS = {"equal": (0.03, 0.03), "flatter": (0.05, 0.0)}
MORE_ACCURATE = 0.05  # the second, everywhere
OWN_EFFECT = 0.03  # of a country on either model alone: standard deviation of accuracy
OWN_LUCK = 0.3  # the share of images whose luck is not the same for both


def units(profile: str) -> list[dict]:
    """Worlds without a slope of each kind; two models; few images; and worlds with a slope, for power."""
    checks.one_of(profile, tuple(runtime.PROFILES), "profile")
    many = [(k, IMAGES) for k in COUNTRIES]
    few = [(k, images) for k, sizes in FEW.items() for images in sizes]
    verdicts = [(kind, shares, *size, 0.0) for kind in PROMISED for shares in SHARES for size in many]
    verdicts += [("all", "even", *size, 0.0) for size in few]
    verdicts += [
        ("all", shares, *size, slope) for shares, slopes in SLOPES.items() for slope in slopes for size in many
    ]
    verdicts += [(kind, "even", *size, 0.0) for kind in HARDER for size in many]
    models = [(kind, shares, *size) for kind in MODELS for shares in SHARES for size in many]
    names = ("what", "kind", "shares", "countries", "images", "slope")
    return [
        dict(zip(names, (what, *arguments), strict=False))
        for what, listed in (("verdict", verdicts), ("models", models))
        for arguments in listed
    ]


def run(*, what: str, kind: str, shares: str, countries: int, images: int, slope: float = 0.0) -> dict:
    """What is counted in `WORLDS` worlds.

    `verdict`: `rows`, one for each `outcome` that the audit may print, with the number of `worlds`, of those in which
    the `raw` test and that `within` classes rejects at the level 0.05, and of those in which the interval of the slope
    within classes has `covered` the true one. `freedom`: rows of the number of `worlds` whose slope within classes has
    degrees of freedom `above` one number and up to the next, and of those in which its test has `rejected`.

    `models`: `rows`, one for each `outcome` (what the second model is, or that there are too few images), with the
    number of `worlds`, of those whose interval has `covered` the true difference, and of those with `levelling_down`.
    """
    key = [list(SHARES).index(shares), countries, images, round(1_000 * slope)]
    if checks.one_of(what, ("verdict", "models"), "what") == "verdict":
        rng = np.random.default_rng([0, list(KINDS).index(kind), *key])
        found = pd.DataFrame(
            [verdict(world(rng, kind, shares, countries, images, slope), slope) for _ in range(WORLDS)]
        )
        return {"rows": counted(found.drop(columns="freedom")), "freedom": by_freedom(found)}
    rng = np.random.default_rng([1, list(MODELS).index(kind), *key])
    both = [models(two_models(rng, kind, shares, countries, images), kind) for _ in range(WORLDS)]
    return {"rows": counted(pd.DataFrame(both))}


def counted(found: pd.DataFrame) -> list[dict]:
    """A row for each outcome: how many worlds, and in how many of them each other column holds."""
    groups = found.groupby("outcome")
    table = groups.sum().astype(int).assign(worlds=groups.size())
    return table.reset_index().to_dict("records")


def by_freedom(found: pd.DataFrame) -> list[dict]:
    """How many worlds have so many degrees of freedom, and in how many of them the test within classes rejects."""
    above = pd.cut(found["freedom"], FREEDOM, labels=FREEDOM[:-1]).astype(float)
    rows = found.groupby(above)["within"].agg(["size", "sum"])
    return [{"above": int(at), "worlds": int(row["size"]), "rejected": int(row["sum"])} for at, row in rows.iterrows()]


# --- The worlds: no function of the audit's is called here. -----------------------------------------------------------


@cache
def wealth_and_share(shares: str, countries: int) -> tuple[np.ndarray, np.ndarray]:
    """Log GDP of so many countries, from the poorest to the richest, and the share of the images that each has."""
    table = geography.shares().sort_values("log_gdp")
    table = table.iloc[np.linspace(0, len(table) - 1, countries).round().astype(int)]
    weights = np.ones(countries) if shares == "even" else table["share"].to_numpy()
    return table["log_gdp"].to_numpy(), weights / weights.sum()


def world(rng: np.random.Generator, kind: str, shares: str, countries: int, images: int, slope: float) -> pd.DataFrame:
    """One world as the audit's table of images: `right`, `log_wealth`, `class`, `country`, `name`, `cluster`."""
    table, level, luck = drawn(rng, kind, shares, countries, images)
    return table.assign(right=luck < level + slope * away(table["log_wealth"]))


def two_models(rng: np.random.Generator, kind: str, shares: str, countries: int, images: int) -> pd.DataFrame:
    """One world of the kind `all` with two models: as `world` gives it, but `right_a` and `right_b`."""
    table, level, luck = drawn(rng, "all", shares, countries, images)
    answers = {}
    for name, slope, more in zip(("right_a", "right_b"), MODELS[kind], (0.0, MORE_ACCURATE), strict=True):
        own = OWN_EFFECT * rng.standard_normal(countries)[table["country"]]
        its_luck = np.where(rng.random(images) < OWN_LUCK, rng.random(images), luck)
        answers[name] = its_luck < level + own + more + slope * away(table["log_wealth"])
    return table.assign(**answers)


def drawn(
    rng: np.random.Generator, kind: str, shares: str, countries: int, images: int
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """The images of one world; how likely each is right, but for a slope; and its luck, which is to be below that.

    What countries differ by: `classes`, the poor show more of the hard ones; `countries` and `scatter`, each has a
    level that wealth does not explain. In `clusters` images of a household share their luck.
    """
    parts, classes = KINDS[kind]
    log_gdp, share = wealth_and_share(shares, countries)
    country = rng.choice(countries, images, p=share)
    wealth = (log_gdp - log_gdp.mean()) / log_gdp.std()
    ease = np.linspace(-0.5, 0.5, classes)
    liking = np.exp(TASTE * np.outer(wealth, ease)) if "classes" in parts else np.ones((countries, classes))
    up_to = (liking / liking.sum(1, keepdims=True)).cumsum(1)[:, :-1]
    shown = (rng.random(images)[:, None] > up_to[country]).sum(1)
    household = (rng.random(images) * np.ceil(share * images / HOUSEHOLD)[country]).astype(int)
    luck = rng.random(images)
    if "clusters" in parts:
        its = rng.random((countries, household.max() + 1))[country, household]
        luck = np.where(rng.random(images) < SHARED_LUCK, its, luck)
    effect = np.zeros(countries)
    if "countries" in parts:
        effect = COUNTRY_EFFECT * rng.standard_normal(countries)
    if "scatter" in parts:
        effect = np.linspace(*SCATTER, countries) * rng.standard_normal(countries)
    table = {"country": country, "name": country, "class": shown, "cluster": household, "log_wealth": log_gdp[country]}
    return pd.DataFrame(table), np.linspace(*LEVELS, classes)[shown] + effect[country], luck


def away(log_wealth: pd.Series) -> np.ndarray:
    """Log GDP less the middle between the poorest and the richest country's."""
    log_gdp, _ = wealth_and_share("even", min(COUNTRIES))
    return log_wealth.to_numpy() - (log_gdp[0] + log_gdp[-1]) / 2


# --- What the audit says of them. -------------------------------------------------------------------------------------


def verdict(images: pd.DataFrame, slope: float) -> dict:
    """The `outcome` that the audit prints, whether each test rejects, and whether the interval holds the slope."""
    country = images["country"]
    n = np.bincount(country)
    some = n > 0
    accuracy, log_gdp = (np.bincount(country, images[name])[some] / n[some] for name in ("right", "log_wealth"))
    decision = audit.decide(images, np.polyfit(log_gdp, accuracy, 1, w=n[some] ** 0.25)[0])
    within = decision.slopes["between"]
    return {
        "outcome": decision.outcome,
        "raw": bool(fairness.rejects(log_gdp, accuracy[None], n[some])[0]),
        "within": within.p_value < fairness.LEVEL,
        "covered": within.low <= slope <= within.high,
        "freedom": within.degrees_of_freedom,
    }


def models(images: pd.DataFrame, kind: str) -> dict:
    """What `audit compare` prints of the second model, and whether the interval holds the true difference."""
    compared = audit.compare_images(images)
    between = compared["slopes"]["between"]
    first, second = MODELS[kind]
    return {
        "outcome": "too few images to say" if compared["too_few"] else between["verdict"],
        "covered": between["low"] <= second - first <= between["high"],
        "levelling_down": compared["levelling_down"] and not compared["too_few"],
    }


# --- What the records say. --------------------------------------------------------------------------------------------


def rates(what: str) -> pd.DataFrame:
    """How often what was counted in the worlds, with Wilson's 95 % interval, its Monte-Carlo error.

    Parameters
    ----------
    what : {'verdict', 'models'}
        One model's verdict, or the comparison of two.

    Returns
    -------
    DataFrame
        A row per unit and `quantity`: the unit's arguments; `count`, in so many `of` worlds; `share`, `low`, `high`.
        Quantities of both: 'too few' and 'covered', of all worlds. Of a verdict: 'established', and the test 'within'
        classes, of the worlds with enough images; that test 'anywhere' and the 'raw' one, of all worlds. Of two models:
        'different' (the second 'flatter' or steeper) and 'levelling down', of the worlds with enough images.
    """
    by = ["kind", "shares", "countries", "images", "slope"]
    found = runner.results("audit_worlds").query("what == @what").drop(columns="what")
    enough = found["outcome"] != "too few images to say"
    counts = {"too few": (~enough, False), "covered": (found["covered"], False)}
    if what == "verdict":
        counts |= {
            "established": (found["outcome"] == "established", True), "within": (found["within"], True),
            "anywhere": (found["within"], False), "raw": (found["raw"], False),
        }  # fmt: skip
    else:
        counts |= {
            "different": (found["outcome"].isin(["flatter", "steeper"]), True),
            "flatter": (found["outcome"] == "flatter", True), "levelling down": (found["levelling_down"], True),
        }  # fmt: skip
    parts = []
    for quantity, (values, with_verdict) in counts.items():
        chosen = found[enough] if with_verdict else found
        hits = values * chosen["worlds"] if values.dtype == bool else values
        own = chosen.assign(count=hits, of=chosen["worlds"]).groupby(by, sort=False, dropna=False)[["count", "of"]]
        parts.append(own.sum().astype(int).reset_index().assign(quantity=quantity))
    return with_interval(pd.concat(parts, ignore_index=True))


def rejected_by_freedom() -> pd.DataFrame:
    """How often the test within classes rejects where there is no slope, over all such units, by degrees of freedom.

    Returns
    -------
    DataFrame
        By `above`: `count`, `of`, `share`, `low`, `high`; degrees of freedom from that number to the next.
    """
    flat = [r for r in runner.records("audit_worlds") if r["arguments"].get("slope") == 0]
    rows = pd.DataFrame([row for record in flat for row in record["result"]["freedom"]])
    rows = rows.groupby("above").sum().rename(columns={"rejected": "count", "worlds": "of"})
    return with_interval(rows)


def with_interval(counts: pd.DataFrame) -> pd.DataFrame:
    """`share`, `low` and `high` beside `count` and `of`."""
    low, high = proportion_confint(counts["count"], counts["of"], method="wilson")
    return counts.assign(share=counts["count"] / counts["of"], low=low, high=high)
