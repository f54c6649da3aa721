"""What each lab must hold: nothing is fetched, nobody is kept out, and other pages carry none of it."""

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from bs4 import BeautifulSoup
from labs_pages import lab
from test_browser import BARRIERS, CONTROLS, DESK, FOCUSED, MOTIONS, OVERFLOW, PHONE, UNFOLDED

from book._ext.labs import LABS

LARGEST = 3_000_000  # bytes of scripts and numbers


def scripts(page) -> list:
    html = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    return [(page.parent / s["src"].split("?")[0]).resolve() for s in html("script") if "labs/" in s.get("src", "")]


@pytest.mark.parametrize("name", LABS)
def test_it_is_small_and_brings_what_it_needs(pages, name):
    found = scripts(pages / "book" / "labs" / f"{name}.html")
    assert len(found) == len(LABS[name])
    assert sum(path.stat().st_size for path in found) < LARGEST


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
        assert page.evaluate(MOTIONS) == []
        assert wrong == []
        page.evaluate(AXE_SCRIPT)  # asks for the style sheets, which a page from disk may not
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
