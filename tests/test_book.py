"""The site holds what its sources hold, describes every picture, and asks nobody for anything."""

import json
import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
import test_api
import yaml
from bs4 import BeautifulSoup
from markdown_it.token import Token
from myst_parser.config.main import MdParserConfig
from myst_parser.mdit_to_docutils.base import DocutilsRenderer
from myst_parser.parsers.mdit import create_md_parser

from book._ext import api, house, published
from fairlib.book import claims
from tools import words as words_tool

ROOT = Path(__file__).resolve().parents[1]
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text())
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
CHAPTERS = [TOC["root"], *(chapter["file"] for part in TOC["parts"] for chapter in part["chapters"])]
# The pages that are made from docstrings.
FUNCTIONS = [c for c in CHAPTERS if c.startswith("book/api/") and "{functions}" in (ROOT / f"{c}.md").read_text()]
MYST = MdParserConfig(enable_extensions=set(CONFIG["parse"]["myst_enable_extensions"]))
KINDS = {
    "math_inline": "formulas", "math_inline_double": "formulas", "math_block": "formulas",
    "math_block_label": "formulas", "amsmath": "formulas", "table_open": "tables", "image": "figures",
}  # fmt: skip
DIRECTIVES = {
    "math": "formulas",
    "image": "figures",
    "figure": "figures",
    "list-table": "tables",
    "csv-table": "tables",
}
LITERAL = {"math", "code", "code-block", "literalinclude", "bibliography", "raw", "include", "toctree"}
# What the page shows of an output that comes in several forms, best first.
SHOWN = ("text/html", "image/svg+xml", "image/png", "image/jpeg", "text/markdown", "text/latex", "text/plain")


def flat(tokens: list[Token]):
    for token in tokens:
        yield token
        yield from flat(token.children or [])


def in_markdown(text: str) -> Counter:
    """The figures, tables and formulas of a piece of MyST."""
    found = Counter()
    for token in flat(create_md_parser(MYST, DocutilsRenderer).parse(text)):
        found.update([KINDS[token.type]] if token.type in KINDS else [])
        if token.type == "myst_role" and token.meta["name"] == "math":
            found["formulas"] += 1
        directive = re.match(r"\{([\w:-]+)\}", token.info) if token.type in ("fence", "colon_fence") else None
        if directive:
            found.update([DIRECTIVES[directive[1]]] if directive[1] in DIRECTIVES else [])
            found.update(in_markdown(token.content) if directive[1] not in LITERAL else {})
    return found


def in_output(output: nbformat.NotebookNode) -> Counter:
    """The figures, tables and formulas of one stored output."""
    data = output.get("data", {})
    shown = next((kind for kind in SHOWN if kind in data), None)
    if shown == "text/html":
        html = BeautifulSoup(data[shown], "html.parser")
        return Counter(figures=len(html("img")), tables=len(html("table")))
    if shown == "text/markdown":
        return in_markdown(data[shown])
    return Counter(figures=int((shown or "").startswith("image/")), formulas=int(shown == "text/latex"))


def in_source(chapter: str) -> Counter:
    """The figures, tables and formulas that a page must show."""
    page = ROOT / f"{chapter}.md"
    if (ROOT / f"{chapter}.ipynb").exists():
        stored = (ROOT / f"{chapter}.ipynb").read_text()
        live = ROOT / "book" / "_build" / "live" / f"{Path(chapter).name}.json"
        cells = nbformat.reads(house.filled(stored, live), as_version=4).cells
        found = sum((in_markdown(cell.source) for cell in cells if cell.cell_type == "markdown"), Counter())
        hidden = {"remove-cell", "remove-output"}
        code = [c for c in cells if c.cell_type == "code" and not hidden & set(c.metadata.get("tags", []))]
        return found + sum((in_output(output) for cell in code for output in cell.outputs), Counter())
    return in_markdown(page.read_text())


def in_page(html: BeautifulSoup) -> Counter:
    article = html.select_one("article")
    return +Counter(
        figures=len(article("img")), tables=len(article("table")), formulas=len(article.select("div.math, span.math"))
    )


