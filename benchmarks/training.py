"""Training against a loop over a DataLoader; ten seeds at once against one after the other, and against torch.func."""

import copy
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.measure import alike, compared, counted
from fairlib import data, ensemble, training

SEEDS, VALIDATION, LR, BATCH = range(10), 100, 1e-2, 32
CLOSE = 1e-4  # in a weight


def weights(models: Sequence[nn.Module]) -> Tensor:
    return torch.stack([torch.cat([p.detach().flatten() for p in model.parameters()]) for model in models])


def fitted(network: str, seed: int, *split: Tensor) -> nn.Module:
    model = training.initialised(network, seed=seed)
    training.fit(model, *split, epochs=1, stop_at=None, lr=LR, batch_size=BATCH)
    return model


def by_loader(network: str, seed: int, x: Tensor, y: Tensor, x_val: Tensor, y_val: Tensor) -> nn.Module:
    """An epoch as PyTorch's tutorials write it."""
    model = training.initialised(network, seed=seed)
    optimiser = torch.optim.SGD(model.parameters(), lr=LR)
    for images, labels in DataLoader(TensorDataset(x, y), batch_size=BATCH):
        optimiser.zero_grad()
        F.nll_loss(model(images), labels).backward()
        optimiser.step()
    model.eval()
    with torch.no_grad():
        for images, labels in DataLoader(TensorDataset(x_val, y_val), batch_size=500):
            (model(images).argmax(1) == labels).sum().item()
    return model


def torch_func(network: str, x: Tensor, y: Tensor) -> list[Tensor]:
    """Gradients of all seeds by vmap."""
    models = [training.initialised(network, seed=s) for s in SEEDS]
    splits = [data.train_validation(torch.arange(len(x)), y, seed=s, validation=VALIDATION) for s in SEEDS]
    parameters, _ = stack_module_state(models)
    base = copy.deepcopy(models[0])
    loss = lambda p, images, labels: F.nll_loss(functional_call(base, p, (images,)), labels)  # noqa: E731
    with torch.no_grad():
        for batch in torch.stack([split[0] for split in splits]).split(BATCH, dim=1):
            for name, gradient in vmap(grad(loss))(parameters, x[batch], y[batch]).items():
                parameters[name].sub_(gradient, alpha=LR)
    return torch.cat([p.detach().flatten(1) for p in parameters.values()], 1)


def rows(scale: float, seconds: float) -> Iterator[dict]:
    steps = round(50 * scale)
    x, y = (part[: BATCH * steps + VALIDATION] for part in data.load("MNIST", "train"))
    for name in training.RELEASED_EPOCHS:
        splits = [data.train_validation(x, y, seed=s, validation=VALIDATION) for s in SEEDS]
        one = {
            "fairlib": lambda name=name, split=splits[0]: weights([fitted(name, 0, *split)]),
            "a DataLoader loop": lambda name=name, split=splits[0]: weights([by_loader(name, 0, *split)]),
        }
        on = f"{name}, {steps} steps of {BATCH} images"
        yield compared(
            "training", on, one, alike(0, CLOSE), seconds=seconds, aims={"ratio": 1},
            why="The steps are the same, and nearly all of the time; ours also adds up the loss.",
        )  # fmt: skip
        many = {
            "fairlib": lambda name=name: weights(
                ensemble.fit_many(name, x, y, seeds=SEEDS, epochs=1, validation=VALIDATION, lr=LR, batch_size=BATCH)[0]
            ),
            "seeds one by one": lambda name=name, splits=splits: weights(
                [fitted(name, seed, *split) for seed, split in zip(SEEDS, splits, strict=True)]
            ),
            "torch.func": lambda name=name: torch_func(name, x, y),
        }
        macs = {"fairlib": len(SEEDS) * counted(one["fairlib"])[1]}
        yield compared(
            f"training {len(SEEDS)} seeds", on, many, alike(0, CLOSE), seconds=seconds, aims={"ratio": 1}, macs=macs
        )
