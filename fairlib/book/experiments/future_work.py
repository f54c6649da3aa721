"""What the first paper leaves to further work (section 5): tuned thresholds, fewer layers, synthetic centroids, and a
vision transformer.

What is fitted is fitted on images held out of the network's training, under attack; what must be chosen is chosen on
others of these; what is reported is counted on test images.
"""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fairlib import attacks, checks, complexity, data, intervals, runtime, training, tuning
from fairlib.book.experiments import shared
from fairlib.book.experiments.shared import BATCH, IMAGES, PAIRS, SEEDS, answers, attacked, distances
from fairlib.defenses import CentroidDefense
from fairlib.models import LayeredModel

TRANSFORMERS = tuple(("VisionTransformer", name) for name in data.DATASETS)
EPS = (0.0, 0.1, 0.2)
AIMS = {"clean": (0.0,), "0.1": (0.1,), "mix": EPS}  # the budgets for which thresholds are tuned
GRID = tuple(k / 100 for k in range(61))
INPUTS = ("eps=0", "eps=0.1", "eps=0.2", "random signs", "another label")
TUNE, CHOOSE = 2_000, 1_000  # of the 5,000 held-out images
ANCHORS = {"tuned_alpha": "tuned-thresholds", "clean_alpha": "tuned-thresholds", "gain": "vision-transformer"}
MEASURED = {"undefended", "all", "without"}  # seconds, which differ from run to run


def units(profile: str) -> list[dict]:
    """Per network and data set ten trainings, and for the shipped one draws of centroids and subsets of taps; times."""
    images = IMAGES[checks.one_of(profile, tuple(IMAGES), "profile")]
    return [
        *({"what": "trainings", "network": n, "dataset": d, "images": images} for n, d in PAIRS),
        *({"what": "draws", "network": n, "dataset": d, "images": 10_000} for n, d in (*PAIRS, *TRANSFORMERS)),
        *({"what": "subsets", "network": n, "dataset": d, "images": 10_000} for n, d in PAIRS),
        *({"what": "times", "network": n, "dataset": "MNIST", "images": 1_000} for n in training.RELEASED_EPOCHS),
    ]


def run(*, what: str, network: str, dataset: str, images: int) -> dict:
    """One unit; its `rows` are those of the function named `what`."""
    kinds = {"trainings": trainings, "draws": draws, "subsets": subsets, "times": times}
    return {"rows": kinds[checks.one_of(what, tuple(kinds), "what")](network, dataset, images)}


def trainings(network: str, dataset: str, images: int) -> list[dict]:
    """Ten trainings, each with its own test images: rows of `seed` and what `variants` gives."""
    x, y = data.load(dataset, "train")
    picked = {kind: data.centroids(dataset, kind) for kind in ("first", "mean", "medoid")}
    rows = []
    for seed, model, drawn in shared.trainings(network, dataset, images):
        _, _, x_held, y_held = data.train_validation(x, y, seed=seed)
        found = variants(model, picked, data.alphas(dataset), (x_held, y_held), drawn, seed=seed)
        rows += [{"seed": seed} | row for row in found]
    return rows


