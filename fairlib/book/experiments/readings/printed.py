"""Algorithm 1 as the first paper's text prints it, beside the released code's, over the whole grid; and looks at what
the text says of the defence besides."""

import torch
from torch import Tensor

from fairlib import attacks, data, evaluation
from fairlib.book.experiments import shared
from fairlib.book.experiments.shared import BATCH, METHODS
from fairlib.defenses import NOBODY, CentroidDefense
from fairlib.models import LayeredModel

EPS = (*evaluation.LEDGER_EPS, 1.0)  # at 1 nothing of the image need be left (section 2)
# Section 3.2: every layer's activations, one cosine of them, D < alpha, no class for nobody; section 4: the top three.
TEXT = {"taps": "paper", "conv_cosine": "flat", "comparison": "lt", "nobody": False, "loose_rule": "top3"}
VARIANTS = {"released": {}, "taps=paper": {"taps": "paper"}, "text": TEXT, "ties=closest": {"ties": "closest"}}
DIMMED, MOVED = 0.5, 2  # brightness; pixels


def as_printed(model: LayeredModel, dataset: str, x: Tensor, y: Tensor) -> list[dict]:
    """Right answers, lists over `EPS` of FGSM on the undefended network, which knows of no defence.

    A row per `variant` of `VARIANTS`, with lists for each of `METHODS`; and one per `look`:

    - `nobody`: images for which nobody wins; `everywhere`: images whose returned class is fair at every tap;
    - `by class`: `defenseless` and `defended` right answers by class (eps, class), `of_class` the images in each;
    - `nearest`: by tap (eps, tap), images whose own class has the nearest centroid there;
    - `dimmed`, `moved`: for each of `METHODS` without the loose one, clean images, as they are and changed: at half
      their brightness; moved by two pixels to each of four sides, of four times as many images.
    """
    centroids, alpha = data.centroids(dataset), data.alphas(dataset)
    made = {name: CentroidDefense(model, centroids, alpha, **given) for name, given in VARIANTS.items()}
    plain = made["released"]
    rows = {name: {"variant": name} | {method: [0] * len(EPS) for method in METHODS} for name in made}
    nobody, everywhere = [0] * len(EPS), [0] * len(EPS)
    by_class = {method: torch.zeros(len(EPS), model.classes, dtype=torch.int64) for method in METHODS[:2]}
    nearest = torch.zeros(len(EPS), len(plain.taps), dtype=torch.int64)
    for a, b in zip(x.split(BATCH), y.split(BATCH), strict=True):
        for i, x_adv in enumerate(attacks.fgsm_grid(model, a, b, eps=EPS)):
            undefended = shared.answers(model, x_adv) == b
            by_class["defenseless"][i] += torch.bincount(b[undefended], minlength=model.classes)
            for name, defense in made.items():
                predicted, loose = defense.predict_and_loose(x_adv, b)
                for method, right in zip(METHODS, (undefended, predicted == b, loose), strict=True):
                    rows[name][method][i] += int(right.sum())
                if defense is plain:
                    by_class["defended"][i] += torch.bincount(b[predicted == b], minlength=model.classes)
                    distance = plain.distances(x_adv)[:, :, 0]
                    nearest[i] += (distance.argmin(2) == b).sum(1)
                    nobody[i] += int((predicted == NOBODY).sum())
                    fair = (distance <= plain.alpha).all(0).gather(1, predicted.clamp_min(0)[:, None])[:, 0]
                    everywhere[i] += int((fair & (predicted >= 0)).sum())
    return [
        *rows.values(),
        {"look": "nobody", "count": nobody},
        {"look": "everywhere", "count": everywhere},
        {"look": "by class", "of_class": torch.bincount(y, minlength=model.classes).tolist()}
        | {method: counts.tolist() for method, counts in by_class.items()},
        {"look": "nearest", "taps": list(plain.taps), "count": nearest.tolist()},
        {"look": "dimmed"} | before_and_after(plain, y, [x], [DIMMED * x]),
        {"look": "moved"} | before_and_after(plain, y, [x], moved(x)),
    ]


def moved(x: Tensor) -> list[Tensor]:
    """x (N, C, H, W) moved by `MOVED` pixels to each side; what is pushed out comes in opposite."""
    return [x.roll(shift, axis) for shift in (MOVED, -MOVED) for axis in (2, 3)]


def before_and_after(
    defense: CentroidDefense, y: Tensor, before: list[Tensor], after: list[Tensor]
) -> dict[str, list[int]]:
    """Right answers to two lists of images with the labels y: [before, after] for network and defence."""

    def right(x: Tensor) -> tuple[int, int]:
        predicted = torch.cat([defense.predict(batch) for batch in x.split(BATCH)])
        return int((shared.answers(defense.model, x) == y).sum()), int((predicted == y).sum())

    counts = [[sum(column) for column in zip(*map(right, images), strict=True)] for images in (before, after)]
    return {method: list(two) for method, two in zip(METHODS[:2], zip(*counts, strict=True), strict=True)}
