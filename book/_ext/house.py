"""What this book asks of Sphinx: what the last run here showed, alt texts, whose photographs, heads, the door."""

import json
import re
import textwrap
from html import escape
from pathlib import Path

from docutils import nodes
from myst_nb.core.render import MimeData, NbElementRenderer
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

FLEETING = "nbval-ignore-output"  # as in tools/notebooks.py
NOT_RUN = "*This differs from run to run, so it is not stored: `make book` runs the notebook here and shows it.*"
PHOTOGRAPHS = re.compile(r"\bplots\.(?:photographs|tiles)\(")
NONE_SHOWN = "no-photographs"  # the tag of a cell whose tiles are digits, or drawn
CREDITS = re.compile(r"^Photographs: ", re.MULTILINE)  # as fairlib.data.credits begins
LOGGER = logging.getLogger(__name__)
render_image = NbElementRenderer.render_image


def described_image(self: NbElementRenderer, data: MimeData) -> list:
    """An output image with the alt text of its metadata, `{"image/png": {"alt": ...}}`, which MyST-NB leaves out."""
    [image] = render_image(self, data)
    alt = data.output_metadata.get(data.mime_type, {}).get("alt") or image.get("alt")
    if alt:
        image["alt"] = alt
    else:
        self.logger.warning("an output image has no alt text; show it with fairlib.book.plots.show", line=data.line)
    return [image]


def filled(notebook: str, live: Path) -> str:
    """The text of a notebook with the outputs that differ from run to run, which it does not store.

    live: what `tools.notebooks.run` wrote when it last ran the notebook here; else the page says how to get them.
    """
    content = json.loads(notebook)
    found = json.loads(live.read_text(encoding="utf-8")) if live.exists() else {}
    note = {"output_type": "display_data", "metadata": {}, "data": {"text/markdown": NOT_RUN}}
    for cell in content["cells"]:
        if FLEETING in cell["metadata"].get("tags", []) and cell["execution_count"]:
            cell["outputs"] = found.get(cell["id"], [note])
    return json.dumps(content)


def described(app: Sphinx, doctree: nodes.document) -> None:
    """Warn of each picture of a page that has no alt text; `described_image` does so for those that cells display."""
    for image in doctree.findall(nodes.image):
        around = [image]
        while around[-1].parent:
            around.append(around[-1].parent)
        displayed = any("cell_output" in node.get("classes", []) for node in around)
        if not image.get("alt", "").strip() and not displayed:
            place = next((node for node in around if node.line), image)
            LOGGER.warning("%s has no alt text", image["uri"], location=place)


def uncredited(notebook: str) -> list[int]:
    """The cells (from 1) that draw photographs, where neither they nor the next code cell say whose these are."""
    cells = json.loads(notebook)["cells"]
    code = [(number, cell) for number, cell in enumerate(cells, 1) if cell["cell_type"] == "code"]
    found = []
    for i, (number, cell) in enumerate(code):
        shown = [output for _, near in code[i : i + 2] for output in near["outputs"]]
        lines = ("".join(output.get("data", {}).get("text/markdown", "")) for output in shown)
        drawn = PHOTOGRAPHS.search("".join(cell["source"])) and NONE_SHOWN not in cell["metadata"].get("tags", ())
        if drawn and not any(map(CREDITS.search, lines)):
            found.append(number)
    return found


def last_run(app: Sphinx, docname: str, source: list[str]) -> None:
    path = Path(app.env.doc2path(docname))
    if path.suffix == ".ipynb":
        for number in uncredited(source[0]):
            what = "cell %d shows photographs and not whose they are; display fairlib.data.credits below it"
            LOGGER.warning(what, number, location=docname)
        source[0] = filled(source[0], Path(app.srcdir) / "book" / "_build" / "live" / f"{path.stem}.json")


def theme(app: Sphinx, config: Config) -> None:
    """The title beside the logo."""
    config.html_theme_options["logo"] = {"text": config.html_title, "alt_text": "A pair of scales"}


def head(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None) -> None:
    """The title of the first page, which is the book's, said once; a chapter's first paragraph as its description."""
    if context.get("title") == context["docstitle"]:
        context["docstitle"] = ""
    paragraphs = doctree.findall(nodes.paragraph) if doctree else []
    first = next((p for p in paragraphs if isinstance(p.parent, nodes.section)), None)
    if first:
        text = textwrap.shorten(first.astext(), 160, placeholder=" ...")
        context["metatags"] += f'<meta name="description" content="{escape(text)}" />'


DOOR = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<script>location.replace("{first}" + location.hash)</script>
<noscript><meta http-equiv="refresh" content="0; url={first}"></noscript></head>
<body><a href="{first}">{title}</a></body></html>
"""


def door(app: Sphinx, exception: Exception | None) -> None:
    """`index.html`, which leads on to the first page and keeps what the address says behind its #."""
    index, first = Path(app.outdir) / "index.html", app.config.root_doc
    if not exception and app.builder.name == "html" and first != "index":
        page = DOOR.format(title=escape(app.config.html_title), first=f"{first}.html")
        index.write_text(page, encoding="utf-8")


def setup(app: Sphinx) -> dict:
    NbElementRenderer.render_image = described_image
    app.connect("config-inited", theme)
    app.connect("source-read", last_run)
    app.connect("doctree-read", described)
    app.connect("html-page-context", head)
    app.connect("build-finished", door)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
