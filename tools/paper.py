"""The whole book as one PDF, book/_build/book.pdf: the pages of the site one after another, printed by Chromium.

python -m tools.paper, after tools/render.py
"""

import copy
import re
import shutil
import sys
import tomllib
from datetime import date
from html import escape
from pathlib import Path
from urllib.parse import urldefrag, urlsplit

import yaml
from bs4 import BeautifulSoup, Tag
from playwright.sync_api import sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.generic import NameObject, TextStringObject

ROOT = Path(__file__).resolve().parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND"]
MARGINS = {"top": "20mm", "bottom": "22mm", "left": "20mm", "right": "20mm"}
FOOTER = '<div style="width: 100%; font: 8pt sans-serif; text-align: center"><span class="pageNumber"></span></div>'
# What a reader of paper has no use for: ways to click, and the code that draws and formats, which the site folds.
SCREEN = (
    "a.headerlink, button, form, script, .meaning, .tag_hide-input > :is(details, .cell_input), "
    "summary:has(> :-soup-contains('code cell'))"
)
# Chromium's options: A4, with bookmarks from the headings, tags for who hears it, and the sheet's number.
SHEET = {"width": 643, "height": 960}  # CSS pixels of A4 within the margins
FORMAT = {
    "format": "A4", "margin": MARGINS, "print_background": True, "outline": True, "tagged": True,
    "display_header_footer": True, "header_template": "<span></span>", "footer_template": FOOTER,
}  # fmt: skip
PATIENCE = 1_200_000  # milliseconds: a busy machine may take its time
# Waits until the formulas stand, in the page itself, where no policy forbids it.
TYPESET = """new Promise(done => {
  const typeset = () => window.MathJax.startup?.promise
  const look = () => !window.MathJax ? done() : typeset() ? typeset().then(() => done()) : setTimeout(look, 20)
  look()
})"""
# What the page should show and does not: pictures that are missing, formulas that are none.
UNDRAWN = """() => [...[...document.images].filter(i => !i.naturalWidth).map(i => i.src.slice(0, 120)),
  ...[...document.querySelectorAll('mjx-merror')].map(e => e.textContent)]"""
# A formula that is wider than the sheet is set smaller.
FIT = """() => { for (const box of document.querySelectorAll('div.math')) {
  const formula = box.querySelector('mjx-math')?.getBoundingClientRect().width ?? 0
  const room = box.clientWidth - (box.querySelector('.eqno')?.offsetWidth ?? 0) - 8
  if (formula > room) box.querySelector('mjx-container').style.fontSize = `${100 * room / formula}%`
} }"""
# The sheet's number behind each title in the contents.
NUMBER = """numbers => { for (const line of document.querySelectorAll('nav a'))
  line.querySelector('b').textContent = numbers[line.hash.slice(1)] }"""


def parts(root: Path = ROOT) -> dict[str, list[str]]:
    """The pages of each part of the book, in the order of _toc.yml; the first page has a part of its own."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    return {"": [toc["root"]]} | {part["caption"]: [c["file"] for c in part["chapters"]] for part in toc["parts"]}


def place(page: str, fragment: str = "") -> str:
    """The id in the PDF of a page such as `notebooks/fgsm`, or of a place on it: two pages may share its name."""
    return page.replace("/", "-") + (f"--{fragment}" if fragment else "")


def article(site: Path, page: str, pages: set[str]) -> Tag:
    """What a page of the site says, its headings a level lower, its links into the same PDF.

    pages: those that the PDF holds; a link to another file of the site is left as its words.
    """
    found = BeautifulSoup((site / f"{page}.html").read_text(encoding="utf-8"), "html.parser").select_one("article")
    for tag in found.select(SCREEN):
        tag.decompose()
    for tag in found(id=True):
        tag["id"] = place(page, tag["id"])
    for tag in found.select("a[href]"):
        target = linked(tag["href"], page, pages)
        if target is None:
            tag.unwrap()
        else:
            tag["href"] = target
    for tag in found.select("[src]"):
        tag["src"] = tag["src"] if urlsplit(tag["src"]).scheme else f"{site.name}/{beside(page, tag['src'])}"
    for tag in found.select("details"):
        tag["open"] = ""
    for level in (5, 4, 3, 2, 1):
        for tag in found.find_all(f"h{level}"):
            tag.name = f"h{level + 1}"
    found["id"] = place(page)
    return found


def beside(page: str, address: str) -> str:
    """A relative address of a page, seen from the site's folder."""
    root = Path("/site")
    return str((root / page).parent.joinpath(address).resolve().relative_to(root))


def linked(address: str, page: str, pages: set[str]) -> str | None:
    """Where a link of a page leads in the PDF: the web, a place in the PDF, or None where there is no such place."""
    if urlsplit(address).scheme:
        return address
    path, fragment = urldefrag(address)
    target = beside(page, path).removesuffix(".html") if path else page
    return "#" + place(target, fragment) if target in pages else None


