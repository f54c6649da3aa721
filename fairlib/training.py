"""Training by stochastic gradient descent, resumable with the same bits; networks saved, loaded and shipped."""

from pathlib import Path

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from fairlib import checkpoints, checks, files, runtime
from fairlib.models import NETWORKS, LayeredModel

ORIGIN = "fairlib.training.fit(..., checkpoint=path)"
RELEASED_EPOCHS = {"FullyConnected": 20, "LeNet5": 2}


def initialised(network: str, *, seed: int) -> LayeredModel:
    """Build a network with torch's default initial weights.

    Parameters
    ----------
    network : str
        A key of `fairlib.models.NETWORKS`.
    seed : int
        Of the weights; the global random state stays as it was.

    Returns
    -------
    LayeredModel
        In training mode, on the CPU.

    Raises
    ------
    ValueError
        For an unknown name.
    """
    checks.one_of(network, tuple(NETWORKS), "network")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return NETWORKS[network]()


def fit(
    model: LayeredModel,
    x: Tensor,
    y: Tensor,
    x_val: Tensor,
    y_val: Tensor,
    *,
    epochs: int = 20,
    stop_at: float | None = 0.95,
    lr: float = 1e-2,
    batch_size: int = 32,
    shuffle: torch.Generator | None = None,
    checkpoint: Path | None = None,
) -> pd.DataFrame:
    """Train a network in place by stochastic gradient descent; leave it in evaluation mode.

    Parameters
    ----------
    model : LayeredModel
        Its model(x) are log-probabilities (N, K), which a network of logits would silently break.
    x : Tensor
        Images (N, C, H, W) of the model's shape, float32 in [0, 1].
    y : Tensor
        Labels (N,), int64 in [0, K - 1].
    x_val, y_val : Tensor
        Likewise, to validate with.
    epochs : int
        At most so many.
    stop_at : float, optional
        The validation accuracy in [0, 1] at which to stop; None goes on.
    lr : float
        The learning rate.
    batch_size : int
        Images in a step.
    shuffle : Generator, optional
        Draws a new order each epoch; without it the images come in the order given.
    checkpoint : path, optional
        A file in which the state is saved after each epoch; an interrupted run continues from there, with the same
        bits.

    Returns
    -------
    DataFrame
        One row per epoch: `epoch`, `loss` (mean over its images), `validation` (accuracy).

    Raises
    ------
    ValueError
        For bad input, a loss that is no longer finite, or a checkpoint of another run.

    Notes
    -----
    A step is theta <- theta - lr * grad_theta mean_i(-log p_theta(y_i | x_i)), the mean over its batch. The text has
    learning rate 1e-2, batches of 32, until 95 % validation accuracy or 20 epochs: the defaults. The released code
    passes `stop_at=None` and 20 (FullyConnected) or 2 (LeNet5) epochs, images always in the same order.

    Training runs on one CPU thread, so the number of cores does not change the bits.

    References
    ----------
    First paper, section 3.3, and its released notebooks.
    """
    checks.instance(model, LayeredModel, "the model", "write yours as one: it is trained on log-probabilities")
    checks.images(x, model.shape)
    checks.labels(y, len(x), model.classes)
    checks.images(x_val, model.shape, "x_val")
    checks.labels(y_val, len(x_val), model.classes)
    checks.whole(epochs, "epochs")
    checks.whole(batch_size, "batch_size")
    checks.positive(lr, "lr", "the learning rate")
    if stop_at is not None:
        checks.unit(stop_at, "stop_at")

    run = {"lr": lr, "batch_size": batch_size, "images": len(x), "shuffled": shuffle is not None}
    history: list[dict] = []
    if checkpoint is not None and checkpoint.exists():
        history = _resume(checkpoint, model, run, shuffle)

    optimiser = torch.optim.SGD(model.parameters(), lr=lr)
    with runtime.threads(1):
        for epoch in runtime.progress(range(len(history), epochs), f"training {type(model).__name__}"):
            if history and stop_at is not None and history[-1]["validation"] >= stop_at:
                break
            order = torch.arange(len(x)) if shuffle is None else torch.randperm(len(x), generator=shuffle)
            model.train()
            total = torch.zeros((), device=x.device)
            for batch in order.split(batch_size):
                optimiser.zero_grad()
                loss = F.nll_loss(model(x[batch]), y[batch])
                loss.backward()
                optimiser.step()
                total += loss.detach() * len(batch)
            model.eval()
            if not torch.isfinite(total):
                raise ValueError(f"the loss is {total.item()} in epoch {epoch + 1}: training diverged; lower lr ({lr})")
            right = (_predicted(model, x_val) == y_val).sum().item()
            history.append({"epoch": epoch + 1, "loss": total.item() / len(x), "validation": right / len(x_val)})
            if checkpoint is not None:
                state = {} if shuffle is None else {"shuffle": shuffle.get_state()}
                save(model, checkpoint, extra=state, **run, history=history)
    model.eval()
    return pd.DataFrame(history)


