"""The distances against their authors' code, scikit-image and published values; gradients; bad input."""

import ast
import math
import os
from collections import OrderedDict
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import structural_similarity

from fairlib import files, perceptual, weights
from fairlib.perceptual import NAMES, Distance, ciede2000, delta_e, distance, rgb_to_lab

pytestmark = pytest.mark.usefixtures("no_trace")
HERE = [name for name in NAMES if name != "PieAPP"]  # whose weights some package carries
LPIPS = {"LPIPS-Alex": "alex", "LPIPS-VGG": "vgg"}
SIDE = {name: 40 for name in NAMES} | {"MS-SSIM": 161, "PieAPP": 91}
# Sharma, Wu and Dalal 2005, table 1: L, a, b of two colours and their difference.
SHARMA = """
50 2.6772 -79.7751 50 0 -82.7485 2.0425; 50 3.1571 -77.2803 50 0 -82.7485 2.8615
50 2.8361 -74.02 50 0 -82.7485 3.4412; 50 -1.3802 -84.2814 50 0 -82.7485 1; 50 -1.1848 -84.8006 50 0 -82.7485 1
50 -0.9009 -85.5211 50 0 -82.7485 1; 50 0 0 50 -1 2 2.3669; 50 -1 2 50 0 0 2.3669
50 2.49 -0.001 50 -2.49 0.0009 7.1792; 50 2.49 -0.001 50 -2.49 0.001 7.1792; 50 2.49 -0.001 50 -2.49 0.0011 7.2195
50 2.49 -0.001 50 -2.49 0.0012 7.2195; 50 -0.001 2.49 50 0.0009 -2.49 4.8045; 50 -0.001 2.49 50 0.001 -2.49 4.8045
50 -0.001 2.49 50 0.0011 -2.49 4.7461; 50 2.5 0 50 0 -2.5 4.3065; 50 2.5 0 73 25 -18 27.1492
50 2.5 0 61 -5 29 22.8977; 50 2.5 0 56 -27 -3 31.903; 50 2.5 0 58 24 15 19.4535; 50 2.5 0 50 3.1736 0.5854 1
50 2.5 0 50 3.2972 0 1; 50 2.5 0 50 1.8634 0.5757 1; 50 2.5 0 50 3.2592 0.335 1
60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644; 63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.263
61.2901 3.7196 -5.3901 61.4292 2.248 -4.962 1.8731; 35.0831 -44.1164 3.7933 35.0232 -40.0716 1.5901 1.8645
22.7233 20.0904 -46.694 23.0331 14.973 -42.5619 2.0373; 36.4612 47.858 18.3852 36.2715 50.5065 21.2231 1.4146
90.8027 -2.0831 1.441 91.1528 -1.6435 0.0447 1.4441; 90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
6.7747 -0.2908 -2.4247 5.8714 -0.0985 -2.2286 0.6377; 2.0776 0.0795 -1.135 0.9033 -0.0636 -0.5514 0.9082
"""


def drawn(n: int, side: int, channels: int = 3, seed: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """n smooth random images and noisy versions of them, the noise growing with the number; multiples of 1/255."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, channels, side // 4 + 1, side // 4 + 1, generator=generator)
    x = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")
    noise = torch.randn(x.shape, generator=generator) * (torch.arange(1, n + 1) / (20 * n)).view(-1, 1, 1, 1)
    return tuple((255 * image.clamp(0, 1)).round() / 255 for image in (x, x + noise))


def thin(module: torch.nn.Module) -> OrderedDict[str, torch.Tensor]:
    """A state dict of the module's shapes whose file stays small: each tensor reads one small buffer over and over."""
    generator = torch.Generator().manual_seed(7)
    state = OrderedDict()
    for key, value in module.state_dict().items():
        rows, row = len(value), math.prod(value.shape[1:])
        buffer = torch.randn(row + 7 * rows, generator=generator) / math.sqrt(row)
        state[key] = buffer.as_strided((rows, row), (7, 1)).unflatten(1, value.shape[1:] or (1,)).view(value.shape)
    return state


@pytest.fixture(scope="session")
def pieapp(tmp_path_factory, one_thread):
    """(distance, path): PieAPP with made-up weights of the true shapes, whose hash stands in for the published one."""
    from pyiqa.archs.pieapp_arch import PieAPP

    path = tmp_path_factory.mktemp("pieapp") / "mine.pth"
    with torch.device("meta"):
        network = PieAPP(pretrained=False)
    assert sum(p.numel() for p in network.parameters()) == 68_376_580
    torch.save(thin(network), path)
    name = "PieAPPv0.1-0937b014.pth"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(weights.FILES, name, weights.File("PieAPP", files.sha256(path), "pyiqa"))
        return distance("PieAPP", weights=path), path


@pytest.fixture(params=NAMES)
def any_distance(request) -> Distance:
    return request.getfixturevalue("pieapp")[0] if request.param == "PieAPP" else distance(request.param)


def test_sharmas_pairs():
    pairs = torch.tensor([[float(v) for v in p.split()] for p in SHARMA.strip().replace("\n", ";").split(";")])
    assert len(pairs) == 34
    first, second = (pairs[:, k : k + 3].double().T[None, :, :, None] for k in (0, 3))
    first, second = ((t * 1e4).round() / 1e4 for t in (first, second))  # the decimals, in double precision
    for one, other in ((first, second), (second, first)):
        found = delta_e(one, other)[0, :, 0]
        assert (found - pairs[:, 6]).abs().max() < 0.6e-4


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), size=st.sampled_from([1.0, 1e-2, 1e-5]))
def test_delta_e_equals_scikit_images(seed, size):
    rng = np.random.default_rng(seed)
    one, other = (rng.uniform((0, -100, -100), 100, (8, 8, 3)) for _ in range(2))
    other = one + size * (other - one)
    found = delta_e(*(torch.from_numpy(a).permute(2, 0, 1)[None] for a in (one, other)))
    np.testing.assert_allclose(found[0], deltaE_ciede2000(one, other), rtol=1e-9, atol=1e-12)


