"""Training on the worst case: the adversarial data set D_rob and the training on it (second paper, section 4.2)."""

import copy
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from fairlib import checks, ensemble, files, fingerprint, runtime
from fairlib.attacks import answers, cross_entropy, gradient, margin_at, unusable
from fairlib.models import LayeredModel

Attack = Callable[[nn.Module, Tensor, Tensor], Tensor]
SECONDS_BETWEEN_SAVES = 60
# What multiplies alpha in the step of an image of weight P, where images are sampled proportionally to P.
SCALINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "normalised": lambda P: P * P.sum() / P.square().sum(),  # mean 1 over the images sampled
    "raw": lambda P: P,  # as printed
    "sampling only": torch.ones_like,  # the weight speaks once
}


class Diverged(ValueError):
    """A loss or a weight that is no longer finite."""


@dataclass(frozen=True)
class Weighted:
    """Images with labels and weights, the paper's {x_i, y_i, P_i}: x (M, C, H, W), y (M,) int64, P (M,) float64.

    x is in memory, or a file that is read as it is needed. Raises ValueError for parts of different lengths, and for
    weights that are not positive and finite.
    """

    x: Tensor
    y: Tensor
    P: Tensor

    def __post_init__(self) -> None:
        if not len(self.x) == len(self.y) == len(self.P):
            raise ValueError(f"{len(self.x)} images, {len(self.y)} labels, {len(self.P)} weights: expected one of each")
        if not (torch.isfinite(self.P) & (self.P > 0)).all():
            raise ValueError(f"P spans {[v.item() for v in self.P.aminmax()]}, expected positive, finite weights")


def weights(N: int, T1: int) -> Tensor:
    """P of D_rob, (N * (T1 + 1),) float64: 1 for the N images themselves, (k - 1) N + i for the attacks (line 7)."""
    return torch.cat([torch.ones(N, dtype=torch.float64), torch.arange(1, N * T1 + 1, dtype=torch.float64)])


