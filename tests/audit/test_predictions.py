"""The file of predictions: lines of any kind, shards and their report, none of which asks the model again."""

import json
import random
import sys
from pathlib import Path

import pytest
from audited import colour, report_at, run
from hypothesis import given
from hypothesis import strategies as st

from fairlib import __main__, geography
from fairlib.audit.predictions import joined, read_source, resume


def report(*options: str, out: str = "report") -> int:
    """`audit report` as a user types it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["fairlib", "audit", "report", "set/manifest.csv", "--out", out, *options])
        return __main__.main()


def same(one: str, other: str) -> bool:
    first, second = ({**report_at(name), "provenance": None} for name in (one, other))
    return first == second


def test_five_classes_and_the_confidence_are_kept(house):
    run()
    source, *lines = map(json.loads, Path("report.predictions.jsonl").read_text().splitlines())
    assert source["classes"] == 3 and source["model"] == "own_model:make" and not source["mixed"]
    assert all(sorted(line["top"]) == [0, 1, 2] and 1 / 3 < line["confidence"] < 1 for line in lines)


def test_a_new_question_needs_no_model(house):
    run("--fail-if", "p<0")
    Path("asked.json").write_text(Path("report.json").read_text())
    (house / "own_model.py").unlink()
    sys.modules.pop("own_model")
    assert report("--fail-if", "p<0") == 0
    assert same("asked", "report")
    assert report("--fail-if", "accuracy>0") == 1


def test_shards_make_the_report_of_one_run(house, capsys):
    run(out="whole")
    for k, images in ((3, 14), (1, 15), (2, 14)):
        assert run("--shard", f"{k}/3") == 0
        assert f"Shard {k}/3: {images} classified, 0 skipped" in capsys.readouterr().out
        assert not Path("report.html").exists()
    assert {path.name for path in house.glob("report.*of3.jsonl")} == {
        f"report.predictions.{k}of3.jsonl" for k in (1, 2, 3)
    }
    colour().calls = 0
    assert report() == 0
    assert colour().calls == 0 and same("whole", "report")


def test_a_shard_that_is_missing_is_named(house, capsys):
    run("--shard", "1/3")
    assert report() == 2
    assert "no predictions of shard 2/3, 3/3 at report; run the audit with --shard of it" in capsys.readouterr().err
    run("--shard", "1/2")
    assert report() == 2
    assert "shards of 2 and of 3 lie at report" in capsys.readouterr().err
    assert report(out="other") == 2
    assert "no predictions at other.predictions.jsonl; run the audit with this --out first" in capsys.readouterr().err


def test_shards_of_two_models_are_not_joined(house, capsys):
    run("--shard", "1/2")
    run("--shard", "2/2", model="own_model:small")
    assert report() == 2
    assert "report.predictions.2of2.jsonl is of another model than report.predictions.1of2" in capsys.readouterr().err


def test_images_that_were_not_classified_are_counted_as_skipped(house):
    run()
    path = Path("report.predictions.jsonl")
    path.write_text("".join(path.read_text().splitlines(True)[:-6]))
    assert report() == 3
    assert report_at()["images"] == {"listed": 43, "classified": 37, "skipped": 6}
    assert "not classified yet; run the audit" in report_at()["skipped"][0]["reason"]


def test_a_file_torn_anywhere_is_gone_on_from(house):
    run(out="whole")
    whole = Path("whole.predictions.jsonl").read_bytes()
    rng = random.Random(0)
    for _ in range(3):
        Path("report.predictions.jsonl").write_bytes(whole[: rng.randrange(whole.index(b"\n") + 1, len(whole))])
        run()
        assert same("whole", "report")
        assert sorted(Path("report.predictions.jsonl").read_bytes().splitlines()) == sorted(whole.splitlines())


@given(
    st.lists(st.text(max_size=60) | st.sampled_from(['{"path": "a"}', '{"path": 1, "stamp": 3, "top": 4}', "[]", "7"]))
)
def test_lines_of_any_kind_are_left_out(tmp_path_factory, lines):
    folder = tmp_path_factory.mktemp("torn")
    (folder / "a.png").write_bytes(b"x")
    (folder / "manifest.csv").write_text("path,label,country\na.png,0,Peru\n")
    manifest = geography.manifest(folder / "manifest.csv")
    source = {"format": 2, "model": "m", "size": 1, "digest": "d", "mixed": False, "classes": 3, "warnings": []}
    path = folder / "kept.jsonl"
    path.write_text("\n".join([json.dumps(source), *lines]), encoding="utf-8")
    assert read_source(path) == source
    assert joined(manifest, [path]).predicted.tolist() == [-1]
    assert resume(path, source, manifest) == set()


def test_predictions_of_an_earlier_version_are_left_alone(house, capsys):
    Path("report.predictions.jsonl").write_text('{"model": "own_model:make", "size": 16, "digest": "x"}\n')
    assert run() == 2
    assert "is of another version of this program" in capsys.readouterr().err
    assert report() == 2
    assert "is of another version of this program" in capsys.readouterr().err
