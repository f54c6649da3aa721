"""Training gives the bits of a plain loop, whatever interrupts it; a checkpoint is whole, and nobody else's."""

import copy
import os

import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from torch.utils.data import DataLoader, TensorDataset

from fairlib import checkpoints, data, runtime, training
from fairlib.models import NETWORKS

pytestmark = pytest.mark.usefixtures("no_trace")


@pytest.fixture(scope="module")
def images():
    """2,000 images to train on, 500 to validate with: (x, y, x_val, y_val)."""
    x, y = data.load("MNIST", "train")
    return x[:2000].clone(), y[:2000].clone(), x[2000:2500].clone(), y[2000:2500].clone()


def same(one, other) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def accuracy(model, x, y) -> float:
    model.eval()
    return sum(int(model(image[None]).argmax()) == label for image, label in zip(x, y.tolist(), strict=True)) / len(x)


@pytest.mark.parametrize("network", NETWORKS)
def test_fit_gives_the_bits_of_the_textbook_loop(images, network):
    x, y, x_val, y_val = images
    model, twin = (training.initialised(network, seed=1) for _ in range(2))
    history = training.fit(model, x, y, x_val, y_val, epochs=2, stop_at=None)
    expected = []
    with runtime.threads(1), torch.random.fork_rng(devices=[]):  # a DataLoader draws a seed even to shuffle nothing
        optimiser = torch.optim.SGD(twin.parameters(), lr=0.01)
        for epoch in (1, 2):
            losses = []
            twin.train()
            for x_batch, y_batch in DataLoader(TensorDataset(x, y), batch_size=32):
                optimiser.zero_grad()
                loss = F.nll_loss(twin(x_batch), y_batch)
                loss.backward()
                optimiser.step()
                losses += [loss.item()] * len(x_batch)
            expected.append([epoch, sum(losses) / 2000, accuracy(twin, x_val, y_val)])
    assert same(model, twin)
    assert list(history.columns) == ["epoch", "loss", "validation"]
    torch.testing.assert_close(torch.tensor(history.to_numpy()), torch.tensor(expected).double(), rtol=1e-5, atol=0)
    assert not model.training


def test_initialised_is_torchs_own_start():
    for name, network in NETWORKS.items():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            expected = network()
        assert same(training.initialised(name, seed=3), expected)
        assert not same(training.initialised(name, seed=4), expected)
    with pytest.raises(ValueError, match="network is 'VGG', expected one of: FullyConnected, LeNet5"):
        training.initialised("VGG", seed=0)


def test_the_same_seed_and_any_number_of_threads_give_the_same_bits(images):
    def trained(threads: int, seed: int):
        model = training.initialised("LeNet5", seed=seed)
        with runtime.threads(threads):
            training.fit(model, *images, epochs=1, shuffle=runtime.generator(seed))
        return model

    one, again, two, other = trained(1, 0), trained(1, 0), trained(2, 0), trained(1, 1)
    assert same(one, again)
    assert same(one, two)
    assert not same(one, other)


def test_shuffling_draws_a_new_order_each_epoch(images):
    x, y, x_val, y_val = (part[:64] for part in images)
    seen = []

    class Recorder(NETWORKS["FullyConnected"]):
        def layers(self, x):
            if self.training:
                seen.append(x.detach().clone())
            return super().layers(x)

    def orders(shuffle):
        seen.clear()
        with torch.random.fork_rng(devices=[]):
            model = Recorder()
        training.fit(model, x, y, x_val, y_val, epochs=2, stop_at=None, batch_size=24, shuffle=shuffle)
        assert [len(batch) for batch in seen] == [24, 24, 16] * 2
        return torch.cat(seen[:3]), torch.cat(seen[3:])

    first, second = orders(None)
    assert torch.equal(first, x) and torch.equal(second, x)
    first, second = orders(runtime.generator(0))
    assert not torch.equal(first, x) and not torch.equal(first, second)
    everything = sorted(image.numpy().tobytes() for image in x)
    assert sorted(i.numpy().tobytes() for i in first) == sorted(i.numpy().tobytes() for i in second) == everything


def test_training_stops_after_the_first_epoch_that_is_good_enough(images):
    def run(stop_at, epochs=4):
        return training.fit(
            training.initialised("FullyConnected", seed=0), *images, epochs=epochs, stop_at=stop_at, lr=0.1
        )

    whole = run(None)
    assert len(whole) == 4
    reached = whole["validation"].cummax()
    for stop_at in (0.0, reached[1], reached[3], 1.0):
        expected = whole[: int((whole["validation"] < stop_at).cummin().sum()) + 1]
        assert run(stop_at).equals(expected.reset_index(drop=True))


class Interrupted(Exception):
    pass


