"""What each lab must hold: nothing is fetched, nobody is kept out, and other pages carry none of it."""

from pathlib import Path

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from bs4 import BeautifulSoup
from labs_pages import begin, lab, says
from test_browser import BARRIERS, CONTROLS, DESK, FOCUSED, MOTIONS, OVERFLOW, PHONE, UNFOLDED

from book._ext.labs import LABS

# Captions that are read only by scrolling sideways.
CUT = """() => [...document.querySelectorAll('.lab caption')]
  .filter(e => e.checkVisibility() && e.getBoundingClientRect().right > innerWidth).map(e => e.textContent)"""
LARGEST = 3_000_000  # bytes of all that a lab's page needs and one without a lab does not


def scripts(page) -> list:
    html = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    return [(page.parent / s["src"].split("?")[0]).resolve() for s in html("script") if "labs/" in s.get("src", "")]


def taken(browser, address: str) -> set[Path]:
    """The files that a browser asks for to show a page."""
    context = browser.new_context()
    page = context.new_page()
    urls = set()
    page.on("request", lambda request: urls.add(request.url))
    page.goto(address)
    page.evaluate("document.fonts.ready")
    context.close()
    return {Path(url.removeprefix("file://").split("?")[0]) for url in urls if url.startswith("file:")}


@pytest.mark.parametrize("name", LABS)
def test_it_is_small_and_brings_what_it_needs(chromium, pages, name):
    """Scripts, weights, pictures, and what formulas would take: all that opening the page loads for the lab's sake."""
    path = pages / "book" / "labs" / f"{name}.html"
    assert len(scripts(path)) == len(LABS[name])
    own = taken(chromium, path.as_uri()) - taken(chromium, (pages / "book" / "plain.html").as_uri())
    assert set(scripts(path)) <= own
    assert sum(file.stat().st_size for file in own) < LARGEST


@pytest.mark.parametrize("name", LABS)
def test_the_pages_policy_lets_it_work(chromium, pages, name):
    assert "Content-Security-Policy" in (pages / "book" / "labs" / f"{name}.html").read_text(encoding="utf-8")
    with lab(chromium, pages, name, bypass_csp=False) as (_, wrong):
        assert wrong == []


def test_another_page_carries_none_of_it(pages):
    assert "_static/labs/" not in (pages / "book" / "plain.html").read_text(encoding="utf-8").split("<body")[0]
    assert scripts(pages / "book" / "plain.html") == []


@pytest.mark.parametrize("name", LABS)
def test_the_figure_stands_in_where_no_script_runs(chromium, pages, name):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((pages / "book" / "labs" / f"{name}.html").as_uri())
    assert not page.locator(".lab").is_visible()
    image = page.locator(".lab-stand-in img")
    assert image.is_visible()
    assert len(image.get_attribute("alt")) > 80
    context.close()


@pytest.mark.parametrize("name", LABS)
def test_the_lab_takes_the_place_of_the_figure(chromium, pages, name):
    with lab(chromium, pages, name) as (page, wrong):
        assert page.locator(".lab").is_visible()
        assert not page.locator(".lab-stand-in").is_visible()
    assert wrong == []


@pytest.mark.parametrize("name", LABS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", [DESK, PHONE], ids=["desk", "phone"])
def test_nobody_is_kept_out(chromium, pages, name, scheme, view):
    options = {"viewport": view, "color_scheme": scheme, "reduced_motion": "reduce"}
    with lab(chromium, pages, name, **options) as (page, wrong):
        page.evaluate(UNFOLDED)
        assert page.evaluate("document.documentElement.scrollWidth") <= view["width"]
        assert page.evaluate(OVERFLOW) == []
        assert page.evaluate(CUT) == []
        assert page.evaluate(MOTIONS) == []
        assert wrong == []
        page.evaluate(AXE_SCRIPT)  # asks for the style sheets, which a page from disk may not
        assert page.evaluate(BARRIERS, False) == []


def refused(page) -> None:
    page.locator("summary", has_text="Thresholds").click()
    page.locator("[name=image]").fill("100")
    says(page, "whole number", ".lab-alert")


def drawn(page) -> None:
    page.locator("button[name=thousand]").click()
    page.wait_for_selector(".lab[data-worlds='1000']")


def chosen(page) -> None:
    begin(page)
    page.wait_for_selector(".lab[data-trial='0']")


def equalled(page) -> None:
    page.select_option("[name=size]", "equal")
    says(page, "no map at equal L2", ".lab-maps")


def followed(page) -> None:
    page.locator(".lab tbody a").nth(1).focus()
    page.wait_for_selector(".lab tbody .lab-winner")


# What a page shows only while it is used.
USED = {"attack": refused, "fairness": drawn, "seen": chosen, "lens": equalled, "frontiers": followed}


@pytest.mark.parametrize("name", LABS)
@pytest.mark.parametrize(("scheme", "view"), [("light", DESK), ("dark", PHONE)], ids=["desk", "phone"])
def test_nobody_is_kept_out_of_what_comes_up_in_use(chromium, pages, name, scheme, view):
    with lab(chromium, pages, name, viewport=view, color_scheme=scheme, reduced_motion="reduce") as (page, wrong):
        USED[name](page)
        assert page.evaluate("document.documentElement.scrollWidth") <= view["width"]
        assert page.evaluate(OVERFLOW) == []
        assert wrong == []
        page.evaluate(AXE_SCRIPT)
        assert page.evaluate(BARRIERS, False) == []


@pytest.mark.parametrize("name", LABS)
def test_the_keyboard_reaches_everything(chromium, pages, name):
    with lab(chromium, pages, name, viewport=DESK) as (page, _):
        page.evaluate(UNFOLDED)
        controls = page.evaluate(CONTROLS)
        own = page.evaluate("[...document.querySelectorAll('.lab [data-control]')].map(e => e.dataset.control)")
        page.locator(f"[data-control='{own[0]}']").focus()
        reached = {}
        for _ in range(3 * len(own)):
            number, seen = page.evaluate(FOCUSED)
            reached[number] = seen
            if number == own[-1]:
                break
            page.keyboard.press("Tab")
        missed = [controls[int(number)] for number in own if not reached.get(number)]
        assert missed == []


@pytest.mark.parametrize("name", LABS)
def test_what_is_heard_is_said_in_words(chromium, pages, name):
    """A live region, and a name for every picture that a script draws."""
    with lab(chromium, pages, name) as (page, _):
        assert page.locator(".lab [role=status]").count() > 0
        assert page.locator(".lab [role=alert]").count() > 0
        drawn = page.evaluate(
            "[...document.querySelectorAll('.lab canvas')].filter(e => !e.closest('.uplot')).map(e => e.ariaLabel)"
        )
        assert all(drawn)
