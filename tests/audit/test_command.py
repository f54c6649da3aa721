"""The audit from end to end, on a few small images and a model that sees their colour; and all that can be wrong."""

import errno
import io
import json
import re
import sys
import warnings
from pathlib import Path

import pytest
from audited import COUNTRIES, colour, expected, report_at, run
from filelock import FileLock
from PIL import Image

from fairlib import __main__, fairness
from fairlib.audit import classification, command


def test_the_numbers_are_those_of_the_images(house, capsys):
    assert run() == 0
    report = report_at()
    assert report["images"] == {"listed": 43, "classified": 43, "skipped": 0}
    counted = {row["country"]: (row["n"], row["right"]) for row in report["countries"]}
    assert counted == {key: (n, right) for key, n, right in expected()[["n", "right"]].itertuples()}
    slope = fairness.slope(expected())
    assert report["slope"]["slope"] == pytest.approx(slope.slope)
    assert report["slope"]["p"] == pytest.approx(slope.p_value)
    assert [t["method"] for t in report["tests"]] == list(fairness.METHODS)
    assert {row["country"] for row in report["influence"]} == set(expected().index)
    assert f"slope {slope.slope:.3f}" in capsys.readouterr().out
    assert report["provenance"]["torch"]


def test_any_of_several_labels_is_right(house):
    manifest = house / "set" / "manifest.csv"
    manifest.write_text(re.sub(r",(\d),(India|Peru)", r",0|1|2,\2", manifest.read_text()))
    assert run() == 0
    counted = {row["country"]: row["accuracy"] for row in report_at()["countries"]}
    assert counted["IND"] == counted["PER"] == 1
    assert counted["BRA"] == 5 / 7


