"""PPGD and its parts against linear algebra; and mutants of it, which the same checks find."""

import importlib
import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fairlib import runtime
from fairlib.attacks.loss import lead
from fairlib.attacks.ppgd import conjugate_gradients, ppgd, project, steepest
from fairlib.perceptual import Distance

pytestmark = pytest.mark.usefixtures("no_trace")
module = importlib.import_module("fairlib.attacks.ppgd")

GENERATOR = torch.Generator().manual_seed(3)
X = 0.3 + 0.4 * torch.rand(8, 1, 3, 4, generator=GENERATOR)
FEATURES = torch.randn(20, 12, generator=GENERATOR) @ torch.diag(torch.logspace(0, -1, 12))  # some directions show less
CURVED = 0.3 * torch.randn(6, 12, generator=GENERATOR)


def squared(name, features) -> Distance:
    """The squared L2 distance of features."""
    return Distance(name, 2, lambda x: (features(x),), lambda kept, z: (kept[0] - features(z)).square().sum(1))


LINEAR = squared("linear", lambda x: x.flatten(1) @ FEATURES.T)
SMOOTH = squared("smooth", lambda x: torch.cat([(x.flatten(1) @ FEATURES.T).tanh(), (x.flatten(1) @ CURVED.T) ** 2], 1))


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


def margins(x, y=Y, model=MODEL):
    with torch.no_grad():
        return lead(model(x), y)


def metric(distance, z):
    """J'J of the features at each image, by torch.func."""
    jacobian = torch.func.vmap(torch.func.jacrev(lambda one: distance.features(one.view(1, 1, 3, 4))[0][0]))
    j = jacobian(z.flatten(1))
    return j.mT @ j


def optimum(x, y, bound):
    """The largest margin of a linear model over a ball of the linear distance, and where: Lagrange's multipliers."""
    g = -2 * MODEL.weight.detach() * (1 - 2 * y).unsqueeze(1)
    solution = torch.linalg.solve(metric(LINEAR, x), g)
    step = solution * (bound / (solution * g).sum(1, keepdim=True)).sqrt()
    return x + step.view_as(x)


@pytest.mark.parametrize("distance", [LINEAR, SMOOTH], ids=["linear", "smooth"])
def test_a_step_is_lemma_1(distance):
    """size (J'J)^-1 g / ||J (J'J)^-1 g||, which moves the root of the distance by `size`."""
    g = torch.randn(X.shape, generator=runtime.generator(1))
    found = steepest(distance, X, g, 1e-3, conjugate_iterations=30)
    solution = torch.linalg.solve(metric(distance, X).double(), g.flatten(1).double())
    expected = 1e-3 * solution / (solution * g.flatten(1)).sum(1, keepdim=True).sqrt()
    torch.testing.assert_close(found.flatten(1), expected.float(), rtol=1e-2, atol=1e-6)
    torch.testing.assert_close(distance(X, X + found).sqrt(), torch.full((8,), 1e-3), rtol=1e-2, atol=0)


def test_a_step_without_a_solver_goes_along_the_gradient():
    """One iteration of conjugate gradients; the length is right after any number of them."""
    g = torch.randn(X.shape, generator=runtime.generator(1))
    found = steepest(SMOOTH, X, g, 1e-3, conjugate_iterations=1)
    cosine = torch.cosine_similarity(found.flatten(1), g.flatten(1))
    torch.testing.assert_close(cosine, torch.ones(8))
    moved = (found.flatten(1)[:, None] @ metric(SMOOTH, X) @ found.flatten(1)[..., None]).flatten().sqrt()
    torch.testing.assert_close(moved, torch.full((8,), 1e-3), rtol=1e-3, atol=0)


def test_an_image_without_a_gradient_takes_no_step():
    g = torch.randn(X.shape, generator=runtime.generator(1))
    g[3] = 0
    step = steepest(SMOOTH, X, g, 1e-3, conjugate_iterations=5)
    assert (step[3] == 0).all() and (step[:3].flatten(1).norm(dim=1) > 0).all()


def test_conjugate_gradients_solve():
    matrix = metric(LINEAR, X)[0]
    b = torch.randn(8, 1, 3, 4, generator=runtime.generator(2))
    errors = []
    for iterations in (1, 4, 40):
        s, residual = conjugate_gradients(lambda v: (v.flatten(1) @ matrix).view_as(v), b, iterations)
        torch.testing.assert_close(residual, b - (s.flatten(1) @ matrix).view_as(b), rtol=0, atol=1e-3)
        errors.append(float(residual.norm()))
    assert errors[0] > errors[1] > 100 * errors[2]


