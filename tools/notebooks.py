"""The notebooks: keep each pair (.md to edit, .ipynb with outputs) in step, check it, execute it.

python tools/notebooks.py sync | check | execute
"""

import argparse
import copy
import hashlib
import os
import re
import sys
import time
import tomllib
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import zip_longest
from pathlib import Path

import jupytext
import nbformat
from jupytext.combine import combine_inputs_with_outputs
from nbclient import NotebookClient
from nbformat import NotebookNode
from tqdm import tqdm

from fairlib import files

ROOT = Path(__file__).resolve().parents[1]
MYST = {"extension": ".md", "format_name": "myst"}
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
CELL_TIMEOUT = 240  # seconds
AT_A_TIME = 2
BOOTSTRAP_TAGS = ["bootstrap", "remove-cell"]
BOOTSTRAP = """\
# Lets this notebook run alone: fairlib is its repository's, else the installed one, else installed with its data.
import importlib.util, os, subprocess, sys

spec = os.environ.get("FAIRLIB_SPEC", "{spec}")  # anything that pip installs
if os.path.isfile("../fairlib/__init__.py"):
    sys.path.insert(0, os.path.abspath(".."))
elif importlib.util.find_spec("fairlib") is None:
    if not spec:
        raise ModuleNotFoundError("no fairlib: run this in its repository, or set FAIRLIB_SPEC to where pip finds it")
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", spec], check=True)
    importlib.invalidate_caches()"""
# Folders of a machine, whoever's it is; none of them belongs into an output.
MACHINE_PATH = re.compile(
    r"""(?:file://|(?<![\w.:/]))(?:/(?:home|root|Users|tmp|var|opt|mnt|work)/|[A-Z]:\\\\?Users)[^\s"'<>]*"""
)


def bootstrap(root: Path = ROOT) -> str:
    """The source of every notebook's first code cell; its default spec follows `[tool.book]` of pyproject.toml."""
    book = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["book"]
    spec = f"git+{book['repository']}@{book['branch']}" if book["repository"] else ""
    return BOOTSTRAP.format(spec=spec)


def pairs(root: Path = ROOT) -> list[Path]:
    """The .md sides."""
    return sorted((root / "notebooks").glob("*.md"))


