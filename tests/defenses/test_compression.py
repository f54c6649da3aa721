"""JPEG against torchvision and Pillow, byte for byte; bit depth by hand; and mutants, which the same checks find."""

import io
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from torchvision.io import ImageReadMode, decode_jpeg, encode_jpeg

from fairlib.defenses import SUBSAMPLINGS, bit_depth, jpeg

pytestmark = pytest.mark.usefixtures("no_trace")

GENERATOR = torch.Generator().manual_seed(11)
SMOOTH = torch.nn.functional.interpolate(torch.rand(3, 3, 6, 7, generator=GENERATOR), (33, 47), mode="bilinear")
NOISE = torch.rand(2, 3, 16, 24, generator=GENERATOR)


def by_torchvision(x, quality, *, change=torch.round, **read):
    """What torchvision's own codec writes and reads, which halves the chroma unless told otherwise."""
    levels = change(255 * x).to(torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it is to move to another package
        return torch.stack([decode_jpeg(encode_jpeg(image, quality), **read) for image in levels]) / 255


def is_a_jpeg_file_written_and_read(defence) -> None:
    for x in (SMOOTH, NOISE):
        for quality in (1, 10, 30, 50, 75, 95, 100):
            assert torch.equal(defence(x, quality), by_torchvision(x, quality))


def test_jpeg_is_torchvisions():
    is_a_jpeg_file_written_and_read(jpeg)


def test_jpeg_is_pillows():
    """With Pillow's own defaults, down to the file."""
    for image in SMOOTH:
        pixels = np.rint(255 * image.permute(1, 2, 0).double().numpy()).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=40)
        opened = Image.open(file)
        assert [layer[1:3] for layer in opened.layer] == [(2, 2), (1, 1), (1, 1)], "the chroma is halved both ways"
        found = (255 * jpeg(image[None], 40)[0]).round().to(torch.uint8)
        assert np.array_equal(found.permute(1, 2, 0).numpy(), np.asarray(opened))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            theirs = encode_jpeg(torch.from_numpy(pixels).permute(2, 0, 1).contiguous(), 40)
        assert theirs.numpy().tobytes() == file.getvalue()


def test_the_subsampling_is_the_one_asked_for():
    for subsampling in SUBSAMPLINGS:
        file = io.BytesIO()
        pixels = (255 * SMOOTH[0]).round().to(torch.uint8).permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(file, "JPEG", quality=40, subsampling=subsampling)
        expected = torch.from_numpy(np.asarray(Image.open(file)).copy()).permute(2, 0, 1) / 255
        assert torch.equal(jpeg(SMOOTH[:1], 40, subsampling=subsampling)[0], expected)
    full, halved = ((jpeg(SMOOTH, 90, subsampling=s) - SMOOTH).square().mean() for s in ("4:4:4", "4:2:0"))
    assert full < halved


