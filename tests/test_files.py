"""Files of the book are the right ones, and a new one is written whole or not at all."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from fairlib import files

ROOT = Path(__file__).resolve().parents[1]
TEXT = b"fair is fair\n" * 100_000


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A data folder with one listed file, `sub/a.txt`."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.txt").write_bytes(TEXT)
    (tmp_path / "SHA256SUMS").write_text(f"{hashlib.sha256(TEXT).hexdigest()}  sub/a.txt\n")
    monkeypatch.setenv("FAIRLIB_DATA", str(tmp_path))
    return tmp_path


def test_every_file_of_the_book_is_listed_and_whole():
    listed = dict(reversed(line.split("  ")) for line in (ROOT / "data" / "SHA256SUMS").read_text().splitlines())
    folders = ("MNIST/raw", "FashionMNIST/raw", "checkpoints", "perturbations", "photographs", "tables")
    paths = [path for folder in folders for path in (ROOT / "data" / folder).rglob("*") if path.is_file()]
    paths = [path for path in paths if path.suffix != ".lock"]
    there = {path.relative_to(ROOT / "data").as_posix() for path in paths}
    assert there <= listed.keys()
    for name in there:
        assert hashlib.sha256((ROOT / "data" / name).read_bytes()).hexdigest() == listed[name], name
    assert all(name.endswith("-ubyte") for name in listed.keys() - there), "listed, not there, and not to be unpacked"


def test_a_system_tool_agrees(folder):
    assert subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=folder).returncode == 0
    assert files.sha256(folder / "sub" / "a.txt") == hashlib.sha256(TEXT).hexdigest()


def test_the_data_folder(monkeypatch, folder):
    assert files.root() == folder
    monkeypatch.delenv("FAIRLIB_DATA")
    assert files.root() == ROOT / "data"


def test_an_installed_package_has_its_own_data(monkeypatch, tmp_path):
    monkeypatch.delenv("FAIRLIB_DATA", raising=False)
    monkeypatch.setattr(files, "__file__", str(tmp_path / "fairlib" / "files.py"))
    with pytest.raises(FileNotFoundError, match="clone the repository whole, or point FAIRLIB_DATA"):
        files.root()
    (tmp_path / "fairlib" / "_data").mkdir(parents=True)
    (tmp_path / "fairlib" / "_data" / "SHA256SUMS").write_text("")
    assert files.root() == tmp_path / "fairlib" / "_data"


def test_a_wrong_data_folder_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("FAIRLIB_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=f"no data folder at {tmp_path} .* point FAIRLIB_DATA at its data"):
        files.root()


def test_a_whole_file_is_checked_and_named(folder):
    assert files.checked("sub/a.txt").read_bytes() == TEXT


@pytest.mark.parametrize("content", [TEXT[:-1], b"", TEXT + b"x", b"F" + TEXT[1:]])
def test_a_truncated_or_altered_file_is_refused(folder, content):
    (folder / "sub" / "a.txt").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.txt is truncated or altered \(SHA-256 .*`git checkout -- data`$"):
        files.checked("sub/a.txt")
    with pytest.raises(ValueError, match=r"; ask the librarian$"):
        files.checked("sub/a.txt", "ask the librarian")


def test_a_missing_file_is_named(folder):
    (folder / "sub" / "a.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"a\.txt is missing; restore it with `git checkout -- data`"):
        files.checked("sub/a.txt")


def test_an_unlisted_file_is_refused(folder):
    (folder / "b.txt").write_text("")
    with pytest.raises(ValueError, match=r"'b\.txt' is not listed in data/SHA256SUMS; known files: sub/a\.txt"):
        files.checked("b.txt")


@pytest.mark.parametrize("line", [b"5f2b sub/a.txt\n", b"sub/a.txt\n", b"\xff\xfe  a\n"])
def test_a_damaged_list_is_refused(folder, line):
    (folder / "SHA256SUMS").write_bytes(line)
    with pytest.raises(ValueError, match=r"SHA256SUMS is damaged, expected lines of .*; restore it with `git checkout"):
        files.checked("sub/a.txt")


def test_a_change_of_the_list_is_seen(folder):
    files.checked("sub/a.txt")
    (folder / "sub" / "a.txt").write_bytes(b"new")
    (folder / "SHA256SUMS").write_text(f"{hashlib.sha256(b'new').hexdigest()}  sub/a.txt\n")
    os.utime(folder / "SHA256SUMS", ns=(1, 1))
    assert files.checked("sub/a.txt").read_bytes() == b"new"


def test_replacing_writes_whole_files(tmp_path):
    path = tmp_path / "new" / "folder" / "a.txt"
    with files.replacing(path) as partial:
        partial.write_text("one")
        assert not path.exists()
        assert partial.parent == path.parent, "a rename across file systems is no rename"
    with files.replacing(path) as partial:
        partial.write_text("two")
        assert path.read_text() == "one"
    assert path.read_text() == "two"
    assert os.listdir(path.parent) == ["a.txt"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_replacing_leaves_nothing_behind_after_a_failure(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(error), files.replacing(path) as partial:
        partial.write_text("half of the ne")
        raise error
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]
