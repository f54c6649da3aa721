"""Randomised smoothing against a linear network, whose exact radius is known; the interval against scipy's."""

import pytest
import torch
from scipy.stats import beta, binomtest, norm
from torch import nn

from fairlib import runtime
from fairlib.defenses import ABSTAINED, at_least, smoothed

pytestmark = pytest.mark.usefixtures("no_trace")


class Halves(nn.Module):
    """Class 1 where w . x + b > 0: under any normal noise the smoothed network is this one, and |w . x + b| / |w| how
    far an image is from the border."""

    def __init__(self, offset: float) -> None:
        super().__init__()
        w = torch.randn(16, generator=runtime.generator(1))
        self.w, self.offset = w / w.norm() * 3, offset
        self.eval()

    def forward(self, x):
        z = x.flatten(1) @ self.w + self.offset
        return torch.stack([0 * z, z], 1)


def test_of_a_linear_network_the_radius_approaches_the_exact_one_from_below():
    x = torch.rand(40, 1, 4, 4, generator=runtime.generator(0))
    model = Halves(-Halves(0.0)(x)[:, 1].mean().item())  # both classes, at all distances
    score = model(x)[:, 1]
    exact = score.abs().double() / 3
    for sigma in (0.25, 0.5):
        classes, radii = smoothed(model, x, sigma=sigma, draws=20_000, generator=runtime.generator(2))
        sure = classes != ABSTAINED
        assert (classes[sure] == (score[sure] > 0)).all() and sure[exact > 0.1].all()
        assert (radii <= exact).all() and (radii[~sure] == 0).all()
        inner = sure & (exact < 2 * sigma)  # beyond, so many draws do not tell
        assert inner.sum() > 15 and (exact - radii)[inner].max() < 0.3 * sigma
        # Of each interval the expected end is known, as the chance of a noisy copy on the right side is.
        ends = [sigma * norm.ppf(at_least(round(20_000 * norm.cdf(d / sigma)), 20_000)) for d in exact[inner].tolist()]
        torch.testing.assert_close(radii[inner], torch.tensor(ends).double(), atol=0.15 * sigma, rtol=0)


def test_without_dissent_the_radius_is_the_most_that_the_draws_allow():
    x = torch.rand(2, 1, 4, 4, generator=runtime.generator(0))
    _, radii = smoothed(Halves(1e3), x, sigma=0.5, draws=1_000, level=0.99, generator=runtime.generator(0))
    assert radii.tolist() == pytest.approx([0.5 * norm.ppf(0.01 ** (1 / 1_000))] * 2)


def test_on_the_border_it_abstains_almost_always():
    model = Halves(0.0)
    classes, radii = smoothed(
        model, torch.zeros(60, 1, 4, 4), sigma=1.0, draws=500, level=0.99, generator=runtime.generator(0)
    )
    assert (classes != ABSTAINED).sum() <= 4 and radii.max() < 0.2  # one in a hundred is expected to be wrong


@pytest.mark.parametrize("hits, draws", [(0, 10), (7, 10), (10, 10), (990, 1_000)])
def test_the_lower_end_is_clopper_and_pearsons(hits, draws):
    found = at_least(hits, draws, level=0.95)
    exact = binomtest(hits, draws, alternative="greater").proportion_ci(0.95, method="exact").low
    assert found == pytest.approx(exact, abs=1e-12)
    if hits:
        assert found == pytest.approx(beta.ppf(0.05, hits, draws - hits + 1))
        assert binomtest(hits, draws, found, alternative="greater").pvalue == pytest.approx(0.05)


def test_what_does_not_fit_is_refused():
    x = torch.zeros(1, 1, 4, 4)
    with pytest.raises(ValueError, match="sigma is 0"):
        smoothed(Halves(0.0), x, sigma=0.0, generator=runtime.generator(0))
    with pytest.raises(ValueError, match="draws is 0"):
        smoothed(Halves(0.0), x, sigma=1.0, draws=0, generator=runtime.generator(0))
    with pytest.raises(ValueError, match="hits is 11"):
        at_least(11, 10)
    with pytest.raises(ValueError, match="level is 1"):
        at_least(1, 10, level=1.0)
