"""Small pictures side by side as HTML: their labels are text, and on a phone they stack."""

import base64
import html
import io
from collections.abc import Mapping

import PIL.Image
import torch
from IPython.display import HTML
from torch import Tensor

from fairlib import checks

GRID = "display:grid;grid-template-columns:repeat(auto-fit,minmax(min({wide}px,100%),1fr));gap:0.8rem;align-items:end"
# Letters of other figures want room and, in the dark, a white card; these pictures hold no letters.
PIXELS = "width:{share:.4g}%;min-width:0;padding:0;border-radius:0;image-rendering:pixelated"


def tiles(panels: Mapping[str, Mapping[str, Tensor]], *, wide: int = 300) -> HTML:
    """Enlarged pictures, each group under its label; a pixel stays a square.

    Parameters
    ----------
    panels : mapping of str to mapping of str to torch.Tensor
        By label, pixels (3, H, W) in [0, 1] by their alt texts; those of a group stand in one row, as wide as each
        other.
    wide : int
        The least width of a group, in pixels of the screen, where there is as much room.

    Returns
    -------
    IPython.display.HTML
        For `display`. Pictures are stored as they are, without loss, and enlarged by the browser.

    Raises
    ------
    ValueError
        For no panels, a group without pictures, an empty alt text, or pixels of another shape or range.
    """
    if not panels or not all(panels.values()):
        raise ValueError("panels is empty or has an empty group, expected pictures by their alt texts")
    parts = [f'<div class="tile"><div>{html.escape(label)}</div>{_row(group)}</div>' for label, group in panels.items()]
    return HTML(f'<div class="tiles" style="{GRID.format(wide=checks.whole(wide, "wide"))}">{"".join(parts)}</div>')


def _row(group: Mapping[str, Tensor]) -> str:
    style = PIXELS.format(share=(100 - 2 * (len(group) - 1)) / len(group))
    pictures = (_picture(alt, pixels, style) for alt, pixels in group.items())
    return f'<div style="display:flex;gap:2%;align-items:flex-start">{"".join(pictures)}</div>'


def _picture(alt: str, pixels: Tensor, style: str) -> str:
    if not alt.strip():
        raise ValueError("an alt text is empty, expected a sentence that says what the picture shows")
    if pixels.ndim != 3 or len(pixels) != 3 or not (0 <= pixels.min() <= pixels.max() <= 1):
        raise ValueError(f"pixels are {tuple(pixels.shape)}, expected (3, H, W) in [0, 1]")
    stored = io.BytesIO()
    levels = (255 * pixels).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    PIL.Image.fromarray(levels).save(stored, format="webp", lossless=True)
    data = base64.b64encode(stored.getvalue()).decode()
    return f'<img alt="{html.escape(alt)}" style="{style}" src="data:image/webp;base64,{data}">'


def framed(image: Tensor, top: int, left: int, side: int) -> Tensor:
    """An image with a white frame around a square part of it, on a black one, so that it shows on any ground.

    Parameters
    ----------
    image : torch.Tensor
        Pixels (3, H, W) in [0, 1].
    top, left, side : int
        The square's first row and column, and its side; inside the image.

    Returns
    -------
    torch.Tensor
        A new one like it.

    Raises
    ------
    ValueError
        For a square that leaves the image.
    """
    height, width = image.shape[-2:]
    if min(top, left) < 0 or side < 1 or top + side > height or left + side > width:
        raise ValueError(f"rows {top} and columns {left} on, {side} each, leave an image of {height} x {width}")
    drawn = image.clone()
    for out, level in ((4, 0.0), (2, 1.0)):  # broad enough to be seen where the image is shrunk
        rows, columns = slice(max(0, top - out), top + side + out), slice(max(0, left - out), left + side + out)
        drawn[:, rows, columns] = level
    drawn[:, top : top + side, left : left + side] = image[:, top : top + side, left : left + side]
    return drawn
