"""Two models on the same images: draws against fits to drawn images, and models whose difference is known."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from made_images import IMAGES, world
from scipy import stats

from fairlib import fairness
from fairlib.fairness import paired
from fairlib.fairness.images import images
from fairlib.fairness.within import regressors

MADE = world(5, countries=15, images=6_000, slope=0.06)
FIRST = MADE["right"]
KNOWN = {key: MADE[key] for key in ("log_wealth", "classes", "countries")}
THIRD = fairness.thirds(MADE["log_wealth"], MADE["countries"])
EVERY_THIRD = np.arange(6_000) % 3 == 0


def compared(second: np.ndarray, first: np.ndarray = FIRST, **arguments) -> fairness.ModelComparison:
    return fairness.compare_models(first, second, **KNOWN, **{"resamples": 499} | arguments)


# Second models that lose, or gain, every third answer of some images.
DOWN = FIRST & ~(EVERY_THIRD & (THIRD != "poorest third"))
DOWN &= ~((np.arange(6_000) % 3 == 1) & (THIRD == "richest third"))
UP = FIRST | ((np.arange(6_000) % 3 != 1) & (THIRD == "poorest third")) | (EVERY_THIRD & (THIRD == "middle third"))


def test_levelling_down_is_seen():
    found = compared(DOWN)
    difference = found.slopes["between"]
    assert (difference.verdict, found.levelling_down) == ("flatter", True)
    assert difference.high < 0
    assert found.thirds.loc["richest third", "high"] < 0
    assert found.thirds.loc["poorest third", ["change", "low", "high"]].tolist() == [0, 0, 0]


def test_a_gain_of_the_poor_is_no_levelling_down():
    found = compared(UP)
    assert (found.slopes["between"].verdict, found.levelling_down) == ("flatter", False)
    assert found.thirds.loc["poorest third", "low"] > 0


def test_what_the_rich_lose_and_the_poor_gain_is_no_levelling_down():
    mild = FIRST | (EVERY_THIRD & (THIRD == "poorest third"))
    found = compared(mild & ~(EVERY_THIRD & (THIRD == "richest third")))
    assert (found.slopes["between"].verdict, found.levelling_down) == ("flatter", False)
    assert found.thirds.loc["richest third", "high"] < 0 < found.thirds.loc["poorest third", "low"]


def test_the_other_way_round_it_is_steeper():
    there, back = compared(DOWN), compared(FIRST, DOWN)
    first, second = there.slopes["between"], back.slopes["between"]
    assert (second.verdict, back.levelling_down) == ("steeper", False)
    assert (second.difference, second.low, second.high) == pytest.approx((-first.difference, -first.high, -first.low))
    assert back.thirds["change"].tolist() == pytest.approx((-there.thirds["change"]).tolist())


def test_one_model_twice_is_no_difference():
    found = compared(FIRST)
    difference = found.slopes["between"]
    assert (difference.difference, difference.low, difference.high) == pytest.approx((0, 0, 0))
    assert (difference.verdict, found.levelling_down) == ("neither", False)


def test_a_random_loss_is_neither():
    """Every answer is lost by chance, alike in all countries: all thirds lose, but nothing is flatter for it."""
    flat = world(6, countries=15, images=6_000)
    second = flat["right"] & (np.random.default_rng(0).random(6_000) > 0.1)
    known = {key: flat[key] for key in KNOWN}
    found = fairness.compare_models(flat["right"], second, **known, resamples=499)
    assert (found.slopes["between"].verdict, found.levelling_down) == ("neither", False)
    assert (found.thirds["high"] < 0).all()


def test_slopes_and_thirds_are_those_of_each_model():
    found = compared(UP)
    difference = found.slopes["between"]
    assert difference.first == fairness.within_class(FIRST, **KNOWN)["between"]
    assert difference.second == fairness.within_class(UP, **KNOWN)["between"]
    assert difference.difference == difference.second.slope - difference.first.slope
    frame = pd.DataFrame({"third": THIRD, "first": FIRST, "second": UP, "country": MADE["countries"]})
    expected = frame.groupby("third")[["first", "second"]].mean()
    for name in fairness.THIRDS:
        row = found.thirds.loc[name]
        assert row[["first", "second"]].tolist() == pytest.approx(expected.loc[name].tolist())
        assert row["change"] == pytest.approx(row["second"] - row["first"])
        assert (row["n"], row["clusters"]) == ((name == THIRD).sum(), 5)


@pytest.mark.parametrize("wealth", ["log_gdp", "log_income"])
def test_a_draw_is_the_fit_to_the_drawn_images(wealth):
    """Countries drawn 0, 1, 2 or 3 times against statsmodels, with an intercept per class, on so many copies."""
    known = images(IMAGES["right"], IMAGES[wealth], IMAGES["object"], IMAGES["country"], None)
    terms, _ = regressors(known)
    second = np.roll(known.right, 1)
    sums = paired._sums(np.stack(list(terms.values()), 1), np.stack([known.right, second], 1), *known[2:4])
    draw = np.array([0, 1, 2, 3, 1, 1, 0, 2, 0, 0])
    frame = pd.DataFrame(terms | {"first": known.right, "second": second, "object": known.classes})
    drawn = frame.loc[frame.index.repeat(draw[known.countries])]
    (found,) = paired._slopes(sums, draw[None].astype(float))
    for i, model in enumerate(("first", "second")):
        fit = smf.ols(f"{model} ~ {' + '.join(terms)} + C(object)", drawn).fit()
        assert found[:, i] == pytest.approx(fit.params[list(terms)].to_numpy())


def test_a_draw_of_one_country_has_no_slope():
    known = images(IMAGES["right"], IMAGES["log_gdp"], IMAGES["object"], IMAGES["country"], None)
    sums = paired._sums(known.log_wealth[:, None], known.right[:, None], known.classes, known.countries)
    assert np.isnan(paired._slopes(sums, np.eye(10)[:1] * 10)).all()


def test_many_draws_scatter_as_the_errors_say():
    """With forty countries the draws' spread is the clustered error of the slope, about."""
    many = world(7, countries=40, images=8_000, country_effect=0.1)
    known = images(many["right"], many["log_wealth"], many["classes"], many["countries"], None)
    sums = paired._sums(known.log_wealth[:, None], known.right[:, None], known.classes, known.countries)
    spread = paired._drawn_slopes(sums, 999, 0).std()
    assert spread == pytest.approx(fairness.within_class(**many)["between"].standard_error, rel=0.2)


