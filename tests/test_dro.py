"""Algorithms 2 and 3 against a literal reading of them, in numpy; and what interrupts, damages or diverges."""

import copy
import importlib
import uuid
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from fairlib import attacks, checkpoints, dro, runtime, training
from fairlib.dro import algorithm2, algorithm3, store

pytestmark = pytest.mark.usefixtures("no_trace")


class Logistic(nn.Module):
    """Three classes, images of 2x2 pixels; every gradient has a closed form."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.linear = nn.utils.skip_init(nn.Linear, 4, 3)  # draws nothing
        w = torch.randn(3, 5, generator=runtime.generator(seed))
        self.linear.load_state_dict({"weight": w[:, :4], "bias": w[:, 4]})

    def forward(self, x):
        return self.linear(x.flatten(1))


def uphill(model, x, y):
    """A step of length 0.05 up the loss, and a tenth of the way to grey."""
    z = x.clone().requires_grad_()
    (g,) = torch.autograd.grad(nn.functional.cross_entropy(model(z), y, reduction="sum"), z)
    return (0.9 * (x + 0.05 * g / g.flatten(1).norm(dim=1).view(-1, 1, 1, 1)) + 0.05).clamp(0, 1)


@pytest.fixture(scope="module")
def few():
    """Twelve images and labels."""
    g = runtime.generator(5)
    return torch.rand(12, 1, 2, 2, generator=g), torch.randint(3, (12,), generator=g)


@pytest.fixture(scope="module")
def digits():
    from fairlib import data

    x, y = data.load("MNIST", "train")
    return x[:60].clone(), y[:60].clone()


def mutant(old: str, new: str, folder: Path):
    """The package with a passage of its source replaced."""
    sources = {path.name: path.read_text() for path in Path(dro.__file__).parent.glob("*.py")}
    passages = sum(text.count(old) for text in sources.values())
    assert passages == 1, f"{passages} passages {old!r}: the test no longer plants its mutant"
    name = f"mutant_{uuid.uuid4().hex}"
    (folder / name).mkdir()
    for file, text in sources.items():
        (folder / name / file).write_text(text.replace(old, new).replace("fairlib.dro", name))
    return importlib.import_module(name)


# --- The letter of the algorithms. ------------------------------------------------------------------------------------


def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


def gradient(w, b, x, y):
    """Of the cross-entropy of a logistic model at one image: with respect to w (3, 4), b (3,) and x (4,)."""
    r = softmax(w @ x + b) - np.eye(3)[y]
    return np.outer(r, x), r, w.T @ r


SCALES = {
    "normalised": lambda P, law: P * law.sum() / (law**2).sum(),
    "raw": lambda P, law: P,
    "sampling only": lambda P, law: 1.0,
}


def literal(model, x, y, *, alpha, T1, T2, scaling, seed, other):
    """Both algorithms, image by image: images, weights of D_rob, and theta (w, b) of Algorithm 3."""
    start = [p.detach().double().numpy() for p in model.parameters()]
    N, g = len(x), runtime.generator(seed)
    D = [(image, label, 1.0) for image, label in zip(x.flatten(1).double().numpy(), y.tolist(), strict=True)]
    w, b = start
    for k in range(1, T1 + 1):
        law = np.array([P for _, _, P in D])
        drawn = torch.multinomial(torch.from_numpy(law), N, replacement=True, generator=g).tolist()
        sampled = [D[j] for j in drawn]
        for i, (xi, yi, Pi) in enumerate(sampled, start=1):
            dw, db, _ = gradient(w, b, xi, yi)
            step = alpha * SCALES[scaling](Pi, law)
            w, b = w - step * dw, b - step * db
            _, _, up = gradient(w, b, xi, yi)
            attack = np.clip(0.9 * (xi + 0.05 * up / np.linalg.norm(up)) + 0.05, 0, 1)
            D.append((attack, yi, float((k - 1) * N + i)))
    law, g = np.array([P for _, _, P in D]), runtime.generator(other)
    w, b = start
    for _ in range(T2):
        for j in torch.multinomial(torch.from_numpy(law), len(D), replacement=True, generator=g).tolist():
            xi, yi, Pi = D[j]
            dw, db, _ = gradient(w, b, xi, yi)
            step = alpha * SCALES[scaling](Pi, law)
            w, b = w - step * dw, b - step * db
    return np.stack([image for image, _, _ in D]), [label for _, label, _ in D], law, w, b


def to_the_letter(module, few, scaling, lr):
    """Fails where `module` departs from the reading above."""
    x, y = few
    model = Logistic().eval()
    numbers = {"alpha": lr, "T1": 3, "T2": 2, "scaling": scaling, "seed": 1, "other": 2}
    images, labels, P, w, b = literal(model, x, y, **numbers)
    one = {"lr": lr, "batch_size": 1, "scaling": scaling}
    rob = module.adversarial_data(model, x, y, attack=uphill, generator=runtime.generator(1), iterations=3, **one)
    np.testing.assert_allclose(rob.x.flatten(1), images, atol=1e-5)
    assert rob.y.tolist() == labels
    np.testing.assert_array_equal(rob.weights, P)
    theta = module.train(model, rob, seed=2, rounds=2, **one)
    np.testing.assert_allclose(theta.linear.weight.detach(), w, atol=1e-4)
    np.testing.assert_allclose(theta.linear.bias.detach(), b, atol=1e-4)


@pytest.mark.parametrize(("scaling", "lr"), [("normalised", 0.3), ("raw", 0.02), ("sampling only", 0.3)])
def test_image_by_image_it_is_the_paper(few, scaling, lr):
    to_the_letter(dro, few, scaling, lr)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("torch.arange(1, images * iterations + 1,", "torch.arange(2, images * iterations + 2,"),  # counted from 2
        ("D = slice(0, k * N)", "D = slice(0, N)"),  # attacks are never sampled
        ("D = slice(0, k * N)", "D = slice((k - 1) * N, k * N)"),  # nothing but the last iteration is
        ("SCALINGS[scaling](weights[D])[order]", "SCALINGS[scaling](weights[D])"),  # another image's weight
        ('SCALINGS[run["scaling"]](data.weights)', "torch.ones_like(data.weights)"),  # Algorithm 3 forgets to scale
        ("attack(theta, x, y)\n    except", "attack(copy.deepcopy(theta).requires_grad_(), 0.999 * x, y)\n    except"),
        ("x_adv.cpu(), labels.cpu()", "x_adv.cpu(), labels.cpu() * 0"),
        ("replacement=True", "replacement=len(weights) < 20"),
        ("P * P.sum() / P.square().sum()", "P * len(P) / P.sum()"),  # mean 1 under another law
    ],
)
def test_planted_mutants_are_found(few, old, new, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises((AssertionError, RuntimeError)):
        to_the_letter(mutant(old, new, tmp_path), few, "normalised", 0.3)


def test_the_attack_meets_the_model_after_its_step(few):
    """Of a batch, too: what the attack is given is theta as it is once the batch has made its step."""
    x, y = few
    seen = []

    def attack(model, images, labels):
        seen.append((copy.deepcopy(model), images.clone(), labels.clone()))
        return images

    g = runtime.generator(0)
    dro.adversarial_data(Logistic().eval(), x, y, attack=attack, lr=0.1, generator=g, iterations=1, batch_size=5)
    theta = Logistic()
    assert [len(labels) for _, _, labels in seen] == [5, 5, 2]
    for model, images, labels in seen:
        nn.functional.cross_entropy(theta(images), labels).backward()  # P = 1: all weights are 1
        with torch.no_grad():
            for p in theta.parameters():
                p -= 0.1 * p.grad
                p.grad = None
        for found, expected in zip(model.parameters(), theta.parameters(), strict=True):
            torch.testing.assert_close(found, expected)


# --- The law. ---------------------------------------------------------------------------------------------------------


def p_of_law(sample, P, n=40_000) -> float:
    """p of the chi-square test that n draws of `sample` follow the law that P is proportional to."""
    counts = torch.bincount(sample(P, n, runtime.generator(3)), minlength=len(P))
    return stats.chisquare(counts.numpy(), n * (P / P.sum()).numpy()).pvalue


def test_images_are_drawn_in_proportion_to_their_weights():
    P = dro.sampling_weights(10, 3)
    assert p_of_law(dro.sample, P) > 0.01
    for wrong in (torch.ones_like(P), P.square(), P.sqrt(), P.flip(0)):
        assert p_of_law(lambda _, n, g, wrong=wrong: dro.sample(wrong, n, g), P) < 1e-6


def test_the_third_iteration_samples_the_second_three_times_as_often_as_the_first():
    """Up to terms in 1/N: weights N + i against i, i up to N. Seen from outside, by a colour for each iteration."""
    N, k = 3_000, []
    x, y = torch.zeros(N, 1, 2, 2), torch.zeros(N, dtype=torch.int64)

    def attack(model, images, labels):
        k.append(images[:, 0, 0, 0])
        return torch.full_like(images, 0.25 * (1 + (len(k) - 1) // N))  # a call for each image

    options = {"lr": 1e-9, "batch_size": 1, "iterations": 3, "scaling": "sampling only"}
    dro.adversarial_data(Logistic().eval(), x, y, attack=attack, generator=runtime.generator(0), **options)
    third = torch.cat(k[2 * N :])
    counts = [int((third == colour).sum()) for colour in (0.0, 0.25, 0.5)]
    first, second = N * (N + 1) / 2, N * N + N * (N + 1) / 2
    law = np.array([N, first, second]) / (N + first + second)
    assert stats.chisquare(counts, N * law).pvalue > 0.01
    assert law[2] / law[1] == pytest.approx(3, rel=1e-3)


@pytest.mark.parametrize("P", [dro.sampling_weights(7, 3), torch.ones(5), torch.tensor([1e-3, 5.0, 2e4])])
def test_normalised_steps_have_mean_one_over_what_is_sampled(P):
    w = dro.SCALINGS["normalised"](P)
    assert float((P / P.sum() * w).sum()) == pytest.approx(1)
    torch.testing.assert_close(w / w[0], P / P[0])


def test_weights_of_the_paper():
    N, T1 = 4, 3
    expected = [1] * N + [(k - 1) * N + i for k in range(1, T1 + 1) for i in range(1, N + 1)]
    assert dro.sampling_weights(N, T1).tolist() == expected


# --- One, many, seeds, threads. ---------------------------------------------------------------------------------------


def same(one: nn.Module, other: nn.Module) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def made(digits, *, seed=0, model=None, **options):
    """D_rob of ten of the digits, by noise that shares the generator."""
    g = runtime.generator(seed)
    x, y = (part[:10] for part in digits)
    attack = partial(attacks.random_sign, eps=0.1, generator=g)
    given = {"attack": attack, "lr": 0.1, "iterations": 2, "batch_size": 4, "generator": g} | options
    return dro.adversarial_data(model or training.initialised("LeNet5", seed=0).eval(), x, y, **given)


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


# --- On disk. ---------------------------------------------------------------------------------------------------------


class Interrupted(Exception):
    pass


def interrupt_after(calls: int, monkeypatch) -> None:
    """Let Algorithm 2 attack so often and then break."""
    left, attacked = iter(range(calls)), algorithm2._attacked

    def interrupted(*arguments):
        if next(left, None) is None:
            raise Interrupted
        return attacked(*arguments)

    monkeypatch.setattr(algorithm2, "_attacked", interrupted)


def test_in_a_folder_it_is_what_it_is_in_memory(digits, tmp_path):
    expected, found = made(digits), made(digits, folder=tmp_path / "rob")
    for part in ("x", "y", "weights"):
        assert torch.equal(getattr(found, part), getattr(expected, part))
    read = dro.load(tmp_path / "rob")
    assert torch.equal(read.x, expected.x)
    read.x.zero_()  # the reader's own copy
    assert torch.equal(dro.load(tmp_path / "rob").x, expected.x)
    assert {path.name for path in (tmp_path / "rob").iterdir()} == {"images.npy", "state.safetensors"}
    assert torch.equal(made(digits, folder=tmp_path / "rob").x, expected.x)  # nothing was left to do


@pytest.mark.parametrize("calls", [0, 1, 2, 3, 4, 5])
def test_an_interrupted_data_set_goes_on_with_the_same_bits(digits, tmp_path, monkeypatch, calls):
    """Two iterations of three batches; the noise goes on, too."""
    monkeypatch.setattr(store, "SECONDS_BETWEEN_SAVES", 0)
    expected = made(digits, attack=noise(g := runtime.generator(4)), generator=g)
    g = runtime.generator(4)
    with monkeypatch.context() as broken, pytest.raises(Interrupted):
        interrupt_after(calls, broken)
        made(digits, attack=noise(g), generator=g, folder=tmp_path)
    if calls:
        with pytest.raises(ValueError, match="unfinished data set; run adversarial_data"):
            dro.load(tmp_path)
    g = runtime.generator(77 if calls else 4)  # what it holds comes from the state
    interrupt_after(6 - calls, monkeypatch)
    found = made(digits, attack=noise(g), generator=g, folder=tmp_path)
    assert torch.equal(found.x, expected.x) and torch.equal(found.y, expected.y)


def noise(generator):
    def signs(model, x, y):
        return attacks.random_sign(model, x, y, eps=0.1, generator=generator)

    return signs


def test_states_are_a_minute_apart(digits, tmp_path, monkeypatch):
    written = []
    write = checkpoints.write

    def noting(path, tensors, notes):
        written.append(notes["attacked"])
        write(path, tensors, notes)

    monkeypatch.setattr(checkpoints, "write", noting)
    made(digits, folder=tmp_path / "quick")
    assert written == [20]
    monkeypatch.setattr(store, "SECONDS_BETWEEN_SAVES", 0)
    made(digits, folder=tmp_path / "slow")
    assert written == [20, 4, 8, 10, 14, 18, 20]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"lr": 0.2}, "lr"),
        ({"iterations": 3}, "shape|iterations"),
        ({"batch_size": 5}, "batch_size"),
        ({"scaling": "raw"}, "scaling"),
        ({"attack": uphill}, "attack"),
        ({"attack": partial(attacks.random_sign, eps=0.2, generator=runtime.generator(0))}, "attack"),
        ({"model": training.initialised("LeNet5", seed=1).eval()}, "data"),
    ],
)
def test_a_folder_of_another_run_is_refused(digits, tmp_path, change, what):
    made(digits, folder=tmp_path)
    with pytest.raises(ValueError, match=f"another run.*({what})|({what}).*another run"):
        made(digits, folder=tmp_path, **change)


def test_a_damaged_folder_is_refused(digits, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"make one with fairlib.dro.adversarial_data\(..., folder=...\)"):
        dro.load(tmp_path / "nothing")
    made(digits, folder=tmp_path)
    images, state = tmp_path / "images.npy", tmp_path / "state.safetensors"
    whole = images.read_bytes()
    for broken in (whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1])):
        images.write_bytes(broken)
        with pytest.raises(ValueError, match="missing, truncated or altered; delete"):
            dro.load(tmp_path)
    images.unlink()
    with pytest.raises(ValueError, match="missing, truncated or altered; delete"):
        dro.load(tmp_path)
    images.write_bytes(whole)
    state.write_bytes(state.read_bytes()[:-10])
    with pytest.raises(ValueError, match="is not a whole safetensors file"):
        dro.load(tmp_path)


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


# --- What goes wrong. -------------------------------------------------------------------------------------------------


def test_steps_that_diverge_are_said_so(digits):
    model = training.initialised("FullyConnected", seed=0).eval()
    with pytest.raises(dro.Diverged, match=r"the loss is .* in iteration 1, image 1.*lower lr \(1e\+30\)"):
        made(digits, model=model, lr=1e30)
    rob = made(digits, model=model)
    for trained in (partial(dro.train, seed=0), partial(dro.train_many, seeds=[0, 1])):
        with pytest.raises(dro.Diverged, match=r"round 1, .* or a weight is no longer finite"):
            trained(model, rob, lr=1e30, scaling="raw")


def test_an_attack_that_meets_no_finite_gradient_tells_of_the_training(few):
    x, y = few
    model = Logistic().eval()

    def failing(theta, images, labels):
        with torch.no_grad():
            theta.linear.weight.fill_(torch.nan if broken else 0.0)
        raise ValueError("the gradient is not finite")

    options = {"lr": 0.1, "generator": runtime.generator(0), "attack": failing}
    broken = True
    with pytest.raises(dro.Diverged, match="the gradient at iteration 1, image 1 is not finite: lower lr"):
        dro.adversarial_data(model, x, y, **options)
    broken = False
    with pytest.raises(ValueError, match=r"^the gradient is not finite$"):
        dro.adversarial_data(model, x, y, **options)


GOOD = {"lr": 0.1, "iterations": 1, "batch_size": 4}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": 0}, "lr is 0, expected a positive number"),
        ({"lr": float("nan")}, "lr is nan, expected a positive number"),
        ({"iterations": 0}, "iterations is 0, expected a whole number of 1 or more"),
        ({"iterations": 1.5}, "iterations is 1.5, expected a whole number of 1 or more"),
        ({"batch_size": 0}, "batch_size is 0, expected a whole number of 1 or more"),
        ({"scaling": "soft"}, "scaling is 'soft', expected one of: normalised, raw, sampling only"),
        ({"x": torch.full((12, 1, 2, 2), 2.0)}, r"x spans \[2, 2\], expected pixels in \[0, 1\]"),
        ({"y": torch.zeros(11, dtype=torch.int64)}, r"y has shape \(11,\), expected \(12,\)"),
        ({"y": torch.full((12,), 3)}, r"y spans \[3, 3\], expected labels in \[0, 2\]"),
        ({"model": Logistic()}, "the model is in training mode"),
        ({"model": Logistic().eval().requires_grad_(False)}, "no parameter that requires a gradient"),
    ],
)
def test_bad_input_is_refused(few, change, message):
    given = {"model": Logistic().eval(), "x": few[0], "y": few[1]} | GOOD | change
    model, x, y = (given.pop(name) for name in ("model", "x", "y"))
    with pytest.raises(ValueError, match=message):
        dro.adversarial_data(model, x, y, attack=uphill, generator=runtime.generator(0), **given)


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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": torch.ones(9)}, "10 images, 10 labels, 9 weights: expected one of each"),
        ({"weights": torch.zeros(10)}, "expected positive, finite ones"),
        ({"weights": torch.full((10,), torch.nan)}, "expected positive, finite ones"),
        ({"y": torch.zeros(10)}, "y is torch.float32"),
    ],
)
def test_weighted_images_that_do_not_fit_are_refused(digits, change, message):
    parts = {"x": digits[0][:10], "y": digits[1][:10], "weights": torch.ones(10)} | change
    with pytest.raises(ValueError, match=message):
        dro.train(training.initialised("LeNet5", seed=0).eval(), dro.WeightedImages(**parts), lr=0.1, seed=0)
