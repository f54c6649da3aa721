"""A small module taken apart by hand."""

from fairlib import pieces

TEXT = """
import math
from toys import registry as known
from .parts import half

LIMIT: float = math.pi


@known.register
def area(r: float) -> float:
    \"\"\"Of a circle.\"\"\"
    if r < 0:
        raise ValueError(f"r is {r}")
    return LIMIT * half(r) ** 2


print(area(1))
"""


def test_a_module_in_pieces():
    found = pieces.parsed("toys.main", False, TEXT)
    assert set(found.pieces) == {"math", "known", "half", "LIMIT", "area", pieces.RUNS}
    assert set(found.runs) == {"area", pieces.RUNS}  # a decorator of the package's own runs, too
    assert ("known", ("toys", ("registry",))) in found.imports
    assert ("half", ("toys.parts", ("half",))) in found.imports
    area = found.pieces["area"]
    assert {("LIMIT",), ("half",), ("known", "register")} <= area.uses and not {("r",)} & area.uses
    assert found.pieces["LIMIT"].uses >= {("math", "pi")}


def test_words_do_not_count():
    """Docstrings, annotations of arguments and the wording of errors; numbers do."""
    one = pieces.parsed("toys.main", False, TEXT).pieces["area"].text
    for old, new in (("Of a circle.", "Another."), ("r: float", "r"), ("r is {r}", "no"), ("-> float", "")):
        assert old in TEXT
        assert pieces.parsed("toys.main", False, TEXT.replace(old, new)).pieces["area"].text == one
    assert pieces.parsed("toys.main", False, TEXT.replace("** 2", "** 3")).pieces["area"].text != one


def test_relative_imports_of_a_package_start_in_it():
    found = pieces.parsed("toys", True, "from .parts import half")
    assert found.imports == [("half", ("toys.parts", ("half",)))]


def test_whose_code_counts():
    assert pieces.ours("toys.main") == {"fairlib", "toys"}
