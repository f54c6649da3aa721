"""The random search against exhaustive search over its corners; and mutants of it, which the same checks find."""

import copy
import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlib import data, runtime
from fairlib.attacks import random_sign, square
from fairlib.attacks.adaptive import mean_lead, soft_leads
from fairlib.baselines import Binarised
from fairlib.defenses import CentroidDefense
from fairlib.models import LayeredModel

pytestmark = pytest.mark.usefixtures("no_trace")


class Bent(LayeredModel):
    """Two fixed random linear layers of six pixels, with a curve between them; four classes."""

    shape, classes, released_taps = (1, 2, 3), 4, ("a", "b")

    def __init__(self) -> None:
        super().__init__()
        g = runtime.generator(0)
        self.a, self.b = torch.randn(6, 4, generator=g), torch.randn(4, 3, generator=g)

    def layers(self, x):
        z = ((x.flatten(1) - 0.5) @ self.a).tanh()
        yield "a", z
        yield "b", z @ self.b


DEFENSE = CentroidDefense(Bent().eval(), torch.rand(4, 1, 2, 3, generator=runtime.generator(1)), [0.3, 0.2, 0.4, 0.3])
X = torch.rand(40, 1, 2, 3, generator=runtime.generator(2))
Y = DEFENSE.predict(X).clamp(min=0)
EPS = 0.15
CORNERS = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=6))).view(64, 1, 2, 3)


def value(x, y):
    with torch.no_grad():
        return mean_lead(soft_leads(DEFENSE, x, y, temperatures=[0.1]))


def run(attack, *, queries, x=X, y=Y, seed=0, eps=EPS):
    return attack(
        DEFENSE, x, y, eps=eps, queries=queries, generator=runtime.generator(seed), temperatures=[0.1]
    )  # fmt: skip


def walks_from_corner_to_corner(attack) -> None:
    """Every pixel ends at x - eps or x + eps, cut to [0, 1]; so it fools only where one of the 64 corners does."""
    x_adv = run(attack, queries=30)
    ends = torch.stack([(X - EPS).clip(0, 1), (X + EPS).clip(0, 1)])
    assert ((x_adv - ends).abs() < 1e-6).any(0).all()
    fooled = DEFENSE.predict(x_adv) != Y
    corners = [(x + EPS * CORNERS).clip(0, 1) for x in X]
    possible = torch.stack([(DEFENSE.predict(c) != y).any() for c, y in zip(corners, Y, strict=True)])
    assert (fooled <= possible).all() and 0 < possible.sum() < len(X)


def climbs(attack) -> None:
    """The lead never falls as queries are added, and ends where no change of a single pixel raises it."""
    path = [run(attack, queries=queries) for queries in (200, 400)]
    start = run(attack, queries=1)
    kept = DEFENSE.predict(path[0]) == Y
    assert kept.sum() > 3
    assert (value(path[0], Y) >= value(start, Y) - 1e-6)[kept].all()
    assert (value(path[0], Y) > value(start, Y) + 1e-3)[kept].any()
    kept &= DEFENSE.predict(path[1]) == Y
    best = value(path[1], Y)
    for pixel in range(6):
        for sign in (-1, 1):
            other = path[1].flatten(1).clone()
            other[:, pixel] = (X.flatten(1)[:, pixel] + sign * EPS).clip(0, 1)
            assert (value(other.view_as(X), Y) <= best + 1e-6)[kept].all()


def attacks_each_image_on_its_own(attack) -> None:
    strangers, labels = X.flip(0).clone(), (Y + 1) % 4
    strangers[:9], labels[:9] = X[:9], Y[:9]
    torch.testing.assert_close(run(attack, queries=40)[:9], run(attack, queries=40, x=strangers, y=labels)[:9])


def leaves_the_caller_alone(attack) -> None:
    defense, x = copy.deepcopy(DEFENSE), X.clone().requires_grad_()
    x_adv = attack(defense, x, Y, eps=EPS, queries=3, generator=runtime.generator(0))
    assert torch.equal(x, X) and x.grad is None and not x_adv.requires_grad


CHECKS = [walks_from_corner_to_corner, climbs, attacks_each_image_on_its_own, leaves_the_caller_alone]


@pytest.mark.parametrize("check", CHECKS)
def test_square(check):
    check(square)


def only_the_start(defense, x, y, *, queries, **options):
    return square(defense, x, y, queries=1, **options)


