"""How a run is run: what the environment asks for is done or refused, and nothing of the caller's is changed."""

import io
import multiprocessing
import os
import platform
import shutil
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from fairlib import runtime

pytestmark = pytest.mark.usefixtures("no_trace")
ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(("asked", "given"), [(None, "embedded"), ("embedded", "embedded"), ("paper", "paper")])
def test_profile(monkeypatch, asked, given):
    monkeypatch.delenv("FAIRLIB_PROFILE", raising=False)
    if asked is not None:
        monkeypatch.setenv("FAIRLIB_PROFILE", asked)
    assert runtime.profile() == given


def test_an_unknown_profile_is_refused(monkeypatch):
    monkeypatch.setenv("FAIRLIB_PROFILE", "Paper")
    with pytest.raises(ValueError, match="FAIRLIB_PROFILE is 'Paper', expected one of: embedded, paper"):
        runtime.profile()


def test_device(monkeypatch):
    monkeypatch.setenv("FAIRLIB_DEVICE", "")
    assert runtime.device().type == ("cuda" if torch.cuda.is_available() else "cpu")
    monkeypatch.setenv("FAIRLIB_DEVICE", "cpu")
    assert runtime.device() == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:99"])
def test_a_device_that_is_not_there_is_refused(monkeypatch, name):
    monkeypatch.setenv("FAIRLIB_DEVICE", name)
    with pytest.raises(ValueError, match=f"FAIRLIB_DEVICE is '{name}', which is not usable here .*unset it or use cpu"):
        runtime.device()


