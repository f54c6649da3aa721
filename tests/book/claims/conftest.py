"""What the tests of the ledger share."""

import shutil
from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[3] / "data"


@pytest.fixture
def house(tmp_path, monkeypatch) -> Path:
    """A data folder with the claims and nothing recorded."""
    shutil.copytree(DATA / "claims", tmp_path / "claims")
    (tmp_path / "SHA256SUMS").write_text("")
    monkeypatch.setenv("FAIRLIB_DATA", str(tmp_path))
    return tmp_path