def downhill(defense, x, y, **options):
    """Lowers the lead: the attack with the labels of those who do not come out."""
    return square(defense, x, (y + 1) % 4, **options)


def uniform_noise(defense, x, y, *, eps, generator, **options):
    return (x + eps * (2 * torch.rand(x.shape, generator=generator) - 1)).clamp(0, 1).detach()


def twice_the_budget(defense, x, y, *, eps, **options):
    return square(defense, x, y, eps=2 * eps, **options)


def shared_squares(defense, x, y, **options):
    """The batch accepts or refuses together."""
    x_adv = square(defense, x, y, **options)
    return (x + (x_adv - x)[y.bincount().argmax()]).clamp(0, 1).detach()


@pytest.mark.parametrize(
    ("mutant", "check"),
    [
        (only_the_start, climbs),
        (downhill, climbs),
        (uniform_noise, walks_from_corner_to_corner),
        (twice_the_budget, walks_from_corner_to_corner),
        (shared_squares, attacks_each_image_on_its_own),
    ],
)
def test_a_mutant_is_found(mutant, check):
    with pytest.raises(AssertionError):
        check(mutant)


@settings(max_examples=30, deadline=None)
@given(eps=st.floats(0, 1), queries=st.integers(1, 5), seed=st.integers(0, 9))
def test_budget_and_range_hold(eps, queries, seed):
    x_adv = run(square, queries=queries, seed=seed, eps=eps)
    assert ((x_adv >= 0) & (x_adv <= 1)).all() and ((x_adv - X).abs() <= eps + 1e-6).all()
    assert torch.equal(x_adv, run(square, queries=queries, seed=seed, eps=eps))


def test_it_fools_the_shipped_defences_more_often_than_noise(model, digits):
    defense = CentroidDefense(model, data.centroids("MNIST"), data.alphas("MNIST"))
    x, y = (part[:100] for part in digits)
    noisy = random_sign(model, x, y, eps=0.3, generator=runtime.generator(0))
    searched = square(defense, x, y, eps=0.3, queries=60, generator=runtime.generator(0))
    left, there = ((defense.predict(z) == y).sum() for z in (searched, noisy))
    assert left < 0.8 * there


def test_on_a_linear_network_it_finds_the_worst_corner():
    """Two classes: where any corner fools, the search ends in one; else in the corner of highest lead."""

    class Line(LayeredModel):
        shape, classes, released_taps = (1, 2, 3), 2, ("z",)
        weight = torch.tensor([[1.0, -2.0, 0.5, 0.25, -0.125, 3.0], [-1.0, 1.0, 1.5, -2.0, 4.0, 1.0]])

        def layers(self, x):
            yield "z", (x.flatten(1) - 0.5) @ self.weight.T

    line = Line().eval()
    y = line(X).argmax(1)
    x_adv = square(line, X, y, eps=EPS, queries=400, generator=runtime.generator(0))
    sign = (line.weight[1 - y] - line.weight[y]).sign().view_as(X)
    worst = (X + EPS * sign).clip(0, 1)
    fooled, possible = (line(z).argmax(1) != y for z in (x_adv, worst))
    assert torch.equal(fooled, possible) and 3 < fooled.sum() < len(X) - 3
    torch.testing.assert_close(x_adv[~fooled], worst[~fooled])


def test_it_fools_a_network_whose_gradient_lies(model, digits):
    """A network behind a threshold keeps its answers under FGSM on what it is told; the search reads values only."""
    binarised = Binarised(model)
    x, y = (part[:60] for part in digits)
    kept = binarised(x).argmax(1) == y
    searched = square(binarised, x, y, eps=0.45, queries=100, generator=runtime.generator(0))
    assert ((binarised(searched).argmax(1) == y) & kept).sum() < 0.8 * kept.sum()


@pytest.mark.parametrize(
    ("wrong", "mend"),
    [
        ({"eps": -0.1}, "eps is -0.1, expected a number in"),
        ({"queries": 0}, "queries is 0, expected a whole number of 1 or more"),
        ({"temperatures": [-1.0]}, "a temperature is -1.0, expected a positive number"),
        ({"x": X.double()}, "x has dtype torch.float64, expected torch.float32"),
        ({"y": Y[:2]}, r"y has shape \(2,\), expected \(40,\)"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(wrong, mend):
    arguments = {"target": DEFENSE, "x": X, "y": Y, "eps": 0.1, "queries": 1, "generator": runtime.generator(0)}
    with pytest.raises(ValueError, match=mend):
        square(**arguments | wrong)
