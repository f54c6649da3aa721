"""Interrupted and repeated runs, and what belongs to a file of predictions."""

import json
import re
import sys
import weakref
from pathlib import Path

import pytest
import torch
from audited import MODULE, colour, report_at, run
from PIL import Image

from fairlib import geography
from fairlib.audit import classification
from fairlib.audit.classification import _digest, classify
from fairlib.audit.classifier import Classifier, load_classifier
from fairlib.audit.preparation import read_image, standard_preparation


def test_a_link_made_after_the_manifest_was_read_is_not_followed(house):
    manifest = geography.manifest("set/manifest.csv")
    (house / "secret.png").write_bytes((house / "set" / "images" / "USA0.png").read_bytes())
    (house / "set" / "images" / "USA0.png").unlink()
    (house / "set" / "images" / "USA0.png").symlink_to(house / "secret.png")
    given = load_classifier("own_model:make", 16)
    with pytest.raises(ValueError, match="leads out of the manifest's folder through a link"):
        classify(given, manifest, house / "kept.jsonl")


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
    reports = [report_at(name) for name in ("whole", "report")]
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
    changing, plain, other = house / "set" / "images" / "Peru0.png", read_image, []

    def pixels(path, size):
        found = plain(path, size)
        if path.name == changing.name and not other:
            other.append((int(found.mean((1, 2)).argmax()) + 1) % 3)
            Image.new("RGB", (20, 20), ("red", "lime", "blue")[other[0]]).save(changing)
        return found

    monkeypatch.setattr(classification, "read_image", pixels)
    run()
    run()
    kept = [json.loads(line) for line in Path("report.predictions.jsonl").read_text().splitlines()[1:]]
    stamp = [changing.stat().st_size, changing.stat().st_mtime_ns]
    assert [row["top"][0] for row in kept if row["stamp"] == stamp] == other


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


def test_whatever_the_predictions_depend_on_is_in_the_digest(house):
    import own_model

    maker, prepared = "own_model:marked", standard_preparation(16)
    digests = [_digest(Classifier(maker, own_model.marked(mark), prepared)) for mark in (1.0, 2.0, 1.0)]
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
    assert len(before) == 8
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


def kept() -> list[dict]:
    return [json.loads(line) for line in Path("report.predictions.jsonl").read_text().splitlines()[1:]]


def test_a_batch_is_halved_until_it_fits(house, monkeypatch, capsys):
    run(out="whole")
    sizes, plain = [], classification._Asker._forward

    def narrow(self, images, mixed):
        sizes.append(len(images))
        if len(images) > 5:
            raise torch.OutOfMemoryError("out of memory")
        return plain(self, images, mixed)

    monkeypatch.setattr(classification._Asker, "_forward", narrow)
    assert run("--batch-size", "32") == 0
    said = capsys.readouterr().err
    assert "out of memory; going on with 16 images" in said and "going on with 4 images" in said
    assert max(sizes[sizes.index(4) :]) == 4 and report_at()["countries"] == report_at("whole")["countries"]


def test_a_model_that_needs_too_much_for_one_image_is_refused(house, monkeypatch, capsys):
    def never(self, images, mixed):
        raise MemoryError("no memory")

    monkeypatch.setattr(classification._Asker, "_forward", never)
    assert run() == 2
    assert "cannot take images of shape (1, 3, 16, 16) (MemoryError: no memory)" in capsys.readouterr().err


def test_mixed_precision_counts_what_it_changes(house, monkeypatch):
    monkeypatch.setattr(classification, "COMPARED", 20)
    plain = classification._Asker._forward
    turned = lambda self, images, mixed: plain(self, images, False) * (-1 if mixed else 1)  # noqa: E731
    monkeypatch.setattr(classification._Asker, "_forward", turned)
    run(out="full")
    assert report_at("full")["precision"] is None
    run("--mixed")
    assert report_at()["precision"] == {"compared": 20, "differ": 20} and sum("full" in line for line in kept()) == 20
    assert run() == 2  # another precision: another file


def test_half_precision_is_on_where_it_is_asked_for(house):
    for options, seen in (((), "torch.float32"), (("--mixed",), "torch.bfloat16")):
        (house / "own_model.py").write_text(MODULE.replace("{sign}", "1") + LINEAR)
        sys.modules.pop("own_model", None)
        run(*options, model="own_model:linear", out=f"report{len(options)}")
        assert str(sys.modules["own_model"].seen[-2]) == seen


LINEAR = """
seen = []

def linear():
    class Linear(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(3, 3, bias=False)
            self.layer.weight.data = torch.eye(3)
        def forward(self, x):
            output = self.layer(x.mean((2, 3)))
            seen.append(output.dtype)
            return output
    return Linear()
"""


def test_few_images_are_in_memory_at_a_time(house, monkeypatch):
    alive, most, plain = set(), [0], read_image

    def counted(path, preparation):
        image = plain(path, preparation)
        alive.add(id(image))
        weakref.finalize(image, alive.discard, id(image))
        most.append(len(alive))
        return image

    monkeypatch.setattr(classification, "read_image", counted)
    run("--batch-size", "2")
    assert max(most) <= 3 * 2 + 1  # two batches of images, and the one that is asked
