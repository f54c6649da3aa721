"""Algorithm 3 of the second paper: training with a given adversarial data set (section 4.2); one model, or many."""

import copy
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

import torch
from torch import Tensor, nn

from fairlib import checkpoints, checks, ensemble, fingerprint, runtime
from fairlib.dro.descent import check, descend, device
from fairlib.dro.weighting import SCALINGS, WeightedImages, sample
from fairlib.models import LayeredModel

ORIGIN = "fairlib.dro.train(..., checkpoint=path)"


@torch.inference_mode(False)
def train(
    model: nn.Module,
    data: WeightedImages,
    *,
    lr: float,
    seed: int,
    rounds: int = 3,
    batch_size: int = 32,
    scaling: str = "normalised",
    checkpoint: Path | None = None,
) -> nn.Module:
    """Train a copy of a model on weighted images.

    Parameters
    ----------
    model : Module
        theta_0, any classifier in evaluation mode; model(x) logits or log-probabilities (N, K).
    data : WeightedImages
        M images with labels in [0, K - 1] and weights P: D_rob, or others.
    lr : float
        alpha, the learning rate.
    seed : int
        Of what is sampled.
    rounds : int
        T2.
    batch_size : int
        Images that make one step.
    scaling : str
        What a weight does in the step, one of `SCALINGS`.
    checkpoint : path, optional
        A file that keeps the state after each round; an interrupted run goes on from there with the same bits.

    Returns
    -------
    Module
        theta, in evaluation mode.

    Raises
    ------
    ValueError
        For bad input, or the checkpoint of another run.
    Diverged
        (A ValueError.) Where the loss or the weights are no longer finite.

    Notes
    -----
    From theta = theta_0, T2 * M times: sample an image of `data` in proportion to P, with replacement, and step
    theta <- theta - alpha P_i grad_theta l(theta; x_i, y_i), l being the cross-entropy. One CPU thread.

    Deviations from the paper, as in `adversarial_data`:

    - It goes image by image, which is `batch_size=1`; here a batch makes one step, the mean of its images' steps.
    - It steps by alpha * P_i, which is `scaling="raw"`; the other `SCALINGS` keep the steps finite.

    References
    ----------
    Second paper, section 4.2, Algorithm 3.
    """
    run = _checked(model, data, lr=lr, rounds=rounds, batch_size=batch_size, scaling=scaling)
    theta = copy.deepcopy(model)
    _descended(theta, data, [seed], rounds, run, checkpoint)
    return theta


@torch.inference_mode(False)
def train_many(
    model: LayeredModel,
    data: WeightedImages,
    *,
    lr: float,
    seeds: Sequence[int],
    rounds: int = 3,
    batch_size: int = 32,
    scaling: str = "normalised",
    checkpoint: Path | None = None,
) -> list[LayeredModel]:
    """Do what `train` does for several seeds, all in step.

    Parameters
    ----------
    model : LayeredModel
        As in `train`, of linear layers and convolutions only.
    seeds : sequence of int
        One or more, each once.
    data, lr, rounds, batch_size, scaling, checkpoint
        As in `train`.

    Returns
    -------
    list of LayeredModel
        In the order of `seeds`: the same weights as from `train`, but for the order in which floats are summed.

    Raises
    ------
    ValueError
        As `train` does; for seeds that are missing or given twice, and for a network of other layers.
    Diverged
        As `train` does.

    Notes
    -----
    Quicker than one after the other where batches are small (benchmarks/dro.py).

    References
    ----------
    Second paper, section 4.2, Algorithm 3.
    """
    run = _checked(model, data, lr=lr, rounds=rounds, batch_size=batch_size, scaling=scaling)
    if not len(seeds) or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds is {list(seeds)}, expected at least one, each once")
    models = [copy.deepcopy(model) for _ in seeds]
    stack = ensemble.stacked(models)
    _descended(stack, data, seeds, rounds, run, checkpoint)
    ensemble.unstack(stack, models)
    return models


def _checked(model: nn.Module, data: WeightedImages, *, rounds: int, **options) -> dict:
    """Refuse what Algorithm 3 cannot work with; return what makes one run another: all but the seeds and rounds."""
    classes = check(model, data.x[:1], rounds=rounds, **options)
    checks.labels(data.y, len(data.x), classes)
    law = _digest([data.y, data.weights])
    return options | {"start": fingerprint.of(model), "images": len(data.x), "law": law}


def _descended(
    theta: nn.Module, data: WeightedImages, seeds: Sequence[int], rounds: int, run: dict, checkpoint: Path | None
) -> None:
    """Algorithm 3 on theta, or on a stack of models, which takes the batches of all seeds behind one another."""
    run = {**run, "seeds": list(seeds)}
    generators = [runtime.generator(seed) for seed in seeds]
    done = _resumed(theta, generators, run, checkpoint)
    M, lr, batch_size = len(data.x), run["lr"], run["batch_size"]
    step_weights = SCALINGS[run["scaling"]](data.weights)
    with runtime.threads(1):
        for k in runtime.progress(range(done + 1, rounds + 1), f"Algorithm 3, {len(seeds)} models"):
            order = torch.stack([sample(data.weights, M, generator) for generator in generators])
            for i, batch in enumerate(order.split(batch_size, dim=1)):
                chosen = batch.flatten()  # a part for each seed
                images, labels = (part[chosen].to(device(theta)) for part in (data.x, data.y))
                where = f"round {k}, image {i * batch_size + 1}"
                descend(theta, images, labels, step_weights[chosen], lr, where, models=len(seeds))
            if checkpoint is not None:
                states = torch.stack([generator.get_state() for generator in generators])
                checkpoints.write(checkpoint, theta.state_dict() | {"generators": states}, {"run": run, "done": k})


def _resumed(theta: nn.Module, generators: Sequence[torch.Generator], run: dict, checkpoint: Path | None) -> int:
    """Fill theta and the generators from the checkpoint, if there is one; return the rounds done."""
    if checkpoint is None or not Path(checkpoint).is_file():
        return 0
    tensors, notes = checkpoints.read(checkpoint, ORIGIN)
    checkpoints.same_run(checkpoint, notes.get("run", {}), run)
    for generator, state in zip(generators, tensors.pop("generators"), strict=True):
        generator.set_state(state.clone())
    theta.load_state_dict(tensors)
    return notes["done"]


def _digest(tensors: Iterable[Tensor]) -> str:
    """What the tensors hold, in sixteen digits."""
    digest = sha256()
    for tensor in tensors:
        digest.update(tensor.detach().cpu().contiguous().numpy())
    return digest.hexdigest()[:16]