def test_ciede2000_of_pixels_equals_scikit_images():
    x, x_adv = drawn(2, 40)
    lab, lab_adv = (rgb2lab(t.permute(0, 2, 3, 1).double().numpy()) for t in (x, x_adv))
    np.testing.assert_allclose(rgb_to_lab(x).permute(0, 2, 3, 1), lab, atol=0.02)
    expected = deltaE_ciede2000(lab, lab_adv)
    assert expected.max() > 5
    np.testing.assert_allclose(ciede2000(x, x_adv), expected, atol=0.02)
    np.testing.assert_allclose(distance("CIEDE2000")(x, x_adv), np.sqrt(np.square(expected).sum((1, 2))), rtol=2e-3)


def test_gradient_of_ciede2000():
    def difference(x, x_adv):  # ciede2000, which takes float32 only
        return delta_e(rgb_to_lab(x), rgb_to_lab(x_adv))

    x, x_adv = (t.double() for t in drawn(1, 5))
    x[..., 0, 0], x[..., 1, 1], x[..., 2, 2] = 0.5, 0.0, 1.0  # greys among the colours
    assert torch.autograd.gradcheck(difference, (x, x_adv.requires_grad_()))
    for z in (x.clone(), torch.full_like(x, 0.3), torch.zeros_like(x), torch.ones_like(x)):
        (gradient,) = torch.autograd.grad(difference(x, z.requires_grad_()).sum(), z)
        assert gradient.isfinite().all()
        assert torch.equal(z, x) is not bool(gradient.any()), (
            "the gradient is 0 where the colours are equal, only there"
        )


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_equals_scikit_images(channels):
    x, x_adv = drawn(3, 37, channels)
    x_adv[2] = 1 - x[2]  # turned round: most of the covariances are negative
    grey, grey_adv = (perceptual._luminance(t)[:, 0].numpy() for t in (x, x_adv))
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    expected = [1 - structural_similarity(a, b, **options) for a, b in zip(grey, grey_adv, strict=True)]
    assert expected[2] > 1
    np.testing.assert_allclose(distance("SSIM")(x, x_adv), expected, rtol=1e-6)


def test_luminance_is_that_of_bt_601():
    x, _ = drawn(1, 16)
    expected = np.array(Image.fromarray((255 * x[0]).byte().permute(1, 2, 0).numpy()).convert("L"))
    assert np.abs(255 * perceptual._luminance(x)[0, 0].numpy() - expected).max() < 0.6  # Pillow rounds


@pytest.mark.parametrize("side", [161, 192])
def test_ms_ssim_equals_two_others(side):
    from pyiqa.archs.ssim_arch import MS_SSIM

    x, x_adv = drawn(3, side, 1)
    x_adv[2, :, :40] = 1 - x[2, :, :40]  # negative structure in a part of the image
    x_adv = (255 * x_adv).round() / 255
    found = distance("MS-SSIM")(x, x_adv)
    assert found.min() > 1e-3
    torch.testing.assert_close(found.double(), 1 - MS_SSIM()(x, x_adv), rtol=1e-5, atol=1e-6)
    if side == 192:  # the two differ in how they halve an odd side
        structural_similarity_of = pytest.importorskip("adv_lib.distances.structural_similarity")
        expected = 1 - structural_similarity_of.compute_ms_ssim(x[:2].double(), x_adv[:2].double())
        torch.testing.assert_close(found[:2].double(), expected, rtol=1e-5, atol=1e-6)