def with_bootstrap(notebook: NotebookNode, source: str) -> NotebookNode:
    """A copy whose first code cell is the bootstrap, written over the one that is tagged so or put before the rest."""
    notebook = copy.deepcopy(notebook)
    first = next((i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"), len(notebook.cells))
    tagged = [c for c in notebook.cells[first : first + 1] if "bootstrap" in c.metadata.get("tags", [])]
    if not tagged:
        notebook.cells.insert(first, nbformat.v4.new_code_cell())
    notebook.cells[first].update(source=source, metadata=NotebookNode(tags=list(BOOTSTRAP_TAGS)))
    return notebook


def paired(md: Path, root: Path = ROOT) -> NotebookNode:
    """What the .ipynb beside `md` should hold: the cells of `md`, with the ids and outputs of the unchanged ones."""
    text = with_bootstrap(jupytext.read(md, fmt=MYST), bootstrap(root))
    ipynb = md.with_suffix(".ipynb")
    old = nbformat.read(ipynb, as_version=4) if ipynb.exists() else nbformat.v4.new_notebook()
    sources = {cell.id: cell.source for cell in old.cells}
    notebook = combine_inputs_with_outputs(text, copy.deepcopy(old), fmt=MYST)
    for i, cell in enumerate(notebook.cells):
        if cell.id not in sources:  # the same id whoever does this
            cell.id = hashlib.sha256(f"{i}\n{cell.source}".encode()).hexdigest()[:8]
        if cell.cell_type == "code" and sources.get(cell.id) != cell.source:
            cell.update(outputs=[], execution_count=None)
    notebook.metadata = NotebookNode(copy.deepcopy(METADATA))
    notebook.nbformat_minor = 5
    return notebook


def written(notebook: NotebookNode) -> str:
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text() != text:
        with files.replacing(path) as partial:
            partial.write_text(text)


def sync(root: Path = ROOT) -> None:
    """Carry every .md into its .ipynb, and the bootstrap template into both."""
    for md in pairs(root):
        write(md.with_suffix(".ipynb"), written(paired(md, root)))
        text = jupytext.read(md, fmt=MYST)
        whole = with_bootstrap(text, bootstrap(root))
        if same_cells(text, whole) is not None:
            write(md, jupytext.writes(whole, fmt=MYST))


def same_cells(a: NotebookNode, b: NotebookNode) -> int | None:
    """The number of the first cell (from 1) in which two notebooks differ in kind, source or metadata, or None."""

    def told(notebook):
        return [(c.cell_type, c.source, dict(c.metadata)) for c in notebook.cells]

    left, right = told(a), told(b)
    if left == right:
        return None
    return next(i for i, (x, y) in enumerate(zip_longest(left, right), 1) if x != y)


def problems(md: Path, root: Path = ROOT) -> list[str]:
    """What is wrong with one pair, each as a sentence; empty when nothing is."""
    ipynb = md.with_suffix(".ipynb")
    if not ipynb.exists():
        return [f"{ipynb.name} is missing; run `make sync`, then `make book`"]
    stored, wanted = nbformat.read(ipynb, as_version=4), paired(md, root)
    found = []
    drifted = same_cells(stored, wanted)
    unbooted = same_cells(jupytext.read(md, fmt=MYST), wanted)
    if drifted is not None:
        found.append(f"cell {drifted} differs from {md.name}; run `make sync`, then `make book`")
    elif unbooted is not None:
        found.append(f"cell {unbooted} of {md.name} is not the bootstrap template; run `make sync`")
    elif ipynb.read_text() != written(wanted):
        found.append("ids, metadata or layout are not what `make sync` writes; run it")
    for number, cell in enumerate(stored.cells, 1):
        if cell.cell_type == "code":
            if cell.execution_count is None:
                found.append(f"cell {number} was never executed; run `make book`")
            for output in cell.outputs:
                found += [f"cell {number} {fault}" for fault in faults(output)]
    return [f"{ipynb.name}: {fault}" for fault in found]


def faults(output: NotebookNode) -> list[str]:
    """What must not be in a stored output: an error, or a path of the machine it was made on."""
    if output.output_type == "error":
        return [f"stores an error: {output.ename}: {output.evalue}"]
    shown = output.get("data", {"text/plain": output.get("text", "")})
    texts = (str(content) for kind, content in shown.items() if not kind.startswith("image/"))
    paths = {match.group() for text in texts for match in MACHINE_PATH.finditer(text)}
    return [f"shows a path of a machine: {path}" for path in sorted(paths)]


def inputs(root: Path) -> bytes:
    """A digest of what every notebook's outputs depend on: package, data and pinned versions."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(root.glob("requirements*.lock"))))
    unpacked = ("-ubyte", ".lock", ".tmp")
    data = [
        p
        for p in (root / "data").rglob("*")
        if p.is_file() and not p.name.endswith(unpacked) and "cache" not in p.parts
    ]
    for path in sorted([*(root / "fairlib").rglob("*.py"), *data]):
        digest.update(f"{path.relative_to(root)} {files.sha256(path)}\n".encode())
    return digest.digest()


def run(md: Path, root: Path, row: int) -> tuple[str, float]:
    """Execute one notebook and replace its .ipynb; on failure the old file stays. Returns what was written, seconds."""
    notebook, started, at = paired(md, root), time.perf_counter(), {}
    with tqdm(desc=md.stem, total=len(notebook.cells), position=row, leave=False, disable=None) as bar:
        client = NotebookClient(
            notebook, kernel_name="python3", timeout=CELL_TIMEOUT, record_timing=False, coalesce_streams=True,
            extra_arguments=["--log-level=ERROR"], resources={"metadata": {"path": str(md.parent)}},
            on_cell_start=lambda cell, cell_index: at.update(number=cell_index + 1),
            on_cell_complete=lambda cell, cell_index: bar.update(cell_index + 1 - bar.n),
        )  # fmt: skip
        os.environ["FAIRLIB_QUIET"] = "1"  # for the kernel: a stored output holds no progress bar
        try:
            client.execute()
        except Exception as error:  # whatever ended it, the reader needs to know where
            raise RuntimeError(f"{md.stem}, cell {at.get('number', 1)}: {error}") from None
    notebook.metadata = NotebookNode(copy.deepcopy(METADATA))
    text = written(notebook)
    write(md.with_suffix(".ipynb"), text)
    return text, time.perf_counter() - started


def execute(root: Path = ROOT) -> list[str]:
    """Execute the notebooks that changed since they last ran here, two at a time; returns their names.

    A notebook has changed when it, its outputs, `fairlib`, the data or the pinned versions have. Raises RuntimeError
    naming the cells that failed, after the other notebooks have run.
    """
    common, stamps, failed, ran = inputs(root), root / "book" / "_build" / "executed", [], []

    def stamp(text: str) -> str:
        return hashlib.sha256(common + text.encode()).hexdigest()

    def fresh(md: Path) -> bool:
        path, ipynb = stamps / md.stem, md.with_suffix(".ipynb")
        return path.exists() and ipynb.exists() and path.read_text() == stamp(written(paired(md, root)))

    sync(root)
    todo = [md for md in pairs(root) if not fresh(md)]
    for md in pairs(root):
        tqdm.write(f"{md.stem:<24} {'to run' if md in todo else 'unchanged'}")
    with ProcessPoolExecutor(AT_A_TIME) as pool:
        futures = {pool.submit(run, md, root, i % AT_A_TIME): md for i, md in enumerate(todo)}
        for future in as_completed(futures):
            name = futures[future].stem
            try:
                text, seconds = future.result()
            except RuntimeError as error:
                failed.append(str(error))
                tqdm.write(f"{name:<24} failed")
                continue
            stamps.mkdir(parents=True, exist_ok=True)
            write(stamps / name, stamp(text))
            ran.append(name)
            tqdm.write(f"{name:<24} {seconds:.0f} s")
    if failed:
        raise RuntimeError("\n\n".join(failed))
    return sorted(ran)


def check(root: Path = ROOT) -> None:
    """Raise RuntimeError with everything that is wrong with the pairs, if anything is."""
    alone = {p.stem for p in (root / "notebooks").glob("*.ipynb")} - {md.stem for md in pairs(root)}
    found = [f"{name}.ipynb has no .md beside it" for name in sorted(alone)]
    found += [problem for md in pairs(root) for problem in problems(md, root)]
    if found:
        raise RuntimeError("\n".join(found))


if __name__ == "__main__":
    actions = {"sync": sync, "check": check, "execute": execute}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=actions)
    try:
        actions[parser.parse_args().action]()
    except RuntimeError as error:
        sys.exit(f"error: {error}")