def in_the_loop(monkeypatch) -> None:
    """Something breaks at the start of the second epoch."""

    def progress(items, what, total=None):
        for number, item in enumerate(items):
            if number == 1:
                raise Interrupted
            yield item

    monkeypatch.setattr(runtime, "progress", progress)


def in_a_batch(monkeypatch) -> None:
    """The second epoch breaks off after some of its batches."""
    calls = []

    def nll_loss(*args, **kwargs):
        calls.append(1)
        if len(calls) == 100:  # 63 batches an epoch
            raise Interrupted
        return original(*args, **kwargs)

    original = F.nll_loss
    monkeypatch.setattr(F, "nll_loss", nll_loss)


def in_writing(monkeypatch) -> None:
    """The second checkpoint is written half, as on a full disk."""
    calls = []

    def half(tensors, path, metadata):
        original(tensors, path, metadata)
        calls.append(1)
        if len(calls) == 2:
            os.truncate(path, os.path.getsize(path) // 2)
            raise Interrupted

    original = checkpoints.save_file
    monkeypatch.setattr(checkpoints, "save_file", half)


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("interrupt", [in_the_loop, in_a_batch, in_writing])
def test_an_interrupted_training_resumes_with_the_same_bits(images, tmp_path, monkeypatch, interrupt, shuffled):
    def order():
        return runtime.generator(9) if shuffled else None

    through = training.initialised("FullyConnected", seed=0)
    expected = training.fit(through, *images, epochs=3, stop_at=None, shuffle=order())

    path = tmp_path / "runs" / "fc.safetensors"
    with monkeypatch.context() as patch:
        interrupt(patch)
        model = training.initialised("FullyConnected", seed=0)
        with pytest.raises(Interrupted):
            training.fit(model, *images, epochs=3, stop_at=None, shuffle=order(), checkpoint=path)
    assert os.listdir(path.parent) == ["fc.safetensors"]
    assert same(training.load(path, "FullyConnected"), epochs_of(through, images, order(), 1))

    later = training.initialised("FullyConnected", seed=5)  # what it starts from is the checkpoint, not this
    history = training.fit(later, *images, epochs=3, stop_at=None, shuffle=order(), checkpoint=path)
    assert same(later, through)
    assert history.equals(expected)
    assert same(training.load(path, "FullyConnected"), through)
    assert os.listdir(path.parent) == ["fc.safetensors"]


def epochs_of(model, images, shuffle, epochs):
    """The same training from the start, `epochs` long."""
    twin = training.initialised(type(model).__name__, seed=0)
    training.fit(twin, *images, epochs=epochs, stop_at=None, shuffle=shuffle)
    return twin


def test_the_first_write_interrupted_leaves_no_file(images, tmp_path, monkeypatch):
    def nothing(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "save_file", nothing)
    model = training.initialised("FullyConnected", seed=0)
    with pytest.raises(KeyboardInterrupt):
        training.fit(model, *images, epochs=1, checkpoint=tmp_path / "fc.safetensors")
    assert os.listdir(tmp_path) == []


def test_a_finished_training_is_not_repeated(images, tmp_path, monkeypatch):
    path = tmp_path / "fc.safetensors"
    model = training.initialised("FullyConnected", seed=0)
    history = training.fit(model, *images, epochs=2, stop_at=0.0, checkpoint=path)
    monkeypatch.setattr(F, "nll_loss", None)
    again = training.initialised("FullyConnected", seed=1)
    assert training.fit(again, *images, epochs=2, stop_at=0.0, checkpoint=path).equals(history)
    assert len(history) == 1
    assert same(again, model)
    assert not again.training


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": 0.02}, r"lr was 0\.01, is 0\.02"),
        ({"batch_size": 64}, r"batch_size was 32, is 64"),
        ({"shuffle": torch.Generator()}, r"shuffled was False, is True"),
        ({"x": 1000}, r"images was 2000, is 1000"),
    ],
)
def test_the_checkpoint_of_another_run_is_refused(images, tmp_path, change, message):
    path = tmp_path / "fc.safetensors"
    x, y, x_val, y_val = images
    training.fit(training.initialised("FullyConnected", seed=0), x, y, x_val, y_val, epochs=1, checkpoint=path)
    before = path.read_bytes()
    n = change.pop("x", 2000)
    with pytest.raises(ValueError, match=rf"belongs to another run \({message}\); delete it, or name another place"):
        training.fit(
            training.initialised("FullyConnected", seed=0),
            x[:n],
            y[:n],
            x_val,
            y_val,
            epochs=2,
            checkpoint=path,
            **change,
        )
    assert path.read_bytes() == before


