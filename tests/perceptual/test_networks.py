"""The networks' distances against their authors' code; weights that are missing or lie elsewhere."""

from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from made_up import drawn

from fairlib import weights
from fairlib.perceptual import distance

pytestmark = pytest.mark.usefixtures("no_trace")
LPIPS = {"LPIPS-Alex": "alex", "LPIPS-VGG": "vgg"}


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


def test_of_a_folder_the_backbones_file_is_looked_for_too(tmp_path):
    (tmp_path / "alexnet-owt-7be5be79.pth").write_bytes(b"not it")
    with pytest.raises(ValueError, match=r"alexnet-owt-7be5be79\.pth is truncated or altered"):
        distance("LPIPS-Alex", weights=tmp_path)
    heads = Path(find_spec("lpips").submodule_search_locations[0], "weights", "v0.1", "alex.pth")
    x, x_adv = drawn(1, 40)
    with torch.no_grad():
        assert torch.equal(distance("LPIPS-Alex", weights=heads)(x, x_adv), distance("LPIPS-Alex")(x, x_adv))
