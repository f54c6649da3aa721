"""A module's source taken apart, without running it: its top-level definitions, what each uses, and what it imports.

Docstrings, comments, formatting, annotations of arguments and the wording of errors are left out of a piece's text.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property

RUNS = "(runs)"  # stands for the statements of a module that are no definitions
UNSAID = {"ctx", "kind", "type_comment"}  # fields of the syntax tree that change nothing
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
DEFINITIONS = (*FUNCTIONS, ast.ClassDef, ast.Assign, ast.AnnAssign, ast.AugAssign)
SCOPES = (*FUNCTIONS, ast.Lambda, ast.ClassDef, *COMPREHENSIONS)

Chain = tuple[str, ...]  # a name, and the attributes that are taken of it
Target = tuple[str, Chain]  # a module, and what of it; () for all of it


@dataclass(frozen=True)
class Piece:
    """What binds a name in a module: the text that counts, the strings in it, what it uses, what it imports itself."""

    statements: tuple[ast.stmt | ast.alias, ...]
    module: str
    package: bool

    @cached_property
    def text(self) -> str:
        """The code that counts, in one line."""
        return "; ".join(map(_plain, self.statements))

    @cached_property
    def strings(self) -> set[str]:
        """The strings in it."""
        return {n.value for n in self.nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}

    @cached_property
    def uses(self) -> set[Chain]:
        """The names that it takes from outside itself, with their attributes."""
        return _uses(self.statements)

    @cached_property
    def imports(self) -> list[tuple[str, Target]]:
        """The names that it imports itself, and what they stand for."""
        return list(_imports(self.nodes, self.module, self.package))

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """All nodes of its statements."""
        return [node for statement in self.statements for node in ast.walk(statement)]


@dataclass
class Module:
    """A module in pieces, by name; which of them run when it is imported; the imports at its top level."""

    pieces: dict[str, Piece] = field(default_factory=dict)
    runs: list[str] = field(default_factory=list)
    imports: list[tuple[str, Target]] = field(default_factory=list)


@cache
def parsed(module: str, package: bool, text: str) -> Module:
    """A module in pieces.

    Parameters
    ----------
    module : str
        Its dotted name.
    package : bool
        Whether it is the `__init__` of one.
    text : str
        Its source.

    Returns
    -------
    Module
    """
    code = Module()
    binding: dict[str, list[ast.stmt | ast.alias]] = {}
    for statement in _Bare().visit(ast.parse(text)).body:
        names = _bound([statement])
        if isinstance(statement, ast.Import | ast.ImportFrom):
            code.imports += (imports := list(_imports([statement], module, package)))
            for name, (at, what) in imports:  # one piece each, which says what is imported
                binding.setdefault(name, []).append(ast.alias(".".join((at, *what))))
        elif isinstance(statement, DEFINITIONS) and names:
            for name in names:
                binding.setdefault(name, []).append(statement)
        else:
            code.imports += _imports(ast.walk(statement), module, package)
            for name in {RUNS, *names}:
                binding.setdefault(name, []).append(statement)
    own = binding.keys() - {name for name, (at, _) in code.imports if at.split(".")[0] not in ours(module)}
    for name, statements in binding.items():
        decorators = [d for s in statements for d in getattr(s, "decorator_list", ())]
        if name == RUNS or own & {used[0] for used in _uses(decorators)}:
            code.runs.append(name)
        code.pieces[name] = Piece(tuple(statements), module, package)
    return code


def ours(module: str) -> set[str]:
    """The packages whose code counts where a module is looked at."""
    return {"fairlib", module.split(".")[0]}


class _Bare(ast.NodeTransformer):
    """Takes out of a syntax tree what changes no number."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return _Wordless().visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | None:
        main = isinstance(node.test, ast.Compare) and _plain(node.test.left) == _plain(ast.Name("__name__"))
        return None if main else self.generic_visit(node)


class _Wordless(ast.NodeTransformer):
    """Takes the words out of an error."""

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        return ast.Constant("") if isinstance(node.value, str) else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.Constant:
        return ast.Constant("")


def _plain(node: object) -> str:
    """A syntax tree as text that is the same under every version of Python."""
    if isinstance(node, list):
        return f"[{', '.join(map(_plain, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = ((name, value) for name, value in ast.iter_fields(node) if name not in UNSAID and value not in (None, []))
    return f"{type(node).__name__}({', '.join(f'{name}={_plain(value)}' for name, value in fields)})"


def _imports(nodes: Iterable[ast.AST], module: str, package: bool) -> Iterator[tuple[str, Target]]:
    """The names that the imports among these nodes bind, and what to; under a dotted name a module only loaded."""
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name, (alias.name, ())
                if not alias.asname and "." in alias.name:
                    top = alias.name.split(".")[0]
                    yield top, (top, ())
        elif isinstance(node, ast.ImportFrom):
            parts = module.split(".") if node.level else []
            parts = parts[: len(parts) - node.level + package] if node.level else []
            at = ".".join([*parts, *(node.module or "").split(".")]).strip(".")
            for alias in node.names:
                yield alias.asname or alias.name, (at, () if alias.name == "*" else (alias.name,))


def _bound(nodes: Iterable[ast.AST]) -> set[str]:
    """The names that statements bind where they stand, not in functions, classes or comprehensions inside them."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif not isinstance(node, SCOPES):
            found |= _bound(ast.iter_child_nodes(node))
    return found


def _uses(nodes: Iterable[ast.AST]) -> set[Chain]:
    visitor = _Uses()
    for node in nodes:
        visitor.visit(node)
    return visitor.found


class _Uses(ast.NodeVisitor):
    """Collects the names that are looked up outside of the functions in which they are bound, with their attributes."""

    def __init__(self) -> None:
        self.found: set[Chain] = set()
        self.local: list[set[str]] = []

    def visit_Attribute(self, node: ast.Attribute) -> None:
        attributes, base = [], node
        while isinstance(base, ast.Attribute):
            attributes.append(base.attr)
            base = base.value
        self.found |= {(f".{name}",) for name in attributes}
        if isinstance(base, ast.Name):
            self.use(base.id, *reversed(attributes))
        else:
            self.visit(base)

    def visit_Name(self, node: ast.Name) -> None:
        self.use(node.id)

    def use(self, name: str, *attributes: str) -> None:
        if not any(name in names for names in self.local):
            self.found.add((name, *attributes))

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        body = node.body if isinstance(node.body, list) else [node.body]
        a = node.args
        for outside in (*getattr(node, "decorator_list", ()), *a.defaults, *filter(None, a.kw_defaults)):
            self.visit(outside)
        arguments = {arg.arg for arg in (*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, (a.vararg, a.kwarg)))}
        outer = {n for inside in body for g in ast.walk(inside) if isinstance(g, ast.Global) for n in g.names}
        self.local.append((arguments | _bound(body)) - outer)
        for inside in body:
            self.visit(inside)
        self.local.pop()

    visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef

    def comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        self.visit(node.generators[0].iter)
        self.local.append(_bound(generator.target for generator in node.generators))
        self.generic_visit(node)
        self.local.pop()

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = comprehension
