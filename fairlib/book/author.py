"""The first paper's own networks: what was measured of them, and the same measurement for whoever has their weights.

The author released a state dict for each network, without a licence, so that they are not in this repository. The
environment variable FAIRLIB_CHECKPOINTS may name a folder that has them.
"""

import os
import pickle
from pathlib import Path

import pandas as pd
import torch

from fairlib import checks, data, evaluation
from fairlib.defenses import CentroidDefense
from fairlib.models import NETWORKS, LayeredModel

VARIABLE = "FAIRLIB_CHECKPOINTS"
FILES = {
    ("FullyConnected", "MNIST"): "FC_MNIST.pt",
    ("FullyConnected", "FashionMNIST"): "FC_MNIST-FASHION.pt",
    ("LeNet5", "MNIST"): "CNN_MNIST.pt",
}
LARGEST = 4_000_000  # bytes; LeNet's 61,706 numbers take a quarter of a million


def measured() -> pd.DataFrame:
    """What was measured of the author's networks, once, on all test images.

    Returns
    -------
    pandas.DataFrame
        Rows of `network`, `dataset`, `eps`, `method`, `accuracy` (rounded to .01) and `n`.
    """
    table = data.table("pepe_released_checkpoints")
    return table.melt(["network", "dataset", "eps"], var_name="method", value_name="accuracy").assign(n=10_000)


def folder(given: Path | str | None = None) -> Path | None:
    """The folder with the author's files.

    Parameters
    ----------
    given : path, optional
        Left out, the environment variable FAIRLIB_CHECKPOINTS says where it is.

    Returns
    -------
    pathlib.Path or None
        None where neither names one.

    Raises
    ------
    FileNotFoundError
        For what is no folder.
    """
    named = given or os.environ.get(VARIABLE)
    if not named:
        return None
    if not Path(named).is_dir():
        raise FileNotFoundError(f"{named} is no folder; name the one that has {', '.join(FILES.values())}")
    return Path(named)


def load(path: Path, network: str) -> LayeredModel:
    """A network from one of the author's files.

    Parameters
    ----------
    path : pathlib.Path
        A state dict, as torch.save writes one: nothing but tensors is read from it.
    network : str
        A key of `fairlib.models.NETWORKS`.

    Returns
    -------
    LayeredModel
        In evaluation mode, on the CPU.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        For an unknown network, and for a file that is no state dict of it.
    """
    checks.one_of(network, tuple(NETWORKS), "network")
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; it is one of the author's released files")
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path.name} has {path.stat().st_size:,} bytes, expected {LARGEST:,} at most for {network}")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        mend = "save the network's state_dict() alone, as the author's files are"
        raise ValueError(f"{path.name} holds something other than tensors, or is damaged; {mend}") from error
    model = NETWORKS[network]()
    expected = {name: tuple(weight.shape) for name, weight in model.state_dict().items()}
    found = {n: tuple(w.shape) for n, w in state.items() if hasattr(w, "shape")} if isinstance(state, dict) else {}
    if found != expected:
        wrong = sorted(n for n in expected.keys() | found.keys() if expected.get(n) != found.get(n))
        raise ValueError(f"{path.name} is no state dict of {network}: look at {', '.join(wrong)}")
    if not all(weight.is_floating_point() and weight.isfinite().all() for weight in state.values()):
        raise ValueError(f"{path.name} has weights that are no finite numbers; fetch it again")
    model.load_state_dict({name: weight.float() for name, weight in state.items()})
    return model.eval()


def measure(given: Path | str | None = None, *, images: int = 10_000) -> pd.DataFrame:
    """Put the author's networks through what tables 1 to 4 report, with the released semantics.

    Parameters
    ----------
    given : path, optional
        The folder, as `folder` takes it.
    images : int
        How many of the test images, from the first on.

    Returns
    -------
    pandas.DataFrame
        The columns of `measured`, unrounded, with the Wilson interval `low`, `high`; empty where no folder is named.

    Raises
    ------
    FileNotFoundError, ValueError
        As `folder` and `load` do.
    """
    place, tables = folder(given), []
    for (network, dataset), name in FILES.items() if place else ():
        x, y = (part[:images] for part in data.load(dataset, "test"))
        model = load(place / name, network)
        defense = CentroidDefense(model, data.centroids(dataset), data.alphas(dataset))
        table = evaluation.under_attack(model, x, y, eps=evaluation.TABLE_EPS, defense=defense, batch_size=100)
        tables.append(table.assign(network=network, dataset=dataset))
    columns = ["network", "dataset", "eps", "method", "accuracy", "low", "high", "n"]
    return pd.concat(tables)[columns].reset_index(drop=True) if tables else pd.DataFrame(columns=columns)
