"""The labs in Chromium: how long until a page answers, how heavy it is, and the frames a second while a slider moves.

make html && python benchmarks/labs.py [--repeats 5] [--frames 90]

The built site, opened from disk. To the first answer: from the request of the page until its lab says that it is ready.
Frames: each slider goes from end to end, one value a frame, and the page is drawn before the next. Megabytes: the page,
and all that it loads beyond what a page without a lab does. Medians over the repeats; wanted are 2 seconds, 30 frames a
second, 3 MB.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

SITE = Path(__file__).resolve().parents[1] / "book" / "_build" / "html"
WANTED = {"seconds": 2.0, "frames": 30.0, "megabytes": 3.0}
SLIDE = """async ([name, frames]) => {
  const slider = document.querySelector(`.lab [name=${name}]`)
  const { min, max } = slider
  const drawn = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)))
  await drawn()
  const start = performance.now()
  for (let i = 0; i < frames; i++) {
    slider.value = +min + (max - min) * i / (frames - 1)
    slider.dispatchEvent(new Event('input', { bubbles: true }))
    await drawn()
  }
  return 1000 * frames / (performance.now() - start)
}"""
SLIDERS = "[...document.querySelectorAll('.lab input[type=range]')].map(slider => slider.name)"


def files(urls: set[str]) -> set[Path]:
    """The files of the site among the addresses that a page asked for."""
    paths = {Path(url.removeprefix("file://").split("?")[0].split("#")[0]) for url in urls if url.startswith("file:")}
    return {path for path in paths if path.is_file()}


def opened(page: Page, name: str) -> float:
    """Seconds until the lab of a page is ready."""
    start = time.perf_counter()
    page.goto((SITE / "book" / "labs" / f"{name}.html").as_uri())
    page.wait_for_selector(".lab[data-ready=true]", timeout=120_000)
    return time.perf_counter() - start


def measured(page: Page, name: str, repeats: int, frames: int) -> dict:
    """What one lab takes."""
    loaded: set[str] = set()
    page.on("request", lambda request: loaded.add(request.url))
    page.goto((SITE / "book" / "references.html").as_uri())
    common = files(loaded)
    seconds = [opened(page, name) for _ in range(repeats)]
    rates = {s: [page.evaluate(SLIDE, [s, frames]) for _ in range(repeats)] for s in page.evaluate(SLIDERS)}
    return {
        "seconds": statistics.median(seconds),
        "frames": {slider: statistics.median(rate) for slider, rate in rates.items()},
        "megabytes": sum(file.stat().st_size for file in files(loaded) - common) / 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--frames", type=int, default=90)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    options = parser.parse_args()
    found = {}
    with sync_playwright() as playwright:
        for path in sorted((SITE / "book" / "labs").glob("*.html")):
            browser = playwright.chromium.launch(executable_path=options.chromium, args=["--no-sandbox"])
            found[path.stem] = measured(browser.new_page(), path.stem, options.repeats, options.frames)
            browser.close()
    print(json.dumps({"wanted": WANTED, "labs": found}, indent=1))


if __name__ == "__main__":
    main()
