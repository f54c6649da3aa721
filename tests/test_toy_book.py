"""A book of three pages: what it carries when it is published, and that a fault ends the build and is named."""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
from bs4 import BeautifulSoup
from PIL import Image
from pypdf import PdfReader

from tools import notebooks, paper, render

ROOT = Path(__file__).resolve().parents[1]
LINES = "A page that says what a toy needs."
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
LINKED = f"""
See {{doc}}`/book/changelog`, [elsewhere](https://example.org/there) and $x^2$.

<img src="data:image/png;base64,{PICTURE}" alt="A dot">

```{{code-cell}} ipython3
:tags: [hide-input]

drawn_and_formatted = 1
```

```{{code-cell}} ipython3
---
tags: [hide-cell]
mystnb:
  code_prompt_show: Solution
  code_prompt_hide: Solution
---
unfolded = "on paper"
```

```{{code-cell}} ipython3
:tags: [hide-cell]

unfolded = "as well"
```

## Changelog

Words.

## A section whose title is so long that it takes two lines of a sheet of paper, or of a screen
"""
CHAPTER = """\
# Is it <b>bold</b> & fair?

A chapter that asks one question of a toy.

```{code-cell} ipython3
6 * 7
```
"""


def toy(root: Path, pages: dict[str, str], repository: str = "") -> Path:
    """A book of these files, in the house's styles and with its extensions, each cell executed to no output."""
    (root / "book").mkdir(parents=True, exist_ok=True)
    for name in ("_ext", "_static", "paper.css", "references.bib"):
        (root / "book" / name).symlink_to(ROOT / "book" / name)
    shutil.copy(ROOT / "_config.yml", root)
    project = '[project]\nversion = "1.2.3"\ndescription = "A toy"\n[tool.book]\nrepository = "{}"\nbranch = "trunk"\n'
    (root / "pyproject.toml").write_text(project.format(repository))
    (root / "notebooks").mkdir()
    for name, text in pages.items():
        (root / name).write_text(text)
    first, *others = [name.removesuffix(".md") for name in pages]
    (root / "_toc.yml").write_text(
        f"format: jb-book\nroot: {first}\nparts:\n  - caption: All\n    chapters:\n"
        + "".join(f"      - file: {name}\n" for name in others)
    )
    notebooks.sync(root)
    for path in (root / "notebooks").glob("*.ipynb"):
        change(path, lambda cells: [cell.update(execution_count=1) for cell in cells if cell.cell_type == "code"])
    return root


def change(path: Path, action) -> None:
    """Let `action` change the cells of a notebook."""
    notebook = nbformat.read(path, as_version=4)
    action(notebook.cells)
    path.write_text(notebooks.written(notebook))


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    """The site of a book whose repository is on GitHub."""
    root = tmp_path_factory.mktemp("published") / "toy"
    pages = {"notebooks/chapter.md": CHAPTER + LINKED, "book/changelog.md": f"# Changelog\n\n{LINES}\n"}
    return render.render(toy(root, pages, "https://github.com/Owner/Name")).parent


def page(site: Path, name: str) -> BeautifulSoup:
    return BeautifulSoup((site / f"{name}.html").read_text(), "html.parser")


def told(html: BeautifulSoup) -> dict[str, str]:
    return {tag["property"]: tag["content"] for tag in html("meta", attrs={"property": re.compile("^og:")})}


@pytest.mark.parametrize("name", ["notebooks/chapter", "book/changelog"])
def test_buttons_lead_to_the_files_of_the_repository(published, name):
    html, book = page(published, name), "https://github.com/Owner/Name"
    links = {
        kind: [a["href"] for a in html.select(f"a.btn-source-{kind}-button")]
        for kind in ("repository", "edit", "issues")
    }
    assert links["repository"] == [book]
    assert links["edit"] == [f"{book}/edit/trunk/{name}.md"]
    [issue] = links["issues"]
    assert issue.startswith(f"{book}/issues/new?title=") and f"{name}.html" in issue
    launched = {a["href"] for a in html("a", href=re.compile("colab|binder"))}
    assert launched == (
        {
            "https://colab.research.google.com/github/Owner/Name/blob/trunk/notebooks/chapter.ipynb",
            "https://mybinder.org/v2/gh/Owner/Name/trunk?urlpath=lab/tree/notebooks/chapter.ipynb",
        }
        if name.startswith("notebooks/")
        else set()
    )


