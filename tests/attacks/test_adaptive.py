"""The adaptive attack against exhaustive search, its surrogate against the tally itself; and mutants of both."""

import copy
import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlib import data, runtime
from fairlib.attacks import adaptive, fgsm, pgd
from fairlib.attacks.adaptive import TEMPERATURES, mean_lead, soft_leads
from fairlib.defenses import CentroidDefense
from fairlib.models import LayeredModel

pytestmark = pytest.mark.usefixtures("no_trace")


class Compass(LayeredModel):
    """One layer: an image of two pixels, read as the direction 2 * pixels - 1 in the plane."""

    shape, classes, released_taps, paper_taps = (1, 1, 2), 3, ("plane",), ("plane",)

    def layers(self, x):
        yield "plane", 2 * x[:, 0, 0] - 1


class Layers(LayeredModel):
    """Three fixed random linear layers of four pixels, with curves between them; five classes."""

    shape, classes, released_taps = (1, 2, 2), 5, ("a", "b", "c")

    def __init__(self) -> None:
        super().__init__()
        g = runtime.generator(0)
        self.a, self.b, self.c = (torch.randn(4, 4, generator=g) for _ in range(3))

    def layers(self, x):
        z = x.flatten(1) - 0.5
        for name in self.released_taps:
            z = (z @ getattr(self, name)).tanh()
            yield name, z


def toward(degrees: float) -> torch.Tensor:
    """The two pixels that lie in this direction from the middle."""
    angle = math.radians(degrees)
    return torch.tensor([[[[0.5 + 0.4 * math.cos(angle), 0.5 + 0.4 * math.sin(angle)]]]])


# Directions 0, 90 and 200 degrees; fair within 45, 60 and 30 degrees of them: D = (1 - cos(angle)) / 2.
PLANE = CentroidDefense(
    Compass().eval(),
    torch.cat([toward(0), toward(90), toward(200)]),
    [(1 - math.cos(math.radians(d))) / 2 for d in (45, 60, 30)],
)
DEEP = CentroidDefense(
    Layers().eval(), torch.rand(5, 1, 2, 2, generator=runtime.generator(1)), [0.3, 0.2, 0.4, 0.3, 0.25]
)


# --- The surrogate. ---------------------------------------------------------------------------------------------------


def hard_leads(defense: CentroidDefense, x: torch.Tensor, y: int) -> list[float]:
    """What `leads` becomes with votes of 0 and 1, for one image, counted one by one; the last entry is nobody's."""
    distances = defense.distances(x)[:, 0, 0].tolist()
    fair = [[d <= a for d, a in zip(layer, defense.alpha.tolist(), strict=True)] for layer in distances]
    votes = [sum(layer[j] for layer in fair) for j in range(defense.classes)]
    nobody = sum(not any(layer) for layer in fair)
    found = [v - votes[y] + (0.5 if j < y else -0.5) for j, v in enumerate(votes)] + [nobody - votes[y] - 0.5]
    found[y] = -math.inf
    return found


def margin(defense: CentroidDefense, x: torch.Tensor) -> float:
    """How near the image comes to a threshold: nearer than this, a vote is neither 0 nor 1 at a low temperature."""
    return (defense.distances(x)[:, :, 0] - defense.alpha).abs().min().item()


def becomes_the_tally(soft_leads) -> None:
    seen = set()
    for defense, n in ((DEEP, 300), (PLANE, 100)):
        x = torch.rand(n, *defense.model.shape, generator=runtime.generator(2))
        for image in x.split(1):
            if margin(defense, image) < 1e-3:
                continue
            for y in range(defense.classes):
                (lead,) = soft_leads(defense, image, torch.tensor([y]), temperatures=[1e-5])[0].tolist()
                assert lead == pytest.approx(hard_leads(defense, image, y), abs=1e-6)
                errs = defense.predict(image).item() != y
                assert (max(lead) > 0) == errs
                seen.add((errs, lead.index(max(lead)) == defense.classes))
    assert seen >= {(False, False), (True, False), (True, True)}, "errors by rivals and by nobody were both met"


