"""Several trainings of one network at once, a seed each: the same numbers, from fewer and larger operations."""

import copy
from collections.abc import Iterable, Sequence

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairlib import checks, data, digest, files, runtime, training
from fairlib.models import LayeredModel


def fit_many(
    network: str,
    x: Tensor,
    y: Tensor,
    *,
    seeds: Sequence[int],
    epochs: int,
    validation: int = 5_000,
    lr: float = 1e-2,
    batch_size: int = 32,
) -> tuple[list[LayeredModel], pd.DataFrame]:
    """Train one network per seed, all of them in step, as the released code trains one.

    Parameters
    ----------
    network : str
        A key of `fairlib.models.NETWORKS`, of linear layers and convolutions only.
    x : Tensor
        Images (N, C, H, W), float32 in [0, 1].
    y : Tensor
        Labels (N,), int64.
    seeds : sequence of int
        One or more, each once: of the initial weights, and of the network's own split of the images.
    epochs : int
        How many.
    validation : int
        How many images are held out, 1 to N - 1.
    lr : float
        The learning rate.
    batch_size : int
        Images in a step of each network; memory is needed for one batch per seed.

    Returns
    -------
    models : list of LayeredModel
        In evaluation mode, in the order of `seeds`, on the device of the images.
    history : DataFrame
        One row per epoch and seed: `epoch`, `seed`, `loss` (mean over the epoch's images), `validation` (accuracy).

    Raises
    ------
    ValueError
        For bad input, seeds that are missing or given twice, a network of other layers, or a loss that is no longer
        finite.

    Notes
    -----
    Seed s gives what `training.initialised(network, seed=s)`, `data.train_validation(x, y, seed=s, ...)` and
    `training.fit(..., epochs=epochs, stop_at=None)` give one after the other: the same batches in the same order, and
    the same weights but for the order in which floats are summed. One CPU thread.

    References
    ----------
    First paper, section 3.3: a random split.
    """
    models = [training.initialised(network, seed=seed) for seed in seeds]
    if not models or len(set(seeds)) < len(models):
        raise ValueError(f"seeds is {list(seeds)}, expected at least one, each once")
    checks.whole(epochs, "epochs")
    checks.whole(batch_size, "batch_size")
    checks.positive(lr, "lr", "the learning rate")
    checks.images(x, models[0].shape)
    checks.labels(y, len(x), models[0].classes)
    splits = [data.train_validation(torch.arange(len(x)), y, seed=s, validation=validation) for s in seeds]
    train = torch.stack([train for train, _, _, _ in splits]).to(x.device)
    held_out = torch.stack([held_out for _, _, held_out, _ in splits]).to(x.device)

    models = [model.to(x.device) for model in models]
    stack = stacked(models)
    history = []
    with runtime.threads(1):
        for epoch in runtime.progress(range(1, epochs + 1), f"training {len(models)} of {network}"):
            total = torch.zeros(len(models), device=x.device)
            for batch in train.split(batch_size, dim=1):
                loss = F.nll_loss(*_outputs(stack, x, y, batch), reduction="none").view_as(batch).sum(1)
                (loss.sum() / batch.shape[1]).backward()
                with torch.no_grad():
                    for weights in stack.parameters():
                        weights.sub_(weights.grad, alpha=lr)
                        weights.grad = None
                total += loss.detach()
            if not torch.isfinite(total).all():
                diverged = [seed for seed, finite in zip(seeds, total.isfinite().tolist(), strict=True) if not finite]
                raise ValueError(f"training diverged in epoch {epoch} for the seeds {diverged}; lower lr ({lr})")
            right = torch.zeros(len(models), device=x.device)
            with torch.no_grad():
                for batch in held_out.split(100, dim=1):
                    log_probabilities, labels = _outputs(stack, x, y, batch)
                    right += (log_probabilities.argmax(1) == labels).view_as(batch).sum(1)
            for seed, loss, hits in zip(seeds, total.tolist(), right.tolist(), strict=True):
                history.append((epoch, seed, loss / train.shape[1], hits / validation))
    unstack(stack, models)
    return [model.eval() for model in models], pd.DataFrame(history, columns=["epoch", "seed", "loss", "validation"])


def released(network: str, dataset: str, *, seeds: Sequence[int]) -> list[LayeredModel]:
    """Give one network per seed, trained by the released recipe; each is trained once on a machine.

    Parameters
    ----------
    network : str
        `FullyConnected` or `LeNet5`.
    dataset : str
        `MNIST` or `FashionMNIST`.
    seeds : sequence of int
        As in `fit_many`.

    Returns
    -------
    list of LayeredModel
        In evaluation mode, on the CPU, in the order of `seeds`.

    Raises
    ------
    ValueError
        As `fit_many` does.

    Notes
    -----
    The weights are kept in `data/cache`, which is not part of the repository, under the digest of what they come from:
    other code or other images train anew.

    References
    ----------
    First paper, released notebooks: 20 epochs (FullyConnected) or 2 (LeNet5).
    """
    source = digest.of(_trained.__module__, _trained.__name__, [dataset])
    paths = [files.root() / "cache" / f"{network}-{dataset}-{seed}-{source}.safetensors" for seed in seeds]
    if not all(path.exists() for path in paths):
        for model, path in zip(_trained(network, dataset, seeds), paths, strict=True):
            training.save(model, path)
    return [training.load(path, network) for path in paths]


