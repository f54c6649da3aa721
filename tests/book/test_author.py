"""The author's networks: the measured table, and a folder of files of that form, which here are the book's own."""

import pickle

import pandas as pd
import pytest
import torch

from fairlib import data, evaluation, training
from fairlib.book import author
from fairlib.defenses import CentroidDefense


def test_what_was_measured_is_beside_the_printed_tables():
    table = author.measured()
    assert len(table) == 3 * 6 * 3 and set(table["n"]) == {10_000}
    cell = table.set_index(["network", "dataset", "eps", "method"])["accuracy"]
    assert cell["FullyConnected", "MNIST", 0.0, "defended"] == 0.36
    assert cell["LeNet5", "MNIST", 0.1, "loose"] == 0.46
    printed = data.table("pepe_tables").set_index(["network", "dataset", "eps", "method"])["accuracy"]
    assert set(cell.index) < set(printed.index)
    undefended = cell.xs("defenseless", level="method")
    assert (undefended - printed.xs("defenseless", level="method").reindex(undefended.index)).abs().max() < 0.05


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder of state dicts under the author's names, with the weights of the book's networks."""
    monkeypatch.delenv(author.VARIABLE, raising=False)
    for pair, name in author.FILES.items():
        torch.save(training.shipped(*pair).state_dict(), tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("named", ["argument", "variable"])
def test_they_are_measured_as_the_book_measures_its_own(place, monkeypatch, named):
    if named == "variable":
        monkeypatch.setenv(author.VARIABLE, str(place))
    found = author.measure(place if named == "argument" else None, images=60)
    assert set(found.groupby(["network", "dataset"]).groups) == set(author.FILES)
    for network, dataset in author.FILES:
        model, (x, y) = training.shipped(network, dataset), (part[:60] for part in data.load(dataset, "test"))
        defense = CentroidDefense(model, data.centroids(dataset), data.alphas(dataset))
        expected = evaluation.under_attack(model, x, y, eps=evaluation.TABLE_EPS, defense=defense)
        ours = found.query("network == @network and dataset == @dataset").reset_index(drop=True)
        pd.testing.assert_frame_equal(
            ours[["eps", "method", "accuracy", "n"]], expected[["eps", "method", "accuracy", "n"]]
        )


def test_without_a_folder_there_is_nothing(monkeypatch):
    monkeypatch.delenv(author.VARIABLE, raising=False)
    assert author.folder() is None and author.measure().empty


class Strange:
    """What no state dict holds."""


def test_what_does_not_fit_is_refused(place, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"is no folder; name the one that has FC_MNIST\.pt"):
        author.folder(tmp_path / "nowhere")
    (place / "CNN_MNIST.pt").unlink()
    with pytest.raises(FileNotFoundError, match=r"CNN_MNIST.pt is missing"):
        author.load(place / "CNN_MNIST.pt", "LeNet5")
    path, good = place / "FC_MNIST.pt", training.shipped("FullyConnected", "MNIST").state_dict()
    wrong = {
        "look at linear1.weight": good | {"linear1.weight": torch.zeros(3, 3)},
        "look at linear6.bias": good | {"linear6.bias": torch.zeros(3)},
        "no finite numbers": good | {"linear1.bias": torch.full((64,), torch.nan)},
        "no state dict of FullyConnected": [1, 2],
    }
    for message, state in wrong.items():
        torch.save(state, path)
        with pytest.raises(ValueError, match=message):
            author.load(path, "FullyConnected")
    torch.save(training.shipped("LeNet5", "MNIST").state_dict(), path)
    with pytest.raises(ValueError, match=r"no state dict of FullyConnected: look at conv1\.bias"):
        author.load(path, "FullyConnected")
    for content in (pickle.dumps(Strange()), b"version https://git-lfs.github.com/spec/v1\n", b""):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="holds something other than tensors, or is damaged; save the network's"):
            author.load(path, "FullyConnected")
    path.write_bytes(bytes(author.LARGEST + 1))
    with pytest.raises(ValueError, match="4,000,001 bytes, expected 4,000,000 at most"):
        author.load(path, "FullyConnected")
