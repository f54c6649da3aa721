"""D_rob while it grows and afterwards: in memory, or on disk beside a state from which a run can go on."""

import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from fairlib import checkpoints, files
from fairlib.dro.weighting import WeightedImages

SECONDS_BETWEEN_SAVES = 60
ORIGIN = "fairlib.dro.adversarial_data(..., folder=...)"


def load(folder: Path) -> WeightedImages:
    """Read the data set that `adversarial_data` left in a folder.

    Parameters
    ----------
    folder : path
        As given to `adversarial_data`.

    Returns
    -------
    WeightedImages
        Its images mapped into memory; what is changed there stays in memory.

    Raises
    ------
    FileNotFoundError
        Where there is none.
    ValueError
        For one that is not finished, damaged or altered.
    """
    images, state = _files(folder)
    tensors, notes = checkpoints.read(state, ORIGIN)
    if notes.get("sha256") is None:
        raise ValueError(
            f"{folder} holds an unfinished data set; run adversarial_data(..., folder=...) again to finish it"
        )
    if not images.is_file() or files.sha256(images) != notes["sha256"]:
        raise ValueError(f"{images} is missing, truncated or altered; delete {folder} and run adversarial_data again")
    x = torch.from_numpy(np.load(images, mmap_mode="c"))
    return WeightedImages(x, tensors["y"], tensors["weights of images"])


class Store:
    """A data set that grows, and the state from which its run can go on.

    Parameters
    ----------
    folder : path, optional
        Where it lies; None keeps it in memory, and no state.
    run : dict
        The settings of the run, JSON values.
    x : Tensor
        The N images that it starts from.
    y : Tensor
        Their labels (N,).
    weights : Tensor
        P (M,) of all images that there will be.

    Attributes
    ----------
    x : Tensor
        (M, C, H, W), the first N filled.
    y : Tensor
        (M,), likewise.

    Raises
    ------
    ValueError
        For images of another run in the folder.
    """

    def __init__(self, folder: Path | None, run: dict, x: Tensor, y: Tensor, weights: Tensor) -> None:
        self.folder, self.run, self.weights = folder, run, weights
        self.saved = time.monotonic()
        self.y = torch.cat([y.cpu(), torch.zeros(len(weights) - len(y), dtype=y.dtype)])
        shape = (len(weights), *x.shape[1:])
        if folder is None:
            self.x = torch.empty(shape)
        else:
            self.images, self.state = _files(folder)
            self.map = _mapped(self.images, shape, new=not self.state.is_file())
            self.x = torch.from_numpy(self.map)
        self.x[: len(x)] = x

    def begin(self, theta: nn.Module, generator: torch.Generator) -> tuple[Tensor, int]:
        """Fill model, generator and labels from the last state, if there is one.

        Parameters
        ----------
        theta : Module
            Changed in place.
        generator : Generator
            Changed in place.

        Returns
        -------
        order : Tensor
            What the iteration under way has sampled (N,).
        attacked : int
            How many attacks are there.

        Raises
        ------
        ValueError
            For the state of another run.
        """
        if self.folder is None or not self.state.is_file():
            return torch.empty(0, dtype=torch.int64), 0
        tensors, notes = checkpoints.read(self.state, ORIGIN)
        checkpoints.same_run(self.state, notes.get("run", {}), self.run)
        self.y, order = tensors.pop("y"), tensors.pop("order")
        generator.set_state(tensors.pop("generator"))
        del tensors["weights of images"]
        theta.load_state_dict(tensors)
        return order, notes["attacked"]

    def save(self, theta: nn.Module, generator: torch.Generator, order: Tensor, attacked: int) -> None:
        """Keep the state, if the last one is old, or if all is done.

        Parameters
        ----------
        theta, generator, order, attacked
            As `begin` gives them.
        """
        finished = attacked == len(self.weights) - len(order)
        due = time.monotonic() > self.saved + SECONDS_BETWEEN_SAVES
        if self.folder is None or not (finished or due):
            return
        self.map.flush()  # images first, so that the state never promises what is not there
        tensors = {"y": self.y, "weights of images": self.weights, "order": order, "generator": generator.get_state()}
        sha256 = files.sha256(self.images) if finished else None
        notes = {"run": self.run, "attacked": attacked, "sha256": sha256}
        checkpoints.write(self.state, theta.state_dict() | tensors, notes)
        self.saved = time.monotonic()

    def finish(self) -> WeightedImages:
        """Give the data set, once all is done.

        Returns
        -------
        WeightedImages
            In memory, or as `load` reads it.
        """
        return WeightedImages(self.x, self.y, self.weights) if self.folder is None else load(self.folder)


def _files(folder: Path) -> tuple[Path, Path]:
    """The files of images and state."""
    return Path(folder) / "images.npy", Path(folder) / "state.safetensors"


def _mapped(images: Path, shape: tuple[int, ...], *, new: bool) -> np.ndarray:
    """The file of images mapped into memory, made before if it is new."""
    if new:
        with files.replacing(images) as partial:
            np.lib.format.open_memmap(partial, "w+", np.float32, shape).flush()
    mapped = np.load(images, mmap_mode="r+")
    if mapped.shape != shape:
        raise ValueError(f"{images} has shape {mapped.shape}, expected {shape}: another run's; delete it")
    return mapped
