"""Ten seeds of one network: one after the other, with torch.func, and as `fairlib.ensemble` does it, in one run.

python benchmarks/seeds.py [--steps 100] [--rounds 5] [--threads 1 2]
"""

import argparse
import copy
import time
from collections.abc import Callable, Sequence
from unittest.mock import patch

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, grad, stack_module_state, vmap
from tqdm import tqdm

from fairlib import data, ensemble, runtime, training

SEEDS = range(10)
VALIDATION = 100


def one_after_the_other(network: str, x: Tensor, y: Tensor, seeds: Sequence[int]) -> Tensor:
    models = [training.initialised(network, seed=s) for s in seeds]
    for seed, model in zip(seeds, models, strict=True):
        split = data.train_validation(x, y, seed=seed, validation=VALIDATION)
        training.fit(model, *split, epochs=1, stop_at=None)
    return weights(models)


def torch_func(network: str, x: Tensor, y: Tensor, seeds: Sequence[int], *, lr: float = 1e-2) -> Tensor:
    models = [training.initialised(network, seed=s) for s in seeds]
    splits = [data.train_validation(torch.arange(len(x)), y, seed=s, validation=VALIDATION) for s in seeds]
    parameters, _ = stack_module_state(models)
    base = copy.deepcopy(models[0])
    loss = lambda p, images, labels: F.nll_loss(functional_call(base, p, (images,)), labels)  # noqa: E731
    with runtime.threads(1), torch.no_grad():
        for batch in torch.stack([split[0] for split in splits]).split(32, dim=1):
            for name, gradient in vmap(grad(loss))(parameters, x[batch], y[batch]).items():
                parameters[name].sub_(gradient, alpha=lr)
    return torch.cat([p.detach().flatten(1) for p in parameters.values()], 1)


def together(network: str, x: Tensor, y: Tensor, seeds: Sequence[int]) -> Tensor:
    return weights(ensemble.fit_many(network, x, y, seeds=seeds, epochs=1, validation=VALIDATION)[0])


def weights(models: Sequence[torch.nn.Module]) -> Tensor:
    return torch.stack([torch.cat([p.detach().flatten() for p in model.parameters()]) for model in models])


WAYS: dict[str, Callable] = {"one after the other": one_after_the_other, "torch.func": torch_func, "together": together}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--steps", type=int, default=100)
    arguments.add_argument("--rounds", type=int, default=5, help="the best of so many is shown")
    arguments.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    given = arguments.parse_args()
    images, labels = data.load("MNIST", "train")
    images, labels = images[: 32 * given.steps + VALIDATION], labels[: 32 * given.steps + VALIDATION]
    set_threads = runtime.threads
    cases = [(n, t) for n in training.RELEASED_EPOCHS for t in given.threads]
    rows = []
    for (network, threads), _ in tqdm([(case, r) for case in cases for r in range(given.rounds)]):
        results = []
        for way, run in WAYS.items():  # in turn, so that a busy moment of the machine meets all of them
            with patch.object(runtime, "threads", lambda n, t=threads: set_threads(t)):
                before = time.perf_counter()
                results.append(run(network, images, labels, SEEDS))
                seconds = time.perf_counter() - before
            rows.append((network, threads, way, 1000 * seconds / given.steps))
        apart = max((result - results[0]).abs().max().item() for result in results)
        if apart > 1e-4:
            raise RuntimeError(f"the ways differ by {apart:.1e} in a weight of {network}: they don't do the same")
    rows = pd.DataFrame(rows, columns=["network", "threads", "way", "ms"])
    table = rows.pivot_table("ms", ["network", "threads"], "way", aggfunc="min")[list(WAYS)]
    table["ratio"] = table["one after the other"] / table["together"]
    print(f"milliseconds for a step of {len(SEEDS)} networks, best of {given.rounds}; ratio: first over last")
    print(table.round(2).to_string())


if __name__ == "__main__":
    main()
