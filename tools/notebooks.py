"""The notebooks: keep each pair (.md to edit, .ipynb with outputs) in step, check it, execute it.

python tools/notebooks.py sync | check | execute

An edit may be made in either side. The .ipynb keeps a digest of the cells that both sides had when they last agreed, so
that it shows which of them was edited since.
"""

import argparse
import copy
import hashlib
import json
import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Collection
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
from tools import outputs

ROOT = Path(__file__).resolve().parents[1]
MYST = {"extension": ".md", "format_name": "myst"}
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
CELL_TIMEOUT = 1800  # seconds: a cell that hangs ends; one on a busy or old machine may take its time
AT_A_TIME = 2
WRITTEN = {"tags", "mystnb"}  # the metadata of a cell that a person writes; the rest is the editor's
FLEETING = "nbval-ignore-output"  # the tag of a cell whose outputs differ from run to run: they go onto the page only
BOOTSTRAP_TAGS = ["bootstrap", "remove-cell"]
BOOTSTRAP = """\
# Lets this notebook run alone: fairlib is its repository's, else the installed one, else installed with its data.
import importlib.metadata, importlib.util, os, subprocess, sys

spec = os.environ.get("FAIRLIB_SPEC", "{spec}")  # an address, or a folder, that pip installs from
if os.path.isfile("../fairlib/__init__.py"):
    sys.path.insert(0, os.path.abspath(".."))
elif importlib.util.find_spec("fairlib") is None:
    if not spec:
        raise ModuleNotFoundError("no fairlib: run this in its repository, or set FAIRLIB_SPEC to where pip finds it")
    versions = lambda: {{(found.name, found.version) for found in importlib.metadata.distributions()}}
    before, owners = versions(), importlib.metadata.packages_distributions()
    what = f"fairness-robustness-book[notebooks] @ {{spec}}" if "://" in spec else f"{{spec}}[notebooks]"
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", what.replace(":///", "://localhost/")], check=True)
    importlib.invalidate_caches()
    replaced = dict(before - versions())
    if replaced:
        print("pip replaced", ", ".join(f"{{name}} {{version}}" for name, version in sorted(replaced.items())))
    loaded = {{name for module in owners.keys() & sys.modules.keys() for name in owners[module]}} & replaced.keys()
    if loaded:
        raise RuntimeError(f"restart the kernel and run this cell again: {{', '.join(sorted(loaded))}} was in use")"""
# Folders of a machine, whoever's it is; none of them belongs into an output.
MACHINE_PATH = re.compile(
    r"""(?:file://|(?<![\w.:/]))(?:/(?:home|root|Users|tmp|var|opt|mnt|work)/|[A-Z]:\\\\?Users)[^\s"'<>]*"""
)


def bootstrap(root: Path = ROOT) -> str:
    """The source of every notebook's first code cell; its default spec follows `[tool.book]` of pyproject.toml.

    pip gets the package's extra `notebooks` as well: in front of an address, which must then name a host, or behind a
    folder.
    """
    book = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["book"]
    spec = f"git+{book['repository']}@{book['branch']}" if book["repository"] else ""
    return BOOTSTRAP.format(spec=spec)


def pairs(root: Path = ROOT) -> list[Path]:
    """The .md sides."""
    return sorted((root / "notebooks").glob("*.md"))


def read(md: Path) -> NotebookNode:
    return jupytext.reads(md.read_text(encoding="utf-8"), fmt=MYST)


def told(notebook: NotebookNode) -> list[tuple]:
    """What a person wrote: kind, source, metadata and pasted pictures of each cell that is not empty."""
    return [
        (
            cell.cell_type,
            cell.source.rstrip(),
            {key: value for key, value in cell.metadata.items() if key in WRITTEN and value},
            dict(cell.get("attachments", {})),
        )
        for cell in notebook.cells
        if cell.source.strip()
    ]


def digest(notebook: NotebookNode) -> str:
    return hashlib.sha256(json.dumps(told(notebook), sort_keys=True).encode()).hexdigest()[:16]


