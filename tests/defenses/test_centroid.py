"""The centroid defence against Algorithm 1 written out literally, and on cases small enough to work out by hand."""

import copy
import math
from dataclasses import dataclass, field

import pytest
import torch
import torch.nn.functional as F

from fairlib import data, runtime
from fairlib.attacks import fgsm
from fairlib.defenses import CentroidDefense
from fairlib.models import LayeredModel

pytestmark = pytest.mark.usefixtures("no_trace")
ROUNDING = 1e-5  # float32 sums in another order; an image nearer than this to a threshold may fall on either side
SETS = ("first", "a", "b")
SMALL = 200  # attacked images


# Algorithm 1, literally: one image at a time, lists and numbers, torch's own cosine, activations read by hooks.


def activations(model, image) -> dict[str, torch.Tensor]:
    """Every layer's output for one image, before and after the ReLU, without the help of `model.layers`."""
    seen = {}
    hooks = [
        layer.register_forward_hook(lambda _, __, output, name=name: seen.update({name: output[0]}))
        for name, layer in model.named_children()
    ]
    with torch.no_grad():
        seen["log_softmax"] = model(image[None])[0]
    for hook in hooks:
        hook.remove()
    return seen | {f"{name}.relu": a.clamp(min=0) for name, a in seen.items()}


def similarity(a, b, conv_cosine: str) -> float:
    if conv_cosine == "channels" and a.ndim == 3:
        return F.cosine_similarity(a, b, dim=0).mean().item()
    return F.cosine_similarity(a.flatten(), b.flatten(), dim=0).item()


@dataclass
class Literal:
    """The same switches as `CentroidDefense`, on the cosines `c[tap][set][class]` of one image."""

    alpha: list[float]
    taps: list[str]
    weights: list[float] | None = None
    comparison: str = "le"
    nobody: bool = True
    ties: str = "lowest"
    loose_rule: str = "released"
    sets: str = "sum"
    tally: list[float] = field(init=False)
    nobodys: float = field(init=False)
    nearness: list[float] = field(init=False)

    def fair(self, distance: float, j: int) -> bool:
        return distance < self.alpha[j] if self.comparison == "lt" else distance <= self.alpha[j]

    def votes(self, sets: list[list[float]]) -> list[int]:
        """The classes that get one vote each at a layer; twice in the list, two votes."""
        if self.sets == "released":
            values = []
            for cosines in sets:
                values.extend(cosines)
                values = [(1 - value) / 2 for value in values]
                values = [j for j, value in enumerate(values) if j < len(self.alpha) and self.fair(value, j)]
            return values
        found = [j for cosines in sets for j, c in enumerate(cosines) if self.fair((1 - c) / 2, j)]
        return found if self.sets == "sum" else sorted(set(found))

    def count(self, cosines: dict[str, list[list[float]]]) -> None:
        self.tally, self.nobodys = [0.0] * len(self.alpha), 0.0
        for layer, tap in enumerate(self.taps):
            worth = 1.0 if self.weights is None else self.weights[layer]
            votes = self.votes(cosines[tap])
            for j in votes:
                self.tally[j] += worth
            if not votes and self.nobody:
                self.nobodys += worth
        self.nearness = [sum(s[j] for tap in self.taps for s in cosines[tap]) for j in range(len(self.alpha))]

    def tied(self) -> list[int]:
        return [j for j, votes in enumerate(self.tally) if votes == max(self.tally)]

    def predict(self) -> int:
        if self.nobodys > max(self.tally):
            return -1
        match self.ties:
            case "lowest":
                return min(self.tied())
            case "highest":
                return max(self.tied())
            case "closest":
                return max(self.tied(), key=lambda j: self.nearness[j])

    def loose(self, y: int) -> bool:
        if self.loose_rule == "top3":
            return y in sorted(range(len(self.tally)), key=lambda j: (-self.tally[j], j))[:3]
        return self.nobodys <= max(self.tally) and y in self.tied() and len(self.tied()) < 4

    def margin(self, cosines: dict[str, list[list[float]]]) -> float:
        """How near the image comes to a threshold."""
        gaps = [abs((1 - c) / 2 - self.alpha[j]) for tap in self.taps for s in cosines[tap] for j, c in enumerate(s)]
        return min(gaps)


