"""The fairness lab computes what `fairlib.fairness` computes, and says what it finds."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from labs_pages import lab, says

from fairlib import fairness, geography
from fairlib.audit.report import analyse, jsonable

WORLDS = """worlds => worlds.map(({ wealth, counts, right }) => {
  const sum = values => values.reduce((a, b) => a + b, 0)
  const n = counts.map(sum)
  const accuracy = right.map((row, g) => sum(row) / n[g])
  return {raw: labs.regression(wealth, accuracy, n), like: labs.within(labs.design(wealth, counts), right)}
})"""

# The circles that are drawn from now on, in `window.circles`: x, y and radius.
CIRCLES = """() => {
  const { arc } = CanvasRenderingContext2D.prototype
  CanvasRenderingContext2D.prototype.arc = function (...all) {
    window.circles.push(all.slice(0, 3))
    return arc.apply(this, all)
  }
  window.circles = []
}"""
# How often a chart that is made from now on is drawn, in `window.drawn`.
DRAWN = """() => {
  const { chart } = labs
  labs.chart = (...all) => {
    const made = chart(...all)
    return { ...made, set: values => { window.drawn += 1; made.set(values) } }
  }
  window.drawn = 0
}"""


def made(seed: int) -> dict:
    """Countries and classes of many sizes: few and many, equal and not, some classes in one country alone."""
    rng = np.random.default_rng(seed)
    k, classes = int(rng.integers(4, 42)), int(rng.integers(2, 7))
    wealth = rng.normal(9.5, 1, k)
    counts = rng.negative_binomial(1, 1 / rng.choice([5, 50, 500]), (k, classes))
    counts[:, 0] += 2  # a class that all countries show
    level = rng.uniform(0.3, 0.8) + rng.normal(0, rng.choice([0, 0.05, 0.1]), (k, 1)) + rng.normal(0, 0.1, classes)
    right = rng.binomial(counts, np.clip(level + rng.choice([0, 0.03]) * (wealth[:, None] - 9.5), 0.05, 0.95))
    return {"wealth": wealth.tolist(), "counts": counts.tolist(), "right": right.tolist()}


def by_image(world: dict) -> tuple[np.ndarray, ...]:
    """Answers, wealth, class and country of each image."""
    counts, right = np.array(world["counts"]), np.array(world["right"])
    cells = [(g, c) for g in range(len(counts)) for c in range(counts.shape[1])]
    answers = np.concatenate([np.arange(counts[cell]) < right[cell] for cell in cells])
    country, classes = (np.repeat(column, counts.ravel()) for column in np.array(cells).T)
    return answers, np.array(world["wealth"])[country], classes, country


def test_slopes_and_p_values_agree_with_the_package(page):
    """On 200 worlds, to three decimals."""
    worlds = [made(seed) for seed in range(200)]
    found = page.evaluate(WORLDS, worlds)
    effects = 0
    for world, ours in zip(worlds, found, strict=True):
        answers, wealth, classes, country = by_image(world)
        table = fairness.country_table(country, answers, pd.Series(world["wealth"]))
        raw, like = fairness.slope(table), fairness.within_class(answers, wealth, classes, country)["between"]
        for one, theirs in ((ours["raw"], raw), (ours["like"], like)):
            assert one["slope"] == pytest.approx(theirs.slope, abs=5e-4)
            assert one["p"] == pytest.approx(theirs.p_value, abs=5e-4)
            assert [one["low"], one["high"]] == pytest.approx([theirs.low, theirs.high], abs=5e-4)
        assert ours["raw"]["t"] ** 2 == pytest.approx(raw.F, rel=1e-6)
        assert ours["like"]["freedom"] == pytest.approx(like.degrees_of_freedom, rel=1e-4)
        effects += ours["like"]["freedom"] < 0.9 * (len(world["wealth"]) - 2)
    assert effects > 20, "the cases include countries that have effects"


def test_worlds_are_drawn_as_they_are_described(page):
    """Shares, means and variances of a thousand worlds are those that the page's text gives."""
    drawn = """() => {
      const { countries } = fairlib.fairness
      const wealth = countries.map(c => c.wealth)
      const n = labs.dealt(20_000, countries.map(c => c.share))
      const counts = labs.classed(wealth, n, 0.6)
      const options = {slope: 0.02, spread: 0.03, accuracy: 0.7, source: statistics.randomLcg(1)}
      const right = Array.from({length: 1000}, () => labs.drawn(wealth, counts, options))
      return {n, counts, right}
    }"""
    found = page.evaluate(drawn)
    table = geography.shares()
    n, counts, right = (np.array(found[key]) for key in ("n", "counts", "right"))
    assert n.sum() == 20_000
    assert np.abs(n - 20_000 * table["share"]).max() < 1
    g = table["log_gdp"].to_numpy()
    rich = 2 * (g - g.min()) / np.ptp(g) - 1
    share = np.stack([(1 + 0.6 * rich) / 3, np.full(len(g), 1 / 3), (1 - 0.6 * rich) / 3], 1)
    assert np.abs(counts - n[:, None] * share).max() < 1
    level = 0.7 + 0.02 * (g - np.average(g, weights=n))
    expected = level[:, None] + np.array([0.2, 0, -0.2])
    large = n > 300
    means = (right / np.maximum(counts, 1)).mean(0)[large]
    assert np.abs(means - expected[large]).max() < 5 * 0.06 / np.sqrt(1000)
    middle = right[:, large, 1] / counts[large, 1]
    variance = expected[large, 1] * (1 - expected[large, 1]) / counts[large, 1] + 0.03**2
    assert middle.var(0) == pytest.approx(variance, rel=0.25)


