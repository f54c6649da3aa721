"""The audit from end to end, on a few small images and a model that sees their colour; and all that can be wrong."""

import io
import json
import math
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pandas as pd
import pytest
import torch
from bs4 import BeautifulSoup
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from statsmodels.stats.proportion import proportion_confint

from fairlib import __main__, audit, audit_page, evaluation, fairness, geography, models

COUNTRIES = {"India": (8, 4), "Peru": (9, 5), "Brazil": (7, 5), "Germany": (10, 9), "Norway": (8, 8), "USA": (1, 1)}
MODULE = """
import torch

class Colour(torch.nn.Module):
    calls, interrupt = 0, None

    def forward(self, x):
        assert 0 <= x.min() and x.max() <= 1 and x.shape[1:] == (3, 16, 16)
        Colour.calls += len(x)
        if Colour.interrupt is not None and Colour.calls > Colour.interrupt:
            raise KeyboardInterrupt
        return x.mean((2, 3)) * {sign}

def make():
    return Colour()

def longer():
    class Longer(Colour):
        def forward(self, x):
            return torch.cat((super().forward(x), torch.zeros(len(x), 1)), 1)
    return Longer()

def behind():
    class Behind(Colour):
        def forward(self, x):
            return torch.cat((torch.zeros(len(x), 1), super().forward(x)), 1)
    return Behind()

def small():
    return torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())

def narrow():
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 16 * 16, 2))

def large():
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 3))

def flat():
    return torch.nn.Flatten(0)

def lost():
    class Lost(Colour):
        def forward(self, x):
            return super().forward(x) / 0
    return Lost()

def text():
    return "a model"

def late():
    class Late(Colour):
        def forward(self, x):
            return {"grey": super().forward(x)}["grey" if (x == 0.5).all() else "logits"]
    return Late()

def single():
    return torch.nn.Sequential(Colour(), torch.nn.Linear(3, 1))

def leaving():
    class Leaving(Colour):
        def forward(self, x):
            raise SystemExit(1)
    return Leaving()

def listed():
    class Applied(Colour):
        def __init__(self):
            super().__init__()
            self.function, self.names = lambda x: x, {"india", "peru", "chile"}
        def extra_repr(self):
            return f"{self.function} {id(self)} {self.names}"
        def forward(self, x):
            return self.function(super().forward(x))
    return Applied()

def unmade():
    raise OSError("no disk")

def eager(x):
    return Colour()

def marked(mark=1.0):
    class Marked(Colour):
        def __init__(self):
            super().__init__()
            self.register_buffer("mark", torch.tensor(mark), persistent=False)
        def get_extra_state(self):
            return {"kept": True}
        def set_extra_state(self, state):
            pass
    return Marked()
"""


