"""The data of the first paper: official images, the seeded split, centroids, thresholds and published tables."""

import contextlib
import io
from urllib.error import URLError

import pandas as pd
import torch
from filelock import FileLock
from torch import Tensor
from torchvision import datasets

from fairlib import checks, files, runtime

DATASETS = {"MNIST": datasets.MNIST, "FashionMNIST": datasets.FashionMNIST}
CLASSES = {name: [c.split(" - ")[0] for c in dataset.classes] for name, dataset in DATASETS.items()}
SPLITS = {"train": "train", "test": "t10k"}
SHAPE = (1, 28, 28)


def load(name: str, split: str) -> tuple[Tensor, Tensor]:
    """The official images and labels of `MNIST` or `FashionMNIST`, split `train` (60,000) or `test` (10,000).

    Returns x (N, 1, 28, 28) float32 in [0, 1] and y (N,) int64. torchvision unpacks the four archives under
    `data/` and compares their MD5 sums (and fetches a missing one where there is a network); archives and unpacked
    files are compared with `data/SHA256SUMS` besides. Raises ValueError for an unknown name or an altered file,
    FileNotFoundError for a missing one.
    """
    checks.one_of(name, tuple(DATASETS), "name")
    checks.one_of(split, tuple(SPLITS), "split")
    with FileLock(files.root() / name / "raw" / ".unpacking.lock"):  # notebooks run side by side
        dataset = _official(name, split)
    return dataset.data[:, None].float().div_(255), dataset.targets.long()


def _official(name: str, split: str) -> datasets.MNIST:
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
            return DATASETS[name](files.root(), train=split == "train", download=True)
    except (RuntimeError, URLError, OSError) as error:
        gone = [f"{a}.gz" for a in archives if not (folder / f"{a}.gz").exists()]
        raise FileNotFoundError(f"{', '.join(gone) or 'a file'} of {name} is missing from {folder} and could not be "
                                f"fetched ({error}); {mend}") from error  # fmt: skip


def train_validation(x: Tensor, y: Tensor, *, seed: int = 0, validation: int = 5_000) -> tuple[Tensor, ...]:
    """A seeded split of the training images: `(x_train, y_train, x_val, y_val)`, 55,000 and 5,000 (section 3.3)."""
    checks.labels(y, len(x))
    if not 0 < validation < len(x):
        raise ValueError(f"validation is {validation}, expected between 1 and {len(x) - 1}, the images there are")
    order = torch.randperm(len(x), generator=runtime.generator(seed))
    train, held_out = order[:-validation], order[-validation:]
    return x[train], y[train], x[held_out], y[held_out]


def table(name: str) -> pd.DataFrame:
    """A table of facts from `data/tables/<name>.csv`, checked by SHA-256."""
    return pd.read_csv(files.checked(f"tables/{name}.csv"))


def centroids(name: str, centroid_set: str = "first", *, seed: int = 0) -> Tensor:
    """One image per class, (10, 1, 28, 28): what the first paper calls centroids (sections 3.1 and 3.2).

    `centroid_set` is a released set (`first`; MNIST also `a`, `b`, `c`, `d`), by index into the official data; or,
    computed from the training images: `random` (drawn with `seed`), `mean` (the class mean), `medoid` (the image with
    the smallest summed squared L2 distance to its class, which is the one nearest to the mean). Raises ValueError for a
    set that does not exist.
    """
    checks.one_of(name, tuple(DATASETS), "name")
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
    """The thresholds alpha_j of Appendix A, 5.1: (10,) float32, one per class."""
    checks.one_of(name, tuple(DATASETS), "name")
    rows = table("pepe_alphas").query("dataset == @name").sort_values("class")
    return torch.tensor(rows["alpha"].to_numpy(), dtype=torch.float32)