def variants(
    model: LayeredModel,
    picked: Mapping[str, Tensor],
    alpha: Tensor,
    held_out: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    *,
    seed: int,
) -> list[dict]:
    """How many test images each variant of the defence gets right: `variant`, `right` (a number for each of `INPUTS`).

    `picked`: centroid sets `first`, `mean` and `medoid`; `held_out`, `test`: images and labels. Where thresholds were
    tuned, `alpha` holds them; where a kind of centroids was chosen, `kind` names it.
    """
    (x, x_choose), (y, y_choose) = (t[: TUNE + CHOOSE].split((TUNE, CHOOSE)) for t in held_out)
    x_tune = {e: attacked(model, x, y, e) for e in EPS}
    sets = dict(picked)
    for t in (0.02, 0.05):
        sets[f"optimised, temperature {t}"] = tuning.tune_centroids(
            model, x_tune[0.1], y, picked["mean"], alpha, temperature=t, seed=seed
        )
    defense = CentroidDefense(model, torch.stack(list(sets.values())), alpha)
    near = {e: by_set(defense, sets, x_adv) for e, x_adv in x_tune.items()}
    held = by_set(defense, sets, attacked(model, x_choose, y_choose, 0.1))
    score = {kind: right(distance, alpha, y_choose) for kind, distance in held.items() if kind != "first"}
    best = max(score, key=score.get)
    optimised = max((kind for kind in score if kind.startswith("optimised")), key=score.get)

    def tuned(kind: str, aim: str) -> Tensor:
        return tuned_alpha({e: near[e][kind] for e in AIMS[aim]}, y, alpha)

    everything = list(range(len(defense.taps)))
    made = {"plain": ("first", alpha, everything)}
    made |= {f"alpha={aim}": ("first", tuned("first", aim), everything) for aim in AIMS}
    made |= {f"centroids={kind}": (kind, alpha, everything) for kind in ("mean", "medoid")}
    made |= {"centroids=optimised": (optimised, alpha, everything), "centroids=chosen": (best, alpha, everything)}
    made |= {"centroids=chosen,alpha=0.1": (best, tuned(best, "0.1"), everything)}
    for i, tap in enumerate(defense.taps):
        made |= {f"without={tap}": ("first", alpha, everything[:i] + everything[i + 1 :])}
        made |= {f"only={tap}": ("first", alpha, [i])}

    x, y = test
    counts = {"defenseless": [], **{variant: [] for variant in made}}
    for x_in in inputs(model, x, y, seed=seed):
        counts["defenseless"].append(int((answers(model, x_in) == y).sum()))
        distance = by_set(defense, sets, x_in)
        for variant, (kind, thresholds, taps) in made.items():
            counts[variant].append(right(distance[kind][taps], thresholds, y))
    return [
        {"variant": variant, "right": numbers}
        | ({"alpha": made[variant][1].tolist()} if "alpha=" in variant else {})
        | ({"kind": made[variant][0]} if variant == "centroids=chosen" else {})
        for variant, numbers in counts.items()
    ]


def draws(network: str, dataset: str, images: int) -> list[dict]:
    """The shipped network with the first centroid set and with ten random ones, thresholds of Appendix A and tuned.

    Rows of `taps`, `centroids` (`first`, or the seed of the draw), `alpha` (`published`, or what it was tuned for), and
    lists over `EPS`: `right` and, against the undefended network on the same images, `gained` and `lost`.
    """
    model, alpha = training.shipped(network, dataset), data.alphas(dataset)
    _, _, x_held, y_held = data.train_validation(*data.load(dataset, "train"), seed=0)
    x, y = (t[:images] for t in data.load(dataset, "test"))
    sets = {"first": data.centroids(dataset)} | {str(s): data.centroids(dataset, "random", seed=s) for s in SEEDS}
    x_tune = {e: attacked(model, x_held[:TUNE], y_held[:TUNE], e) for e in EPS}
    x_test = {e: attacked(model, x, y, e) for e in EPS}
    undefended = torch.stack([answers(model, x_test[e]) == y for e in EPS])
    rows = [{"centroids": "none", "right": undefended.sum(1).tolist()}]
    for taps in ("released", "paper") if network == "VisionTransformer" else ("released",):
        defense = CentroidDefense(model, torch.stack(list(sets.values())), alpha, taps=taps)
        near = {e: by_set(defense, sets, x_tune[e]) for e in EPS}
        far = {e: by_set(defense, sets, x_test[e]) for e in EPS}
        for kind in sets:
            thresholds = {"published": alpha}
            for aim in AIMS if kind == "first" else ("0.1",):
                thresholds[aim] = tuned_alpha({e: near[e][kind] for e in AIMS[aim]}, y_held[:TUNE], alpha)
            for name, a in thresholds.items():
                defended = torch.stack([tuning.decide(far[e][kind], a) == y for e in EPS])
                counts = {
                    "right": defended.sum(1),
                    "gained": (defended & ~undefended).sum(1),
                    "lost": (undefended & ~defended).sum(1),
                }
                rows.append(
                    {"taps": taps, "centroids": kind, "alpha": name} | {k: v.tolist() for k, v in counts.items()}
                )
    return rows


