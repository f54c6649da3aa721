"""Algorithm 2 against its attack alone; many runs of Algorithm 3: one after the other, on all cores, in step, or both.

python benchmarks/dro.py [--images 200] [--models 50] [--rounds 3] [--jobs -1]

LeNet-5 in the simulated world. Everything in one run: of each call the least time out of so many rounds, all calls in
turn; the models of all ways are compared weight by weight. One thread in each process.

Algorithm 2 takes one gradient for each image besides its attack, so it stays within ten per cent of an attack that
takes ten gradients or more.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import joblib
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from fairlib import attacks, dro, geography, runtime, training
from fairlib.book.experiments import fairer
from fairlib.models import LayeredModel

ALPHA, TOGETHER = 1e-4, 10  # small steps, so that the order in which floats are summed does not matter
BATCH_SIZES = (1, 8, 32, 100)
LIMIT = 1.10  # Algorithm 2 over its attack
ATTACKS = {
    "PGD, 20 steps": partial(attacks.pgd, eps=0.03, step_size=0.005, iterations=20),
    **{arm: fairer.ARMS[arm](runtime.generator(0)) for arm in fairer.ADVERSARIAL},
}


class Clocked:
    """An attack that adds up the seconds which it takes."""

    def __init__(self, attack: dro.Attack) -> None:
        self.attack, self.seconds = attack, 0.0

    def __call__(self, model: LayeredModel, x: Tensor, y: Tensor) -> Tensor:
        started = time.thread_time()
        x_adv = self.attack(model, x, y)
        self.seconds += time.thread_time() - started
        return x_adv


def algorithm2(
    model: LayeredModel, x: Tensor, y: Tensor, attack: dro.Attack, batch_size: int, folder: Path | None
) -> tuple[float, float]:
    """Seconds of this thread: all of Algorithm 2, and its attack."""
    attack = Clocked(attack)
    options = {"lr": ALPHA, "generator": runtime.generator(0), "batch_size": batch_size, "folder": folder}
    started = time.thread_time()
    dro.adversarial_data(model, x, y, attack=attack, **options)
    return time.thread_time() - started, attack.seconds


def one_after_the_other(model: LayeredModel, folder: Path, seeds: Sequence[int], batch_size: int) -> list[LayeredModel]:
    rob = dro.load(folder)
    return [dro.train(model, rob, lr=ALPHA, seed=seed, rounds=1, batch_size=batch_size) for seed in seeds]


def in_step(model: LayeredModel, folder: Path, seeds: Sequence[int], batch_size: int) -> list[LayeredModel]:
    rob, parts = dro.load(folder), [seeds[i : i + TOGETHER] for i in range(0, len(seeds), TOGETHER)]
    options = {"lr": ALPHA, "rounds": 1, "batch_size": batch_size}
    return [one for part in parts for one in dro.train_many(model, rob, seeds=part, **options)]


def on_all_cores(
    way: Callable, jobs: int, model: LayeredModel, folder: Path, seeds: Sequence[int], batch_size: int
) -> list[LayeredModel]:
    parts = [seeds[i : i + TOGETHER] for i in range(0, len(seeds), TOGETHER)]
    calls = [joblib.delayed(way)(model, folder, part, batch_size) for part in parts]
    return [one for part in joblib.Parallel(n_jobs=jobs)(calls) for one in part]


def weights(models: Sequence[LayeredModel]) -> Tensor:
    return torch.stack([torch.cat([p.detach().flatten() for p in model.parameters()]) for model in models])


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--images", type=int, default=200, help="that Algorithm 2 starts from")
    arguments.add_argument("--models", type=int, default=50)
    arguments.add_argument("--rounds", type=int, default=3, help="the best of so many is shown")
    arguments.add_argument("--jobs", type=int, default=-1, help="processes; -1: one for each core")
    given = arguments.parse_args()
    world = geography.world("train", fairer.IMAGES, seed=fairer.WORLD)
    x, y = world.x[: given.images], world.y[: given.images]
    model, seeds = training.shipped(*fairer.START), range(given.models)
    ways = {
        "one after the other": one_after_the_other,
        "processes": partial(on_all_cores, one_after_the_other, given.jobs),
        f"{TOGETHER} in step": in_step,
        "processes, in step": partial(on_all_cores, in_step, given.jobs),
    }
    cost, rows = [], []
    with tempfile.TemporaryDirectory() as temporary, runtime.threads(1):
        folder = Path(temporary)
        rob = folder / "rob"
        algorithm2(model, x, y, ATTACKS["PGD, 20 steps"], BATCH_SIZES[-1], rob)
        for i, (name, attack) in tqdm([(i, a) for i in range(given.rounds) for a in ATTACKS.items()]):
            for place, at in (("memory", None), ("file", folder / f"{name}-{i}")):
                cost.append((name, place, *algorithm2(model, x, y, attack, fairer.BATCH, at)))
        joblib.Parallel(n_jobs=given.jobs)(joblib.delayed(int)(0) for _ in range(8))  # the processes' start
        for batch_size, _ in tqdm([(b, r) for b in BATCH_SIZES for r in range(given.rounds)]):
            found = []
            for way, call in ways.items():
                started = time.perf_counter()
                found.append(weights(call(model, rob, seeds, batch_size)))
                rows.append((batch_size, way, time.perf_counter() - started))
            apart = max((one - found[0]).abs().max().item() for one in found)
            if apart > 1e-4:
                raise RuntimeError(f"the ways differ by {apart:.1e} in a weight: they don't do the same")
    cost = pd.DataFrame(cost, columns=["attack", "D_rob in", "algorithm 2", "attack alone"])
    cost = cost.groupby(["attack", "D_rob in"], sort=False).min()
    cost["ratio"] = cost["algorithm 2"] / cost["attack alone"]
    cost["within the limit"] = cost["ratio"] <= LIMIT
    print(f"seconds of Algorithm 2, batches of {fairer.BATCH}; best of {given.rounds}; limit of the ratio {LIMIT}")
    print(cost.round(3).to_string())
    images = 4 * given.images  # of D_rob, a round over it
    table = pd.DataFrame(rows, columns=["batch", "way", "seconds"]).pivot_table("seconds", "batch", "way", "min")
    table = 1e6 * table[list(ways)] / (given.models * images)
    print(f"\nmicroseconds for an image and a model, {given.models} models; best of {given.rounds}")
    print(table.round(1).to_string())
    print(f"the quickest: {', '.join(f'{way} at {batch}' for batch, way in table.idxmin(axis=1).items())}")


if __name__ == "__main__":
    main()