def test_conjugate_gradients_stop_where_there_is_nothing_to_solve():
    b = torch.ones(2, 1, 3, 4)
    b[1] = 0
    s, residual = conjugate_gradients(lambda v: 0 * v, b, 5)
    assert torch.equal(s, torch.zeros_like(b)) and torch.equal(residual, b)


@settings(max_examples=40, deadline=None)
@given(bound=st.floats(1e-6, 1.0), seed=st.integers(0, 99), steps=st.integers(0, 10))
def test_a_projection_lies_within_the_bound(bound, seed, steps):
    """By Newton's steps, or with none of them by bisection alone."""
    z = torch.rand(X.shape, generator=runtime.generator(seed))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "NEWTON_STEPS", steps)
        for distance in (LINEAR, SMOOTH):
            found = project(distance, distance.features(X), X, z, bound)
            assert (distance(X, found) <= bound).all() and ((found >= 0) & (found <= 1)).all()
            inside = distance(X, z) <= 0.999 * bound
            if steps:
                assert torch.equal(found[inside], z[inside])


def test_newton_projects_far_points_and_stays_near_the_edge():
    z = X + 0.2 * torch.randn(X.shape, generator=runtime.generator(4))
    z = z.clamp(0, 1)
    bound = 0.05
    assert (LINEAR(X, z) > bound).all()
    found = project(LINEAR, LINEAR.features(X), X, z, bound)
    assert (LINEAR(X, found) > 0.2 * bound).all()
    assert ((found - z).flatten(1).norm(dim=1) < (X - z).flatten(1).norm(dim=1)).all(), "nearer than going home"


def respects_the_bound(attack) -> None:
    for bound in (1e-4, 1e-2, 0.3):
        for distance in (LINEAR, SMOOTH):
            for generator in (None, runtime.generator(0)):
                x_adv = attack(
                    MODEL, X, Y, bound=bound, distance=distance, confidence=1e9, iterations=5, generator=generator
                )
                assert (distance(X, x_adv) <= bound).all()
                assert x_adv.min() >= 0 and x_adv.max() <= 1


def reaches_the_optimum(attack) -> None:
    """Linear model, linear features: the largest margin in the ball is known. Newton's steps go the shortest way in
    pixels, not in features, and so give back a little of what a step has won; bisection does not."""
    for newton, share in ((module.NEWTON_STEPS, 0.85), (0, 0.97)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "NEWTON_STEPS", newton)
            for bound in (1e-4, 1e-2):
                x_adv = attack(
                    MODEL, X, Y, bound=bound, distance=LINEAR, confidence=1e9, iterations=20, conjugate_iterations=30
                )
                best = optimum(X, Y, bound)
                assert best.min() >= 0 and best.max() <= 1, "the bound is small enough for the formula"
                gain = (margins(x_adv) - margins(X)) / (margins(best) - margins(X))
                assert (gain > share).all() and (gain <= 1 + 1e-4).all()


def fools_with_the_confidence_asked_for(attack) -> None:
    reached = []
    for a in (0.0, 1.0):
        x_adv = attack(MODEL, X, Y, bound=10.0, distance=LINEAR, confidence=a, iterations=400)
        assert (margins(x_adv) > a).all()
        reached.append(margins(x_adv))
    assert (reached[0] < 0.5).all() and (reached[0] < reached[1]).all(), "and goes no further than it must"


CHECKS = [respects_the_bound, reaches_the_optimum, fools_with_the_confidence_asked_for]


@pytest.mark.parametrize("check", CHECKS)
def test_ppgd(check):
    check(ppgd)


