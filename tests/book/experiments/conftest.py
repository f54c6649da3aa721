"""What the tests of the experiments share."""

import shutil
from pathlib import Path

import pytest

from fairlib import training
from fairlib.book.experiments import fairer

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def house(tmp_path, monkeypatch) -> Path:
    """A data folder with links to the book's data, its own copy of the claims, and no records."""
    for source in (ROOT / "data").iterdir():
        if source.name not in ("results", "claims"):
            (tmp_path / source.name).symlink_to(source)
    shutil.copytree(ROOT / "data" / "claims", tmp_path / "claims")
    monkeypatch.setenv("FAIRLIB_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def start(one_thread):
    """The model that every arm of section 4 starts from. Shared: a test that changes it copies it first."""
    return training.shipped(*fairer.START)
