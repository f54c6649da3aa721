"""The site in a browser with the network cut: it asks nobody and logs no error, formulas render, pages fit a phone,
nobody is kept out: not by a screen reader, not by a keyboard, not by the colours.
"""

import os
import shutil
from contextlib import contextmanager
from itertools import pairwise

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page, sync_playwright
from test_book import CHAPTERS, FUNCTIONS, in_source

from tools import paper

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost",
]
# For each formula on the page whether it is there, visible and drawn.
FORMULAS = """() => [...document.querySelectorAll('article .math')].filter(e => e.checkVisibility()).map(e => {
  const drawn = e.querySelector('mjx-container')?.getBoundingClientRect()
  return Boolean(drawn && drawn.width && drawn.height && !e.querySelector('mjx-merror'))
})"""
# What sticks out of the window and cannot be scrolled to within a box of its own.
OVERFLOW = """() => [...document.querySelectorAll('main *, .bd-footer *')].filter(e => {
  const box = e.getBoundingClientRect()
  const seen = box.width && e.checkVisibility({visibilityProperty: true}) && !e.closest('mjx-assistive-mml')
  if (!seen || box.right <= innerWidth + 1) return false
  for (let p = e.parentElement; p && !p.matches('main'); p = p.parentElement)
    if (['auto', 'scroll'].includes(getComputedStyle(p).overflowX)) return false
  return true
}).map(e => e.outerHTML.slice(0, 120))"""
# The smallest letters of each figure in pixels: fairlib.book.plots sets 7 points, saved with 200 dots an inch.
LETTERS = """() => [...document.querySelectorAll('article .cell_output img')].filter(e => e.checkVisibility())
  .map(e => 7 / 72 * 200 * e.getBoundingClientRect().width / e.naturalWidth)"""
# Of each box that scrolls sideways: whether a shadow stands to its left and its right, at its start and at its end.
SHADOWS = """async () => {
  const frame = () => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))
  const sides = e => getComputedStyle(e).boxShadow.split(/, (?=rgb|color|oklab)/).map(s => !/ 0px 0px 0px 0px/.test(s))
  const boxes = '.cell_output .text_html, .pst-scrollable-table-container, article :is(figure, pre, [display=true])'
  const found = []
  for (const e of document.querySelectorAll(boxes)) {
    if (!e.checkVisibility() || e.scrollWidth <= e.clientWidth + 1) continue
    const start = sides(e)
    e.scrollLeft = e.scrollWidth
    await frame()
    found.push([...start, ...sides(e)])
  }
  return found
}"""
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1300, "height": 800}
# Every page with FAIRLIB_PAGES=all; else some that hold, between them, every kind of thing that a page shows.
SAMPLE = [
    "notebooks/start", "notebooks/ledger", "notebooks/truncation", "book/glossary", "book/api/defenses",
    "book/references",
]  # fmt: skip
AUDITED = [*CHAPTERS, "genindex", "search"] if os.environ.get("FAIRLIB_PAGES") == "all" else SAMPLE
UNFOLDED = """() => {
  for (const e of document.querySelectorAll('details')) e.open = true
  for (const e of document.querySelectorAll('.toggle-hidden')) e.classList.remove('toggle-hidden')
}"""
# What axe-core calls serious or critical, by all of its rules. Contrast, which costs it most, is measured once for each
# combination of colours, size and weight of letters, and grounds; not in formulas, which have the text's colour.
BARRIERS = """async coloursOnly => {
  for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame)
  const own = e => [...e.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim())
  const grounds = new Map()
  const ground = e => {
    if (e && !grounds.has(e)) {
      const { backgroundColor, backgroundImage, opacity } = getComputedStyle(e)
      grounds.set(e, [backgroundColor, backgroundImage, opacity].join() + ground(e.parentElement))
    }
    return e ? grounds.get(e).replace(/^(rgba\\(0, 0, 0, 0\\),none,1)+/, '') : ''
  }
  const kinds = new Map()
  for (const e of document.querySelectorAll('body *')) {
    if (e.closest('mjx-container') || !own(e) || !e.checkVisibility({visibilityProperty: true})) continue
    const { color, fontSize, fontWeight } = getComputedStyle(e)
    const kind = [color, fontSize, fontWeight, ground(e)].join()
    if (!kinds.has(kind)) kinds.set(kind, e)
  }
  const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice', 'experimental']
  const found = await axe.run(document, coloursOnly ? {runOnly: ['link-in-text-block']} : {
    runOnly: tags, rules: {'color-contrast': {enabled: false}}, resultTypes: ['violations']
  })
  const contrast = await axe.run({include: [...kinds.values()]}, {runOnly: ['color-contrast']})
  return [...found.violations, ...contrast.violations]
    .filter(({ impact }) => ['serious', 'critical'].includes(impact))
    .flatMap(({ id, nodes }) => nodes.map(node => `${id}: ${node.html.slice(0, 120)}`))
}"""
# What can be used with the keyboard, numbered.
CONTROLS = """() => [...document.querySelectorAll('a[href], button, summary, input, select, textarea, [tabindex="0"]')]
  .filter(e => e.tabIndex === 0 && !e.disabled && e.checkVisibility({visibilityProperty: true}))
  .map((e, i) => { e.dataset.control = i; return e.outerHTML.slice(0, 120) })"""
