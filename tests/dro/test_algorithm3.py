"""Algorithm 3: many are what each is alone; bits, interruptions, refusals. Its letter: tests of Algorithm 2."""

import copy

import pytest
import torch
from dro.cases import Interrupted, made, same, uphill
from torch import nn

from fairlib import dro, runtime, training
from fairlib.dro import algorithm3

pytestmark = pytest.mark.usefixtures("no_trace")


@pytest.mark.parametrize("network", ["LeNet5", "FullyConnected"])
@pytest.mark.parametrize("batch_size", [1, 7])
def test_together_they_are_what_they_are_alone(digits, network, batch_size):
    model = training.initialised(network, seed=0).eval()
    rob = made(digits, model=model)
    options = {"lr": 0.1, "rounds": 2, "batch_size": batch_size}
    many = dro.train_many(model, rob, seeds=[3, 0, 8], **options)
    for seed, found in zip([3, 0, 8], many, strict=True):
        alone = dro.train(model, rob, seed=seed, **options)
        assert not found.training and not alone.training
        for name, weight in alone.state_dict().items():
            assert (weight - model.state_dict()[name]).abs().max() > 1e-4
            torch.testing.assert_close(found.state_dict()[name], weight, atol=2e-5, rtol=0)
    assert not same(many[0], many[1])


def test_seeds_give_bits_on_any_number_of_threads(digits):
    def bits(threads, seed):
        with runtime.threads(threads):
            rob = made(digits, seed=seed)
            return rob.x, dro.train(training.initialised("LeNet5", seed=0).eval(), rob, lr=0.1, seed=seed, rounds=1)

    (x, one), (again, two), (other, third) = bits(1, 0), bits(2, 0), bits(1, 1)
    assert torch.equal(x, again) and same(one, two)
    assert not torch.equal(x, other) and not same(one, third)


def test_the_callers_model_and_images_stay_as_they_were(digits):
    model = training.initialised("LeNet5", seed=0).eval()
    twin, x = copy.deepcopy(model), digits[0].clone()
    rob = made(digits, model=model)
    before = rob.x.clone()
    dro.train(model, rob, lr=0.1, seed=0, rounds=1)
    dro.train_many(model, rob, lr=0.1, seeds=[0], rounds=1)
    assert same(model, twin) and not model.training
    assert all(p.grad is None for p in model.parameters())
    assert torch.equal(digits[0], x) and torch.equal(rob.x, before)


def test_the_model_stays_in_evaluation_mode(few):
    """BatchNorm keeps its statistics, dropout lets everything through, what is frozen stays."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3)).eval()
    model[1].requires_grad_(False)
    x, y = few
    options = {"lr": 0.1, "batch_size": 1}
    rob = dro.adversarial_data(model, x, y, attack=uphill, generator=runtime.generator(0), iterations=1, **options)
    theta = dro.train(model, rob, seed=0, rounds=1, **options)
    before, after = model.state_dict(), theta.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"2.weight", "2.bias", "4.weight", "4.bias"}
    assert same(theta, dro.train(model, rob, seed=0, rounds=1, **options))


@pytest.mark.parametrize("many", [False, True])
def test_an_interrupted_training_goes_on_with_the_same_bits(digits, tmp_path, monkeypatch, many):
    model, rob, path = training.initialised("LeNet5", seed=0).eval(), made(digits), tmp_path / "state.safetensors"

    def run(**options):
        options |= {"lr": 0.1, "rounds": 3, "batch_size": 10}
        return (
            dro.train_many(model, rob, seeds=[1, 2], **options) if many else [dro.train(model, rob, seed=1, **options)]
        )

    expected = run()
    steps, step = iter(range(7)), algorithm3.descend  # three steps a round

    def interrupted(*args, **options):
        if next(steps, None) is None:
            raise Interrupted
        return step(*args, **options)

    monkeypatch.setattr(algorithm3, "descend", interrupted)
    with pytest.raises(Interrupted):
        run(checkpoint=path)
    taken = []
    monkeypatch.setattr(algorithm3, "descend", lambda *args, **options: (taken.append(1), step(*args, **options)))
    found = run(checkpoint=path)
    assert len(taken) == 3  # the last round
    assert all(same(a, b) for a, b in zip(found, expected, strict=True))
    assert all(same(a, b) for a, b in zip(run(checkpoint=path), expected, strict=True))
    with pytest.raises(ValueError, match=r"another run \(lr was 0.1, is 0.2\)"):
        dro.train_many(model, rob, seeds=[1, 2], lr=0.2, batch_size=10, checkpoint=path) if many else dro.train(
            model, rob, seed=1, lr=0.2, batch_size=10, checkpoint=path
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": -1.0}, "lr is -1.0, expected a positive number"),
        ({"rounds": 0}, "rounds is 0, expected a whole number of 1 or more"),
        ({"scaling": "soft"}, "scaling is 'soft', expected one of"),
        ({"seeds": []}, r"seeds is \[\], expected at least one, each once"),
        ({"seeds": [1, 1]}, r"seeds is \[1, 1\], expected at least one, each once"),
        ({"model": training.initialised("VisionTransformer", seed=0).eval()}, "expected Linear and Conv2d only"),
    ],
)
def test_bad_input_to_training_is_refused(digits, change, message):
    model = training.initialised("LeNet5", seed=0).eval()
    given = {"model": model, "lr": 0.1, "seeds": [0]} | change
    rob = made(digits)
    with pytest.raises(ValueError, match=message):
        dro.train_many(given.pop("model"), rob, **given)
