"""A digest changes with whatever a number may come from, and with nothing else."""

import importlib
import sys
from pathlib import Path

import pytest

from fairlib import digest, files
from fairlib.book import units
from fairlib.book.experiments import headline

PACKAGE = {
    "__init__.py": "",
    "main.py": '''\
"""An experiment."""
import math
from numpy import mean as average
from . import tools
from toys import registry
from toys.parts import half, third
from fairlib import runtime
from fairlib.book import runner

SIZE = 3
NAMES = ("alpha", "beta")

def run(*, n: int) -> dict:
    """Runs."""
    if n < 0:
        raise ValueError(f"n is {n}, expected 0 or more")
    from toys.late import later
    maker = getattr(registry, NAMES[0])
    return {"rows": [tools.twice(n) + half(n) + SIZE + later(n) + maker(n) + math.floor(average([n]))]}

def estimates():
    return runner.results("main")

def data(tools):
    return tools.unused(tools)
''',
    "tools.py": """\
from fairlib import runtime
FACTOR = 2

def twice(n):
    return FACTOR * n

def unused(n):
    return 17 * n

def shadowed(n):
    return 5 * n
""",
    "parts/__init__.py": "from toys.parts.halves import half, third",
    "parts/halves.py": "def half(n):\n    return n / 2\n\ndef third(n):\n    return n / 3\n",
    "registry.py": "from toys.parts.made import alpha\n\ndef beta(n):\n    return n\n",
    "parts/made.py": "def alpha(n):\n    return 3 * n\n",
    "late.py": """\
KNOWN = {}

def known(f):
    KNOWN[f.__name__] = f
    return f

@known
def first(n):
    return n

class Base:
    def method(self, n):
        return self.inner(n)

    def inner(self, n):
        return n + 1

def later(n):
    tools = Base()
    return tools.method(n) + KNOWN["first"](n)
""",
}


@pytest.fixture
def toys(tmp_path, monkeypatch) -> Path:
    """The package above, as files."""
    for name, text in PACKAGE.items():
        path = tmp_path / "toys" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    sys.modules.pop("toys", None)
    return tmp_path / "toys"


def edited(path: Path, old: str, new: str) -> str:
    assert path.read_text().count(old) >= 1
    path.write_text(path.read_text().replace(old, new))
    return digest.of("toys.main", "run")


def test_a_package_may_show_a_module_of_its_own(toys):
    """`from toys.parts import scale` in toys/parts/__init__.py: what is in the module counts, by either way to it."""
    (toys / "parts" / "scale.py").write_text("def up(n):\n    return 2 * n\n\ndef down(n):\n    return n / 2\n")
    edited(toys / "parts" / "__init__.py", "from toys", "from toys.parts import scale\nfrom toys")
    edited(toys / "main.py", "from toys.parts", "from toys import parts\nfrom toys.parts")
    before = edited(toys / "main.py", "half(n)", "half(n) + parts.scale.up(n)")
    assert "toys.parts.scale:up" in digest.reach("toys.main", "run")
    assert edited(toys / "parts" / "scale.py", "2 * n", "3 * n") != before
    before = digest.of("toys.main", "run")
    assert edited(toys / "parts" / "scale.py", "n / 2", "n / 3") == before
    edited(toys / "main.py", "import half, third", "import half, scale")
    before = edited(toys / "main.py", "parts.scale.up(n)", "scale.up(n)")
    assert edited(toys / "parts" / "scale.py", "3 * n", "4 * n") != before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("main.py", "SIZE = 3", "SIZE = 4"),
        ("main.py", "n < 0", "n < 1"),
        ("main.py", "mean as average", "median as average"),
        ("main.py", "import half, third", "import third as half, third"),
        ("tools.py", "FACTOR = 2", "FACTOR = 3"),
        ("tools.py", "FACTOR * n", "FACTOR * n + 1"),
        ("tools.py", "FACTOR = 2", "FACTOR = 2\nFACTOR += 1"),
        ("tools.py", "FACTOR = 2", "FACTOR = 2\nif FACTOR:\n    import math\n    math.tau = 6"),
        ("parts/halves.py", "n / 2", "n / 4"),  # through a package's __init__
        ("parts/__init__.py", "import half, third", "import third, third as half"),
        ("parts/made.py", "3 * n", "4 * n"),  # looked up by getattr
        ("late.py", "n + 1", "n + 2"),  # imported in the function; a method of a class
        ("late.py", "def first(n):\n    return n", "def first(n):\n    return -n"),  # found by its registry alone
    ],
)
def test_what_a_number_comes_from_counts(toys, file, old, new):
    before = digest.of("toys.main", "run")
    assert before == digest.of("toys.main", "run")
    assert edited(toys / file, old, new) != before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("main.py", '"""Runs."""', '"""Runs once more."""'),
        ("main.py", "SIZE = 3", "SIZE  =  3  # how many"),
        ("main.py", "expected 0 or more", "expected none below 0"),
        ("main.py", "(*, n: int) -> dict", "(*, n)"),
        ("main.py", 'runner.results("main")', "None"),  # what the records are read with
        ("main.py", '"""An experiment."""', "import json"),
        ("main.py", "def estimates", "def more():\n    return 1\n\ndef estimates"),
        ("tools.py", "17", "18"),
        ("tools.py", "5 * n", "6 * n"),
        ("parts/halves.py", "n / 3", "n / 5"),
        ("late.py", "KNOWN = {}", "KNOWN = {}  # so far"),
    ],
)
def test_what_changes_no_number_does_not_count(toys, file, old, new):
    before = digest.of("toys.main", "run")
    assert edited(toys / file, old, new) == before