@dataclass
class Case:
    """A network, attacked images, and their cosines with three centroid sets at every layer."""

    model: LayeredModel
    x: torch.Tensor
    y: torch.Tensor
    sets: torch.Tensor
    cosines: dict[str, list[dict[str, list[list[float]]]]]

    def defense(self, *, shift: float = 0.0, n_sets: int = 1, **options) -> CentroidDefense:
        return CentroidDefense(self.model, self.sets[:n_sets], data.alphas("MNIST") + shift, **options)

    def agrees(self, *, shift: float = 0.0, n_sets: int = 1, against: CentroidDefense | None = None, **options) -> None:
        """Assert that the defence (or a mutant, `against`) does what the literal loop does, image by image."""
        defense = against or self.defense(shift=shift, n_sets=n_sets, **options)
        literal = Literal((data.alphas("MNIST") + shift).tolist(), **named_taps(self.model, options))
        tally = defense.tally(self.x)
        predicted, loose = defense.predict_and_loose(self.x, self.y)
        assert torch.equal(predicted, defense.predict(self.x)) and torch.equal(loose, defense.loose(self.x, self.y))
        clear = 0
        for i, y in enumerate(self.y.tolist()):
            cosines = self.cosines[options.get("conv_cosine", "channels")][i]
            cosines = {tap: sets[:n_sets] for tap, sets in cosines.items()}
            if literal.margin(cosines) > ROUNDING:
                literal.count(cosines)
                assert tally[i].tolist() == pytest.approx(literal.tally, rel=1e-6)
                assert (predicted[i].item(), loose[i].item()) == (literal.predict(), literal.loose(y))
                clear += 1
        assert clear > 0.9 * SMALL


def named_taps(model, options: dict) -> dict:
    """The options as `Literal` takes them: the taps by name, nothing about the cosines."""
    fully_connected = ["linear_in", "linear1", "linear2", "linear3", "linear4", "linear5"]
    convolutional = ["conv1", "conv2", "fc1", "fc2", "fc3"]
    before = fully_connected if type(model).__name__ == "FullyConnected" else convolutional
    after = [f"{name}.relu" for name in before if name != "fc3"]
    words = {"released": [*before, "log_softmax"], "paper": [*after, "log_softmax"]}
    taps = options.get("taps", "released")
    options = {name: value for name, value in options.items() if name != "conv_cosine"}
    return options | {"taps": words[taps] if isinstance(taps, str) else list(taps)}


@pytest.fixture(scope="module")
def case(model, digits) -> Case:
    x, y = (part[:SMALL] for part in digits)
    eps = (0.0, 0.05, 0.1, 0.2, 0.4)
    x = torch.cat([fgsm(model, *pair, eps=e) for *pair, e in zip(x.chunk(5), y.chunk(5), eps, strict=True)])
    sets = torch.stack([data.centroids("MNIST", name) for name in SETS])
    kept = [[activations(model, centroid) for centroid in one_set] for one_set in sets]
    cosines = {"channels": [], "flat": []}
    for image in x:
        a = activations(model, image)
        for conv_cosine, rows in cosines.items():
            layers = [name for name in a if conv_cosine == "channels" or a[name].ndim == 3]
            found = {t: [[similarity(a[t], b[t], conv_cosine) for b in s] for s in kept] for t in layers}
            rows.append(cosines["channels"][len(rows)] | found if conv_cosine == "flat" else found)
    return Case(model, x, y, sets, cosines)


SWITCHES = [
    {},
    {"taps": "paper"},
    {"conv_cosine": "flat"},
    {"comparison": "lt"},
    {"nobody": False},
    {"ties": "highest"},
    {"ties": "closest"},
    {"loose_rule": "top3"},
    {"nobody": False, "loose_rule": "top3", "ties": "highest"},
    {
        "taps": "paper",
        "comparison": "lt",
        "nobody": False,
        "conv_cosine": "flat",
        "ties": "closest",
        "loose_rule": "top3",
    },
    {"n_sets": 2, "sets": "sum"},
    {"n_sets": 3, "sets": "sum", "loose_rule": "top3"},
    {"n_sets": 2, "sets": "any"},
    {"n_sets": 3, "sets": "any", "ties": "closest"},
    {"n_sets": 2, "sets": "released"},
    {"n_sets": 3, "sets": "released", "comparison": "lt"},
    {"n_sets": 1, "sets": "released"},
    {"shift": 0.1},
    {"shift": -0.1, "n_sets": 3, "sets": "released"},
    {"shift": -0.25},
    {"shift": -0.25, "nobody": False},
    {"shift": -0.25, "loose_rule": "top3", "n_sets": 2, "sets": "any"},
    {"shift": -0.25, "n_sets": 2, "sets": "released"},
]


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_the_defence_is_algorithm_1(case, switches):
    case.agrees(**switches)