# The control with the focus, and whether it is seen there: within the window, opaque, with a ring around it.
FOCUSED = """() => {
  const e = document.activeElement
  const box = e.getBoundingClientRect()
  let opacity = 1
  for (let p = e; p; p = p.parentElement) opacity *= getComputedStyle(p).opacity
  const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(e)
  const outline = outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1
  const ring = outline || (e.matches('a') && boxShadow !== 'none')
  const within = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth
  return [e.dataset.control, Boolean(within && opacity > 0.9 && ring)]
}"""
# What would move by itself or glide: transitions, animations that run by the clock, pages that scroll smoothly.
MOTIONS = """() => [
  ...document.getAnimations().filter(a => a.timeline instanceof DocumentTimeline).map(a => a.animationName),
  ...[...document.querySelectorAll('*')].filter(e => {
    const { transitionProperty, transitionDuration, scrollBehavior } = getComputedStyle(e)
    const glides = transitionProperty !== 'none' && transitionDuration.split(',').some(time => parseFloat(time) > 0.01)
    return glides || scrollBehavior === 'smooth'
  }).map(e => e.outerHTML.slice(0, 120))
]"""


@pytest.fixture(scope="module")
def browser():
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        reason = "no Chromium here: install chromium to test the pages in a browser"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def opened(browser, address: str, **options) -> tuple[Page, list[str]]:
    """A page from disk, its formulas typeset, and what went wrong: addresses that it asked for in vain, and errors.

    Without the page's policy, which forbids how Playwright waits for a function, unless `bypass_csp` is False.
    """
    wrong = []
    context = browser.new_context(**{"bypass_csp": True} | options)
    context.route(lambda url: not url.startswith(("file:", "data:", "blob:")), lambda route: route.abort())
    page = context.new_page()
    page.on("requestfailed", lambda request: wrong.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.goto(address)
    page.evaluate(paper.TYPESET)
    yield page, wrong
    context.close()


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_page_needs_no_network_and_logs_no_error(browser, site, chapter):
    with opened(browser, (site / f"{chapter}.html").as_uri(), bypass_csp=False) as (page, wrong):
        formulas = page.evaluate(FORMULAS)
        assert all(formulas)
        assert chapter in FUNCTIONS or bool(formulas) == bool(in_source(chapter)["formulas"])
        assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert wrong == []


def test_a_page_runs_no_script_and_asks_no_address_but_its_own(browser, site):
    """What a stranger's words might bring into a page, were they not escaped."""
    with opened(browser, (site / "notebooks" / "fgsm.html").as_uri(), bypass_csp=False) as (page, wrong):
        page.evaluate("""() => {
            for (const [tag, has] of [
                ["script", { textContent: "document.title = 'changed'" }],
                ["script", { src: "data:text/javascript,document.title = 'changed'" }],
                ["img", { src: "https://example.org/1.png" }],
                ["iframe", { src: "https://example.org/" }],
            ]) document.body.append(Object.assign(document.createElement(tag), has))
        }""")
        page.wait_for_timeout(300)
        assert page.title() != "changed"
        assert sum("Content Security Policy" in said for said in wrong) == 4


@pytest.mark.parametrize("chapter", CHAPTERS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_fits_a_phone(browser, site, chapter, scheme):
    phone = {"viewport": PHONE, "color_scheme": scheme}
    with opened(browser, (site / f"{chapter}.html").as_uri(), **phone) as (page, _):
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert page.evaluate(OVERFLOW) == []
        assert min(page.evaluate(LETTERS), default=8) >= 8
        assert all(found == [False, True, True, False] for found in page.evaluate(SHADOWS))


def test_what_scrolls_on_a_phone_does_not_on_a_desk(browser, site):
    """The figure stands whole where there is room, its caption within the window on both."""
    figure = "document.querySelector('article figure')"
    address = (site / "notebooks" / "compression.html").as_uri()
    for viewport, scrolls in ((PHONE, True), ({"width": 1280, "height": 740}, False)):
        with opened(browser, address, viewport=viewport) as (page, _):
            assert page.evaluate(f"{figure}.scrollWidth > {figure}.clientWidth + 1") is scrolls
            for left in (0, 9_999):
                page.evaluate(f"{figure}.scrollLeft = {left}")
                box = page.evaluate(f"{figure}.querySelector('figcaption').getBoundingClientRect().toJSON()")
                assert 0 <= box["left"] < box["right"] <= viewport["width"]


def test_a_stacked_table_fits_a_phone(browser, site):
    """Unfolded, its effects, the fourth column, are in sight without scrolling."""
    with opened(browser, (site / "notebooks" / "ambiguities_hua.html").as_uri(), viewport=PHONE) as (page, _):
        page.evaluate("for (const e of document.querySelectorAll('details')) e.open = true")
        cells = page.locator(".tag_stacked td:nth-child(4)")
        boxes = [cells.nth(i).bounding_box() for i in range(cells.count())]
        assert len(boxes) > 30
        assert all(box["x"] >= 0 and box["x"] + box["width"] <= 360 for box in boxes)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_words_meaning_stands_beside_it(browser, site, scheme):
    """On focus and on hover, gone with Escape and with the mouse; legible; those who hear the page hear it, too."""
    options = {"viewport": DESK, "color_scheme": scheme, "reduced_motion": "reduce"}
    with opened(browser, (site / "notebooks" / "fgsm.html").as_uri(), **options) as (page, wrong):
        shown = page.locator(".meaning:visible")
        words = page.locator("article a[aria-describedby^='meaning-']")
        assert words.count() > 10 and shown.count() == 0
        for i in (0, 4):
            word = words.nth(i)
            word.focus()
            assert shown.count() == 1
            assert shown.get_attribute("id") == word.get_attribute("aria-describedby")
            assert beside(word.bounding_box(), shown.bounding_box(), DESK)
            if i == 0:
                page.evaluate(AXE_SCRIPT)
                assert page.evaluate(BARRIERS, True) == []
            page.keyboard.press("Escape")
            assert shown.count() == 0
        word = words.nth(6)
        word.hover()
        assert shown.get_attribute("id") == word.get_attribute("aria-describedby")
        shown.hover()  # it stays while the mouse is on it
        page.wait_for_timeout(400)
        assert shown.count() == 1
        page.mouse.move(1, 1)
        page.wait_for_function("!document.querySelector('.meaning:not([hidden])')")
    assert wrong == []


def test_a_word_is_tapped(browser, site):
    """The first tap shows what it means, within the window, and one there or elsewhere hides it; a second leads on."""
    phone = {"viewport": PHONE, "has_touch": True, "is_mobile": True}
    with opened(browser, (site / "notebooks" / "fgsm.html").as_uri(), **phone) as (page, _):
        shown = page.locator(".meaning:visible")
        words = page.locator("article a[aria-describedby^='meaning-']")
        for i in range(words.count()):
            words.nth(i).tap()
            assert shown.get_attribute("id") == words.nth(i).get_attribute("aria-describedby")
            assert beside(words.nth(i).bounding_box(), shown.bounding_box(), PHONE)
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
            shown.tap()
            assert shown.count() == 0
        words.first.tap()
        page.locator("article h1").tap()
        assert shown.count() == 0
        for _ in range(2):
            words.first.tap()
        page.wait_for_url("**/book/glossary.html#term-*")


def beside(word: dict, meaning: dict, window: dict) -> bool:
    """Whether a meaning lies within the window, just below or above its word, and covers none of it."""
    within = meaning["x"] >= 0 and meaning["x"] + meaning["width"] <= window["width"]
    below = meaning["y"] - word["y"] - word["height"]
    above = word["y"] - meaning["y"] - meaning["height"]
    return within and -word["height"] / 2 <= max(below, above) <= 10


def test_dark_mode_toggles(browser, site):
    with opened(browser, (site / f"{CHAPTERS[0]}.html").as_uri(), color_scheme="light") as (page, _):
        seen = []
        for _ in range(3):
            page.locator("button.theme-switch-button:visible").first.click()
            background = "getComputedStyle(document.body).backgroundColor"
            seen.append((page.evaluate("document.documentElement.dataset.theme"), page.evaluate(background)))
    assert {theme for theme, _ in seen} == {"light", "dark"}
    assert len(set(seen)) == 2


def test_the_first_page_is_one_screen(browser, site):
    """All four cards and the three ways in, on a desk; on a phone one below the other, in their order."""
    tops = """() => [...document.querySelectorAll('article :is(h1, .tag_card, article section > ul)')]
      .map(e => e.getBoundingClientRect().toJSON())"""
    address = (site / f"{CHAPTERS[0]}.html").as_uri()
    with opened(browser, address, viewport={"width": 1300, "height": 900}) as (page, _):
        boxes = page.evaluate(tops)
        assert len(boxes) == 7 and all(box["top"] >= 0 and box["bottom"] <= 900 for box in boxes)
        cards = boxes[2:6]
        assert len({round(box["top"]) for box in cards}) == 1
        assert all(one["right"] <= two["left"] for one, two in pairwise(cards))
    with opened(browser, address, viewport=PHONE) as (page, _):
        assert all(one["bottom"] <= two["top"] for one, two in pairwise(page.evaluate(tops)))


@pytest.mark.parametrize("name", ["index", "notebooks/start"])
@pytest.mark.parametrize("place", ["pepe-table1-eps0.1-defended", "paper=hua&text=GDP"])
def test_an_address_of_the_ledger_that_was_the_first_page_still_arrives(browser, site, name, place):
    with opened(browser, f"{(site / name).as_uri()}.html#{place}") as (page, _):
        page.wait_for_url(f"**/notebooks/ledger.html#{place}")
        page.wait_for_function("document.querySelector('details[open] tr')?.checkVisibility()")
        if "=" not in place:
            box = page.locator(f"[id='{place}']").bounding_box()
            assert -1 < box["y"] < page.viewport_size["height"]


def test_the_door_leads_to_the_first_page(browser, site):
    for place in ("", "#fair-and-robust"):
        with opened(browser, f"{(site / 'index').as_uri()}.html{place}") as (page, _):
            page.wait_for_url(f"**/{CHAPTERS[0]}.html{place}")


@pytest.mark.parametrize(
    ("word", "leads_to"),
    [
        ("epsilon", {"book/glossary.html", "notebooks/fgsm.html"}),
        ("glossary", {"book/glossary.html"}),
        ("download", {"book/intro.html"}),
        ("limitations", {"book/audit_limits.html"}),
        ("wealth", {"book/glossary.html", "notebooks/bias_metric.html", "notebooks/fairer.html"}),
        ("GDP", {"book/glossary.html", "notebooks/bias_metric.html"}),
    ],
)
def test_search_finds_what_readers_call_things_offline(browser, site, word, leads_to):
    with opened(browser, (site / "search.html").as_uri() + f"?q={word}") as (page, wrong):
        page.wait_for_selector("#search-results li a")
        for place in leads_to:
            page.wait_for_selector(f"#search-results li a[href*='{place}']")
    assert wrong == []


def test_an_old_address_goes_on_to_the_audit(browser, site):
    chapter, place = (site / "notebooks" / "centroid_defense.html").as_uri(), "what-would-print-the-tables"
    with opened(browser, chapter) as (page, _):
        page.evaluate(f"location.hash = '{place}'")  # as a link on the page, or a bookmark, does
        page.wait_for_url(f"**/check_centroid_defense.html#{place}")
        page.locator(f"#{place} h3").first.wait_for()  # in sight


def test_the_first_key_leads_past_the_side_bar(browser, site):
    with opened(browser, (site / "notebooks" / "fgsm.html").as_uri()) as (page, _):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.getAttribute('href')") == "#main-content"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('main') !== null")


def test_every_button_and_link_has_a_name(browser, site):
    nameless = """() => [...document.querySelectorAll('button, a[href]')].filter(
      e => e.checkVisibility() && !e.innerText.trim() && !e.ariaLabel && !e.title && !e.querySelector('img[alt]')
    ).map(e => e.outerHTML.slice(0, 120))"""
    with opened(browser, (site / "notebooks" / "fgsm.html").as_uri()) as (page, _):
        assert page.evaluate("document.querySelectorAll('button.copybtn').length") > 0
        assert page.evaluate(nameless) == []


@pytest.mark.parametrize("chapter", AUDITED)
def test_no_page_keeps_anyone_out(browser, site, chapter):
    """By axe-core's rules at both widths, those on colours in both themes, everything unfolded."""
    found = []
    with opened(browser, (site / f"{chapter}.html").as_uri(), viewport=DESK) as (page, _):
        page.evaluate(AXE_SCRIPT)
        page.evaluate(UNFOLDED)
        for view, scheme in ((DESK, "light"), (DESK, "dark"), (PHONE, "dark"), (PHONE, "light")):
            page.set_viewport_size(view)
            page.emulate_media(color_scheme=scheme)
            page.wait_for_function(f"document.documentElement.dataset.theme === '{scheme}'")
            found += [f"{view['width']} {scheme} {said}" for said in page.evaluate(BARRIERS, scheme == "dark")]
    assert found == []


def test_a_page_that_keeps_someone_out_is_caught(browser, tmp_path):
    """The instrument itself: each of the kinds that a review found here, and the second of two unlike grounds."""
    page_path = tmp_path / "page.html"
    page_path.write_text(
        "<!doctype html><html lang='en'><title>t</title><main><h1>t</h1><button aria-label='Close'>Open</button>"
        "<div style='width: 90px; overflow: auto'><p style='width: 900px'>" + "wide " * 80 + "</p></div>"
        "<div role='list'><b>no item</b></div><p style='color: #777'>legible</p>"
        "<p style='color: #777; background: #666'>not legible</p></main></html>"
    )
    with opened(browser, page_path.as_uri()) as (page, _):
        page.evaluate(AXE_SCRIPT)
        found = page.evaluate(BARRIERS, False)
    kinds = ("label-content-name-mismatch", "scrollable-region-focusable", "aria-required-children", "color-contrast")
    assert {said.split(":")[0] for said in found} >= set(kinds)
    assert any("#666" in said for said in found if said.startswith("color-contrast"))


@pytest.mark.parametrize("view", [DESK, PHONE], ids=["desk", "phone"])
def test_the_keyboard_reaches_every_control(browser, site, view):
    """One after the other, each seen while it has the focus."""
    address = (site / "notebooks" / "check_fgsm.html").as_uri()
    with opened(browser, address, viewport=view, reduced_motion="reduce") as (page, _):
        page.evaluate(UNFOLDED)
        page.wait_for_timeout(500)
        controls = page.evaluate(CONTROLS)
        reached, unseen = set(), []
        for _ in range(len(controls) + 5):
            page.keyboard.press("Tab")
            control, seen = page.evaluate(FOCUSED)
            reached.add(control)
            if control and not seen:
                unseen.append(controls[int(control)])
    assert len(controls) > 100
    assert [control for i, control in enumerate(controls) if str(i) not in reached] == []
    assert unseen == []


def test_keys_work_the_controls(browser, site):
    """A fold opens, a box scrolls, the colours change and the button's name says to what."""
    with opened(browser, (site / "notebooks" / "fgsm.html").as_uri(), viewport=PHONE) as (page, _):
        fold = page.locator("details:has(> summary)", has=page.locator("pre")).first
        fold.locator("summary").focus()
        page.keyboard.press("Enter")
        assert fold.evaluate("e => e.open")
        box = page.locator("pre[aria-label='Code, scrolls']:visible").first
        box.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("document.activeElement.scrollLeft > 0")
        names = set()
        button = page.locator("button.theme-switch-button:visible").first
        for _ in range(3):
            button.focus()
            page.keyboard.press("Enter")
            page.wait_for_timeout(50)
            names.add(button.get_attribute("aria-label"))
    assert names == {"Color mode: Light", "Color mode: Dark", "Color mode: System Settings"}


def test_who_asked_for_less_motion_gets_none(browser, site):
    motions = {}
    for motion in ("reduce", "no-preference"):
        with opened(browser, (site / "notebooks" / "fgsm.html").as_uri(), reduced_motion=motion) as (page, _):
            page.evaluate(UNFOLDED)
            motions[motion] = page.evaluate(MOTIONS)
    assert motions["reduce"] == []
    assert motions["no-preference"]  # the instrument sees what moves


def test_a_dark_page_is_printed_in_light_colours(browser, site):
    theme = "document.documentElement.dataset.theme"
    with opened(browser, (site / f"{CHAPTERS[0]}.html").as_uri(), color_scheme="dark") as (page, _):
        page.evaluate(f"addEventListener('beforeprint', () => window.printed = {theme})")
        page.pdf()
        assert page.evaluate(f"[window.printed, {theme}]") == ["light", "dark"]


def test_a_page_that_asks_or_fails_is_caught(browser, tmp_path):
    """The instrument itself: another host, a missing file, errors, a formula not drawn, a box that sticks out."""
    page_path = tmp_path / "page.html"
    page_path.write_text(
        '<script src="https://cdn.example.org/x.js"></script><img src="gone.png" alt="gone">'
        "<script>const twice = 1</script><script>const twice = 2; never()</script><script>console.error('no')</script>"
        '<main><article><span class="math">x</span><div style="width: 2000px; height: 9px"></div></article></main>'
    )
    with opened(browser, page_path.as_uri(), viewport=PHONE) as (page, wrong):
        assert page.evaluate(FORMULAS) == [False]
        assert len(page.evaluate(OVERFLOW)) >= 1
    assert {found.rsplit("/", 1)[-1] for found in wrong if "Failed to load" not in found} == {
        "gone.png",
        "x.js",
        "Identifier 'twice' has already been declared",
        "no",
    }