def is_the_formula(soft_leads) -> None:
    """One layer, so that votes can be written out: v_j = 1 / (1 + exp((D_j - alpha_j) / T))."""
    x = toward(70)
    distance, alpha = PLANE.distances(x)[0, 0, 0].tolist(), PLANE.alpha.tolist()
    for temperature in (0.05, 0.7):
        v = [1 / (1 + math.exp((d - a) / temperature)) for d, a in zip(distance, alpha, strict=True)]
        nobody = (1 - v[0]) * (1 - v[1]) * (1 - v[2])
        expected = [v[0] - v[1] + 0.5, -math.inf, v[2] - v[1] - 0.5, nobody - v[1] - 0.5]
        found = soft_leads(PLANE, x, torch.tensor([1]), temperatures=[9.0, temperature])
        assert found.shape == (2, 1, 4)
        assert found[1, 0].tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("check", [becomes_the_tally, is_the_formula])
def test_soft_leads(check):
    check(soft_leads)


def without_ties(*args, **kwargs):
    return soft_leads(*args, **kwargs, tie_aware=False)


def ties_to_the_highest(defense, x, y, *, temperatures):
    lead = soft_leads(defense, x, y, temperatures=temperatures).clone()
    index = torch.arange(defense.classes)
    lead[..., :-1] += torch.where(index < y[:, None], -1.0, 1.0)
    return lead


def nobody_forgotten(*args, **kwargs):
    lead = soft_leads(*args, **kwargs).clone()
    lead[..., -1] = -torch.inf
    return lead


def nobody_wins_ties(*args, **kwargs):
    lead = soft_leads(*args, **kwargs).clone()
    lead[..., -1] += 1
    return lead


def own_class_counted(defense, x, y, **kwargs):
    return soft_leads(defense, x, y, **kwargs).nan_to_num(neginf=0.25)


def always_warm(defense, x, y, *, temperatures):
    return soft_leads(defense, x, y, temperatures=[0.1] * len(temperatures))


@pytest.mark.parametrize("check", [becomes_the_tally, is_the_formula])
@pytest.mark.parametrize(
    "mutant", [without_ties, ties_to_the_highest, nobody_forgotten, nobody_wins_ties, own_class_counted, always_warm]
)
def test_a_mutant_of_leads_is_found(mutant, check):
    with pytest.raises(AssertionError):
        check(mutant)


PIXELS = st.floats(0, 1, width=32)


@settings(max_examples=200, deadline=None)
@given(pixels=st.lists(PIXELS, min_size=4, max_size=4), y=st.integers(0, 4), tie_aware=st.booleans())
def test_leads_approach_the_tally_as_the_temperature_falls(pixels, y, tie_aware):
    """|sigmoid(m / T) - [m >= 0]| <= exp(-|m| / T): L layers: no lead is off by more than 2 L K exp(-margin / T)."""
    x = torch.tensor(pixels).view(1, 1, 2, 2)
    found = soft_leads(DEEP, x, torch.tensor([y]), temperatures=[0.1, 0.01, 0.001], tie_aware=tie_aware)[:, 0]
    hard = torch.tensor(hard_leads(DEEP, x, y))
    if not tie_aware:
        hard += torch.tensor([-0.5 if j < y else 0.5 for j in range(6)])
        hard[-1] = -torch.inf
    for lead, temperature in zip(found, (0.1, 0.01, 0.001), strict=True):
        bound = 2 * 3 * 5 * math.exp(-margin(DEEP, x) / temperature) + 1e-5
        assert torch.equal(lead.isinf(), hard.isinf())
        assert ((lead - hard)[lead.isfinite()].abs() <= bound).all()


def test_without_the_bucket_nobody_is_no_rival():
    defense = CentroidDefense(PLANE.model, torch.cat([toward(0), toward(90), toward(200)]), PLANE.alpha, nobody=False)
    assert soft_leads(defense, toward(300), torch.tensor([1]), temperatures=[0.1])[0, 0, -1] == -math.inf
    assert PLANE.predict(toward(300)).item() == -1 and defense.predict(toward(300)).item() == 0


