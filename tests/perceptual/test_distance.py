"""The interface that all distances share: values, gradients, smallest sides, bad input."""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up import drawn
from PIL import Image

from fairlib.perceptual import NAMES, ciede2000, distance
from fairlib.perceptual.distance import _FORMULAS, _plain

pytestmark = pytest.mark.usefixtures("no_trace")
HERE = [name for name in NAMES if name != "PieAPP"]  # whose weights some package carries
SIDE = {name: 40 for name in NAMES} | {"MS-SSIM": 161, "PieAPP": 91}


@pytest.mark.skipif("FAIRLIB_CALIBRATION" not in os.environ, reason="FAIRLIB_CALIBRATION is not set: pyiqa's images")
@pytest.mark.parametrize(
    ("name", "published", "tolerance"),
    [
        ("LPIPS-Alex", (0.7237, 0.2572, 0.0508, 0.0521, 0.4253), 1e-4),
        ("DISTS", (0.4742, 0.1424, 0.0682, 0.0287, 0.3123), 1e-4),
        # pyiqa rounds the luminance to 8 bits and lets no structure be negative.
        ("SSIM", (0.3003, 0.0022, 0.0011, 0.0329, 0.3478), 1e-3),
        ("MS-SSIM", (0.3293, 0.0004, 0.0002, 0.0433, 0.1582), 1e-3),
    ],
)
def test_the_calibration_table_of_pyiqa(name, published, tolerance):
    """The folder ResultsCalibra of pyiqa's source: five pairs of images in ref_dir and dist_dir."""
    folder = Path(os.environ["FAIRLIB_CALIBRATION"])

    def image(kind: str, file: str) -> torch.Tensor:
        pixels = np.array(Image.open(folder / f"{kind}_dir" / f"{file}.bmp").convert("RGB"))
        return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255

    with torch.no_grad():
        found = [distance(name)(image("ref", f), image("dist", f)).item() for f in ("I03", "I04", "I06", "I08", "I19")]
    assert found == pytest.approx(published, abs=tolerance)


def test_equal_images_are_at_zero_and_noise_moves_them_away(any_distance):
    x, x_adv = drawn(3, SIDE[any_distance.name])
    with torch.no_grad():
        here, there = any_distance(x, x), any_distance(x, x_adv)
    assert here.shape == there.shape == (3,)
    assert here.dtype == there.dtype == torch.float32
    if any_distance.name == "PieAPP":
        assert here.std() < 1e-6, "one constant for all images"
    else:
        assert here.abs().max() < 1e-6
        assert (there > 1e-4).all()
        assert (there.diff() > 0).all(), "more noise, more distance"