@pytest.fixture
def house(tmp_path, monkeypatch, one_thread) -> Path:
    """A folder with images, their manifest, and a module of the user's; the working directory."""
    rng = np.random.default_rng(0)
    (tmp_path / "set" / "images").mkdir(parents=True)
    lines = ["path,label,country"]
    for country, (n, right) in COUNTRIES.items():
        for i in range(n):
            label = int(rng.integers(3))
            picture = rng.integers(0, 60, (20, 24, 3), dtype=np.uint8)
            picture[..., label if i < right else (label + 1) % 3] += 150
            Image.fromarray(picture).save(tmp_path / "set" / "images" / f"{country}{i}.png")
            lines.append(f"images/{country}{i}.png,{label},{country}")
    (tmp_path / "set" / "manifest.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "own_model.py").write_text(MODULE.replace("{sign}", "1"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("FAIRLIB_DEVICE", "cpu")
    monkeypatch.setattr(audit, "WORLDS", 50)
    yield tmp_path
    sys.modules.pop("own_model", None)


def run(*options: str, model: str = "own_model:make", out: str = "report") -> int:
    """The command as a user types it: its exit status."""
    argv = ["fairlib", "audit", "set/manifest.csv", "--model", model, "--out", out, "--size", "16", *options]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", argv)
        return __main__.main()


def found(out: str = "report") -> dict:
    return json.loads(Path(f"{out}.json").read_text())


def expected() -> pd.DataFrame:
    codes = geography.match(COUNTRIES)[0]
    table = pd.DataFrame(COUNTRIES.values(), [codes[c] for c in COUNTRIES], columns=["n", "right"])
    return table.assign(accuracy=table["right"] / table["n"], log_gdp=np.log(geography.gdp()[table.index]))


# --- It works. --------------------------------------------------------------------------------------------------------


def test_the_numbers_are_those_of_the_images(house, capsys):
    assert run() == 0
    report = found()
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


def test_the_page_stands_alone(house):
    run("--fail-if", "p<0")
    text = Path("report.html").read_text()
    page = BeautifulSoup(text, "html.parser")
    assert not page.find_all(["script", "link", "iframe", "img"])
    sources = [tag[a] for tag in page.find_all() for a in ("src", "href", "xlink:href") if a in tag.attrs]
    assert all(source.startswith(("#", "data:")) for source in sources)
    assert "prefers-color-scheme: dark" in page.style.string
    figures = page.find_all("svg")
    assert len(figures) == 2
    assert all(figure["role"] == "img" and len(figure["aria-label"]) > 40 for figure in figures)
    ids = [tag["id"] for tag in page.find_all(id=True)]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", text)) <= set(ids)
    assert not re.search(r"(?:fill|stroke): #(?:000000|262626)", text)
    captions = {t.caption.text: t for t in page.find_all("table")}
    assert len(captions["Countries, the poorest first"].tbody.find_all("tr")) == len(COUNTRIES)
    assert captions["Countries, the poorest first"].tbody.tr.th.text == "India"
    assert captions["Conditions that make this audit fail"].tbody.tr.td.find_next_sibling().text == "not met"
    assert str(house) not in text


def test_any_of_several_labels_is_right(house):
    manifest = house / "set" / "manifest.csv"
    manifest.write_text(re.sub(r",(\d),(India|Peru)", r",0|1|2,\2", manifest.read_text()))
    assert run() == 0
    counted = {row["country"]: row["accuracy"] for row in found()["countries"]}
    assert counted["IND"] == counted["PER"] == 1
    assert counted["BRA"] == 5 / 7


# --- Labels that may not be the model's. ------------------------------------------------------------------------------


def shift(by: int) -> None:
    manifest = Path("set/manifest.csv")
    manifest.write_text(re.sub(r"(?<=,)\d(?=,)", lambda m: str(int(m[0]) + by), manifest.read_text()))


def test_labels_counted_from_1_are_noticed(house, capsys):
    shift(1)
    assert run(model="own_model:longer") == 0
    warnings = found()["warnings"]
    low, high = proportion_confint(32, 43, method="wilson")
    assert warnings[0].startswith(
        f"With -1 added to every label the accuracy would be {32 / 43:.3f} [{low:.3f}, {high:.3f}], not "
        f"{found()['accuracy']:.3f} ["
    )
    assert "are they counted from 1?" in warnings[0]
    assert [f"warning: {w}" for w in warnings] == capsys.readouterr().err.splitlines()
    main = BeautifulSoup(Path("report.html").read_text(), "html.parser").main
    assert main.h1.find_next_sibling().text == f"Warning: {warnings[0]}"


def test_a_class_in_front_is_noticed_even_where_the_audit_ends_there(house, capsys):
    assert run(model="own_model:behind") == 2
    said = capsys.readouterr().err
    assert f"With +1 added to every label the accuracy would be {32 / 43:.3f}" in said
    assert "wrong on all 43 images" in said


def test_sound_labels_raise_no_warning(house, capsys):
    run()
    assert found()["warnings"] == []
    assert not capsys.readouterr().err
    assert "Warning" not in Path("report.html").read_text()


def test_a_warning_does_not_change_the_exit_status(house):
    shift(1)
    assert run("--fail-if", "accuracy<0.5", model="own_model:longer") == 1
    assert run("--fail-if", "accuracy>0.5", model="own_model:longer") == 0


def test_labels_move_only_for_a_clear_gain():
    labels = [(i % 5,) for i in range(100)]
    for moved in range(101):
        predicted = np.array([label - (i < moved) for i, (label,) in enumerate(labels)]) % 1_000
        gained = sum(label > 0 for (label,) in labels[:moved])  # label 0 cannot be moved to -1
        clear = evaluation.paired(gained, 100 - moved, 100)[1] > 0
        assert any("With -1" in text for text in audit.doubts(predicted, labels, 1_000)) == clear


def test_several_right_labels_move_as_a_whole():
    labels, predicted = [(1, 3)] * 30 + [(5,)] * 10, np.array([0, 2] * 15 + [5] * 10)
    (said,) = audit.doubts(predicted, labels, 1_000)
    low, high = proportion_confint(30, 40, method="wilson")
    assert f"With -1 added to every label the accuracy would be 0.750 [{low:.3f}, {high:.3f}], not 0.250" in said
    (said,) = audit.doubts(np.array([2, 4] * 15 + [5] * 10), labels, 1_000)
    assert "With +1 added to every label the accuracy would be 0.750" in said


@pytest.mark.parametrize(("classes", "those"), [(4, (0,)), (8, (0, 1)), (8, (0, 1, 1))])
def test_an_accuracy_is_held_against_chance(classes, those):
    for right in range(101):
        predicted = np.array([0] * right + [3] * (100 - right))
        said = audit.doubts(predicted, [those] * 100, classes)
        low = proportion_confint(right, 100, method="wilson")[0]
        assert any("is not above chance, 0.250" in text for text in said) == (low <= 0.25)


# --- Exit status. -----------------------------------------------------------------------------------------------------


def test_conditions_decide_the_exit_status(house, capsys):
    slope = fairness.slope(expected()).slope
    assert run("--fail-if", f"slope>{slope - 0.001}", "--fail-if", "p<0") == 1
    assert [c["met"] for c in found()["conditions"]] == [True, False]
    assert f"Condition met: slope>{slope - 0.001}" in capsys.readouterr().out
    assert run("--fail-if", f"slope > {slope + 0.001}", "--fail-if", "worst<0.5") == 0
    assert run("--fail-if", "worst<=0.5") == 1
    assert run("--fail-if", "skipped>=0") == 1


@settings(deadline=None)
@given(st.text(max_size=20))
def test_any_text_is_a_condition_or_refused(text):
    try:
        given_ = audit.condition(text)
    except ValueError:
        return
    assert given_.quantity in audit.QUANTITIES and given_.sign in audit.OPERATORS and math.isfinite(given_.bound)


@given(st.sampled_from(list(audit.OPERATORS)), st.floats(-1, 1), st.floats(-1, 1))
def test_a_condition_is_the_comparison(sign, value, bound):
    given_ = audit.condition(f"accuracy {sign} {bound!r}")
    assert given_.met({"accuracy": value}) == eval(f"{value!r} {sign} {bound!r}")
    assert not given_.met({"accuracy": None})


@pytest.mark.parametrize(
    "text", ["slope", "slope=0.1", "slope>x", "slope>0.1 or 1", "__import__('os')>1", "slope>1;p>2", ""]
)
def test_what_is_no_condition_is_refused_before_anything_is_done(house, text, capsys):
    assert run("--fail-if", text) == 2
    assert "is no condition" in capsys.readouterr().err
    assert not Path("report.predictions.jsonl").exists()


def test_an_unknown_quantity_is_refused(house, capsys):
    assert run("--fail-if", "bias>0.1") == 2
    assert "quantity is 'bias', expected one of: slope, slope_low" in capsys.readouterr().err


@pytest.mark.parametrize("error", [RuntimeError, AssertionError, MemoryError, KeyError, SystemExit, GeneratorExit])
def test_a_fault_in_the_program_does_not_look_like_a_met_condition(house, monkeypatch, error, capsys):
    def broken(*arguments, **options):
        raise error(1)

    monkeypatch.setattr(audit, "report", broken)
    assert run("--fail-if", "accuracy<0.5") == 70
    said = capsys.readouterr().err
    assert "this is a fault in the program, not in your input" in said and error.__name__ in said


@pytest.mark.parametrize(("error", "status"), [("ImportError", 70), ("ValueError", 70), ("KeyboardInterrupt", 130)])
def test_neither_does_a_package_that_cannot_be_imported(tmp_path, error, status):
    (tmp_path / "numpy.py").write_text(f"raise {error}('broken')\n")
    path = os.pathsep.join((str(tmp_path), str(Path(__file__).parents[1])))
    command = [sys.executable, "-m", "fairlib", "audit", "x.csv", "--model", "x", "--out", "x"]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True)
    assert done.returncode == status, done.stderr


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