def test_the_gradient_equals_finite_differences():
    x, y = 0.2 + 0.6 * torch.rand(20, 1, 2, 2, generator=runtime.generator(3)), torch.arange(20) % 5

    def value(z):
        return soft_leads(DEEP, z, y, temperatures=[0.3])[0, range(20), (y + 1) % 5]

    z = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(value(z).sum(), z)
    for pixel in range(4):
        shift = torch.zeros(4)
        shift[pixel] = 2e-3
        difference = (value(x + shift.view(1, 2, 2)) - value(x - shift.view(1, 2, 2))) / 4e-3
        torch.testing.assert_close(gradient.flatten(1)[:, pixel], difference, rtol=0.02, atol=1e-3)


def test_the_objective_follows_the_leader_or_the_rival():
    lead = torch.tensor([[[1.0, -math.inf, 3.0, -math.inf]], [[5.0, -math.inf, 1.0, -math.inf]]])
    assert mean_lead(lead).tolist() == [4.0]
    assert mean_lead(lead, 0).tolist() == [3.0]
    assert mean_lead(lead, 1).tolist() == mean_lead(lead, 3).tolist() == [4.0], "whoever leads stands in for no rival"


# --- The attack. ------------------------------------------------------------------------------------------------------

POINTS = torch.linspace(0, 1, 101)
PLANE_X = torch.rand(60, 1, 1, 2, generator=runtime.generator(4))
PLANE_Y = PLANE.predict(PLANE_X).clamp(min=0)


def can_be_fooled(x: torch.Tensor, y: int, eps: float) -> bool:
    """Whether any of 101 x 101 points of the ball fools the defence of the plane."""
    sides = [(p - eps).clamp(0, 1) + ((p + eps).clamp(0, 1) - (p - eps).clamp(0, 1)) * POINTS for p in x.flatten()]
    grid = torch.cartesian_prod(*sides).view(-1, 1, 1, 2)
    return bool((PLANE.predict(grid) != y).any())


def finds_what_exhaustive_search_finds(attack) -> None:
    counted = {True: 0, False: 0}
    for eps in (0.05, 0.15, 0.3):
        tried = [attack(PLANE, PLANE_X, PLANE_Y, eps=eps, rival=rival) for rival in (None, 0, 1, 2, 3)]
        fooled = torch.stack([PLANE.predict(x_adv) != PLANE_Y for x_adv in tried]).any(0)
        for x, y, found in zip(PLANE_X, PLANE_Y.tolist(), fooled.tolist(), strict=True):
            near = can_be_fooled(x, y, eps - 0.01)
            if near == can_be_fooled(x, y, eps + 0.01):  # else the grid is too coarse to tell
                assert found == near
                counted[near] += 1
    assert min(counted.values()) > 20


def stays_within_the_budget(attack) -> None:
    for eps, options in itertools.product((0.05, 0.3), ({}, {"generator": runtime.generator(0)}, {"step_size": 1.0})):
        x_adv = attack(PLANE, PLANE_X, PLANE_Y, eps=eps, iterations=10, **options)
        assert (x_adv - PLANE_X).abs().max() <= eps + 1e-6
        assert x_adv.min() >= 0 and x_adv.max() <= 1


def stops_where_the_defence_errs(attack) -> None:
    """What is wrong already stays as it is; what comes out right moves until it is wrong, and no step further."""
    wrong = (PLANE_Y + 1) % 3
    assert torch.equal(attack(PLANE, PLANE_X, wrong, eps=0.3), PLANE_X)
    right = PLANE.predict(PLANE_X) == PLANE_Y
    for t in (4, 9, 14):
        before, after = (attack(PLANE, PLANE_X, PLANE_Y, eps=0.3, iterations=steps) for steps in (t, t + 1))
        fooled = PLANE.predict(before) != PLANE_Y
        assert torch.equal(before[fooled], after[fooled])
        assert (before != after).flatten(1).any(1)[right & ~fooled].float().mean() > 0.5


