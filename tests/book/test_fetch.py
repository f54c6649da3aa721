"""The command `fetch`, from addresses on the disk."""

import hashlib
import sys

import pytest
import torch

from fairlib import __main__, weights
from fairlib.book import fetch


@pytest.fixture
def web(tmp_path, monkeypatch):
    """Both files at addresses of the disk, under the hash of what lies there; the cache is empty."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    (tmp_path / "web").mkdir()
    for what, name in fetch.FILES.items():
        path = tmp_path / "web" / name
        torch.save({"weight": torch.full((2,), float(len(what)))}, path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
        own = weights.FILES[name]
        monkeypatch.setitem(weights.FILES, name, weights.File(own.use, sha256, own.cache, path.as_uri()))
    monkeypatch.setattr(sys, "argv", ["fairness-book", "fetch"])
    return tmp_path / "web"


def test_both_files_lie_where_their_authors_code_looks(web, capsys):
    assert __main__.main() == 0
    told = capsys.readouterr().out
    for what, name in fetch.FILES.items():
        assert weights.load(name)["weight"][0] == len(what)
        assert f"{what}: {web.parent / 'home' / 'hub' / weights.FILES[name].cache / name}" in told
    assert told.endswith("make reproduce PROFILE=paper ONLY=paper_weights/\n")


def test_without_a_network_one_sentence_says_what_to_do(web, capsys):
    (web / fetch.FILES["PieAPP"]).unlink()
    assert __main__.main() == 2
    told = capsys.readouterr().err
    assert told.startswith("fairness-book fetch: PieAPPv0.1-0937b014.pth (PieAPP, 261 MB) is missing and could not be")
    assert "get it from file:" in told and "and put it at" in told and told.count("\n") == 1


def test_the_next_command_names_units_that_there_are():
    from fairlib.book import units

    profile, only = (part.partition("=")[2] for part in fetch.NEXT.split())
    assert units.chosen(only, profile)
