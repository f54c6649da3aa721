"""Images are shown as they are."""

import pytest
import torch

from fairlib.book import plots


def test_images_are_shown_on_the_scale_from_black_to_white():
    """Not stretched from its darkest pixel to its brightest: a grey image stays grey, and twice as much is white."""
    pixels = torch.tensor([0.25, 0.5]).view(2, 1, 1, 1).expand(2, 1, 4, 4)
    figure, _ = plots.images({"row": pixels}, ["one", "two"], "alt")
    shown = [axis.images[0] for axis in figure.axes]
    assert [image.cmap(image.norm(image.get_array()))[0, 0, 0] for image in shown] == pytest.approx(
        [0.25, 0.5], abs=0.01
    )
    assert [list(image.get_clim()) for image in shown] == [[0, 1]] * 2
