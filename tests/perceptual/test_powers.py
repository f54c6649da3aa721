"""Powers against Python's own, and their gradients at 0."""

import pytest
import torch

from fairlib.perceptual import powers


@pytest.mark.parametrize("exponent", [0.0448, 0.1333, 0.5])
def test_a_power_is_pythons_and_its_gradient_the_derivative(exponent):
    s = torch.tensor([1e-6, 0.3, 1.0, 7.0], dtype=torch.float64, requires_grad=True)
    assert powers.power(s, exponent).tolist() == pytest.approx([v**exponent for v in s.tolist()], rel=1e-14)
    assert torch.autograd.gradcheck(lambda v: powers.power(v, exponent), s, eps=1e-9)


def test_at_zero_and_below_value_and_gradient_are_0():
    s = torch.tensor([0.0, -1e-9], requires_grad=True)
    value = powers.root(s)
    (gradient,) = torch.autograd.grad(value.sum(), s)
    assert value.tolist() == gradient.tolist() == [0, 0]
    assert torch.autograd.grad(s.sqrt().sum(), s)[0].isfinite().logical_not().all(), "which the plain root does not do"