def _predicted(model: LayeredModel, x: Tensor) -> Tensor:
    """The model's classes (N,)."""
    with torch.no_grad():
        return torch.cat([model(batch).argmax(1) for batch in x.split(500)])


def _resume(path: Path, model: LayeredModel, run: dict, shuffle: torch.Generator | None) -> list[dict]:
    """Fill model and generator from a checkpoint of this run; return its history."""
    tensors, notes = checkpoints.read(path, ORIGIN)
    checkpoints.same_run(path, notes, run)
    if shuffle is not None:
        shuffle.set_state(tensors.pop("shuffle"))
    _fill(model, tensors, notes, path)
    return notes["history"]


def save(model: LayeredModel, path: Path, *, extra: dict[str, Tensor] | None = None, **notes) -> None:
    """Save a network's weights, whole or not at all.

    Parameters
    ----------
    model : LayeredModel
        Its class's name is saved with it, and looked at by `load`.
    path : path
        A file of safetensors; one that is there is replaced.
    extra : dict of str to Tensor, optional
        What else to keep, under names that are not of weights.
    **notes
        JSON values, kept as metadata.
    """
    checkpoints.write(path, model.state_dict() | (extra or {}), notes, network=type(model).__name__)


def load(path: Path, network: str) -> LayeredModel:
    """Load a network from a checkpoint.

    Parameters
    ----------
    path : path
        A file that `save`, or `fit` with a `checkpoint`, wrote.
    network : str
        A key of `fairlib.models.NETWORKS`.

    Returns
    -------
    LayeredModel
        In evaluation mode, on the CPU.

    Raises
    ------
    FileNotFoundError
        For a missing file.
    ValueError
        For a file that is not whole, or holds another architecture.
    """
    model = initialised(network, seed=0)  # to be filled; leaves the global random state as it was
    tensors, notes = checkpoints.read(path, ORIGIN)
    tensors.pop("shuffle", None)
    _fill(model, tensors, notes, path)
    return model.eval()


def shipped(network: str, dataset: str, *, device: torch.device | str = "cpu") -> LayeredModel:
    """Load the network that the book ships for a data set, after comparing its SHA-256.

    Parameters
    ----------
    network : str
        A key of `fairlib.models.NETWORKS`.
    dataset : str
        `MNIST`, `FashionMNIST`, or for LeNet5 also `World`, the simulated one.
    device : device or str
        Where to put it.

    Returns
    -------
    LayeredModel
        In evaluation mode.

    Raises
    ------
    ValueError
        For an unknown name, and for an altered file.
    FileNotFoundError
        For a missing file.
    """
    checks.one_of(network, tuple(NETWORKS), "network")
    return load(files.checked(f"checkpoints/{network}-{dataset}.safetensors"), network).to(device)


def _fill(model: LayeredModel, tensors: dict[str, Tensor], notes: dict, path: Path) -> None:
    """Give the model the weights that a checkpoint holds."""
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise ValueError(
            f"{path} holds the weights of {notes.get('network', 'another network')}, expected {type(model).__name__}; "
            "give the checkpoint of this architecture"
        ) from error
