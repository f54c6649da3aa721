"""The dashboard and the chapters' lists, read back from their HTML, and worked in a browser."""

import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import test_browser
from book.claims.hand_made import CELL, OTHERS, TEN, at
from bs4 import BeautifulSoup

from fairlib.book import claims
from fairlib.book.claims import CODE_ONLY, NOT_REPRODUCED, NOT_TESTABLE, NOT_YET, REPRODUCED

ROOT = Path(__file__).resolve().parents[3]
browser = test_browser.browser
WHY = claims.causes()["ablations#why-figure-4"]


@pytest.fixture
def dashboard(house) -> BeautifulSoup:
    bug = {f"FullyConnected/MNIST/sets=2/{x}range": at(v) for x, v in (("", 0.4), ("released/", 0.02))}
    claims.record("ablations", bug, {})
    claims.record(
        "centroid_defense", {CELL: replace(TEN, anchor="tab-1", n=2_000, basis="")} | dict.fromkeys(OTHERS, at(0.8)), {}
    )
    return BeautifulSoup(claims.dashboard_html(claims.ledger()), "html.parser")


def test_the_dashboard_counts_then_lists(dashboard):
    tally, sorts, table = dashboard.select("table")
    frame = claims.ledger()
    shown = {tr["data-verdict"]: [int(td.text) for td in tr("td")] for tr in tally.tbody("tr")}
    assert shown == {v: list(row) for v, *row in claims.counts(frame[frame["kind"] == "claim"]).itertuples()}
    assert set(shown) == {REPRODUCED, CODE_ONLY, NOT_TESTABLE, NOT_YET}  # no row for what no claim is
    assert [o["value"] for o in dashboard.select_one("[name=verdict]")("option")] == ["", *shown]
    assert [o["value"] for o in dashboard.select_one("[name=kind]")("option")] == ["", *claims.KINDS]
    assert [p.text for p in dashboard("p") if "role" not in p.attrs] == []  # no table is recorded as a whole
    found = [[cell.text for cell in tr(["th", "td"])] for tr in sorts.tbody("tr")]
    assert found == [
        [
            f"{claims.AUTHORS[r['paper']]}: {r['sort']}",
            claims.counted(r["families"]),
            claims.counted(r["verdicts"]),
            claims.told(r),
        ]
        for r in claims.tallies(frame).to_dict("records")
    ]
    assert [row[0] for row in found] == ["Pepe: numbers in the tables", "Pepe: bounds and digits"]
    rows = table.tbody("tr")
    assert [tr["id"] for tr in rows] == list(frame["id"])
    assert all(tr.th.text.endswith(tr["data-verdict"]) for tr in rows)  # said in words, not by colour only
    assert all(th["scope"] in ("col", "row") for th in dashboard("th"))
    assert tally.caption and table.caption
    assert all(control.find_parent("label") for control in dashboard(["select", "input"]))


def test_a_row_leads_to_its_cell_and_its_cause(dashboard):
    links = {tr["id"]: [a["href"] for a in tr("a")] for tr in dashboard.select(".claims tbody tr") if tr("a")}
    assert links == {
        "pepe-table1-eps0.1-defended": ["../notebooks/centroid_defense.html#tab-1"],
        "pepe-table2-eps0.1-defended": ["../notebooks/centroid_defense.html#cell"],  # two of its alternatives
        "pepe-table3-eps0.1-defended": ["../notebooks/centroid_defense.html#cell"],
        "pepe-figure4-stable-fc-2": [
            "../notebooks/ablations.html#cell",
            "../notebooks/ablations.html#why-figure-4",
        ],
    }
    bug = dashboard.find(id="pepe-figure4-stable-fc-2")
    assert [td.text for td in bug("td")][-2:] == [
        f"0.02 [0.02, 0.02] exact Why: {WHY}",
        "0.40 [0.40, 0.40]: not reproduced",
    ]
    assert [s.text for s in dashboard.find(id="pepe-table1-eps0.1-defended")("small")][1:] == [
        "10 trainings x 2,000 images",
        "a repetition: 0.35 to 0.53",  # 0.3425 to 0.5375, rounded inwards
    ]
    assert "a repetition" not in bug.text


