"""The lens shows what it says: attacked pixels inside, clean ones outside, and each distance's map."""

import numpy as np
import pytest
from labs_pages import says

from fairlib.book.labs import attacked, maps

GRID = """async ([photograph, method, judge]) => {
  const { cell, judges, sheets } = fairlib.lens
  const { methods, side } = fairlib.attacked
  const maps = await labs.grid(sheets[photograph], judges.length, methods.length, side / cell)
  return [...maps[method][judge]]
}"""
STAGE = "[...document.querySelector('.lab-stage').getContext('2d').getImageData(0, 0, 144, 144).data]"


def stage(page) -> np.ndarray:
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return np.array(page.evaluate(STAGE), np.uint8).reshape(144, 144, 4)[..., :3]


def chosen(page, **values) -> None:
    for name, value in values.items():
        control = page.locator(f".lab [name={name}]")
        if name in ("times", "width"):
            control.fill(value)
        else:
            control.select_option(value)


@pytest.mark.parametrize("times", [0, 1, 10])
def test_inside_is_the_attack_and_outside_the_photograph(page, times):
    chosen(page, photograph="1", method="lpa", times=str(times), width="60")
    says(page, "LPA changes")
    seen = stage(page)
    file = attacked.table()["file"].unique()[1]
    clean, changes = attacked.pictures(file)
    inside = attacked.scaled(clean, changes["lpa"], times)
    y, x = np.mgrid[:144, :144]
    off = np.hypot(x - 72, y - 72) - 30
    assert (seen[off > 1] == clean[off > 1]).all()
    assert (seen[off <= -1] == inside[off <= -1]).all()
    assert (inside[off <= -1] != clean[off <= -1]).any() == (times > 0)


def test_the_lens_moves_with_the_pointer_and_with_keys(page):
    before = stage(page)
    board = page.locator(".lab-stage")
    board.focus()
    for _ in range(5):
        board.press("Shift+ArrowLeft")
    page.wait_for_function("document.querySelector('.lab-stage').ariaLabel.includes('the lens at 12, 72 of 144')")
    assert (stage(page) != before).any()
    box = board.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] * 0.25)
    page.wait_for_function("document.querySelector('.lab-stage').ariaLabel.includes('the lens at 108, 36 of 144')")


def test_words_and_maps_are_the_tables(page):
    for i, method in enumerate(("pgd", "perc_al")):
        chosen(page, photograph=str(i), method=method)
        said = says(page, f"{attacked.NAMES[method]} changes")
        file = attacked.table()["file"].unique()[i]
        says(page, f"{attacked.NAMES[method]} changes", ".lab-spoken")
        _, changes = attacked.pictures(file)
        share = (changes[method] != 0).any(2).mean()
        assert f"changes {100 * share:.0f} %" in said
        assert f"the largest by {np.abs(changes[method]).max()} of 255" in said
        row = attacked.table().query("file == @file and method == @method and size == 'own'").iloc[0]
        for judge in attacked.JUDGES:
            caption = page.locator(f".lab figure:has(canvas[data-picture='{judge}']) figcaption").text_content()
            assert float(caption.split()[1].rstrip(",")) == pytest.approx(row[judge], rel=6e-3)
            places = [i, attacked.METHODS.index(method), list(attacked.JUDGES).index(judge)]
            sums = page.evaluate(GRID, places)
            assert sums == maps.sheet(file)[judge][method].ravel().tolist()


def test_maps_are_brightened_and_say_by_how_much(page):
    """On each the brightest fiftieth is full; the number below is that by which 255 was divided."""
    chosen(page, photograph="0", method="perc_al")
    says(page, "PerC-AL changes")
    for judge in attacked.JUDGES:
        values = maps.sheet(attacked.table()["file"].unique()[0])[judge]["perc_al"].ravel()
        full = np.sort(values)[::-1][int(0.02 * values.size)]
        caption = page.locator(f".lab figure:has(canvas[data-picture='{judge}']) figcaption").text_content()
        assert float(caption.split()[-2]) == pytest.approx(255 / full, rel=0.06)
        data = page.locator(f"canvas[data-picture='{judge}']").evaluate(
            "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
        )
        pixels = np.array(data).reshape(-1, 4)[:, :3]
        assert ((pixels == [254, 232, 56]).all(1) == (values >= full)).all()


def test_at_equal_l2_there_is_no_map(page):
    chosen(page, size="equal", method="ppgd")
    page.wait_for_function("document.querySelector('.lab-maps').textContent.includes('no map at equal L2')")