def attacks_each_image_on_its_own(attack) -> None:
    """Neither the other images nor their labels make a difference: the attacker has one image."""
    whole = attack(DEEP, X, Y, eps=0.2)
    alone = [attack(DEEP, x, y, eps=0.2) for x, y in zip(X.split(1), Y.split(1), strict=True)]
    torch.testing.assert_close(whole, torch.cat(alone), rtol=0, atol=1e-6)
    strangers = X.flip(0).clone()
    strangers[:4] = X[:4]
    labels = (Y + 1) % 5
    labels[:4] = Y[:4]
    for seed in (None, 0):
        generators = [None if seed is None else runtime.generator(seed) for _ in range(2)]
        first, second = (
            attack(DEEP, *pair, eps=0.2, generator=g)[:4]
            for pair, g in zip(((X, Y), (strangers, labels)), generators, strict=True)
        )
        torch.testing.assert_close(first, second, rtol=0, atol=1e-6)


def leaves_the_caller_alone(attack) -> None:
    defense, x, y = copy.deepcopy(DEEP), X.clone().requires_grad_(), Y.clone()
    x_adv = attack(defense, x, y, eps=0.1)
    assert torch.equal(x, X) and x.grad is None and torch.equal(y, Y)
    assert not x_adv.requires_grad and x_adv.data_ptr() != x.data_ptr()
    with torch.no_grad():
        assert torch.equal(attack(defense, X, Y, eps=0.1), x_adv)


X = torch.rand(24, 1, 2, 2, generator=runtime.generator(5))
Y = DEEP.predict(X).clamp(min=0)
CHECKS = [
    finds_what_exhaustive_search_finds,
    stays_within_the_budget,
    stops_where_the_defence_errs,
    attacks_each_image_on_its_own,
    leaves_the_caller_alone,
]


@pytest.mark.parametrize("check", CHECKS)
def test_adaptive(check):
    check(adaptive)


def no_op(defense, x, y, **options):
    return x.detach().clone()


def runs_on(defense, x, y, *, eps, iterations=50, **options):
    """Keeps stepping at random where the defence errs already."""
    x_adv = adaptive(defense, x, y, eps=eps, iterations=iterations, **options)
    g = runtime.generator(iterations)
    return (x_adv + eps * (torch.rand(x.shape, generator=g) - 0.5)).clamp(x - eps, x + eps).clamp(0, 1).detach()


def twice_the_budget(defense, x, y, *, eps, **options):
    return adaptive(defense, x, y, eps=min(1, 2 * eps), **options)


def for_the_predicted_class(defense, x, y, **options):
    return adaptive(defense, x, defense.predict(x).roll(1).clamp(min=0), **options)


def shared_direction(defense, x, y, *, eps, iterations=50, **options):
    x_adv = adaptive(defense, x, y, eps=eps, iterations=iterations, **options)
    return (x + (x_adv - x).mean(0)).clamp(0, 1).detach()


def in_place(defense, x, y, **options):
    x.detach().copy_(adaptive(defense, x, y, **options))
    return x.detach()


@pytest.mark.parametrize(
    ("mutant", "check"),
    [
        (no_op, finds_what_exhaustive_search_finds),
        (no_op, stops_where_the_defence_errs),
        (runs_on, stops_where_the_defence_errs),
        (twice_the_budget, finds_what_exhaustive_search_finds),
        (twice_the_budget, stays_within_the_budget),
        (for_the_predicted_class, finds_what_exhaustive_search_finds),
        (for_the_predicted_class, attacks_each_image_on_its_own),
        (shared_direction, finds_what_exhaustive_search_finds),
        (shared_direction, attacks_each_image_on_its_own),
        (in_place, leaves_the_caller_alone),
    ],
)
def test_a_mutant_is_found(mutant, check):
    with pytest.raises(AssertionError):
        check(mutant)


@settings(max_examples=40, deadline=None)
@given(
    eps=st.floats(0, 1),
    steps=st.integers(1, 4),
    rival=st.none() | st.integers(0, 5),
    seed=st.none() | st.integers(0, 9),
    tie_aware=st.booleans(),
)
def test_budget_and_range_hold(eps, steps, rival, seed, tie_aware):
    generator = None if seed is None else runtime.generator(seed)
    x_adv = adaptive(DEEP, X, Y, eps=eps, iterations=steps, rival=rival, tie_aware=tie_aware, generator=generator)
    assert ((x_adv >= 0) & (x_adv <= 1)).all() and ((x_adv - X).abs() <= eps + 1e-6).all()
    assert (x_adv.shape, x_adv.dtype) == (X.shape, X.dtype)