def test_a_generator_depends_on_its_seed_only():
    torch.rand(3, generator=runtime.generator(1))
    one, again, other = (torch.rand(8, generator=runtime.generator(seed)) for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_threads_are_given_back_even_after_an_exception():
    before = torch.get_num_threads()
    with pytest.raises(KeyError), runtime.threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise KeyError
    assert torch.get_num_threads() == before


def test_progress_passes_everything_on_and_is_silent_without_a_terminal(capsys):
    assert list(runtime.progress(iter("abc"), "letters", total=3)) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")


def test_progress_shows_in_a_terminal_but_not_for_each_worker(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    list(runtime.progress(range(3), "counting"))
    assert "counting:   0%|" in screen.getvalue()
    before = screen.getvalue()
    monkeypatch.setattr(multiprocessing.current_process(), "name", "Worker-1")
    assert list(runtime.progress(range(3), "counting")) == [0, 1, 2]
    assert screen.getvalue() == before


@pytest.mark.parametrize(
    ("variables", "shown"), [({}, True), ({"FAIRLIB_QUIET": "1"}, False), ({"PYTEST_VERSION": "8"}, False)]
)
def test_progress_shows_in_jupyter_unless_its_outputs_are_kept(monkeypatch, capsys, variables, shown):
    jupyter = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", jupyter)
    monkeypatch.delenv("PYTEST_VERSION", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert list(runtime.progress(range(3), "counting")) == [0, 1, 2]
    assert ("counting:   0%|" in capsys.readouterr().err) is shown


def git(folder: Path, *command: str) -> str:
    names = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    run = subprocess.run(["git", *names, *command], cwd=folder, env=clean, capture_output=True, text=True, check=True)
    return run.stdout.strip()


def repository(folder: Path, *files: str) -> str:
    """A repository with these files in its one commit; its name."""
    if shutil.which("git") is None:
        pytest.skip("needs git")
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(f"{file} of {folder.name}\n")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "First.")
    return git(folder, "rev-parse", "HEAD")[:12]


HOUSE = ("fairlib/runtime.py", "data/tables/a.csv", "data/results/toy/n=0.json", "notebooks/a.md")


@pytest.fixture
def house(tmp_path, monkeypatch) -> Path:
    """A checkout whose `fairlib/runtime.py` is taken for this one."""
    (tmp_path / "house").mkdir()
    repository(tmp_path / "house", *HOUSE)
    monkeypatch.setattr(runtime, "__file__", str(tmp_path / "house" / "fairlib" / "runtime.py"))
    return tmp_path / "house"


def test_commit_is_the_checkouts():
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so there is no commit to compare with")
    assert runtime.commit().removesuffix(" (changed)") == git(ROOT, "log", "-1", "--format=%H")[:12]


@pytest.mark.parametrize(
    ("file", "mark"),
    [
        (None, ""),
        ("fairlib/runtime.py", " (changed)"),
        ("fairlib/attacks/new.py", " (changed)"),  # untracked code runs, too
        ("data/tables/a.csv", " (changed)"),
        ("data/results/toy/n=0.json", ""),
        ("data/results/toy/n=1.json", ""),
        ("notebooks/a.md", ""),
        ("notes.txt", ""),
    ],
)
def test_a_changed_checkout_is_marked(house, file, mark):
    if file:
        (house / file).parent.mkdir(parents=True, exist_ok=True)
        (house / file).write_text("another\n")
    assert runtime.commit() == git(house, "rev-parse", "HEAD")[:12] + mark


def test_a_change_that_is_added_but_not_committed_and_a_missing_file_are_marked(house):
    (house / "fairlib" / "runtime.py").write_text("another\n")
    git(house, "add", ".")
    assert runtime.commit().endswith(" (changed)")
    git(house, "commit", "--quiet", "--message", "Second.")
    assert runtime.commit() == git(house, "rev-parse", "HEAD")[:12]
    (house / "data" / "tables" / "a.csv").unlink()
    assert runtime.commit().endswith(" (changed)")


def test_commit_is_not_that_of_a_repository_around_the_package(tmp_path, monkeypatch):
    """A virtual environment inside somebody's repository, ignored there or not."""
    repository(tmp_path, "paper.tex")
    package = tmp_path / "venv" / "site-packages" / "fairlib"
    package.mkdir(parents=True)
    (package / "runtime.py").touch()
    monkeypatch.setattr(runtime, "__file__", str(package / "runtime.py"))
    monkeypatch.setattr(runtime, "version", lambda name: {"fairness-robustness-book": "0.1.0"}[name])
    assert runtime.commit() == "version 0.1.0"
    (tmp_path / ".gitignore").write_text("venv\n")
    assert runtime.commit() == "version 0.1.0"


def test_commit_is_not_that_of_the_environment(house, tmp_path, monkeypatch):
    expected = git(house, "rev-parse", "HEAD")[:12]
    (tmp_path / "other").mkdir()
    repository(tmp_path / "other", *HOUSE, "more")
    for name, path in [("GIT_DIR", ".git"), ("GIT_WORK_TREE", "."), ("GIT_INDEX_FILE", ".git/index")]:
        monkeypatch.setenv(name, str(tmp_path / "other" / path))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(house))
    assert runtime.commit() == expected


def test_without_a_checkout_or_git_the_version_is_said(house, tmp_path, monkeypatch):
    monkeypatch.setattr(runtime, "version", lambda name: "0.1.0")
    monkeypatch.setenv("PATH", "")
    assert runtime.commit() == "version 0.1.0"

    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(runtime, "version", missing)
    assert runtime.commit() == "unknown"
    facts = runtime.facts(started=time.perf_counter())
    assert [facts[name] for name in ("torch", "torchvision", "numpy", "statsmodels")] == 4 * ["unknown"]


def test_provenance(monkeypatch):
    monkeypatch.setenv("FAIRLIB_PROFILE", "paper")
    monkeypatch.setenv("FAIRLIB_DEVICE", "cpu")
    facts = runtime.provenance(seed=7, started=time.perf_counter() - 90)["value"]
    assert facts.index.name == "fact"
    assert facts[["profile", "seed", "device"]].tolist() == ["paper", "7", f"cpu ({platform.machine()})"]
    assert facts["threads"] == str(torch.get_num_threads())
    assert facts["torch"] == torch.__version__.split("+")[0]  # without the build, such as +cpu
    assert facts["python"] == platform.python_version()
    assert facts["commit"] == runtime.commit()
    assert 90 <= int(facts["seconds"]) <= 95