def sample(P: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """n indices (n,), drawn with replacement, proportionally to the weights P (M,)."""
    return torch.multinomial(P.cpu(), n, replacement=True, generator=generator)


@torch.inference_mode(False)
def adversarial_data(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    attack: Attack,
    alpha: float,
    generator: torch.Generator,
    T1: int = 3,
    batch_size: int = 32,
    scaling: str = "normalised",
    folder: Path | None = None,
) -> Weighted:
    """Algorithm 2: train a copy of `model`, theta, on what is sampled, and keep attacks on theta as it is by then.

    x (N, C, H, W) float32 in [0, 1], y (N,) int64; model(x) logits or log-probabilities; the loss is cross-entropy. The
    model is and stays in evaluation mode: BatchNorm and dropout do what they do in use. `attack(model, x, y) -> x_adv`
    is any of `fairlib.attacks` with its hyperparameters set; one that draws shares `generator`. Returns D_rob: the N
    images, then T1 * N attacks, with `weights(N, T1)`. What an iteration samples may be an attack of an earlier one.

    Deviations from the paper: it goes image by image, which is batch_size=1. Here a batch makes one step, the mean of
    its images' steps, and is then attacked at once. It steps by alpha * P_i, which is `scaling="raw"`; the other
    `SCALINGS` keep the steps finite.

    With a `folder`, D_rob lies there for `load`, its images in a file that is mapped into memory, and an interrupted
    run goes on from its last state (one a minute) with the same bits; it knows the attack and the model by their code,
    settings and weights (`fairlib.fingerprint`). One CPU thread. Raises ValueError for bad input or a folder of another
    run, `Diverged` (a ValueError) where the loss, a gradient or theta is no longer finite.
    """
    checks.labels(y, len(x), _check(model, x, alpha=alpha, batch_size=batch_size, scaling=scaling, T1=T1))
    theta, N, P = copy.deepcopy(model), len(x), weights(len(x), T1)
    run = {
        "alpha": alpha, "T1": T1, "batch_size": batch_size, "scaling": scaling, "attack": fingerprint.of(attack),
        "data": fingerprint.of(x, y, model),
    }  # fmt: skip
    store = _Store(folder, run, x, y, P)
    order, done = store.begin(theta, generator)
    with runtime.threads(1):
        for k in runtime.progress(range(1 + done // N, T1 + 1), "Algorithm 2"):
            D = slice(0, k * N)
            if done == (k - 1) * N:
                order = sample(P[D], N, generator)
            w = SCALINGS[scaling](P[D])[order]
            for at in range(done - (k - 1) * N, N, batch_size):
                batch = slice(at, min(at + batch_size, N))
                images, labels = (part[order[batch]].to(_device(theta)) for part in (store.x, store.y))
                where = f"iteration {k}, image {at + 1}"
                _step(theta, images, labels, w[batch], 1, alpha, where)
                x_adv = _attacked(theta, images, labels, attack, where)
                into = slice(k * N + batch.start, k * N + batch.stop)
                store.x[into], store.y[into] = x_adv.cpu(), labels.cpu()
                done = into.stop - N
                store.save(theta, generator, order, done)
    return store.finish()


@torch.inference_mode(False)
def train(
    model: nn.Module,
    rob: Weighted,
    *,
    alpha: float,
    seed: int,
    T2: int = 3,
    batch_size: int = 32,
    scaling: str = "normalised",
    checkpoint: Path | None = None,
) -> nn.Module:
    """Algorithm 3: a copy of `model` after T2 * M images of `rob`, which `seed` draws with replacement, by weight P.

    model, batches and `scaling` as in `adversarial_data`; the copy is returned in evaluation mode. With a `checkpoint`
    the state is kept after each of the T2 rounds, and an interrupted run goes on from there with the same bits. One CPU
    thread. Raises ValueError for bad input or a checkpoint of another run, `Diverged` (a ValueError) where the loss or
    the weights are no longer finite.
    """
    options = _ready(model, rob, alpha=alpha, T2=T2, batch_size=batch_size, scaling=scaling)
    theta = copy.deepcopy(model)
    _descend(theta, rob, [seed], checkpoint, **options)
    return theta


@torch.inference_mode(False)
def train_many(
    model: LayeredModel,
    rob: Weighted,
    *,
    alpha: float,
    seeds: Sequence[int],
    T2: int = 3,
    batch_size: int = 32,
    scaling: str = "normalised",
    checkpoint: Path | None = None,
) -> list[LayeredModel]:
    """`train` for each of the seeds, all in step: the same weights but for the order in which floats are summed.

    Quicker than one after the other where batches are small (benchmarks/dro.py). Raises ValueError also for seeds that
    are missing or given twice, and for a network of other layers than linear ones and convolutions.
    """
    options = _ready(model, rob, alpha=alpha, T2=T2, batch_size=batch_size, scaling=scaling)
    if not len(seeds) or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds is {list(seeds)}, expected at least one, each once")
    models = [copy.deepcopy(model) for _ in seeds]
    stack = ensemble.stacked(models)
    _descend(stack, rob, seeds, checkpoint, **options)
    for name, layer in stack.named_children():
        layer.write_to([getattr(one, name) for one in models])
    return models


def load(folder: Path) -> Weighted:
    """D_rob as `adversarial_data` left it in a folder, its images mapped into memory; what is changed stays in memory.

    Raises FileNotFoundError where there is none, ValueError for one that is not finished, damaged or altered.
    """
    tensors, notes = _read(Path(folder) / "state.safetensors")
    if notes.get("sha256") is None:
        raise ValueError(
            f"{folder} holds an unfinished data set; run adversarial_data(..., folder=...) again to finish it"
        )
    images = Path(folder) / "images.npy"
    if not images.is_file() or files.sha256(images) != notes["sha256"]:
        raise ValueError(f"{images} is missing, truncated or altered; delete {folder} and run adversarial_data again")
    x = torch.from_numpy(np.load(images, mmap_mode="c"))
    return Weighted(x, tensors["y"], tensors["P"])


class _Store:
    """D_rob while it grows: images in memory, or in a file beside the state from which a run can go on."""

    def __init__(self, folder: Path | None, run: dict, x: Tensor, y: Tensor, P: Tensor) -> None:
        self.folder, self.run, self.P, N = folder and Path(folder), run, P, len(x)
        self.y = torch.cat([y.cpu(), torch.zeros(len(P) - N, dtype=y.dtype)])
        shape = (len(P), *x.shape[1:])
        self.saved = time.monotonic()
        if self.folder is None:
            self.x = torch.empty(shape)
        else:
            self.images, self.state = self.folder / "images.npy", self.folder / "state.safetensors"
            if not self.state.is_file():
                with files.replacing(self.images) as partial:
                    np.lib.format.open_memmap(partial, "w+", np.float32, shape).flush()
            self.map = np.load(self.images, mmap_mode="r+")
            if self.map.shape != shape:
                raise ValueError(
                    f"{self.images} has shape {self.map.shape}, expected {shape}: another run's; delete it"
                )
            self.x = torch.from_numpy(self.map)
        self.x[:N] = x

    def begin(self, theta: nn.Module, generator: torch.Generator) -> tuple[Tensor, int]:
        """Fill theta, generator and labels from the last state, if there is one: the order under way, images done."""
        if self.folder is None or not self.state.is_file():
            return torch.empty(0, dtype=torch.int64), 0
        tensors, notes = _read(self.state)
        _same(notes["run"], self.run, self.state)
        self.y, order = tensors.pop("y"), tensors.pop("order")
        generator.set_state(tensors.pop("generator"))
        del tensors["P"]
        theta.load_state_dict(tensors)
        return order, notes["done"]

    def save(self, theta: nn.Module, generator: torch.Generator, order: Tensor, done: int) -> None:
        """Keep the state if the last one is old, or if this is the last one: images first, so that it never lies."""
        whole = done == len(self.P) - len(order)
        if self.folder is None or not (whole or time.monotonic() > self.saved + SECONDS_BETWEEN_SAVES):
            return
        self.map.flush()
        tensors = theta.state_dict() | {"y": self.y, "P": self.P, "order": order, "generator": generator.get_state()}
        notes = {"run": self.run, "done": done, "sha256": files.sha256(self.images) if whole else None}
        _write(tensors, notes, self.state)
        self.saved = time.monotonic()

    def finish(self) -> Weighted:
        return Weighted(self.x, self.y, self.P) if self.folder is None else load(self.folder)


def _descend(
    net: nn.Module,
    rob: Weighted,
    seeds: Sequence[int],
    checkpoint: Path | None,
    *,
    start: str,
    alpha: float,
    T2: int,
    batch_size: int,
    scaling: str,
) -> None:
    """Algorithm 3 on `net`, which takes the batches of all seeds behind one another."""
    run = {
        "alpha": alpha, "batch_size": batch_size, "scaling": scaling, "seeds": list(seeds), "start": start,
        "images": len(rob.x), "law": _digest([rob.y, rob.P]),
    }  # fmt: skip
    generators, done = [runtime.generator(seed) for seed in seeds], 0
    if checkpoint is not None and Path(checkpoint).is_file():
        tensors, notes = _read(checkpoint)
        _same(notes["run"], run, checkpoint)
        for generator, state in zip(generators, tensors.pop("generators"), strict=True):
            generator.set_state(state.clone())
        net.load_state_dict(tensors)
        done = notes["done"]
    w = SCALINGS[scaling](rob.P)
    with runtime.threads(1):
        for k in runtime.progress(range(done + 1, T2 + 1), f"Algorithm 3, {len(seeds)} models"):
            order = torch.stack([sample(rob.P, len(rob.P), generator) for generator in generators])
            for at, batch in enumerate(order.split(batch_size, dim=1)):
                chosen = batch.flatten()  # a part for each seed
                images, labels = (part[chosen].to(_device(net)) for part in (rob.x, rob.y))
                _step(net, images, labels, w[chosen], len(seeds), alpha, f"round {k}, image {at * batch_size + 1}")
            if checkpoint is not None:
                states = torch.stack([generator.get_state() for generator in generators])
                _write(net.state_dict() | {"generators": states}, {"run": run, "done": k}, Path(checkpoint))


def _step(net: nn.Module, x: Tensor, y: Tensor, w: Tensor, models: int, alpha: float, where: str) -> None:
    """theta <- theta - alpha * mean over the batch of w_i grad loss_i (line 5), for each of the models in `net`."""
    loss = (cross_entropy(answers(net, x), y) * w.to(x)).sum() * models / len(x)
    trained = [p for p in net.parameters() if p.requires_grad]
    with torch.no_grad():
        for p, gradient in zip(trained, torch.autograd.grad(loss, trained), strict=True):
            p.sub_(gradient, alpha=alpha)
        if not torch.isfinite(loss + sum(torch._foreach_norm(trained))):
            raise Diverged(
                f"the loss is {loss.item()} in {where}, or a weight is no longer finite after its step; "
                f"lower alpha ({alpha}), or take scaling='normalised'"
            )


def _attacked(theta: nn.Module, x: Tensor, y: Tensor, attack: Attack, where: str) -> Tensor:
    """attack(theta, x, y); where that fails for want of a finite gradient, the training is what went wrong."""
    try:
        return attack(theta, x, y)
    except ValueError as error:
        lost, _ = unusable(gradient(*margin_at(theta, x, y)))
        if not lost.any():
            raise
        raise Diverged(f"the gradient at {where} is not finite: lower alpha, or take scaling='normalised'") from error


def _ready(model: nn.Module, rob: Weighted, **options) -> dict:
    """Refuse what Algorithm 3 cannot work with; return its options, with a digest of the model it starts from."""
    checks.labels(rob.y, len(rob.x), _check(model, rob.x[:1], **options))
    return options | {"start": fingerprint.of(model)}


def _check(model: nn.Module, x: Tensor, *, alpha: float, batch_size: int, scaling: str, **rounds: int) -> int:
    """Refuse what cannot be trained; return how many classes the model knows."""
    checks.fitting(model, x)
    checks.one_of(scaling, tuple(SCALINGS), "scaling")
    for name, value in {"batch_size": batch_size, **rounds}.items():
        checks.whole(value, name)
    checks.positive(alpha, "alpha", "the learning rate")
    if not any(p.requires_grad for p in model.parameters()):
        raise ValueError("the model has no parameter that requires a gradient; call model.requires_grad_() first")
    with torch.no_grad():
        return answers(model, x[:1].to(_device(model))).shape[1]


def _device(net: nn.Module) -> torch.device:
    return next(net.parameters()).device


def _digest(tensors: Iterable[Tensor]) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.detach().cpu().contiguous().numpy())
    return digest.hexdigest()[:16]


def _same(before: dict, run: dict, path: Path) -> None:
    if before != run:
        apart = ", ".join(key for key in run if before.get(key) != run[key])
        raise ValueError(f"{path} belongs to another run (it differs in: {apart}); delete it or name another place")


def _write(tensors: dict[str, Tensor], notes: dict, path: Path) -> None:
    with files.replacing(path) as partial_path:
        kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        save_file(kept, partial_path, metadata={"notes": json.dumps(notes)})


def _read(path: Path) -> tuple[dict[str, Tensor], dict]:
    if not Path(path).is_file():
        raise FileNotFoundError(f"no such file: {path}; fairlib.dro.adversarial_data(..., folder=...) writes one")
    try:
        with safe_open(path, framework="pt") as stream:
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 - no dict
            return tensors, json.loads((stream.metadata() or {})["notes"])
    except (SafetensorError, json.JSONDecodeError, KeyError) as error:
        raise ValueError(f"{path} is not a whole state of a run ({error}); delete it and run again") from error
