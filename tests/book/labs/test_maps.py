"""Maps of distances: their parts add up, and lie where the change is."""

import pytest
import torch

from fairlib import perceptual
from fairlib.book.labs import attacked, maps


@pytest.mark.parametrize("name", ["SSIM", "CIEDE2000", "LPIPS-Alex"])
def test_the_parts_are_the_distance_and_lie_at_the_change(name, one_thread):
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(1, 3, 64, 64, generator=generator) * 0.6 + 0.2
    x_adv = x.clone()
    x_adv[:, :, 8:24, 40:56] += 0.01 * torch.randn(1, 3, 16, 16, generator=generator)
    distance = perceptual.distance(name)
    found = maps.attributed(distance, x, x_adv)
    assert found.sum().item() == pytest.approx(distance(x, x_adv).item(), rel=2e-2)
    outside = found.clone()
    outside[8:24, 40:56] = 0
    assert (outside == 0).all()
    assert maps.cells(found).sum() == pytest.approx(found.sum().item(), rel=1e-4)


def test_every_photograph_has_its_maps():
    """One scale for the attacks of a photograph; no map has less in sum than the table's distance, but for rounding."""
    files = attacked.table()["file"].unique()
    assert list(maps.peaks().index) == list(files)
    own = attacked.table().query("size == 'own'").set_index(["file", "method"])
    for file in files:
        for judge, found in maps.sheet(file).items():
            assert max(one.max() for one in found.values()) == 255
            peak = maps.peaks().loc[file, judge]
            for method, one in found.items():
                assert one.shape == (attacked.WINDOW // maps.CELL,) * 2
                total = one.astype(float).sum() / 255 * peak
                rounding = 0.5 * one.size * peak / 255
                assert total > 0.95 * own.loc[(file, method), judge] - rounding
