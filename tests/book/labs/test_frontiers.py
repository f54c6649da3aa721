"""The frontiers show the numbers of the chapters, filter them, and lead to rows that are there."""

import math
import re

import pytest
from labs_pages import lab, says

from fairlib import intervals
from fairlib.book import claims
from fairlib.book.experiments import fairer, future_work
from fairlib.book.labs import frontiers

# Where a link would lead, in place of going there.
CAUGHT = """document.addEventListener('click', (event) => {
  if (!event.target.closest('a')) return
  event.preventDefault()
  window.to = event.target.href
})"""

# What is written on a canvas from now on, kept in `window.written`.
WRITTEN = """() => {
  const { fillText } = CanvasRenderingContext2D.prototype
  CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
    window.written.push(text)
    return fillText.call(this, text, ...rest)
  }
  window.written = []
}"""


def rows(page) -> list[list[str]]:
    return page.evaluate(
        "[...document.querySelectorAll('.lab tbody tr')].map(r => [...r.cells].map(c => c.textContent))"
    )


def of(cell: str) -> list[float]:
    return [float(found.replace("−", "-")) for found in re.findall(r"[−-]?\d+\.\d+", cell)]


def test_the_points_are_those_of_the_records(page):
    shown = rows(page)
    found = fairer.frontier()
    assert len(shown) == len(found) / found["seed"].nunique()
    by_point = dict(list(found.groupby(["arm", "alpha", "rounds"])))
    for series, what, x, y, _ in shown:
        arm = {"PGD (L2)": "pgd", "PerC": "perc", "Algorithm 1": "ours"}[series]
        rate, rounds = re.findall(r"[\d.e-]+(?=,| round)", what) or (0, 0)
        points = by_point[arm, float(rate), int(rounds)]
        for cell, column in ((x, "accuracy"), (y, "slope")):
            told = intervals.over_seeds(points[column])
            expected = [told["value"]] if len(of(cell)) == 1 else [told[end] for end in ("value", "low", "high")]
            assert of(cell) == pytest.approx(expected, abs=1.1e-4)


def test_variants_too(page):
    page.select_option("[name=chart]", "2")
    says(page, "ten trainings")
    accuracy = future_work.accuracies(future_work.recorded("trainings")).sort_index()
    at = accuracy.xs("plain", level="variant").loc[future_work.PAIRS[0]]
    [row] = [row for row in rows(page) if row[0] == "as published"]
    for cell, column in ((row[2], "eps=0"), (row[3], "eps=0.1")):
        told = intervals.over_seeds(at[column])
        assert of(cell) == pytest.approx([told[end] for end in ("value", "low", "high")], abs=1.1e-4)


def test_series_are_filtered(page):
    all_rows = len(rows(page))
    page.locator("input[value='PerC']").uncheck()
    says(page, "2 series", ".lab-spoken")
    assert len(rows(page)) == all_rows * 2 / 3
    assert "PerC" not in {row[0] for row in rows(page)}
    for name in ("PGD (L2)", "Algorithm 1"):
        page.locator(f"input[value='{name}']").uncheck()
    says(page, "0 points of 0 series", ".lab-spoken")
    assert rows(page) == []


def test_both_axes_of_each_figure_say_what_they_are(page):
    page.evaluate(WRITTEN)
    for i, chart in enumerate(frontiers.numbers()["charts"]):
        page.evaluate("window.written = []")
        page.select_option("[name=chart]", str(i))
        says(page, f"{chart['y']} against {chart['x']}", ".lab-spoken")
        assert {chart["x"], chart["y"]} <= set(page.evaluate("window.written"))


def test_the_table_is_not_cut_on_a_desk(chromium, pages):
    with lab(chromium, pages, "frontiers", viewport={"width": 1300, "height": 900}) as (page, _):
        for i in range(len(frontiers.numbers()["charts"])):
            page.select_option("[name=chart]", str(i))
            table, room = (page.locator(f".lab {part}").bounding_box()["width"] for part in (".lab-points", "form"))
            assert table <= room


def test_a_point_is_pointed_at_and_followed(page):
    """The pointer over a point names it; a click follows it to the ledger; the keyboard names it, too."""
    points = frontiers.numbers()["charts"][0]["points"]
    box = page.locator(".lab-chart .u-over").bounding_box()
    place = {}
    for axis in "xy":
        values = [value for point in points for value in point[axis]]
        low, high = min(values), max(values)
        pad = 0.05 * (high - low)
        place[axis] = [(point[axis][0] - low + pad) / (high - low + 2 * pad) for point in points]
    alone = [min(math.dist((a, b), other) for other in zip(*place.values(), strict=True) if other != (a, b))
             for a, b in zip(*place.values(), strict=True)]  # fmt: skip
    i = alone.index(max(alone))
    at = box["x"] + box["width"] * place["x"][i], box["y"] + box["height"] * (1 - place["y"][i])
    page.mouse.move(*at)
    says(page, f"{points[i]['series']}, {points[i]['what']}: accuracy on all")
    page.evaluate(CAUGHT)
    page.mouse.click(*at)
    page.wait_for_function("window.to")
    assert page.evaluate("window.to").endswith(f"notebooks/ledger.html#{points[i]['claim']}")
    page.mouse.move(0, 0)
    says(page, "Means over")
    link = page.locator(".lab tbody a").nth(3)
    link.focus()
    row = rows(page)[3]
    says(page, f"{row[0]}, {row[1]}: accuracy on all {row[2]}")
    assert page.locator(".lab tbody tr.lab-winner").count() == 1


def test_each_claim_is_in_the_ledger():
    known = set(claims.ledger()["id"])
    charts = frontiers.numbers()["charts"]
    followed = {point["claim"] for chart in charts for point in chart["points"]} - {None}
    assert len(followed) > 10
    assert followed <= known
