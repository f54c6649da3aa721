"""Every distance, PieAPP with made-up weights."""

import math
from collections import OrderedDict

import pytest
import torch

from fairlib import files, weights
from fairlib.perceptual import NAMES, Distance, distance


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
