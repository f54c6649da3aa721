"""Trained together, each network is what it is when trained alone."""

import pytest
import torch

from fairlib import data, digest, ensemble, training

pytestmark = pytest.mark.usefixtures("no_trace")
NETWORKS = tuple(training.RELEASED_EPOCHS)


@pytest.fixture(scope="module")
def digits():
    x, y = data.load("MNIST", "train")
    return x[:4_000].clone(), y[:4_000].clone()


def alone(network, x, y, *, seed, validation, **options):
    model = training.initialised(network, seed=seed)
    split = data.train_validation(x, y, seed=seed, validation=validation)
    return model, training.fit(model, *split, stop_at=None, **options)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("seeds", [(3, 0, 7), (5,)])
def test_the_same_weights_as_alone(digits, network, seeds):
    x, y = digits[0][:1_000], digits[1][:1_000]
    options = {"validation": 100, "epochs": 1, "lr": 0.1}  # 29 steps, the last one with 4 images
    models, history = ensemble.fit_many(network, x, y, seeds=seeds, **options)
    assert history[["epoch", "seed"]].to_numpy().tolist() == [[1, seed] for seed in seeds]
    for seed, model, row in zip(seeds, models, history.itertuples(), strict=True):
        one, epochs = alone(network, x, y, seed=seed, **options)
        before = training.initialised(network, seed=seed).state_dict()
        for name, weight in one.state_dict().items():
            assert (weight - before[name]).abs().max() > 1e-4
            torch.testing.assert_close(model.state_dict()[name], weight, atol=1e-5, rtol=0)
        assert row.loss == pytest.approx(epochs.loss[0], abs=1e-4)
        assert row.validation == epochs.validation[0]
        assert not model.training


@pytest.mark.parametrize(("network", "epochs", "batch_size"), [("FullyConnected", 4, 8), ("LeNet5", 3, 16)])
def test_the_same_accuracy_as_alone_at_the_end(digits, network, epochs, batch_size):
    """As far as it goes: a weight that starts 1e-7 off moves these accuracies by up to 0.01, later ones by 0.1."""
    options = {"validation": 1_000, "epochs": epochs, "lr": 0.05, "batch_size": batch_size}
    _, history = ensemble.fit_many(network, *digits, seeds=[0, 1], **options)
    last = history.query("epoch == @epochs").set_index("seed")["validation"]
    for seed in (0, 1):
        expected = alone(network, *digits, seed=seed, **options)[1]["validation"].iloc[-1]
        assert expected > 0.2
        assert last[seed] == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_stack_computes_what_its_networks_do(digits, network):
    models = [training.initialised(network, seed=seed) for seed in range(3)]
    x = digits[0][:12]
    expected = torch.cat([model(part) for model, part in zip(models, x.split(4), strict=True)])
    torch.testing.assert_close(ensemble.stacked(models)(x), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": []}, r"seeds is \[\], expected at least one, each once"),
        ({"seeds": [1, 2, 1]}, r"seeds is \[1, 2, 1\], expected at least one, each once"),
        ({"epochs": 0}, "epochs is 0, expected a whole number of 1 or more"),
        ({"lr": float("nan")}, "lr is nan, expected a positive number, the learning rate"),
        ({"batch_size": 0}, "batch_size is 0, expected a whole number of 1 or more"),
        ({"validation": 64}, "validation is 64, expected a whole number from 1 to 63"),
        ({"network": "LeNet"}, "network is 'LeNet', expected one of"),
        ({"network": "VisionTransformer"}, r"is a \w+, expected Linear and Conv2d only; train such a network with"),
        ({"x": torch.full((64, 1, 28, 28), 2.0)}, r"x spans \[2, 2\], expected pixels in \[0, 1\]"),
        ({"x": torch.zeros(64, 784)}, r"x has shape \(64, 784\), expected \(N, 1, 28, 28\)"),
        ({"y": torch.zeros(63, dtype=torch.int64)}, r"y has shape \(63,\), expected \(64,\)"),
        ({"lr": 1e30}, r"training diverged in epoch 1 for the seeds \[0, 1\]; lower lr"),
    ],
)
def test_bad_input_is_refused(digits, change, message):
    good = {"network": "FullyConnected", "x": digits[0][:64], "y": digits[1][:64], "seeds": [0, 1], "epochs": 1}
    given = good | {"validation": 8, "batch_size": 8} | change
    with pytest.raises(ValueError, match=message):
        ensemble.fit_many(given.pop("network"), given.pop("x"), given.pop("y"), **given)


def test_kept_networks_are_those_of_this_code(tmp_path, monkeypatch):
    """Trained once, and anew by other code."""
    trained, source = [], ["a"]

    def train(network, dataset, seeds):
        trained.append(dataset)
        return [training.initialised(network, seed=len(trained)) for _ in seeds]

    monkeypatch.setattr(ensemble, "_trained", train)
    monkeypatch.setattr(ensemble.digest, "of", lambda module, name, strings: source[0])
    monkeypatch.setattr(ensemble.files, "root", lambda: tmp_path)
    first, again = (ensemble.released("FullyConnected", "MNIST", seeds=[0, 1])[1] for _ in range(2))
    assert trained == ["MNIST"]
    source[0] = "b"
    other = ensemble.released("FullyConnected", "MNIST", seeds=[0, 1])[1]
    assert trained == ["MNIST", "MNIST"]
    assert torch.equal(first.linear1.weight, again.linear1.weight)
    assert not torch.equal(first.linear1.weight, other.linear1.weight)


def test_what_kept_networks_come_from():
    code = digest.reach("fairlib.ensemble", "_trained")
    assert {"fairlib.ensemble:fit_many", "fairlib.training:RELEASED_EPOCHS", "fairlib.data.official:load"} <= set(code)
    found = digest.named(code.values(), ["MNIST"])
    assert "MNIST/raw/train-images-idx3-ubyte.gz" in found
    assert not [name for name in found if name.startswith(("tables", "checkpoints"))]
