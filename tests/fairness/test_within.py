"""Slopes within classes against R's clubSandwich, made worlds of known truth, and what must not change them."""

import numpy as np
import pandas as pd
import pytest
from made_images import IMAGES, REFERENCE, world
from scipy import stats

from fairlib import fairness
from fairlib.fairness import clustered

FIELDS = ["slope", "standard_error", "degrees_of_freedom", "p_value", "low", "high"]


def fitted(images: pd.DataFrame, wealth: str = "log_gdp", clusters: bool = False) -> dict[str, fairness.ClassSlope]:
    households = images["household"] if clusters else None
    return fairness.within_class(
        images["right"], images[wealth], images["object"], images["country"], clusters=households
    )


def agrees(found: fairness.ClassSlope, case: str, term: str) -> None:
    expected = REFERENCE.loc[(case, term)]
    assert {name: getattr(found, name) for name in FIELDS} == pytest.approx(expected[FIELDS].to_dict(), rel=1e-6)


@pytest.fixture
def no_effects(monkeypatch):
    """Of countries: what clubSandwich was told."""
    monkeypatch.setattr(clustered, "_components", lambda *_: (1.0, 0.0))


@pytest.mark.usefixtures("no_effects")
@pytest.mark.parametrize("clusters", [False, True])
def test_countries_are_those_of_clubsandwich(clusters):
    """Households lie within countries, whose images may depend on each other in any way already."""
    (found,) = fitted(IMAGES, clusters=clusters).values()
    agrees(found, "country", "log_gdp")
    assert (found.term, found.clustered_by, found.clusters, found.countries) == ("between", "countries", 10, 10)
    assert found.t == pytest.approx(found.slope / found.standard_error)


@pytest.mark.usefixtures("no_effects")
def test_between_and_within_are_those_of_clubsandwich():
    found = fitted(IMAGES, "log_income")
    assert list(found) == ["between", "within"]
    agrees(found["between"], "both", "mean_income")
    agrees(found["within"], "both", "deviation")


def test_one_country_is_that_of_clubsandwich():
    found = fitted(IMAGES[IMAGES["country"] == "c0"], "log_income", clusters=True)
    assert list(found) == ["within"]
    agrees(found["within"], "one country", "log_income")
    assert (found["within"].clustered_by, found["within"].clusters, found["within"].countries) == ("clusters", 6, 1)


def test_two_countries_are_those_of_clubsandwich():
    found = fitted(IMAGES[IMAGES["country"].isin(["c0", "c1"])], "log_income", clusters=True)
    assert list(found) == ["within"]
    agrees(found["within"], "two countries", "deviation")


@pytest.mark.usefixtures("no_effects")
def test_the_raw_slope_of_one_class_is_that_of_clubsandwich():
    explained = fairness.explained_by_classes(*(IMAGES[c] for c in ("right", "log_gdp", "object", "country")))
    agrees(explained.unadjusted, "raw", "log_gdp")
    agrees(explained.adjusted, "country", "log_gdp")
    assert explained.explained == pytest.approx(explained.unadjusted.slope - explained.adjusted.slope)
    wealth = IMAGES.groupby("country")["log_gdp"].first()
    table = fairness.country_table(IMAGES["country"], IMAGES["right"], wealth)
    assert explained.raw.slope == pytest.approx(fairness.slope(table).slope)


def test_the_meta_regression_is_that_of_metafor():
    wealth = IMAGES.groupby("country")["log_gdp"].first()
    found = fairness.slope(fairness.country_table(IMAGES["country"], IMAGES["right"], wealth), "meta")
    agrees(found, "meta", "wealth")


# --- Known truth. -----------------------------------------------------------------------------------------------------


def test_a_mix_of_classes_is_no_slope_within_them():
    """Of 20 worlds in which the poor show the harder classes, the raw slope is steep; within classes it is about 0."""
    raw, adjusted = [], []
    for seed in range(20):
        explained = fairness.explained_by_classes(**world(seed, mix=True))
        raw.append(explained.unadjusted.slope)
        adjusted.append(explained.adjusted.slope)
    assert np.mean(raw) > 0.02
    assert stats.ttest_1samp(adjusted, 0).pvalue > 0.01
    assert abs(np.mean(adjusted)) < np.mean(raw) / 5


@pytest.mark.parametrize("mix", [False, True])
def test_the_slope_that_was_put_in_comes_out(mix):
    slopes = [fairness.within_class(**world(seed, slope=0.04, mix=mix))["between"].slope for seed in range(20)]
    assert stats.ttest_1samp(slopes, 0.04).pvalue > 0.01


def test_country_effects_make_the_errors_larger():
    calm, scattered = (
        np.mean([fairness.within_class(**world(s, country_effect=e))["between"].standard_error for s in range(10)])
        for e in (0.0, 0.1)
    )
    assert scattered > 1.5 * calm


# --- What must not change it. -----------------------------------------------------------------------------------------

GOOD = world(0, mix=True, country_effect=0.05)