def booted(notebook: NotebookNode) -> list[str]:
    """The source of the bootstrap cell, where there is one."""
    return [cell.source for cell in notebook.cells if "bootstrap" in cell.metadata.get("tags", [])]


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
    text = with_bootstrap(read(md), bootstrap(root))
    ipynb = md.with_suffix(".ipynb")
    old = nbformat.read(ipynb, as_version=4) if ipynb.exists() else nbformat.v4.new_notebook()
    sources = {cell.id: cell.source for cell in old.cells}
    notebook = combine_inputs_with_outputs(text, copy.deepcopy(old), fmt=MYST)
    for i, (cell, own) in enumerate(zip(notebook.cells, text.cells, strict=True)):
        cell.metadata = own.metadata  # none of an editor's
        if "hide-cell" in cell.metadata.get("tags", []):  # a solution, which the site folds
            cell.metadata["jupyter"] = {"source_hidden": True, "outputs_hidden": True}
        if cell.id not in sources:  # the same id whoever does this
            cell.id = hashlib.sha256(f"{i}\n{cell.source}".encode()).hexdigest()[:8]
        if cell.cell_type == "code" and sources.get(cell.id) != cell.source:
            cell.update(outputs=[], execution_count=None)
        if FLEETING in cell.metadata.get("tags", []):
            cell.outputs = []
    notebook.metadata = NotebookNode(copy.deepcopy(METADATA), agreed=digest(notebook))
    notebook.nbformat_minor = 5
    return notebook


def written(notebook: NotebookNode) -> str:
    notebook = copy.deepcopy(notebook)
    for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
        if "text/html" in output.get("data", {}):
            output.data["text/html"] = outputs.compact(output.data["text/html"])
            if "<table" in output.data["text/html"]:
                output.data.pop("text/plain", None)  # the same once more, which no page shows
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        with files.replacing(path) as partial:
            partial.write_text(text, encoding="utf-8", newline="\n")


def edited(md: Path) -> list[Path]:
    """The sides of a pair that were edited since they last agreed; none when they say the same.

    Both, when each was edited, or when the .ipynb does not say what they agreed on.
    """
    ipynb = md.with_suffix(".ipynb")
    if not ipynb.exists():
        return [md]
    sides = {md: read(md), ipynb: nbformat.read(ipynb, as_version=4)}
    if same_cells(*sides.values()) is None:
        return []
    return [path for path, side in sides.items() if digest(side) != sides[ipynb].metadata.get("agreed")]


def carried(md: Path) -> str:
    """The text of `md` with the cells of its .ipynb. Raises ValueError naming a cell that MyST has no words for."""
    text, stored = read(md), nbformat.read(md.with_suffix(".ipynb"), as_version=4)
    cell = {
        "code": nbformat.v4.new_code_cell,
        "markdown": nbformat.v4.new_markdown_cell,
        "raw": nbformat.v4.new_raw_cell,
    }
    text.cells = [cell[kind](source, metadata=metadata) for kind, source, metadata, _ in told(stored)]
    found = jupytext.writes(text, fmt=MYST)
    lost = same_cells(jupytext.reads(found, fmt=MYST), stored)
    if lost is not None:
        raise ValueError(
            f"cell {lost} cannot be written into {md.name} (a pasted picture, for example): put it otherwise"
        )
    return found


def winner(md: Path, keep: Collection[Path] = ()) -> Path:
    """The side of a pair that the other one has to follow: the one in `keep`, else the one that was edited.

    Raises ValueError when following it would lose an edit, with a sentence that says where and how to go on.
    """
    ipynb = md.with_suffix(".ipynb")
    kept = {path.resolve() for path in keep}
    chosen = [path for path in (md, ipynb) if path.resolve() in kept]
    sides = edited(md) if len(chosen) != 1 else chosen
    if not sides or not ipynb.exists():
        return md
    text, stored = read(md), nbformat.read(ipynb, as_version=4)
    ways = f"keep one side with `make sync KEEP=notebooks/{md.name}` or `make sync KEEP=notebooks/{ipynb.name}`"
    if len(sides) == 2:
        number = same_cells(text, stored)
        raise ValueError(f"cell {number} differs from {md.name}, and both were edited: make them the same, or {ways}")
    if not chosen and booted(text) and booted(stored) and booted(text) != booted(stored):
        number = same_cells(text, stored)
        raise ValueError(
            f"cell {number} of {sides[0].name} is the bootstrap template's: edit tools/notebooks.py, or {ways}"
        )
    return sides[0]