@pytest.mark.parametrize("name", ["notebooks/chapter", "book/changelog"])
def test_a_link_to_a_page_shows_what_it_is(published, name):
    html, here = page(published, name), "https://owner.github.io/Name/"
    assert html.find("link", rel="canonical")["href"] == f"{here}{name}.html"
    card = told(html)
    assert card["og:url"] == f"{here}{name}.html"
    assert (
        card["og:title"]
        == html.select_one("article h1").get_text().removesuffix("#")
        == html.title.text.split(" — ")[0]
    )
    assert card["og:description"] == html.find("meta", attrs={"name": "description"})["content"]
    picture = published / card["og:image"].removeprefix(here)
    with Image.open(picture) as image:
        assert image.size == (1200, 630) == (int(card["og:image:width"]), int(card["og:image:height"]))
        assert len(image.convert("L").getcolors()) > 20, "nothing is drawn"
    assert picture.stat().st_size < 300_000


def test_the_door_leads_to_the_first_page_and_keeps_the_place(published):
    door = BeautifulSoup((published / "index.html").read_text(), "html.parser")
    assert door.script.string == 'location.replace("notebooks/chapter.html" + location.hash)'
    assert door.noscript.meta["content"].endswith("url=notebooks/chapter.html")
    assert [a["href"] for a in door("a")] == ["notebooks/chapter.html"]


def test_the_sitemap_lists_each_page(published):
    space = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9"}
    found = ElementTree.parse(published / "sitemap.xml").findall("s:url", space)
    places = [entry.find("s:loc", space).text for entry in found]
    assert places == [f"https://owner.github.io/Name/{n}.html" for n in ("book/changelog", "notebooks/chapter")]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", entry.find("s:lastmod", space).text) for entry in found)
    assert "https://owner.github.io/Name/sitemap.xml" in (published / "robots.txt").read_text()


def test_a_page_says_its_version_and_leads_to_what_changed(published):
    foot = page(published, "notebooks/chapter").select_one(".extra_footer")
    assert foot.get_text(strip=True).startswith("Version 1.2.3")
    assert [a["href"] for a in foot("a")] == ["../book/changelog.html"]  # a toy has no errata


AUDITED = """\
# Does it hold?

One question of a toy, {ref}`and its audit <toy-audit>`.

(stays)=
## What stays

```{code-cell} ipython3
HTML("")
```
"""
AUDIT = """\
(toy-audit)=
# Does it hold? The audit

Every sentence of a toy, checked.

(the-cause)=
## The cause

Words.

## A section without a label

Words.
"""
WRITTEN = (
    '<a href="../notebooks/toy.html#the-cause">why</a> <a href="../notebooks/toy.html#stays">there</a> '
    '<a href="../notebooks/toy.html#nowhere">lost</a> <a href="../notebooks/check_toy.html#the-cause">straight</a>'
)


def audited(root: Path, chapter: str = AUDITED) -> Path:
    """A book with a chapter, its audit, and a cell that leads to places of both by the chapter's name."""
    pages = {"book/changelog.md": f"# Changelog\n\n{LINES}\n", "notebooks/toy.md": chapter}
    toy(root, pages | {"notebooks/check_toy.md": AUDIT})
    output = nbformat.v4.new_output("display_data", data={"text/html": WRITTEN})
    change(root / "notebooks" / "toy.ipynb", lambda cells: cells[-1].update(outputs=[output]))
    return root


