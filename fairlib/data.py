"""Official images, the seeded split, centroids, thresholds, published tables; photographs with ImageNet's labels."""

import contextlib
import io
import os
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from urllib.error import URLError

import pandas as pd
import torch
from filelock import FileLock
from torch import Tensor
from torchvision import datasets
from torchvision.transforms.functional import to_tensor

from fairlib import checks, files, listings, pictures, runtime

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
    checks.instance(x, Tensor, "x", "use torch.as_tensor(...)")
    checks.labels(y, len(x))
    checks.whole(validation, "validation", 1, len(x) - 1)
    order = torch.randperm(len(x), generator=runtime.generator(seed))
    train, held_out = order[:-validation], order[-validation:]
    return x[train], y[train], x[held_out], y[held_out]


def table(name: str) -> pd.DataFrame:
    """A table of facts from `data/tables/<name>.csv`, checked by SHA-256. Raises ValueError for an unknown name."""
    tables = (file.removeprefix("tables/") for file in files.listed() if file.startswith("tables/"))
    checks.one_of(name, sorted(file.removesuffix(".csv") for file in tables), "name")
    # Only an empty cell is one without a value: NA is Namibia's code, and "none" a word.
    return pd.read_csv(files.checked(f"tables/{name}.csv"), keep_default_na=False, na_values=[""])


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


def photographs(images: Path | None = None, *, size: int) -> tuple[Tensor, Tensor]:
    """Photographs of ImageNet's 1,000 classes: x (N, 3, size, size) float32 in [0, 1], y (N,) int64 in [0, 999].

    `images`, or else the variable FAIRLIB_IMAGES, is a folder with a table `images.csv`: the columns `file` (or
    `image`), a path below the folder or below its folder `images`, and `label`, counted from 0; others are ignored, and
    so are spaces around a comma. Table and paths may look as `fairlib.listings` reads them. Without either, those of
    `data/photographs`, 299 x 299 pixels each, checked by SHA-256; where they are shown, `credits` belongs beside them.
    Pixels are multiples of 1/255.

    Images are read upright and in RGB (`fairlib.pictures.upright`). One of size x size pixels is taken as it is; of any
    other, the short side is resized (bicubic) to 256/224 of `size`, and the middle is cut out, which is how the default
    classifier was evaluated. Raises FileNotFoundError for a missing folder, table or image; ValueError for a table
    without these columns or without rows, a label that is none, a path that leaves the folder, an image that cannot be
    read, a size below 1.
    """
    checks.whole(size, "size")
    folder = os.environ.get("FAIRLIB_IMAGES") or None if images is None else checks.path(images, "images")
    pairs = list(_samples() if folder is None else _listed(Path(folder)))
    with pictures.quiet():
        x = torch.stack([_photograph(path, size) for path, _ in pairs])
    return x, torch.tensor([label for _, label in pairs])


def _samples() -> Iterator[tuple[Path, int]]:
    rows = _sample_table()
    for file, label in zip(rows["file"], rows["label"].tolist(), strict=True):
        yield files.checked(f"photographs/{file}"), label


def _sample_table() -> pd.DataFrame:
    return pd.read_csv(files.checked("photographs/images.csv"), encoding="utf-8", keep_default_na=False)


def credits(places: Sequence[int]) -> str:
    """Whose photographs these are, as Markdown: it belongs beside pictures of those at `places` of `photographs`.

    What CC BY 2.0 asks for: the author of each, links to source and licence, and that it was changed. Where
    FAIRLIB_IMAGES is set, a line that says where the photographs are from. Raises ValueError for no place, or one
    that there is not.
    """
    if os.environ.get("FAIRLIB_IMAGES"):
        return "Photographs: from the folder that FAIRLIB_IMAGES names."
    rows = _sample_table()
    found = [rows.iloc[checks.whole(place, "place", 0, len(rows) - 1)] for place in places]
    if not found:
        raise ValueError("places is empty, expected the places of the photographs shown")
    told = (f"{r['class']} by {r['author']} ([source]({r['source']}), [CC BY 2.0]({r['license']}))" for r in found)
    return f"Photographs: {'; '.join(told)}. Cropped and resized; under the name of an attack, changed by it."


def _listed(folder: Path) -> Iterator[tuple[Path, int]]:
    table = folder / "images.csv"
    if not table.is_file():
        what = "is missing" if folder.is_dir() else "cannot be there: the folder is missing"
        raise FileNotFoundError(f"{table} {what}, expected a table of the folder's images with the columns file, label")
    (_, first), *rows = list(listings.lines(table)) or [(1, [])]
    heads = [head.lower() for head in first]
    columns = ["file" if "file" in heads else "image", "label"]
    if any(heads.count(column) != 1 for column in columns) or not rows:
        raise ValueError(f"{table} has {len(rows)} rows of {', '.join(first)}, expected columns file, label and a row")
    for line, cells in rows:
        if len(cells) != len(heads):
            raise ValueError(f"line {line} of {table} has {len(cells)} cells, expected {len(heads)}; put a cell that "
                             "holds a comma in double quotes")  # fmt: skip
        file, label = (cells[heads.index(column)] for column in columns)
        if not (label.isascii() and label.isdigit() and int(label) < 1000):
            raise ValueError(
                f"the label of {file} in {table} is {label!r}, expected 0 to 999; a table that counts from 1 (NIPS "
                "2017's TrueLabel) needs 1 subtracted"
            )
        yield _below(folder, file, table), int(label)


def _below(folder: Path, file: str, table: Path) -> Path:
    try:
        found = [listings.inside(folder, name) for name in (file, f"images/{file}")] if file else []
    except ValueError as error:
        raise ValueError(f"{table}: {error}") from error
    for path in found:
        if listings.is_file(path):
            return path
    near = ", ".join(chain.from_iterable(listings.alike(folder, name) for name in (file, f"images/{file}") if file))
    raise FileNotFoundError(f"{folder / file} is missing, but {table} lists it; put it there or take the row out"
                            + (f"; did you mean {near}?" if near else ""))  # fmt: skip


def _photograph(path: Path, size: int) -> Tensor:
    try:
        image = pictures.upright(path)
    except Exception as error:  # decoders raise many kinds
        raise ValueError(f"{path} is no image, or a damaged one ({error}); replace it or take its row out") from error
    if image.size == (size, size):
        return to_tensor(image)
    return pictures.cut(image, round(size * pictures.MARGIN), size)