def test_a_definition_that_is_looked_up_counts_with_its_module(toys):
    before = edited(toys / "tools.py", "FACTOR * n", "globals()['shadowed'](n)")
    assert edited(toys / "tools.py", "5 * n", "6 * n") != before
    before = edited(toys / "main.py", "tools.twice(n)", "vars(tools)['twice'](n)")
    assert edited(toys / "tools.py", "17 * n", "18 * n") != before


def test_fairlib_is_followed_from_elsewhere(toys, monkeypatch):
    edited(toys / "main.py", "tools.twice(n)", "runtime.generator(n).initial_seed()")
    reached = digest.reach("toys.main", "run")
    assert {"fairlib.runtime:generator", "fairlib.checks.values:whole"} < set(reached)
    assert "fairlib.runtime:facts" not in reached
    assert not any(name.startswith("fairlib.book.runner") for name in reached)


def test_what_is_not_there_is_refused(toys):
    with pytest.raises(ValueError, match=r"no source of toys\.main\.walk to follow, expected a function of"):
        digest.of("toys.main", "walk")
    with pytest.raises(ValueError, match=r"no source of nowhere\.at\.all to follow"):
        digest.of("nowhere.at", "all")


@pytest.fixture
def house(toys, tmp_path, monkeypatch) -> Path:
    """A data folder whose files the package may name."""
    sums = {"tables/alpha.csv": "1" * 64, "tables/other.csv": "2" * 64, "photos/a-b.jpg": "3" * 64}
    sums |= {"photos/list.csv": "4" * 64, "nets/Small-alpha.bin": "5" * 64}
    (tmp_path / "data" / "photos").mkdir(parents=True)
    (tmp_path / "data" / "photos" / "list.csv").write_text("file,label\na-b.jpg,1\n")
    (tmp_path / "data" / "tables").mkdir()
    for name in ("alpha", "other"):
        (tmp_path / "data" / "tables" / f"{name}.csv").write_text("x\n1\n")
    (tmp_path / "data" / "SHA256SUMS").write_text("".join(f"{sha}  {name}\n" for name, sha in sums.items()))
    monkeypatch.setenv("FAIRLIB_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "SHA256SUMS"


def altered(sums: Path, name: str) -> str:
    """The digest with another file in the place of that name; `files` rereads the sums when their time is another."""
    sums.write_text("".join("9" * 64 + line[64:] if line.endswith(f"{name}\n") else line for line in lines(sums)))
    files._sums.cache_clear()
    return digest.of("toys.main", "run", ["Small"])


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines(keepends=True)


def test_data_files_count_when_they_are_named(house, toys):
    text = 'SIZE = 3\nTABLE, LIST = f"tables/{NAMES}.csv", "photos/list.csv"\nNET = "nets/{}-{}.bin"'
    edited(toys / "main.py", "SIZE = 3", text)
    edited(toys / "main.py", "+ SIZE", "+ len(TABLE + LIST + NET)")
    before = digest.of("toys.main", "run", ["Small"])
    assert altered(house, "tables/other.csv") == before
    for name in ("tables/alpha.csv", "photos/list.csv", "photos/a-b.jpg", "nets/Small-alpha.bin"):
        after = altered(house, name)
        assert after != before, name
        before = after
    assert digest.of("toys.main", "run") != before  # without the argument that names a network


@pytest.mark.parametrize("chapter", units.chapters())
def test_the_books_units_rest_on_no_machinery_and_no_records(chapter):
    """An experiment's `run` that read records would need a digest of them."""
    modules = {name.split(":")[0] for name in digest.reach(f"{units.EXPERIMENTS}.{chapter}", "run")}
    assert "fairlib.checks" in modules
    experiments = {name for name in modules if name.startswith(units.EXPERIMENTS)}
    assert {name for name in modules - experiments if name.startswith("fairlib.book.")} == set()


@pytest.mark.parametrize(
    ("chapter", "files_of", "never"),
    [
        (
            "seeds",
            ["MNIST/raw/train-images-idx3-ubyte.gz", "checkpoints/LeNet5-FashionMNIST.safetensors"],
            ["tables/gdp"],
        ),
        ("seeds", ["tables/pepe_alphas.csv", "tables/pepe_centroids.csv"], ["tables/ambig", "tables/pepe_tables"]),
        ("fairer", ["checkpoints/LeNet5-World.safetensors", "tables/gdp.csv"], ["tables/pepe"]),
    ],
)
def test_the_books_units_count_the_files_that_they_read(chapter, files_of, never):
    found = digest.named(digest.reach(f"{units.EXPERIMENTS}.{chapter}", "run").values())
    assert set(files_of) <= set(found)
    assert not [name for name in found if name.startswith(tuple(never))]


def test_a_unit_opens_no_other_file_of_the_book(monkeypatch):
    """What is opened is watched, not read from the code."""
    opened, checked = set(), files.checked
    monkeypatch.setattr(files, "checked", lambda name, *more: opened.add(name) or checked(name, *more))
    arguments = {"what": "look", "network": "FullyConnected", "dataset": "MNIST"}
    headline.run(**arguments)
    assert len(opened) > 8
    code = digest.reach(headline.__name__, "run").values()
    assert opened <= set(digest.named(code, arguments.values()))