# --- Images that are not as they should be. ---------------------------------------------------------------------------


def test_images_that_cannot_be_read_are_skipped_and_counted(house, capsys):
    images = house / "set" / "images"
    whole = (images / "Peru3.png").read_bytes()
    (images / "Peru3.png").write_bytes(whole[: len(whole) // 2])
    (images / "Peru4.png").write_bytes(b"")
    (images / "Peru5.png").write_text("no picture")
    with open(house / "set" / "manifest.csv", "a") as stream:
        stream.write("gone.png,1,Peru\nimages/USA0.png,1,USA\nimages/India0.png,0,Untied States\n")
    assert run() == 0
    report = found()
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
    assert found()["images"]["classified"] == 41


def test_lines_left_out_are_counted_by_kind_even_where_the_audit_ends_there(house, capsys):
    manifest = house / "set" / "manifest.csv"
    manifest.write_text(re.sub(r",\d,(?!USA|Norway)", ",-1,", manifest.read_text()) + "gone.png,-2,Peru\n")
    assert run() == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "skipped 35 of 44: label '-1' is no class index (0, 1, ...), and the like"
    assert len(said) == 2 and "usable images of 2 countries" in said[1]


def test_what_a_manifest_says_is_text_on_the_page(house):
    with open(house / "set" / "manifest.csv", "a") as stream:
        stream.write("<script>alert(1)</script>.png,1,Peru\nimages/USA0.png,1,<b>Peru</b>\n")
    assert run() == 0
    page = BeautifulSoup(Path("report.html").read_text(), "html.parser")
    assert not page.find_all(["script", "b"])
    assert "<script>alert(1)</script>.png" in page.text


def test_a_manifest_that_leads_out_is_refused(house, capsys):
    (house / "secret.png").write_bytes((house / "set" / "images" / "USA0.png").read_bytes())
    with open(house / "set" / "manifest.csv", "a") as stream:
        stream.write("../secret.png,1,Peru\n")
    assert run() == 2
    assert "'../secret.png' is no path inside the manifest's folder" in capsys.readouterr().err


def test_a_link_made_after_the_manifest_was_read_is_not_followed(house):
    manifest = geography.manifest("set/manifest.csv")
    (house / "secret.png").write_bytes((house / "set" / "images" / "USA0.png").read_bytes())
    (house / "set" / "images" / "USA0.png").unlink()
    (house / "set" / "images" / "USA0.png").symlink_to(house / "secret.png")
    given_ = audit.classifier("own_model:make", 16)
    with pytest.raises(ValueError, match="leads out of the manifest's folder through a link"):
        audit.classify(given_, manifest, house / "kept.jsonl")


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
    assert run() == 0
    assert found()["without_images"] == ["Brazil", "Peru"]
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
    assert found()["images"] == {"listed": 43, "classified": 43, "skipped": 0}


def test_a_manifest_of_excel_on_windows_is_audited(house):
    manifest = house / "set" / "manifest.csv"
    run(out="plain")
    rows = manifest.read_text().replace("images/", ".\\Images\\").replace(".png", ".PNG").replace(",", ";")
    manifest.write_bytes(rows.replace("\n", "\r\n").encode("utf-16"))
    assert run() == 0
    assert found()["countries"] == found("plain")["countries"]


def test_pixels_are_turned_resized_and_cut(tmp_path):
    wide = np.zeros((32, 64, 3), np.uint8)
    wide[:, :32, 0] = wide[:, 32:, 2] = 255  # left red, right blue
    image = Image.fromarray(wide)
    image.save(tmp_path / "plain.png")
    x = audit.pixels(tmp_path / "plain.png", audit.usual(28))
    assert (x.shape, x.dtype) == ((3, 28, 28), torch.float32)
    assert x.min() >= 0 and x.max() <= 1
    assert torch.allclose(x[0, :, :12], torch.tensor(1.0), atol=0.02)
    assert torch.allclose(x[2, :, 16:], torch.tensor(1.0), atol=0.02)
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    image.save(tmp_path / "turned.png", exif=exif)
    assert torch.equal(audit.pixels(tmp_path / "turned.png", audit.usual(28)), x.flip(1, 2))
    for mode in ("L", "RGBA", "P", "LA", "CMYK"):
        image.convert(mode).save(tmp_path / "other.tif")
        assert audit.pixels(tmp_path / "other.tif", audit.usual(28)).shape == (3, 28, 28)
    image.save(tmp_path / "moving.gif", save_all=True, append_images=[image.rotate(180)])
    assert audit.pixels(tmp_path / "moving.gif", audit.usual(28))[0, 0, 0] > 0.9  # the first frame


def test_sixteen_bits_are_scaled_not_cut_off(tmp_path):
    ramp = np.tile(np.linspace(0, 65535, 64), (64, 1)).astype(np.uint16)
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.fromarray(ramp).save(tmp_path / "deep.png", exif=exif)
    Image.fromarray((ramp / 257).round().astype(np.uint8)).save(tmp_path / "flat.png", exif=exif)
    deep, flat = (audit.pixels(tmp_path / name, audit.usual(28)) for name in ("deep.png", "flat.png"))
    assert torch.equal(deep, flat)
    assert 0.4 < deep.mean() < 0.6


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_numbers_of_unknown_range_are_refused(tmp_path, kind):
    Image.fromarray(np.full((8, 8), 200, kind)).save(tmp_path / "x.tif")
    with pytest.raises(
        ValueError, match=r"the range of its numbers \(mode [FI]\) is unknown; save it with 8 or 16 bits"
    ):
        audit.pixels(tmp_path / "x.tif", audit.usual(28))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_images_that_would_fill_the_memory_are_refused(tmp_path):
    for name, shape in (("many; scale the image down", (9_500, 9_500)), ("narrow; cut", (1, 2_000))):
        Image.new("1", shape).save(tmp_path / f"{name}.png")
        with pytest.raises(ValueError, match=rf"\d+ x \d+ pixels are too {name}"):
            audit.pixels(tmp_path / f"{name}.png", audit.usual(224))


def test_no_other_program_is_started_for_an_image(tmp_path):
    (tmp_path / "x.eps").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    with pytest.raises(ValueError, match=r"in a format that is not read here; expected one of AVIF, .*JPEG"):
        audit.pixels(tmp_path / "x.eps", audit.usual(28))


# --- Interrupted and repeated runs. -----------------------------------------------------------------------------------


def colour():
    return sys.modules["own_model"].Colour


def test_an_interrupted_run_goes_on_where_it_was(house, capsys):
    run(out="whole")
    colour().calls, colour().interrupt = 0, 20
    assert run("--batch-size", "8") == 130
    assert "interrupted" in capsys.readouterr().err
    assert not Path("report.html").exists()
    with open("report.predictions.jsonl", "a") as stream:
        stream.write('{"path": "images/Norw')  # killed while it wrote
    colour().calls, colour().interrupt = 0, None
    assert run("--batch-size", "8") == 0
    assert colour().calls == 43 - 16 + 1  # and the grey image that a model is tried on
    assert "16 images were classified before." in capsys.readouterr().out
    reports = [found(name) for name in ("whole", "report")]
    assert reports[0].pop("provenance") and reports[1].pop("provenance")
    assert reports[0] == reports[1]
    kept = [json.loads(line) for line in Path("report.predictions.jsonl").read_text().splitlines()]
    assert len(kept) == 1 + 43


def test_a_finished_run_is_not_done_again_but_for_images_that_changed(house):
    run()
    colour().calls = 0
    assert run() == 0
    assert colour().calls == 1  # the grey image that a model is tried on
    Image.new("RGB", (20, 20), "white").save(house / "set" / "images" / "Peru0.png")
    assert run() == 0
    assert colour().calls == 1 + 1 + 1


def test_an_image_that_changes_while_it_is_read_is_read_again(house, monkeypatch):
    changing, plain, other = house / "set" / "images" / "Peru0.png", audit.pixels, []

    def pixels(path, size):
        found = plain(path, size)
        if path.name == changing.name and not other:
            other.append((int(found.mean((1, 2)).argmax()) + 1) % 3)
            Image.new("RGB", (20, 20), ("red", "lime", "blue")[other[0]]).save(changing)
        return found

    monkeypatch.setattr(audit, "pixels", pixels)
    run()
    run()
    kept = [json.loads(line) for line in Path("report.predictions.jsonl").read_text().splitlines()[1:]]
    stamp = [changing.stat().st_size, changing.stat().st_mtime_ns]
    assert [row["predicted"] for row in kept if row["stamp"] == stamp] == other


def test_a_layer_that_prints_an_address_does_not_keep_a_run_from_going_on(house, capsys):
    for said in ("", "43 images were classified before."):
        sys.modules.pop("own_model", None)  # as in another process, functions lie elsewhere
        assert run(model="own_model:listed") == 0
        assert said in capsys.readouterr().out


def test_a_file_that_the_model_s_module_imports_is_part_of_the_model(house, capsys):
    (house / "own_helper.py").write_text("def seen(x):\n    return x\n")
    (house / "own_model.py").write_text("from own_helper import seen\n" + MODULE.replace("* {sign}", "* seen(1)"))
    try:
        assert run() == 0
        (house / "own_helper.py").write_text("def seen(x):\n    return -x\n")
        assert run() == 2
        assert "is of other weights, code or preparation of images" in capsys.readouterr().err
    finally:
        sys.modules.pop("own_helper", None)


def test_labels_that_a_finished_run_cannot_have_are_refused(house, capsys):
    run()
    manifest = house / "set" / "manifest.csv"
    manifest.write_text(re.sub(r"Peru0.png,\d", "Peru0.png,3", manifest.read_text()))
    assert run() == 2
    assert "has 3 classes, but the manifest's labels go up to 3 (line 10)" in capsys.readouterr().err


def test_two_audits_at_once_do_not_share_a_report(house, capsys):
    with FileLock(".report.lock"):
        assert run() == 2
        assert "another audit is writing report; wait until it ends" in capsys.readouterr().err
        assert run(out="other") == 0
    assert run() == 0


def test_whatever_the_predictions_depend_on_is_in_the_digest(house):
    import own_model

    given_ = [audit.Classifier("own_model:marked", own_model.marked(mark), audit.usual(16)) for mark in (1.0, 2.0, 1.0)]
    digests = [audit._digest(g) for g in given_]
    assert digests[0] == digests[2] != digests[1]


@pytest.mark.parametrize(
    ("size", "model", "sign", "complaint"),
    [
        ("16", "own_model:small", "1", "another model"),
        ("24", "own_model:make", "1", "another size"),
        ("16", "own_model:make", "-1", "other weights, code or preparation of images"),
    ],
)
def test_the_predictions_of_another_model_are_kept(house, size, model, sign, complaint, capsys):
    assert run() == 0
    before = {path: path.read_bytes() for path in house.glob("report.*")}
    assert len(before) == 3
    code = MODULE.replace("{sign}", sign).replace("(3, 16, 16)", f"(3, {size}, {size})")
    (house / "own_model.py").write_text(code)
    sys.modules.pop("own_model")
    options = ("--size", size)
    assert run(*options, model=model) == 2
    said = capsys.readouterr().err
    assert f"report.predictions.jsonl is of {complaint} (model own_model:make, size 16); name another --out" in said
    assert {path: path.read_bytes() for path in house.glob("report.*")} == before
    assert run(*options, model=model, out="other") == 0


@pytest.mark.parametrize("text", ["my thesis", "", '{"a": 1}\n', "[1, 2]\n"])
def test_a_file_of_somebody_else_s_is_left_alone(house, text, capsys):
    Path("report.predictions.jsonl").write_text(text)
    assert run() == 2
    assert "is no file of an earlier audit; move it away" in capsys.readouterr().err
    assert Path("report.predictions.jsonl").read_text() == text


@pytest.mark.parametrize("out", ["deep/er/report", "report.html", "report.json"])
def test_the_report_lies_where_it_is_asked_for(house, out):
    assert run(out=out) == 0
    stem = Path(out).with_suffix("")
    assert sorted(p.name for p in stem.parent.glob("report*")) == [
        "report.html",
        "report.json",
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


# --- Models. ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "complaint"),
    [
        (
            "own_model:narrow",
            "has 2 classes, but the manifest's labels go up to 2 (line 2); give a model with 3 classes or more",
        ),
        ("own_model:large", "cannot take images of shape (1, 3, 16, 16) (RuntimeError: "),
        ("own_model:late", "cannot take images of shape (32, 3, 16, 16) (KeyError: 'logits')"),
        ("own_model:flat", "gave (768,) for a batch of 1, expected (1, classes)"),
        ("own_model:lost", "gave numbers that are not finite"),
        (
            "own_model:single",
            "gives one number for an image, so that class 0 is always its answer; expected (N, classes)",
        ),
        ("own_model:leaving", "cannot take images of shape (1, 3, 16, 16) (SystemExit: 1)"),
        ("own_model:text", "returned a str, expected a torch.nn.Module"),
        ("own_model:unmade", "the model own_model:unmade cannot be made (OSError: no disk)"),
        ("own_model:eager", "cannot be made (TypeError: eager() missing 1 required positional argument"),
        ("own_model:gone", "cannot be made (AttributeError: "),
        ("broken:make", "cannot be made (SyntaxError: "),
        ("leaving:make", "cannot be made (SystemExit: 0)"),
        ("no_such_module:make", "cannot be made (ModuleNotFoundError: "),
        (":", "cannot be made (ValueError: "),
        ("resnet5000", "no model is called 'resnet5000'; expected"),
    ],
)
def test_models_that_do_not_fit_are_refused(house, model, complaint, capsys):
    (house / "broken.py").write_text("def make(:\n")
    (house / "leaving.py").write_text("import sys\nsys.exit(0)\n")
    assert run(model=model) == 2
    assert not Path("report.html").exists()
    assert complaint in capsys.readouterr().err


def test_the_help_says_where_a_module_lies_and_how_to_give_a_condition(capsys):
    with pytest.raises(SystemExit):
        __main__.parser().parse_args(["audit", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    for words in ("current folder or on PYTHONPATH", "Best 'slope_low>0'", "Quote it: to a shell >"):
        assert words in said


def test_a_missing_manifest_is_refused(house, capsys):
    (house / "set" / "manifest.csv").unlink()
    assert run() == 2
    assert "no manifest at set" in capsys.readouterr().err


def test_sizes_are_checked(house, capsys):
    assert run("--batch-size", "0") == 2
    assert run("--size", "0") == 2
    assert "size is 0, expected 1 pixel or more" in capsys.readouterr().err


def test_a_model_of_torchvision_normalises_as_its_weights_say(monkeypatch):
    from torchvision import models as known
    from torchvision.models import _api

    state = known.squeezenet1_1().state_dict()
    monkeypatch.setattr(_api, "load_state_dict_from_url", lambda *args, **kwargs: state)
    given_ = audit.classifier("squeezenet1_1")
    assert given_.size == 224 and not given_.model.training
    x, plain = torch.rand(2, 3, 64, 64), known.squeezenet1_1().eval()
    plain.load_state_dict(state)
    preset = known.SqueezeNet1_1_Weights.DEFAULT.transforms(crop_size=64, resize_size=64)
    with torch.no_grad():
        assert torch.allclose(given_.model(x), plain(preset(x)), atol=1e-5)


def normalised(x, mean, deviation):
    return (x - torch.tensor(mean).view(-1, 1, 1)) / torch.tensor(deviation).view(-1, 1, 1)


@pytest.fixture
def photograph(tmp_path) -> Path:
    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 256, (347, 521, 3), dtype=np.uint8)).save(tmp_path / "photograph.png")
    return tmp_path / "photograph.png"


WEIGHTS = ["ResNet50_Weights.IMAGENET1K_V1", "ResNet50_Weights.IMAGENET1K_V2", "EfficientNet_B0_Weights.IMAGENET1K_V1",
           "Inception_V3_Weights.IMAGENET1K_V1", "ViT_B_16_Weights.IMAGENET1K_SWAG_E2E_V1"]  # fmt: skip


@pytest.mark.parametrize("name", WEIGHTS)
def test_torchvision_s_preset_prepares_the_images(photograph, name):
    from torchvision.models import get_weight

    weights = get_weight(name)
    preset = weights.transforms()
    side, prepare = audit._preset(weights)
    x = audit.pixels(photograph, prepare(side))
    assert (side, tuple(x.shape)) == (preset.crop_size[0], (3, side, side))
    assert x.min() >= 0 and x.max() <= 1
    with Image.open(photograph) as image:
        expected = preset(image)
    assert torch.allclose(normalised(x, preset.mean, preset.std), expected, atol=1e-5)
    told = prepare(side).told
    assert f"short side to {preset.resize_size[0]} pixels ({preset.interpolation.value}" in told and name in told
    assert prepare(side // 2).short == round(preset.resize_size[0] * (side // 2) / side)


@pytest.mark.parametrize(
    "changes",
    [
        {"interpolation": "bilinear", "crop_pct": 0.95},
        {"interpolation": "bicubic", "crop_pct": 1.0, "crop_mode": "squash"},
        {"interpolation": "bicubic", "crop_pct": 0.9, "crop_mode": "border"},
        {"input_size": (3, 96, 128), "crop_pct": 0.9},
    ],
)
def test_timm_s_configuration_prepares_the_images(monkeypatch, photograph, changes):
    timm = pytest.importorskip("timm")
    network = timm.create_model("test_vit", pretrained=False)
    network.pretrained_cfg = network.default_cfg = timm.models.generate_default_cfgs(
        {"test_vit": {**network.pretrained_cfg, **changes}}
    )["test_vit"].default.to_dict()
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained: network)
    config = timm.data.resolve_model_data_config(network)
    assert {key: config[key] for key in changes} == changes
    given_ = audit.classifier("test_vit")
    with Image.open(photograph) as image:
        expected = timm.data.create_transform(**config, is_training=False)(image)
    x = audit.pixels(photograph, given_.preparation)
    assert tuple(x.shape[1:]) == given_.preparation.shape == config["input_size"][1:]
    assert torch.allclose(normalised(x, config["mean"], config["std"]), expected, atol=1e-5)
    assert f"({config['interpolation']})" in given_.preparation.told
    smaller = audit.classifier("test_vit", 64)
    assert audit.pixels(photograph, smaller.preparation).shape == (3, 64, 64)


def test_the_report_says_how_images_are_prepared_and_warns_of_another_size(house, monkeypatch, capsys):
    import own_model

    assert run() == 0
    told = "short side to 18 pixels (bicubic), middle 16 x 16 cut out"
    assert found()["model"]["preparation"] == told and found()["warnings"] == []
    assert told in BeautifulSoup(Path("report.html").read_text(), "html.parser").text
    assert "warning" not in capsys.readouterr().err
    monkeypatch.setattr(models, "pretrained", {"EfficientNet-Lite0": own_model.make()}.__getitem__)
    assert run(model="efficientnet_lite0", out="other") == 0
    (said,) = found("other")["warnings"]
    assert "prepared with 16 pixels a side, but the weights of efficientnet_lite0 ask for 224" in said
    assert capsys.readouterr().err.splitlines() == [f"warning: {said}"]
    assert f"Warning: {said}" in BeautifulSoup(Path("other.html").read_text(), "html.parser").text
    assert audit.classifier("efficientnet_lite0", 224).warnings() == []
    assert audit.classifier("efficientnet_lite0").warnings() == []


def test_the_book_s_resnet_has_the_preset_of_its_weights(monkeypatch):
    monkeypatch.setattr(models, "pretrained", {"ResNet-50": torch.nn.Identity()}.__getitem__)
    given_ = audit.classifier("resnet50")
    assert given_.preparation.told.startswith("short side to 256 pixels (bilinear, antialiased), middle 224 x 224")
    assert "ResNet50_Weights.IMAGENET1K_V1" in given_.preparation.told


def test_weights_that_cannot_be_had_are_named(monkeypatch):
    from torchvision.models import _api

    def unplugged(*args, **kwargs):
        raise URLError("no network in this test")

    monkeypatch.setattr(_api, "load_state_dict_from_url", unplugged)
    with pytest.raises(
        FileNotFoundError, match=r"the weights of squeezenet1_1 could not be had .*no network in this test"
    ):
        audit.classifier("squeezenet1_1")


def test_a_model_of_timm_normalises_as_it_says(monkeypatch):
    timm = pytest.importorskip("timm")
    network = timm.create_model("test_vit", pretrained=False)
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained: network)
    given_ = audit.classifier("test_vit")
    config = network.default_cfg
    x = torch.rand(1, *config["input_size"])
    mean, std = (torch.tensor(config[key]).view(-1, 1, 1) for key in ("mean", "std"))
    with torch.no_grad():
        assert torch.allclose(given_.model(x), network((x - mean) / std), atol=1e-5)
    assert given_.size == config["input_size"][-1]


def test_a_network_of_timm_that_does_not_classify_is_refused(monkeypatch):
    timm = pytest.importorskip("timm")
    network = timm.create_model("test_vit", pretrained=False, num_classes=0)
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained: network)
    with pytest.raises(ValueError, match="test_vit has no classes, it gives features"):
        audit.classifier("test_vit")


