"""The margin and the cross-entropy against float64; what a sure, broken or careless model does to every attack."""

import copy
import inspect
import math
import warnings
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import Logits
from torch import Tensor, nn

from fairlib import attacks, dro, evaluation, perceptual, photographs, runtime, training
from fairlib.attacks.gradients import named
from fairlib.attacks.loss import answers, cross_entropy, lead, margin

pytestmark = pytest.mark.usefixtures("no_trace")
G = torch.Generator().manual_seed(0)
X, Y = 0.1 + 0.8 * torch.rand(6, 1, 12, 12, generator=G), torch.arange(6) % 3
COST = perceptual.Distance("plain", 1, lambda x: (x,), lambda f, z: (z - f[0]).square().sum((1, 2, 3)))


class Line(nn.Module):
    """Three logits, linear in the image; all of X is right, by a lead of `scale`. `end` makes the answer of them."""

    def __init__(self, scale: float = 1.0, end=lambda z: z) -> None:
        super().__init__()
        weight = torch.randn(3, 144, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        x, wanted = X.flatten(1).double(), F.one_hot(Y).double()
        # The least change of the weights that gives X the logits wanted.
        self.weight = nn.Parameter((weight + (torch.linalg.pinv(x) @ (wanted - x @ weight.T)).T).float())
        self.scale, self.end = scale, end

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.scale * (x.flatten(1) @ self.weight.T))


EVERY = {
    "apgd": lambda model, x, y: attacks.apgd(model, x, y, eps=0.05, generator=runtime.generator(0), iterations=3),
    "fgsm": partial(attacks.fgsm, eps=0.05),
    "fgsm_grid": lambda model, x, y: next(iter(attacks.fgsm_grid(model, x, y, eps=[0.05]))),
    "lpa": partial(attacks.lpa, bound=0.1, distance=COST, iterations=3, searches=1),
    "perc_al": partial(attacks.perc_al, iterations=4),
    "perceptual": partial(attacks.perceptual, cost=COST, iterations=3, step_size=0.5, cost_weight=0.1),
    "pgd": partial(attacks.pgd, eps=0.05, step_size=0.02, iterations=3),
    "pgd_l2": partial(attacks.pgd_l2, iterations=3, step_size=0.5),
    "pgd_step": partial(attacks.pgd_step, length=0.5),
    "ppgd": partial(attacks.ppgd, bound=0.1, distance=COST, iterations=3),
    "ssim_step": partial(attacks.ssim_step, length=0.5),
}
DIRECTIONS = {"fgsm", "fgsm_grid", "lpa", "perc_al", "pgd", "pgd_l2", "pgd_step", "ppgd", "ssim_step"}


def test_every_attack_that_takes_a_model_is_here():
    """Public, and called as attack(model, x, y, *, ...); two attack a defence, one asks nobody."""
    shared = {
        name
        for name in attacks.__all__
        if callable(one := getattr(attacks, name))
        and list(inspect.signature(one).parameters)[:3] == ["model", "x", "y"]
    }
    assert set(EVERY) == shared - {"random_sign", "input_gradient", "gradient_and_right", "answers", "margin_at"}


