"""Labs: pages that compute in the reader's browser, `{lab} NAME`.

The page of a lab gets its markup, `book/labs/NAME.html`, its scripts and its numbers, which a module of
`fairlib.book.labs` makes out of `data/`; no other page gets any of them. Where no script runs, the figure that
`fairlib.book.labs.NAME` draws stands in. Where it has `credits`, these stand below.
"""

import importlib
import json
from pathlib import Path
from types import ModuleType

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

VENDORED = {"uPlot": "labs/vendor/uPlot.min.js", "statistics": "labs/vendor/statistics.min.js"}
NUMBERS = "labs/numbers/"  # what is made out of `data/`
# The scripts of each lab, in the order in which they run.
LABS = {
    "attack": [
        "labs/vendor/tf.min.js",
        "labs/vendor/tfBinary.js",
        VENDORED["uPlot"],
        f"{NUMBERS}attack.js",
        *(f"labs/{name}.js" for name in ("common", "backend", "network", "defense", "pictures", "sweep", "attack")),
    ],
    "fairness": [
        VENDORED["uPlot"],
        VENDORED["statistics"],
        f"{NUMBERS}fairness.js",
        *(f"labs/{name}.js" for name in ("common", "slopes", "worlds", "fairness")),
    ],
    "seen": [
        VENDORED["statistics"],
        f"{NUMBERS}attacked.js",
        *(f"labs/{name}.js" for name in ("common", "photos", "forced", "seen")),
    ],
    "lens": [
        f"{NUMBERS}attacked.js",
        f"{NUMBERS}lens.js",
        *(f"labs/{name}.js" for name in ("common", "photos", "lens")),
    ],
    "frontiers": [
        VENDORED["uPlot"],
        f"{NUMBERS}frontiers.js",
        *(f"labs/{name}.js" for name in ("common", "frontiers")),
    ],
}
STYLES = ["labs/vendor/uPlot.min.css", "labs/labs.css"]


class Lab(SphinxDirective):
    """`{lab} NAME`: the lab, hidden until its script starts it, and its figure, with the directive's words below it."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        [name] = self.arguments
        if name not in LABS:
            raise self.error(f"there is no lab {name!r}, expected one of: {', '.join(LABS)}")
        self.env.metadata[self.env.docname]["lab"] = name
        markup = Path(self.env.srcdir) / "book" / "labs" / f"{name}.html"
        self.env.note_dependency(str(markup))
        image = nodes.image(uri=f"/{self._drawn(name)}", alt=self._alt)
        figure = nodes.figure("", image, nodes.caption("", "", *self._words()))
        stand_in = nodes.container("", figure, classes=["lab-stand-in"])
        opened = f'<section class="lab" data-lab="{name}" aria-label="Lab" hidden>'
        html = f"{opened}\n{markup.read_text(encoding='utf-8')}</section>"
        return [nodes.raw("", html, format="html"), stand_in, *self._credits(name)]

    def _credits(self, name: str) -> list[nodes.Node]:
        """Whose photographs the lab shows, as a paragraph."""
        credits = getattr(_module(name), "credits", None)
        return [nodes.paragraph("", "", *self.parse_inline(credits())[0], classes=["lab-credits"])] if credits else []

    def _words(self) -> list[nodes.Node]:
        return self.parse_inline("\n".join(self.content))[0]

    def _drawn(self, name: str) -> str:
        """Draw the figure, and return where it lies from the book's root."""
        figure, self._alt = _module(name).figure()
        path = Path("book") / "_build" / "labs" / f"{name}.png"
        target = Path(self.env.srcdir) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(target, dpi=200, bbox_inches="tight", facecolor="white", metadata={"Software": None})
        return path.as_posix()


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"fairlib.book.labs.{name}")


def script(name: str) -> str:
    """The classic script that gives a page the numbers of a lab, as `fairlib.NAME`."""
    numbers = _module(name).numbers()
    text = json.dumps(numbers, separators=(",", ":"), allow_nan=False)
    return f"window.fairlib = window.fairlib ?? {{}};\nwindow.fairlib.{name} = {text};\n"


def scripts(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None) -> None:
    """Give a page with a lab its scripts and styles."""
    name = app.env.metadata.get(pagename, {}).get("lab")
    if not name:
        return
    for style in STYLES:
        app.add_css_file(style)
    for i, path in enumerate(LABS[name]):
        app.add_js_file(path, priority=800 + i, loading_method="defer")


def written(app: Sphinx, exception: Exception | None) -> None:
    """Write the numbers of the labs that the book has."""
    if exception or app.builder.format != "html":
        return
    had = {found["lab"] for found in app.env.metadata.values() if "lab" in found}
    for file in sorted({file for name in had for file in LABS[name] if file.startswith(NUMBERS)}):
        path = Path(app.outdir) / "_static" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(script(path.stem), encoding="utf-8")


def setup(app: Sphinx) -> dict:
    app.add_directive("lab", Lab)
    app.connect("html-page-context", scripts)
    app.connect("build-finished", written)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
