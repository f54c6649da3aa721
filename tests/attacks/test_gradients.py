"""Gradients of one value per image against closed forms, and what is refused."""

import pytest
import torch

from fairlib.attacks.gradients import dot, gradient

pytestmark = pytest.mark.usefixtures("no_trace")
Z = torch.rand(3, 2, 2, 2, generator=torch.Generator().manual_seed(0))


def test_each_image_has_its_own_gradient():
    z = Z.clone().requires_grad_()
    found = gradient(torch.tensor([1.0, 2.0, 3.0]) * z.pow(3).sum((1, 2, 3)), z)
    torch.testing.assert_close(found, 3 * torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1, 1) * Z**2)
    assert z.grad is None and not found.requires_grad


def test_a_kept_graph_gives_second_derivatives():
    z = Z.clone().requires_grad_()
    found = gradient(z.pow(3).sum((1, 2, 3)), z, keep_graph=True)
    (second,) = torch.autograd.grad(found, z, torch.ones_like(z))
    torch.testing.assert_close(second, 6 * Z)


def test_a_value_without_a_gradient_is_refused():
    with pytest.raises(ValueError, match=r"the value has no gradient with respect to the images: .* straight through"):
        gradient(Z.sum((1, 2, 3)), Z)


def test_dot_is_taken_image_by_image():
    found = dot(Z, 2 * Z)
    assert found.shape == (3, 1, 1, 1)
    torch.testing.assert_close(found.flatten(), 2 * Z.flatten(1).square().sum(1))
