"""PerC-AL against adv-lib's, and what its paper promises; and mutants of it, which the same checks find."""

import copy
import importlib
import math
import sys
import types
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fairlib.attacks.loss import lead
from fairlib.attacks.perc_al import colour_distance, perc_al
from fairlib.perceptual import delta_e, rgb_to_lab

pytestmark = pytest.mark.usefixtures("no_trace")
module = importlib.import_module("fairlib.attacks.perc_al")


def network(seed: int = 0) -> nn.Module:
    """A small smooth classifier of 16x16 colour images, five classes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = nn.Conv2d(3, 8, 3, padding=1), nn.Tanh(), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(128, 5)
        return nn.Sequential(*layers).eval()


MODEL = network()
GENERATOR = torch.Generator().manual_seed(1)
X = F.interpolate(torch.rand(12, 3, 5, 5, generator=GENERATOR), (16, 16), mode="bilinear")
X = (255 * (0.2 + 0.6 * X)).round() / 255  # far from black and white: adv-lib measures before it clips
with torch.no_grad():
    Y = MODEL(X).argmax(1)
WRONG = (Y + 1) % 5


def margins(x, y, model=MODEL):
    with torch.no_grad():
        return lead(model(x), y)


@pytest.fixture(scope="module")
def theirs():
    """adv-lib, which asks for a plotting package that this test has no use for."""
    missing = "visdom" not in sys.modules
    sys.modules.setdefault("visdom", types.ModuleType("visdom"))
    try:
        yield pytest.importorskip(
            "adv_lib.attacks.perceptual_color_attacks.perceptual_color_distance_al",
            reason="adv-lib is the oracle of this test; pip install --no-deps adv-lib",
        )
    finally:
        if missing:
            del sys.modules["visdom"]


def run_theirs(theirs, n, alpha_c=0.1):
    return theirs.perc_al(MODEL, X, Y, num_classes=5, max_iterations=n, alpha_c_init=alpha_c)


def is_adv_libs_with_its_own_colour_difference(attack, theirs) -> None:
    """The loop alone: both measure colours by adv-lib's formula. Rounding may fall the other way on a few pixels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "rgb_to_lab", theirs.rgb2lab_diff)
        patch.setattr(module, "delta_e", theirs.ciede2000_diff)
        for n, alpha_c in ((1, 0.1), (10, 0.5), (30, 0.1)):
            apart = (
                255
                * (attack(MODEL, X, Y, iterations=n, colour_step_size=alpha_c) - run_theirs(theirs, n, alpha_c)).abs()
            )
            assert apart.max() <= 1.01 and (apart > 0.5).float().mean() < 1e-3


def test_perc_al_is_adv_libs(theirs):
    is_adv_libs_with_its_own_colour_difference(perc_al, theirs)


def test_what_is_left_is_the_formula_of_the_colour_difference(theirs):
    """Theirs is CIEDE2000 with a 39 for a 30, as its docstring says. Ours finds images as near, by either formula."""
    ours, others = perc_al(MODEL, X, Y, iterations=50), run_theirs(theirs, 50)
    assert (margins(ours, Y) > 0).all() and (margins(others, Y) > 0).all()
    assert ((ours - others).abs() > 0.5 / 255).any()
    ours_by, theirs_by = (
        (colour_distance(rgb_to_lab(X), z), theirs.ciede2000_diff(theirs.rgb2lab_diff(X), theirs.rgb2lab_diff(z)))
        for z in (ours, others)
    )
    torch.testing.assert_close(ours_by[0], theirs_by[0], rtol=0.02, atol=0)
    torch.testing.assert_close(
        ours_by[1].flatten(1).norm(dim=1), theirs_by[1].flatten(1).norm(dim=1), rtol=0.02, atol=0
    )


def fools_with_the_confidence_asked_for(attack) -> None:
    """The published code only knows 0 and a fixed 40."""
    moved = []
    for a in (0.0, 0.2, 0.5):
        x_adv = attack(MODEL, X, Y, confidence=a, iterations=40)
        assert (margins(x_adv, Y) > a).all()
        moved.append(colour_distance(rgb_to_lab(X), x_adv).mean())
    assert moved[0] < moved[1] < moved[2], "confidence has its price"


def returns_images_of_eight_bits(attack) -> None:
    x_adv = attack(MODEL, X, Y, iterations=10)
    torch.testing.assert_close(255 * x_adv, (255 * x_adv).round(), rtol=0, atol=1e-4)
    assert x_adv.min() >= 0 and x_adv.max() <= 1 and not torch.equal(x_adv, X)


