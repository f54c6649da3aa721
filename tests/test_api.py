"""The pages of functions: nothing public is missing, each leads to its chapter, each equation to a function."""

import importlib
import inspect
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from numpydoc.docscrape import NumpyDocString

import fairlib
from book._ext import api

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "book" / "api"
# The wings whose every function a chapter explains.
EXPLAINED = ("attacks", "defenses", "perceptual", "fairness", "geography", "dro")
PAPERS = {"first": r"first paper|Pepe", "second": r"second paper|Hua"}
INSIDE = {"fairlib.pieces"}  # what another module is made of: nobody else calls it


def modules() -> list[str]:
    """What people import: the modules and packages of fairlib, but the command; of the book those on its page."""
    names = [f"fairlib.{module.name}" for module in pkgutil.iter_modules(fairlib.__path__)]
    return [name for name in names if name not in {"fairlib.__main__", "fairlib.book", *INSIDE}]


def on_pages() -> Counter:
    """How often each module is on a page in whole."""
    blocks = [
        block for page in PAGES.glob("*.md") for block in re.findall(r"\{functions\} (\S+)\n```", page.read_text())
    ]
    return Counter(blocks)


def functions(module: str) -> list[str]:
    return [f"{module}.{name}" for name in api.public(importlib.import_module(module))]


def test_each_module_is_on_one_page():
    assert {name: on_pages()[name] for name in modules() if on_pages()[name] != 1} == {}
    assert [name for name in on_pages() if not name.startswith("fairlib.book.") and name not in modules()] == []


def test_each_page_is_listed():
    listed = {c["file"] for part in yaml.safe_load((ROOT / "_toc.yml").read_text())["parts"] for c in part["chapters"]}
    assert {f"book/api/{page.stem}" for page in PAGES.glob("*.md")} == {c for c in listed if c.startswith("book/api/")}


def test_the_table_of_chapters_names_what_there_is():
    assert {chapter for chapter in api.chapters() if not (ROOT / "notebooks" / f"{chapter}.md").is_file()} == set()
    named = [name for names in api.chapters().values() for name in names]
    assert unknown(named) == []
    assert unknown(["fairlib.attacks.fgsm", "fairlib.attacks.nobody", "fairlib.nowhere.f"]) == [
        "fairlib.attacks.nobody",
        "fairlib.nowhere.f",
    ]


def unknown(names: list[str]) -> list[str]:
    """The names that stand for nothing."""
    found = []
    for name in names:
        try:
            api.resolved(name)
        except AttributeError:
            found.append(name)
    return found


@pytest.mark.parametrize("wing", EXPLAINED)
def test_a_chapter_explains_each_function(wing):
    assert [name for name in functions(f"fairlib.{wing}") if not api.explaining(name)] == []


# --- Each equation is a function. -------------------------------------------------------------------------------------


def equations() -> Iterator[tuple[str, str, str, str]]:
    """(paper, place, what it is, function) for each function that the page of equations names."""
    for paper, part in re.findall(
        r"^## The (\w+) paper\n(.*?)(?=^## |\Z)", page_of_equations(), re.DOTALL | re.MULTILINE
    ):
        for place, what, text in re.findall(r"^(\S.*?): (.*)\n: (.*)$", part, re.MULTILINE):
            named = re.findall(r"\{py:obj\}`([\w.]+)`", text)
            assert named == re.findall(r"\{source\}`([\w.]+)`", text), text
            assert named or "not solved" in text, text
            yield from ((paper, place, what, name) for name in named)


def page_of_equations() -> str:
    return (PAGES / "equations.md").read_text()


def documentation(name: str) -> str:
    """The docstring of a function, and those of the class and of the file around it."""
    value = api.resolved(name)
    around = [api.resolved(name.rpartition(".")[0]), inspect.getmodule(inspect.unwrap(value))]
    return "\n".join(inspect.getdoc(one) or "" for one in [value, *around])


def names_place(text: str, paper: str, place: str) -> bool:
    """Whether a text names a place of a paper: `Equation (4)` as in "second paper, section 3.2, equation (4)"."""
    kind, number = re.fullmatch(r"(\w+) \(?([\w.]+)\)?", place).groups()
    here = rf"{kind}s?\b[^.;]*?(?<![\d.])\(?{re.escape(number)}\b(?!\.?\d)"
    flat = re.sub(r"(?<=\d)\.(?=\d)", "\0", re.sub(r"\s+", " ", text))  # the full stop of 3.2 ends no sentence
    here = here.replace(re.escape("."), "\0")
    return bool(re.search(here, flat, re.IGNORECASE)) and bool(re.search(PAPERS[paper], flat, re.IGNORECASE))


def test_the_page_of_equations_names_what_there_is():
    assert unknown([name for *_, name in equations()]) == []


def test_the_docstring_of_an_equations_function_names_it():
    assert [row for row in equations() if not names_place(documentation(row[3]), *row[:2])] == []


def test_the_page_has_all_that_the_papers_number():
    places = {(paper, re.sub(r"[()]", "", place)) for paper, place, *_ in equations()} | {("second", "Equation 1")}
    assert {("first", "Algorithm 1"), ("first", "Proposition 1")} <= places
    assert {("second", f"Algorithm {i}") for i in (1, 2, 3)} <= places
    assert {("second", f"Equation {i}") for i in (1, 2, 3, 4)} <= places
    assert "**" not in page_of_equations()


