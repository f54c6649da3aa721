"""A content-security policy on every page: it runs the scripts that the book has, and no other; it asks nobody else."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

from sphinx.application import Sphinx

# Styles stand in the pages (figures, notebooks' tables); pictures and fonts may stand in them as data.
RULES = {
    "default-src": "'none'",
    "script-src": "'self' 'wasm-unsafe-eval' 'unsafe-hashes'",  # a lab's library; the hashes of a page's own follow
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "connect-src": "'self'",
    "frame-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
}
HEAD = re.compile('<meta charset="utf-8"( /)?>')


class Inline(HTMLParser):
    """Collects the scripts that stand in a page, as elements or as attributes such as `onclick`."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.within = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.within = tag == "script" and "src" not in dict(attrs)
        self.found += [value for name, value in attrs if name.startswith("on") and value]

    def handle_endtag(self, tag: str) -> None:
        self.within = False

    def handle_data(self, data: str) -> None:
        if self.within:
            self.found.append(data)


def policy(page: str) -> str:
    """The policy that lets a page's own scripts run.

    Parameters
    ----------
    page : str
        HTML.

    Returns
    -------
    str
        The value of the header, or of the `meta` element, `Content-Security-Policy`.
    """
    inline = Inline()
    inline.feed(page)
    inline.close()
    hashes = {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in inline.found}
    allowed = "".join(f" 'sha256-{digest}'" for digest in sorted(hashes))
    return "; ".join(f"{name} {rule}{allowed if name == 'script-src' else ''}" for name, rule in RULES.items())


def guarded(page: str) -> str:
    """A page with its policy, before anything that it loads.

    Raises
    ------
    ValueError
        Where it does not say its characters, which the policy follows.
    """
    said = f'<meta http-equiv="Content-Security-Policy" content="{policy(page)}">'
    guarded, places = HEAD.subn(lambda head: f"{head[0]}\n{said}", page, count=1)
    if not places:
        raise ValueError(f"a page lacks {HEAD.pattern}, which its content-security policy follows: {page[:200]!r}")
    return guarded


def written(app: Sphinx, exception: Exception | None) -> None:
    """Give each page its policy, once all of them lie there."""
    if exception or app.builder.name != "html":
        return
    for path in sorted(Path(app.outdir).rglob("*.html")):
        if "_static" not in path.parts:
            path.write_text(guarded(path.read_text(encoding="utf-8")), encoding="utf-8")


def setup(app: Sphinx) -> dict:
    app.connect("build-finished", written)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
