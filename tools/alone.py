"""Each notebook alone, as on Colab: in an empty folder and an environment of its own, from the last commit.

python -m tools.alone [--versions FILE_OR_ADDRESS] [--only TEXT] [--keep FOLDER]
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import urllib.request
import venv
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
EXTRA = "notebooks"  # what a lone notebook's first cell installs
RUNNER = ("ipykernel", "nbclient")
FROZEN = re.compile(r"([\w.-]+)(?:==| @ \S+/[A-Za-z]\w*-)(\d[\w.]*)")
RESTART = "restart the kernel"  # as that cell asks where it replaced what was in use


def asked(root: Path = ROOT) -> set[str]:
    """The names of the packages that a lone notebook needs."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras, names, todo = project["optional-dependencies"], set(), list(project["dependencies"])
    todo += [*extras[EXTRA], *RUNNER]
    while todo:
        requirement = Requirement(todo.pop())
        if requirement.name == project["name"]:
            todo += [line for extra in requirement.extras for line in extras[extra]]
        else:
            names.add(canonicalize_name(requirement.name))
    return names


def pinned(freeze: str, names: set[str]) -> list[str]:
    """Of a `pip freeze` the packages of these names, as `name==version`: what is there before the notebook is.

    A build, as in `torch==2.9.0+cu126` or in the address of such a wheel, is left out.
    """
    lines = (FROZEN.match(line.strip()) for line in freeze.splitlines())
    return sorted(f"{line[1]}=={line[2]}" for line in lines if line and canonicalize_name(line[1]) in names)


def read(source: str) -> str:
    """The text of a file, or of an address of the web."""
    if "://" not in source:
        return Path(source).read_text(encoding="utf-8")
    with urllib.request.urlopen(source) as answer:
        return answer.read().decode()


def environment(folder: Path, pins: list[str], root: Path = ROOT) -> Path:
    """Make an environment that holds what runs a notebook, and the pinned packages; returns its Python."""
    venv.create(folder, with_pip=True, symlinks=os.name != "nt")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    there = {canonicalize_name(line.split("==")[0]) for line in pins}
    packages = [*pins, *(name for name in RUNNER if name not in there)]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    return python


def run(notebook: Path, folder: Path, python: Path, spec: str) -> str:
    """Run a notebook in an empty folder, once more where its first cell asks for a restart; returns what went wrong."""
    folder.mkdir(parents=True)
    shutil.copy(notebook, folder)
    own = {k: v for k, v in os.environ.items() if not k.startswith(("FAIRLIB_", "PYTHON", "JUPYTER", "VIRTUAL_ENV"))}
    code = (
        "import sys, nbclient, nbformat\n"
        "notebook = nbformat.read(sys.argv[1], as_version=4)\n"
        "nbclient.NotebookClient(notebook, timeout=1800, kernel_name='python3').execute()\n"
    )
    for _ in range(2):
        ran = subprocess.run(
            [python, "-c", code, notebook.name],
            cwd=folder,
            env=own | {"FAIRLIB_SPEC": spec},
            capture_output=True,
            text=True,
        )
        if ran.returncode == 0 or RESTART not in ran.stderr:
            break
    return "" if ran.returncode == 0 else ran.stderr.strip()


def main(versions: str, only: str, keep: Path | None, root: Path = ROOT) -> list[str]:
    """Run each notebook whose name holds a word of `only`; returns those that failed, with what went wrong."""
    words = only.split() or [""]
    chosen = [path for path in sorted((root / "notebooks").glob("*.ipynb")) if any(word in path.stem for word in words)]
    failed = [] if chosen else [f"no notebook's name holds {' or '.join(map(repr, words))}"]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(keep or folder)
        pins = pinned(read(versions), asked(root)) if versions else []
        print(f"{len(chosen)} notebooks; packages there before: {', '.join(pins) or 'none'}", flush=True)
        python = environment(place / "environment", pins, root)
        for path in chosen:
            wrong = run(path, place / path.stem, python, f"git+file://{root.as_posix()}")
            print(f"{path.stem:<24} {'failed' if wrong else 'ran'}", flush=True)
            failed += [f"{path.name}: {wrong}"] if wrong else []
    return failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--versions", default="", help="a `pip freeze`, as a file or an address: what is installed before"
    )
    parser.add_argument("--only", default="", help="the notebooks whose names hold one of these words")
    parser.add_argument("--keep", type=Path, help="an empty folder that stays, with the environment and the notebooks")
    options = parser.parse_args()
    sys.exit("\n\n".join(main(options.versions, options.only, options.keep)) or 0)
