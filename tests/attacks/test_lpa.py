"""LPA against the optimum of a linear model; and mutants of it, which the same checks find."""

import importlib
import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fairlib import runtime
from fairlib.attacks.gradients import normalised
from fairlib.attacks.loss import lead
from fairlib.attacks.lpa import lpa
from fairlib.attacks.ppgd import project
from fairlib.perceptual import Distance

pytestmark = pytest.mark.usefixtures("no_trace")
module = importlib.import_module("fairlib.attacks.lpa")

GENERATOR = torch.Generator().manual_seed(3)
X = 0.3 + 0.4 * torch.rand(8, 1, 3, 4, generator=GENERATOR)
FEATURES = torch.randn(20, 12, generator=GENERATOR)


def squared(name, features) -> Distance:
    """The squared L2 distance of features."""
    return Distance(name, 2, lambda x: (features(x),), lambda kept, z: (kept[0] - features(z)).square().sum(1))


PIXELS = squared("pixels", lambda x: x.flatten(1))
SMOOTH = squared("smooth", lambda x: (x.flatten(1) @ FEATURES.T).tanh())


class Plane(nn.Module):
    """Two classes on either side of a plane through the images' mean; logits are linear."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(12, generator=torch.Generator().manual_seed(5)))

    def forward(self, x):
        z = (x - X.mean(0)).flatten(1) @ self.weight
        return torch.stack([z, -z], 1)


MODEL = Plane().eval()
with torch.no_grad():
    Y = MODEL(X).argmax(1)
SLOPE = 2 * MODEL.weight.detach().norm()  # of the margin, per unit of L2


def margins(x, y=Y):
    with torch.no_grad():
        return lead(MODEL(x), y)


def respects_the_bound(attack) -> None:
    for bound in (1e-4, 1e-2, 0.3):
        for distance in (PIXELS, SMOOTH):
            for generator in (None, runtime.generator(0)):
                x_adv = attack(
                    MODEL, X, Y, bound=bound, distance=distance, confidence=1e9, iterations=5, generator=generator
                )
                assert (distance(X, x_adv) <= bound).all()
                assert x_adv.min() >= 0 and x_adv.max() <= 1


def comes_near_the_optimum(attack) -> None:
    """Over an L2 ball, small enough that no pixel is clipped, a linear margin gains slope times radius and no more."""
    for bound in (1e-6, 1e-4):
        x_adv = attack(MODEL, X, Y, bound=bound, distance=PIXELS, confidence=1e9, iterations=10)
        gain = (margins(x_adv) - margins(X)) / (SLOPE * bound**0.5)
        assert (gain > 0.97).all() and (gain <= 1 + 1e-4).all()


def a_first_step_has_the_length_of_the_bound(attack) -> None:
    """One step from x, of sqrt(bound) as the probe measures it, along the gradient; then one per cent back."""
    x_adv = attack(MODEL, X, Y, bound=0.01, distance=PIXELS, confidence=1e9, iterations=1, searches=1)
    direction = (MODEL.weight.detach() * (2 * Y[:, None] - 1)).view_as(X)
    torch.testing.assert_close(x_adv - X, 0.099 * normalised(direction), rtol=0, atol=1e-4)


def fools_within_the_bound(attack) -> None:
    for a in (0.0, 0.5):
        needed = ((a - margins(X)) / SLOPE).max() ** 2
        x_adv = attack(MODEL, X, Y, bound=1.1 * float(needed), distance=PIXELS, confidence=a, iterations=40)
        assert (margins(x_adv) > a).all() and (PIXELS(X, x_adv) <= 1.1 * needed).all()


def stops_where_it_has_fooled(attack) -> None:
    """In a wide ball the images leave the batch one by one, long before the last step."""
    seen = []
    handle = MODEL.register_forward_hook(lambda model, inputs, output: seen.append(len(output)))
    try:
        x_adv = attack(MODEL, X, Y, bound=0.05, distance=PIXELS, iterations=20)
    finally:
        handle.remove()
    assert (margins(x_adv) > 0).all()
    assert sum(seen) < 0.5 * 5 * 20 * len(X) and seen == sorted(seen, reverse=True)


CHECKS = [
    respects_the_bound,
    comes_near_the_optimum,
    a_first_step_has_the_length_of_the_bound,
    fools_within_the_bound,
    stops_where_it_has_fooled,
]


@pytest.mark.parametrize("check", CHECKS)
def test_lpa(check):
    check(lpa)


MUTANTS = {  # what is replaced in the module, and the check that finds it
    "downhill": ({"normalised": lambda g: -normalised(g)}, comes_near_the_optimum),
    "sign of the gradient": ({"normalised": lambda g: normalised(g.sign())}, a_first_step_has_the_length_of_the_bound),
    "no projection": ({"project": lambda d, f, x, z, bound: z}, respects_the_bound),
    "wide projection": ({"project": lambda d, f, x, z, b: project(d, f, x, z, 1.2 * b)}, respects_the_bound),
    "root for square": ({"project": lambda d, f, x, z, b: project(d, f, x, z, b**0.5)}, respects_the_bound),
    "projection home": ({"project": lambda d, f, x, z, bound: x}, comes_near_the_optimum),
    "never finished": ({"INSIDE": -1.0}, stops_where_it_has_fooled),
    "finished anywhere": ({"INSIDE": math.inf}, fools_within_the_bound),
    "wrong class": ({"lead": lambda z, y: -lead(z, y)}, comes_near_the_optimum),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_found(name, monkeypatch):
    parts, check = MUTANTS[name]
    for part, mutant in parts.items():
        monkeypatch.setattr(module, part, mutant)
    with pytest.raises(AssertionError):
        check(lpa)


def test_a_no_op_is_found():
    with pytest.raises(AssertionError):
        comes_near_the_optimum(lambda model, x, *args, **more: x)


def test_lambda_grows_where_the_bound_is_missed(monkeypatch):
    """What comes to the last projection is further outside if lambda stays at its first value."""
    outside = {}

    def watched(d, features, x, z, bound):
        outside[module.WEIGHT_GROWTH] = float((d.between(features, z) / bound).mean())
        return project(d, features, x, z, bound)

    monkeypatch.setattr(module, "project", watched)
    for factor in (1.0, 10.0):
        monkeypatch.setattr(module, "WEIGHT_GROWTH", factor)
        lpa(MODEL, X, Y, bound=1e-2, distance=PIXELS, confidence=1e9, iterations=10)
    assert 1 < outside[10.0] < 0.5 * outside[1.0]


@settings(max_examples=15, deadline=None)
@given(
    bound=st.floats(1e-5, 0.5), seed=st.none() | st.integers(0, 9), n=st.integers(1, 4),
    wrong=st.lists(st.booleans(), min_size=8, max_size=8),
)  # fmt: skip
def test_wrong_images_come_back_and_the_others_stay_within_the_bound(bound, seed, n, wrong):
    mask = torch.tensor(wrong)
    y = torch.where(mask, 1 - Y, Y)
    generator = None if seed is None else runtime.generator(seed)
    x_adv = lpa(MODEL, X, y, bound=bound, distance=SMOOTH, iterations=n, searches=2, generator=generator)
    assert torch.equal(x_adv[mask], X[mask])
    assert (SMOOTH(X, x_adv) <= bound).all()
    assert (x_adv.shape, x_adv.dtype) == (X.shape, X.dtype) and ((x_adv >= 0) & (x_adv <= 1)).all()


def test_each_image_is_attacked_on_its_own():
    y = torch.where(torch.arange(8) % 3 == 0, 1 - Y, Y)
    whole = lpa(MODEL, X, y, bound=0.3, distance=SMOOTH, iterations=6)
    parts = [
        lpa(MODEL, a, b, bound=0.3, distance=SMOOTH, iterations=6) for a, b in zip(X.split(3), y.split(3), strict=True)
    ]
    torch.testing.assert_close(whole, torch.cat(parts), rtol=0, atol=1e-4)


def test_the_random_start_is_the_generators_and_of_its_size():
    """Images that the noise alone turns come back with nothing else done to them."""
    one, again, other = (
        lpa(MODEL, X, Y, bound=0.1, distance=SMOOTH, iterations=1, generator=runtime.generator(seed))
        for seed in (0, 0, 1)
    )
    assert torch.equal(one, again) and not torch.equal(one, other)

    class Fickle(nn.Module):
        def forward(self, x):
            same = (x - wide).flatten(1).abs().amax(1) == 0
            return torch.stack([same.float(), 1 - same.float()], 1) + 0 * x.flatten(1).sum(1, keepdim=True)

    wide = torch.full((1, 1, 100, 100), 0.5)
    x_adv = lpa(
        Fickle().eval(), wide, torch.zeros(1, dtype=torch.int64), bound=1e3, distance=PIXELS,
        generator=runtime.generator(2),
    )  # fmt: skip
    assert abs(float((x_adv - wide).std()) - 0.01) < 5e-4 and abs(float((x_adv - wide).mean())) < 5e-4


def test_the_features_of_the_images_are_computed_once():
    calls = []
    watched = Distance("watched", 2, lambda x: calls.append(len(x)) or PIXELS.features(x), PIXELS.between)
    lpa(MODEL, X, Y, bound=0.01, distance=watched, confidence=1e9, iterations=4, searches=2)
    assert calls == [8] * 9, "once for x, once for each step's probe"


@pytest.mark.parametrize(("how", "error"), [("fine", None), ("fails", MemoryError), ("nan", ValueError)])
def test_the_caller_is_left_alone(leaves_the_caller_alone, how, error):
    options = {} if error is None else {"confidence": 1e9}
    leaves_the_caller_alone(
        partial(lpa, bound=0.01, distance=SMOOTH, iterations=3, **options), Plane(), X, Y, how, error
    )


@pytest.mark.parametrize(
    ("wrong", "mend"),
    [
        ({"bound": -1.0}, "bound is -1.0, expected a positive number, the largest pixels allowed"),
        ({"bound": math.inf}, "bound is inf, expected a positive number"),
        ({"confidence": math.nan}, "confidence is nan, expected 0 or more"),
        ({"iterations": 1.5}, "iterations is 1.5, expected a whole number of 1 or more"),
        ({"searches": 0}, "searches is 0, expected a whole number of 1 or more"),
        ({"x": X.double()}, "x has dtype torch.float64, expected torch.float32"),
        ({"x": 255 * X}, r"x spans .* expected pixels in \[0, 1\]"),
        ({"x": X[:, :, :1]}, r"expected sides of 2 pixels or more for pixels"),
        ({"y": Y[:3]}, r"y has shape \(3,\), expected \(8,\)"),
        ({"y": Y + 1}, r"expected labels in \[0, 1\]"),
        ({"model": Plane().train()}, r"training mode, expected evaluation mode; call model.eval\(\) first"),
    ],
    ids=lambda v: ",".join(v) if isinstance(v, dict) else str(v)[:40],
)
def test_what_does_not_fit_is_refused(wrong, mend):
    arguments = {"model": MODEL, "x": X, "y": Y, "bound": 0.1, "distance": PIXELS, "iterations": 1} | wrong
    with pytest.raises(ValueError, match=mend):
        lpa(**arguments)