def comes_nearer_once_it_has_fooled(attack) -> None:
    """More iterations are spent on colour, so the images come back nearer than the first hit."""
    first, last = (colour_distance(rgb_to_lab(X), attack(MODEL, X, Y, iterations=n)) for n in (8, 60))
    assert (last < 0.9 * first).all()


CHECKS = [fools_with_the_confidence_asked_for, returns_images_of_eight_bits, comes_nearer_once_it_has_fooled]


@pytest.mark.parametrize("check", CHECKS)
def test_perc_al(check):
    check(perc_al)


normalised = module.normalised
MUTANTS = {  # what is replaced in the module, and the check that finds it
    "downhill": ({"normalised": lambda g: -normalised(g)}, fools_with_the_confidence_asked_for),
    "unnormalised": ({"normalised": lambda g: g}, comes_nearer_once_it_has_fooled),
    "confidence ignored": ({"lead": lambda z, y: 1e9 * lead(z, y)}, fools_with_the_confidence_asked_for),
    "no colour": ({"delta_e": lambda a, b: (a - b).abs().sum(1) * 0}, comes_nearer_once_it_has_fooled),
    "in RGB": ({"rgb_to_lab": lambda x: x, "delta_e": lambda a, b: (a - b).sum(1)}, comes_nearer_once_it_has_fooled),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_found(name, monkeypatch):
    parts, check = MUTANTS[name]
    for part, mutant in parts.items():
        monkeypatch.setattr(module, part, mutant)
    with pytest.raises(AssertionError):
        check(perc_al)


@pytest.mark.parametrize(
    "mutant",
    [
        lambda *args, iterations, colour_step_size, **more: perc_al(
            *args, iterations=iterations, colour_step_size=2 * colour_step_size, **more
        ),
        lambda *args, iterations, colour_step_size, **more: perc_al(
            *args, iterations=iterations, colour_step_size=colour_step_size, loss_step_size=0.9, **more
        ),
        lambda *args, iterations, colour_step_size, **more: perc_al(
            *args, iterations=iterations + 1, colour_step_size=colour_step_size, **more
        ),
        lambda model, x, y, **more: x,
    ],
    ids=["longer colour steps", "shorter loss steps", "one more iteration", "no-op"],
)
def test_adv_lib_finds_a_mutant(mutant, theirs):
    with pytest.raises(AssertionError):
        is_adv_libs_with_its_own_colour_difference(mutant, theirs)


def test_adv_lib_finds_steps_that_do_not_shrink(theirs, monkeypatch):
    monkeypatch.setattr(module.math, "cos", lambda angle: 1.0)
    with pytest.raises(AssertionError):
        is_adv_libs_with_its_own_colour_difference(perc_al, theirs)


def test_its_difference_is_ciede2000():
    """The L2 norm over the pixels, of the formula that `fairlib.perceptual` tests against published pairs."""
    x_adv = (X + 0.05).clamp(0, 1)
    one = delta_e(rgb_to_lab(X), rgb_to_lab(x_adv))
    torch.testing.assert_close(colour_distance(rgb_to_lab(X), x_adv), one.square().sum((1, 2)).sqrt())


@settings(max_examples=15, deadline=None)
@given(
    n=st.integers(1, 5), a=st.sampled_from([0.0, 0.3]), alpha_l=st.floats(0.05, 3), alpha_c=st.floats(0.01, 1),
    wrong=st.lists(st.booleans(), min_size=4, max_size=4),
)  # fmt: skip
def test_an_image_is_fooling_or_unchanged(n, a, alpha_l, alpha_c, wrong):
    x, mask = X[:4], torch.tensor(wrong)
    y = torch.where(mask, WRONG[:4], Y[:4])
    x_adv = perc_al(MODEL, x, y, iterations=n, confidence=a, loss_step_size=alpha_l, colour_step_size=alpha_c)
    same = (x_adv == x).flatten(1).all(1)
    assert same[mask].all()
    assert (same | (margins(x_adv, y) > a)).all()
    assert (x_adv.shape, x_adv.dtype) == (x.shape, x.dtype) and ((x_adv >= 0) & (x_adv <= 1)).all()


def test_what_is_never_fooled_comes_back():
    assert torch.equal(perc_al(MODEL, X, Y, iterations=1, loss_step_size=1e-4), X)


def test_each_image_is_attacked_on_its_own():
    y = torch.where(torch.arange(12) % 3 == 0, WRONG, Y)
    whole = perc_al(MODEL, X, y, iterations=8)
    parts = [perc_al(MODEL, a, b, iterations=8) for a, b in zip(X.split(5), y.split(5), strict=True)]
    assert ((whole - torch.cat(parts)).abs() > 0.5 / 255).float().mean() < 1e-3


def test_black_white_and_grey_images_have_gradients():
    x = torch.tensor([0.0, 1.0, 0.5]).view(3, 1, 1, 1).expand(3, 3, 16, 16).contiguous()
    with torch.no_grad():
        y = MODEL(x).argmax(1)
    x_adv = perc_al(MODEL, x, y, iterations=30)
    assert x_adv.isfinite().all() and (margins(x_adv, y) > 0).all()


def test_a_fooled_image_costs_no_gradient_of_the_model():
    calls = []
    model = copy.deepcopy(MODEL)
    model.register_forward_hook(lambda m, i, o: calls.append((len(o), o.requires_grad)))
    perc_al(model, X, Y, iterations=30)
    assert 0 < sum(n for n, graded in calls if graded) < 0.8 * 30 * len(X)


@pytest.mark.parametrize(("how", "error"), [("fine", None), ("fails", MemoryError), ("nan", ValueError)])
def test_the_caller_is_left_alone(leaves_the_caller_alone, how, error):
    leaves_the_caller_alone(partial(perc_al, iterations=3), copy.deepcopy(MODEL), X, Y, how, error)


@pytest.mark.parametrize(
    ("wrong", "mend"),
    [
        ({"confidence": -1.0}, "confidence is -1.0, expected 0 or more"),
        ({"confidence": math.nan}, "confidence is nan, expected 0 or more"),
        ({"iterations": 0}, "iterations is 0, expected a whole number of 1 or more"),
        ({"iterations": 2.5}, "iterations is 2.5, expected a whole number of 1 or more"),
        ({"loss_step_size": 0.0}, "loss_step_size is 0.0, expected a positive number"),
        ({"colour_step_size": -0.1}, "colour_step_size is -0.1, expected a positive number"),
        ({"x": X.double()}, "x has dtype torch.float64, expected torch.float32"),
        ({"x": 255 * X}, r"x spans .* expected pixels in \[0, 1\]"),
        ({"x": X[:, :2]}, r"x has 2 channels, expected 1 or 3; drop an alpha channel"),
        ({"x": X[0]}, r"x has shape \(3, 16, 16\), expected \(N, C, H, W\)"),
        ({"y": Y[:3]}, r"y has shape \(3,\), expected \(12,\)"),
        ({"y": Y + 5}, r"expected labels in \[0, 4\]"),
        ({"model": network().train()}, r"training mode, expected evaluation mode; call model.eval\(\) first"),
    ],
    ids=lambda v: ",".join(v) if isinstance(v, dict) else str(v)[:40],
)
def test_what_does_not_fit_is_refused(wrong, mend):
    arguments = {"model": MODEL, "x": X, "y": Y, "iterations": 1} | wrong
    with pytest.raises(ValueError, match=mend):
        perc_al(**arguments)


def test_of_greys_the_distance_is_that_of_lightness():
    """CIEDE2000 between greys: the difference in L*, over a term of their mean (Sharma, Wu and Dalal 2005)."""
    g = torch.Generator().manual_seed(2)
    one, other = (torch.rand(5, 1, 6, 6, generator=g, dtype=torch.float64) for _ in range(2))

    def lightness(v):
        linear = torch.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)
        return torch.where(linear > (6 / 29) ** 3, 116 * linear ** (1 / 3) - 16, (29 / 3) ** 3 * linear)

    first, second = lightness(one), lightness(other)
    off = ((first + second) / 2 - 50).square()
    expected = ((first - second) / (1 + 0.015 * off / (20 + off).sqrt())).flatten(1).norm(dim=1)
    found = colour_distance(rgb_to_lab(one.expand(-1, 3, -1, -1)), other)
    torch.testing.assert_close(found, expected, rtol=2e-3, atol=0)


def test_greys_stay_greys_and_are_turned():
    class Grey(nn.Module):
        def forward(self, x):
            return MODEL(x.expand(-1, 3, -1, -1))

    x, model = X.mean(1, keepdim=True), Grey().eval()
    with torch.no_grad():
        y = model(x).argmax(1)
    x_adv = perc_al(model, x, y, iterations=50)
    assert x_adv.shape == x.shape
    assert (margins(x_adv, y, model) > 0).float().mean() > 0.9
    assert (x_adv - x).flatten(1).norm(dim=1).max() < 5
