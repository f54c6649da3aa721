"""What the tests of the experiments share."""

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def house(tmp_path, monkeypatch) -> Path:
    """A data folder with links to the book's data, its own copy of the claims, and no records."""
    for source in (ROOT / "data").iterdir():
        if source.name not in ("results", "claims"):
            (tmp_path / source.name).symlink_to(source)
    shutil.copytree(ROOT / "data" / "claims", tmp_path / "claims")
    monkeypatch.setenv("FAIRLIB_DATA", str(tmp_path))
    return tmp_path
