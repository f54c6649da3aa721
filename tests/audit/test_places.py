"""Where the files of an audit lie, and what is a shard."""

from pathlib import Path

import pytest

from fairlib.audit.places import Shard, place, prediction_files, shard, stem, write


def test_a_shard_is_two_numbers():
    assert shard(" 3/8 ") == Shard(3, 8) and shard("1/1") == Shard(1, 1)
    for text in ("0/8", "9/8", "3", "3/8/1", "a/b", "", "-1/2", "1/0"):
        with pytest.raises(ValueError, match="expected one like 3/8"):
            shard(text)


def test_files_are_named_after_the_report(tmp_path):
    out = stem(tmp_path / "v1.2")
    assert place(out, "html").name == "v1.2.html"
    assert place(out, "predictions.jsonl", Shard(3, 8)).name == "v1.2.predictions.3of8.jsonl"
    assert place(out, "log", Shard(3, 8)).name == "v1.2.3of8.log"
    assert stem(Path("a.html")) == Path("a")


def test_the_predictions_of_another_report_are_not_its(tmp_path):
    names = ["a.predictions.jsonl", "ab.predictions.jsonl", "a.predictions.1of2.jsonl.bak", "axpredictions.jsonl"]
    for name in names:
        (tmp_path / name).touch()
    assert [path.name for path in prediction_files(tmp_path / "a")] == names[:1]
    (tmp_path / "a.predictions.1of2.jsonl").touch()  # one that a whole run stands beside may be missing
    assert len(prediction_files(tmp_path / "a")) == 2


def test_a_report_is_written_whole_or_not_at_all(tmp_path):
    write(tmp_path / "a", {"json": "1", "html": "2"})
    with pytest.raises(UnicodeEncodeError):
        write(tmp_path / "a", {"json": "3", "html": "\ud800", "images.csv": "4"})
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.json": "1", "a.html": "2"}
