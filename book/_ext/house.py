"""What this book asks of Sphinx: what the last run here showed, alt texts, repository links, heads of pages."""

import json
import textwrap
import tomllib
from html import escape
from pathlib import Path

from docutils import nodes
from myst_nb.core.render import MimeData, NbElementRenderer
from sphinx.application import Sphinx
from sphinx.config import Config

FLEETING = "nbval-ignore-output"  # as in tools/notebooks.py
NOT_RUN = "*This differs from run to run, so it is not stored: `make book` runs the notebook here and shows it.*"
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


def last_run(app: Sphinx, docname: str, source: list[str]) -> None:
    path = Path(app.env.doc2path(docname))
    if path.suffix == ".ipynb":
        source[0] = filled(source[0], Path(app.srcdir) / "book" / "_build" / "live" / f"{path.stem}.json")


def theme(app: Sphinx, config: Config) -> None:
    """The title beside the logo; the repository and Colab buttons only when pyproject.toml says where that is."""
    config.html_theme_options["logo"] = {"text": config.html_title, "alt_text": "A pair of scales"}
    book = tomllib.loads((Path(app.srcdir) / "pyproject.toml").read_text())["tool"]["book"]
    if book["repository"]:
        config.html_theme_options.update(  # in place: a new dictionary loses every launch button
            repository_url=book["repository"],
            repository_branch=book["branch"],
            use_repository_button=True,
            launch_buttons={"colab_url": "https://colab.research.google.com"},
        )


def head(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None) -> None:
    """The title of the first page, which is the book's, said once; a chapter's first paragraph as its description."""
    if context.get("title") == context["docstitle"]:
        context["docstitle"] = ""
    paragraphs = doctree.findall(nodes.paragraph) if doctree else []
    first = next((p for p in paragraphs if isinstance(p.parent, nodes.section)), None)
    if first:
        text = textwrap.shorten(first.astext(), 160, placeholder=" ...")
        context["metatags"] += f'<meta name="description" content="{escape(text)}" />'


def setup(app: Sphinx) -> dict:
    NbElementRenderer.render_image = described_image
    app.connect("config-inited", theme)
    app.connect("source-read", last_run)
    app.connect("html-page-context", head)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
