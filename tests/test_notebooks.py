"""The two sides of a notebook stay one, stored outputs are honest, and each notebook runs alone."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import jupytext
import nbformat
import pytest

from tools import notebooks

ROOT = Path(__file__).resolve().parents[1]
TINY = """\
# Tiny

```{code-cell} ipython3
x = 6
x * 7
```

Some words.

```{code-cell} ipython3
print("a")
print("b")
```
"""


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Path:
    """A repository with one notebook, executed."""
    root = tmp_path_factory.mktemp("first")
    for name, text in {
        "pyproject.toml": '[tool.book]\nrepository = ""\nbranch = "main"\n',
        "requirements.lock": "numpy==2.0\n",
        "fairlib/__init__.py": "",
        "data/SHA256SUMS": "",
        "notebooks/tiny.md": TINY,
    }.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    assert notebooks.execute(root) == ["tiny"]
    return root


@pytest.fixture
def house(first, tmp_path) -> Path:
    """A copy of it to change."""
    return shutil.copytree(first, tmp_path / "house")


def paths(root: Path) -> tuple[Path, Path]:
    return root / "notebooks" / "tiny.md", root / "notebooks" / "tiny.ipynb"


def cells(root: Path) -> list:
    return nbformat.read(paths(root)[1], as_version=4).cells


def change(root: Path, path: str, old: str, new: str) -> None:
    text = (root / path).read_text()
    assert old in text
    (root / path).write_text(text.replace(old, new))


def edit(root: Path, action) -> None:
    """Let `action` change the stored notebook."""
    notebook = nbformat.read(paths(root)[1], as_version=4)
    action(notebook)
    paths(root)[1].write_text(notebooks.written(notebook))


def test_the_books_pairs_are_sound():
    notebooks.check()


def chapters() -> list[str]:
    """The chapters to read: what stands before them, and checks them, is short or reads records."""
    about = {"start", "ledger", "checked", "costs", "bench", "audit"}
    return [p.stem for p in sorted((ROOT / "notebooks").glob("*.md")) if p.stem not in about and "check_" not in p.stem]


@pytest.mark.parametrize("chapter", chapters())
def test_a_chapter_says_what_it_costs_before_its_first_long_cell(chapter):
    """How long and on what, where the answer in plain words is; what follows asks for time."""
    opening = nbformat.read(ROOT / "notebooks" / f"{chapter}.ipynb", as_version=4).cells[:8]
    [said] = re.findall(r"\*What it costs\*: (.*)", "\n".join(cell.source for cell in opening))
    assert re.match(r"seconds\.|.*\b(?:minutes?|minute and a half) on (?:one|two) cores?\b", said)


def unknown(code: str) -> list[str]:
    """What ruff says of names that nothing defines, or that are imported for nothing."""
    lint = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--quiet",
        "--select=F401,F821",
        "--ignore-noqa",
        "--config=builtins=['get_ipython']",
    ]
    done = subprocess.run(
        [*lint, "--output-format=concise", "-"], input=code, capture_output=True, text=True, encoding="utf-8"
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize("md", notebooks.pairs(), ids=lambda md: md.stem)
def test_each_name_comes_from_somewhere(md):
    """A helper that moved into the package may be missed in one cell, which only an execution would tell."""
    code = [cell.source for cell in notebooks.read(md).cells if cell.cell_type == "code"]
    python = "\n".join(part for part in code if not re.match(r"%%|python -m", part))
    assert unknown(python) == []


def test_a_name_from_nowhere_is_found():
    [missing, unused] = unknown("import math\n\nprint(text(1))\n")
    assert "`math` imported but unused" in missing + unused and "Undefined name `text`" in missing + unused


def test_executing_fills_in_everything(house):
    notebooks.check(house)
    title, bootstrap, product, words, letters = cells(house)
    assert (title.source, words.source) == ("# Tiny", "Some words.")
    assert bootstrap.source == notebooks.bootstrap(house)
    assert product.outputs[0].data["text/plain"] == "42"
    assert [output.text for output in letters.outputs] == ["a\nb\n"]
    assert jupytext.read(paths(house)[0], fmt=notebooks.MYST).cells[1].source == bootstrap.source


def test_an_unchanged_notebook_is_not_run_again(house):
    assert notebooks.execute(house) == []


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("notebooks/tiny.md", "x * 7", "x * 8"),
        ("notebooks/tiny.ipynb", '"42"', '"43"'),
        ("fairlib/__init__.py", "", "ANSWER = 42\n"),
        ("data/SHA256SUMS", "", "0  x\n"),
        ("requirements.lock", "2.0", "2.1"),
    ],
)
def test_a_change_runs_it_again(house, path, old, new):
    change(house, path, old, new)
    assert notebooks.execute(house) == ["tiny"]


def test_unpacked_data_is_no_change(house):
    (house / "data" / "images-ubyte").write_text("unpacked")
    assert notebooks.execute(house) == []


def test_a_second_run_gives_the_same_file(house):
    before = paths(house)[1].read_bytes()
    shutil.rmtree(house / "book" / "_build" / "executed")
    assert notebooks.execute(house) == ["tiny"]
    assert paths(house)[1].read_bytes() == before


def test_a_failing_cell_is_named_and_the_old_file_stays(house):
    before = paths(house)[1].read_bytes()
    change(house, "notebooks/tiny.md", "x * 7", "x / 0")
    (house / "notebooks" / "other.md").write_text("# Other\n")
    with pytest.raises(RuntimeError, match=r"(?s)tiny, cell 3.*ZeroDivisionError"):
        notebooks.execute(house)
    assert cells(house)[2].source.endswith("x / 0")
    assert (house / "notebooks" / "other.ipynb").exists()
    change(house, "notebooks/tiny.md", "x / 0", "x * 7")
    notebooks.sync(house)
    assert [cell.get("id") for cell in cells(house)] == [c["id"] for c in nbformat.reads(before, as_version=4).cells]


def test_sync_keeps_the_outputs_of_unchanged_cells(house):
    before = cells(house)
    change(house, "notebooks/tiny.md", "x * 7", "x * 8")
    change(house, "notebooks/tiny.md", "Some words.", "Other words.")
    notebooks.sync(house)
    after = cells(house)
    assert [cell.id for cell in after] == [cell.id for cell in before]
    assert (after[2].outputs, after[2].execution_count) == ([], None)
    assert after[4].outputs == before[4].outputs != []
    with pytest.raises(RuntimeError, match="cell 3 was never executed"):
        notebooks.check(house)


def test_a_solution_is_folded_in_jupyter_and_unfolding_it_is_no_edit(house):
    change(house, "notebooks/tiny.md", 'print("a")', ':tags: [hide-cell]\n\nprint("a")')
    notebooks.sync(house)
    *others, solution = cells(house)
    assert solution.metadata == {"tags": ["hide-cell"], "jupyter": {"source_hidden": True, "outputs_hidden": True}}
    assert not any("jupyter" in cell.metadata for cell in others)
    before = [path.read_bytes() for path in paths(house)]
    edit(house, lambda notebook: notebook.cells[4].metadata.pop("jupyter"))
    notebooks.sync(house)
    assert [path.read_bytes() for path in paths(house)] == before


def test_sync_twice_changes_nothing(house):
    before = [path.read_bytes() for path in paths(house)]
    notebooks.sync(house)
    assert [path.read_bytes() for path in paths(house)] == before


def stripped(notebook):
    notebook.cells[2].update(outputs=[], execution_count=None)


def failed(notebook):
    notebook.cells[2].outputs = [nbformat.v4.new_output("error", ename="ValueError", evalue="no", traceback=[])]


def leaking(notebook):
    notebook.cells[4].outputs[0].text = f"read {Path.home() / 'x.csv'}"


def remembering(notebook):
    notebook.cells[4].outputs[0].text = f"a table {object()!r}"


def drifted(notebook):
    notebook.cells[2].source += "  # in one side only"


def retagged(notebook):
    notebook.cells[2].metadata.tags = ["remove-output"]


def foreign(notebook):
    notebook.metadata.kernelspec.name = "my-env"


def unbooted(notebook):
    notebook.cells[1].source = "import fairlib"


@pytest.mark.parametrize(
    ("mutant", "message"),
    [
        (stripped, "cell 3 was never executed"),
        (failed, "cell 3 stores an error: ValueError: no"),
        (leaking, "cell 5 shows a path of a machine: /"),
        (remembering, "cell 5 shows a place in memory, another in each run: at "),
        (drifted, r"cell 3 was edited in tiny\.ipynb; `make sync` carries that into tiny\.md, then run `make book`"),
        (retagged, r"cell 3 was edited in tiny\.ipynb"),
        (foreign, "ids, metadata or layout"),
        (unbooted, r"cell 2 of tiny\.ipynb is the bootstrap template's: edit tools/notebooks\.py, or keep one side"),
    ],
)
def test_a_mutant_is_found(house, mutant, message):
    notebooks.check(house)
    edit(house, mutant)
    with pytest.raises(RuntimeError, match=message):
        notebooks.check(house)


def test_an_id_used_twice_is_found(house):
    one, two = (cell.id for cell in cells(house)[2::2])
    change(house, "notebooks/tiny.ipynb", one, two)
    with pytest.warns(match="Non-unique cell id"), pytest.raises(RuntimeError, match="ids, metadata or layout"):
        notebooks.check(house)


def test_a_lone_side_is_found(house):
    paths(house)[0].unlink()
    with pytest.raises(RuntimeError, match=r"tiny\.ipynb has no \.md"):
        notebooks.check(house)


def test_an_edit_of_the_bootstrap_cell_is_refused_and_a_new_template_is_carried(house, monkeypatch):
    change(house, "notebooks/tiny.md", "importlib.invalidate_caches()", "pass")
    before = [path.read_bytes() for path in paths(house)]
    for action in (notebooks.check, notebooks.sync):
        with pytest.raises(RuntimeError, match=r"cell 2 of tiny\.md is the bootstrap template's: edit tools/notebooks"):
            action(house)
    assert [path.read_bytes() for path in paths(house)] == before
    notebooks.sync(house, keep=[paths(house)[1]])
    assert notebooks.execute(house) == ["tiny"]
    notebooks.check(house)
    monkeypatch.setattr(notebooks, "BOOTSTRAP", notebooks.BOOTSTRAP + "\npass")
    with pytest.raises(RuntimeError, match=r"cell 2 of tiny\.md is not the bootstrap template; run `make sync`"):
        notebooks.check(house)
    notebooks.sync(house)
    assert cells(house)[1].source.endswith("\npass")


def in_md(root: Path) -> list[str]:
    return [cell.source for cell in notebooks.read(paths(root)[0]).cells]


def test_an_edit_in_the_ipynb_is_carried_into_the_md(house, capsys):
    def edits(notebook):
        notebook.cells[2].source = "x = 7\nx * 7"
        notebook.cells[3].source = "Words of *another* kind.\n\n- a list"
        notebook.cells[4].metadata.tags = ["hide-input"]
        notebook.cells.insert(4, nbformat.v4.new_markdown_cell("A cell beside another."))
        notebook.cells.insert(5, nbformat.v4.new_code_cell("y = 1", execution_count=9))
        notebook.cells.append(nbformat.v4.new_code_cell(""))  # Jupyter appends one whenever the last is run

    edit(house, edits)
    notebooks.sync(house)
    assert "tiny.md                  follows the edit of tiny.ipynb" in capsys.readouterr().out
    title, bootstrap = "# Tiny", notebooks.bootstrap(house)
    told = [title, bootstrap, "x = 7\nx * 7", "Words of *another* kind.\n\n- a list", "A cell beside another.", "y = 1"]
    assert in_md(house) == [*told, 'print("a")\nprint("b")'] == [cell.source for cell in cells(house)]
    assert notebooks.read(paths(house)[0]).cells[-1].metadata.tags == ["hide-input"]
    with pytest.raises(RuntimeError) as caught:
        notebooks.check(house)
    assert [line.split(": ", 1)[1] for line in str(caught.value).splitlines()] == [
        f"cell {number} was never executed; run `make book`" for number in (3, 6)
    ]
    assert notebooks.execute(house) == ["tiny"]
    assert cells(house)[2].outputs[0].data["text/plain"] == "49"
    notebooks.check(house)


def test_make_book_carries_an_edit_before_it_runs(house):
    edit(house, drifted)
    assert notebooks.execute(house) == ["tiny"]
    assert in_md(house)[2].endswith("# in one side only")


def test_edits_of_both_sides_are_refused_until_one_is_chosen(house):
    change(house, "notebooks/tiny.md", "x * 7", "x * 8")
    edit(house, drifted)
    before = [path.read_bytes() for path in paths(house)]
    for action in (notebooks.check, notebooks.sync, notebooks.execute):
        with pytest.raises(RuntimeError) as caught:
            action(house)
        assert (
            "tiny.ipynb: cell 3 differs from tiny.md, and both were edited: make them the same, or keep one side with"
            in str(caught.value)
        )
        assert "`make sync KEEP=notebooks/tiny.md` or `make sync KEEP=notebooks/tiny.ipynb`" in str(caught.value)
        assert [path.read_bytes() for path in paths(house)] == before
    other = shutil.copytree(house, house.parent / "other")
    notebooks.sync(house, keep=[paths(house)[0]])
    notebooks.sync(other, keep=[paths(other)[1]])
    for root, kept in ((house, "x = 6\nx * 8"), (other, "x = 6\nx * 7  # in one side only")):
        assert in_md(root)[2] == cells(root)[2].source == kept
        notebooks.sync(root)  # they agree again


def test_the_same_edit_in_both_sides_is_no_conflict(house):
    change(house, "notebooks/tiny.md", "x * 7", "x * 8")
    edit(house, lambda notebook: notebook.cells[2].update(source="x = 6\nx * 8"))
    notebooks.sync(house)
    assert in_md(house)[2] == "x = 6\nx * 8"


def test_a_notebook_that_does_not_say_what_was_agreed_on_is_not_overwritten(house):
    edit(house, drifted)
    edit(house, lambda notebook: notebook.metadata.pop("agreed"))
    with pytest.raises(RuntimeError, match=r"cell 3 differs from tiny\.md, and both were edited"):
        notebooks.sync(house)
    assert cells(house)[2].source.endswith("# in one side only")


def test_what_jupyter_saves_by_itself_is_no_edit(house):
    before = [path.read_bytes() for path in paths(house)]

    def saved(notebook):
        notebook.metadata.language_info = {"name": "python", "version": "3.13.0", "file_extension": ".py"}
        notebook.metadata.widgets = {}
        for cell in notebook.cells:
            cell.metadata |= {"editable": True, "slideshow": {"slide_type": ""}, "collapsed": False}
        notebook.cells[3].metadata.tags = []
        notebook.cells.append(nbformat.v4.new_code_cell(""))

    edit(house, saved)
    notebooks.sync(house)
    assert [path.read_bytes() for path in paths(house)] == before
    edit(house, saved)
    change(house, "notebooks/tiny.md", "Some words.", "Other words.")
    notebooks.sync(house)
    assert cells(house)[3].source == "Other words."


def test_what_the_md_cannot_hold_is_refused(house):
    def pasted(notebook):
        notebook.cells[3].source = "![picture](attachment:a.png)"
        notebook.cells[3].attachments = {"a.png": {"image/png": "aGk="}}

    edit(house, pasted)
    before = [path.read_bytes() for path in paths(house)]
    with pytest.raises(RuntimeError, match=r"cell 4 cannot be written into tiny\.md \(a pasted picture, for example\)"):
        notebooks.sync(house)
    assert [path.read_bytes() for path in paths(house)] == before


GIT = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org"]


def git(root: Path, *command: str) -> str:
    return subprocess.run([*GIT, *command], cwd=root, capture_output=True, text=True, check=True).stdout


def again(root: Path) -> str:
    """Run the notebook of a clone anew, as if it had never run here; what git then calls modified."""
    shutil.rmtree(root / "book" / "_build", ignore_errors=True)
    assert notebooks.execute(root) == ["tiny"]
    return git(root, "status", "--porcelain")


@pytest.fixture
def clone(house, monkeypatch) -> Path:
    """A commit of it with two more cells: one differs from run to run, one a little from processor to processor."""
    monkeypatch.setenv("UNITS", "0")
    paths(house)[0].write_text(
        TINY
        + "\n```{code-cell} ipython3\n:tags: [nbval-ignore-output]\n\nimport time; time.time_ns()\n```\n"
        + "\n```{code-cell} ipython3\nimport os; print(f\"{0.5 + int(os.environ['UNITS']) / 100:.2f}\")\n```\n"
    )
    (house / ".gitignore").write_text("book/_build/\n__pycache__/\n")
    notebooks.execute(house)
    for command in (["init", "-q"], ["add", "--all"], ["commit", "-q", "-m", "all"]):
        git(house, *command)
    return house


def test_using_it_changes_nothing(clone):
    live = notebooks.fleeting(paths(clone)[0])
    before = json.loads(live.read_text())
    assert again(clone) == ""
    after = json.loads(live.read_text())
    [time] = [cell for cell in cells(clone) if "time_ns" in cell.source]
    assert (time.outputs, time.execution_count) == ([], 4)
    assert before.keys() == after.keys() == {time.id}
    assert before != after, "the page shows the run of this machine"


def test_another_processor_changes_nothing_but_another_result_does(clone, monkeypatch):
    monkeypatch.setenv("UNITS", "1")
    assert again(clone) == ""
    monkeypatch.setenv("UNITS", "2")
    assert again(clone) == " M notebooks/tiny.ipynb\n"
    assert cells(clone)[-1].outputs[0].text == "0.52\n"


@pytest.mark.parametrize("path", ["fairlib/__init__.py", "fairlib/new.py", "data/SHA256SUMS", "notebooks/tiny.md"])
def test_where_something_was_changed_the_new_outputs_are_written(clone, monkeypatch, path):
    with open(clone / path, "a") as stream:
        stream.write("\n")
    monkeypatch.setenv("UNITS", "1")
    again(clone)
    assert cells(clone)[-1].outputs[0].text == "0.51\n"


def test_a_commit_of_code_alone_is_no_reason_to_keep_old_outputs(clone, monkeypatch):
    change(clone, "fairlib/__init__.py", "", "ANSWER = 42\n")
    git(clone, "commit", "-q", "-a", "-m", "code")
    monkeypatch.setenv("UNITS", "1")
    assert again(clone) == " M notebooks/tiny.ipynb\n"


def test_what_differs_from_run_to_run_is_not_kept_when_jupyter_saved_it(clone):
    def ran(notebook):
        notebook.cells[5].outputs = [nbformat.v4.new_output("stream", text="12345")]

    edit(clone, ran)
    notebooks.sync(clone)
    assert git(clone, "status", "--porcelain") == ""


def test_what_a_library_says_at_import_is_not_stored(house):
    change(
        house, "notebooks/tiny.md", "x = 6\n", "import sys\nprint('building the font cache', file=sys.stderr)\nx = 6\n"
    )
    change(house, "notebooks/tiny.md", 'print("a")', "print('a')\nprint('b', file=__import__('sys').stderr)")
    notebooks.execute(house)
    assert [output.get("name") for output in cells(house)[2].outputs] == [None]
    assert {output.get("name") for output in cells(house)[4].outputs} == {"stdout", "stderr"}


@pytest.mark.parametrize("side", [0, 1])
def test_converted_line_ends_are_no_edit(house, side):
    path = paths(house)[side]
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    notebooks.check(house)
    notebooks.sync(house)
    notebooks.check(house)
    assert notebooks.execute(house) == []


@pytest.mark.parametrize(
    ("output", "leaks"),
    [
        ("/" + "home/me/fairlib/data.py", True),
        ("file:///" + "home/me/x.png", True),
        ("'C:\\Users\\me\\x'", True),
        ("see https://example.org/" + "home/x", False),
        ("7/10 and a/b/c", False),
    ],
)
def test_machine_paths(output, leaks):
    stream = nbformat.v4.new_output("stream", text=output)
    assert bool(notebooks.faults(stream)) == leaks


def test_the_default_spec_follows_pyproject(house):
    change(house, "pyproject.toml", 'repository = ""', 'repository = "https://example.org/book"')
    assert '"git+https://example.org/book@main"' in notebooks.bootstrap(house)
    notebooks.sync(house)
    assert notebooks.bootstrap(house) in cells(house)[1].source
    assert len(notebooks.bootstrap(house).splitlines()) <= 20


@pytest.mark.parametrize(
    ("spec", "asked"),
    [
        (
            "git+https://example.org/book@main",
            "fairness-robustness-book[notebooks] @ git+https://example.org/book@main",
        ),
        ("git+file:///somewhere/book", "fairness-robustness-book[notebooks] @ git+file://localhost/somewhere/book"),
        ("/somewhere/book", "/somewhere/book[notebooks]"),
    ],
)
def test_pip_is_asked_for_what_a_notebook_needs(monkeypatch, tmp_path, spec, asked):
    commands = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FAIRLIB_SPEC", spec)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(subprocess, "run", lambda command, check: commands.append(command))
    exec(notebooks.bootstrap(), {})
    assert [command[-1] for command in commands] == [asked]


@pytest.fixture
def elsewhere(tmp_path) -> Path:
    """The Python of an environment with everything that the book needs but the book itself."""
    env = tmp_path / "elsewhere"
    venv.create(env, symlinks=True)
    python = env / "bin" / "python"
    site = Path(sysconfig.get_path("purelib", "venv", vars={"base": env, "platbase": env}))
    for package in Path(sysconfig.get_path("purelib")).iterdir():
        if "fairness_robustness_book" not in package.name:
            (site / package.name).symlink_to(package)
    return python


def book(root: Path) -> None:
    """Copy what the package is built from, without what is unpacked beside it, to `root`."""
    unpacked = shutil.ignore_patterns("*-ubyte", "*.lock", "cache", "__pycache__")
    for name in ("fairlib", "data"):
        shutil.copytree(ROOT / name, root / name, ignore=unpacked)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, root)


def offline(**more: str) -> dict[str, str]:
    """An environment in which pip has no network, builds with what is installed and leaves that as it is."""
    quiet = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "FAIRLIB_", "PYTHON"))}
    # The 0 is the value of `build_isolation`, which that variable sets.
    return quiet | {
        "PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    } | more  # fmt: skip


def alone(python: Path, where: Path, **environment: str) -> subprocess.CompletedProcess:
    """Run the bootstrap cell and a use of the package and its data, as a notebook in the folder `where` does."""
    use = "import fairlib.data\nprint(fairlib.__file__, fairlib.data.load('MNIST', 'test')[0].shape[0])"
    command = [python, "-c", f"{notebooks.bootstrap()}\n{use}"]
    return subprocess.run(command, cwd=where, env=offline(**environment), capture_output=True, text=True)


def test_a_lone_notebook_installs_the_package_with_its_data(elsewhere, tmp_path):
    origin = tmp_path / "origin"
    origin.mkdir()
    book(origin)
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for command in (["init", "-q"], ["add", "--all"], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *command], cwd=origin, check=True)
    ran = alone(elsewhere, tmp_path, FAIRLIB_SPEC=f"git+file://{origin}")
    assert ran.returncode == 0, ran.stderr
    where, count = ran.stdout.split()[-2:]
    assert Path(where).is_relative_to(tmp_path / "elsewhere")
    assert count == "10000"


def stand_in(folder: Path, images: int) -> str:
    """A package `fairlib` in this folder, whose data set has so many images; what the bootstrap cell then prints."""
    (folder / "fairlib").mkdir(parents=True)
    (folder / "fairlib" / "__init__.py").write_text("")
    load = f"def load(*_):\n    import numpy\n    return [numpy.empty({images})]\n"
    (folder / "fairlib" / "data.py").write_text(load)
    return f"{folder / 'fairlib' / '__init__.py'} {images}"


@pytest.mark.parametrize("installed", [False, True])
def test_a_notebook_in_the_repository_uses_what_lies_there(elsewhere, tmp_path, installed):
    told = stand_in(tmp_path, 3)
    if installed:
        stand_in(tmp_path / "installed", 4)
    (tmp_path / "notebooks").mkdir()
    ran = alone(elsewhere, tmp_path / "notebooks", PYTHONPATH=str(tmp_path / "installed"))
    assert ran.stdout.strip() == told, ran.stderr


def test_a_notebook_elsewhere_uses_what_is_installed(elsewhere, tmp_path):
    told = stand_in(tmp_path / "installed", 4)
    ran = alone(elsewhere, tmp_path, PYTHONPATH=str(tmp_path / "installed"))
    assert ran.stdout.strip() == told, ran.stderr


def test_a_notebook_with_neither_says_what_to_do(elsewhere, tmp_path):
    for folder in ("notebooks", "fairlib"):  # the second one is no package, for all its name
        (tmp_path / folder).mkdir()
    ran = alone(elsewhere, tmp_path / "notebooks", FAIRLIB_SPEC="")
    assert ran.returncode != 0
    assert "ModuleNotFoundError: no fairlib" in ran.stderr
    assert "set FAIRLIB_SPEC" in ran.stderr


@pytest.mark.parametrize("loaded", [True, False])
def test_a_restart_is_asked_for_only_when_a_package_in_use_was_replaced(elsewhere, tmp_path, loaded):
    """Of two packages that are there, the book's new version of one comes in, as on Colab."""

    def package(name: str, version: str, needs: str = "") -> None:
        folder = tmp_path / f"{name}-{version}"
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("data = None\n")
        (folder / "pyproject.toml").write_text(
            '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
            f'[project]\nname = "{name}"\nversion = "{version}"\ndependencies = [{needs}]\n'
            "[tool.hatch.metadata]\nallow-direct-references = true\n"
        )

    package("fastish", "1.0")
    package("fastish", "2.0")
    package("fairlib", "1.0", f"'fastish @ file://{tmp_path}/fastish-2.0'")
    install = [elsewhere, "-m", "pip", "install", "--quiet", tmp_path / "fastish-1.0"]
    subprocess.run(install, env=offline(), check=True)
    use = "import fastish\n" if loaded else ""
    environment = offline(FAIRLIB_SPEC=str(tmp_path / "fairlib-1.0"), PIP_NO_DEPS="0")
    command = [elsewhere, "-c", f"{use}{notebooks.bootstrap()}\nimport fairlib\nprint('goes on')"]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert "pip replaced fastish 1.0\n" in ran.stdout, ran.stderr
    assert ("goes on" in ran.stdout) is not loaded
    asked = "RuntimeError: restart the kernel and run this cell again: fastish was in use"
    assert (asked in ran.stderr) is loaded
    if loaded:  # after the restart
        again = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert again.stdout == "goes on\n", again.stderr


def test_the_wheel_carries_the_data_but_nothing_unpacked(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    book(source)
    raw = source / "data" / "MNIST" / "raw"
    sources = {path.relative_to(source) for part in ("data", "fairlib") for path in (source / part).rglob("*.*")}
    (source / "data" / "cache").mkdir()
    for planted in (
        raw / "t10k-images-idx3-ubyte",
        raw / ".unpacking.lock",
        source / "data" / "cache" / "a.safetensors",
    ):
        planted.write_text("")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, source]
    subprocess.run(command, env=offline(), check=True)
    [wheel] = tmp_path.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    folders = {"data": "fairlib/_data", "fairlib": "fairlib"}
    expected = {"/".join([folders[path.parts[0]], *path.parts[1:]]) for path in sources}
    assert names == expected | {"fairlib/_data/SHA256SUMS"}
