"""The files around the book say the same thing in every place, and nothing about the machine they were written on."""

import hashlib
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
REGISTRY = re.compile(r"p[y]pi\.[o]rg|python[h]osted|npm[j]s\.|deb\.[d]ebian")
MACHINE = re.compile(r"/(?:work|farm|tmp|root|home|Users)/")
WRONG_INSTALL = re.compile(r"pip3? install (?:-\S+ )*[\"']?fairlib\b")


def required() -> list[Requirement]:
    """What the package and all its extras ask for, but for each other."""
    project = PROJECT["project"]
    listed = sum(project["optional-dependencies"].values(), project["dependencies"])
    return [r for r in map(Requirement, listed) if r.name != project["name"]]


def key(requirement: Requirement) -> tuple[str, str]:
    return canonicalize_name(requirement.name), str(requirement.specifier)


def unmet(requirements: list[Requirement], lock: str) -> list[str]:
    """The requirements that some pin of the lock file violates, or that it doesn't pin at all."""
    pins: dict[str, list[str]] = {}
    for line in lock.splitlines():
        name, version = line.split(";")[0].strip().split("==")
        pins.setdefault(canonicalize_name(name), []).append(version)
    versions = [(r, pins.get(canonicalize_name(r.name), [])) for r in requirements]
    return [str(r) for r, found in versions if not found or not all(r.specifier.contains(v) for v in found)]