@pytest.mark.parametrize(
    ("text", "place", "there"),
    [
        ("Second paper, section 3.2, equation (4).", "Equation (4)", True),
        ("Second paper, section 3.2, equation (4).", "Section 3.2", True),
        ("Hua et al., sections 4.1 and 4.3.", "Section 4.3", True),
        ("Second paper, section 3.2.1", "Section 3.2", False),
        ("Second paper, section 4. See 3.2.", "Section 3.2", False),
        ("Second paper, Algorithms 2\nand 3", "Algorithm 3", True),
        ("Algorithm 3", "Algorithm 3", False),
        ("Second paper, Algorithm 13", "Algorithm 3", False),
    ],
)
def test_naming_a_place(text, place, there):
    assert names_place(text, "second", place) is there


# --- Docstrings have the sections that they need. ---------------------------------------------------------------------


def callables(module: str) -> Iterator[tuple[str, object]]:
    """The public functions of a module, its classes, and the methods that a class does not take over from another."""
    for name in functions(module):
        yield name, api.resolved(name)
        if isinstance(value := api.resolved(name), type):
            own = {n: m for n, m in vars(value).items() if inspect.isfunction(m) and not n.startswith("_")}
            inherited = {n for n in own if any(hasattr(base, n) for base in value.__bases__)}
            yield from ((f"{name}.{n}", m) for n, m in own.items() if n not in inherited)


def lacking(value: object) -> list[str]:
    """What a docstring does not say: parameters, what is returned, what is raised."""
    text = inspect.getdoc(value) or ""
    doc = NumpyDocString(text)
    parameters = _parameters(value)
    said = [name.strip().lstrip("*") for section in ("Parameters", "Attributes") for item in doc[section]
            for name in item.name.split(",")]  # fmt: skip
    found = [] if any(doc["Summary"]) else ["a summary"]
    found += [f"the parameter {name}" for name in parameters if name not in said]
    if inspect.isfunction(value):
        found += [f"the parameter {name}, which is none" for name in said if name not in parameters]
        if _returns(value) and not (doc["Returns"] or doc["Yields"]):
            found.append("what is returned")
        if _raises(value) and not doc["Raises"]:
            found.append("what is raised")
    return found


def _parameters(value: object) -> list[str]:
    if isinstance(value, type) and ("__init__" not in vars(value) or issubclass(value, BaseException)):
        return []  # what it is made from is said where it inherits that
    return [name for name in inspect.signature(value).parameters if name not in ("self", "cls")]


def _returns(value: object) -> bool:
    annotation = inspect.unwrap(value).__annotations__.get("return")
    return annotation not in (None, "None", "Iterator[None]") and "Iterator[None]" not in str(annotation)


def _raises(value: object) -> bool:
    return bool(re.search(r"^\s+raise \w+\(|\bchecks\.\w+\(", inspect.getsource(inspect.unwrap(value)), re.MULTILINE))


@pytest.mark.parametrize("module", modules())
def test_docstrings_say_what_goes_in_what_comes_out_and_what_is_raised(module):
    found = {name: lack for name, value in callables(module) if (lack := lacking(value))}
    assert found == {}


def good(a: int, *, b: int) -> int:
    """Add two numbers.

    Parameters
    ----------
    a, b : int
        The numbers.

    Returns
    -------
    int
        The sum.

    Raises
    ------
    ValueError
        When it is negative.
    """
    if a + b < 0:
        raise ValueError("negative")
    return a + b


@pytest.mark.parametrize(
    ("old", "new", "lack"),
    [
        ("", "", []),
        ("a, b : int", "a : int", ["the parameter b"]),
        ("a, b : int", "a, b, c : int", ["the parameter c, which is none"]),
        ("Returns\n-------\nint\n    The sum.\n", "", ["what is returned"]),
        ("Raises\n------\nValueError\n    When it is negative.", "", ["what is raised"]),
        ("Add two numbers.", "", ["a summary"]),
    ],
)
def test_a_section_that_is_missing_is_found(monkeypatch, old, new, lack):
    monkeypatch.setattr(good, "__doc__", inspect.getdoc(good).replace(old, new))
    assert lacking(good) == lack


# --- What the extension makes of docstrings. --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "escaped"),
    [
        ("x_(t+1) = a * b with |x| and `a * b`", r"x\_(t+1) = a \* b with \|x\| and `a * b`"),
        ("grad_x J of x_adv", "grad_x J of x_adv"),
        ("    >>> a * b", "    >>> a * b"),
        ("**more", "**more"),
        (".. [1] Who_ *wrote*", r".. [1] Who\_ \*wrote\*"),
    ],
)
def test_what_is_no_markup_is_escaped(line, escaped):
    assert api.escaped([line]) == [escaped]


def test_what_is_literal_stays():
    lines = ["The objective::", "", "    a * b", "", "a * b", "", ".. math::", "", "   a * b", "", ">>> a * b", "c * d"]
    changed = [i for i, (before, after) in enumerate(zip(lines, api.escaped(lines), strict=True)) if before != after]
    assert changed == [4]


def test_what_is_public():
    found = functions("fairlib.attacks")
    assert "fairlib.attacks.fgsm" in found
    assert not any(name.rpartition(".")[2].startswith("_") or name.rpartition(".")[2].isupper() for name in found)
    assert "fairlib.files.replacing" in functions("fairlib.files")
    assert "fairlib.files.contextmanager" not in functions("fairlib.files")
