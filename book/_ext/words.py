"""What the words mean that a page links to the glossary: in the page itself, so that it needs no other file."""

import re
from html import escape

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

GLOSSARY = "book/glossary"
LINK = re.compile(r'<a class="reference internal" href="[^"]*#(term-[^"]+)"(?=><span class="xref std std-term">)')


def meanings(glossary: nodes.document) -> dict[str, tuple[str, str]]:
    """The words of each entry and the first paragraph of what they mean, by the anchor of each of its words."""
    found = {}
    for entry in (item for node in glossary.findall(is_glossary) for item in node.findall(nodes.definition_list_item)):
        words = list(entry.findall(nodes.term))
        heads = ", ".join(word.astext() for word in words)
        meaning = next(entry.children[-1].findall(nodes.paragraph)).astext()
        found |= {anchor: (heads, meaning) for word in words for anchor in word["ids"]}
    return found


def is_glossary(node: nodes.Node) -> bool:
    """Whether a node is what `{glossary}` makes."""
    return node.tagname == "glossary"


def explained(body: str, found: dict[str, tuple[str, str]]) -> str:
    """A page whose links to the glossary are described by what their words mean, which stands at its end, unseen.

    body: HTML; found: as `meanings` gives it. `book/_static/words.js` shows a meaning beside its word.
    """
    linked = {}

    def described(link: re.Match) -> str:
        linked[link[1]] = found[link[1]]
        return f'{link[0]} aria-describedby="meaning-{link[1]}"'

    body = LINK.sub(described, body)
    for anchor, (heads, meaning) in linked.items():
        told = f"<b>{escape(heads)}</b> {escape(meaning)}"
        body += f'<div class="meaning" id="meaning-{anchor}" role="tooltip" hidden>{told}</div>'
    return body


def read(app: Sphinx, env: BuildEnvironment) -> None:
    env.meanings = meanings(env.get_doctree(GLOSSARY)) if GLOSSARY in env.found_docs else {}


def written(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None) -> None:
    if doctree and app.env.meanings:
        context["body"] = explained(context["body"], app.env.meanings)


def setup(app: Sphinx) -> dict:
    app.connect("env-updated", read)
    app.connect("html-page-context", written)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