def test_names_units_and_order_change_nothing():
    expected = fairness.within_class(**GOOD)["between"]
    rng = np.random.default_rng(0)
    order = rng.permutation(len(GOOD["right"]))
    renamed = {name: f"{rng.integers(10**6)} {name}" for name in np.unique(GOOD["countries"])}
    changed = {key: values[order] for key, values in GOOD.items()}
    changed["countries"] = [renamed[name] for name in changed["countries"]]
    changed["classes"] = [hash(name) for name in changed["classes"]]
    changed["log_wealth"] = changed["log_wealth"] + np.log(1_000)  # in thousandths of a dollar
    found = fairness.within_class(**changed)["between"]
    for name in [*FIELDS, "t", "images", "informative_images", "classes", "countries", "clusters"]:
        assert getattr(found, name) == pytest.approx(getattr(expected, name)), name


def test_another_base_of_the_logarithm_changes_the_unit_alone():
    found = fairness.within_class(**GOOD | {"log_wealth": GOOD["log_wealth"] / np.log(10)})["between"]
    expected = fairness.within_class(**GOOD)["between"]
    assert found.slope == pytest.approx(expected.slope * np.log(10))
    assert (found.p_value, found.degrees_of_freedom) == pytest.approx((expected.p_value, expected.degrees_of_freedom))


def test_a_class_of_one_country_says_nothing():
    alone = {
        "right": [True, False, True],
        "log_wealth": GOOD["log_wealth"][:1].repeat(3),
        "classes": ["its own"] * 3,
        "countries": GOOD["countries"][:1].repeat(3),
    }
    more = {key: np.concatenate([GOOD[key], alone[key]]) for key in GOOD}
    expected, found = fairness.within_class(**GOOD)["between"], fairness.within_class(**more)["between"]
    for name in [*FIELDS, "informative_images", "classes", "countries"]:
        assert getattr(found, name) == pytest.approx(getattr(expected, name)), name
    assert (found.images, found.informative_images) == (803, 800)


def test_the_same_incomes_everywhere_leave_the_slope_between_countries():
    """Each image twice, of a rich and a poor household: the slope between countries is that without households."""
    twice = {key: np.repeat(values, 2) for key, values in GOOD.items()}
    rng = np.random.default_rng(0)
    twice["right"] = (
        pd.Series(twice["right"]).groupby([twice["classes"], twice["countries"]]).transform(rng.permutation)
    )
    twice["log_wealth"] = twice["log_wealth"] + np.tile([-1.0, 1.0], len(GOOD["right"]))
    found = fairness.within_class(**twice)
    assert found["between"].slope == pytest.approx(fairness.within_class(**GOOD)["between"].slope)


def test_rich_countries_and_poor_households_are_not_averaged():
    rng = np.random.default_rng(1)
    country, own = rng.integers(12, size=3_000), rng.normal(size=3_000)
    level = 0.5 + 0.05 * (country - 5.5) / 3 - 0.1 * own
    found = fairness.within_class(
        rng.random(3_000) < level, 9 + (country - 5.5) / 3 + own, rng.integers(5, size=3_000), country
    )
    assert found["between"].low > 0 > found["within"].high


def test_households_of_one_name_in_two_countries_are_two():
    two = IMAGES[IMAGES["country"].isin(["c0", "c1"])]
    expected = fitted(two, "log_income", clusters=True)
    assert fitted(two.assign(household=two["household"].str[2:]), "log_income", clusters=True) == expected


# --- What is refused. -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"right": [True] * 800}, "every image is right"),
        ({"right": [False] * 800}, "no image is right"),
        ({"right": [0.5] * 800}, "expected True or False"),
        ({"log_wealth": GOOD["log_wealth"][:-1]}, "expected one per image"),
        ({"log_wealth": np.where(np.arange(800) < 1, np.nan, GOOD["log_wealth"])}, "finite"),
        ({"classes": [None, *GOOD["classes"][1:]]}, "classes holds None"),
        ({"classes": GOOD["countries"]}, "no class is seen with two wealths"),
        ({"classes": "stove"}, "several"),
        ({"countries": GOOD["countries"][1:]}, "799 of countries"),
        ({"countries": ["PER"] * 800, "log_wealth": [9.0] * 800}, "1 country, expected at least 3"),
        ({"countries": ["PER", "NOR"] * 400, "log_wealth": [9.0, 11.0] * 400}, "2 countries, expected at least 3"),
        ({"countries": ["PER"] * 800, "log_wealth": np.linspace(8, 9, 800)}, "as clusters what is independent"),
        ({"log_wealth": [9.0] * 800}, "no class is seen with two wealths"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_has_no_slope_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        fairness.within_class(**GOOD | change)


def test_overlap_counts_what_countries_share():
    overlap = fairness.class_overlap(["a", "a", "b", "b", "c"], ["P", "N", "P", "P", "N"])
    assert (overlap.shared_classes, overlap.shared_images) == (1 / 3, 2 / 5)
    assert overlap.counts.to_dict() == {"N": {"a": 1, "b": 0, "c": 1}, "P": {"a": 1, "b": 2, "c": 0}}
    assert overlap.counts.equals(
        pd.crosstab(pd.Series(["a", "a", "b", "b", "c"], name="class"), pd.Series([*"PNPPN"], name="country"))
    )
    with pytest.raises(ValueError, match="4 of countries for 3"):
        fairness.class_overlap(["a"] * 3, ["P"] * 4)
