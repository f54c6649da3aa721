"""What a number comes from: a digest of the code that a function reaches, and of the data files that this code names.

The code is read, not run, and followed definition by definition: from the function to every top-level name that it uses
in its own module and, through imports, in the others of its package and of `fairlib`. So an edit of one function leaves
alone what does not reach it, and machinery (`runner`, `claims`, `plots`) counts for nothing, since no experiment's
`run` reaches it. Docstrings, comments, formatting, annotations of arguments and the wording of errors are left out.

In doubt more counts: a class with all its methods; a whole module where it is used other than by `module.name`, named
in a string, or looks names up itself (`LOOKS_UP`); of every module that is imported on the way, the statements that are
no definitions, and definitions under a decorator of ours. Not seen is what an assignment at the top of a module does
besides binding its names.

A data file counts when each word of its name stands in a string of that code, in one that is given besides (a unit's
arguments), or in a table that counts. Not seen are files that are found by listing a folder, with no table of them.
"""

import hashlib
import re
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

from fairlib import files
from fairlib.pieces import Chain, Module, Piece, Target, ours, parsed

# Names, and attributes, by which code finds definitions without naming them.
LOOKS_UP = {"__import__", "__name__", "eval", "exec", "globals", "import_module", ".__subclasses__", ".import_module"}
WORD = re.compile(r"\w+")


def of(module: str, name: str, strings: Iterable[str] = ()) -> str:
    """The digest of all that a function's numbers come from.

    Parameters
    ----------
    module : str
        Dotted name of a module whose source lies on this machine.
    name : str
        A function of it.
    strings : iterable of str
        May name data files besides those that the code names.

    Returns
    -------
    str
        The first sixteen hexadecimal digits of the SHA-256 of the code that the function reaches and of the data files.

    Raises
    ------
    ValueError
        Where there is no such function.
    """
    code = reach(module, name)
    lines = [f"{where} {piece.text}" for where, piece in code.items()]
    lines += [f"{file} {sha}" for file, sha in named(code.values(), strings).items()]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]


def named(code: Iterable[Piece], strings: Iterable[str] = ()) -> dict[str, str]:
    """The data files that count for some code.

    Parameters
    ----------
    code : iterable of Piece
        As `reach` gives it.
    strings : iterable of str
        May name files besides those that the code names.

    Returns
    -------
    dict of str to str
        Their SHA-256 from `data/SHA256SUMS`, by name.
    """
    words = {word for text in chain(strings, *(piece.strings for piece in code)) for word in WORD.findall(text)}
    found: dict[str, str] = {}
    while more := {f: s for f, s in files.listed().items() if f not in found and words.issuperset(WORD.findall(f))}:
        found |= more
        for table in (files.root() / file for file in more if file.endswith(".csv")):
            words |= set(WORD.findall(table.read_text(encoding="utf-8")))
    return found


def reach(module: str, name: str) -> dict[str, Piece]:
    """All that a function comes to.

    Parameters
    ----------
    module : str
        Dotted name of a module whose source lies on this machine.
    name : str
        A function of it.

    Returns
    -------
    dict of str to Piece
        By `module:name`, the function itself first.

    Raises
    ------
    ValueError
        Where there is no such function.
    """
    own = ours(module)
    found: dict[str, Piece] = {}
    entered: set[str] = set()
    todo: list[tuple[str, str]] = []

    @cache
    def read(at: str) -> Module | None:
        path = _file(at) if at.split(".")[0] in own else None
        return path and parsed(at, path.name == "__init__.py", path.read_text(encoding="utf-8"))

    def enter(at: str) -> None:
        """Import a module."""
        if at not in entered and (code := read(at)):
            entered.add(at)
            enter(at.rpartition(".")[0])
            todo.extend((at, name) for name in code.runs)
            bring(code.imports)

    def bring(imports: Iterable[tuple[str, Target]]) -> None:
        for name, (at, what) in imports:
            enter(at)
            enter(".".join((at, *what)))
            if name == "*":
                follow(at, ())

    def follow(at: str, used: Chain) -> None:
        """Go to the definition that a chain of names comes to from a module on."""
        if not (code := read(at)):
            return
        enter(at)
        if not used:
            todo.extend((at, name) for name in code.pieces)
            targets = [target for _, target in code.imports if target[1] and target[1][0] in _names(read(target[0]))]
        else:
            targets = [target for name, target in code.imports if name == used[0]]
        for where, rest in targets:
            if (where, rest) == (at, used[:1]):  # a package that shows a module of its own: `from toys import tools`
                follow(f"{at}.{used[0]}", used[1:])
            else:
                follow(where, rest + used[1:])
        if used and used[0] in code.pieces:
            todo.append((at, used[0]))
        elif used:  # a module of this package, or a name that is made as the module runs
            inside = f"{at}.{used[0]}"
            follow(*((inside, used[1:]) if read(inside) else (at, ())))

    if name not in _names(read(module)):
        raise ValueError(f"there is no source of {module}.{name} to follow, expected a function of an installed module")
    follow(module, (name,))
    while todo:
        at, name = todo.pop()
        if f"{at}:{name}" in found:
            continue
        piece = found[f"{at}:{name}"] = read(at).pieces[name]
        bring(piece.imports)
        for used, *attributes in piece.uses:
            if used in LOOKS_UP:
                follow(at, ())
            if used in _names(read(at)):
                follow(at, (used, *attributes))
            for local, (where, rest) in piece.imports:
                if local == used:
                    follow(where, (*rest, *attributes))
        for text in piece.strings:
            if re.fullmatch(r"\w+(\.\w+)+", text):
                follow(text, ())
    return found


def _names(module: Module | None) -> Iterable[str]:
    return module.pieces if module else ()


def _file(module: str) -> Path | None:
    """Where a module's source lies, if it has one."""
    top, *rest = module.split(".")
    spec = find_spec(top)
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder, *rest)
        for file in (path / "__init__.py", path.with_name(f"{path.name}.py")):
            if file.is_file():
                return file
    return None
