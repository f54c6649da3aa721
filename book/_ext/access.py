"""Markup that other extensions write and a screen reader stumbles over, mended on every page."""

from docutils import nodes
from sphinx.application import Sphinx

MENDED = {
    # MyST-NB hides the words that a folded cell shows behind a name that says less.
    '<summary aria-label="Toggle hidden content">': "<summary>",
    # docutils gives the items of a list of references a role that no list may hold, and that is deprecated.
    ' role="doc-biblioentry"': ' role="listitem"',
}


def mend(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None) -> None:
    for written, meant in MENDED.items() if "body" in context else ():
        context["body"] = context["body"].replace(written, meant)


def setup(app: Sphinx) -> dict:
    app.connect("html-page-context", mend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