def test_the_dashboard_escapes_what_it_shows():
    missing = dict.fromkeys(("ours", "repeat_low", "text", "sensitivity"), float("nan")) | {"placebos": {}}
    row = dict.fromkeys(claims.COLUMNS, "<b>&") | {"paper": "hua", "verdict": NOT_YET, "cause": ""} | missing
    shown = claims.dashboard_html(pd.DataFrame([row]))
    assert "<b>" not in shown
    assert BeautifulSoup(shown, "html.parser").select_one(".claims td").text.startswith("<b>&")


def chapter_page(chapter: str) -> BeautifulSoup:
    return BeautifulSoup(claims.chapter_html(chapter), "html.parser")


def test_a_chapter_lists_its_claims(house):
    claims.record("fgsm", {"gray/MNIST/largest_distance": at(0.5)}, {})
    page = chapter_page("fgsm")
    frame = claims.ledger().query("chapter == 'fgsm'")
    (table,) = page("table")
    assert [tr["id"] for tr in table.tbody("tr")] == list(frame["id"])
    assert not page.details
    assert page.find(id="pepe-gray-budget-mnist").th.text.endswith(REPRODUCED)
    assert page.find(id="pepe-gray-budget-fashion").th.text.endswith(NOT_YET)
    with pytest.raises(ValueError, match="chapter is 'fsgm'"):
        claims.chapter_html("fsgm")


def test_a_chapter_with_many_claims_counts_them_by_place(house):
    claims.record(
        "centroid_defense",
        {key.replace("0.1", e): at(v) for e, v in (("0.1", 0.42), ("0.2", 0.5)) for key in (CELL, *OTHERS)}
        | {k: at(0.8) for k in OTHERS},
        {},
    )
    page = chapter_page("centroid_defense")
    frame = claims.ledger().query("chapter == 'centroid_defense'")
    tally = page.table
    heads = [th.text.split(" ", 1)[-1] for th in tally.thead("th")]
    assert heads == ["Place", REPRODUCED, NOT_REPRODUCED, NOT_YET]
    rows = {tr.th.text: [int(td.text) for td in tr("td")] for tr in tally.tbody("tr")}
    assert list(rows) == list(frame["place"].unique())
    assert rows["Appendix A, table 1"] == [1, 1, 16]
    assert sum(map(sum, rows.values())) == len(frame) == len(page.details.tbody("tr"))
    assert f"{len(frame)} claims" in page.summary.text


@pytest.mark.parametrize("width", [360, 1200])
def test_the_filters_work_offline_and_on_a_phone(browser, dashboard, house, width):
    (house / "_static").mkdir()
    for name in ("ledger.js", "custom.css"):
        shutil.copy(ROOT / "book" / "_static" / name, house / "_static")
    (house / "book").mkdir()
    page_file = house / "book" / "intro.html"
    style = '<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="../_static/custom.css">'
    page_file.write_text(f'{style}<main class="cell_output"><div class="text_html">{dashboard}</div></main>')
    options = {"viewport": {"width": width, "height": 740}}
    with test_browser.opened(browser, page_file.as_uri(), **options) as (page, wanted):
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("(e => e.scrollWidth <= e.clientWidth)(document.querySelector('.text_html'))")
        assert page.locator(".claims td").first.evaluate("e => getComputedStyle(e).textAlign") == "left"
        everything = len(claims.load())
        shown = page.locator(".claims tbody tr:visible")
        assert shown.count() == everything
        page.select_option("[name=verdict]", CODE_ONLY)
        assert shown.count() == 1
        assert page.locator("[role=status]").inner_text() == f"1 of {everything} claims"
        page.select_option("[name=verdict]", "")
        page.select_option("[name=kind]", "construction")
        assert shown.count() == sum(c.kind == "construction" for c in claims.load())
        page.select_option("[name=kind]", "")
        page.select_option("[name=paper]", "hua")
        assert shown.count() == len(claims.load("hua"))
        page.fill("[name=text]", "jpeg PerC-AL")
        assert shown.evaluate_all("rows => rows.map(r => r.id)") == ["hua-jpeg-a1-perc-al"]
        page.fill("[name=text]", "no such claim")
        assert shown.count() == 0
    assert wanted == []