def files(root: Path = ROOT) -> dict[str, str]:
    """The text files of the repository; what else lies there, such as the log of a test, is its owner's."""
    git = ["git", "ls-files", "-z"]
    try:
        names = subprocess.run(git, cwd=root, capture_output=True, text=True, check=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout, so there is no list of the repository's files")
    texts = {}
    for name in names:
        if (root / name).is_file() and not name.endswith(".js"):
            try:
                texts[name] = (root / name).read_text()
            except UnicodeDecodeError:  # an image, a font, an archive
                continue
    return texts


def test_what_lies_beside_the_repositorys_files_is_its_owners(tmp_path):
    (tmp_path / "ours.md").write_text("words")
    (tmp_path / "test.log").write_text(f"rootdir: {tmp_path}")  # `make test >test.log`
    for command in (["init", "-q"], ["add", "ours.md"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    assert files(tmp_path) == {"ours.md": "words"}


def test_formulas_use_no_letters_whose_fonts_are_left_out():
    fonts = {"Fraktur": r"\\(?:math)?frak\b", "SansSerif": r"\\(?:mathsf|textsf|sf)\b", "Script": r"\\mathscr\b"}
    there = {path.name for path in (ROOT / "book" / "_static" / "mathjax").rglob("*.woff")}
    assert not {name for name in there if name.split("_")[1].split("-")[0] in fonts}
    prose = {name: text for name, text in files().items() if name.endswith((".md", ".py")) and "test_house" not in name}
    assert {name for name, text in prose.items() if re.search("|".join(fonts.values()), text)} == set()
    assert re.search("|".join(fonts.values()), r"$\mathsf{A}$")


def test_the_tracked_files_travel_to_a_gpu_machine():
    git = ["git", "ls-files", "-z"]
    found = subprocess.run(git, cwd=ROOT, capture_output=True, text=True)
    if found.returncode:
        pytest.skip("not a git checkout, so there is no list of the repository's files")
    blocks = [-(-(ROOT / name).stat().st_size // 4096) for name in found.stdout.split("\0") if (ROOT / name).is_file()]
    assert sum(blocks) * 4096 < 62 * 2**20, "the tracked files take 62 MiB of a disk or more"


def test_a_clone_that_converts_line_ends_has_the_same_bytes(tmp_path):
    clone = tmp_path / "clone"
    if subprocess.run(["git", "clone", "-q", "--config", "core.autocrlf=true", ROOT, clone]).returncode:
        pytest.skip("not a git checkout, so there is nothing to clone")

    def git(*command: str) -> str:
        return subprocess.run(["git", *command], cwd=clone, capture_output=True, text=True, check=True).stdout

    assert [line for line in git("ls-files", "--eol").splitlines() if re.search(r"[iw]/(crlf|mixed)", line)] == []
    sums = dict(reversed(line.split("  ")) for line in (clone / "data" / "SHA256SUMS").read_text().splitlines())
    there = {
        name: hashlib.sha256(path.read_bytes()).hexdigest() for name in sums if (path := clone / "data" / name).exists()
    }
    assert len(there) > 10
    assert there == {name: sums[name] for name in there}
    assert git("status", "--porcelain") == ""


def test_conda_gives_the_same_set():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *conda, pip = environment["dependencies"]
    *requirements, book = pip["pip"]
    assert f"python{PROJECT['project']['requires-python']}" in conda
    assert book == "--editable ."
    assert sorted(map(key, map(Requirement, requirements))) == sorted(map(key, required()))


def test_the_lock_satisfies_the_ranges():
    lock = (ROOT / "requirements.lock").read_text()
    builds = [Requirement(r) for r in PROJECT["build-system"]["requires"]]
    assert unmet(required() + builds, lock) == []


@pytest.mark.parametrize(
    "lock",
    ["numpy==1.25.0", "numpy==2.4.6 ; python_version < '3.12'\nnumpy==1.0 ; python_version >= '3.12'", "scipy==2"],
)
def test_a_lock_that_misses_a_range_is_found(lock):
    assert unmet([Requirement("numpy>=1.26")], lock) == ["numpy>=1.26"]


@pytest.mark.parametrize("pattern", [REGISTRY, MACHINE, WRONG_INSTALL])
def test_no_file_names(pattern):
    found = {name: match.group() for name, text in files().items() if (match := pattern.search(text))}
    assert found == {}


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (REGISTRY, "https://files.python" + "hosted.org/x"),
        (MACHINE, "see /" + "root/x"),
        (WRONG_INSTALL, "pip install -U " + "fairlib"),
    ],
)
def test_the_patterns_bite(pattern, text):
    assert pattern.search(text)


def test_help_lists_every_target():
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE).group(1).split()
    targets = re.findall(r"^([a-z][\w.-]*):", makefile, re.MULTILINE)
    said = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert sorted(targets) == sorted(phony)
    assert [line.split()[:2] for line in said.splitlines()] == [["make", target] for target in targets]


def disagreements(citation: dict, zenodo: dict, project: dict) -> list[str]:
    """In what the reference, Zenodo's metadata and the package say something else of the same thing."""
    licences = project["project"]["license"].split(" AND ")
    papers = {"arXiv:" + paper["url"].rsplit("/", 1)[-1] for paper in citation["references"] if "url" in paper}
    repository = project["tool"]["book"]["repository"] or None
    pairs = {
        "title": (citation["title"], zenodo["title"]),
        "abstract": (citation["abstract"].strip(), zenodo["description"]),
        "version": (citation["version"], zenodo["version"]),
        "version of the package": (citation["version"], project["project"]["version"]),
        "authors": (
            [author["name"] for author in citation["authors"]],
            [maker["name"] for maker in zenodo["creators"]],
        ),
        "licences": (citation["license"], licences),
        "licences in Zenodo's words": (set(licences), set(re.findall("MIT|CC-BY-4.0", str(zenodo["notes"])))),
        "licence of the code": (zenodo["license"], licences[0]),
        "keywords": (citation["keywords"], zenodo["keywords"]),
        "papers": (papers, {related["identifier"] for related in zenodo["related_identifiers"]}),
        "repository": (citation.get("repository-code"), repository),
    }
    return [what for what, (one, other) in pairs.items() if one != other]


def references() -> tuple[dict, dict]:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    return citation, json.loads((ROOT / ".zenodo.json").read_text(encoding="utf-8"))


def test_the_two_references_agree():
    citation, zenodo = references()
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert zenodo["upload_type"] == "software"
    assert disagreements(citation, zenodo, PROJECT) == []


@pytest.mark.parametrize(
    ("field", "other", "named"),
    [
        ("version", "9.9", ["version"]),
        ("creators", [{"name": "Nobody"}], ["authors"]),
        ("notes", "Code: MIT.", ["licences in Zenodo's words"]),
        ("keywords", [], ["keywords"]),
        ("related_identifiers", [], ["papers"]),
    ],
)
def test_references_that_disagree_are_found(field, other, named):
    citation, zenodo = references()
    assert disagreements(citation, zenodo | {field: other}, PROJECT) == named


def test_ci_runs_what_people_run():
    script, makefile = ((ROOT / name).read_text() for name in (".ci/run", "Makefile"))
    assert re.findall(r"\bmake (?:test|machines).*$", script, re.MULTILINE) == [
        "make test",
        'make machines AS="$as" NOTEBOOKS="$notebooks" || status=$?',
    ]
    [taken] = re.findall(r"^machines=\((.*)\)$", script, re.MULTILINE)
    [known] = re.findall(r"^MACHINES := (.*)$", makefile, re.MULTILINE)
    assert taken == known
    assert all(re.search(f"^{name} := [A-Z_]+=", makefile, re.MULTILINE) for name in known.split())
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_what_is_installed_without_dependencies_is_pinned_and_nobodys_dependency():
    lines = (ROOT / "requirements-nodeps.lock").read_text().splitlines()
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"==[\d.]+", str(pin.specifier)) for pin in pins)
    locked = {line.split("==")[0] for line in (ROOT / "requirements.lock").read_text().splitlines()}
    assert pins
    assert not {canonicalize_name(pin.name) for pin in pins} & locked
    rule = (ROOT / "Makefile").read_text().split("$(READY):")[-1]
    assert "requirements-nodeps.lock" in rule.splitlines()[0]
    assert "requirements.lock >$(VENV)/pinned.txt" in rule
    assert "--no-deps -r $(VENV)/pinned.txt -r requirements-nodeps.lock" in rule


@pytest.mark.parametrize("folder", [".venv", ".venv-oldest", ".tox", "venv", "node_modules"])
def test_what_is_installed_beside_the_book_is_no_part_of_it(folder, tmp_path):
    """Packages bring README files; a second environment, as `make versions` makes one, ended the build with them."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    (strange := tmp_path / folder / "lib" / "README.md").parent.mkdir(parents=True)
    strange.write_text("# Read me", encoding="utf-8")
    (page := tmp_path / "book" / "page.md").parent.mkdir()
    page.write_text("# A page", encoding="utf-8")
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/page\n", encoding="utf-8")
    settings = "\n".join(
        [
            'extensions = ["myst_parser", "sphinx_external_toc"]',
            f"exclude_patterns = {config['exclude_patterns']}",
            f"external_toc_exclude_missing = {config['only_build_toc_files']}",
        ]
    )
    (tmp_path / "conf.py").write_text(settings, encoding="utf-8")
    with docutils_namespace():
        app = Sphinx(tmp_path, tmp_path, tmp_path / "out", tmp_path / "trees", "dummy", status=None)
        app.build()
    assert app.env.found_docs == {"book/page"}