# --- The numbers. -----------------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(
    z=st.lists(st.floats(-1000, 1000, width=32), min_size=2, max_size=8),
    place=st.integers(0, 7),
    logs=st.booleans(),
)
def test_margin_and_cross_entropy_are_float64s(z, place, logs):
    """From logits and from log-probabilities, value and gradient, however sure the network is."""
    y = torch.tensor([place % len(z)])
    z = torch.tensor([z])
    z = F.log_softmax(z, 1) if logs else z
    exact, single = (z.to(kind).clone().requires_grad_() for kind in (torch.float64, torch.float32))
    others = torch.cat([exact[:, : y[0]], exact[:, y[0] + 1 :]], 1)
    expected = others.logsumexp(1) - exact[0, y]
    found = margin(single, y)
    torch.testing.assert_close(found.double(), expected, rtol=2e-6, atol=2e-6)
    torch.testing.assert_close(cross_entropy(single, y).double(), F.softplus(expected), rtol=1e-4, atol=1e-44)
    (g,), (e,) = torch.autograd.grad(found, single), torch.autograd.grad(expected, exact)
    torch.testing.assert_close(g.double(), e, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(lead(single, y), (others.amax(1) - exact[0, y]).float())


def test_the_cross_entropy_is_pytorchs_where_that_can_say_it():
    z, y = torch.randn(50, 7, generator=G), torch.arange(50) % 7
    torch.testing.assert_close(cross_entropy(z, y), F.cross_entropy(z, y, reduction="none"))
    sure, y = torch.tensor([[40.0, 0.0]]), torch.tensor([0])
    assert F.cross_entropy(sure, y) == 0 and cross_entropy(sure, y).item() == pytest.approx(math.exp(-40))


@pytest.mark.parametrize("name", sorted(DIRECTIONS - {"lpa", "perc_al"}))
@pytest.mark.parametrize("scale", [1, 10, 100, 1000])
def test_a_sure_network_is_attacked_like_an_unsure_one(name, scale):
    """The direction of a linear network's gradient is the same at every scale; 1 - softmax(z)_y goes to exp(-1000)."""
    y = torch.zeros(6, dtype=torch.int64)
    found, softer = (EVERY[name](Two(k).eval(), X, y) for k in (scale, 0.001))
    torch.testing.assert_close(found, softer, rtol=0, atol=1 / 255 + 1e-6)
    assert ((found - X).abs().flatten(1).amax(1) > 1e-3).all()


class Two(nn.Module):
    """Two logits, a weighted sum of the pixels and its negative: no image fools it."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        z = x.flatten(1) @ torch.linspace(0.5, 1.5, 144)
        return self.scale * torch.stack([z, -z], 1)


class Times(nn.Module):
    """A network's answers, multiplied."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x


@pytest.mark.parametrize("dataset", ["MNIST", "FashionMNIST"])
@pytest.mark.parametrize("network", ["FullyConnected", "LeNet5"])
@pytest.mark.parametrize("scale", [1, 100])
def test_float32_says_what_float64_says(network, dataset, scale):
    """Accuracy under FGSM and under PGD with 20 steps, on images enough to see what a lost gradient would do."""
    from fairlib import data

    x, y = (part[:400] for part in data.load(dataset, "test"))
    single = nn.Sequential(Logits(training.shipped(network, dataset)), Times(scale)).eval()
    double = copy.deepcopy(single).double()
    for attack, (step, steps), allowed in (
        (partial(attacks.fgsm, eps=0.2), (0.2, 1), 0.005),
        (partial(attacks.pgd, eps=0.1, step_size=0.0125, iterations=20), (0.0125, 20), 0.01),
    ):
        eps = 0.2 if steps == 1 else 0.1
        z = x.double()
        for _ in range(steps):
            z.requires_grad_()
            (g,) = torch.autograd.grad(margin(double(z), y).sum(), z)
            z = (z.detach() + step * g.sign()).clamp(x - eps, x + eps).clamp(0, 1)
        with torch.no_grad():
            found = (single(attack(single, x, y)).argmax(1) == y).double().mean()
            exact = (double(z).argmax(1) == y).double().mean()
        assert abs(found - exact) <= allowed


@pytest.mark.parametrize("name", EVERY)
def test_logits_and_log_probabilities_are_attacked_alike(name):
    """By every attack, of any module: what it has in common with the networks of the book is that it answers."""
    logits, logs = (EVERY[name](Line(end=end).eval(), X, Y) for end in (lambda z: z, lambda z: z.log_softmax(1)))
    torch.testing.assert_close(logits, logs, rtol=0, atol=1 / 255 + 1e-5)
    assert not torch.equal(logits, X)


# --- What cannot be used is said, image by image. ---------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_log_of_softmax_is_refused(name):
    model = Line(1e3, lambda z: z.softmax(1).log()).eval()
    with pytest.raises(ValueError, match=r"answers -inf for images 0, 1, .* of 6, .*torch\.log_softmax\(z, 1\)"):
        EVERY[name](model, X, Y)


@pytest.mark.parametrize("name", EVERY)
def test_a_model_that_leaves_the_graph_is_refused(name):
    for inside in (lambda z: z.detach(), lambda z: torch.from_numpy(z.detach().numpy().round(1))):
        with pytest.raises(ValueError, match=r"no gradient with respect to the images.*straight through"):
            EVERY[name](nn.Sequential(Apply(inside), Line()).eval(), X, Y)


class Apply(nn.Module):
    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_one_bad_image_does_not_end_the_attack(name, value):
    """Image 2 has no finite gradient: it is named and comes back as it is, the others as without it."""

    class Bad(Line):
        def forward(self, x: Tensor) -> Tensor:
            first = x.flatten(1)[:, :1]
            root = ((first - first.detach()) + (first.detach() < MARK / 2)).sqrt()  # of 0 for the bad one, of 1 else
            return super().forward(x) + (0 if value != value else 1) * (root - root.detach())

    x = X.clone()
    x[:, 0, 0, 0] = 0.0
    x[2, 0, 0, 0] = MARK
    model, good = Bad().eval(), torch.arange(6) != 2
    y = Line().eval()(x).argmax(1).detach()
    with pytest.warns(UserWarning, match=r"gradient is not finite for image 2 of 6, which stay where they are"):
        found = EVERY[name](model, x, y)
    started = 0.05 if name == "apgd" else 0.0  # how far from the image it begins, at random
    assert (found[2] - x[2]).abs().max() <= started + 1e-6 and found.isfinite().all()
    assert ((found - x)[good].abs().flatten(1).amax(1) > 1e-3).any()
    other = x.clone()
    other[2] = x[1]
    assert torch.equal(found[good], EVERY[name](model, other, y)[good])
    if name != "apgd":  # whose start is drawn for the whole batch
        assert torch.equal(found[good], EVERY[name](model, x[good], y[good]))
    with pytest.raises(ValueError, match="not finite for image 0 of 1, which is all of them"):
        EVERY[name](model, x[2:3], y[2:3])


MARK = 0.5  # the first pixel of the bad image


@pytest.mark.parametrize("name", sorted(set(EVERY) - {"perceptual"}))
def test_a_gradient_of_zero_is_said(name):
    """Rounding inside the model, whose derivative is zero: the images come back, but not without a word."""
    model = nn.Sequential(Apply(lambda x: x + 0 * x.round() - x + x.detach() - 0 * x), Line()).eval()
    y = model(X).argmax(1).detach()
    with pytest.warns(
        UserWarning, match=r"zero at every pixel for images 0, 1, 2, 3, 4, 5 of 6.*resistance means"
    ) as w:
        found = EVERY[name](model, X, y)
    assert {warning.filename for warning in w} == {__file__}, "it points at the library, not at who called the attack"
    assert (found - X).abs().max() <= (0.05 + 1e-6 if name == "apgd" else 1 / 255)  # where its random start left them


def test_places_are_listed_briefly():
    assert named(torch.tensor([False, True])) == "image 1 of 2"
    assert named(torch.ones(11, dtype=torch.bool)).endswith(" 9 and 1 other of 11")
    assert named(torch.ones(13, dtype=torch.bool)) == "images 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 3 others of 13"


@pytest.mark.parametrize("name", EVERY)
def test_one_class_is_no_question(name):
    with pytest.raises(ValueError, match=r"expected \(6, K\) for K >= 2 classes; a network with one output needs"):
        EVERY[name](Line(end=lambda z: z[:, :1]).eval(), X, torch.zeros(6, dtype=torch.int64))


def test_one_class_is_no_question_elsewhere():
    model, y = Line(end=lambda z: z[:, :1]).eval(), torch.zeros(6, dtype=torch.int64)
    with pytest.raises(ValueError, match="K >= 2 classes"):
        photographs.predict(model, X)
    with pytest.raises(ValueError, match="K >= 2 classes"):
        dro.adversarial_data(model, X, y, attack=EVERY["fgsm"], lr=0.1, generator=runtime.generator(0))
    with pytest.raises(ValueError, match="K >= 2 classes"):
        dro.train(model, dro.WeightedImages(X, y, torch.ones(6).double()), lr=0.1, seed=0)
    shapes = (lambda z: z[:3], r"shape \(3, 3\)"), (lambda z: z.sum(), r"shape \(\)"), (lambda z: [z], "a list")
    for answer, what in shapes:
        with pytest.raises(ValueError, match=f"the model answers 6 images with {what}"):
            answers(Line(end=answer).eval(), X)


# --- Modes, and whose tensors they are. -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_it_works_under_inference_mode(name):
    expected = EVERY[name](Line().eval(), X, Y)
    with torch.inference_mode():
        made = X + 0, Y + 0  # no gradient can pass through these
        found = EVERY[name](MODEL, *made)
        assert torch.is_inference_mode_enabled()
    assert torch.equal(found, expected)


with torch.random.fork_rng(devices=[]):
    MODEL = Line().eval()


def test_a_model_made_under_inference_mode_is_refused():
    with torch.inference_mode():
        model = Line().eval()
    with pytest.raises(ValueError, match=r"made under torch\.inference_mode\(\).*copy\.deepcopy\(model\)"):
        attacks.fgsm(model, X, Y, eps=0.1)
    assert torch.equal(attacks.fgsm(copy.deepcopy(model), X, Y, eps=0.1), attacks.fgsm(MODEL, X, Y, eps=0.1))


def test_training_works_under_inference_mode():
    def trained():
        options = {"lr": 0.1, "generator": runtime.generator(0), "iterations": 1}
        rob = dro.adversarial_data(MODEL, X, Y, attack=EVERY["fgsm"], **options)
        return dro.train(MODEL, rob, lr=0.1, seed=0, rounds=1).weight

    expected = trained()
    with torch.inference_mode():
        found = trained()
    assert torch.equal(found, expected)


@pytest.mark.parametrize("name", EVERY)
def test_a_model_that_writes_into_its_input_changes_nothing_of_the_callers(name):
    x, y = X.clone(), Y.clone()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = EVERY[name](Line(end=lambda z: z).eval(), x, y)
        assert torch.equal(EVERY[name](Writes().eval(), x, y), found)
    assert torch.equal(x, X) and torch.equal(y, Y)


class Writes(Line):
    """Normalises where the pixels lie."""

    def forward(self, x: Tensor) -> Tensor:
        kept = x.clone()
        x.sub_(0.5)
        return super().forward(kept)


def test_measuring_and_training_leave_the_images_alone():
    x, y, model = X.clone(), Y.clone(), Writes().eval()
    assert torch.equal(photographs.predict(model, x), photographs.predict(MODEL, X)) and torch.equal(x, X)
    rob = dro.WeightedImages(x, y, torch.ones(6).double())
    dro.train(model, rob, lr=0.1, seed=0, rounds=1)
    made = dro.adversarial_data(model, x, y, attack=EVERY["fgsm"], lr=0.1, generator=runtime.generator(0), iterations=1)
    assert torch.equal(x, X) and torch.equal(made.x[:6], X)
    counts = evaluation.under_attack(model, x, y, eps=[0.0, 0.1])
    assert torch.equal(x, X) and counts["right"][0] == 6
