"""Counts against attacks whose passes are known, norms against numpy, success against its definition."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hn
from scipy import stats
from torch import nn

from fairlib import photographs
from fairlib.perceptual import Distance

pytestmark = pytest.mark.usefixtures("no_trace")


class Brightness(nn.Module):
    """Two classes, dark and bright: the logits are the mean pixel and its complement."""

    def forward(self, x):
        m = x.flatten(1).mean(1)
        return torch.stack([1 - m, m], 1)


MODEL = Brightness().eval()
SQUARE = Distance(
    "square", smallest=1, features=lambda x: (x,), between=lambda f, x_adv: (x_adv - f[0]).square().sum((1, 2, 3))
)


def grey(*levels: float) -> torch.Tensor:
    return torch.tensor(levels).view(-1, 1, 1, 1).expand(-1, 3, 4, 4).clone()


# --- Passes. ---


def test_passes_are_counted_image_by_image():
    with photographs.count_passes(MODEL) as count:
        for batch, differentiated in ((5, True), (3, False), (2, True)):
            z = grey(*[0.3] * batch).requires_grad_()
            loss = F.cross_entropy(MODEL(z), torch.zeros(batch, dtype=torch.int64), reduction="sum")
            if differentiated:
                torch.autograd.grad(loss, z)
        with torch.no_grad():
            MODEL(grey(0.1, 0.2))
    assert (count.forwards, count.backwards) == (5 + 3 + 2 + 2, 5 + 2)


def test_the_model_is_as_it_was_even_after_an_exception():
    before = len(MODEL._forward_hooks)
    with pytest.raises(RuntimeError, match="stop"), photographs.count_passes(MODEL) as count:
        MODEL(grey(0.1))
        raise RuntimeError("stop")
    MODEL(grey(0.1))
    assert (len(MODEL._forward_hooks), count.forwards) == (before, 1)


def test_a_distance_is_counted_and_not_changed():
    counted, count = photographs.count_looks(SQUARE)
    x, z = grey(0.1, 0.2), grey(0.3, 0.3).requires_grad_()
    known = counted.features(x)
    (gradient,) = torch.autograd.grad(counted.between(known, z).sum(), z)
    with torch.no_grad():
        assert torch.equal(counted.between(known, z), SQUARE(x, z))
    torch.testing.assert_close(gradient, 2 * (z - x).detach())
    assert (count.forwards, count.backwards) == (2 + 2 + 2, 2)
    assert counted.name == "square" and photographs.count_looks(SQUARE)[1].forwards == 0


# --- What an attack did. ---

PIXELS = hn.arrays(np.float32, (3, 3, 2, 5), elements=st.floats(0, 1, width=32))


@settings(max_examples=30, deadline=None)
@given(PIXELS, PIXELS)
def test_norms_are_numpys(x, x_adv):
    change = np.abs(x_adv.astype(float) - x).reshape(3, -1)
    found = photographs.norms(torch.from_numpy(x), torch.from_numpy(x_adv))
    np.testing.assert_allclose(found["L1"], change.sum(1), atol=1e-6)
    np.testing.assert_allclose(found["L2"], (change**2).sum(1) ** 0.5, atol=1e-6)
    np.testing.assert_allclose(found["Linf"], change.max(1), atol=1e-6)


def test_one_level_everywhere_has_the_norms_of_table_1():
    """Lowering half of the 268,203 values by one level: k = 1 of the walk."""
    x = torch.full((1, 3, 299, 299), 0.5)
    x_adv = x.clone()
    x_adv.view(-1)[::2] -= 1 / 255
    (row,) = photographs.norms(x, x_adv).to_dict("records")
    n = 268_203 // 2 + 1
    assert row == pytest.approx({"L1": n / 255, "L2": n**0.5 / 255, "Linf": 1 / 255}, rel=1e-4)


def test_success_is_from_right_to_wrong():
    """Dark is class 0. One image of each kind: right and turned, right and kept, wrong and stays, wrong and mended."""
    x, y = grey(0.2, 0.2, 0.2, 0.2), torch.tensor([0, 0, 1, 1])
    attacked = {"bright": grey(0.9, 0.3, 0.2, 0.9), "none": x}
    table = photographs.measure(MODEL, x, y, attacked, [SQUARE])
    assert list(table.columns) == ["image", "method", "right", "success", "L1", "L2", "Linf", "square"]
    bright, none = (table[table["method"] == m] for m in ("bright", "none"))
    assert bright["right"].tolist() == none["right"].tolist() == [True, True, False, False]
    assert bright["success"].tolist() == [True, False, False, False]
    assert not none["success"].any() and (none[["L1", "L2", "Linf", "square"]] == 0).all(axis=None)
    np.testing.assert_allclose(bright["square"], 48 * np.array([0.49, 0.01, 0, 0.49]), atol=1e-5)
    assert photographs.success_rate(table[table["right"]].query("method == 'bright'")["success"])["value"] == 0.5


def test_judges_look_at_the_clean_image_once():
    watched, count = photographs.count_looks(SQUARE)
    x = grey(0.2, 0.4)
    photographs.measure(MODEL, x, torch.tensor([0, 0]), {m: x for m in "abc"}, [watched])
    assert count.forwards == 2 + 3 * 2


def test_answers_do_not_depend_on_the_batch():
    x = grey(*np.linspace(0, 1, 23)).float()
    assert torch.equal(photographs.predict(MODEL, x, batch_size=7), photographs.predict(MODEL, x, batch_size=23))
    assert photographs.predict(MODEL, x).tolist() == [0] * 11 + [0] + [1] * 11


@pytest.mark.parametrize(
    ("wrong", "mend"),
    [
        ({"x": 255 * grey(0.5)}, r"x spans .*expected pixels in \[0, 1\]"),
        ({"x_adv": grey(0.5)[..., :3]}, r"x_adv has shape \(1, 3, 4, 3\), expected \(N, 3, 4, 4\)"),
        ({"x_adv": grey(0.5) + float("nan")}, "x_adv holds NaN"),
    ],
)
def test_what_does_not_fit_is_refused(wrong, mend):
    with pytest.raises(ValueError, match=mend):
        photographs.norms(**{"x": grey(0.5), "x_adv": grey(0.5)} | wrong)


def test_success_rates_are_wilsons():
    found = photographs.success_rate([True] * 20)
    z2 = stats.norm.ppf(0.975) ** 2
    assert (found["value"], found["high"], found["n"]) == (1, pytest.approx(1), 20)
    assert found["low"] == pytest.approx(20 / (20 + z2))


@pytest.mark.parametrize("success", [[], None, "ab", ["a", "b"], [2, 3], [np.nan, 1.0], True, [[True, False]]])
def test_what_is_no_success_is_refused(success):
    with pytest.raises(ValueError, match=r"success is .*, expected True or False for each of one or more images"):
        photographs.success_rate(success)


HALF = torch.full((2, 3, 4, 4), 0.5)


@pytest.mark.parametrize(
    ("wrong", "mend"),
    [
        ({"model": Brightness().train()}, r"training mode, expected evaluation mode; call model\.eval\(\) first"),
        ({"model": "LeNet5"}, "the model is 'LeNet5', expected a Module; get one with"),
        ({"x": HALF.double()}, "x has dtype torch.float64, expected torch.float32"),
        ({"y": [0, 0]}, "y is list, expected a torch.int64 tensor"),
        ({"y": torch.tensor([0])}, r"y has shape \(1,\), expected \(2,\)"),
        ({"y": torch.tensor([0, -1])}, r"y spans \[-1, 0\], expected labels 0 or more"),
        ({"attacked": {}}, "attacked is empty, expected the images of one attack or more"),
        ({"attacked": HALF}, r"attacked is .*, expected a Mapping; name the attack: \{'pgd': x_adv\}"),
        ({"attacked": {"pgd": HALF[:1]}}, "x_adv has 1 images, expected 2"),
        ({"judges": SQUARE}, "judges is .*, expected several; put a single one into a list"),
        ({"judges": ["SSIM"]}, r"a judge is 'SSIM', expected a Distance; get one with fairlib\.perceptual\.distance"),
    ],
)
def test_what_cannot_be_measured_is_refused(wrong, mend):
    given = {"model": MODEL, "x": HALF, "y": torch.tensor([0, 0]), "attacked": {"pgd": HALF}, "judges": [SQUARE]}
    with pytest.raises(ValueError, match=mend):
        photographs.measure(**given | wrong)


@pytest.mark.parametrize("size", [0, -1, 2.5, "10", None, True])
def test_a_bad_batch_size_is_refused(size):
    with pytest.raises(ValueError, match=r"batch_size is .*, expected a whole number of 1 or more"):
        photographs.predict(MODEL, HALF, batch_size=size)


def test_only_a_distance_is_counted():
    with pytest.raises(ValueError, match="distance is 'SSIM', expected a Distance; get one with"):
        photographs.count_looks("SSIM")


def test_norms_ask_for_an_image_each():
    x = torch.full((3, 3, 8, 8), 0.5)
    with pytest.raises(ValueError, match="x_adv has 1 images, expected 3"):
        photographs.norms(x, x[:1])
