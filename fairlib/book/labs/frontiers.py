"""The frontiers: points of the figures that set one number against another, and the claims that they bear on."""

from collections.abc import Iterator

import pandas as pd
from matplotlib.figure import Figure

from fairlib import intervals
from fairlib.book import plots
from fairlib.book.experiments import fairer, future_work

PANELS = {"slope": "slope", "accuracy, poorest third": "poorest"}  # of the second paper's arms: title and column
ON = "accuracy on all"
# The ledger's row that settles what a point bears on; of a variant, with its network and data set.
CLAIMS = {
    ("slope", "pgd"): "hua-fairer-than-pgd-equal-accuracy",
    ("slope", "perc"): "hua-fairer-than-perc-equal-accuracy",
    ("slope", "ours"): "hua-fairer-than-pgd",
    ("poorest", "pgd"): "hua-fairer-than-pgd-poorest",
    ("poorest", "perc"): "hua-fairer-than-perc-poorest",
    ("poorest", "ours"): "hua-fairer-than-pgd-poorest",
    "alpha=clean": "pepe-future-gap-thresholds",
    "alpha=0.1": "pepe-future-tuned",
    "centroids=optimised": "pepe-future-synthetic",
}
SHORT = {"FullyConnected": "fc", "LeNet5": "lenet", "MNIST": "mnist", "FashionMNIST": "fashion"}
VARIANTS = {
    "defenseless": "undefended",
    "plain": "as published",
    "alpha=clean": "thresholds tuned, clean images",
    "alpha=0.1": "thresholds tuned, eps = 0.1",
    "alpha=mix": "thresholds tuned, a mix",
    "centroids=mean": "centroids: means",
    "centroids=medoid": "centroids: medoids",
    "centroids=optimised": "centroids: optimised",
    "centroids=chosen,alpha=0.1": "centroids optimised, thresholds tuned",
}
COLOURS = {"defenseless": "#0072B2", "plain": "#D55E00", "alpha": "#009E73", "centroids": "#CC79A7"}


def numbers() -> dict:
    """The charts: `title`, `x`, `y`, `basis`, `page`, `joined` and `points`.

    A point has `series`, `colour`, `what`, `x` and `y` as value, low and high, and the `claim` or None.
    """
    return {"charts": [*_arms(), *_variants()]}


def panels() -> dict[str, pd.DataFrame]:
    """By title the rows of `plots.frontiers`: an arm's points in the order of its training, with `alpha`, `rounds`."""
    points = fairer.frontier().groupby(["arm", "alpha", "rounds"], sort=False)
    found = {}
    for title, column in PANELS.items():
        rows = {
            key: intervals.over_seeds(v[column])
            | {f"x_{end}": value for end, value in intervals.over_seeds(v["accuracy"]).items()}
            | {"accuracy": v["accuracy"].mean()}
            for key, v in points
        }
        table = pd.DataFrame(rows).T.rename_axis(["arm", "alpha", "rounds"]).reset_index()
        found[title] = table.sort_values(["arm", "alpha", "rounds"], ignore_index=True)
    return found


def _arms() -> Iterator[dict]:
    """Slope, and accuracy of the poor, against accuracy, along the training of each arm."""
    for title, frame in panels().items():
        points = []
        for row in frame.itertuples():
            name, colour = plots.ARMS[row.arm]
            trained = f"learning rate {row.alpha:g}, {row.rounds:.0f} round{'s' * (row.rounds > 1)}"
            points.append(
                {"series": name, "colour": colour, "what": trained if row.rounds else "start model, not trained"}
                | {"x": _rounded(row.x_value, row.x_low, row.x_high), "y": _rounded(row.value, row.low, row.high)}
                | {"claim": CLAIMS[PANELS[title], row.arm]}
            )
        sets = int(frame["seeds"].min())
        basis = (
            f"Means over {sets} adversarial data sets of each attack, five models of each, with 95 % intervals over "
            "data sets. All paths begin at one start model, which has no interval of this kind."
        )
        page = "notebooks/fairer.html#frontier"
        yield {"title": title, "x": ON, "y": title, "basis": basis, "page": page, "joined": True, "points": points}


def _variants() -> Iterator[dict]:
    """Accuracy under attack against accuracy on clean images, of the first paper's defence and its variants."""
    accuracy = future_work.accuracies(future_work.recorded("trainings")).sort_index()
    for network, dataset in future_work.PAIRS:
        points = []
        for variant, name in VARIANTS.items():
            at = accuracy.xs(variant, level="variant").loc[network, dataset]
            x, y = (intervals.over_seeds(at[column]) for column in ("eps=0", "eps=0.1"))
            claim = CLAIMS.get(variant)
            points.append(
                {
                    "series": name,
                    "colour": COLOURS[variant.partition("=")[0]],
                    "what": f"mean of {x['seeds']} trainings",
                }
                | {axis: _rounded(found["value"], found["low"], found["high"]) for axis, found in (("x", x), ("y", y))}
                | {"claim": claim and f"{claim}-{SHORT[network]}-{SHORT[dataset]}"}
            )
        basis = "Means over ten trainings with 95 % intervals, each on its own draw of test images."
        title = f"accuracy under attack, {network}, {dataset}"
        told = {"title": title, "x": "accuracy, clean", "y": "accuracy, eps = 0.1", "basis": basis, "joined": False}
        yield told | {"page": "notebooks/future_work.html#fig-tradeoff", "points": points}


def _rounded(*values: float) -> list[float]:
    return [float(f"{value:.5g}") for value in values]


def figure() -> tuple[Figure, str]:
    """The second paper's frontier, as its chapter has it."""
    return plots.frontiers(panels(), ON)