def contents(titles: dict[str, dict[str, str]]) -> str:
    """The table of contents: parts, the titles of their pages, and room for the number of the sheet of each."""
    lines = []
    for part, pages in titles.items():
        lines += [f'<li class="part">{escape(part)}</li>'] if part else []
        for page, title in pages.items():
            lines.append(f'<li><a href="#{place(page)}"><span>{escape(title)}</span><b>000</b></a></li>')
    return f"<nav><h1>Contents</h1><ol>{''.join(lines)}</ol></nav>"


def assembled(site: Path, root: Path = ROOT) -> str:
    """The book as one page of HTML, to lie beside the site's folder."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    whole = {page for pages in parts(root).values() for page in pages}
    articles = {page: article(site, page, whole) for page in whole}
    titles = {
        part: {page: articles[page].find("h2").get_text().strip() for page in pages}
        for part, pages in parts(root).items()
    }
    body = [
        f'<section class="title"><p>{escape(config["title"])}</p><p>{escape(project["description"])}</p>'
        f"<p>{escape(config['author'])}</p><p>Version {project['version']}, {date.today().isoformat()}</p>"
        f"<p>© {escape(config['copyright'])}</p><p>The code that draws and formats is left out here: the site and the "
        "notebooks have it. Solutions of exercises are unfolded.</p></section>",
        contents(titles),
    ]
    for part, pages in parts(root).items():
        body += [f'<h1 class="part">{escape(part)}</h1>'] if part else []
        body += [str(articles[page]) for page in pages]
    style = (root / "book" / "paper.css").read_text(encoding="utf-8")
    return (
        f'<!doctype html><html lang="en" data-theme="light" data-mode="light"><head><meta charset="utf-8">'
        f"<title>{escape(config['title'])}</title>{head(site, parts(root)[''][0])}<style>{style}</style></head>"
        f"<body>{''.join(body)}</body></html>"
    )


def head(site: Path, page: str) -> str:
    """The styles of a page of the site, and what draws its formulas."""
    html = BeautifulSoup((site / f"{page}.html").read_text(encoding="utf-8"), "html.parser")
    kept = []
    for tag in map(copy.copy, html.select("link[rel=stylesheet], script")):
        source = tag.get("href") or tag.get("src")
        if tag.name == "link" or "mathjax" in f"{source} {tag.string}".lower():
            if source:
                tag["href" if tag.name == "link" else "src"] = f"{site.name}/{beside(page, source.partition('?')[0])}"
            kept.append(str(tag))
    return "".join(kept)


def starts(reader: PdfReader) -> dict[str, int]:
    """The number of the sheet (from 1) on which each place is that a link leads to, by its id."""
    places = reader.named_destinations.items()
    return {name.removeprefix("/"): reader.get_destination_page_number(there) + 1 for name, there in places}


def once(title: str) -> str:
    """A bookmark's title, whose parts Chromium writes twice where a heading has moved to the next sheet."""
    twice = re.fullmatch(r"(?:(\S+ )\1)?(.+)\2", title)
    return (twice[1] or "") + twice[2] if twice else title


def entitled(pdf: Path) -> None:
    """Write each bookmark's title once."""
    writer = PdfWriter(clone_from=pdf)
    todo = [writer.root_object["/Outlines"]]
    while todo:
        entry = todo.pop().get_object()
        if "/Title" in entry:
            entry[NameObject("/Title")] = TextStringObject(once(entry["/Title"]))
        todo += [entry[key] for key in ("/First", "/Next") if key in entry]
    writer.write(pdf)


def printed(site: Path, root: Path = ROOT) -> Path:
    """Print the book twice, the second time with the sheets' numbers in its contents; returns the file.

    Raises RuntimeError where there is no Chromium, or a picture or a formula of the page is not drawn.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise RuntimeError("no Chromium here, which prints the book: install chromium, or print pages of the site")
    page_path, pdf = site.parent / "paper.html", site.parent / "book.pdf"
    page_path.write_text(assembled(site, root), encoding="utf-8")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=FLAGS)
        page = chromium.new_page(viewport=SHEET)
        page.set_default_timeout(PATIENCE)
        page.emulate_media(media="print")
        page.goto(page_path.as_uri())
        page.evaluate(TYPESET)
        if wrong := page.evaluate(UNDRAWN):
            raise RuntimeError(f"not drawn: {', '.join(wrong)}")
        page.evaluate(FIT)
        page.pdf(path=pdf, **FORMAT)
        page.evaluate(NUMBER, starts(PdfReader(pdf)))
        page.pdf(path=pdf, **FORMAT)
        chromium.close()
    entitled(pdf)
    page_path.unlink()
    return pdf


if __name__ == "__main__":
    try:
        print(printed(ROOT / "book" / "_build" / "html"))
    except RuntimeError as error:
        sys.exit(f"error: {error}")