def test_a_learning_rate_that_diverges_is_refused(images, tmp_path):
    model = training.initialised("LeNet5", seed=0)
    path = tmp_path / "lenet.safetensors"
    with pytest.raises(
        ValueError, match=r"the loss is (nan|-?inf) in epoch 1: training diverged; lower lr \(1000\.0\)"
    ):
        training.fit(model, *images, lr=1e3, checkpoint=path)
    assert not path.exists()
    assert not model.training


@pytest.mark.parametrize(
    "bad", [{"epochs": 0}, {"batch_size": 0}, {"lr": 0.0}, {"lr": -0.1}, {"lr": float("nan")}]
)  # fmt: skip
def test_numbers_that_train_nothing_are_refused(images, bad):
    with pytest.raises(ValueError, match=r"expected a (whole number of 1 or more|positive number, the learning rate)"):
        training.fit(training.initialised("FullyConnected", seed=0), *images, **bad)


def test_a_network_of_logits_is_refused(images):
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.utils.skip_init(torch.nn.Linear, 784, 10))
    with pytest.raises(ValueError, match="expected a LayeredModel; write yours as one: it is trained on log-probabil"):
        training.fit(network, *images)


def test_a_goal_beyond_every_accuracy_is_refused(images):
    with pytest.raises(ValueError, match=r"stop_at is 95, expected a number in \[0, 1\]"):
        training.fit(training.initialised("FullyConnected", seed=0), *images, stop_at=95)


def test_save_and_load_give_the_network_back(model, tmp_path):
    path = tmp_path / "new" / "model.safetensors"
    name = type(model).__name__
    training.save(model, path, epochs=3, note="kept")
    loaded = training.load(path, name)
    assert same(loaded, model)
    assert type(loaded) is type(model)
    assert not loaded.training
    with safe_open(path, framework="pt") as stream:
        assert stream.metadata() == {"network": name, "notes": '{"epochs": 3, "note": "kept"}'}
    assert os.listdir(path.parent) == ["model.safetensors"]


def test_saving_does_not_move_or_change_the_network(model, tmp_path):
    before = copy.deepcopy(model)
    training.save(model, tmp_path / "model.safetensors")
    assert same(model, before)
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize(("wanted", "stored"), [("FullyConnected", "LeNet5"), ("LeNet5", "FullyConnected")])
def test_a_checkpoint_of_the_other_architecture_is_refused(tmp_path, images, wanted, stored):
    path = tmp_path / "model.safetensors"
    training.fit(training.initialised(stored, seed=0), *images, epochs=1, checkpoint=path)
    mend = f"holds the weights of {stored}, expected {wanted}; give the checkpoint of this architecture"
    with pytest.raises(ValueError, match=mend):
        training.load(path, wanted)
    model = training.initialised(wanted, seed=0)
    with pytest.raises(ValueError, match=mend):
        training.fit(model, *images, epochs=2, checkpoint=path)
    assert same(model, training.initialised(wanted, seed=0))


def test_a_file_of_nobody_knows_what_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match="holds the weights of another network, expected LeNet5"):
        training.load(path, "LeNet5")


@pytest.mark.parametrize("kept", [0, 4, 100, 5000, -1])
def test_a_truncated_checkpoint_is_refused(model, tmp_path, kept):
    path = tmp_path / "model.safetensors"
    training.save(model, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"is not a whole safetensors file .*; delete it, and make it again with"):
        training.load(path, type(model).__name__)


def test_a_missing_checkpoint_says_how_to_get_one(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no checkpoint at .*; make one with fairlib\.training\.fit"):
        training.load(tmp_path / "none.safetensors", "LeNet5")


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("dataset", data.DATASETS)
def test_the_shipped_networks_classify(network, dataset):
    """Each knows its own data set only; the released LeNet5 for FashionMNIST was the one for MNIST."""
    model = training.shipped(network, dataset)
    right = {}
    for name in data.DATASETS:
        x, y = data.load(name, "test")
        with torch.no_grad():
            right[name] = (model(x[:2000]).argmax(1) == y[:2000]).float().mean().item()
    other = next(name for name in right if name != dataset)
    assert right[dataset] > (0.9 if dataset == "MNIST" else 0.7)
    assert right[other] < 0.3
    assert not model.training


def test_an_altered_shipped_network_is_refused(own_data):
    path = own_data / "checkpoints" / "LeNet5-MNIST.safetensors"
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ValueError, match=r"LeNet5-MNIST\.safetensors is truncated or altered .*`git checkout -- data`"):
        training.shipped("LeNet5", "MNIST")


@pytest.mark.parametrize("names", [("VGG", "MNIST"), ("LeNet5", "EMNIST")])
def test_an_unknown_shipped_network_is_answered_with_the_known_ones(names):
    with pytest.raises(ValueError, match=r"FullyConnected.*LeNet5"):
        training.shipped(*names)