def test_each_image_has_its_own_value_and_features(any_distance):
    x, x_adv = drawn(3, SIDE[any_distance.name])
    keep = torch.tensor([True, False, True])
    with torch.no_grad():
        features = any_distance.features(x)
        whole = any_distance.between(features, x_adv)
        part = any_distance.between(tuple(f[keep] for f in features), x_adv[keep])
        alone = torch.cat([any_distance(x[i : i + 1], x_adv[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(part, whole[keep], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(alone, whole, rtol=1e-4, atol=1e-6)


def test_the_images_are_looked_at_and_left_alone(any_distance):
    x, x_adv = drawn(2, SIDE[any_distance.name])
    before, z = x.clone(), x_adv.clone().requires_grad_()
    with torch.no_grad():
        features = any_distance.features(x)
    x.zero_()  # the features are the reference's, not a view of it
    value = any_distance.between(features, z)
    with torch.no_grad():
        torch.testing.assert_close(value, any_distance(before, x_adv), rtol=1e-5, atol=1e-7)
    (gradient,) = torch.autograd.grad(value.sum(), z)
    assert z.grad is None
    assert torch.equal(z, x_adv)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("name", HERE)
def test_the_gradient_is_the_derivative(name):
    """`gradcheck` in double precision, along a random direction."""
    cost = _plain(name, None)
    x, x_adv = (t.double() for t in drawn(1, max(SIDE[name] * (name == "MS-SSIM"), cost.smallest, 12)))
    features = cost.features(x)
    assert torch.autograd.gradcheck(
        lambda z: cost.between(features, z), x_adv.requires_grad_(), fast_mode=True, eps=1e-7, atol=1e-5, rtol=1e-3
    )


@pytest.mark.parametrize("name", [name for name in HERE if name != "CIEDE2000"])
def test_at_the_image_itself_the_gradient_vanishes(name):
    """It is a minimum, and smooth: an attack that ends after one step cannot depend on such a cost."""
    x, x_adv = drawn(1, SIDE[name])
    norms = []
    for z in (x.clone(), x_adv):
        (gradient,) = torch.autograd.grad(distance(name)(x, z.requires_grad_()).sum(), z)
        norms.append(gradient.norm().item())
    assert norms[0] < 1e-3 * norms[1]


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_flat_images_have_finite_gradients(any_distance, value):
    x = torch.full((1, 3, SIDE[any_distance.name], SIDE[any_distance.name]), value)
    z = x.clone()
    z[..., ::3, ::2] = 0.5
    for image in (x.clone(), z):
        found = any_distance(x, image.requires_grad_())
        (gradient,) = torch.autograd.grad(found.sum(), image)
        assert found.isfinite().all()
        assert gradient.isfinite().all()


def test_the_smallest_side_is_accepted_and_one_pixel_less_is_not(any_distance):
    name, side = any_distance.name, any_distance.smallest
    x, x_adv = drawn(1, side)
    with torch.no_grad():
        assert any_distance(x, x_adv).isfinite().all()
    if side > 1:
        for image in (x[..., 1:], x[..., 1:, :]):
            with pytest.raises(
                ValueError, match=rf"x has shape .*, expected sides of {side} pixels or more for {name}"
            ):
                any_distance.features(image)


@pytest.mark.parametrize("name", ["SSIM", "MS-SSIM", "LPIPS-Alex", "LPIPS-VGG", "ST-LPIPS"])
def test_one_pixel_less_would_not_do(name):
    """The smallest sides are the networks' and the windows' own."""
    plain = _plain(name, None)
    x, _ = drawn(1, plain.smallest - 1)
    with pytest.raises((RuntimeError, ValueError, AssertionError)):
        plain.between(plain.features(x), x)


@pytest.mark.parametrize(
    ("x", "mend"),
    [
        (torch.zeros(1, 4, 40, 40), r"x has 4 channels, expected 3; drop an alpha channel with x\[:, :3\]"),
        (torch.zeros(1, 1, 40, 40), r"x has 1 channels, expected 3; .* repeat a grey one with x\.expand"),
        (torch.zeros(1, 3, 40, 40, dtype=torch.uint8), r"x has dtype torch\.uint8, .* divide 8-bit pixels by 255"),
        (torch.full((1, 3, 40, 40), 255.0), r"x spans \[255, 255\], expected pixels in \[0, 1\]"),
        (torch.zeros(3, 40, 40), r"x has shape \(3, 40, 40\), expected \(N, C, H, W\); a single image needs x\[None\]"),
        (torch.zeros(0, 3, 40, 40), "x is empty"),
        (torch.full((1, 3, 40, 40), float("nan")), "x holds NaN"),
    ],
)
def test_bad_images_are_answered_with_what_to_do(x, mend):
    with pytest.raises(ValueError, match=mend):
        distance("DISTS").features(x)


@pytest.mark.parametrize(
    ("x_adv", "mend"),
    [
        (torch.zeros(2, 3, 41, 40), r"x_adv has shape \(2, 3, 41, 40\), expected \(N, 3, 40, 40\)"),
        (torch.zeros(1, 3, 40, 40), "x_adv has 1 images, expected 2: one for each image of x"),
        (torch.zeros(2, 3, 40, 40, dtype=torch.uint8), r"x_adv has dtype torch\.uint8"),
        (torch.full((2, 3, 40, 40), 1.1), r"x_adv spans \[1\.1, 1\.1\]"),
    ],
)
@pytest.mark.parametrize("between", [distance("SSIM"), ciede2000], ids=["a distance", "ciede2000"])
def test_images_that_do_not_match_are_refused(between, x_adv, mend):
    with pytest.raises(ValueError, match=mend):
        between(torch.zeros(2, 3, 40, 40), x_adv)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(
        ValueError, match="name is 'LPIPS', expected one of: SSIM, MS-SSIM, LPIPS-Alex, LPIPS-VGG, DISTS"
    ):
        distance("LPIPS")


@pytest.mark.parametrize("name", ["SSIM", "MS-SSIM", "CIEDE2000"])
def test_weights_for_a_formula_are_refused(name, tmp_path):
    with pytest.raises(ValueError, match=f"weights is '.*', expected None: {name} is a formula and has no weights"):
        distance(name, weights=tmp_path)


def test_every_distance_that_is_no_formula_looks_for_its_weights_there(tmp_path):
    for name in set(NAMES) - set(_FORMULAS):
        with pytest.raises(FileNotFoundError, match=r"no\.pth is missing"):
            distance(name, weights=tmp_path / "no.pth")


def test_a_distance_is_built_once():
    assert distance("LPIPS-Alex") is distance("LPIPS-Alex")


def test_what_takes_seconds_to_import_waits_for_a_network():
    """Most chapters do without; the formulas need neither."""
    code = """
        import sys
        import torch
        from fairlib.perceptual import distance
        x = torch.full((1, 3, 16, 16), 0.5)
        print(float(distance("SSIM")(x, x) + distance("CIEDE2000")(x, x)))
        print(*sorted({"cv2", "pyiqa", "torchvision"} & set(sys.modules)))
    """
    ran = subprocess.run([sys.executable, "-c", inspect.cleandoc(code)], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["0.0"]
