"""A lab's page in Chromium, opened from disk with the network cut."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page

PATIENCE = 120_000  # milliseconds that a busy machine may take for anything
# Every control as it was when the page was opened.
START_OVER = """() => {
  for (const form of document.querySelectorAll('.lab form')) form.reset()
  for (const input of document.querySelectorAll('.lab input[type=file]')) input.value = ''
  for (const fold of document.querySelectorAll('.lab details')) fold.open = false
  document.querySelector('.lab form :is(select, input)').dispatchEvent(new Event('change', {bubbles: true}))
  document.querySelector('.lab form :is(select, input)').dispatchEvent(new Event('input', {bubbles: true}))
  document.querySelector('.lab-alert').textContent = ''
}"""
# Draws the same from here on.
SEEDED = "seed => { const next = statistics.randomLcg(seed); Math.random = next }"


@contextmanager
def lab(browser: Browser, pages: Path, name: str, **options) -> Iterator[tuple[Page, list[str]]]:
    """The page of a lab that is ready, and what went wrong: addresses that it asked for in vain, and errors.

    Without the page's policy, which forbids how Playwright waits for a function, unless `bypass_csp` is False.
    """
    wrong = []
    context = browser.new_context(**{"bypass_csp": True} | options)
    context.route(lambda url: not url.startswith(("file:", "data:", "blob:")), lambda route: route.abort())
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.on("requestfailed", lambda request: wrong.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.goto((pages / "book" / "labs" / f"{name}.html").as_uri())
    page.wait_for_selector(".lab[data-ready=true]")
    yield page, wrong
    context.close()


def says(page: Page, words: str, where: str = ".lab-answer") -> str:
    """What a part of the lab says, once these words are in it."""
    page.wait_for_function(
        "([where, words]) => document.querySelector(where).textContent.includes(words)", arg=[where, words]
    )
    return page.locator(where).text_content()


def begin(page: Page, seed: int = 1, **chosen: str) -> None:
    """Begin a block of the lab `Can you see it?`."""
    page.evaluate(SEEDED, seed)
    for name, value in chosen.items():
        page.select_option(f"[name={name}]", value)
    page.locator("[name=observer]").fill("ada")
    page.locator("[name=distance]").fill("57")
    page.get_by_text("Begin a block").click()