def test_what_moved_to_an_audit_is_found_under_its_old_address(tmp_path):
    html = page(render.render(audited(tmp_path / "toy")).parent, "notebooks/toy")
    links = {a.text: a["href"] for a in html.select(".text_html a")}
    assert {words: href.removeprefix("../notebooks/") for words, href in links.items()} == {
        "why": "check_toy.html#the-cause", "there": "toy.html#stays", "lost": "toy.html#nowhere",
        "straight": "check_toy.html#the-cause",
    }  # fmt: skip
    marks = {mark["id"]: mark["data-moved"] for mark in html.select("[data-moved]")}
    assert marks["the-cause"] == "check_toy.html#the-cause"
    assert marks["a-section-without-a-label"] == "check_toy.html#a-section-without-a-label"
    assert "stays" not in marks and not {mark for mark in marks if html.find_all(id=mark)[1:]}
    [paragraph] = {mark.find_parent("p") for mark in html.select("[data-moved]")}
    assert paragraph.a["href"] == "check_toy.html#toy-audit"  # where an old address arrives without scripts


def test_a_chapter_that_does_not_lead_to_its_audit_is_named(tmp_path, capfd):
    root = audited(tmp_path / "toy", AUDITED.replace("{ref}`and its audit <toy-audit>`", "without its audit"))
    assert render.main(root=root) != 0
    assert re.search(r"toy\b.*the chapter has no link to its audit, notebooks/check_toy", capfd.readouterr().err)


@pytest.fixture(scope="module")
def pdf(published) -> PdfReader:
    """That book on paper."""
    if not any(map(shutil.which, paper.BROWSERS)):
        reason = "no Chromium here, which prints the book"
        pytest.fail(reason) if os.environ.get("CI") and sys.platform == "linux" else pytest.skip(reason)
    return PdfReader(paper.printed(published, published.parents[2]))


def bookmarks(entries: list) -> Iterator[str]:
    """Their titles, each followed by those within it."""
    for entry in entries:
        yield from bookmarks(entry) if isinstance(entry, list) else [entry.title.strip()]


def test_the_pdf_has_every_page_its_contents_and_bookmarks(pdf):
    texts = [sheet.extract_text() for sheet in pdf.pages]
    whole = "\n".join(texts)
    assert pdf.metadata.title == "Fair and Robust?"
    assert "Fair and Robust?" in texts[0] and "Version 1.2.3" in texts[0]
    assert "6 * 7" in whole and '"on paper"' in whole and '"as well"' in whole and "drawn_and_formatted" not in whole
    assert "Solution" in whole and "code cell" not in whole
    sections = re.findall("^## (.*)", LINKED, re.MULTILINE)
    assert list(bookmarks(pdf.outline)) == ["Contents", "Is it bold & fair?", *sections, "All", "Changelog"]
    numbers = paper.starts(pdf)
    chapter, changelog = numbers["notebooks-chapter"], numbers["book-changelog"]  # "Changelog" is a section, too
    assert re.search(rf"Is it bold & fair\?\s*{chapter}\n(?:.*\n)*.*Changelog\s*{changelog}\n", texts[1] + "\n")
    assert "Is it bold & fair?" in texts[chapter - 1] and LINES in texts[changelog - 1]
    assert chapter < changelog


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2.1. 2.1. The ideaThe idea", "2.1. The idea"),
        ("A verdictA verdict", "A verdict"),
        ("2.1. The idea", "2.1. The idea"),
        ("Audit", "Audit"),
    ],
)
def test_a_bookmark_says_its_title_once(written, meant):
    assert paper.once(written) == meant


def test_the_links_of_the_pdf_lead_somewhere(pdf):
    links = [note.get_object() for sheet in pdf.pages for note in sheet.get("/Annots", [])]
    outside = [link["/A"]["/URI"] for link in links if "/A" in link and "/URI" in link["/A"]]
    assert outside == ["https://example.org/there"]
    places = [link.get("/Dest") or link["/A"].get("/D") for link in links if "/URI" not in link.get("/A", {})]
    assert len(places) == 3  # two in the contents, one in the text
    assert {str(place).removeprefix("/") for place in places} <= {
        name.removeprefix("/") for name in pdf.named_destinations
    }


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("#here", "#notebooks-a--here"),
        ("../book/b.html#x", "#book-b--x"),
        ("../book/b.html", "#book-b"),
        ("https://example.org/#x", "https://example.org/#x"),
        ("mailto:x@example.org", "mailto:x@example.org"),
        ("../genindex.html", None),
        ("../_images/x.png", None),
    ],
)
def test_a_link_on_paper(address, place):
    assert paper.linked(address, "notebooks/a", {"notebooks/a", "book/b"}) == place


