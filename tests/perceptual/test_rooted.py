"""The root of a distance: its value, and a slope that does not vanish near the image, but at it."""

import pytest
import torch

from fairlib import perceptual, runtime


def slope(distance, x, x_adv) -> float:
    leaf = x_adv.clone().requires_grad_()
    distance.between(distance.features(x), leaf).sum().backward()
    return leaf.grad.norm().item()


def test_the_root_of_ssim_is_a_cone():
    g = runtime.generator(0)
    x, d = 0.3 + 0.4 * torch.rand(1, 1, 24, 24, generator=g), torch.randn(1, 1, 24, 24, generator=g)
    plain = perceptual.distance("SSIM")
    root = perceptual.rooted(plain)
    assert root.name == "root of SSIM" and root.smallest == plain.smallest
    near, far = x + 1e-3 * d, x + 4e-3 * d
    assert root(x, near).item() == pytest.approx(plain(x, near).item() ** 0.5)
    assert slope(plain, x, far) == pytest.approx(4 * slope(plain, x, near), rel=0.1)
    assert slope(root, x, far) == pytest.approx(slope(root, x, near), rel=0.1) != 0
    assert slope(root, x, x) == 0 == root(x, x).item()


def test_the_root_of_the_squared_norm_is_the_norm():
    square = perceptual.Distance("square", 1, lambda x: (x,), lambda f, x: (x - f[0]).square().sum((1, 2, 3)))
    x, other = torch.rand(2, 3, 1, 8, 8, generator=runtime.generator(1))
    assert perceptual.rooted(square)(x, other).numpy() == pytest.approx((x - other).flatten(1).norm(dim=1).numpy())
    assert slope(perceptual.rooted(square), x, other) == pytest.approx(3**0.5)
    with pytest.raises(ValueError, match="distance"):
        perceptual.rooted("SSIM")
