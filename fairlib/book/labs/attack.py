"""The attack lab: the two networks, a hundred test images of each data set, the defence's centroids and thresholds."""

from itertools import product

from matplotlib.figure import Figure

from fairlib import attacks, data, training
from fairlib.book import plots
from fairlib.book.labs import encoded
from fairlib.defenses import CentroidDefense

NETWORKS = ("FullyConnected", "LeNet5")
IMAGES = 100  # of each data set, the first ones of the test split
EPS = 0.1  # of the figure
SHOWN = 2  # the first image that network and defence get right as it is, with each network and data set


def numbers() -> dict:
    """What the page computes with: weights as float32, so that it votes as the package does; images as bytes."""
    return {"networks": {f"{n}/{d}": _weights(n, d) for n, d in product(NETWORKS, data.DATASETS)}, "sets": _sets()}


def _weights(network: str, dataset: str) -> dict:
    state = training.shipped(network, dataset).state_dict()
    return {name: {"shape": list(w.shape), "float32": encoded.float32(w.cpu())} for name, w in state.items()}


def _sets() -> dict:
    found = {}
    for name in data.DATASETS:
        x, y = data.load(name, "test")
        found[name] = {
            "images": encoded.pixels(x[:IMAGES]),
            "labels": y[:IMAGES].tolist(),
            "centroids": encoded.pixels(data.centroids(name)),
            "alpha": [round(float(a), 4) for a in data.alphas(name)],
            "classes": [str(c) for c in data.CLASSES[name]],
        }
    return found


def figure() -> tuple[Figure, str]:
    """The votes on one test image, as it is and attacked."""
    x, y = (part[SHOWN : SHOWN + 1] for part in data.load("MNIST", "test"))
    model = training.shipped("LeNet5", "MNIST")
    defense = CentroidDefense(model, data.centroids("MNIST"), data.alphas("MNIST"))
    panels = {
        f"test image {SHOWN}, a {y[0]}": x,
        f"the same after one step of eps = {EPS}": attacks.fgsm(model, x, y, eps=EPS),
    }
    distances = {title: defense.distances(image)[:, 0, 0] for title, image in panels.items()}
    return plots.votes(distances, defense.alpha, defense.taps, range(10))
