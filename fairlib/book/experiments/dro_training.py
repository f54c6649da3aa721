"""What training on the worst case costs, what its weights do, and what the printed steps do, in the simulated world.

Second paper, section 4.2 (Algorithms 2 and 3) and the times and memory of section 4.3.
"""

import copy
import tempfile
import time
import weakref
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
import torch
from statsmodels.stats.proportion import proportion_confint
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from fairlib import checks, dro, fairness, geography, intervals, runtime, training
from fairlib.attacks import cross_entropy
from fairlib.book import runner
from fairlib.book.experiments import fairer, shared
from fairlib.book.experiments.fairer import ALPHA, ARMS, BATCH, T1, T2
from fairlib.models import LayeredModel

Result = TypeVar("Result")
ALPHAS = tuple(10.0**-k for k in range(6, 0, -1))
MODELS, STEP_SEEDS, RUNS, REPETITIONS, TOGETHER = 50, 6, 20, 6, 10
TESTED = 2_000  # held-out images on which the steps are judged
TIMED = ("pgd", "ours")
MEASURED = {"algorithm2", "algorithm3", "together", "full"}  # seconds, which differ from run to run
# Images that are trained on: for the steps and the whole runs, to take times, for full trainings; how many of these.
SIZES = {
    "embedded": {"steps": 400, "times": 200, "full": 2_000, "trainings": 50},
    "paper": {"steps": 2_000, "times": 1_000, "full": 10_000, "trainings": 50},
}


def units(profile: str) -> list[dict]:
    """The steps under each scaling, whole runs with printed steps, times, memory, and full adversarial trainings."""
    size = SIZES[checks.one_of(profile, tuple(SIZES), "profile")]
    return [
        {"what": "steps", "images": size["steps"], "seed": 0},
        {"what": "printed", "images": size["steps"], "seed": 0},
        *({"what": "times", "images": size["times"], "seed": i} for i in range(REPETITIONS)),
        {"what": "memory", "images": size["steps"], "seed": 0},
        *({"what": "full", "images": size["full"], "seed": i} for i in range(size["trainings"])),
    ]


def run(*, what: str, images: int, seed: int) -> dict:
    """One unit; its `rows` are those of the function named `what`, on the first `images` of the world."""
    kinds = {"steps": steps, "printed": printed, "times": times, "memory": memory, "full": full}
    world = geography.world("train", fairer.IMAGES, seed=fairer.WORLD)
    work = kinds[checks.one_of(what, tuple(kinds), "what")]
    return {"rows": work(training.shipped(*fairer.START), world.x[:images], world.y[:images], seed)}


# --- What multiplies alpha. -------------------------------------------------------------------------------------------


def steps(model: LayeredModel, x: Tensor, y: Tensor, seed: int) -> list[dict]:
    """One round of Algorithm 3 on a D_rob of PGD, under every scaling: `scaling`, `alpha`, `run`, `accuracy`.

    The accuracy is that on some of the world's held-out images, None where the loss or a weight is no longer finite.
    """
    rob = data_set(model, x, y, seed)
    test = geography.world("test", fairer.IMAGES, seed=fairer.WORLD)
    return [
        {"scaling": scaling, "alpha": alpha, "run": i, "accuracy": accuracy}
        for scaling, alpha, i in product(dro.SCALINGS, ALPHAS, range(STEP_SEEDS))
        for accuracy in [outcome(partial(dro.train, model, rob, lr=alpha, seed=i, rounds=1, scaling=scaling), test)]
    ]


def printed(model: LayeredModel, x: Tensor, y: Tensor, seed: int) -> list[dict]:
    """Algorithm 2 with PGD and a round of Algorithm 3, both with steps alpha P at the alpha of all other runs.

    `run` and its `accuracy`, None where the loss or a weight does not stay finite.
    """
    test = geography.world("test", fairer.IMAGES, seed=fairer.WORLD)

    def whole(i: int) -> LayeredModel:
        rob = data_set(model, x, y, i, scaling="raw")
        return dro.train(model, rob, lr=ALPHA, seed=i, rounds=1, scaling="raw")

    return [{"run": i, "accuracy": outcome(partial(whole, i), test)} for i in range(seed, seed + RUNS)]


def data_set(model: LayeredModel, x: Tensor, y: Tensor, seed: int, **options) -> dro.WeightedImages:
    """D_rob by PGD."""
    g = runtime.generator(seed)
    return dro.adversarial_data(
        model, x, y, attack=ARMS["pgd"](g), lr=ALPHA, generator=g, iterations=T1, batch_size=BATCH, **options
    )


def outcome(trained: Callable[[], LayeredModel], test: geography.World) -> float | None:
    """The accuracy of the model that `trained()` returns, None where it diverges on the way."""
    try:
        return fairer.right(trained(), test.x[:TESTED], test.y[:TESTED]).float().mean().item()
    except dro.Diverged:
        return None


