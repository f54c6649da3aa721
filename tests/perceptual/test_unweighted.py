"""LPIPS without weights against the distance that its authors write down."""

import pytest
import torch
from made_up import drawn

from fairlib import weights
from fairlib.perceptual import distance, unweighted_lpips

pytestmark = pytest.mark.usefixtures("no_trace")


def test_without_weights_it_is_the_squared_distance_of_ppgds_authors():
    """Laidlaw et al.: features of unit length over the channels, each layer over sqrt(H W), one vector; its L2 norm."""
    from torchvision import models
    from torchvision.transforms.functional import normalize

    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        network = models.alexnet()
    network.load_state_dict(weights.load("alexnet-owt-7be5be79.pth"), strict=False, assign=True)
    x, x_adv = drawn(3, 64)

    def phi(z):
        z, found = normalize(z, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), []
        for i, layer in enumerate(network.features[:12]):
            z = layer(z)
            if i in (1, 4, 7, 9, 11):
                unit = z / (z.square().sum(1, keepdim=True).sqrt() + 1e-10)
                found.append((unit / (z.shape[2] * z.shape[3]) ** 0.5).flatten(1))
        return torch.cat(found, 1)

    with torch.no_grad():
        expected = (phi(x_adv) - phi(x)).norm(dim=1)
        found = unweighted_lpips()(x, x_adv)
        assert (found > distance("LPIPS-Alex")(x, x_adv)).all()
    assert expected.min() > 0.05
    torch.testing.assert_close(found.sqrt(), expected, rtol=1e-4, atol=1e-6)
