"""Mutants of the package: change one place at random, run the tests that know it, and say which changes nobody noticed.

python -m tools.mutants [--count 600] [--minutes 2] [--seed N] [--only attacks/]

A sample depends on its seed alone, which is the day where none is given. Each mutant lives in a copy of the repository.
Its tests are those of the module's own file, the others that name the changed function, and its wing's; tests that
compare the package's source with a record would notice every mutant, whatever it does, and are left out. Survivors that
change nothing a test could see are in KNOWN, each with the reason. Reports, and ends with status 0 whatever it found.
"""

import argparse
import ast
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

from statsmodels.stats.proportion import proportion_confint

ROOT = Path(__file__).resolve().parents[1]
KNOWN = "tests/equivalent.toml"
# What each operator becomes.
COMPARED = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.Is: "is not", ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in",
}  # fmt: skip
COMPUTED = {
    ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.FloorDiv: "*", ast.Mod: "*", ast.Pow: "*",
    ast.MatMult: "*", ast.BitAnd: "|", ast.BitOr: "&",
}  # fmt: skip
# Tests that would notice any change of the source, and those that take minutes for other reasons.
ELSEWHERE = (
    "test_units",
    "test_digest",
    "test_nbval_mutants",
    "test_architecture",
    "test_book.py",
    "test_browser",
    "labs",
)
LIMIT = 900  # seconds a mutant's tests may take; a loop that never ends is noticed


class Mutant(NamedTuple):
    """One change: in which file, from which character to which, and what stands there instead."""

    path: str
    function: str
    line: int
    start: int
    end: int
    new: str
    what: str

    def __str__(self) -> str:
        return f"fairlib/{self.path}:{self.line} {self.function}: {self.what}"


def mutants(path: str, text: str) -> Iterator[Mutant]:
    """All changes of a module's functions.

    Parameters
    ----------
    path : str
        Of the module, within `fairlib`.
    text : str
        Its source.

    Yields
    ------
    Mutant
    """
    tree = ast.parse(text)
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line.encode()))
    source = text.encode()

    def at(line: int, column: int) -> int:
        return starts[line - 1] + column

    def span(node: ast.AST) -> tuple[int, int]:
        return at(node.lineno, node.col_offset), at(node.end_lineno, node.end_col_offset)

    def between(left: ast.AST, right: ast.AST, new: str) -> tuple[int, int, str]:
        """The operator that stands between two operands, brackets and comments left where they are."""
        start, end = span(left)[1], span(right)[0]
        found = re.search(rb"(not\s+in|is\s+not|in|is|and|or|\*\*|//|<=|>=|==|!=|[-+*/%@&|<>])", source[start:end])
        return start + found.start(), start + found.end(), new

    for function, node in within(tree):
        changes = []
        if isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
            changes = [
                between(operands[i], operands[i + 1], COMPARED[type(operator)]) for i, operator in enumerate(node.ops)
            ]
        elif isinstance(node, ast.BinOp) and type(node.op) in COMPUTED:
            changes = [between(node.left, node.right, COMPUTED[type(node.op)])]
        elif isinstance(node, ast.BoolOp):
            new = "or" if isinstance(node.op, ast.And) else "and"
            changes = [between(a, b, new) for a, b in zip(node.values, node.values[1:], strict=False)]
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
            changes = [(span(node)[0], span(node.operand)[0], "")]
        elif isinstance(node, ast.If | ast.IfExp | ast.While):
            start, end = span(node.test)
            changes = [(start, end, f"not ({source[start:end].decode()})")]
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
            value = node.value
            changes = [(*span(node), repr(not value if isinstance(value, bool) else value + 1))]
        elif isinstance(node, ast.Return) and node.value is not None:
            changes = [(*span(node.value), "None")]
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            changes = [(*span(node), "pass")]
        for start, end, new in changes:
            if b"\n" in source[start:end] and new != "pass" and not new.startswith(("not (", "None")):
                continue  # an operator at a line's end, with what follows
            old = " ".join(source[start:end].decode().split())
            changed = (source[:start] + new.encode() + source[end:]).decode()
            try:
                ast.parse(changed)
            except SyntaxError:
                continue
            yield Mutant(path, function, node.lineno, start, end, new, f"{old or '(nothing)'} -> {new or '(nothing)'}")