@pytest.fixture
def shipped(model):
    return CentroidDefense(model, data.centroids("MNIST"), data.alphas("MNIST"))


def survivors(defense, x, y):
    return defense.predict(x) == y


def test_it_fools_the_shipped_defences_where_fgsm_and_pgd_do_not(shipped, digits):
    x, y = digits
    blind = survivors(shipped, fgsm(shipped.model, x, y, eps=0.1), y)
    blind &= survivors(shipped, pgd(shipped.model, x, y, eps=0.1, step_size=0.0125, iterations=20), y)
    left = survivors(shipped, adaptive(shipped, x, y, eps=0.1), y)
    assert blind.sum() > 30
    assert left.sum() < 0.85 * blind.sum()


def test_more_steps_help_no_image(shipped, digits):
    """The path is the same, only longer, and it ends where the defence is fooled."""
    x, y = digits
    few, many = (survivors(shipped, adaptive(shipped, x, y, eps=0.1, iterations=steps), y) for steps in (5, 20))
    assert (many <= few).all() and many.sum() < few.sum()


def test_knowing_the_ties_helps(shipped, digits):
    x, y = digits
    options = {"eps": 0.1, "temperatures": TEMPERATURES[1:4]}
    aware, unaware = (survivors(shipped, adaptive(shipped, x, y, tie_aware=t, **options), y) for t in (True, False))
    assert aware.sum() < unaware.sum()


GOOD = {"defense": DEEP, "x": X, "y": Y, "eps": 0.1}


@pytest.mark.parametrize(
    ("wrong", "mend"),
    [
        ({"eps": 8}, "eps is 8, expected a number in"),
        ({"step_size": 2.0}, "step_size is 2.0, expected a number in"),
        ({"iterations": 0}, "iterations is 0, expected a whole number of 1 or more"),
        ({"temperatures": []}, "temperatures is empty, expected one or more positive numbers"),
        ({"temperatures": [0.1, 0.0]}, "a temperature is 0.0, expected a positive number"),
        ({"temperatures": [math.nan]}, "a temperature is nan, expected a positive number"),
        ({"rival": 6}, "rival is 6, expected a class, 5 for nobody, or None"),
        ({"rival": -1}, "rival is -1, expected a class, 5 for nobody, or None"),
        ({"x": X[0]}, r"x has shape \(1, 2, 2\), expected \(N, 1, 2, 2\)"),
        ({"x": X - 0.5}, r"x spans .* expected pixels in \[0, 1\]"),
        ({"y": Y.float()}, r"y is torch.float32, expected a torch.int64 tensor"),
        ({"y": Y + 5}, r"expected labels in \[0, 4\]"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(wrong, mend):
    with pytest.raises(ValueError, match=mend):
        adaptive(**GOOD | wrong)
    if wrong.keys() & {"x", "y", "temperatures"}:
        given = {"temperatures": [0.1]} | GOOD | wrong
        given.pop("eps")
        with pytest.raises(ValueError, match=mend):
            soft_leads(**given)


def other(centroids=1, **options) -> CentroidDefense:
    images = torch.rand(5 * centroids, 1, 2, 2, generator=runtime.generator(1)).unflatten(0, (centroids, 5))
    return CentroidDefense(DEEP.model, images, DEEP.alpha, **options)


@pytest.mark.parametrize(
    "defense",
    [
        other(centroids=2),
        other(ties="highest"),
        other(ties="random", generator=runtime.generator(0)),
        other(weights=[1, 2, 3]),
    ],
    ids=["sets", "highest", "random", "weights"],
)
def test_a_rule_that_the_surrogate_does_not_know_is_refused(defense):
    mend = r"the surrogate knows one set, ties='lowest' and weights of 1"
    with pytest.raises(ValueError, match=mend):
        adaptive(defense, X, Y, eps=0.1)
    with pytest.raises(ValueError, match=mend):
        soft_leads(defense, X, Y, temperatures=[0.1])


def test_a_model_in_training_mode_is_refused():
    defense = copy.deepcopy(DEEP)
    defense.model.train()
    with pytest.raises(ValueError, match=r"training mode, expected evaluation mode; call model.eval\(\) first"):
        adaptive(defense, X, Y, eps=0.1)
