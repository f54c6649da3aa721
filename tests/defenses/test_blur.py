"""The blur against scipy's, and its gradient against the network's own."""

import pytest
import torch
from scipy.ndimage import gaussian_filter

from fairlib.defenses import Blurred

pytestmark = pytest.mark.usefixtures("no_trace")


def test_a_network_sees_what_scipy_blurs(model, digits):
    x, _ = digits
    blurred = Blurred(model, 1.0)
    by_scipy = gaussian_filter(x.double().numpy(), (0, 0, 1.0, 1.0), mode="mirror", radius=(0, 0, 3, 3))
    with torch.no_grad():
        torch.testing.assert_close(blurred(x), model(torch.from_numpy(by_scipy).float()), atol=1e-4, rtol=1e-4)


def test_a_narrow_blur_is_none_and_a_constant_image_stays(model, digits):
    x, _ = digits
    with torch.no_grad():
        torch.testing.assert_close(Blurred(model, 1e-3)(x), model(x))
        grey = torch.full((1, 1, 28, 28), 0.25)
        torch.testing.assert_close(Blurred(model, 2.0)(grey), model(grey), atol=1e-4, rtol=1e-4)


def test_what_is_no_blur_is_refused(model):
    with pytest.raises(ValueError, match="sigma is 0"):
        Blurred(model, 0)
    with pytest.raises(ValueError, match="expected less than a third of the image's side"):
        Blurred(model, 20.0)
    with pytest.raises(ValueError, match="the network"):
        Blurred(torch.nn.Flatten().eval(), 1.0)