def test_images_that_cannot_be_read_are_skipped_and_counted(house, capsys):
    images = house / "set" / "images"
    whole = (images / "Peru3.png").read_bytes()
    (images / "Peru3.png").write_bytes(whole[: len(whole) // 2])
    (images / "Peru4.png").write_bytes(b"")
    (images / "Peru5.png").write_text("no picture")
    with open(house / "set" / "manifest.csv", "a") as stream:
        stream.write("gone.png,1,Peru\nimages/USA0.png,1,USA\nimages/India0.png,0,Untied States\n")
    assert run() == 3
    assert "Too many images are left out (6 of 46, at most 10% may be; see --skipped-limit)" in capsys.readouterr().out
    assert run("--skipped-limit", "0.2") == 0
    report = report_at()
    assert report["images"] == {"listed": 46, "classified": 40, "skipped": 6}
    reasons = {row["line"]: (row["path"], row["reason"]) for row in report["skipped"]}
    assert list(reasons) == [13, 14, 15, 45, 46, 47]
    for line, path in ((13, "images/Peru3.png"), (14, "images/Peru4.png"), (15, "images/Peru5.png")):
        assert reasons[line][0] == path and reasons[line][1].startswith("cannot be read: ")
    assert str(house) not in json.dumps(report)
    assert report["unmatched"] == {"Untied States": ["United States"]}
    said = capsys.readouterr()
    assert "unknown country 'Untied States'; did you mean United States" in said.err
    assert "6 of 46 images were skipped." in said.out
    assert re.search(r"^skipped 3 of 46: cannot be read: .*, and the like$", said.err, re.MULTILINE)
    assert "skipped 1 of 46: no such image\n" in said.err
    assert "skipped 1 of 46: the image of line 44 again\n" in said.err
    counted = {row["country"]: (row["n"], row["right"]) for row in report["countries"]}
    assert counted["PER"] == (6, 3) and counted["IND"] == (8, 4)
    assert "6 of 46 images were left out" in Path("report.html").read_text()
    (images / "Peru3.png").write_bytes(whole)  # mended: it counts from now on
    run()
    assert report_at()["images"]["classified"] == 41


def test_lines_left_out_are_counted_by_kind_even_where_the_audit_ends_there(house, capsys):
    manifest = house / "set" / "manifest.csv"
    manifest.write_text(re.sub(r",\d,(?!USA|Norway)", ",-1,", manifest.read_text()) + "gone.png,-2,Peru\n")
    assert run() == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("skipped 35 of 44: label '-1' is no class index (0, 1, ...)")
    assert said[0].endswith(", and the like")
    assert len(said) == 2 and "usable images of 2 countries" in said[1]


def test_a_manifest_that_leads_out_is_refused(house, capsys):
    (house / "secret.png").write_bytes((house / "set" / "images" / "USA0.png").read_bytes())
    with open(house / "set" / "manifest.csv", "a") as stream:
        stream.write("../secret.png,1,Peru\n")
    assert run() == 2
    assert "'../secret.png' is no path inside the manifest's folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("keep", "complaint"),
    [
        (r"path|India|Peru", "2 countries, expected at least 3"),
        (r"path|USA|Norway|Norway", "2 countries, expected at least 3"),
        (r"path|images/(Norway|USA|Germany[0-4])", "every country has the accuracy 1"),
        (
            r"path|images/(India[5-7]|Peru[5-8]|Brazil[56]|Germany9)",
            "wrong on all 10 images, which leaves no slope; are",
        ),
    ],
)
def test_samples_without_a_slope_are_refused(house, keep, complaint, capsys):
    manifest = house / "set" / "manifest.csv"
    manifest.write_text("".join(line for line in manifest.read_text().splitlines(True) if re.search(keep, line)))
    assert run() == 2
    assert complaint in capsys.readouterr().err
    assert not Path("report.html").exists()
    assert ("countries" in complaint) == (not Path("report.predictions.jsonl").exists())


def test_a_country_of_which_no_image_is_left_is_named(house, capsys):
    for path in (house / "set" / "images").glob("Peru*"):
        path.write_bytes(b"")
    for path in (house / "set" / "images").glob("Brazil*"):
        path.unlink()
    assert run("--skipped-limit", "0.5") == 0
    assert report_at()["without_images"] == ["Brazil", "Peru"]
    assert "No image is left of Brazil, Peru." in capsys.readouterr().out
    assert "No image is left of Brazil, Peru." in Path("report.html").read_text()


def test_an_image_with_broken_exif_counts_and_nothing_is_said_of_it(house, capfd):
    images = house / "set" / "images"
    image = Image.open(images / "Peru3.png")
    image.save(images / "Peru3.png", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff")
    image.save(images / "Peru4.png", "AVIF", quality=100)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        assert run() == 0
    assert not [w for w in heard if "PIL" in w.filename] and "PIL" not in capfd.readouterr().err
    assert report_at()["images"] == {"listed": 43, "classified": 43, "skipped": 0}


def test_a_manifest_of_excel_on_windows_is_audited(house):
    manifest = house / "set" / "manifest.csv"
    run(out="plain")
    rows = manifest.read_text().replace("images/", ".\\Images\\").replace(".png", ".PNG").replace(",", ";")
    manifest.write_bytes(rows.replace("\n", "\r\n").encode("utf-16"))
    assert run() == 0
    assert report_at()["countries"] == report_at("plain")["countries"]


def test_two_audits_at_once_do_not_share_a_report(house, capsys):
    with FileLock(".report.lock"):
        assert run() == 2
        assert "another audit is writing report; wait until it ends" in capsys.readouterr().err
        assert run(out="other") == 0
    assert run() == 0


def test_no_lock_stays(house):
    assert run() == 0
    assert run("--shard", "1/2", out="part") == 0
    assert list(house.glob(".*")) == []


def test_one_wealth_for_all_is_refused_before_anything_is_done(house, capsys):
    (house / "wealth.csv").write_text("country,wealth\n" + "".join(f"{country},100\n" for country in COUNTRIES))
    assert run("--wealth", "wealth.csv") == 2
    assert "wealth.csv has one wealth for all images, which leaves no slope; give different" in capsys.readouterr().err
    manifest = house / "set" / "manifest.csv"
    first, *others = manifest.read_text().splitlines()
    manifest.write_text("\n".join([f"{first},wealth", *(f"{line},7" for line in others)]))
    assert run() == 2
    assert "the column wealth of set/manifest.csv has one wealth" in capsys.readouterr().err.replace("\\", "/")
    assert not Path("report.predictions.jsonl").exists()


def test_a_full_disk_is_said_and_the_same_command_goes_on(house, monkeypatch, capsys):
    assert run("--batch-size", "8", out="whole") == 0
    append, batches = classification.append, []

    def full(stream, lines):
        batches.append(lines)
        if len(batches) == 3:
            stream.write('{"path": "images/Ind')
            stream.flush()
            raise OSError(errno.ENOSPC, "No space left on device")
        append(stream, lines)

    monkeypatch.setattr(classification, "append", full)
    assert run("--batch-size", "8") == 2
    assert "No space left on device; the disk is full: make room, and give the same command again" in (
        capsys.readouterr().err
    )
    assert not Path("report.json").exists()
    assert run("--batch-size", "8") == 0
    assert "16 images were classified before." in capsys.readouterr().out
    assert report_at() | {"provenance": None} == report_at("whole") | {"provenance": None}


@pytest.mark.parametrize("out", ["deep/er/report", "report.html", "report.json"])
def test_the_report_lies_where_it_is_asked_for(house, out):
    assert run(out=out) == 0
    stem = Path(out).with_suffix("")
    assert sorted(p.name for p in stem.parent.glob("report*")) == [
        "report.classes.csv",
        "report.countries.csv",
        "report.groups.csv",
        "report.html",
        "report.images.csv",
        "report.json",
        "report.log",
        "report.predictions.jsonl",
    ]


@pytest.mark.parametrize("kind", ["html", "json"])
def test_a_page_of_somebody_else_s_is_left_alone(house, kind, capsys):
    Path(f"report.{kind}").write_text("my thesis")
    assert run() == 2
    assert f"report.{kind} is no file of an earlier audit; move it away" in capsys.readouterr().err
    assert Path(f"report.{kind}").read_text() == "my thesis"
    assert not Path("report.predictions.jsonl").exists()


def test_a_manifest_is_never_written_over(house, monkeypatch, capsys):
    text = (house / "set" / "manifest.csv").read_text()
    (house / "set" / "list.json").write_text(text)
    argv = ["fairlib", "audit", "set/list.json", "--model", "own_model:make", "--out", "set/list", "--size", "16"]
    monkeypatch.setattr(sys, "argv", argv)
    assert __main__.main() == 2
    assert (house / "set" / "list.json").read_text() == text


@pytest.mark.parametrize(
    ("out", "complaint"),
    [
        ("set", "--out is set, a folder; add a name for the report, such as set/report"),
        (".", "--out is ., a folder"),
        ("own_model.py/report", "nothing can be written at own_model.py/report"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_anything_is_done(house, out, complaint, capsys):
    assert run(out=out) == 2
    assert complaint in capsys.readouterr().err
    assert colour().calls == 0


def test_a_missing_manifest_is_refused(house, capsys):
    (house / "set" / "manifest.csv").unlink()
    assert run() == 2
    assert "no manifest at set" in capsys.readouterr().err


def test_a_terminal_without_a_minus_sign_is_written_to(house, monkeypatch):
    written = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", written)
    manifest = house / "set" / "manifest.csv"
    swapped = {"India": "Norway", "Norway": "India", "Peru": "Germany", "Germany": "Peru"}
    manifest.write_text(
        re.sub(rf",({'|'.join(swapped)})$", lambda m: f",{swapped[m[1]]}", manifest.read_text(), flags=re.MULTILINE)
    )
    assert run() == 0
    assert b"slope ?0." in written.buffer.getvalue()


@pytest.mark.parametrize("error", [RuntimeError, AssertionError, MemoryError, KeyError, SystemExit, GeneratorExit])
def test_a_fault_in_the_program_does_not_look_like_a_met_condition(house, monkeypatch, error, capsys):
    def broken(*arguments, **options):
        raise error(1)

    monkeypatch.setattr(command, "analyse", broken)
    assert run("--fail-if", "accuracy<0.5") == 70
    said = capsys.readouterr().err
    assert "this is a fault in the program, not in your input" in said and error.__name__ in said


def test_a_full_disk_behind_the_output_is_no_met_condition(house, monkeypatch):
    class Full(io.StringIO):
        def reconfigure(self, **options):
            pass

        def flush(self):
            raise OSError(28, "No space left on device")

        def fileno(self):
            return other.fileno()

    with open(house / "other", "w") as other:
        monkeypatch.setattr(sys, "stdout", Full())
        assert run("--fail-if", "accuracy>0") == 2
