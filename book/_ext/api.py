"""The pages of functions: what a module makes public, its docstrings, and the chapter that explains each of them."""

import importlib
import inspect
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from docutils import nodes
from docutils.parsers.rst.states import Inliner
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

PACKAGE = "fairlib"
TABLE = Path(__file__).resolve().parents[1] / "api" / "chapters.toml"
# What reStructuredText would read as markup and our docstrings mean as it stands: x_(t+1), a * b, |x|.
MARKUP = re.compile(r"[*|]|(?<=\w)_(?!\w)")
CODE = re.compile(r"(``.+?``|(?::[\w:]+:)?`[^`]+`_{0,2}|^\.\. |^\*+\w+(?= *(?::|,|$)))")


def public(module: ModuleType) -> list[str]:
    """What people call: the functions and classes of `__all__`, else what the module itself defines without `_`."""
    if hasattr(module, "__all__"):
        return [name for name in module.__all__ if _documented(getattr(module, name))]
    own = {name: value for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__}
    return [name for name, value in own.items() if _documented(value) and not name.startswith("_")]


def _documented(value: object) -> bool:
    """Whether it is a class or a function, also one that is decorated; constants and names for types are not."""
    return isinstance(value, type) or inspect.isfunction(inspect.unwrap(value))


def chapters() -> dict[str, list[str]]:
    """The functions, such as `fairlib.attacks.fgsm`, that each chapter explains."""
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


def explaining(name: str) -> list[str]:
    """The chapters that explain a function, a class or, with its class, a method."""
    return [chapter for chapter, names in chapters().items() if name in names]


def escaped(lines: list[str]) -> list[str]:
    """A docstring in which only backticks, sections, directives and examples are markup; all else is plain text."""
    return [line if literal else _plain(line) for line, literal in _blocks(lines)]


def _blocks(lines: list[str]) -> Iterator[tuple[str, bool]]:
    """Each line, and whether it is literal: an example, or indented below a directive or a `::`."""
    depth = None  # of the line that opened a literal block
    example = False
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if depth is not None and line.strip() and indent <= depth:
            depth = None
        example = bool(line.strip()) and (example or line.lstrip().startswith(">>>"))
        yield line, depth is not None or example
        if depth is None and (line.rstrip().endswith("::") or line.lstrip().startswith(".. math")):
            depth = indent


def _plain(line: str) -> str:
    parts = CODE.split(line)
    return "".join(part if i % 2 else MARKUP.sub(r"\\\g<0>", part) for i, part in enumerate(parts))


class Functions(SphinxDirective):
    """`{functions} fairlib.dro`: a table of what the module makes public, then its docstring and theirs.

    Where lines follow, they name what is shown in the place of all that is public, without the module's docstring.
    """

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        [module] = self.arguments
        names = list(self.content) or public(importlib.import_module(module))
        table = [".. autosummary::", "   :nosignatures:", "", *(f"   {name}" for name in names), ""]
        lines = [f".. currentmodule:: {module}", "", *table, *(_entry(f"{module}.{name}") for name in names)]
        whole = [] if self.content else [f".. automodule:: {module}", ""]
        return self.parse_text_to_nodes("\n".join(["```{eval-rst}", *whole, *lines, "```"]))


def _entry(name: str) -> str:
    """The directive of a function or class, with the class's methods."""
    value = resolved(name)
    if not isinstance(value, type):
        return f".. autofunction:: {name}\n"
    return f".. {'autoexception' if issubclass(value, BaseException) else 'autoclass'}:: {name}\n   :members:\n"


def resolved(name: str) -> object:
    """What a dotted name such as `fairlib.defenses.CentroidDefense.tally` stands for.

    Raises AttributeError where there is no such thing.
    """
    value = importlib.import_module(name.split(".")[0])
    for i, part in enumerate(name.split(".")[1:], 2):
        if isinstance(value, ModuleType) and not hasattr(value, part):
            try:
                importlib.import_module(".".join(name.split(".")[:i]))
            except ImportError as error:
                raise AttributeError(f"{name}: there is no {part}") from error
        value = getattr(value, part)
    return value


def source(name: str, rawtext: str, text: str, lineno: int, inliner: Inliner, *more: object) -> tuple[list, list]:
    """`{source}` with the name of a function: the file in which it stands."""
    try:
        value = resolved(text)
    except AttributeError as error:
        return [], [inliner.reporter.error(str(error), line=lineno)]
    path = Path(inspect.getsourcefile(inspect.unwrap(value))).resolve()
    file = path.relative_to(Path(importlib.import_module(PACKAGE).__file__).resolve().parents[1])
    return [nodes.literal(rawtext, file.as_posix())], []


def plain(app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]) -> None:
    """Before numpydoc reads a docstring."""
    lines[:] = escaped(lines)


def explained(app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]) -> None:
    """After it: where the function is explained."""
    if found := explaining(name):
        lines += ["", "Explained in " + ", ".join(f":doc:`/notebooks/{chapter}`" for chapter in found) + ".", ""]


def functions(app: Sphinx, docname: str, source: list[str]) -> None:
    """A chapter ends with links to the functions that it explains."""
    chapter = docname.removeprefix("notebooks/")
    if names := chapters().get(chapter):
        links = ", ".join(f"{{py:obj}}`{name.removeprefix(PACKAGE + '.')} <{name}>`" for name in names)
        text = f":::{{seealso}}\nIn the package: {links}.\n:::"
        content = json.loads(source[0])
        content["cells"].append({"cell_type": "markdown", "id": "functions", "metadata": {}, "source": text})
        source[0] = json.dumps(content)


def fields(app: Sphinx, what: str, name: str, value: object, skip: bool, options: object) -> bool | None:
    """Leave out what Python itself says of a named tuple's fields."""
    return True if (getattr(value, "__doc__", None) or "").startswith("Alias for field number") else None


def setup(app: Sphinx) -> dict:
    sys.path.insert(0, str(app.srcdir))  # the package of this very folder, not one that is installed
    app.add_directive("functions", Functions)
    app.add_role("source", source)
    app.connect("autodoc-process-docstring", plain, priority=400)
    app.connect("autodoc-process-docstring", explained, priority=600)
    app.connect("autodoc-skip-member", fields)
    app.connect("source-read", functions, priority=600)  # after `house` has filled in the outputs
    return {"parallel_read_safe": True, "parallel_write_safe": True}
