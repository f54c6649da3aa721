"""The lab `Can you see it?`: its pictures pixel for pixel, its blocks, and d' of observers whose sight is known."""

import io
import json
import math

import numpy as np
import pytest
from labs_pages import begin, lab, says
from PIL import Image
from scipy.stats import norm

from fairlib.book import observers
from fairlib.book.labs import attacked

# An observer who sees any difference: takes the side that is not the clean window.
SHARP = """async () => {
  const windows = await Promise.all(fairlib.attacked.photographs.map(one => labs.opened(one, [])))
  const keys = new Set(windows.map(({clean}) => clean.join()))
  for (const side of ['A', 'B']) {
    const {data} = document.querySelector(`.lab [name=${side}] canvas`).getContext('2d').getImageData(0, 0, 144, 144)
    if (!keys.has([...data].filter((_, i) => i % 4 < 3).join())) return side
  }
}"""
# Where a canvas begins, in pixels of the screen from the page's corner.
PLACE = """canvas => {
  const box = canvas.getBoundingClientRect()
  return [box.left + scrollX, box.top + scrollY].map(place => Math.round(place * devicePixelRatio))
}"""

TALL = {"width": 1280, "height": 1600}
SHIFTED = """async () => {
  document.querySelector('.lab').style.margin = '20.7px 0 0 0.7px'
  for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame)
}"""


def answered(page, choose) -> str:
    """A block to its end; what the page says then."""
    for i in range(44):
        page.wait_for_selector(f".lab[data-trial='{i}']")
        page.keyboard.press(choose(page))
    page.wait_for_selector("[data-part=begin]")
    return says(page, "You were right")


def test_d_prime_is_the_commands(page):
    cases = [(right, n) for n in (1, 40, 44, 200) for right in range(n + 1)]
    found = page.evaluate("cases => cases.map(([right, n]) => labs.dprime(right, n))", cases)
    for case, ours in zip(cases, found, strict=True):
        theirs = {key: None if math.isinf(value) else value for key, value in observers.sensitivity(*case).items()}
        assert ours == pytest.approx(theirs, abs=1e-4)


@pytest.mark.parametrize("truth", [0.0, 0.5, 1.0, 2.0])
def test_a_thousand_observers_find_their_d_prime(page, truth):
    """A block's interval holds the truth in about 95 %; their mean is near it, of those who guess near 0."""
    right = np.random.default_rng(5).binomial(40, norm.cdf(truth / math.sqrt(2)), 1000).tolist()
    found = page.evaluate("all => all.map(right => labs.dprime(right, 40))", right)
    held = [(b["low"] is None or b["low"] <= truth) and (b["high"] is None or truth <= b["high"]) for b in found]
    assert 0.915 < np.mean(held) < 0.985
    assert abs(np.mean([b["value"] for b in found]) - truth) < 0.05


def test_blocks_are_fair(page):
    """Each picture as often as the others, sides by chance, catch trials anywhere but first."""
    blocks = page.evaluate("() => Array.from({length: 500}, () => labs.block(12, statistics.randomLcg(Math.random())))")
    for block in blocks:
        ordinary = [trial for trial in block if not trial["catch"]]
        assert len(block) == 44 and len(ordinary) == 40 and not block[0]["catch"]
        assert set(np.bincount([trial["picture"] for trial in ordinary], minlength=12)) == {3, 4}
    sides = np.array([[trial["side"] == "A" for trial in block] for block in blocks])
    assert np.abs(sides.mean(0) - 0.5).max() < 5 * 0.5 / np.sqrt(500)
    assert sides.mean(1).std() == pytest.approx(0.5 / np.sqrt(44), rel=0.2), "a side tells nothing about the next"
    caught = np.array([[trial["catch"] for trial in block] for block in blocks]).mean(0)
    assert caught[1:].min() > 0.04


def test_pictures_are_the_packages(page):
    """Every window, attack and size, each pixel, and the L2 that the table says."""
    sizes = page.evaluate(
        """async () => {
          const {methods, photographs, table} = fairlib.attacked
          const windows = await Promise.all(photographs.map(one => labs.opened(one, methods)))
          return table.map(({photograph, method, scale}) => {
            const {clean, changes} = windows[photograph]
            const changed = labs.scaled(clean, changes[method], scale)
            return {sum: changed.reduce((sum, value, i) => (sum + value * (1 + i % 997)) % 2 ** 40, 0),
                    clean: clean.reduce((sum, value, i) => (sum + value * (1 + i % 997)) % 2 ** 40, 0),
                    l2: labs.l2(clean, changed)}
          })
        }"""
    )
    weights = 1 + np.arange(attacked.WINDOW**2 * 3) % 997
    for row, ours in zip(attacked.table().to_dict("records"), sizes, strict=True):
        clean, changes = attacked.pictures(row["file"])
        changed = attacked.scaled(clean, changes[row["method"]], row["scale"])
        assert ours["clean"] == (clean.ravel() * weights).sum()
        assert ours["sum"] == (changed.ravel() * weights).sum()
        assert ours["l2"] == pytest.approx(row["L2"], rel=1e-6)


