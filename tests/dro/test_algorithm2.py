"""Algorithms 2 and 3 against a literal reading of them, in numpy; the former interrupted, and refused."""

import copy
import importlib
import uuid
from pathlib import Path

import numpy as np
import pytest
import torch
from dro.cases import Interrupted, Logistic, interrupt_after, made, noise, uphill
from scipy import stats
from torch import nn

from fairlib import dro, runtime
from fairlib.dro import store

pytestmark = pytest.mark.usefixtures("no_trace")


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
