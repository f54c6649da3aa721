"""What switches a publication on: addresses, days, the zip, the release, workflows, containers, notebooks alone."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
import yaml
from packaging.specifiers import SpecifierSet

from book._ext import published
from tools import alone, release

ROOT = Path(__file__).resolve().parents[1]
PROJECT = published.project(ROOT)
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
GIT = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org"]


@pytest.mark.parametrize(
    ("book", "site"),
    [
        ({"repository": ""}, ""),
        ({"repository": "https://github.com/Owner/Name"}, "https://owner.github.io/Name/"),
        ({"repository": "https://github.com/Owner/Name.git"}, "https://owner.github.io/Name/"),
        ({"repository": "https://github.com/Owner/owner.github.io"}, "https://owner.github.io/"),
        ({"repository": "https://example.org/forge/name"}, ""),
        (
            {"repository": "https://example.org/forge/name", "site": "https://book.example.org"},
            "https://book.example.org/",
        ),
    ],
)
def test_the_address_of_the_site(book, site):
    assert published.address(book) == site


def test_a_page_changed_on_the_day_of_its_last_commit(tmp_path):
    def commit(day: str) -> None:
        dates = {"GIT_AUTHOR_DATE": f"{day}T12:00:00", "GIT_COMMITTER_DATE": f"{day}T12:00:00"}
        for command in (["add", "--all"], ["commit", "-q", "-m", day]):
            subprocess.run([*GIT, *command], cwd=tmp_path, check=True, env=dates | {"PATH": os.environ["PATH"]})

    subprocess.run([*GIT, "init", "-q"], cwd=tmp_path, check=True)
    md, ipynb, late = (tmp_path / name for name in ("pagé.md", "pagé.ipynb", "late.md"))
    md.write_text("a")
    ipynb.write_text("a")
    commit("2020-01-02")
    ipynb.write_text("b")
    commit("2021-03-04")
    days = published.committed(tmp_path)
    assert days == {"pagé.md": "2020-01-02", "pagé.ipynb": "2021-03-04"}
    assert published.changed([md], tmp_path, days) == "2020-01-02"
    assert published.changed([md, ipynb], tmp_path, days) == "2021-03-04"
    late.write_text("c")
    os.utime(late, (1_600_000_000, 1_600_000_000))  # 2020-09-13
    assert published.changed([late], tmp_path, days) == "2020-09-13"


def test_outside_a_checkout_no_day_is_known(tmp_path):
    assert published.committed(tmp_path / "nowhere") == {}


def test_the_zipped_site_is_the_site_in_a_folder(tmp_path):
    site = tmp_path / "site"
    texts = {"index.html": "first", "_static/é.css": "style", "notebooks/a.html": "page"}
    for name, text in texts.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)
    (site / ".buildinfo").write_text("not for readers")
    one, two = (release.zipped(site, tmp_path / name, "book-1") for name in ("one.zip", "two.zip"))
    assert one.read_bytes() == two.read_bytes()
    with zipfile.ZipFile(one) as archive:
        archive.extractall(tmp_path / "there")
    there = {
        p.relative_to(tmp_path / "there").as_posix(): p.read_text()
        for p in (tmp_path / "there").rglob("*.*")
        if p.is_file()
    }
    assert there == {f"book-1/{name}": text for name, text in texts.items()}


@pytest.fixture
def ready(tmp_path) -> Path:
    """The files of a version that may be released."""
    texts = {
        "pyproject.toml": '[project]\nversion = "1.2.0"\n',
        "CITATION.cff": "version: 1.2.0\ndate-released: 2026-01-02\n",
        ".zenodo.json": '{"version": "1.2.0"}',
        "CHANGELOG.md": "# Changelog\n\n## 1.2.0 (2026-01-02)\n\n- All.\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "old", "new", "tag", "named"),
    [
        ("CHANGELOG.md", "", "", "v1.2.0", None),
        ("CHANGELOG.md", "", "", "v1.3.0", "the tag is v1.3.0, expected v1.2.0"),
        ("CHANGELOG.md", "", "", "", "the tag is missing, expected v1.2.0"),
        ("CHANGELOG.md", "2026-01-02", "unreleased", "v1.2.0", "CHANGELOG.md has no heading"),
        ("CHANGELOG.md", "1.2.0", "1.2.1", "v1.2.0", "CHANGELOG.md has no heading"),
        ("CITATION.cff", "1.2.0", "1.1.0", "v1.2.0", "CITATION.cff says version 1.1.0"),
        ("CITATION.cff", "2026-01-02", "2025-01-02", "v1.2.0", "no `date-released: 2026-01-02`"),
        (".zenodo.json", "1.2.0", "1.1.0", "v1.2.0", ".zenodo.json says version 1.1.0"),
    ],
)
def test_what_speaks_against_a_release(ready, file, old, new, tag, named):
    path = ready / file
    path.write_text(path.read_text().replace(old, new) if old else path.read_text())
    found = release.unready(tag, ready)
    assert bool(found) == bool(named)
    assert not named or (len(found) == 1 and named in found[0])


def test_a_release_gathers_both_files_or_none(ready, tmp_path):
    built = tmp_path / "built"
    built.mkdir()
    (built / "book.pdf").write_text("pdf")
    (built / "site.zip").write_text("zip")
    with pytest.raises(RuntimeError, match=r"expected v1\.2\.0"):
        release.gather("v9", ready, built)
    found = release.gather("v1.2.0", ready, built)
    assert {path.name: path.read_text() for path in found.iterdir()} == {
        "fair-and-robust-1.2.0.pdf": "pdf",
        "fair-and-robust-1.2.0-site.zip": "zip",
    }


def jobs(path: Path) -> dict[str, dict]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]


def targets() -> list[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_runs_what_people_can_run(path):
    for name, job in jobs(path).items():
        for step in job["steps"]:
            if "run" in step:
                command, target, *_ = step["run"].split()
                assert (command == "make" and target in targets()) or step["run"].startswith("gh release create "), name
            else:
                assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", step["uses"]), f"{step['uses']} is no pinned action"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_takes_a_python_that_the_package_allows(path):
    allowed = SpecifierSet(PROJECT["project"]["requires-python"])
    found = re.findall(r"python(?:-version)?: \"(\d[\d.]+)\"", path.read_text(encoding="utf-8"))
    assert all(allowed.contains(version) for version in found)
    assert found or "setup-python" not in path.read_text(encoding="utf-8")


def audited(path: Path) -> subprocess.CompletedProcess:
    """What zizmor says of a workflow, without asking anybody."""
    zizmor = shutil.which("zizmor", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    command = [zizmor, "--offline", "--no-progress", "--quiet", path]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_the_workflows_are_sound(path):
    said = audited(path)
    assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8", "actions/checkout@main"),
        ('make versions AT="$AT"', "make versions AT=${{ github.head_ref }}"),
        ("runs-on: ubuntu-24.04", "runs-in: ubuntu-24.04"),
    ],
)
def test_a_workflow_that_is_not_sound_is_found(tmp_path, old, new):
    text = (ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / ".github" / "workflows").mkdir(parents=True)
    planted = tmp_path / ".github" / "workflows" / "tests.yml"
    planted.write_text(text.replace(old, new))
    assert audited(planted).returncode != 0


def test_a_container_and_binder_find_what_they_install():
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    made = re.findall(r"\bmake (\S+)", container["postCreateCommand"])
    assert made and set(made) <= set(targets())
    assert container["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"].endswith(
        "/.venv/bin/python"
    )
    binder = ROOT / ".binder"
    lines = (binder / "requirements.txt").read_text().splitlines()
    [extra] = [re.search(r"\[(\w+)\]", line)[1] for line in lines if line.startswith("--editable")]
    assert extra == alone.EXTRA and extra in PROJECT["project"]["optional-dependencies"]
    version = (binder / "runtime.txt").read_text().strip().removeprefix("python-")
    assert SpecifierSet(PROJECT["project"]["requires-python"]).contains(version)
    [file] = re.findall(r"-r (\S+)", (binder / "postBuild").read_text())
    assert (ROOT / file).is_file()
    assert (binder / "postBuild").stat().st_mode & 0o111


def test_without_cuda_only_what_torch_alone_asks_for_is_left_out():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    pattern = re.compile(re.search(r"^CUDA := (.*)$", makefile, re.MULTILINE)[1])
    left_out = [
        line.split("==")[0] for line in (ROOT / "requirements.lock").read_text().splitlines() if pattern.search(line)
    ]
    named = sum(PROJECT["project"]["optional-dependencies"].values(), PROJECT["project"]["dependencies"])
    assert "triton" in left_out and any(name.startswith("nvidia-") for name in left_out)
    assert [name for name in left_out if any(line.startswith(name) for line in named)] == []


def test_of_a_freeze_only_what_a_notebook_asks_for_is_installed_before():
    names = alone.asked()
    assert {"torch", "numpy", "matplotlib", "pyiqa", "ipython", "nbclient"} <= names
    assert not {"pytest", "jupyter-book", "fairness-robustness-book"} & names
    freeze = (
        "numpy==2.0.2\nIPython==7.34.0\n-e git+https://x@y#egg=z\npytest==8.0\n"
        "torch @ https://example.org/whl/torch-2.9.0%2Bcu126-cp312-cp312-linux_x86_64.whl\ntorchvision==0.24.0+cu126\n"
    )
    assert alone.pinned(freeze, names) == [
        "IPython==7.34.0",
        "numpy==2.0.2",
        "torch==2.9.0",
        "torchvision==0.24.0",
    ]


def test_a_lone_notebook_is_run_in_an_empty_folder_and_again_after_a_restart(tmp_path):
    cells = {
        "runs": "import os; assert os.listdir() == ['runs.ipynb'] and os.environ['FAIRLIB_SPEC'] == 'spec'",
        "fails": "1 / 0",
        "restarts": (
            "import pathlib\nif not pathlib.Path('again').exists():\n"
            "    pathlib.Path('again').touch()\n    raise RuntimeError('restart the kernel and run this cell again')"
        ),
    }
    wrong = {}
    for name, source in cells.items():
        path = tmp_path / f"{name}.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)]), path)
        wrong[name] = alone.run(path, tmp_path / "alone" / name, Path(sys.executable), "spec")
    assert wrong["runs"] == wrong["restarts"] == ""
    assert "ZeroDivisionError" in wrong["fails"]