MUTANTS = {
    "truncates": lambda x, q: by_torchvision(x, q, change=torch.floor),
    "no-op": lambda x, q: x,
    "rounds only": lambda x, q: (255 * x).round() / 255,
    "one quality": lambda x, q: jpeg(x, 75),
    "the other way": lambda x, q: jpeg(x, 101 - q),
    "blue first": lambda x, q: jpeg(x.flip(1), q).flip(1),
    "on its side": lambda x, q: jpeg(x.mT, q).mT,
    "in grey": lambda x, q: by_torchvision(x, q, mode=ImageReadMode.GRAY).expand_as(x),
    "first image only": lambda x, q: jpeg(x[:1], q).expand_as(x),
    "full chroma": lambda x, q: jpeg(x, q, subsampling="4:4:4"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_of_jpeg_is_found(name):
    with pytest.raises(AssertionError):
        is_a_jpeg_file_written_and_read(MUTANTS[name])


@settings(max_examples=30, deadline=None)
@given(shade=st.tuples(*[st.integers(0, 255)] * 3), quality=st.integers(75, 100))
def test_one_colour_survives_jpeg(shade, quality):
    """A flat image has no detail to lose; its colour comes back within the rounding of YCbCr at fine quantisation."""
    x = (torch.tensor(shade, dtype=torch.float32) / 255).view(1, 3, 1, 1).expand(1, 3, 16, 16)
    assert (jpeg(x, quality) - x).abs().max() <= 8 / 255


def test_a_coarser_jpeg_is_further_away():
    errors = [float((jpeg(SMOOTH, quality) - SMOOTH).pow(2).mean()) for quality in (95, 70, 40, 10)]
    assert errors == sorted(errors) and errors[0] > 0


HAND = {  # bits: (pixel, its level)
    1: [(0.0, 0.0), (0.49, 0.0), (0.51, 1.0), (1.0, 1.0)],
    2: [(0.0, 0.0), (0.16, 0.0), (0.17, 1 / 3), (0.51, 2 / 3), (0.9, 1.0)],
    3: [(0.07, 0.0), (0.08, 1 / 7), (0.5 + 0.01, 4 / 7), (1.0, 1.0)],
    4: [(0.1, 2 / 15), (0.03, 0.0), (0.04, 1 / 15)],
    8: [(17 / 255, 17 / 255), (0.001, 0.0), (0.003, 1 / 255)],
}


def keeps_the_levels_by_hand(defence) -> None:
    for bits, pairs in HAND.items():
        pixels, levels = (torch.tensor(values).view(1, 1, 1, -1).expand(2, 3, 2, -1) for values in zip(*pairs))  # noqa: B905
        torch.testing.assert_close(defence(pixels, bits), levels, rtol=0, atol=1e-6)


def test_bit_depth():
    keeps_the_levels_by_hand(bit_depth)


@pytest.mark.parametrize(
    "mutant",
    [
        lambda x, b: (x * (2**b - 1)).floor() / (2**b - 1),
        lambda x, b: (x * 2**b).round() / 2**b,
        lambda x, b: (x * 255).to(torch.uint8).bitwise_right_shift(8 - b) / (2**b - 1),
        lambda x, b: (x * b).round() / b,
        lambda x, b: x,
        lambda x, b: bit_depth(x, 9 - b),
    ],
    ids=["floor", "one level too many", "drops the low bits", "b levels", "no-op", "the other way"],
)
def test_a_mutant_of_bit_depth_is_found(mutant):
    with pytest.raises(AssertionError):
        keeps_the_levels_by_hand(mutant)


BATCHES = st.integers(1, 3).flatmap(
    lambda n: arrays(np.float32, (n, 3, 4, 5), elements=st.floats(0, 1, width=32))
).map(torch.from_numpy)  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(x=BATCHES, bits=st.integers(1, 8))
def test_bit_depth_is_idempotent_and_near(x, bits):
    once = bit_depth(x, bits)
    assert torch.equal(bit_depth(once, bits), once)
    assert ((once >= 0) & (once <= 1)).all() and once.dtype == x.dtype
    assert (once - x).abs().max() <= 0.5 / (2**bits - 1) + 1e-6
    assert len(once.unique()) <= 2**bits


@settings(max_examples=20, deadline=None)
@given(x=BATCHES, quality=st.integers(1, 100))
def test_jpeg_gives_pixels_image_by_image(x, quality):
    found = jpeg(x, quality)
    assert (found.shape, found.dtype) == (x.shape, x.dtype) and ((found >= 0) & (found <= 1)).all()
    torch.testing.assert_close(255 * found, (255 * found).round(), rtol=0, atol=1e-4)
    assert torch.equal(found, torch.cat([jpeg(image[None], quality) for image in x]))


@pytest.mark.parametrize("defence", [lambda x: jpeg(x, 50), lambda x: bit_depth(x, 3)], ids=["jpeg", "bit_depth"])
def test_the_caller_is_left_alone(defence):
    x = NOISE.clone().requires_grad_()
    found = defence(x)
    assert torch.equal(x, NOISE) and x.requires_grad and x.grad is None
    assert not found.requires_grad and found.data_ptr() != x.data_ptr()


@pytest.mark.parametrize(
    ("defence", "setting", "mend"),
    [
        (jpeg, 0, "quality is 0, expected a whole number from 1 to 100"),
        (jpeg, 101, "quality is 101, expected a whole number"),
        (jpeg, 0.75, "quality is 0.75, expected a whole number"),
        (jpeg, True, "quality is True, expected a whole number"),
        (bit_depth, 0, "bits is 0, expected a whole number from 1 to 8"),
        (bit_depth, 9, "bits is 9, expected a whole number"),
        (bit_depth, 2.0, "bits is 2.0, expected a whole number"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused(defence, setting, mend):
    with pytest.raises(ValueError, match=mend):
        defence(NOISE, setting)


def test_an_unknown_subsampling_is_refused():
    with pytest.raises(ValueError, match="subsampling is '4:1:1', expected one of: 4:2:0, 4:2:2, 4:4:4"):
        jpeg(NOISE, 50, subsampling="4:1:1")


@pytest.mark.parametrize("defence", [lambda x: jpeg(x, 50), lambda x: bit_depth(x, 3)], ids=["jpeg", "bit_depth"])
@pytest.mark.parametrize(
    ("x", "mend"),
    [
        (255 * NOISE, r"x spans .* expected pixels in \[0, 1\]"),
        ((255 * NOISE).to(torch.uint8), "x has dtype torch.uint8, expected torch.float32"),
        (NOISE[0], r"x has shape \(3, 16, 24\)"),
        (NOISE[:, :1], "x has 1 channels, expected 3"),
        (torch.cat([NOISE, NOISE[:, :1]], 1), "x has 4 channels, expected 3"),
        (NOISE * float("nan"), "x holds NaN"),
        (NOISE[:0], "x is empty"),
    ],
    ids=["8-bit range", "8-bit", "one image", "grey", "alpha", "NaN", "empty"],
)
def test_images_that_do_not_fit_are_refused(defence, x, mend):
    with pytest.raises(ValueError, match=mend):
        defence(x)
