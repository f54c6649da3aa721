"""Every entrance refuses bad input with a sentence that says how to mend it."""

import copy
import math
from functools import partial

import numpy as np
import pytest
import torch

from fairlib import attacks, checks, data, evaluation, perceptual, runtime, training
from fairlib.attacks import fgsm, fgsm_grid, soft_leads
from fairlib.defenses import CentroidDefense

pytestmark = pytest.mark.usefixtures("no_trace")

X = torch.rand(10, 1, 28, 28, generator=torch.Generator().manual_seed(0))
Y = torch.arange(10)
ALPHA = [0.3] * 10
NETWORK = training.initialised("FullyConnected", seed=0).eval()
DEFENSE = CentroidDefense(NETWORK, X, ALPHA)
SSIM = perceptual.distance("SSIM")
# Every attack on a model, with the other arguments that it needs, and of what kind its hyperparameters are.
ATTACKS = {
    "fgsm": (fgsm, {"eps": 0.1}, {"eps": "number"}),
    "fgsm_grid": (fgsm_grid, {"eps": [0.1]}, {}),
    "input_gradient": (attacks.input_gradient, {}, {}),
    "pgd": (
        attacks.pgd,
        {"eps": 0.1, "step_size": 0.1, "iterations": 2},
        {"eps": "number", "step_size": "number", "iterations": "whole", "generator": "generator"},
    ),
    "random_sign": (
        partial(attacks.random_sign, generator=runtime.generator(0)),
        {"eps": 0.1},
        {"eps": "number", "generator": "generator"},
    ),
    "pgd_l2": (
        attacks.pgd_l2,
        {"iterations": 2},
        {"step_size": "number", "confidence": "number", "iterations": "whole", "quantise": "word"},
    ),
    "perceptual": (
        attacks.perceptual,
        {"iterations": 2, "cost": SSIM},
        {"cost": "distance", "cost_weight": "number", "step_size": "number", "confidence": "number",
         "iterations": "whole", "quantise": "word"},
    ),
    "perc_al": (
        attacks.perc_al,
        {"iterations": 2},
        {"confidence": "number", "iterations": "whole", "loss_step_size": "number", "colour_step_size": "number"},
    ),
    "ppgd": (
        attacks.ppgd,
        {"iterations": 2, "bound": 0.01, "distance": SSIM},
        {"bound": "number", "distance": "distance", "confidence": "number", "iterations": "whole",
         "conjugate_iterations": "whole", "generator": "generator"},
    ),
    "lpa": (
        attacks.lpa,
        {"iterations": 2, "searches": 1, "bound": 0.01, "distance": SSIM},
        {"bound": "number", "distance": "distance", "confidence": "number", "iterations": "whole",
         "searches": "whole", "generator": "generator"},
    ),
    "ssim_step": (attacks.ssim_step, {"length": 0.1, "windows": "whole"}, {"length": "number", "windows": "word"}),
    "pgd_step": (attacks.pgd_step, {"length": 0.1}, {"length": "number"}),
}  # fmt: skip
# The same of the attacks on a defence.
ON_DEFENSE = {
    "adaptive": (
        attacks.adaptive,
        {"eps": 0.1, "iterations": 2},
        {"eps": "number", "step_size": "optional number", "iterations": "whole", "temperatures": "numbers",
         "rival": "class", "generator": "generator"},
    ),
    "soft_leads": (soft_leads, {"temperatures": [0.1]}, {"temperatures": "numbers"}),
    "square": (
        partial(attacks.square, generator=runtime.generator(0)),
        {"eps": 0.1, "queries": 2},
        {"eps": "number", "queries": "whole", "temperatures": "numbers", "generator": "generator"},
    ),
}  # fmt: skip
ON = {name: (NETWORK, *attack) for name, attack in ATTACKS.items()} | {
    name: (DEFENSE, *attack) for name, attack in ON_DEFENSE.items()
}
NUMBERS = ["0.1", True, -0.5, math.nan, [0.1], 1j, torch.ones(2)]
WRONG = {
    "number": [*NUMBERS, None],
    "optional number": NUMBERS,
    "numbers": [0.1, None, [], ["0.1"], "0.1", [0.1, 0.0], [math.nan], [math.inf], [True]],
    "whole": ["3", None, True, 0, -1, 2.5, math.nan, math.inf, [3]],
    "class": ["3", True, -1, 11, 2.5, [1]],
    "word": ["nope", None, 5, True, ["floor"]],
    "generator": [1, "seed", True, np.random.default_rng(0)],
    "distance": ["SSIM", None, 1.0, torch.dist],
}


