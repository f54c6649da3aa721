"""The official images of MNIST and Fashion-MNIST: the seeded split, centroids and thresholds of the first paper."""

import contextlib
import io
from typing import TYPE_CHECKING
from urllib.error import URLError

import torch
from filelock import FileLock
from torch import Tensor

from fairlib import checks, files, runtime
from fairlib.data.tables import table

if TYPE_CHECKING:
    from torchvision.datasets import MNIST

DATASETS = ("MNIST", "FashionMNIST")
CLASSES = {
    "MNIST": [str(digit) for digit in range(10)],
    "FashionMNIST": [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"
    ],
}  # fmt: skip
SPLITS = {"train": "train", "test": "t10k"}
SHAPE = (1, 28, 28)


def load(name: str, split: str) -> tuple[Tensor, Tensor]:
    """Load the official images and labels of a data set.

    Parameters
    ----------
    name : str
        `MNIST` or `FashionMNIST`.
    split : str
        `train` (60,000 images) or `test` (10,000).

    Returns
    -------
    x : Tensor
        Images (N, 1, 28, 28), float32 in [0, 1].
    y : Tensor
        Labels (N,), int64 in [0, 9], in the order of `CLASSES[name]`.

    Raises
    ------
    ValueError
        For an unknown name or split, and for an altered file.
    FileNotFoundError
        For a file that is missing and cannot be fetched.

    Notes
    -----
    torchvision unpacks the four archives under `data/` and compares their MD5 sums (and fetches a missing one where
    there is a network); archives and unpacked files are compared with `data/SHA256SUMS` besides.
    """
    checks.one_of(name, DATASETS, "name")
    checks.one_of(split, tuple(SPLITS), "split")
    with FileLock(files.root() / name / "raw" / ".unpacking.lock"):  # notebooks run side by side
        dataset = _official(name, split)
    return dataset.data[:, None].float().div_(255), dataset.targets.long()


def _official(name: str, split: str) -> "MNIST":
    """The data set as torchvision reads it, its files compared with their SHA-256 before."""
    from torchvision import datasets  # takes longer than all else that this module needs

    folder = files.root() / name / "raw"
    archives = [f"{part}-ubyte" for p in SPLITS.values() for part in (f"{p}-images-idx3", f"{p}-labels-idx1")]
    mend = "restore it with `git checkout -- data`, or delete it and run again with a network"
    for archive in archives:  # before torchvision reads them: it stumbles over a file that was unpacked half-way
        if (folder / f"{archive}.gz").exists():
            files.checked(f"{name}/raw/{archive}.gz", mend)
        if (folder / archive).exists():
            files.checked(f"{name}/raw/{archive}", "delete it: it is unpacked again from the archive beside it")
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return getattr(datasets, name)(files.root(), train=split == "train", download=True)
    except (RuntimeError, URLError, OSError) as error:
        missing = [f"{a}.gz" for a in archives if not (folder / f"{a}.gz").exists()]
        raise FileNotFoundError(f"{', '.join(missing) or 'a file'} of {name} is missing from {folder} and could not be "
                                f"fetched ({error}); {mend}") from error  # fmt: skip


def train_validation(x: Tensor, y: Tensor, *, seed: int = 0, validation: int = 5_000) -> tuple[Tensor, ...]:
    """Split the training images at random into those to train on and those to validate with.

    Parameters
    ----------
    x : Tensor
        Images (N, ...), or anything else with an entry for each label.
    y : Tensor
        Labels (N,), int64.
    seed : int
        Of the split, 0 or more.
    validation : int
        How many are held out, 1 to N - 1; the first paper's section 3.3 holds out 5,000 of 60,000.

    Returns
    -------
    x_train, y_train, x_val, y_val : Tensor
        N - validation images and their labels, then the `validation` others.

    Raises
    ------
    ValueError
        For labels that do not fit and a `validation` that leaves nothing.
    """
    checks.instance(x, Tensor, "x", "use torch.as_tensor(...)")
    checks.labels(y, len(x))
    checks.whole(validation, "validation", 1, len(x) - 1)
    order = torch.randperm(len(x), generator=runtime.generator(seed))
    train, held_out = order[:-validation], order[-validation:]
    return x[train], y[train], x[held_out], y[held_out]


def centroids(name: str, centroid_set: str = "first", *, seed: int = 0) -> Tensor:
    """Take one image per class: what the first paper calls centroids.

    Parameters
    ----------
    name : str
        `MNIST` or `FashionMNIST`.
    centroid_set : str
        A released set (`first`; MNIST also `a`, `b`, `c`, `d`), by index into the official data; or, computed from the
        training images, `random` (drawn with `seed`), `mean` (the class mean) or `medoid` (the image with the smallest
        summed squared L2 distance to its class, which is the one nearest to the mean).
    seed : int
        Of the set `random`, 0 or more.

    Returns
    -------
    Tensor
        Images (10, 1, 28, 28), float32 in [0, 1].

    Raises
    ------
    ValueError
        For a data set or a centroid set that does not exist.

    References
    ----------
    First paper, sections 3.1 and 3.2, and its released notebooks.
    """
    checks.one_of(name, DATASETS, "name")
    known = table("pepe_centroids").query("dataset == @name")
    released = tuple(known["centroid_set"].unique())
    checks.one_of(centroid_set, (*released, "random", "mean", "medoid"), f"centroid_set of {name}")
    if centroid_set in released:
        rows = known.query("centroid_set == @centroid_set").sort_values("class")
        images = {split: load(name, split)[0] for split in rows["split"].unique()}
        return torch.stack([images[split][i] for split, i in zip(rows["split"], rows["index"], strict=True)])
    x, y = load(name, "train")
    members = [x[y == c] for c in range(len(CLASSES[name]))]
    if centroid_set == "random":
        g = runtime.generator(seed)
        return torch.stack([m[torch.randint(len(m), (), generator=g)] for m in members])
    means = [m.mean(0, keepdim=True) for m in members]
    if centroid_set == "mean":
        return torch.cat(means)
    return torch.stack([m[(m - mean).square().sum((1, 2, 3)).argmin()] for m, mean in zip(members, means, strict=True)])


def alphas(name: str) -> Tensor:
    """Give the published thresholds of the centroid defence.

    Parameters
    ----------
    name : str
        `MNIST` or `FashionMNIST`.

    Returns
    -------
    Tensor
        alpha_j (10,), float32 in [0, 1], one per class.

    Raises
    ------
    ValueError
        For an unknown name.

    References
    ----------
    First paper, appendix A, 5.1.
    """
    checks.one_of(name, DATASETS, "name")
    rows = table("pepe_alphas").query("dataset == @name").sort_values("class")
    return torch.tensor(rows["alpha"].to_numpy(), dtype=torch.float32)
