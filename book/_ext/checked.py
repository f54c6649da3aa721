"""A chapter and its audit: notebooks/NAME, and notebooks/check_NAME, to which the sections of the audit have moved.

Claims, causes and estimates name a chapter and a place, as `NAME#label`. A link that a cell wrote so goes to whichever
of the two pages has the place. Where the chapter leads to its audit, the moved places leave their ids, so that an
address from before still arrives there; `page.js` goes on to the place itself.
"""

import posixpath
import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

PREFIX = "check_"
LINK = re.compile(r'(?<=href=")([^"#:]*/)?([\w-]+)\.html#([\w.-]+)(?=")')
NUMBERED = re.compile(r"id\d+")  # what docutils calls a section whose title has been used
LOGGER = logging.getLogger(__name__)


def audit_of(page: str) -> str:
    """The page that holds the audit of a chapter: notebooks/check_fgsm of notebooks/fgsm."""
    folder, name = posixpath.split(page)
    return posixpath.join(folder, PREFIX + name)


def places(app: Sphinx, page: str) -> set[str]:
    """The ids of a page; none where there is no such page."""
    known = app.env.temp_data.setdefault("checked_places", {})
    if page not in known:
        found = app.env.get_doctree(page).findall(nodes.Element) if page in app.env.found_docs else ()
        known[page] = {place for node in found for place in node.get("ids", ()) if not NUMBERED.fullmatch(place)}
    return known[page]


def moved(app: Sphinx, page: str) -> set[str]:
    """The places of a chapter's audit that the chapter itself does not have."""
    return places(app, audit_of(page)) - places(app, page)


def linked(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Lead what cells wrote as HTML to the audit where the place has moved there."""
    folder = posixpath.dirname(page)

    def mended(link: re.Match) -> str:
        way, name, place = link[1] or "", link[2], link[3]
        chapter = posixpath.normpath(posixpath.join(folder, way, name))
        return f"{way}{PREFIX if place in moved(app, chapter) else ''}{name}.html#{place}"

    for raw in list(doctree.findall(nodes.raw)):
        if raw.get("format") == "html":
            text = LINK.sub(mended, raw.astext())
            raw.clear()
            raw.append(nodes.Text(text))


def left(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Leave the ids of what has moved at the chapter's first link to its audit; warn where there is none."""
    audit = audit_of(page)
    if audit not in app.env.found_docs:
        return
    way = app.builder.get_relative_uri(page, audit)
    links = (node for node in doctree.findall(nodes.reference) if node.get("refuri", "").split("#")[0] == way)
    link = next(links, None)
    if link is None:
        LOGGER.warning("the chapter has no link to its audit, %s", audit, location=page)
        return
    marks = (f'<span id="{place}" data-moved="{way}#{place}"></span>' for place in sorted(moved(app, page)))
    link.parent.insert(link.parent.index(link), nodes.raw("", "".join(marks), format="html"))


def resolved(app: Sphinx, doctree: nodes.document, page: str) -> None:
    linked(app, doctree, page)
    left(app, doctree, page)


def setup(app: Sphinx) -> dict:
    app.connect("doctree-resolved", resolved)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
