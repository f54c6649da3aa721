"""Files that come from elsewhere, damaged at random: their readers read them or say what is wrong, and no more.

FAIRLIB_DAMAGE=20000 takes so many examples of each, in place of a few.
"""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlib import __main__, data, geography, training

PICTURE = "296033c3a5910845.webp"
SHIPPED = Path(training.__file__).resolve().parents[1] / "data"
WORDS = [
    b"\0",
    b"\xff\xfe",
    b'"',
    b",",
    b"\n",
    b"\r",
    b"../",
    b"-1",
    b"nan",
    b"1e999",
    b"=1+1",
    b"{",
    b"[" * 3000,
    b"9" * 5000,
]
examples = settings(
    max_examples=int(os.environ.get("FAIRLIB_DAMAGE", "60")),
    deadline=None, derandomize="FAIRLIB_DAMAGE" not in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip


@st.composite
def damaged(draw, whole: bytes) -> bytes:
    """The bytes with one to five pieces flipped, cut out, doubled or put in; seldom bytes that were never a file."""
    if draw(st.integers(0, 19)) == 0:
        return draw(st.binary(max_size=200))
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(whole)))
        end = min(len(whole), start + draw(st.sampled_from([0, 1, 2, 8, 60, 10_000])))
        piece = draw(st.sampled_from([b"", whole[start:end] * 2, *WORDS]) | st.binary(max_size=8))
        whole = whole[:start] + piece + whole[end:]
    return whole


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with a picture, within another that is not to be touched."""
    (tmp_path / "mine").mkdir()
    shutil.copy(SHIPPED / "photographs" / PICTURE, tmp_path / "mine" / PICTURE)
    return tmp_path / "mine"


MANIFEST = f"path,label,country,wealth\n{PICTURE},360,Peru,800\n{PICTURE},360,NOR,9000\n".encode()


@examples
@given(text=damaged(MANIFEST))
def test_a_manifest(folder, text):
    path = folder / "manifest.csv"
    path.write_bytes(text)
    before = tree(folder.parent)
    try:
        found = geography.manifest(path)
    except ValueError as error:
        assert str(error)
    else:
        assert all((folder / image).resolve().is_relative_to(folder.resolve()) for image in found.rows["path"])
        assert len(found.rows) > 0
    assert tree(folder.parent) == before


@examples
@given(text=damaged(f"file,label\n{PICTURE},360\n{PICTURE},360\n".encode()))
def test_a_table_of_photographs(folder, text):
    (folder / "images.csv").write_bytes(text)
    before = tree(folder.parent)
    try:
        x, y = data.photographs(folder, size=16)
    except (ValueError, FileNotFoundError) as error:
        assert str(error)
    else:
        assert x.shape == (len(y), 3, 16, 16) and x.min() >= 0 and x.max() <= 1 and 0 <= y.min() <= y.max() <= 999
    assert tree(folder.parent) == before


WEIGHTS = (SHIPPED / "checkpoints" / "FullyConnected-MNIST.safetensors").read_bytes()


@examples
@given(head=damaged(WEIGHTS[:1200]), cut=st.sampled_from([0, 0, 0, 1, 4, 5000]))
def test_a_checkpoint(folder, head, cut):
    path = folder / "network.safetensors"
    path.write_bytes(head + WEIGHTS[1200 : len(WEIGHTS) - cut])
    before = tree(folder.parent)
    try:
        model = training.load(path, "FullyConnected")
    except ValueError as error:
        assert str(error)
    else:
        assert sum(p.numel() for p in model.parameters()) > 0 and all(p.isfinite().all() for p in model.parameters())
    assert tree(folder.parent) == before


REPORT = json.dumps({"version": 1, "model": {"name": "one"}, "images": 2}).encode()
ROWS = b"path,label,labels,class,country,log_wealth,right\na.png,1,1,1,PER,7.5,True\nb.png,2,2,2,NOR,9.5,False\n"


@examples
@given(report=st.just(REPORT) | damaged(REPORT), rows=st.just(ROWS) | damaged(ROWS))
def test_a_report_of_an_audit(folder, monkeypatch, capsys, report, rows):
    monkeypatch.chdir(folder)
    for name in "ab":
        Path(f"{name}.json").write_bytes(report if name == "a" else REPORT)
        Path(f"{name}.images.csv").write_bytes(rows if name == "a" else ROWS)
    before = tree(folder.parent)
    monkeypatch.setattr(sys, "argv", ["fairlib", "audit", "compare", "a.json", "b.json"])
    status = __main__.main()
    assert status in (0, 2, 3), capsys.readouterr().err  # 70 is a crash
    assert tree(folder.parent) == before
