"""Training by stochastic gradient descent, and checkpoints that cannot be half-written or mistaken for one another."""

import json
from pathlib import Path

import pandas as pd
import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from fairlib import checks, files, runtime
from fairlib.models import NETWORKS, LayeredModel

RELEASED_EPOCHS = {"FullyConnected": 20, "LeNet5": 2}


def initialised(network: str, *, seed: int) -> LayeredModel:
    """A network with torch's default initial weights, drawn with `seed`; the global random state stays as it was."""
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
    """Train `model` in place by SGD on the negative log-likelihood; leave it in evaluation mode.

    First paper, section 3.3: learning rate 1e-2, batches of 32, until `stop_at` validation accuracy or `epochs` epochs.
    The released code passes `stop_at=None` and 20 (FullyConnected) or 2 (LeNet5) epochs, images always in the same
    order; a generator as `shuffle` draws a new order each epoch.

    Returns one row per epoch: `epoch`, `loss` (mean over the epoch's batches), `validation` (accuracy). With
    `checkpoint`, the state is saved after each epoch and an interrupted run continues from there, with the same bits.
    Training runs on one CPU thread, so the number of cores does not change them either.
    Raises ValueError for bad input, a loss that is no longer finite, or a checkpoint of another run.
    """
    checks.images(x, model.shape)
    checks.labels(y, len(x), model.classes)
    checks.images(x_val, model.shape, "x_val")
    checks.labels(y_val, len(x_val), model.classes)
    if epochs < 1 or batch_size < 1 or not lr > 0:
        raise ValueError(f"epochs={epochs}, batch_size={batch_size}, lr={lr}: expected all to be positive")
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
            right = (_predictions(model, x_val) == y_val).sum().item()
            history.append({"epoch": epoch + 1, "loss": total.item() / len(x), "validation": right / len(x_val)})
            if checkpoint is not None:
                state = {} if shuffle is None else {"shuffle": shuffle.get_state()}
                save(model, checkpoint, extra=state, **run, history=history)
    model.eval()
    return pd.DataFrame(history)


def _predictions(model: LayeredModel, x: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.cat([model(batch).argmax(1) for batch in x.split(500)])


def _resume(path: Path, model: LayeredModel, run: dict, shuffle: torch.Generator | None) -> list[dict]:
    notes, tensors = _read(path)
    before = {key: notes.get(key) for key in run}
    if before != run:
        raise ValueError(f"{path} belongs to another run ({before}, this one is {run}); delete it or name another file")
    if shuffle is not None:
        shuffle.set_state(tensors.pop("shuffle"))
    _fill(model, tensors, notes, path)
    return notes["history"]


def save(model: LayeredModel, path: Path, *, extra: dict[str, Tensor] | None = None, **notes) -> None:
    """Write weights as safetensors, the network's name and `notes` (JSON values) as metadata, whole or not at all."""
    tensors = {name: t.detach().cpu().contiguous() for name, t in model.state_dict().items()}
    metadata = {"network": type(model).__name__, "notes": json.dumps(notes)}
    with files.replacing(path) as partial:
        save_file(tensors | (extra or {}), partial, metadata=metadata)


def load(path: Path, network: str) -> LayeredModel:
    """A network from a checkpoint, in evaluation mode. Raises ValueError when the file holds another architecture."""
    model = initialised(network, seed=0)  # to be filled; leaves the global random state as it was
    notes, tensors = _read(path)
    tensors.pop("shuffle", None)
    _fill(model, tensors, notes, path)
    return model.eval()


def shipped(network: str, dataset: str, *, device: torch.device | str = "cpu") -> LayeredModel:
    """The network that the book ships for `MNIST` or `FashionMNIST`, checked by SHA-256, in evaluation mode."""
    checks.one_of(network, tuple(NETWORKS), "network")
    return load(files.checked(f"checkpoints/{network}-{dataset}.safetensors"), network).to(device)


def _read(path: Path) -> tuple[dict, dict[str, Tensor]]:
    if not Path(path).is_file():
        raise FileNotFoundError(f"no checkpoint at {path}; train one with fairlib.training.fit(..., checkpoint=path)")
    try:
        with safe_open(path, framework="pt") as stream:
            metadata = stream.metadata() or {}
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 - no dict
        return {"network": metadata.get("network"), **json.loads(metadata.get("notes", "{}"))}, tensors
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{path} is not a whole safetensors file ({error}); delete it and train or fetch it again"
        ) from error


def _fill(model: LayeredModel, tensors: dict[str, Tensor], notes: dict, path: Path) -> None:
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise ValueError(
            f"{path} holds the weights of {notes['network'] or 'another network'}, expected {type(model).__name__}; "
            "give the checkpoint of this architecture"
        ) from error