SHOWN = nbformat.v4.new_output("display_data", data={"image/png": PICTURE}, metadata={"image/png": {"alt": "A dot"}})
UNDESCRIBED = nbformat.v4.new_output("display_data", data={"image/png": PICTURE})
CREDITS = nbformat.v4.new_output("display_data", data={"text/markdown": "Photographs: a dot by nobody."})
FAULTY = "![A picture](gone.png)\n\n![](here.png)\n\nSee {doc}`nowhere`, {ref}`no-place` and {term}`no word`.\n\n"
FAULTY += "[There](gone.md), says {cite:t}`nobody`."
DRAWN = CHAPTER.replace("6 * 7", "plots.show(*plots.photographs(panels, alt))")


def test_each_fault_ends_the_build_and_is_named(tmp_path, capfd):
    pages = {
        "book/page.md": f"# Page\n\n{LINES}\n\n{FAULTY}\n",
        "notebooks/credited.md": DRAWN.replace("bold", "credited"),
        "notebooks/drifted.md": CHAPTER.replace("bold", "drifted"),
        "notebooks/digits.md": CHAPTER.replace("6 * 7", "plots.tiles(panels)").replace("bold", "digits"),
        "notebooks/tiled.md": CHAPTER.replace("6 * 7", "plots.tiles(panels)").replace("bold", "tiled"),
        "notebooks/uncredited.md": DRAWN.replace("bold", "uncredited"),
        "notebooks/undescribed.md": CHAPTER.replace("bold", "undescribed"),
        "notebooks/unexecuted.md": CHAPTER.replace("bold", "unexecuted"),
    }
    root = toy(tmp_path / "toy", pages)
    Image.new("L", (9, 9)).save(root / "book" / "here.png")
    outputs = {"credited": [SHOWN, CREDITS], "uncredited": [SHOWN], "undescribed": [UNDESCRIBED]}
    for name, found in outputs.items():
        change(root / "notebooks" / f"{name}.ipynb", lambda cells, found=found: cells[-1].update(outputs=found))
    tagged = {"tags": ["no-photographs"]}
    change(root / "notebooks" / "digits.ipynb", lambda cells: cells[-1].metadata.update(tagged))
    change(root / "notebooks" / "unexecuted.ipynb", lambda cells: cells[-1].update(execution_count=None))
    path = root / "notebooks" / "drifted.md"
    path.write_text(path.read_text().replace("6 * 7", "6 * 8"))

    assert render.main(root=root) != 0
    told = re.sub(r"\x1b\[[\d;]*m", "", capfd.readouterr().err)
    for place, fault in {
        r"page\.md:5": "image file not readable: book/gone.png",
        r"page\.md:7": "here.png has no alt text",
        r"page\.md:9": "unknown document: '?(book/)?nowhere",
        r"page\.md:9:.*": "undefined label: '?no-place",
        r"page\.md:9: .*": "term not in glossary: '?no word",
        r"page\.md:11": "cross-reference target not found: 'gone.md'",
        r"page\.md:11:.*": 'could not find bibtex key "nobody"',
        r"tiled\.ipynb": "cell 3 shows photographs and not whose they are",
        r"uncredited\.ipynb": "cell 3 shows photographs and not whose they are",
        r"undescribed\.ipynb": "an output image has no alt text",
        r"unexecuted\.ipynb": "cell 3 was never executed",
        r"drifted\.ipynb": r"cell 3 was edited in drifted\.md",
    }.items():
        assert re.search(rf"\b{place}.*{fault}", told), f"{fault} is not named:\n{told}"
    assert not re.search(r"digits\.ipynb.*whose they are", told)
    assert not re.search(r"\bcredited\.ipynb", told)