def subsets(network: str, dataset: str, images: int) -> list[dict]:
    """Every non-empty subset of the released taps, for the shipped network: `mask` (`110...`, in the network's order),
    and lists over `EPS` of the images that come out right, `held_out` (of 5,000) and `right` (of the test images)."""
    model, alpha = training.shipped(network, dataset), data.alphas(dataset)
    _, _, x_held, y_held = data.train_validation(*data.load(dataset, "train"), seed=0)
    x, y = (t[:images] for t in data.load(dataset, "test"))
    defense = CentroidDefense(model, data.centroids(dataset), alpha)
    parts = {"held_out": (x_held, y_held), "right": (x, y)}
    found = {}
    for part, (images, labels) in parts.items():
        distance = [distances(defense, attacked(model, images, labels, e))[:, :, 0] for e in EPS]
        for mask in product((False, True), repeat=len(defense.taps)):
            if any(mask):
                name = "".join(str(int(keep)) for keep in mask)
                counts = [right(d[torch.tensor(mask)], alpha, labels) for d in distance]
                found.setdefault(name, {"mask": name})[part] = counts
    return list(found.values())


def times(network: str, dataset: str, images: int) -> list[dict]:
    """Seconds for all of the images, a row per round: `undefended`, `all` taps, and `without` the widest one."""
    model = training.shipped(network, dataset)
    batches = data.load(dataset, "test")[0][:images].split(BATCH)
    defenses = {"all": plain(model, dataset), "without": plain(model, dataset, without=widest(model))}

    def undefended() -> None:
        with torch.no_grad():
            for batch in batches:
                model(batch)

    calls = {"undefended": undefended} | {
        name: lambda defense=defense: [defense.predict(batch) for batch in batches]
        for name, defense in defenses.items()
    }
    return complexity.times(calls, rounds=20).to_dict("records")


def plain(model: LayeredModel, dataset: str, without: str | None = None) -> CentroidDefense:
    """The defence with its defaults, first centroids and published thresholds, one tap left out or none."""
    taps = [tap for tap in model.released_taps if tap != without]
    return CentroidDefense(model, data.centroids(dataset), data.alphas(dataset), taps=taps)


def widest(model: LayeredModel) -> str:
    """The released tap with the most numbers in it, the first of those that are equally wide."""
    with torch.no_grad():
        size = {name: a.numel() for name, a in model.layers(torch.zeros(1, *model.shape))}
    return max(model.released_taps, key=size.get)


def inputs(model: LayeredModel, x: Tensor, y: Tensor, *, seed: int) -> list[Tensor]:
    """The images as `INPUTS` names them: under FGSM at the three budgets; with random signs of size 0.1; under FGSM at
    0.1 with a label drawn from the nine others in place of the true one."""
    g = runtime.generator(seed)
    signs = attacks.random_sign(model, x, y, eps=0.1, generator=g)
    other = (y + torch.randint(1, model.classes, y.shape, generator=g)) % model.classes
    return [*(attacked(model, x, y, e) for e in EPS), signs, attacked(model, x, other, 0.1)]


def by_set(defense: CentroidDefense, sets: Mapping[str, Tensor], x: Tensor) -> dict[str, Tensor]:
    """The distances to each centroid set of a defence that holds them all, by name: (L, N, K)."""
    return {kind: d.contiguous() for kind, d in zip(sets, distances(defense, x).unbind(2), strict=True)}


def right(distance: Tensor, alpha: Tensor, y: Tensor) -> int:
    """How many images come out right, from their distances (L, N, K)."""
    return int((tuning.decide(distance, alpha) == y).sum())


def tuned_alpha(near: Mapping[float, Tensor], y: Tensor, alpha: Tensor) -> Tensor:
    """Thresholds tuned on the distances at all of some budgets, the best of three starts: `alpha`, all 0.1, all 0.2."""
    distance, labels = torch.cat(list(near.values()), dim=1), y.repeat(len(near))
    starts = (alpha, torch.full_like(alpha, 0.1), torch.full_like(alpha, 0.2))
    found = [tuning.tune_alpha(distance, labels, start, grid=GRID) for start in starts]
    return max(found, key=lambda a: right(distance, a, labels))