@pytest.mark.parametrize(
    ("name", "argument", "kind"),
    [(name, argument, kind) for name, (*_, kinds) in ON.items() for argument, kind in kinds.items()],
)
def test_a_bad_hyperparameter_is_refused_by_its_name(name, argument, kind):
    target, attack, given, _ = ON[name]
    for value in WRONG[kind]:
        with pytest.raises(ValueError, match=rf"^(a )?{argument.rstrip('s')}.* is .*, expected|^{argument} is"):
            attack(target, X, Y, **given | {argument: value})


@pytest.mark.parametrize("name", ATTACKS)
def test_what_is_no_model_is_refused(name):
    attack, given, _ = ATTACKS[name]
    for model in (None, "LeNet5", type(NETWORK), lambda x: x):
        with pytest.raises(ValueError, match=r"^the model is .*, expected a Module; get one with fairlib\."):
            attack(model, X, Y, **given)


@pytest.mark.parametrize("name", ["fgsm", "fgsm_grid", "input_gradient", "pgd"])
def test_any_module_that_answers_will_do(name):
    """What a network says of itself makes earlier messages; an attack does not need it."""
    attack, given, _ = ATTACKS[name]
    plain, said = (attack(model, X, Y, **given) for model in (torch.nn.Sequential(NETWORK).eval(), NETWORK))
    assert all(torch.equal(a, b) for a, b in zip(plain, said, strict=True))


@pytest.mark.parametrize("name", sorted(set(ON_DEFENSE) - {"square"}))  # which takes any module
def test_what_is_no_defence_is_refused(name):
    attack, given, _ = ON_DEFENSE[name]
    for defense in (None, "centroid", NETWORK):
        with pytest.raises(ValueError, match=r"^defense is .*, expected a CentroidDefense; get one with"):
            attack(defense, X, Y, **given)


def test_no_draw_comes_from_the_global_generator():
    for draw in (
        lambda: attacks.random_sign(NETWORK, X, Y, eps=0.1, generator=None),
        lambda: attacks.square(DEFENSE, X, Y, eps=0.1, queries=2, generator=None),
    ):
        with pytest.raises(ValueError, match=r"generator is None, expected a Generator; get one with fairlib\.runtime"):
            draw()


@pytest.mark.parametrize(
    "eps", [0.1, np.float64(0.1), torch.tensor(0.1), "0.1"], ids=["float", "numpy", "torch", "word"]
)
def test_a_single_budget_is_no_grid(eps):
    with pytest.raises(
        ValueError, match=r"eps is .*, expected several budgets; put a single one into a list, or call fgsm$"
    ):
        fgsm_grid(NETWORK, X, Y, eps=eps)


@pytest.mark.parametrize(
    "eps", [[0.1], (0.1, 0.2), np.linspace(0, 0.3, 4), torch.linspace(0, 0.3, 4), range(2)], ids=str
)
def test_a_grid_is_no_single_budget(eps):
    with pytest.raises(
        ValueError, match=r"(?s)eps is .*, expected a number in \[0, 1\]; for several budgets call fgsm_grid$"
    ):
        fgsm(NETWORK, X, Y, eps=eps)


def spoilt(value: float) -> torch.Tensor:
    """X with one pixel changed, in the last image."""
    x = X.clone()
    x[-1, 0, 27, 27] = value
    return x