def published(name: str) -> torch.nn.Module:
    """The authors' own module, with the same weights as ours (it cannot fetch its own in a test)."""
    from torchvision import models

    backbone = {"LPIPS-Alex": "alexnet-owt-7be5be79.pth"}.get(name, "vgg16-397923af.pth")
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        network = models.alexnet() if name == "LPIPS-Alex" else models.vgg16()
    network.load_state_dict(weights.load(backbone), strict=False, assign=True)
    network.features.requires_grad_(False)
    stand_in = lambda **_: SimpleNamespace(features=network.features)  # noqa: E731
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
        if name == "DISTS":
            import DISTS_pytorch

            patch.setattr(models, "vgg16", stand_in)
            module = DISTS_pytorch.DISTS(load_weights=False)
            module.load_state_dict(weights.load("DISTS_weights-f5e65c96.pth"), strict=False)
        elif name == "ST-LPIPS":
            from pyiqa.archs.stlpips_arch import STLPIPS

            module = STLPIPS(pretrained=False)
            module.load_state_dict(weights.load("alex_shift_tolerant.pth"), strict=False)
        else:
            import lpips

            kind = "alexnet" if name == "LPIPS-Alex" else "vgg16"
            patch.setattr(lpips.pretrained_networks.tv, kind, stand_in)
            module = lpips.LPIPS(net=LPIPS[name], verbose=False)
    return module.eval()


@pytest.mark.parametrize("name", ["LPIPS-Alex", "LPIPS-VGG", "ST-LPIPS", "DISTS"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_networks_equal_their_authors(name):
    x, x_adv = drawn(3, 64)
    options = {"normalize": True} if "LPIPS" in name else {}
    with torch.no_grad():
        expected = published(name)(x, x_adv, **options).flatten()
        found = distance(name)(x, x_adv)
    assert found.max() > 1e-3
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_pieapp_with_the_users_file_equals_pyiqas(pieapp, capfd):
    from pyiqa.archs.pieapp_arch import PieAPP

    cost, path = pieapp
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        network = PieAPP(pretrained=False)
    network.load_state_dict(weights.tensors(path), assign=True)
    x, x_adv = drawn(2, 91)  # four patches each
    with torch.no_grad():
        expected = network.eval()(x_adv, x).flatten()
    z = x_adv.clone().requires_grad_()
    found = cost(x, z)
    assert expected.std() > 1e-4
    torch.testing.assert_close(found.detach(), expected, rtol=1e-4, atol=1e-6)
    (gradient,) = torch.autograd.grad(found.sum(), z)
    assert (gradient.flatten(1).norm(dim=1) > 0).all()


def test_pieapp_without_its_file_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setitem(
        weights.FILES,
        "PieAPPv0.1-0937b014.pth",
        weights.File("PieAPP, 261 MB", "0937b014", "pyiqa", (tmp_path / "nothing").as_uri()),
    )
    mend = r"^PieAPPv0\.1-0937b014\.pth \(PieAPP, 261 MB\) is missing .*; get it from file:.* and put it at .*pyiqa"
    with pytest.raises(FileNotFoundError, match=mend):
        distance("PieAPP")


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
    cost = perceptual._BUILDERS[name](None)
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
    plain = perceptual._BUILDERS[name](None)
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


def test_grey_images_have_an_ssim_and_alpha_has_none():
    x, x_adv = drawn(1, 40, 1)
    assert distance("SSIM")(x, x_adv) > 0.01
    with pytest.raises(ValueError, match="x has 4 channels, expected 1 or 3"):
        distance("SSIM")(x.expand(-1, 4, -1, -1), x_adv.expand(-1, 4, -1, -1))


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


@pytest.mark.parametrize("x", [torch.zeros(1, 1, 4, 4), torch.zeros(3, 4, 4), torch.zeros(1, 3, 4, 4).byte(), "x"])
def test_what_has_no_colours_is_refused(x):
    with pytest.raises(ValueError, match=r"x (is|has) .*, expected (3|one or more floating-point images)"):
        rgb_to_lab(x)


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
    for name in set(NAMES) - set(perceptual.FORMULAS):
        with pytest.raises(FileNotFoundError, match=r"no\.pth is missing"):
            distance(name, weights=tmp_path / "no.pth")


def test_a_distance_is_built_once():
    assert distance("LPIPS-Alex") is distance("LPIPS-Alex")


def test_of_a_folder_the_backbones_file_is_looked_for_too(tmp_path):
    (tmp_path / "alexnet-owt-7be5be79.pth").write_bytes(b"not it")
    with pytest.raises(ValueError, match=r"alexnet-owt-7be5be79\.pth is truncated or altered"):
        distance("LPIPS-Alex", weights=tmp_path)
    heads = Path(find_spec("lpips").submodule_search_locations[0], "weights", "v0.1", "alex.pth")
    x, x_adv = drawn(1, 40)
    with torch.no_grad():
        assert torch.equal(distance("LPIPS-Alex", weights=heads)(x, x_adv), distance("LPIPS-Alex")(x, x_adv))


def test_pyiqa_is_not_imported_before_it_is_needed():
    """It takes seconds, and most chapters do without."""
    for module in (perceptual, weights):
        imported = [
            name
            for node in ast.parse(Path(module.__file__).read_text()).body
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in [getattr(node, "module", None), *(alias.name for alias in node.names)]
        ]
        assert "torch" in imported
        assert not [name for name in imported if name and name.split(".")[0] in ("pyiqa", "cv2")]