def test_a_network_of_timm_that_nobody_trained_is_named(monkeypatch):
    timm = pytest.importorskip("timm")
    monkeypatch.setattr(timm.models._builder, "_resolve_pretrained_source", lambda config: ("", ""))
    with pytest.raises(FileNotFoundError, match="the weights of test_vit could not be had"):
        audit.classifier("test_vit")


@pytest.mark.parametrize("name", ["EfficientNet-Lite0", "efficientnet_lite0"])
def test_the_book_s_own_models_come_first(monkeypatch, name):
    own = torch.nn.Identity()
    monkeypatch.setattr(models, "PRETRAINED", ("EfficientNet-Lite0", "ResNet-50"), raising=False)
    monkeypatch.setattr(models, "pretrained", {"EfficientNet-Lite0": own}.__getitem__, raising=False)
    assert audit.classifier(name).model is own
    assert audit.classifier(name, 300).size == 300


# --- The numbers of a table. ------------------------------------------------------------------------------------------


def test_a_report_is_json_whatever_the_table():
    table = expected().assign(name=list(COUNTRIES), low=0.0, high=1.0)
    for part in (table, table.head(3)):
        text = json.dumps(audit.jsonable(audit.report(part, worlds=20)), allow_nan=False)
        assert json.loads(text)["slope"]["df"] == len(part) - 2
    perfect = table.assign(accuracy=[0.5, 0.5, 0.5, 0.5, 0.5, 1.0], right=0)
    json.dumps(audit.jsonable(audit.report(perfect, worlds=20)), allow_nan=False)
    assert audit.jsonable({"a": [float("nan"), np.int64(3), (np.float64("inf"),)]}) == {"a": [None, 3, [None]]}


