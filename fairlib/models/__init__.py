"""The classifiers: pixels in [0, 1] in, log-probabilities or logits out.

The first paper's networks answer with log-probabilities, those trained on ImageNet with logits. Attacks, and whatever
else asks for a `torch.nn.Module`, take either, and networks of your own; a `LayeredModel` is asked for only where
layers are compared, or where a network of log-probabilities is trained.
"""

from fairlib.models.imagenet import PRETRAINED, ImageNetClassifier, Normalised, pretrained
from fairlib.models.layered import LayeredModel
from fairlib.models.networks import NETWORKS, FullyConnected, LeNet5, VisionTransformer

__all__ = [
    "NETWORKS",
    "PRETRAINED",
    "FullyConnected",
    "ImageNetClassifier",
    "LayeredModel",
    "LeNet5",
    "Normalised",
    "VisionTransformer",
    "pretrained",
]