def faults(path: Path, site: Path) -> list[str]:
    """What a page gets wrong by itself: undescribed pictures, things fetched from elsewhere, links to nowhere."""
    html = BeautifulSoup(path.read_text(), "html.parser")
    found = [f"no alt text: {image}" for image in html("img") if not image.get("alt", "").strip()]
    for tag in html(True):
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            address = urlsplit(tag.get(name, ""))
            told = tag.name == "a" or tag.get("rel") == ["canonical"]  # what a reader or a search engine may follow
            if address.scheme == "data" or (told and address.scheme in ("http", "https", "mailto")):
                continue
            if address.scheme or address.netloc:
                found.append(f"asks another host: {tag.name} {name}={tag[name]}")
            elif tag.get(name):
                target = (path.parent / unquote(address.path)).resolve() if address.path else path
                if not target.is_relative_to(site) or not target.is_file():
                    found.append(f"leads nowhere: {tag[name]}")
                elif tag.name == "a" and target.suffix == ".html" and address.fragment not in anchors(target):
                    found.append(f"no such place: {tag[name]}")
    return found


def anchors(page: Path, seen: dict[tuple[Path, int], set[str]] = {}) -> set[str]:  # noqa: B006 - a cache
    key = page, page.stat().st_mtime_ns
    if key not in seen:
        seen[key] = {"", *(tag["id"] for tag in BeautifulSoup(page.read_text(), "html.parser")(id=True))}
    return seen[key]


def test_what_differs_from_run_to_run_comes_from_the_last_run_here(tmp_path):
    live = tmp_path / "chapter.json"
    tags = {"tags": ["hide-input", house.FLEETING]}
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell("seconds", id="a", execution_count=1, metadata=tags),
            nbformat.v4.new_code_cell("new", id="b", metadata=tags),
            nbformat.v4.new_code_cell("6 * 7", id="c", execution_count=2),
            nbformat.v4.new_markdown_cell("words"),
        ]
    )

    def shown() -> list[list]:
        filled = nbformat.reads(house.filled(nbformat.writes(notebook), live), as_version=4)
        return [cell.outputs for cell in filled.cells[:3]]

    [note], *others = shown()
    assert "`make book` runs the notebook here" in note.data["text/markdown"]
    output = {"output_type": "stream", "name": "stdout", "text": "12 s"}
    live.write_text(json.dumps({"a": [output], "b": [output], "c": [output]}))
    assert shown() == [[output], [], []]
    assert others == [[], []]


def test_each_page_has_a_policy_before_what_it_loads(site):
    pages = [path.read_text() for path in site.rglob("*.html") if "_static" not in path.parts]
    policy = '<meta http-equiv="Content-Security-Policy"'  # escaped in the audit's page, which holds a report, too
    assert all(page.count(policy) == 1 for page in pages)
    assert all(page.index(policy) < page.index("<title") for page in pages)


def test_a_published_site_keeps_its_styles(site):
    assert (site / ".nojekyll").is_file(), "GitHub's pages would leave out _static"


