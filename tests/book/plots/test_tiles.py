"""Pictures as HTML: what a browser would show is what was given, and each has words."""

import base64
import io

import numpy as np
import PIL.Image
import pytest
import torch
from bs4 import BeautifulSoup

from fairlib.book import plots


def picture(seed: int, side: int = 6) -> torch.Tensor:
    levels = torch.randint(0, 256, (3, side, side), generator=torch.Generator().manual_seed(seed))
    return levels / 255


def opened(image) -> np.ndarray:
    kind, data = image["src"].split(",")
    assert kind == "data:image/webp;base64"
    return np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(data))))


def test_pictures_are_stored_without_loss_and_enlarged_as_squares():
    first, second = picture(0), picture(1)
    shown = plots.tiles({"A <b>": {"One.": first, 'Two "2".': second}, "B": {"One.": second}})
    page = BeautifulSoup(shown.data, "html.parser")
    assert [tile.div.text for tile in page.select("div.tile")] == ["A <b>", "B"]
    assert [image["alt"] for image in page("img")] == ["One.", 'Two "2".', "One."]
    for image, given in zip(page("img"), (first, second, second), strict=True):
        assert (opened(image) == (255 * given).round().byte().permute(1, 2, 0).numpy()).all()
        assert "image-rendering:pixelated" in image["style"]
    widths = [image["style"].split("%")[0] for image in page("img")]
    assert widths == ["width:49", "width:49", "width:100"]
    assert "minmax(min(300px,100%),1fr)" in page.select_one("div.tiles")["style"], "narrower pages stack them"


@pytest.mark.parametrize(
    ("panels", "message"),
    [
        ({}, "panels is empty"),
        ({"a": {}}, "has an empty group"),
        ({"a": {" ": picture(0)}}, "an alt text is empty"),
        ({"a": {"One.": picture(0)[None]}}, r"pixels are \(1, 3, 6, 6\), expected \(3, H, W\)"),
        ({"a": {"One.": 2 * picture(0) + 1}}, "expected .* in"),
    ],
)
def test_what_cannot_be_shown_is_refused(panels, message):
    with pytest.raises(ValueError, match=message):
        plots.tiles(panels)


def test_a_frame_lies_around_the_square_and_not_on_it():
    image = picture(2, side=20)
    drawn = plots.framed(image, 8, 9, 2)
    assert (drawn[:, 8:10, 9:11] == image[:, 8:10, 9:11]).all()
    changed = (drawn != image).any(0)
    assert changed.sum() == changed[4:14, 5:15].sum() >= 90  # some of the pixels may be white or black
    assert (drawn[:, 6:8, 7:13] == 1).all() and (drawn[:, 4:6, 5:15] == 0).all()
    assert (plots.framed(image, 0, 0, 20) == image).all()
    for place in ((-1, 0, 2), (19, 0, 2), (0, 19, 2), (0, 0, 0)):
        with pytest.raises(ValueError, match="leave an image of 20 x 20"):
            plots.framed(image, *place)