def within(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Each node in the body or the defaults of a function, with the name of the outermost one or its class."""
    for top in tree.body:
        if not isinstance(top, ast.FunctionDef | ast.ClassDef):
            continue
        skipped = {id(inner) for node in ast.walk(top) for inner in skip(node)}
        for node in ast.walk(top):
            if id(node) not in skipped:
                yield top.name, node


def skip(node: ast.AST) -> Iterator[ast.AST]:
    """What is for readers: annotations, and what an error says."""
    for part in (getattr(node, "annotation", None), getattr(node, "returns", None)):
        yield from ast.walk(part) if part else ()
    if isinstance(node, ast.Raise | ast.JoinedStr):
        yield from ast.walk(node)


def drawn(count: int, seed: int, only: str = "") -> list[Mutant]:
    """So many mutants of all, each as likely as any other."""
    found = []
    for path in sorted((ROOT / "fairlib").rglob("*.py")):
        name = path.relative_to(ROOT / "fairlib").as_posix()
        if only in name:
            found += mutants(name, path.read_text(encoding="utf-8"))
    return random.Random(seed).sample(found, min(count, len(found)))


def tests(mutant: Mutant) -> list[str]:
    """The files of tests that know what was changed: the module's own, those that name both, its wing's."""
    module = Path(mutant.path)
    own = ROOT / "tests" / module.parent / f"test_{module.stem}.py"
    name = re.compile(rf"\b{re.escape(mutant.function)}\b")
    naming, wing = [], []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        place = path.relative_to(ROOT).as_posix()
        if path == own or any(part in place for part in ELSEWHERE):
            continue
        text = path.read_text(encoding="utf-8")
        if module.stem in text and name.search(text):
            naming.append(place)
        elif module.parent != Path() and module.parts[0] != "book" and path.parent == own.parent:
            wing.append(place)
    return ([own.relative_to(ROOT).as_posix()] if own.exists() else []) + naming + wing


def known() -> dict[str, str]:
    """The mutants that change nothing, without their lines, and why."""
    path = ROOT / KNOWN
    return tomllib.loads(path.read_text(encoding="utf-8"))["equivalent"] if path.exists() else {}


def noticed(mutant: Mutant, place: Path) -> str:
    """What a mutant's tests say in a copy of the repository: "noticed" or "survived", or "no test", "equivalent"."""
    if f"{mutant.path} {mutant.function}: {mutant.what}" in known():
        return "equivalent"
    files = tests(mutant)
    if not files:
        return "no test"
    source = place / "fairlib" / mutant.path
    before = source.read_bytes()
    source.write_bytes(before[: mutant.start] + mutant.new.encode() + before[mutant.end :])
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", *files]
    settings = {"FAIRLIB_DATA": str(ROOT / "data"), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        ran = subprocess.run(command, cwd=place, env=os.environ | settings, capture_output=True, timeout=LIMIT)
        return "survived" if ran.returncode == 0 else "noticed"
    except subprocess.TimeoutExpired:
        return "noticed"
    finally:
        source.write_bytes(before)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=600, help="how many mutants are drawn")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="after so many no further one is begun")
    parser.add_argument("--seed", type=int, default=date.today().toordinal(), help="of the draw; the day by default")
    parser.add_argument("--only", default="", help="a part of the modules' paths, such as attacks/")
    asked = parser.parse_args(arguments)
    print(f"seed {asked.seed}")
    end, found = time.monotonic() + 60 * asked.minutes, []
    with tempfile.TemporaryDirectory() as folder:
        place = copied(Path(folder))
        for mutant in drawn(asked.count, asked.seed, asked.only):
            if time.monotonic() > end:
                break
            found.append(noticed(mutant, place))
            print(f"{found[-1]:9} {mutant}", flush=True)
    print(summary(found))
    return 0


def copied(folder: Path) -> Path:
    """A copy of what is tracked, without the data, which are named by where they are."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if not name.startswith("data/") and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    (folder / "data").symlink_to(ROOT / "data")
    return folder


def summary(found: list[str]) -> str:
    """How many were noticed, with the Wilson 95 % interval of the share."""
    tried, n = [said for said in found if said != "equivalent"], found.count("noticed")
    if not tried:
        return "none was tried"
    low, high = proportion_confint(n, len(tried), method="wilson")
    return (
        f"{n} of {len(tried)} mutants noticed, a share of {n / len(tried):.2f} [{low:.2f}, {high:.2f}]; "
        f"{found.count('no test')} of them in what no test names, {found.count('equivalent')} more change nothing"
    )


if __name__ == "__main__":
    sys.exit(main())