def take(ipynb: Path, md: Path) -> None:
    """Carry the cells of `ipynb` into `md`. The outputs of those that `md` had otherwise go: they may be older."""
    known = [(kind, source) for kind, source, _, _ in told(read(md))]
    text, stored = carried(md), nbformat.read(ipynb, as_version=4)
    for cell in stored.cells:
        if cell.cell_type == "code" and ("code", cell.source.rstrip()) not in known:
            cell.update(outputs=[], execution_count=None)
    write(md, text)
    write(ipynb, written(stored))


def sync(root: Path = ROOT, keep: Collection[Path] = ()) -> None:
    """Carry the edits of either side of each pair into the other, and the bootstrap template into both.

    keep: sides that win, whatever the other one says. Raises RuntimeError naming the pairs that cannot follow without
    losing an edit, after the others have followed; those stay as they are.
    """
    refused = []
    for md in pairs(root):
        ipynb = md.with_suffix(".ipynb")
        try:
            if winner(md, keep) == ipynb:
                take(ipynb, md)
                tqdm.write(f"{md.name:<24} follows the edit of {ipynb.name}")
        except ValueError as error:
            refused.append(f"{ipynb.name}: {error}")
            continue
        write(ipynb, written(paired(md, root)))
        text = read(md)
        whole = with_bootstrap(text, bootstrap(root))
        if same_cells(text, whole) is not None:
            write(md, jupytext.writes(whole, fmt=MYST))
    if refused:
        raise RuntimeError("\n".join(refused))


def same_cells(a: NotebookNode, b: NotebookNode) -> int | None:
    """The number of the first cell (from 1) in which two notebooks say something else, or None."""
    return next((i for i, (x, y) in enumerate(zip_longest(told(a), told(b)), 1) if x != y), None)


def problems(md: Path, root: Path = ROOT) -> list[str]:
    """What is wrong with one pair, each as a sentence; empty when nothing is."""
    ipynb = md.with_suffix(".ipynb")
    if not ipynb.exists():
        return [f"{ipynb.name} is missing; run `make sync`, then `make book`"]
    text, stored, found = read(md), nbformat.read(ipynb, as_version=4), []
    unbooted = same_cells(text, with_bootstrap(text, bootstrap(root)))
    try:
        if edited(md):
            side, other = sorted((md, ipynb), key=winner(md).__ne__)
            found.append(
                f"cell {same_cells(text, stored)} was edited in {side.name}; "
                f"`make sync` carries that into {other.name}, then run `make book`"
            )
        elif unbooted is not None:
            found.append(f"cell {unbooted} of {md.name} is not the bootstrap template; run `make sync`")
        elif ipynb.read_text(encoding="utf-8") != written(paired(md, root)):
            found.append("ids, metadata or layout are not what `make sync` writes; run it")
    except ValueError as error:
        found.append(str(error))
    for number, cell in enumerate(stored.cells, 1):
        if cell.cell_type == "code":
            if cell.execution_count is None:
                found.append(f"cell {number} was never executed; run `make book`")
            for output in cell.outputs:
                found += [f"cell {number} {fault}" for fault in faults(output)]
    return [f"{ipynb.name}: {fault}" for fault in found]


