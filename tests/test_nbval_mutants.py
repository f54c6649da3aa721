"""The stored outputs of the notebooks guard the results: they pass on any number of threads, and not with a mutant."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ("fgsm", "centroid_defense")
# (notebook, file of fairlib, what it says, what the mutant says instead)
MUTANTS = {
    "one alpha moved by 0.05": (
        "centroid_defense",
        "data/official.py",
        'return torch.tensor(rows["alpha"].to_numpy(), dtype=torch.float32)',
        'return torch.tensor(rows["alpha"].to_numpy() + 0.05 * (rows["class"].to_numpy() == 3), dtype=torch.float32)',
    ),
    "the sign of FGSM flipped": ("fgsm", "attacks/fgsm.py", ".sign_()", ".sign_().neg_()"),
    "a tap of the fully-connected network dropped": (
        "centroid_defense",
        "models.py",
        'released_taps = (*hidden, "log_softmax")',
        'released_taps = (*hidden[1:], "log_softmax")',
    ),
    "a tap of LeNet-5 dropped": (
        "centroid_defense",
        "models.py",
        'released_taps = ("conv1", "conv2", "fc1", "fc2", "fc3", "log_softmax")',
        'released_taps = ("conv1", "conv2", "fc1", "fc2", "log_softmax")',
    ),
    "the highest of the tied classes": (
        "centroid_defense",
        "defenses/centroid.py",
        "winner = tally.argmax(1)",
        "winner = self.classes - 1 - tally.flip(1).argmax(1)",
    ),
}


def nbval(place: Path, notebook: str, **settings: str) -> subprocess.CompletedProcess:
    """Run a notebook again and compare with its stored outputs, as `make test` does, up to the first difference.

    What acts another machine (`make machines`) comes from the environment.
    """
    options = ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=1800", "-x", "-q", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options, f"notebooks/{notebook}.ipynb"]
    settings |= {"FAIRLIB_DATA": str(ROOT / "data"), "FAIRLIB_PROFILE": "embedded"}
    return subprocess.run(command, cwd=place, env=os.environ | settings, capture_output=True, text=True)


@pytest.fixture
def copy(tmp_path) -> Path:
    """A folder with copies of the notebooks, of what compares them, and of the package, which they take from beside."""
    for folder in ("fairlib", "notebooks", "tools"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_an_unchanged_package_passes(copy, notebook):
    """On a number of threads that the notebooks' own check does not take; those without a core do not spin."""
    ran = nbval(copy, notebook, OMP_NUM_THREADS="3", OMP_WAIT_POLICY="PASSIVE")
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mutant_is_found(copy, mutant):
    notebook, name, old, new = MUTANTS[mutant]
    source = copy / "fairlib" / name
    text = source.read_text()
    assert text.count(old) == 1, "the line to change is no longer there"
    source.write_text(text.replace(old, new))
    ran = nbval(copy, notebook)
    assert ran.returncode == 1, ran.stdout
    assert "Cell outputs differ" in ran.stdout, f"it failed, but not because of a number:\n{ran.stdout}"