def test_an_interval_of_p_never_reads_as_zero(house):
    table = expected().assign(name=list(COUNTRIES), low=0.0, high=1.0)
    whole = audit.jsonable(audit.report(table, worlds=20))
    for low, high, said in ((0.0, 0.0004, "[&lt; 0.001, &lt; 0.001]"), (0.0004, 0.002, "[&lt; 0.001, 0.002]")):
        page = audit_page._tests(whole | {"permutation": {"p": 0.0001, "low": low, "high": high}})
        assert f"interval of p is {said}" in page


def test_what_could_have_been_found_bears_its_simulation_error():
    found_ = audit.could_have_found(expected(), 0.05, 0.01, worlds=400, seed=1)  # a reach that is too short at first
    curve = pd.DataFrame(found_["curve"])
    assert curve["slope"].max() > 0.01 and (curve["high"] > curve["share"]).any()
    low, at, high = (found_[name] for name in ("detectable_low", "detectable", "detectable_high"))
    assert 0 < low < at < high < curve["slope"].max()
    many = audit.could_have_found(expected(), 0.05, 0.01, worlds=5_000, seed=2)["detectable"]
    assert low < many < high
    again = audit.could_have_found(expected(), 0.05, 0.01, worlds=3_600, seed=1)
    assert again["detectable_high"] - again["detectable_low"] < (high - low) / 2


def test_a_sample_that_finds_nothing_says_so():
    few = expected().loc[["IND", "PER", "NOR"]].assign(n=1, right=[0, 1, 1], accuracy=[0.0, 1.0, 1.0])
    found_ = audit.could_have_found(few, 0.0, 0.1, worlds=50, seed=0)
    assert math.isnan(found_["detectable"]) and found_["curve"][-1]["slope"] == audit.STEEPEST
    assert audit_page.reached(audit.jsonable(found_)) == "no slope up to 1.000"


def test_what_a_slope_amounts_to_has_the_slopes_interval():
    table = expected().assign(name=list(COUNTRIES), low=0.0, high=1.0)
    said = audit.report(table, worlds=20)
    slope, effect = said["slope"], said["effect"]
    for name in ("doubling", "gap"):
        scale = effect[name] / slope["slope"]
        assert [effect[f"{name}_{end}"] for end in ("low", "high")] == pytest.approx(
            [scale * slope[e] for e in ("low", "high")]
        )
    assert said["accuracy"] == pytest.approx(32 / 43)
    assert (said["accuracy_low"], said["accuracy_high"]) == pytest.approx(proportion_confint(32, 43, method="wilson"))