# --- What it costs. ---------------------------------------------------------------------------------------------------


def volpi(model: LayeredModel, x: Tensor, y: Tensor, *, attack: dro.Attack, generator: torch.Generator) -> LayeredModel:
    """A full adversarial training in the manner of Volpi et al. (2018): T1 times a phase of training and one of attack.

    The latter attacks N of the images so far, uniformly drawn, and appends what it finds; a last phase trains to the
    end. A copy of `model` takes as many steps as Algorithms 2 and 3 together, N images in each of the first phases and
    T2 * M in the last; no image weighs more than another.
    """
    theta, N = copy.deepcopy(model), len(x)
    with runtime.threads(1):
        for _ in range(T1):
            descend(theta, x, y, uniform(len(x), N, generator))
            chosen = uniform(len(x), N, generator)
            found = [attack(theta, x[batch], y[batch]) for batch in chosen.split(BATCH)]
            x, y = torch.cat([x, *found]), torch.cat([y, y[chosen]])
        descend(theta, x, y, uniform(len(x), T2 * len(x), generator))
    return theta


def madry(model: LayeredModel, x: Tensor, y: Tensor, *, attack: dro.Attack, seed: int) -> LayeredModel:
    """Adversarial training of a copy of `model`: each batch is attacked and trained on; T1 rounds over the images."""
    theta, generator = copy.deepcopy(model), runtime.generator(seed)
    with runtime.threads(1):
        for _ in range(T1):
            for batch in torch.randperm(len(x), generator=generator).split(BATCH):
                descend(theta, attack(theta, x[batch], y[batch]), y[batch], torch.arange(len(batch)))
    return theta


def descend(theta: nn.Module, x: Tensor, y: Tensor, order: Tensor) -> None:
    """SGD on the images that `order` (n,) names, a step for each `BATCH` of them."""
    weights = list(theta.parameters())
    for batch in order.split(BATCH):
        loss = cross_entropy(theta(x[batch]), y[batch]).mean()
        with torch.no_grad():
            for w, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
                w.sub_(gradient, alpha=ALPHA)


def uniform(images: int, n: int, generator: torch.Generator) -> Tensor:
    """n of so many images, drawn with replacement: (n,)."""
    return torch.randint(images, (n,), generator=generator)


def times(model: LayeredModel, x: Tensor, y: Tensor, seed: int) -> list[dict]:
    """CPU seconds of one thread, a row for each `arm` of `TIMED`.

    `algorithm2`; `algorithm3`, one model; `together`, its share of several trained in step; `full`, one by `volpi`.
    """
    rows, options = [], {"lr": ALPHA, "batch_size": BATCH}
    for arm in TIMED:
        g = runtime.generator(seed)
        attack = ARMS[arm](g)
        data, algorithm2 = timed(
            partial(dro.adversarial_data, model, x, y, attack=attack, generator=g, iterations=T1, **options)
        )
        _, algorithm3 = timed(partial(dro.train, model, data, seed=seed, rounds=T2, **options))
        _, several = timed(partial(dro.train_many, model, data, seeds=range(TOGETHER), rounds=T2, **options))
        _, whole = timed(partial(volpi, model, x, y, attack=attack, generator=g))
        found = {"algorithm2": algorithm2, "algorithm3": algorithm3, "together": several / TOGETHER, "full": whole}
        rows.append({"arm": arm} | {name: round(value, 6) for name, value in found.items()})
    return rows


def timed(call: Callable[[], Result]) -> tuple[Result, float]:
    """What a call returns, and the CPU seconds of this thread that it took."""
    with runtime.threads(1):
        started = time.thread_time()
        return call(), time.thread_time() - started


def full(model: LayeredModel, x: Tensor, y: Tensor, seed: int) -> list[dict]:
    """One training by `volpi` with PGD: how many of the world's held-out images come out `right`, by country."""
    test, g = geography.world("test", fairer.IMAGES, seed=fairer.WORLD), runtime.generator(seed)
    trained = volpi(model, x, y, attack=ARMS["pgd"](g), generator=g)
    return [{"right": fairer.by_country(fairer.right(trained, test.x, test.y), test.country)}]


def memory(model: LayeredModel, x: Tensor, y: Tensor, seed: int) -> list[dict]:
    """Peak `bytes` of tensors, the images x themselves included, for each `way`, with PGD.

    `adversarial`: training on attacked batches (Madry et al. 2018), for as many images. `in a file`: Algorithm 2 with
    D_rob on disk. `in memory`: without.
    """
    with tempfile.TemporaryDirectory() as folder:
        ways = {
            "adversarial": partial(madry, model, x, y, attack=ARMS["pgd"](runtime.generator(seed)), seed=seed),
            "in a file": partial(data_set, model, x, y, seed, folder=Path(folder) / "rob"),
            "in memory": partial(data_set, model, x, y, seed),
        }
        return [{"way": way, "bytes": x.nbytes + peak(call)} for way, call in ways.items()]


