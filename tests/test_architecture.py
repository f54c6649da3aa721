"""Who may import whom, how long a module may be, what a package shows: read off the syntax, nothing is run.

Each rule is a function from the sources to the sentences that it has to say, and a planted fault shows that it bites.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import jupytext
import pytest

ROOT = Path(__file__).resolve().parents[1]
GROUND = {"fairlib.checks", "fairlib.files", "fairlib.runtime"}
DOOR = "fairlib.__main__"  # the command: it may open every wing, and nobody imports it
LINES, EXPERIMENT = 350, 300
# Tests of no module of their own: of the files around the package, or of all of its modules at once.
ACROSS = {
    "test_accelerator", "test_api", "test_architecture", "test_benchmarks", "test_book", "test_browser",
    "test_damaged_files", "test_defaults", "test_devices", "test_faults", "test_guides", "test_house", "test_licences",
    "test_mutants", "test_nbval_mutants", "test_no_answers", "test_notebooks", "test_outputs", "test_policy",
    "test_pretend", "test_published", "test_toy_book",
    "test_words", "attacks/test_pinned",
    "fairness/test_imports",
    "audit/test_guide",
    "audit/test_hostile",
    "audit/test_installation",
    "book/labs/test_pages",
}  # fmt: skip
# What a module does not load: so that an import costs what it needs.
LIGHT = {
    "fairlib.attacks": {"matplotlib", "pandas", "scipy", "statsmodels", "torchvision", "pyiqa"},
    "fairlib.perceptual": {"matplotlib", "pandas", "scipy", "statsmodels", "torchvision", "pyiqa"},
    "fairlib.bootstrap": {"torch", "torchvision", "matplotlib"},
    "fairlib.fairness": {"torch", "torchvision", "matplotlib", "seaborn"},
    "fairlib.geography": {"torch", "torchvision", "matplotlib", "scipy", "statsmodels", "babel", "pycountry"},
    "fairlib.audit": {"torch", "torchvision", "pandas", "numpy", "scipy", "matplotlib", "statsmodels"},
    "fairlib.audit.command": {"torch", "torchvision"},
    "fairlib.__main__": {"torch", "torchvision", "pandas", "numpy", "scipy", "matplotlib", "statsmodels"},
}

Sources = dict[str, str]  # a module's dotted name, that of a package for its __init__, and its text


@cache
def sources() -> Sources:
    """The package, and what stands around it and imports it: notebooks, benchmarks, tools, the site's extensions."""
    folders = ("fairlib", "benchmarks", "tools", "book/_ext")
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    texts = {dotted(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in paths}
    return texts | {f"notebooks.{path.stem}": code(path) for path in sorted((ROOT / "notebooks").glob("*.md"))}


@cache
def tree(text: str) -> ast.Module:
    return ast.parse(text)


def dotted(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def code(notebook: Path) -> str:
    """The code cells of a notebook, without lines that are IPython's own or a command's."""
    cells = [cell.source for cell in jupytext.read(notebook).cells if cell.cell_type == "code"]
    return re.sub(r"^(?:[%!]|python -m ).*$", "", "\n".join(cells), flags=re.MULTILINE)


def taken(texts: Sources, name: str) -> Iterator[tuple[str, str]]:
    """What a module takes of ours, wherever in it: (out of which module, what; "" for the module itself).

    A name that stands for a module counts with the attributes that are taken of it: `attacks.loss` after
    `from fairlib import attacks` is ("fairlib.attacks", "loss").
    """
    bound: dict[str, str] = {}
    nodes = list(ast.walk(tree(texts[name])))
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.split(".")[0]
                bound[alias.asname or first] = alias.name if alias.asname else first
                yield from [(alias.name, "")] if ours(alias.name) else []
        elif isinstance(node, ast.ImportFrom) and not node.level and ours(node.module or ""):
            for alias in node.names:
                yield node.module, alias.name
                if (whole := f"{node.module}.{alias.name}") in texts:
                    bound[alias.asname or alias.name] = whole
    for node in nodes:
        if isinstance(node, ast.Attribute) and (chain := _chain(node)) and ours(start := bound.get(chain[0], "")):
            yield start, ".".join(chain[1:])


def imports(texts: Sources, name: str) -> Iterator[str]:
    """The same as dotted names."""
    return (f"{module}.{what}".rstrip(".") for module, what in taken(texts, name))


def ours(name: str) -> bool:
    return name == "fairlib" or name.startswith("fairlib.")


def _chain(node: ast.expr) -> list[str]:
    """`a.b.c` as ["a", "b", "c"]; empty for what is no such chain."""
    if isinstance(node, ast.Attribute):
        before = _chain(node.value)
        return [*before, node.attr] if before else []
    return [node.id] if isinstance(node, ast.Name) else []


def module_of(texts: Sources, name: str) -> str:
    """The module in which a dotted name lies."""
    while name not in texts:
        name = name.rpartition(".")[0]
    return name


def inside(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def shown(text: str) -> set[str] | None:
    """What a package's `__init__` shows: the names in `__all__`, or None where it has none.

    `[*TABLE]` stands for the keys of a dictionary above it, from which names are looked up when they are asked for.
    """
    assigned = {}
    for node in tree(text).body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            assigned[getattr(node.targets[0], "id", "")] = node.value
    if "__all__" not in assigned:
        return None
    items = [assigned[one.value.id].keys if isinstance(one, ast.Starred) else [one] for one in assigned["__all__"].elts]
    return {one.value for part in items for one in part}


def packages(texts: Sources) -> set[str]:
    return {name.rpartition(".")[0] for name in texts if ours(name)} - {""}


# --- The rules. -------------------------------------------------------------------------------------------------------


def nothing_imports_the_book(texts: Sources) -> set[str]:
    """What only the book needs stays in fairlib/book: the rest is a library of its own."""
    return {
        f"{name} imports {target}"
        for name in texts
        if inside(name, "fairlib") and not inside(name, "fairlib.book") and name != DOOR
        for target in imports(texts, name)
        if inside(target, "fairlib.book") or inside(target, DOOR)
    }


def the_ground_stands_alone(texts: Sources) -> set[str]:
    """Checks, files and runs stand on nothing of ours but each other."""
    ground = [name for name in texts if any(inside(name, one) for one in GROUND)]
    return {
        f"{name} imports {target}"
        for name in ground
        for target in imports(texts, name)
        if module_of(texts, target) not in {*ground, "fairlib"}
    }


def only_what_a_package_shows_is_imported(texts: Sources) -> set[str]:
    """From outside a package with `__all__`, those names only, and what is in a module that is one of them.

    A package with a docstring alone shows its modules.
    """
    doors = {package: names for package in packages(texts) if (names := shown(texts[package])) is not None}
    found = set()
    for name in texts:
        for module, what in taken(texts, name):
            target = f"{module}.{what}".rstrip(".")
            for package, names in doors.items():
                if inside(target, package) and target != package and not inside(name, package):
                    first = target.removeprefix(f"{package}.").split(".")[0]
                    room = inside(module, package) and module != package  # `from fairlib.attacks.loss import ...`
                    if first not in names or (room and first not in rooms(texts[package], package)):
                        found.add(f"{name} imports {package}.{first}")
    return found


def rooms(text: str, package: str) -> set[str]:
    """The names of an `__init__` that are modules of the package: `from fairlib.attacks import loss`."""
    nodes = [node for node in tree(text).body if isinstance(node, ast.ImportFrom) and node.module == package]
    return {alias.name for node in nodes for alias in node.names}


def no_private_name_crosses_a_border(texts: Sources) -> set[str]:
    return {
        f"{name} imports {target}"
        for name in texts
        for target in imports(texts, name)
        if any(re.fullmatch(r"_(?!_).*", part) for part in target.split("."))
    }


def a_package_says_what_it_shows(texts: Sources) -> set[str]:
    """`__all__`, or only a docstring; and nothing in `__all__` that is not there."""
    found = set()
    for package in packages(texts) - {"fairlib"}:
        body = tree(texts[package]).body
        if not ast.get_docstring(tree(texts[package])):
            found.add(f"{package} has no docstring")
        if (names := shown(texts[package])) is None:
            found |= {f"{package} has more than a docstring and no __all__"} if len(body) > 1 else set()
        else:
            bound = {a.asname or a.name for node in body if isinstance(node, ast.ImportFrom) for a in node.names}
            looked_up = names if "__getattr__" in defined(body) else set()
            found |= {f"{package} has no {name}" for name in names - bound - looked_up - defined(body)}
    return found


def defined(body: list[ast.stmt]) -> set[str]:
    """The names that the statements of a module define."""
    targets = [t for node in body if isinstance(node, ast.Assign) for t in node.targets]
    named = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return named | {t.id for t in targets if isinstance(t, ast.Name)}


def modules_are_short(texts: Sources) -> set[str]:
    return {
        f"{name} has {n} lines, may have {most}"
        for name, text in texts.items()
        if inside(name, "fairlib")
        for most in [EXPERIMENT if inside(name, "fairlib.book.experiments") else LINES]
        if (n := len(text.splitlines())) > most
    }


def nothing_goes_in_circles(texts: Sources) -> set[str]:
    """Neither between modules nor between wings: fairlib.attacks with all that is in it is one of these."""
    found, folders = set(), packages(texts)
    for unit in (lambda name: name, lambda name: ".".join(name.split(".")[:2])):
        edges: dict[str, set[str]] = {}
        for name in filter(ours, texts):
            for target in imports(texts, name):
                module = module_of(texts, target)
                # Whoever imports a module runs the packages around it, too, unless it lies in them itself.
                around = [p for p in folders if inside(module, p) and not inside(name, p)]
                edges.setdefault(unit(name), set()).update(map(unit, [module, *around]))
        found |= {" -> ".join(circle) for circle in circles({k: v - {k} for k, v in edges.items()})}
    return found


def circles(edges: dict[str, set[str]]) -> Iterator[list[str]]:
    """One shortest way back to itself for each node that lies on one, each circle once."""
    seen = set()
    for start in sorted(edges):
        ways = [[start]]
        known = set()
        while ways:
            way = ways.pop(0)
            for following in sorted(edges.get(way[-1], ())):
                if following == start:
                    if frozenset(way) not in seen:
                        seen.add(frozenset(way))
                        yield [*way, start]
                    ways = []
                    break
                if following not in known:
                    known.add(following)
                    ways.append([*way, following])


RULES = [
    nothing_imports_the_book, the_ground_stands_alone, only_what_a_package_shows_is_imported,
    no_private_name_crosses_a_border, a_package_says_what_it_shows, modules_are_short, nothing_goes_in_circles,
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_is_in_order(rule):
    assert rule(sources()) == set(), "see the rules of the house in CONTRIBUTING.md"


HOUSE = {
    "fairlib": '"""A package."""',
    "fairlib.__main__": "def claims():\n    from fairlib.book import claims",
    "fairlib.checks": "import math",
    "fairlib.files": "from fairlib import checks\nchecks.whole(1)",
    "fairlib.runtime": "from fairlib import checks",
    "fairlib.data": "from fairlib import files",
    "fairlib.attacks": '"""Attacks."""\nfrom fairlib.attacks import open\nfrom fairlib.attacks.fgsm import fgsm\n'
    '__all__ = ["fgsm", "open"]',
    "fairlib.attacks.open": "def lead(): ...",
    "fairlib.attacks.fgsm": "from fairlib.attacks.loss import margin\ndef fgsm(): ...",
    "fairlib.attacks.loss": "from fairlib import checks\ndef margin(): ...",
    "fairlib.dro": "from fairlib import attacks, data\nfrom fairlib.attacks.open import lead\nattacks.fgsm()",
    "fairlib.book": '"""The book."""',
    "fairlib.book.claims": '"""Claims."""\nfrom fairlib.book.claims.rules import judge\n__all__ = ["judge"]',
    "fairlib.book.claims.rules": "def judge(): ...",
    "fairlib.book.plots": "from fairlib import dro\nfrom fairlib.book import claims\nclaims.judge()",
    "fairlib.book.experiments": '"""Experiments."""',
    "fairlib.book.experiments.fgsm": "from fairlib.attacks import fgsm",
    "benchmarks.attacks": "from fairlib import attacks\nattacks.fgsm()",
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_house_in_order_is_let_be(rule):
    assert rule(HOUSE) == set()


@pytest.mark.parametrize(
    ("rule", "module", "line", "sentence"),
    [
        (nothing_imports_the_book, "fairlib.data", "from fairlib.book import plots", "fairlib.book.plots"),
        (nothing_imports_the_book, "fairlib.data", "import fairlib.book.plots", "fairlib.book.plots"),
        (nothing_imports_the_book, "fairlib.data", "def f():\n    from fairlib import book", "fairlib.book"),
        (nothing_imports_the_book, "fairlib.data", "import fairlib\nfairlib.book", "fairlib.book"),
        (nothing_imports_the_book, "fairlib.data", "from fairlib.__main__ import main", "fairlib.__main__.main"),
        (the_ground_stands_alone, "fairlib.checks", "from fairlib import data", "fairlib.data"),
        (the_ground_stands_alone, "fairlib.runtime", "from fairlib.attacks import fgsm", "fairlib.attacks.fgsm"),
        (only_what_a_package_shows_is_imported, "fairlib.dro", "from fairlib.attacks.loss import lead", "attacks.loss"),
        (only_what_a_package_shows_is_imported, "fairlib.dro", "from fairlib.attacks import loss", "attacks.loss"),
        (only_what_a_package_shows_is_imported, "fairlib.dro", "from fairlib.attacks.fgsm import fgsm", "attacks.fgsm"),
        (only_what_a_package_shows_is_imported, "fairlib.dro", "import fairlib.attacks.fgsm", "attacks.fgsm"),
        (only_what_a_package_shows_is_imported, "fairlib.dro", "attacks.loss.margin()", "attacks.loss"),
        (only_what_a_package_shows_is_imported, "benchmarks.attacks", "attacks.loss", "attacks.loss"),
        (only_what_a_package_shows_is_imported, "fairlib.book.plots", "claims.rules.judge()", "book.claims.rules"),
        (no_private_name_crosses_a_border, "fairlib.dro", "from fairlib.data import _read", "fairlib.data._read"),
        (no_private_name_crosses_a_border, "fairlib.dro", "data._read()", "fairlib.data._read"),
        (a_package_says_what_it_shows, "fairlib.book", "from fairlib import data", "no __all__"),
        (a_package_says_what_it_shows, "fairlib.attacks", "", None),
        (modules_are_short, "fairlib.data", "\n" * 350, "351 lines, may have 350"),
        (modules_are_short, "fairlib.book.experiments.fgsm", "\n" * 300, "301 lines, may have 300"),
        (nothing_goes_in_circles, "fairlib.data", "from fairlib import dro", "data -> fairlib.dro -> fairlib.data"),
        (nothing_goes_in_circles, "fairlib.attacks.loss", "from fairlib.attacks.fgsm import fgsm", "attacks.loss ->"),
        (nothing_goes_in_circles, "fairlib.attacks.loss", "from fairlib import dro", "fairlib.attacks -> fairlib.dro"),
    ],
)  # fmt: skip
def test_a_planted_fault_is_found(rule, module, line, sentence):
    if sentence is None:  # a name that is shown and not there
        planted = HOUSE | {module: HOUSE[module].replace('["fgsm"', '["pgd", "fgsm"')}
        assert rule(planted) == {f"{module} has no pgd"}
        return
    said = rule(HOUSE | {module: f"{HOUSE[module]}\n{line}"})
    assert any(sentence in one for one in said), said


# --- Tests mirror the package. ----------------------------------------------------------------------------------------


def unmirrored(tests: set[str], modules: set[str]) -> set[str]:
    """Tests of no module of that name: tests/attacks/test_fgsm.py is of fairlib/attacks/fgsm.py, and a test that has
    the name of a package is of all of it."""
    named = modules | {package for name in modules for package in around(name)}
    return {test for test in tests - ACROSS if test.replace("test_", "").replace("/", ".") not in named}


def untested(tests: set[str], modules: set[str]) -> set[str]:
    """Modules without a test of that name. Experiments are tested by their records."""
    tested = {test.replace("test_", "").replace("/", ".") for test in tests}
    return {name for name in modules if not tested & {name, *around(name)} and not inside(name, "book.experiments")}


def around(name: str) -> set[str]:
    """The packages around a module: those of "book.claims.rules" are "book" and "book.claims"."""
    parts = name.split(".")
    return {".".join(parts[:i]) for i in range(1, len(parts))}


def mirrored() -> tuple[set[str], set[str]]:
    """The tests, as "attacks/test_fgsm", and the modules, as "attacks.fgsm", without the `__init__` of packages."""
    folder = ROOT / "tests"
    tests = {str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("test_*.py")}
    names = {name.removeprefix("fairlib.") for name in sources() if name.startswith("fairlib.")}
    return tests, names - {package for name in names for package in around(name)}


def test_each_test_is_of_a_module():
    assert unmirrored(*mirrored()) == set()


def test_each_module_has_a_test():
    assert untested(*mirrored()) == set()


def test_what_mirrors_nothing_is_found():
    modules = {"data", "attacks.fgsm", "checks.values"}
    assert unmirrored({"test_data", "attacks/test_fgsm", "test_checks"}, modules) == set()
    assert unmirrored({"test_data", "test_fgsm"}, modules) == {"test_fgsm"}
    assert untested({"test_data", "test_checks"}, modules) == {"attacks.fgsm"}


# --- An import costs what it needs. -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LIGHT)
def test_an_import_loads_what_it_needs_and_no_more(name):
    assert LIGHT[name] & set(_printed(f"import sys, {name}; print(*sys.modules)").split()) == set()


@pytest.mark.parametrize("command", ["claims", "audit"])
def test_help_is_there_before_anything_heavy(command):
    code = f"import sys; from fairlib.__main__ import main; sys.argv = ['fairlib', '{command}', '--help']\n"
    code += "try:\n    main()\nexcept SystemExit:\n    print('LOADED', *sys.modules)"
    said, _, loaded = _printed(code).partition("LOADED")
    assert "--" in said
    assert LIGHT["fairlib.__main__"] & set(loaded.split()) == set()


def _printed(code: str) -> str:
    """What Python prints that runs this in a process of its own."""
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