def _trained(network: str, dataset: str, seeds: Sequence[int]) -> list[LayeredModel]:
    """The networks themselves."""
    models, _ = fit_many(network, *data.load(dataset, "train"), seeds=seeds, epochs=training.RELEASED_EPOCHS[network])
    return models


def stacked(models: Sequence[LayeredModel]) -> LayeredModel:
    """Put several networks of a kind into one that computes what they do.

    Parameters
    ----------
    models : sequence of LayeredModel
        m of one architecture, of linear layers and convolutions only; they stay as they are.

    Returns
    -------
    LayeredModel
        (m * N, C, H, W) -> (m * N, K): a part of the batch for each network, its answers in the same place.

    Raises
    ------
    ValueError
        For a layer of another kind.
    """
    stack = copy.deepcopy(models[0])
    for name, layer in list(stack.named_children()):
        if type(layer) not in LAYERS:
            raise ValueError(
                f"{name} of {type(stack).__name__} is a {type(layer).__name__}, expected Linear and Conv2d only; "
                "train such a network with training.fit, a seed after the other"
            )
        setattr(stack, name, LAYERS[type(layer)]([getattr(model, name) for model in models]))
    return stack


def unstack(stack: LayeredModel, models: Sequence[LayeredModel]) -> None:
    """Give each network its part of the weights of a stack.

    Parameters
    ----------
    stack : LayeredModel
        What `stacked(models)` returned, trained or not.
    models : sequence of LayeredModel
        In the same order; changed in place.
    """
    for name, layer in stack.named_children():
        layer.write_to([getattr(model, name) for model in models])


def _outputs(stack: LayeredModel, x: Tensor, y: Tensor, batch: Tensor) -> tuple[Tensor, Tensor]:
    """The stack's answers, and the labels, for a batch (m, N) of indices, a row for each network."""
    chosen = batch.flatten()
    return stack(x.index_select(0, chosen)), y.index_select(0, chosen)


class _Linears(nn.Module):
    """m linear layers: (m * N, in), or (N, m * in) as `_Convolutions` leave it, -> (m * N, out)."""

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        super().__init__()
        # Transposed, so that the weights' gradient comes out of its product in the order in which it is needed.
        self.weight = nn.Parameter(torch.stack([layer.weight.detach().T for layer in layers]))
        self.bias = nn.Parameter(torch.stack([layer.bias.detach() for layer in layers])[:, None])

    def forward(self, x: Tensor) -> Tensor:
        m, inputs, _ = self.weight.shape
        x = x.unflatten(0, (m, -1)) if x.shape[1] == inputs else x.unflatten(1, (m, -1)).transpose(0, 1)
        return torch.baddbmm(self.bias, x, self.weight).flatten(0, 1)

    def write_to(self, layers: Iterable[nn.Linear]) -> None:
        """Give each layer its weights."""
        for layer, weight, bias in zip(layers, self.weight, self.bias, strict=True):
            layer.load_state_dict({"weight": weight.T, "bias": bias[0]})


class _Convolutions(nn.Module):
    """m convolutions as the groups of one: (m * N, C, H, W), or (N, m * C, H, W) after another, -> (N, m * out, ...).

    Channels last: pooling and convolution then vectorise over the channels of all networks side by side.
    """

    def __init__(self, layers: Sequence[nn.Conv2d]) -> None:
        super().__init__()
        self.m, self.channels = len(layers), layers[0].in_channels
        self.geometry = {"stride": layers[0].stride, "padding": layers[0].padding}
        weight = torch.cat([layer.weight.detach() for layer in layers])
        self.weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last))
        self.bias = nn.Parameter(torch.cat([layer.bias.detach() for layer in layers]))

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1] == self.channels:
            x = x.unflatten(0, (self.m, -1)).transpose(0, 1).flatten(1, 2)
        x = x.contiguous(memory_format=torch.channels_last)
        return F.conv2d(x, self.weight, self.bias, **self.geometry, groups=self.m)

    def write_to(self, layers: Iterable[nn.Conv2d]) -> None:
        """Give each layer its weights."""
        for layer, weight, bias in zip(layers, self.weight.chunk(self.m), self.bias.chunk(self.m), strict=True):
            layer.load_state_dict({"weight": weight, "bias": bias})


LAYERS = {nn.Linear: _Linears, nn.Conv2d: _Convolutions}