def peak(call: Callable[[], object]) -> int:
    """The most bytes that the tensors made during a call have at any moment; files mapped into memory do not count."""
    with Tensors() as tensors:
        call()
    return tensors.most


class Tensors(TorchDispatchMode):
    """Counts the bytes of the tensors that operations make, for as long as these live."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self.known: weakref.WeakSet = weakref.WeakSet()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        given = {id(t.untyped_storage()) for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        made = function(*args, **(kwargs or {}))
        for storage in {t.untyped_storage() for t in tree_leaves(made) if isinstance(t, Tensor)}:
            if id(storage) not in given and storage not in self.known:
                self.known.add(storage)
                self.now += (size := storage.nbytes())
                self.most = max(self.most, self.now)
                weakref.finalize(storage, self._gone, size)
        return made

    def _gone(self, size: int) -> None:
        self.now -= size


# --- What the records say. --------------------------------------------------------------------------------------------


def recorded(what: str) -> pd.DataFrame:
    """The rows of one kind of unit; where both profiles were run, those with more images."""
    rows = runner.results("dro_training").query("what == @what")  # with columns in which nothing is finite
    return rows[rows["images"] == rows["images"].max()]


def ratios(arm: str) -> pd.DataFrame:
    """Of each repetition the two ratios of times that the ledger asks for, and those without any sharing of steps."""
    t = recorded("times").query("arm == @arm")
    one_by_one = MODELS * t["full"] / (t["algorithm2"] + MODELS * t["algorithm3"])
    together = MODELS * t["full"] / (t["algorithm2"] + MODELS * t["together"])
    found = {"full over ours": one_by_one, "full over ours, in step": together}
    return pd.DataFrame(found | {"Algorithm 2 over 3": t["algorithm2"] / t["algorithm3"]})


def outcomes() -> pd.DataFrame:
    """Of each scaling and alpha the share of runs that stay `finite`, and the accuracies of these: `lowest`, `mean`."""
    rows = recorded("steps")
    by = rows.groupby(["scaling", "alpha"], sort=False)["accuracy"]
    return by.agg(runs="size", finite="count", lowest="min", mean="mean", highest="max").reset_index()


def slopes() -> pd.Series:
    """The absolute GLS slope of each full training."""
    return pd.Series([abs(fairness.slope(fairer.table(right)).slope) for right in recorded("full")["right"]])


def finite() -> dict[str, float]:
    """Of the `runs` with printed steps how many are `kept` finite: their share `value`, with its Wilson interval."""
    accuracy = recorded("printed")["accuracy"]
    kept, runs = int(accuracy.count()), len(accuracy)
    low, high = proportion_confint(kept, runs, method="wilson")
    return {"kept": kept, "runs": runs, "value": kept / runs, "low": low, "high": high}


def estimates() -> dict[str, dict]:
    """The quantities that the ledger asks of this chapter (data/claims/README.md), computed or from the records."""
    share = law(int(recorded("full")["images"].iloc[0]), T1)
    used, time, kept = recorded("memory").set_index("way")["bytes"], ratios("ours"), finite()
    trained = torch.tensor(recorded("full")["right"].map(sum).to_numpy() / fairer.IMAGES)
    sets = torch.tensor(fairer.slopes().query("arm == 'pgd'").groupby("seed")["accuracy"].mean().to_numpy())
    lost = shared.difference(trained, sets) | {"n": fairer.IMAGES, "anchor": "what-is-lost"}
    shown = {"anchor": "what-it-costs", "basis": f"{fairer.ONE}, one machine"}
    memory = {
        f"memory_ratio/{key}_over_adversarial": shared.exact(float(used[way] / used["adversarial"])) | shown
        for key, way in (("algorithm2", "in a file"), ("in_memory", "in memory"))
    }
    found = memory | {
        "raw_steps/share_finite": {key: kept[key] for key in ("value", "low", "high")}
        | {"anchor": "raw-steps", "basis": f"{fairer.ONE}, {RUNS} runs"},
        "time_ratio/volpi_over_ours": shared.interval(*intervals.mean(time["full over ours"])) | shown,
        "time_ratio/algorithm2_over_algorithm3": shared.interval(*intervals.mean(time["Algorithm 2 over 3"])) | shown,
        "accuracy/full_minus_ours": lost | {"basis": f"{fairer.ONE}, {len(trained)} trainings, {len(sets)} data sets"},
    }
    found = {key: {"units": 1} | fields for key, fields in found.items()}
    return found | {"weights/last_minus_first": shared.exact(float(share[-1] - share[1])) | {"anchor": "fig-weights"}}


def law(N: int, rounds: int) -> np.ndarray:
    """The share of D_rob's sampling law on the images themselves, then on each iteration's attacks."""
    P = dro.sampling_weights(N, rounds)
    return (P.view(rounds + 1, N).sum(1) / P.sum()).numpy()