def test_one_who_sees_is_told_so_and_keeps_the_file(page, tmp_path):
    said = answered(page_with(page, method="lpa"), lambda p: p.evaluate(SHARP))
    assert "You were right in 40 of 40: d' = 3.18, 95 % interval [1.92, no bound]." in said
    assert "you see a difference" in said and "You caught all 4" in said
    assert page.locator(".lab-spoken").text_content() == said
    assert page.evaluate("document.activeElement.className") == "lab-answer"
    assert page.locator(".lab-predictions").is_visible()
    row = page.locator(".lab-predictions tbody tr", has_text="LPA").text_content()
    assert "3.18 [1.92, no bound], n = 40" in row
    with page.expect_download() as download:
        page.get_by_text("Keep the results").click()
    path = tmp_path / "seen.json"
    download.value.save_as(path)
    [block] = observers.blocks([path]).to_dict("records")
    assert block == {"observer": "ada", "method": "lpa", "size": "own", "right": 40, "n": 40, "missed": 0}
    kept = json.loads(path.read_text())
    assert kept["distanceCm"] == 57 and kept["barMm"] is None and kept["devicePixelRatio"] == 1
    assert kept["dprime"]["high"] is None
    assert {trial["photograph"] for trial in kept["trials"]} == set(attacked.table()["file"])


def page_with(page, **chosen):
    begin(page, **chosen)
    return page


def test_one_who_guesses_is_near_0(page):
    said = answered(page_with(page, method="pgd", size="equal"), lambda p: "a")
    right = int(said.split()[4])
    assert abs(right - 20) < 9
    assert "does not tell you from one who guesses" in said
    assert "take this block with care" in said or "You caught all" in said


def test_a_block_may_be_stopped(page):
    predictions = page.locator("[data-part=predictions]")
    assert predictions.is_visible()
    begin(page)
    assert not predictions.is_visible(), "what to expect would sway the answers"
    page.wait_for_selector(".lab[data-trial='0']")
    page.keyboard.press("ArrowRight")
    page.get_by_text("Stop this block").click()
    says(page, "Stopped")
    assert page.locator("[data-part=begin]").is_visible() and predictions.is_visible()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("observer", "", "a word for yourself"),
        ("distance", "", "How far"),
        ("distance", "2", "How far"),
        ("bar", "-1", "bar"),
    ],
)
def test_what_is_missing_gets_a_sentence(page, name, value, sentence):
    page.locator("[name=observer]").fill("ada")
    page.locator("[name=distance]").fill("57")
    page.locator(f"[name={name}]").fill(value)
    page.get_by_text("Begin a block").click()
    assert sentence in page.locator(".lab-alert").text_content()
    assert not page.locator("[data-part=trials]").is_visible()
    assert page.evaluate("document.activeElement.name") == name


def test_distances_stand_with_their_places(page):
    rows = attacked.table().query("size == 'own'").groupby("method")[["L2", *attacked.JUDGES]].mean()
    places = rows.rank(method="min").astype(int)
    for i, (method, name) in enumerate(attacked.NAMES.items()):
        row = page.locator(".lab-predictions tbody tr").nth(i)
        assert row.locator("th").text_content() == name
        cells = row.locator("td").all_text_contents()
        assert cells[0] == "–" or "[" in cells[0]
        for cell, value, rank in zip(cells[1:], rows.loc[method], places.loc[method], strict=True):
            shown, place = cell.rstrip(")").split(" (")
            assert float(shown) == pytest.approx(value, rel=6e-3)
            assert int(place) == rank


@pytest.mark.parametrize("ratio", [1, 1.5, 2, 3])
def test_a_pixel_is_a_pixel(chromium, pages, ratio):
    """What the screen shows of side A and B is the window and its change, each pixel, whatever the screen's ratio."""
    with lab(chromium, pages, "seen", device_scale_factor=ratio, viewport=TALL) as (page, wrong):
        begin(page)
        page.wait_for_selector(".lab[data-trial='0']")
        page.evaluate(SHIFTED)  # as a late letter or picture does
        drawn = {}
        for side in "AB":
            canvas = page.locator(f".lab [name={side}] canvas")
            data = canvas.evaluate("c => [...c.getContext('2d').getImageData(0, 0, 144, 144).data]")
            drawn[side] = np.array(data, np.uint8).reshape(144, 144, 4)[..., :3]
        shot = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
        for side, image in drawn.items():
            canvas = page.locator(f".lab [name={side}] canvas")
            left, top = canvas.evaluate(PLACE)
            near = [shot[top + y : top + y + 144, left + x : left + x + 144] for x in (-1, 0, 1) for y in (-1, 0, 1)]
            assert any((part == image).all() for part in near), "a pixel of the picture is no pixel of the screen"
        assert (drawn["A"] != drawn["B"]).any()
    assert wrong == []