def test_in_one_country_households_are_drawn():
    one = IMAGES[IMAGES["country"] == "c0"]
    found = fairness.compare_models(
        one["right"], 1 - one["right"], one["log_income"], one["object"], one["country"], clusters=one["household"],
        resamples=199,
    )  # fmt: skip
    assert list(found.slopes) == ["within"]
    difference = found.slopes["within"]
    assert difference.difference == pytest.approx(-2 * difference.first.slope)
    assert difference.first.clusters == 6


def test_the_interval_reaches_further_with_fewer_countries():
    """Hesterberg's quantile for 10 of a normal statistic: 2.385 standard deviations, t_9 times the root of 10 / 9."""
    drawn = stats.norm.ppf((np.arange(100_000) + 0.5) / 100_000)
    first = fairness.within_class(*(IMAGES[c] for c in ("right", "log_gdp", "object", "country")))["between"]
    found = paired._difference(first, first, drawn)
    assert (found.low, found.high) == pytest.approx((-2.3845, 2.3845), abs=2e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"second": FIRST[:-1]}, "expected one per image"),
        ({"second": np.ones(6_000, dtype=bool)}, "second is right on every image"),
        ({"first": np.zeros(6_000, dtype=bool)}, "first is right on no image"),
        ({"resamples": 0}, "resamples is 0"),
        ({"classes": MADE["countries"]}, "no class is seen with two wealths"),
    ],
)
def test_what_cannot_be_compared_is_refused(change, message):
    arguments = {"first": FIRST, "second": DOWN} | KNOWN | change
    with pytest.raises(ValueError, match=message):
        fairness.compare_models(**arguments)