@pytest.mark.parametrize("switches", [{"taps": "released"}, {"taps": "paper"}, {"n_sets": 2, "sets": "sum"}], ids=str)
@pytest.mark.parametrize("sign", [1, -1])
def test_votes_weighted_by_layer(case, sign, switches):
    """Section 5.2.3: e^l biases towards the later layers, e^-l towards the earlier ones."""
    taps = named_taps(case.model, switches)["taps"]
    case.agrees(weights=[math.exp(sign * layer) for layer in range(1, len(taps) + 1)], **switches)


def test_taps_by_name(case):
    every = [name for name, _ in case.model.layers(case.x[:1])]
    names = [every[0], every[3], every[-1]]
    case.agrees(taps=names)
    case.agrees(taps=tuple(every))
    assert case.defense(taps=names[::-1]).taps == tuple(names)


def test_distances(case):
    found = case.defense(n_sets=len(SETS)).distances(case.x)
    taps = named_taps(case.model, {})["taps"]
    rows = case.cosines["channels"]
    expected = torch.tensor([[[[(1 - c) / 2 for c in s] for s in row[tap]] for row in rows] for tap in taps])
    assert found.shape == (len(taps), SMALL, len(SETS), 10)
    torch.testing.assert_close(found, expected, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize(
    ("wanted", "mutation"),
    [
        ({}, {"shift": 0.05}),
        ({}, {"taps": "paper"}),
        ({}, {"ties": "highest"}),
        ({"ties": "closest"}, {"ties": "lowest"}),
        ({}, {"loose_rule": "top3"}),
        ({"shift": -0.25}, {"nobody": False}),
        ({"n_sets": 2}, {"sets": "any"}),
        ({"n_sets": 2}, {"sets": "released"}),
        ({"n_sets": 2, "sets": "released"}, {"sets": "any"}),
    ],
    ids=str,
)
def test_a_mutant_is_found(case, wanted, mutation):
    """Else the agreement on a switch would say nothing about it."""
    mutant = case.defense(**wanted | mutation)
    with pytest.raises(AssertionError):
        case.agrees(against=mutant, **wanted)


def test_smaller_mutants_are_found(case):
    alpha = data.alphas("MNIST")
    alpha[3] += 0.05
    one_alpha_moved = CentroidDefense(case.model, case.sets[0], alpha)
    one_tap_dropped = case.defense(taps=case.model.released_taps[:-1])
    centroids_in_another_order = CentroidDefense(case.model, case.sets[0].roll(1, 0), data.alphas("MNIST"))
    flat_maps = case.defense(conv_cosine="flat")
    mutants = [one_alpha_moved, one_tap_dropped, centroids_in_another_order]
    for mutant in mutants + [flat_maps] * (type(case.model).__name__ == "LeNet5"):
        with pytest.raises(AssertionError):
            case.agrees(against=mutant)


def test_batches_and_threads_do_not_matter(case):
    defense = case.defense()
    distances, predicted = defense.distances(case.x), defense.predict(case.x)
    clear = (distances - defense.alpha).abs().amin((0, 2, 3)) > ROUNDING
    for size, threads in ((1, 1), (7, 1), (64, 1), (SMALL, 2)):
        with runtime.threads(threads):
            parts = [(defense.distances(x), defense.predict(x)) for x in case.x.split(size)]
        torch.testing.assert_close(torch.cat([d for d, _ in parts], 1), distances, rtol=0, atol=ROUNDING)
        assert torch.equal(torch.cat([p for _, p in parts])[clear], predicted[clear])
    assert clear.sum() > 0.9 * SMALL


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU to compare the CPU with")
def test_devices_do_not_matter(case):
    there = CentroidDefense(copy.deepcopy(case.model).cuda(), case.sets[0].cuda(), data.alphas("MNIST"))
    here = case.defense()
    torch.testing.assert_close(there.distances(case.x.cuda()).cpu(), here.distances(case.x), rtol=0, atol=1e-4)
    assert torch.equal(there.predict(case.x.cuda()).cpu(), here.predict(case.x))


def test_the_caller_is_left_alone(case):
    model, x, sets, alpha = copy.deepcopy(case.model), case.x.clone(), case.sets.clone(), data.alphas("MNIST")
    before = [p.clone() for p in model.parameters()]
    defense = CentroidDefense(model, sets, alpha, sets="released")
    first = defense.predict(x)
    defense.loose(x, case.y)
    assert torch.equal(defense.predict(x), first), "state was kept between calls"
    assert torch.equal(x, case.x) and torch.equal(sets, case.sets) and torch.equal(alpha, data.alphas("MNIST"))
    assert all(torch.equal(p, b) and p.grad is None for p, b in zip(model.parameters(), before, strict=True))
    assert not model.training and not first.requires_grad


# Cases to work out by hand: a "network" of three layers, each of which reads one row of the image as a direction.


class Rows(LayeredModel):
    """Layer t of an image (1, 3, 2) is the vector 2 * row t - 1, so that an angle can be chosen at every layer."""

    shape = (1, 3, 2)
    classes = 4
    released_taps = ("row0", "row1", "row2")
    paper_taps = ("row2",)

    def layers(self, x):
        for t in range(3):
            yield f"row{t}", 2 * x[:, 0, t] - 1


ROWS = Rows().eval()
EAST, NORTH, WEST, SOUTH, NOWHERE = (1.0, 0.5), (0.5, 1.0), (0.0, 0.5), (0.5, 0.0), (0.5, 0.5)
HALF, WHOLE = 0.5, 1.0


def image(*rows) -> torch.Tensor:
    return torch.tensor(rows).view(1, 1, 3, 2)


# Class j lies in the same direction at every layer.
COMPASS = torch.cat([image(*[direction] * 3) for direction in (EAST, NORTH, WEST, SOUTH)])


def rows(alpha=(0.25,) * 4, centroids=COMPASS, **options) -> CentroidDefense:
    return CentroidDefense(ROWS, centroids, alpha, **options)


def test_a_centroid_is_its_own_class():
    assert rows(alpha=(0.0,) * 4).tally(COMPASS).tolist() == (3 * torch.eye(4)).tolist()
    assert rows().predict(COMPASS).tolist() == [0, 1, 2, 3]


def test_a_shipped_centroid_is_its_own_class_at_every_layer(case):
    defense = case.defense(shift=-0.25)
    own = defense.distances(case.sets[0])[:, range(10), 0, range(10)]
    torch.testing.assert_close(own, torch.zeros_like(own), rtol=0, atol=ROUNDING)
    assert (defense.tally(case.sets[0]).diag() == len(own)).all()


def test_distances_by_hand():
    found = rows().distances(image(EAST, (1.0, 1.0), NOWHERE))[:, 0, 0]
    diagonal = 0.5 - 0.5 * math.sqrt(0.5)
    expected = [[0, 0.5, 1, 0.5], [diagonal, diagonal, 1 - diagonal, 1 - diagonal], [0.5] * 4]
    torch.testing.assert_close(found, torch.tensor(expected))


def test_length_does_not_matter():
    near, far = image(*[(0.75, 0.5)] * 3), image(*[EAST] * 3)
    assert torch.equal(rows().distances(near), rows().distances(far))


@pytest.mark.parametrize(("comparison", "fair"), [("le", True), ("lt", False)])
@pytest.mark.parametrize(
    ("row", "alpha"), [(NORTH, HALF), (SOUTH, HALF), (NOWHERE, HALF), (EAST, 0.0), (WEST, WHOLE)]
)  # fmt: skip
def test_the_boundary_separates_le_from_lt(comparison, fair, row, alpha):
    defense = rows(alpha=(alpha, 0.0, 0.0, 0.0), comparison=comparison, taps=["row1"])
    assert (defense.tally(image(EAST, row, EAST))[0, 0] == 1) == fair


def test_a_dead_layer_is_half_way_to_every_class():
    dead = image(NOWHERE, NOWHERE, NOWHERE)
    assert rows(alpha=(0.5,) * 4).tally(dead).tolist() == [[3] * 4]
    assert rows(alpha=(0.499,) * 4).predict(dead).tolist() == [-1]
    dead_centroids = COMPASS.clone()
    dead_centroids[2] = dead
    assert rows(alpha=(0.5,) * 4, centroids=dead_centroids).distances(COMPASS)[..., 2].eq(0.5).all()


def test_nobody_wins_only_with_more_votes_than_any_class():
    between = (1.0, 1.0)  # 0.146 from two classes, 0.854 from the others
    defense = rows(alpha=(0.1,) * 4)
    two_of_three, one_of_three = image(EAST, between, between), image(EAST, EAST, between)
    assert defense.predict(torch.cat([two_of_three, one_of_three])).tolist() == [-1, 0]
    assert defense.tally(two_of_three).tolist() == [[1, 0, 0, 0]]
    level = rows(alpha=(0.1,) * 4, taps=["row0", "row1"])
    assert level.predict(image(NORTH, between, EAST)).tolist() == [1]
    assert rows(alpha=(0.1,) * 4, nobody=False).predict(two_of_three).tolist() == [0]
    nothing = image(between, between, between)
    assert rows(alpha=(0.1,) * 4, nobody=False).predict(nothing).tolist() == [0]
    assert rows(alpha=(0.1,) * 4, nobody=False).loose(nothing, torch.tensor([0])).tolist() == [False]


def test_nobodys_vote_is_worth_what_its_layer_is():
    defense = rows(alpha=(0.1,) * 4, weights=[1, 1, 3])
    assert defense.predict(image(EAST, EAST, (1.0, 1.0))).tolist() == [-1]
    assert defense.predict(image((1.0, 1.0), (1.0, 1.0), EAST)).tolist() == [0]


TIED = image(NORTH, SOUTH, (0.9, 0.6))  # one vote for 1, one for 3, one for 0; NORTH is nearer to the last row


@pytest.mark.parametrize(("ties", "winner"), [("lowest", 0), ("highest", 3), ("closest", 0)])
def test_ties(ties, winner):
    assert rows(ties=ties).tally(TIED).tolist() == [[1, 1, 0, 1]]
    assert rows(ties=ties).predict(TIED).tolist() == [winner]


def test_the_closest_is_taken_among_the_tied_only():
    """Class 2 is nearest on average, but has no vote."""
    centroids = torch.cat(
        [image(EAST, SOUTH, SOUTH), image(SOUTH, EAST, SOUTH), image(*[(0.9, 0.8)] * 3), COMPASS[2:3]]
    )
    x = image(EAST, EAST, EAST)
    defense = rows(alpha=(0.1, 0.1, 0.0, 0.1), centroids=centroids, ties="closest")
    assert defense.distances(x).mean((0, 1, 2)).argmin() == 2
    assert defense.predict(x).tolist() == [0]


def test_random_ties_are_drawn_evenly_among_the_tied():
    many = TIED.expand(6000, -1, -1, -1)
    drawn = rows(ties="random", generator=runtime.generator(0)).predict(many)
    counts = drawn.bincount(minlength=4).tolist()
    assert counts[2] == 0
    for c in (0, 1, 3):  # binomial, 2,000 expected, standard deviation 37
        assert abs(counts[c] - 2000) < 5 * 37
    again, other = (rows(ties="random", generator=runtime.generator(seed)).predict(many) for seed in (0, 1))
    assert torch.equal(drawn, again)
    assert not torch.equal(drawn, other)
    assert rows(ties="random", generator=runtime.generator(0)).predict(COMPASS).tolist() == [0, 1, 2, 3]


def test_random_ties_on_the_shipped_networks(case):
    defense = case.defense(shift=-0.25, ties="random", generator=runtime.generator(0))
    tally, predicted = defense.tally(case.x), defense.predict(case.x)
    lowest = case.defense(shift=-0.25).predict(case.x)
    assert (lowest == -1).any()
    assert torch.equal(predicted == -1, lowest == -1)
    won = predicted != -1
    assert torch.equal(tally[won].gather(1, predicted[won, None])[:, 0], tally[won].amax(1))
    assert not torch.equal(predicted, lowest)


def test_loose_released_wants_fewer_than_four_tied():
    x = torch.cat([TIED, image(EAST, EAST, NORTH)])
    y = torch.tensor([0, 0])
    assert rows().loose(x, y).tolist() == [True, True]
    assert rows().loose(x, y + 1).tolist() == [True, False]
    assert rows().loose(x, y + 2).tolist() == [False, False]
    four = rows(alpha=(0.5,) * 4, taps=["row0"])
    assert four.loose(image(NOWHERE, EAST, EAST), torch.tensor([0])).tolist() == [False]
    three = rows(alpha=(0.5, 0.5, 0.5, 0.4), taps=["row0"])
    assert three.loose(image(NOWHERE, EAST, EAST), torch.tensor([0])).tolist() == [True]


def test_loose_is_false_where_nobody_wins():
    defense = rows(alpha=(0.1,) * 4)
    x = image(EAST, (1.0, 1.0), (1.0, 1.0))
    assert defense.predict(x).tolist() == [-1]
    assert defense.loose(x, torch.tensor([0])).tolist() == [False]


def test_loose_top3_is_three_classes():
    defense = rows(loose_rule="top3")
    found = [defense.loose(TIED, torch.tensor([c])).item() for c in range(4)]
    assert found == [True, True, False, True]
    one_vote = image(NORTH, NOWHERE, NOWHERE)
    assert [defense.loose(one_vote, torch.tensor([c])).item() for c in range(4)] == [True, True, True, False]


def test_sets_by_hand():
    """Set 0 is the compass, set 1 the same turned by a quarter: EAST is class 0 in the one and class 3 in the other."""
    sets = torch.stack([COMPASS, COMPASS.roll(-1, 0)])
    x = image(EAST, EAST, EAST)
    assert rows(centroids=sets, sets="sum").tally(x).tolist() == [[3, 0, 0, 3]]
    assert rows(centroids=sets, sets="any").tally(x).tolist() == [[3, 0, 0, 3]]
    twice = torch.stack([COMPASS, COMPASS])
    assert rows(centroids=twice, sets="sum").tally(x).tolist() == [[6, 0, 0, 0]]
    assert rows(centroids=twice, sets="any").tally(x).tolist() == [[3, 0, 0, 0]]


def test_released_sets_by_hand():
    """After set 0 the list is [0]; with set 1 it is [0, 1, 0, -1, 0]: as distances [1/2, 0, 1/2, 1, 1/2].

    What stays is the place 1, held by class 0 of set 1: the index 0 of set 0 was taken for a similarity of 0.
    """
    twice = torch.stack([COMPASS, COMPASS])
    x = image(EAST, EAST, EAST)
    assert rows(centroids=twice, sets="released").tally(x).tolist() == [[0, 3, 0, 0]]
    # NORTH leaves [1]; then [1, 0, 1, 0, -1] is [0, 1/2, 0, 1/2, 1]: the places 0, always once an index is 1, and 2.
    assert rows(centroids=twice, sets="released").tally(image(NORTH, NORTH, NORTH)).tolist() == [[3, 0, 3, 0]]


def test_weights_by_hand():
    assert rows(weights=[1, 10, 100]).tally(TIED).tolist() == [[100, 1, 0, 10]]
    assert rows(weights=[1, 10, 100]).predict(TIED).tolist() == [0]
    assert rows(weights=[100, 10, 1]).predict(TIED).tolist() == [1]


def test_shapes_and_types(case):
    defense = CentroidDefense(case.model, case.sets[0], [0.05] * 10)
    tally, predicted, loose = defense.tally(case.x), defense.predict(case.x), defense.loose(case.x, case.y)
    assert (tally.shape, tally.dtype) == ((SMALL, 10), torch.float32)
    assert (predicted.shape, predicted.dtype) == ((SMALL,), torch.int64)
    assert (loose.shape, loose.dtype) == ((SMALL,), torch.bool)
    assert set(predicted.tolist()) <= set(range(-1, 10)) and -1 in predicted


def test_a_set_of_sets_of_one_is_that_set(case):
    alpha = data.alphas("MNIST")
    one, nested = (CentroidDefense(case.model, c, alpha).tally(case.x) for c in (case.sets[0], case.sets[:1]))
    assert torch.equal(one, nested)


GOOD = torch.zeros(10, 1, 28, 28)


@pytest.mark.parametrize(
    ("wrong", "mend"),
    [
        ({"centroids": GOOD[:9]}, "centroids has 9 images a set, expected 10: one per class"),
        (
            {"centroids": GOOD[None, :, None]},
            r"centroids is \(1, 10, 1, 1, 28, 28\), expected a tensor \(K, C, H, W\) or",
        ),
        ({"centroids": [GOOD]}, r"centroids is list, expected a tensor \(K, C, H, W\) or \(S, K, C, H, W\)"),
        ({"centroids": GOOD[None][:0]}, r"centroids is empty .* expected at least one image"),
        ({"alpha": [0.3] * 9}, r"alpha has shape \(9,\), expected \(10,\): one per class"),
        ({"alpha": 0.3}, r"alpha has shape \(\), expected \(10,\): one per class"),
        ({"alpha": [0.3] * 9 + [1.1]}, r"alpha is \[.*\], expected thresholds in \[0, 1\]"),
        ({"alpha": [0.3] * 9 + [-0.1]}, r"alpha is \[.*\], expected thresholds in \[0, 1\]"),
        ({"alpha": [0.3] * 9 + [math.nan]}, r"alpha is \[.*nan\], expected thresholds in \[0, 1\]"),
        ({"alpha": ["high"] * 10}, "alpha is .*'high'.*, expected 10 numbers, one per class"),
        ({"alpha": {0: 0.3}}, r"alpha is \{0: 0\.3\}, expected 10 numbers, one per class"),
        ({"taps": "every"}, r"taps \(as a word\) is 'every', expected one of: released, paper"),
        ({"taps": ["fc1", "fc9"]}, r"taps is \('fc1', 'fc9'\), expected distinct names among: conv1, conv1\.relu, "),
        ({"taps": ["fc1", "fc1"]}, "expected distinct names among: conv1"),
        ({"taps": []}, r"taps is \(\), expected distinct names among: conv1"),
        ({"weights": [1.0] * 5}, r"weights has shape \(5,\), expected \(6,\): one per tap \('conv1', 'conv2', 'fc1'"),
        ({"weights": 1.0}, r"weights has shape \(\), expected \(6,\): one per tap"),
        ({"weights": "early"}, r"weights is 'early', expected 6 numbers, one per tap"),
        ({"weights": [1.0] * 5 + [-1.0]}, r"weights is \[.*-1\.0\], expected finite numbers, 0 or more"),
        ({"weights": [1.0] * 5 + [math.nan]}, r"weights is \[.*nan\], expected finite numbers, 0 or more"),
        ({"weights": [1.0] * 5 + [math.inf]}, r"weights is \[.*inf\], expected finite numbers, 0 or more"),
        ({"taps": 5}, "taps is 5, expected several; put a single one into a list"),
        ({"nobody": "no"}, "nobody is 'no', expected a bool; say True or False"),
        ({"ties": "random", "generator": 0}, r"generator is 0, expected a Generator; get one with fairlib\.runtime"),
        ({"generator": 0}, "generator is 0, expected a Generator"),
        ({"conv_cosine": "pixels"}, "conv_cosine is 'pixels', expected one of: channels, flat"),
        ({"comparison": "<"}, "comparison is '<', expected one of: le, lt"),
        ({"ties": "first"}, "ties is 'first', expected one of: lowest, highest, random, closest"),
        ({"ties": "random"}, r"ties='random' needs a generator; pass generator=fairlib\.runtime\.generator\(seed\)"),
        ({"loose_rule": "top 3"}, "loose_rule is 'top 3', expected one of: released, top3"),
        ({"sets": "all"}, "sets is 'all', expected one of: sum, any, released"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(wrong, mend):
    from fairlib import training

    arguments = {"centroids": GOOD, "alpha": [0.3] * 10} | wrong
    with pytest.raises(ValueError, match=mend):
        CentroidDefense(training.initialised("LeNet5", seed=0).eval(), **arguments)
