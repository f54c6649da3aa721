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
    """Train one `network` per seed, all of them in step, as the released code trains one.

    Seed s gives the initial weights, `training.initialised(network, seed=s)`, and the network's own split of
    x (N, C, H, W) and y (N,), `data.train_validation(x, y, seed=s, validation=validation)` (first paper, section 3.3: a
    random split). From there on it is `training.fit(..., epochs=epochs, stop_at=None)`: the same batches in the same
    order, and the same weights but for the order in which floats are summed.

    Returns the models in evaluation mode, in the order of `seeds` and on the device of the images, and one row per
    epoch and seed: `epoch`, `seed`, `loss` (mean over the epoch's batches), `validation` (accuracy). One CPU thread;
    memory for one batch per seed. Raises ValueError for bad input, seeds that are missing or given twice, a network of
    other layers than linear ones and convolutions, or a loss that is no longer finite.
    """
    models = [training.initialised(network, seed=seed) for seed in seeds]
    if not models or len(set(seeds)) < len(models):
        raise ValueError(f"seeds is {list(seeds)}, expected at least one, each once")
    if epochs < 1 or batch_size < 1 or not lr > 0:
        raise ValueError(f"epochs={epochs}, batch_size={batch_size}, lr={lr}: expected all to be positive")
    checks.images(x, models[0].shape)
    checks.labels(y, len(x), models[0].classes)
    splits = [data.train_validation(torch.arange(len(x)), y, seed=s, validation=validation) for s in seeds]
    train, held_out = (torch.stack([split[part] for split in splits]).to(x.device) for part in (0, 2))

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
                lost = [seed for seed, value in zip(seeds, total.tolist(), strict=True) if not abs(value) < torch.inf]
                raise ValueError(f"training diverged in epoch {epoch} for the seeds {lost}; lower lr ({lr})")
            right = torch.zeros(len(models), device=x.device)
            with torch.no_grad():
                for batch in held_out.split(100, dim=1):
                    log_p, truth = _outputs(stack, x, y, batch)
                    right += (log_p.argmax(1) == truth).view_as(batch).sum(1)
            found = zip(seeds, total.tolist(), right.tolist(), strict=True)
            history += [(epoch, seed, loss / train.shape[1], hits / validation) for seed, loss, hits in found]
    for name, layer in stack.named_children():
        layer.write_to([getattr(model, name) for model in models])
    return [model.eval() for model in models], pd.DataFrame(history, columns=["epoch", "seed", "loss", "validation"])


def released(network: str, dataset: str, *, seeds: Sequence[int]) -> list[LayeredModel]:
    """One network per seed, trained by the released recipe (`fit_many`, 20 or 2 epochs); trained once on a machine.

    The weights are kept in `data/cache`, which is not part of the repository, under the digest of what they come from:
    other code or other images train anew.
    """
    source = digest.of(_trained.__module__, _trained.__name__, [dataset])
    paths = [files.root() / "cache" / f"{network}-{dataset}-{seed}-{source}.safetensors" for seed in seeds]
    if not all(path.exists() for path in paths):
        for model, path in zip(_trained(network, dataset, seeds), paths, strict=True):
            training.save(model, path)
    return [training.load(path, network) for path in paths]


def _trained(network: str, dataset: str, seeds: Sequence[int]) -> list[LayeredModel]:
    models, _ = fit_many(network, *data.load(dataset, "train"), seeds=seeds, epochs=training.RELEASED_EPOCHS[network])
    return models


def stacked(models: Sequence[LayeredModel]) -> LayeredModel:
    """One network that computes what m of a kind do, a part of the batch each: (m * N, C, H, W) -> (m * N, 10)."""
    stack = copy.deepcopy(models[0])
    for name, layer in list(stack.named_children()):
        if type(layer) not in STACKED:
            raise ValueError(
                f"{name} of {type(stack).__name__} is a {type(layer).__name__}, expected Linear and Conv2d only; "
                "train such a network with training.fit, a seed after the other"
            )
        setattr(stack, name, STACKED[type(layer)]([getattr(model, name) for model in models]))
    return stack


def _outputs(stack: LayeredModel, x: Tensor, y: Tensor, batch: Tensor) -> tuple[Tensor, Tensor]:
    chosen = batch.flatten()  # (m, N) indices, a row for each network
    return stack(x.index_select(0, chosen)), y.index_select(0, chosen)


class Linears(nn.Module):
    """m linear layers: (m * N, in), or (N, m * in) as `Convolutions` leave it, -> (m * N, out)."""

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


class Convolutions(nn.Module):
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


STACKED = {nn.Linear: Linears, nn.Conv2d: Convolutions}