TAKES_IMAGES = {
    **{
        name: lambda x, target=target, attack=attack, given=given: attack(target, x, Y, **given)
        for name, (target, attack, given, _) in ON.items()
    },
    "under_attack": lambda x: evaluation.under_attack(NETWORK, x, Y, eps=[0.1]),
    "fit": lambda x: training.fit(copy.deepcopy(NETWORK), x, Y, X, Y, epochs=1),
    "fit, validation": lambda x: training.fit(copy.deepcopy(NETWORK), X, Y, x, Y, epochs=1),
    "distances": DEFENSE.distances,
    "tally": DEFENSE.tally,
    "predict": DEFENSE.predict,
    "loose": lambda x: DEFENSE.loose(x, Y),
    "predict_and_loose": lambda x: DEFENSE.predict_and_loose(x, Y),
    "centroids": lambda x: CentroidDefense(NETWORK, x, ALPHA),
}
BAD_IMAGES = {
    "8-bit": ((X * 255).byte(), "divide 8-bit pixels by 255"),
    "double": (X.double(), r"call \.float\(\)"),
    "three channels": (X.expand(-1, 3, -1, -1), r"expected \(N, 1, 28, 28\)"),
    "cropped": (X[..., :27], r"expected \(N, 1, 28, 28\)"),
    "above 1": (spoilt(1.001), r"spans \[.*, 1\.001\], expected pixels in \[0, 1\]; the model normalises"),
    "below 0": (spoilt(-0.001), r"spans \[-0\.001, .*\], expected pixels in \[0, 1\]"),
    "NaN": (spoilt(float("nan")), r"holds NaN, expected pixels in \[0, 1\]"),
    "infinite": (spoilt(float("inf")), r"inf\], expected pixels in \[0, 1\]"),
}


@pytest.mark.parametrize("bad", BAD_IMAGES)
@pytest.mark.parametrize("entrance", TAKES_IMAGES)
def test_bad_images_are_refused_everywhere(entrance, bad):
    x, mend = BAD_IMAGES[bad]
    with pytest.raises(ValueError, match=mend):
        TAKES_IMAGES[entrance](x)


@pytest.mark.parametrize("entrance", TAKES_IMAGES)
def test_good_images_pass_everywhere(entrance):
    TAKES_IMAGES[entrance](X)


@pytest.mark.parametrize(
    ("x", "mend"),
    [
        (X.numpy(), r"x is a ndarray, expected a torch\.Tensor; use torch\.as_tensor"),
        (X[0], r"a single image needs x\[None\]"),
        (X[:0], r"expected at least one image"),
    ],
)
@pytest.mark.parametrize("entrance", ["fgsm", "predict"])
def test_what_is_no_batch_is_refused(entrance, x, mend):
    with pytest.raises(ValueError, match=mend):
        (DEFENSE.predict if entrance == "predict" else lambda v: fgsm(NETWORK, v, Y[: len(v)], eps=0.1))(x)


TAKES_LABELS = {
    **{
        name: lambda y, target=target, attack=attack, given=given: attack(target, X, y, **given)
        for name, (target, attack, given, _) in ON.items()
    },
    "under_attack": lambda y: evaluation.under_attack(NETWORK, X, y, eps=[0.1]),
    "draw": lambda y: evaluation.draw(X, y, 5, seed=0),
    "fit": lambda y: training.fit(copy.deepcopy(NETWORK), X, y, X, Y, epochs=1),
    "fit, validation": lambda y: training.fit(copy.deepcopy(NETWORK), X, Y, X, y, epochs=1),
    "split": lambda y: data.train_validation(X, y, validation=5),
    "loose": lambda y: DEFENSE.loose(X, y),
    "predict_and_loose": lambda y: DEFENSE.predict_and_loose(X, y),
}
BAD_LABELS = {
    "no tensor": (list(range(10)), r"y is list, expected .* use torch\.as_tensor\(y, dtype=torch\.int64\)"),
    "int32": (Y.int(), r"y is torch\.int32, expected .* use torch\.as_tensor"),
    "one missing": (Y[:9], r"y has shape \(9,\), expected \(10,\): one label per image"),
    "one-hot": (torch.eye(10).long(), r"y has shape \(10, 10\), expected \(10,\)"),
    "from 1": (Y + 1, r"y spans \[1, 10\], expected labels in \[0, 9\]; count classes from 0"),
    "negative": (Y - 1, r"y spans \[-1, 8\], expected labels in \[0, 9\]"),
}