def fitted_transformer(dataset: str) -> tuple[LayeredModel, pd.DataFrame]:
    """The vision transformer as shipped: SGD as in the paper, but 5 epochs in random order at a rate of 0.05."""
    model = training.initialised("VisionTransformer", seed=0)
    parts = data.train_validation(*data.load(dataset, "train"), seed=0)
    return model, training.fit(model, *parts, epochs=5, stop_at=None, lr=0.05, shuffle=runtime.generator(0))


def recorded(what: str) -> pd.DataFrame:
    """The rows of one kind of unit; where both profiles were run, those with more images."""
    return shared.recorded("future_work", what)


def accuracies(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of `trainings` as accuracies: index `network`, `dataset`, `variant`, `seed`; columns `INPUTS`."""
    index = pd.MultiIndex.from_frame(rows[["network", "dataset", "variant", "seed"]].astype({"seed": int}))
    return pd.DataFrame(rows["right"].tolist(), index, INPUTS).div(rows["images"].to_numpy(), axis=0)


def kept(part: Sequence[float], whole: Sequence[float]) -> np.ndarray:
    """The ratio of two means over seeds, one value per seed whose mean is the ratio and whose spread is its error.

    The ratio is linearised (delta method), since the ratio of a single training has no bounds where its `whole` is
    near zero.
    """
    part, whole = np.asarray(part), np.asarray(whole)
    ratio = part.mean() / whole.mean()
    return ratio + (part - ratio * whole) / whole.mean()


def quantities(accuracy: pd.DataFrame, widest: Sequence[str]) -> dict[str, np.ndarray]:
    """What the ledger asks of one network and data set, a value per seed; `accuracy` has index `variant`, `seed`.

    Where several taps are the `widest`, it is the mean over them that is left out."""
    at = {variant: accuracy.loc[variant] for variant in accuracy.index.unique("variant")}
    attacked = {variant: table["eps=0.1"] for variant, table in at.items()}
    gain = attacked["plain"] - attacked["defenseless"]
    without = sum(attacked[f"without={tap}"] for tap in widest) / len(widest) - attacked["defenseless"]
    gap, tuned_gap = (at[variant]["eps=0"] - at["defenseless"]["eps=0"] for variant in ("plain", "alpha=clean"))
    return {
        "tuned_alpha/change/eps=0.1": attacked["alpha=0.1"] - attacked["plain"],
        "clean_alpha/gap_left/eps=0": kept(tuned_gap, gap),
        "fewer_layers/gain/eps=0.1": gain,
        "fewer_layers/gain_kept/eps=0.1": kept(without, gain),
        "synthetic_centroids/change/eps=0.1": attacked["centroids=chosen"] - attacked["plain"],
    }


def estimates() -> dict[str, dict]:
    """The quantities that the ledger asks of this chapter (data/claims/README.md), from the records."""
    found = {}
    for key, rows in recorded("trainings").groupby(["what", "network", "dataset", "images"]):
        taps = shared.equally_wide(training.initialised(key[1], seed=0))
        for quantity, values in quantities(accuracies(rows).droplevel([0, 1]), taps).items():
            found[f"{key[1]}/{key[2]}/{quantity}"] = intervals.over_seeds(values) | _origin(key, quantity)
    for key, rows in recorded("times").groupby(["what", "network", "dataset", "images"]):
        change = intervals.median(rows["without"] / rows["all"] - 1)
        quantity = "fewer_layers/time_change"
        found[f"{key[1]}/{quantity}"] = shared.interval(*change) | _origin(key, quantity) | {"units": len(rows)}
    plain = "network == 'VisionTransformer' and centroids == 'first' and alpha == 'published' and taps == 'released'"
    for key, rows in recorded("draws").query(plain).groupby(["what", "network", "dataset", "images"]):
        (row,) = rows.to_dict("records")
        gain = intervals.paired(row["gained"][1], row["lost"][1], key[3])
        found[f"{key[1]}/{key[2]}/gain/eps=0.1"] = shared.interval(*gain) | _origin(key, "gain") | {"units": 1}
    return found


def _origin(key: tuple, quantity: str) -> dict:
    """Record, number of images and place on the page of a quantity from one unit."""
    arguments = dict(zip(("what", "network", "dataset", "images"), key, strict=True))
    first = quantity.split("/")[0]
    return shared.origin("future_work", arguments) | {"anchor": ANCHORS.get(first, first.replace("_", "-"))}
