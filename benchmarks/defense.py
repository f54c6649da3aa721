"""The centroid defence against inference without it; FGSM and the defence against a literal loop."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.attacks import answers, doubted
from benchmarks.measure import alike, batched, compared
from fairlib import complexity, data, training
from fairlib.attacks import fgsm
from fairlib.defenses import CentroidDefense

EPS = 0.1
BATCH = {"FullyConnected": 1_000, "LeNet5": 100}
EXTRA = {"FullyConnected": {"ratio": 1.2, "extra": 1.3}, "LeNet5": {"ratio": 1.25, "extra": 1.3}}
AS_FAST = {"FullyConnected": 100, "LeNet5": 20}  # as the literal loop, at least


def literal(defense: CentroidDefense, centroids: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """FGSM and Algorithm 1 image by image and class by class; only the centroids' activations are kept."""
    model, alpha = defense.model, defense.alpha
    with torch.no_grad():
        kept = [dict(model.layers(k)) for k in centroids.split(1)]
    predicted = []
    for image, label in zip(x.split(1), y.split(1), strict=True):
        pixels = image.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(F.nll_loss(model(pixels), label), pixels)
        x_adv = (image + EPS * gradient.sign()).clamp(0, 1)
        tally, nobody = [0] * len(kept), 0
        with torch.no_grad():
            activations = dict(model.layers(x_adv))
            for tap in model.released_taps:
                fair = []
                for j, b in enumerate(kept):
                    similarity = F.cosine_similarity(activations[tap], b[tap], dim=1).mean()
                    if (1 - similarity) / 2 <= alpha[j]:
                        fair.append(j)
                for j in fair:
                    tally[j] += 1
                nobody += not fair
        predicted.append(-1 if nobody > max(tally) else tally.index(max(tally)))
    return torch.tensor(predicted)


def rows(scale: float, seconds: float) -> Iterator[dict]:
    images, labels = data.load("MNIST", "test")
    x, centroids = images[: round(2_000 * scale)], data.centroids("MNIST")
    for name, size in BATCH.items():
        defense = CentroidDefense(training.shipped(name, "MNIST"), centroids, data.alphas("MNIST"))
        few = doubted(defense.model, images, labels, round(500 * scale))
        of, macs = f"{min(size, len(x)):,} at a time", complexity.macs(defense)
        answered = {
            "defended": lambda d=defense, size=size: torch.cat([d.predict(batch) for batch in x.split(size)]),
            "the network alone": lambda d=defense, size=size: answers(d.model, x, size).argmax(1),
        }
        yield compared(
            "the defence, first paper", f"{name}, {len(x):,} images, {of}", answered, alike(1), seconds=seconds,
            kind="part", aims=EXTRA[name],
            macs={way: len(x) * macs[what] for way, what in (("defended", "kept"), ("the network alone", "inference"))},
            why="Norms of every layer, the counting of votes and checks are no multiply-adds, and products with ten "
            "directions are too narrow for the peak.",
        )  # fmt: skip
        attacked = batched(lambda x, y, d=defense: d.predict(fgsm(d.model, x, y, eps=EPS)), *few, size)
        yield compared(
            "FGSM and the defence", f"{name}, {len(few[0]):,} images",
            {"fairlib": attacked, "a literal loop": lambda d=defense, few=few: literal(d, centroids, *few)},
            alike(0), seconds=seconds, aims={"ratio": 1 / AS_FAST[name]},
        )  # fmt: skip
