"""What the tests of the runner, and those of the ledger, share."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from book.toy import ROOT, TOY
from joblib.externals.loky import get_reusable_executor

from fairlib.book import units


@pytest.fixture
def log(tmp_path, monkeypatch) -> Path:
    """A chapter `toy` instead of the book's, a data folder of its own, and the folder where its units leave traces."""
    for folder in ("data", "log", "path/toys"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "data" / "SHA256SUMS").touch()
    (tmp_path / "path" / "toys" / "__init__.py").touch()
    (tmp_path / "path" / "toys" / "toy.py").write_text(TOY)
    monkeypatch.setenv("FAIRLIB_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("TOY_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "path"), str(ROOT)]))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for name in ("FAIRLIB_SCHEDULER", "FAIRLIB_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.syspath_prepend(tmp_path / "path")
    monkeypatch.setattr(units, "EXPERIMENTS", "toys")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path / "log"
    get_reusable_executor().shutdown(wait=True, kill_workers=True)  # they have this test's environment
    for name in ("toys", "toys.toy"):
        sys.modules.pop(name, None)


@pytest.fixture
def house(tmp_path, monkeypatch) -> Path:
    """A data folder with the claims and nothing recorded."""
    shutil.copytree(ROOT / "data" / "claims", tmp_path / "claims")
    (tmp_path / "SHA256SUMS").write_text("")
    monkeypatch.setenv("FAIRLIB_DATA", str(tmp_path))
    return tmp_path
