"""Plain classifiers to stand beside the centroid defence: they are given what it is given, and do less with it."""

from collections.abc import Iterator

import torch.nn.functional as F
from torch import Tensor

from fairlib import checks
from fairlib.defenses import CentroidDefense
from fairlib.models import LayeredModel


class NearestCentroid(LayeredModel):
    """Predict the class whose centroid makes the smallest angle with the image, pixels as they are: no network at all.

    Takes images (N, C, H, W) like the centroids; answers with log-probabilities (N, K), log softmax of the cosines.

    Parameters
    ----------
    centroids : Tensor
        One image per class (K, C, H, W), float32 in [0, 1].

    Raises
    ------
    ValueError
        For anything else.

    Notes
    -----
    argmax_j cos(x, k_j).
    """

    def __init__(self, centroids: Tensor) -> None:
        super().__init__()
        checks.images(centroids, name="centroids")
        self.classes, self.shape = len(centroids), tuple(centroids.shape[1:])
        self.register_buffer("directions", F.normalize(centroids.detach().flatten(1)))
        self.eval()

    def layers(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield the layers' outputs by name, as every `LayeredModel` does."""
        cosine = F.normalize(x.flatten(1)) @ self.directions.T
        yield "cosine", cosine
        yield "log_softmax", F.log_softmax(cosine, dim=1)


class SmallestMeanDistance(LayeredModel):
    """Predict the class whose centroid is nearest on average over a defence's layers and sets: no thresholds, no votes.

    Takes the images that the defence takes; answers with log-probabilities (N, K), log softmax of minus the mean
    distances.

    Parameters
    ----------
    defense : CentroidDefense
        Its thresholds play no part.

    Raises
    ------
    ValueError
        For what is no `CentroidDefense`.

    Notes
    -----
    argmin_j of the mean over layers i and sets of D_ij(x) = (1 - cos(NN_i(x), NN_i(k_j))) / 2.
    """

    def __init__(self, defense: CentroidDefense) -> None:
        super().__init__()
        checks.instance(defense, CentroidDefense, "defense", "get one with fairlib.defenses.CentroidDefense")
        self.defense = defense
        self.classes, self.shape = defense.classes, defense.model.shape
        self.eval()

    def layers(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield the layers' outputs by name, as every `LayeredModel` does."""
        distance = self.defense.distances(x).mean((0, 2))
        yield "distance", distance
        yield "log_softmax", F.log_softmax(-distance, dim=1)


class Binarised(LayeredModel):
    """Let a network see black where a pixel is 0.5 or less and white where it is more.

    Takes the images that the network takes; answers with its log-probabilities (N, K).

    Parameters
    ----------
    network : LayeredModel
        In evaluation mode.

    Raises
    ------
    ValueError
        For anything else, and for a network in training mode.

    Notes
    -----
    The gradient passes the threshold as if it were not there (straight-through), so that an attacker who knows of the
    threshold is not stopped by a derivative of zero.

    References
    ----------
    Athalye, Carlini and Wagner (2018), Obfuscated gradients give a false sense of security.
    """

    def __init__(self, network: LayeredModel) -> None:
        super().__init__()
        checks.instance(network, LayeredModel, "the network", "get one with fairlib.training.shipped")
        checks.evaluating(network)
        self.network = network
        self.classes, self.shape = network.classes, network.shape
        self.eval()

    def layers(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield the layers' outputs by name, as every `LayeredModel` does."""
        yield from self.network.layers((x > 0.5).float() + (x - x.detach()))