MUTANTS = {  # what is replaced in the module, and the check that finds it
    "downhill": ("steepest", lambda *args: -steepest(*args), reaches_the_optimum),
    "plain gradient": (
        "conjugate_gradients",
        lambda product, b, n: conjugate_gradients(product, b, 1),
        reaches_the_optimum,
    ),
    "half a step": ("steepest", lambda d, z, g, s, *rest: steepest(d, z, g, 0.4 * s, *rest), reaches_the_optimum),
    "no projection": ("project", lambda d, f, x, z, bound: z, respects_the_bound),
    "wide projection": ("project", lambda d, f, x, z, bound: project(d, f, x, z, 1.2 * bound), respects_the_bound),
    "root for square": ("project", lambda d, f, x, z, bound: project(d, f, x, z, bound**0.5), respects_the_bound),
    "projection home": ("project", lambda d, f, x, z, bound: x, reaches_the_optimum),
    "never finished": ("lead", lambda z, y: lead(z, y).clamp(max=0), fools_with_the_confidence_asked_for),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_found(name, monkeypatch):
    part, mutant, check = MUTANTS[name]
    monkeypatch.setattr(module, part, mutant)
    with pytest.raises(AssertionError):
        check(ppgd)


def test_a_no_op_is_found():
    with pytest.raises(AssertionError):
        reaches_the_optimum(lambda model, x, *args, **more: x)


@settings(max_examples=15, deadline=None)
@given(
    bound=st.floats(1e-5, 0.5), seed=st.none() | st.integers(0, 9), n=st.integers(1, 4),
    wrong=st.lists(st.booleans(), min_size=8, max_size=8),
)  # fmt: skip
def test_wrong_images_come_back_and_the_others_stay_within_the_bound(bound, seed, n, wrong):
    mask = torch.tensor(wrong)
    y = torch.where(mask, 1 - Y, Y)
    generator = None if seed is None else runtime.generator(seed)
    x_adv = ppgd(MODEL, X, y, bound=bound, distance=SMOOTH, iterations=n, generator=generator)
    assert torch.equal(x_adv[mask], X[mask])
    assert (SMOOTH(X, x_adv) <= bound).all()
    assert (x_adv.shape, x_adv.dtype) == (X.shape, X.dtype) and ((x_adv >= 0) & (x_adv <= 1)).all()


def test_each_image_is_attacked_on_its_own():
    y = torch.where(torch.arange(8) % 3 == 0, 1 - Y, Y)
    whole = ppgd(MODEL, X, y, bound=0.3, distance=SMOOTH, iterations=6)
    parts = [
        ppgd(MODEL, a, b, bound=0.3, distance=SMOOTH, iterations=6) for a, b in zip(X.split(3), y.split(3), strict=True)
    ]
    torch.testing.assert_close(whole, torch.cat(parts), rtol=0, atol=1e-4)


def test_the_random_start_is_the_generators():
    one, again, other = (
        ppgd(MODEL, X, Y, bound=0.1, distance=SMOOTH, iterations=1, generator=runtime.generator(seed))
        for seed in (0, 0, 1)
    )
    assert torch.equal(one, again) and not torch.equal(one, other)
    from_x = ppgd(MODEL, X, Y, bound=0.1, distance=SMOOTH, iterations=1)
    assert not torch.equal(one, from_x)


def test_the_features_of_the_images_are_computed_once():
    calls = []
    watched = Distance("watched", 2, lambda x: calls.append(len(x)) or LINEAR.features(x), LINEAR.between)
    ppgd(MODEL, X, Y, bound=0.01, distance=watched, confidence=1e9, iterations=4)
    assert calls == [8] * 5, "once for x, once for each step's own metric"


@pytest.mark.parametrize(("how", "error"), [("fine", None), ("fails", MemoryError), ("nan", ValueError)])
def test_the_caller_is_left_alone(leaves_the_caller_alone, how, error):
    leaves_the_caller_alone(partial(ppgd, bound=0.01, distance=SMOOTH, iterations=3), Plane(), X, Y, how, error)


FLAT = Distance("flat", 2, lambda x: (x,), lambda kept, z: (kept[0] - z).pow(4).sum((1, 2, 3)))
BLIND = Distance("blind", 2, lambda x: (x,), lambda kept, z: (kept[0] - z.detach()).square().sum((1, 2, 3)))


@pytest.mark.parametrize(
    ("wrong", "mend"),
    [
        ({"bound": 0.0}, "bound is 0.0, expected a positive number, the largest linear allowed"),
        ({"bound": math.nan}, "bound is nan, expected a positive number"),
        ({"confidence": -1.0}, "confidence is -1.0, expected 0 or more"),
        ({"iterations": 0}, "iterations is 0, expected a whole number of 1 or more"),
        ({"conjugate_iterations": 0}, "conjugate_iterations is 0, expected a whole number of 1 or more"),
        ({"distance": FLAT}, "flat is flat around an image"),
        ({"distance": BLIND}, "no gradient with respect to the images"),
        ({"x": X.double()}, "x has dtype torch.float64, expected torch.float32"),
        ({"x": 255 * X}, r"x spans .* expected pixels in \[0, 1\]"),
        ({"x": X[:, :, :1]}, r"expected sides of 2 pixels or more for linear"),
        ({"y": Y[:3]}, r"y has shape \(3,\), expected \(8,\)"),
        ({"y": Y + 1}, r"expected labels in \[0, 1\]"),
        ({"model": Plane().train()}, r"training mode, expected evaluation mode; call model.eval\(\) first"),
    ],
    ids=lambda v: ",".join(v) if isinstance(v, dict) else str(v)[:40],
)
def test_what_does_not_fit_is_refused(wrong, mend):
    arguments = {"model": MODEL, "x": X, "y": Y, "bound": 0.1, "distance": LINEAR, "iterations": 1} | wrong
    with pytest.raises(ValueError, match=mend):
        ppgd(**arguments)
