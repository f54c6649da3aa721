"""What the tests of the experiments share."""

import shutil
from pathlib import Path

import pytest
from book.experiments.hand_made import Small, squares
from made_up import texture

from fairlib import data, imagenet, perceptual, training
from fairlib.book.experiments import fairer, table1

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def house(tmp_path, monkeypatch) -> Path:
    """A data folder with links to the book's data, its own copy of the claims, and no records."""
    for source in (ROOT / "data").iterdir():
        if source.name not in ("results", "claims"):
            (tmp_path / source.name).symlink_to(source)
    shutil.copytree(ROOT / "data" / "claims", tmp_path / "claims")
    monkeypatch.setenv("FAIRLIB_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def start(one_thread):
    """The model that every arm of section 4 starts from. Shared: a test that changes it copies it first."""
    return training.shipped(*fairer.START)


@pytest.fixture
def small(monkeypatch, one_thread):
    """The classifier; the images that it gets right but for the last one."""
    model, x = Small().eval(), (255 * texture(4, 64, seed=7)).round() / 255
    y = model(x).argmax(1)
    y[3] = (y[3] + 1) % 3
    monkeypatch.setenv("FAIRLIB_IMAGES", "photographs")
    monkeypatch.setattr(data, "photographs", lambda folder, size: (x, y), raising=False)
    monkeypatch.setattr(imagenet, "pretrained", lambda name: model, raising=False)
    monkeypatch.setattr(perceptual, "distance", squares)
    monkeypatch.setitem(table1.PERC_AL_N, "embedded", 20)
    return model