def test_each_chapter_is_a_file():
    assert [c for c in CHAPTERS if not any((ROOT / f"{c}{kind}").exists() for kind in (".md", ".ipynb"))] == []
    notebooks = {f"notebooks/{path.stem}" for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert notebooks <= set(CHAPTERS), "a notebook is missing from _toc.yml"


# A lab makes its own figures and tables, which its tests look at.
@pytest.mark.parametrize("chapter", [c for c in CHAPTERS if c not in FUNCTIONS and "/labs/" not in c])
def test_a_page_shows_what_its_source_holds(site, chapter):
    html = BeautifulSoup((site / f"{chapter}.html").read_text(), "html.parser")
    assert in_page(html) == in_source(chapter)
    assert not html.select("article .output.stderr, article .output.traceback")


def test_each_page_stands_on_its_own(site):
    pages = [page for page in sorted(site.rglob("*.html")) if "_static" not in page.parts]
    assert len(pages) > len(CHAPTERS)
    assert {str(page.relative_to(site)): found for page in pages if (found := faults(page, site))} == {}


def test_each_page_carries_what_its_words_mean(site):
    """Each link to the glossary is described by the first paragraph of its entry, in the page itself."""
    glossary = BeautifulSoup((site / "book" / "glossary.html").read_text(), "html.parser")
    entries = {dt["id"]: dt.find_next_sibling("dd").p.get_text() for dt in glossary.select("dl.glossary dt[id]")}
    assert len(entries) > 100
    wrong, linked = [], 0
    for chapter in CHAPTERS:
        html = BeautifulSoup((site / f"{chapter}.html").read_text(), "html.parser")
        words = html.select("article .std-term")
        linked += len(words)
        assert len(words) == len(words_tool.ROLE.findall((ROOT / f"{chapter}.md").read_text())), chapter
        assert len(html.select(".meaning")) == len({word.parent.get("aria-describedby") for word in words})
        for word in words:
            meaning = html.find(id=word.parent["aria-describedby"])
            says = entries[word.parent["href"].partition("#")[2]]
            if not meaning.get_text().endswith(says) or "hidden" not in meaning.attrs:
                wrong.append(f"{chapter}: {word.text}")
    assert wrong == [] and linked > 300


def test_each_function_has_its_place_and_leads_to_its_chapter_and_back(site):
    places = {place: page for page in FUNCTIONS for place in anchors(site / f"{page}.html")}
    pages = {chapter: BeautifulSoup((site / f"{chapter}.html").read_text(), "html.parser") for chapter in CHAPTERS}
    links = {chapter: {a["href"] for a in page("a", href=True)} for chapter, page in pages.items()}
    missing = []
    for module in test_api.modules():
        for name in test_api.functions(module):
            if name not in places:
                missing.append(f"no place for {name}")
                continue
            for chapter in api.explaining(name):
                if f"../../notebooks/{chapter}.html" not in links[places[name]]:
                    missing.append(f"{places[name]} does not lead to {chapter}")
                if f"../{places[name]}.html#{name}" not in links[f"notebooks/{chapter}"]:
                    missing.append(f"{chapter} does not lead to {name}")
    assert missing == []
    assert len([name for name in places if name.startswith("fairlib.")]) > 100


def test_each_equation_leads_to_its_function(site):
    html = BeautifulSoup((site / "book" / "api" / "equations.html").read_text(), "html.parser")
    links = {a["href"].partition("#")[2] for a in html.select("article a[href]")}
    assert {name for *_, name in test_api.equations()} - links == set()


def test_no_page_is_a_megabyte(site):
    pages = {str(page.relative_to(site)): page.stat().st_size for page in site.rglob("*.html")}
    assert len(pages) > len(CHAPTERS)
    assert {page: size for page, size in pages.items() if size > 1_000_000} == {}


def waited_for(page: Path) -> dict[str, int]:
    """The bytes of what a browser reads before it draws a page: itself, its styles, scripts that are not deferred."""
    html = BeautifulSoup(page.read_text(), "html.parser")
    sources = [tag["href"] for tag in html.select("link[rel=stylesheet]")]
    sources += [tag["src"] for tag in html.select("head script[src]:not([defer], [async])")]
    files = [page, *((page.parent / urlsplit(source).path).resolve() for source in sources)]
    return {file.name: file.stat().st_size for file in files}


def test_the_first_page_is_drawn_at_once(site):
    """Measured: half a second on two busy cores, for a megabyte; a formula's or an icon's script waits its turn."""
    found = waited_for(site / f"{CHAPTERS[0]}.html")
    assert sum(found.values()) < 1_200_000, found
    assert {"start.html", "custom.css", "page.js"} <= set(found) and "tex-mml-chtml.js" not in found


def shown(site: Path, place: str) -> bool:
    """Whether the site has `chapter#anchor`."""
    chapter, _, anchor = place.partition("#")
    page = site / "notebooks" / f"{chapter}.html"
    return page.is_file() and anchor in anchors(page)


def test_the_ledger_leads_to_where_its_numbers_are_shown(site):
    numbers = {f"{chapter}#{e.anchor}" for chapter in claims.CHAPTERS for e in claims.recorded(chapter).values()}
    # A chapter that is not written yet has nothing recorded, and explains nothing yet.
    written = tuple(f"{Path(chapter).name}#" for chapter in CHAPTERS)
    causes = {claim.cause for claim in claims.load() if claim.cause and claim.cause.startswith(written)}
    assert numbers and causes
    assert sorted(place for place in numbers | causes if not shown(site, place)) == [], "labels that no page carries"
    assert shown(site, "fgsm#fgsm") and not shown(site, "fgsm#no-such-place") and not shown(site, "no-chapter#fgsm")


def test_no_page_leads_to_where_a_section_was(site):
    pages = {chapter: BeautifulSoup((site / f"{chapter}.html").read_text(), "html.parser") for chapter in CHAPTERS}
    left = {
        f"{Path(chapter).name}.html#{tag['id']}"
        for chapter, page in pages.items()
        for tag in page("span", {"data-moved": True})
    }
    assert any(place.startswith("centroid_defense.html#") for place in left)
    links = {chapter: {a["href"].rsplit("/", 1)[-1] for a in page("a", href=True)} for chapter, page in pages.items()}
    assert {chapter: found & left for chapter, found in links.items() if found & left} == {}


def test_the_styles_fetch_nothing(site):
    foreign = re.compile(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//[^)]*")
    assert {str(p): found for p in site.rglob("*.css") if (found := foreign.findall(p.read_text()))} == {}


@pytest.mark.parametrize("notebook", [c for c in CHAPTERS if c.startswith("notebooks/")])
def test_each_notebook_can_be_downloaded(site, notebook):
    html = BeautifulSoup((site / f"{notebook}.html").read_text(), "html.parser")
    [link] = [a["href"] for a in html.select("a.btn-download-source-button")]
    here = (site / f"{notebook}.html").parent / link
    assert here.read_bytes() == (ROOT / f"{notebook}.ipynb").read_bytes()


def test_buttons_and_addresses_lead_somewhere_or_are_not_there(site):
    book = published.project(ROOT)["tool"]["book"]
    html = "".join((site / f"{chapter}.html").read_text() for chapter in CHAPTERS)
    buttons = ("btn-source-repository-button", "btn-source-edit-button", "btn-source-issues-button")
    for sign in (*buttons, "colab.research.google.com", "mybinder.org"):
        assert (sign in html) == bool(book["repository"]), sign
    for sign in ('rel="canonical"', "og:url"):
        assert (sign in html) == bool(published.address(book)), sign
    assert (site / "sitemap.xml").exists() == bool(published.address(book))


def test_each_page_says_its_version_and_the_day_of_its_last_change(site):
    days, number = published.committed(ROOT), published.project(ROOT)["project"]["version"]
    for chapter in CHAPTERS:
        page = BeautifulSoup((site / f"{chapter}.html").read_text(), "html.parser")
        foot = page.select_one("footer.bd-footer-content").get_text(" ", strip=True)
        assert f"Version {number}: what changed , errata" in foot
        files = [ROOT / f"{chapter}{kind}" for kind in (".md", ".ipynb") if (ROOT / f"{chapter}{kind}").exists()]
        assert f"Last updated on {published.changed(files, ROOT, days)}." in foot


def test_each_page_says_what_it_is(site):
    titles, descriptions = [], []
    for chapter in CHAPTERS:
        html = BeautifulSoup((site / f"{chapter}.html").read_text(), "html.parser")
        titles.append(html.title.text)
        descriptions += [tag["content"] for tag in html("meta", attrs={"name": "description"})]
        assert html.html["lang"] == "en"
        assert html.find("link", rel="icon")
    assert titles[0] == CONFIG["title"]
    assert all(re.fullmatch(rf".+ — {re.escape(CONFIG['title'])}", title) for title in titles[1:])
    assert len(set(titles)) == len(CHAPTERS)
    assert len(set(descriptions)) == len(descriptions) == len(CHAPTERS) - 1  # all but the list of references
    assert all(20 <= len(text) <= 160 for text in descriptions)


def test_every_citation_has_a_date_or_says_that_there_is_none(site):
    pages = [BeautifulSoup((site / f"{chapter}.html").read_text(), "html.parser") for chapter in CHAPTERS]
    cited = {tag.text for html in pages for tag in html.select(".bibtex-citation a")}
    assert len(cited) > 10
    assert [text for text in cited if not re.search(r"\d{4}|undated", text)] == []


@pytest.mark.parametrize(
    ("planted", "message"),
    [
        ('<img src="here.png">', "no alt text"),
        ('<img src="here.png" alt=" ">', "no alt text"),
        ('<script src="https://cdn.example.org/x.js"></script>', "asks another host"),
        ('<link rel="preload" href="//fonts.example.org/x">', "asks another host"),
        ('<img src="gone.png" alt="a picture">', "leads nowhere"),
        ('<a href="gone.html">there</a>', "leads nowhere"),
        ('<a href="#gone">there</a>', "no such place"),
        ('<a href="page.html#here">fine</a><a href="https://example.org">fine</a>', None),
    ],
)
def test_a_planted_fault_is_found(tmp_path, planted, message):
    (tmp_path / "here.png").touch()
    page = tmp_path / "page.html"
    page.write_text(f'<article><p id="here">text</p>{planted}</article>')
    assert [fault.split(":")[0] for fault in faults(page, tmp_path)] == ([message] if message else [])


def test_counting():
    text = """
A $x$ and {math}`y`, but not `$z$`.

$$
x
$$ (label)

\\begin{align}x\\end{align}

| a |
|---|
| $b$ |

```{prf:algorithm} Name
:label: name

1. Do $c$.
```

:::{figure} x.png
:alt: a picture

Caption $d$.
:::

```python
price = "$e$"
```
"""
    assert in_markdown(text) == Counter(formulas=7, tables=1, figures=1)
    page = '<article><span class="math">x</span><div class="math">y</div><img><table></table></article><table></table>'
    assert in_page(BeautifulSoup(page, "html.parser")) == Counter(formulas=2, figures=1, tables=1)
