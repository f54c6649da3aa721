"""The labs in Chromium: their pages alone, built as the book is, opened from disk with the network cut."""

import os
import re
import shutil
from pathlib import Path

import pytest
from labs_pages import START_OVER, lab
from playwright.sync_api import sync_playwright
from test_browser import FLAGS
from test_toy_book import toy

from tools import render

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted((ROOT / "book" / "labs").glob("*.md"))


@pytest.fixture(scope="session")
def pages(tmp_path_factory) -> Path:
    """The folder of a site of the labs and one page without any; a warning is an error."""
    root = tmp_path_factory.mktemp("labs")
    texts = {f"book/labs/{page.name}": page.read_text(encoding="utf-8") for page in PAGES}
    named = {name: re.sub(r"\{(doc|ref|cite:p)\}`[^`]*`", "elsewhere", text) for name, text in texts.items()}
    (root / "book" / "labs").mkdir(parents=True)
    for markup in (ROOT / "book" / "labs").glob("*.html"):
        shutil.copy(markup, root / "book" / "labs")
    toy(root, {"book/plain.md": "(plain)=\n# A page without a lab\n\nWords.\n", **named})
    return render.render(root).parent


@pytest.fixture(scope="module")  # no longer: its event loop would stand in the way of other modules' own
def chromium():
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        reason = "no Chromium here: install chromium to test the labs"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def opened(request, chromium, pages):
    """The page of the lab that the module tests, opened once."""
    with lab(chromium, pages, request.module.__name__.rpartition("test_")[2]) as found:
        yield found


@pytest.fixture
def page(opened):
    """The same page with every control as at first; nothing may go wrong on it."""
    page, wrong = opened
    page.evaluate(START_OVER)
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    yield page
    assert wrong == []