def faults(output: NotebookNode) -> list[str]:
    """What must not be in a stored output: an error, a path of the machine it was made on, a place in its memory."""
    if output.output_type == "error":
        return [f"stores an error: {output.ename}: {output.evalue}"]
    shown = output.get("data", {"text/plain": output.get("text", "")})
    texts = [str(content) for kind, content in shown.items() if not kind.startswith("image/")]
    paths = {match.group() for text in texts for match in MACHINE_PATH.finditer(text)}
    places = {match.group() for text in texts for match in re.finditer(r" at 0x[0-9a-f]{6,}>", text)}
    return [f"shows a path of a machine: {path}" for path in sorted(paths)] + [
        f"shows a place in memory, another in each run:{place}" for place in sorted(places)
    ]


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
    """Execute one notebook and replace its .ipynb; on failure the old file stays. Returns what it holds then, seconds.

    What differs from run to run (the cells tagged so) goes to `fleeting(md)`, for the page. The .ipynb stays as it is
    when nothing that its outputs depend on was changed since they were committed, and the new ones are the same up to
    what another processor changes: nobody should have to commit that.
    """
    notebook, started, at = paired(md, root), time.perf_counter(), {}
    before = copy.deepcopy(notebook)
    with tqdm(desc=md.stem, total=len(notebook.cells), position=row, leave=False, disable=None) as bar:
        client = NotebookClient(
            notebook, kernel_name="python3", timeout=CELL_TIMEOUT, record_timing=False, coalesce_streams=True,
            extra_arguments=["--log-level=ERROR"], resources={"metadata": {"path": str(md.parent)}},
            on_cell_start=lambda cell, cell_index: at.update(number=cell_index + 1),
            on_cell_complete=lambda cell, cell_index: bar.update(cell_index + 1 - bar.n),
        )  # fmt: skip
        os.environ["FAIRLIB_QUIET"] = "1"  # for the kernel: a stored output holds no progress bar
        os.environ.setdefault("FAIRLIB_DEVICE", "cpu")  # an accelerator rounds otherwise
        try:
            client.execute()
        except Exception as error:  # whatever ended it, the reader needs to know where
            raise RuntimeError(f"{md.stem}, cell {at.get('number', 1)}: {error}") from None
    notebook.metadata = before.metadata
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in code:
        if outputs.imports(cell.source):
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    live = {cell.id: cell.outputs for cell in code if FLEETING in cell.metadata.get("tags", [])}
    write(fleeting(md), json.dumps(live, indent=1) + "\n")
    for cell in code:
        if cell.id in live:
            cell.outputs = []
    if not (unchanged(md, root) and alike(before, notebook)):
        write(md.with_suffix(".ipynb"), written(notebook))
    return md.with_suffix(".ipynb").read_text(encoding="utf-8"), time.perf_counter() - started


def fleeting(md: Path) -> Path:
    """Where the outputs lie that differ from run to run, by their cells' ids."""
    return md.parents[1] / "book" / "_build" / "live" / f"{md.stem}.json"


def alike(a: NotebookNode, b: NotebookNode) -> bool:
    """Whether two runs of a notebook came to the same, and all of it was run both times."""
    return all(
        x.execution_count == y.execution_count and not outputs.differences(x, y)
        for x, y in zip(a.cells, b.cells, strict=True)
        if x.cell_type == "code"
    )


def unchanged(md: Path, root: Path) -> bool:
    """Whether a notebook and what its outputs depend on are as they were when its outputs were committed."""
    ipynb = f"notebooks/{md.stem}.ipynb"
    inputs = [ipynb, f"notebooks/{md.name}", "fairlib", "data", "requirements*.lock"]
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}

    def git(*command: str) -> str:
        return subprocess.run(["git", *command], cwd=root, env=own, capture_output=True, text=True, check=True).stdout

    try:
        committed = git("log", "-1", "--format=%H", "--", ipynb).strip()
        if not committed:
            return False
        changed = git("diff", "--name-only", committed, "--", *inputs)
        return not changed + git("ls-files", "--others", "--exclude-standard", "--", *inputs)
    except (OSError, subprocess.CalledProcessError):  # no git, or no checkout
        return False


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
    parser.add_argument("--keep", nargs="+", type=Path, help="sync: the sides that win where both were edited")
    options = parser.parse_args()
    try:
        actions[options.action](**({"keep": options.keep} if options.keep else {}))
    except RuntimeError as error:
        sys.exit(f"error: {error}")