@pytest.mark.parametrize("bad", BAD_LABELS)
@pytest.mark.parametrize("entrance", TAKES_LABELS)
def test_bad_labels_are_refused_everywhere(entrance, bad):
    y, mend = BAD_LABELS[bad]
    with pytest.raises(ValueError, match=mend):
        TAKES_LABELS[entrance](y)


@pytest.mark.parametrize("entrance", TAKES_LABELS)
def test_good_labels_pass_everywhere(entrance):
    TAKES_LABELS[entrance](Y)


@pytest.mark.parametrize(
    "use",
    [
        *(
            lambda model, defense, attack=attack, given=given: attack(model, X, Y, **given)
            for attack, given, _ in ATTACKS.values()
        ),
        *(
            lambda model, defense, attack=attack, given=given: attack(defense, X, Y, **given)
            for attack, given, _ in ON_DEFENSE.values()
        ),
        lambda model, defense: evaluation.under_attack(model, X, Y, eps=[0.1]),
        lambda model, defense: CentroidDefense(model, X, ALPHA),
        lambda model, defense: defense.predict(X),
    ],
)
def test_a_model_in_training_mode_is_refused(use):
    model = copy.deepcopy(NETWORK)
    defense = CentroidDefense(model, X, ALPHA)
    model.train()
    with pytest.raises(ValueError, match=r"training mode, expected evaluation mode; call model\.eval\(\) first"):
        use(model, defense)
    assert model.training


@pytest.mark.parametrize("eps", [-0.01, 1.01, 8, float("nan"), float("inf"), "0.1", None, True, torch.tensor(0.1)])
@pytest.mark.parametrize(
    "attack",
    [
        lambda eps: fgsm(NETWORK, X, Y, eps=eps),
        lambda eps: fgsm_grid(NETWORK, X, Y, eps=[0.0, eps]),
        lambda eps: evaluation.under_attack(NETWORK, X, Y, eps=[0.0, eps]),
    ],
)
def test_a_bad_budget_is_refused(attack, eps):
    with pytest.raises(ValueError, match=r"eps is .*, expected a number in \[0, 1\]: .* \(8/255, not 8\)"):
        attack(eps)


@pytest.mark.parametrize("value", [0, 1, 0.0, 1.0, 8 / 255, np.float64(0.5)])
def test_a_good_number_passes(value):
    assert checks.unit(value, "eps") == value
    assert type(checks.unit(value, "eps")) is float


def test_the_ends_of_the_range_are_inside():
    checks.images(torch.zeros(1, 1, 2, 2))
    checks.images(torch.ones(1, 3, 2, 2), (3, 2, 2))
    checks.labels(torch.tensor([0, 2]), 2, classes=3)


def test_the_name_of_what_is_wrong_comes_first():
    with pytest.raises(ValueError, match=r"^x_val has shape \(10, 1, 28, 27\)"):
        TAKES_IMAGES["fit, validation"](X[..., :27])
    with pytest.raises(ValueError, match=r"^centroids spans"):
        TAKES_IMAGES["centroids"](spoilt(2.0))


def test_an_unknown_word_is_answered_with_the_known_ones():
    assert checks.one_of("b", ("a", "b"), "letter") == "b"
    with pytest.raises(ValueError, match=r"^letter is 'c', expected one of: a, b$"):
        checks.one_of("c", ("a", "b"), "letter")