def numbers(text: str) -> list[float]:
    return [float(found.replace("−", "-")) for found in re.findall(r"[−-]?\d+\.\d+", text)]


def test_the_slope_follows_what_is_true(page):
    page.locator("[name=slope]").fill("0.04")
    page.locator("[name=spread]").fill("0")
    page.locator("[name=images]").fill("5")
    says(page, "true slope is 0.040", ".lab-spoken")
    said = page.locator(".lab-spoken").text_content()
    assert said == page.locator(".lab-answer").text_content()
    slope, low, high, *_ = numbers(said)
    assert abs(slope - 0.04) < 0.01 and low < slope < high
    for words in ("41 countries and 100,000 images", "F(1, 39)", "p < 0.001; the test finds a slope"):
        assert words in said


def test_countries_are_dots_by_wealth_and_images(page):
    """To the right goes like the logarithm of wealth; the more images, the larger."""
    page.evaluate(CIRCLES)
    page.get_by_text("Another world").click()
    page.wait_for_function("window.circles.length")
    table = geography.shares()
    x, y, radius = np.array(page.evaluate("window.circles"))[-len(table) :].T
    assert np.corrcoef(x, table["log_gdp"])[0, 1] == pytest.approx(1, abs=1e-6)
    assert np.ptp(y) > 20
    larger = np.diff(table["share"].to_numpy()[np.argsort(radius, kind="stable")])
    assert larger.min() > -1 / 10_000, "shares are dealt to 10,000 whole images"
    assert radius.max() > 3 * radius.min()


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_the_histogram_does_not_grow_for_who_wants_nothing_to_move(chromium, pages, motion):
    with lab(chromium, pages, "fairness", reduced_motion=motion) as (page, wrong):
        page.evaluate(DRAWN)
        page.locator("button[name=thousand]").click()
        page.wait_for_selector(".lab[data-worlds='1000']")
        assert (page.evaluate("window.drawn") == 1) == (motion == "reduce")
    assert wrong == []


def test_a_mix_of_classes_deceives_the_raw_test_alone(page):
    """A thousand worlds without a slope: the raw test rejects in most, the one within classes in about five of 100."""
    page.locator("[name=mix]").fill("1")
    page.locator("[name=spread]").fill("0")
    says(page, "true slope is 0.000", ".lab-spoken")
    page.locator("button[name=thousand]").click()
    page.wait_for_selector(".lab[data-worlds='1000']", timeout=300_000)
    raw, like = map(float, re.findall(r"([\d.]+) % of 1000", page.locator(".lab-worlds").text_content()))
    assert raw > 60
    assert 2 < like < 8
    assert page.locator("[data-chart=slopes] canvas").is_visible()


def report(**changed) -> dict:
    rng = np.random.default_rng(3)
    places = ["USA", "NOR", "PER", "IND", "KEN"]
    countries = [
        {"country": c, "name": c, "n": 200, "right": int(rng.integers(100, 160)), "log_gdp": 8 + i / 2}
        for i, c in enumerate(places)
    ]
    return {"version": 1, "countries": countries} | changed


def test_an_audit_is_read(page):
    """The report as the audit makes it."""
    table = pd.DataFrame(report()["countries"]).set_index("country")
    table["accuracy"] = table["right"] / table["n"]
    theirs = fairness.slope(table)
    own = jsonable(analyse(table, worlds=10))
    page.locator("[name=file]").set_input_files(upload(json.dumps(own)))
    page.wait_for_function("document.querySelector('.lab-answer').textContent.startsWith('Over 5 countries')")
    said = page.locator(".lab-answer").text_content()
    assert numbers(said)[:3] == pytest.approx([theirs.slope, theirs.low, theirs.high], abs=5.1e-5)
    assert f"F(1, 3) = {theirs.F:.2f}" in said
    assert page.locator("[name=slope]").is_disabled()
    page.get_by_text("Back to the simulated world").click()
    page.wait_for_function("document.querySelector('.lab-answer').textContent.startsWith('Over 41 countries')")


def upload(text: str) -> dict:
    return {"name": "OUT.json", "mimeType": "application/json", "buffer": text.encode()}


def test_a_wrong_file_gets_a_sentence(page):
    some = report()["countries"]
    cases = {
        "{not json": "This file is no JSON",
        "[1, 2]": "This JSON has no list of countries",
        "null": "This JSON has no list of countries",
        json.dumps({"countries": some[:2]}): "has 2 countries",
        json.dumps({"countries": [*some, {"name": "Chad", "n": 3, "right": 4, "log_gdp": 8}]}): "Chad lacks a number",
        json.dumps({"countries": [*some, None]}): "A country lacks a number",
        json.dumps({"countries": [c | {"log_gdp": 8} for c in some]}): "equally wealthy",
        json.dumps({"countries": [c | {"right": 100} for c in some]}): "the same accuracy",
    }
    before = page.locator(".lab-answer").text_content()
    for text, sentence in cases.items():
        page.locator("[name=file]").set_input_files(upload(text))
        page.wait_for_function(f"document.querySelector('.lab-alert').textContent.includes({json.dumps(sentence)})")
        assert page.locator(".lab-answer").text_content() == before
