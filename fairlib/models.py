"""Classifiers of log-probabilities, pixels in [0, 1] in, and the layers at which a defence may look.

Attacks, and whatever else asks for a `torch.nn.Module`, take these and any other network, of logits too; a
`LayeredModel` is asked for only where layers are compared, or where a network of log-probabilities is trained.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LayeredModel(nn.Module):
    """A classifier written as the sequence of its layers' outputs, so that a defence can compare them.

    A subclass writes `layers`; `forward` takes the last output. Anything else takes it as any other module.

    Attributes
    ----------
    shape : tuple of int
        (C, H, W) of the images that it takes.
    classes : int
        K, the number of classes.
    released_taps, paper_taps : tuple of str
        The layers that the first paper's released code compares, and those that its text names, in the network's order.

    Examples
    --------
    A network of your own, with one hidden layer to be looked at:

    >>> class Small(LayeredModel):
    ...     released_taps = paper_taps = ("hidden", "log_softmax")
    ...
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.hidden, self.out = nn.Linear(784, 32), nn.Linear(32, 10)
    ...
    ...     def layers(self, x):
    ...         a = self.hidden(x.flatten(1))
    ...         yield "hidden", a
    ...         yield "log_softmax", F.log_softmax(self.out(a.relu()), dim=1)
    """

    shape: tuple[int, int, int] = (1, 28, 28)
    classes: int = 10
    released_taps: tuple[str, ...]
    paper_taps: tuple[str, ...]

    def layers(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield the outputs NN_1(x), ..., NN_n(x) of the first paper as they are computed.

        Parameters
        ----------
        x : Tensor
            Images (N, C, H, W), float32 in [0, 1].

        Yields
        ------
        name : str
            Of a layer with weights its name in the state dict, before its non-linearity; `<name>.relu` after a ReLU.
        activation : Tensor
            (N, features) or a map (N, channels, height, width); the last one the log-probabilities (N, K).
        """
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Classify images.

        Parameters
        ----------
        x : Tensor
            Images (N, C, H, W), float32 in [0, 1].

        Returns
        -------
        Tensor
            Log-probabilities (N, K).
        """
        for _, activation in self.layers(x):  # noqa: B007 - the last one is the answer
            pass
        return activation


class FullyConnected(LayeredModel):
    """Seven linear layers, 784-64-64-64-64-64-64-10, with ReLU between them and log-softmax at the end.

    References
    ----------
    First paper, section 3.3.
    """

    hidden = ("linear_in", "linear1", "linear2", "linear3", "linear4", "linear5")
    released_taps = (*hidden, "log_softmax")
    paper_taps = (*(f"{name}.relu" for name in hidden), "log_softmax")

    def __init__(self) -> None:
        super().__init__()
        self.linear_in = nn.Linear(784, 64)
        for name in self.hidden[1:]:
            setattr(self, name, nn.Linear(64, 64))
        self.linear_out = nn.Linear(64, 10)

    def layers(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield the layers' outputs by name, as every `LayeredModel` does."""
        a = x.flatten(1)
        for name in self.hidden:
            z = getattr(self, name)(a)
            yield name, z
            a = z.relu()
            yield f"{name}.relu", a
        z = self.linear_out(a)
        yield "linear_out", z
        yield "log_softmax", F.log_softmax(z, dim=1)


class LeNet5(LayeredModel):
    """Two convolutions and three linear layers: conv(6, 5x5) - pool - conv(16, 5x5) - pool - 120 - 84 - 10.

    ReLU between the layers, log-softmax at the end; the first convolution is padded by 2.

    Notes
    -----
    The paper names one pool, "between the two convolutional layers"; the released network pools after both, which its
    400 inputs to `fc1` require.

    References
    ----------
    First paper, section 3.3.
    """

    released_taps = ("conv1", "conv2", "fc1", "fc2", "fc3", "log_softmax")
    paper_taps = ("conv1.relu", "conv2.relu", "fc1.relu", "fc2.relu", "log_softmax")

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def layers(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield the layers' outputs by name, as every `LayeredModel` does."""
        a = x
        for name in ("conv1", "conv2"):
            z = _convolved(getattr(self, name), a)
            yield name, z
            a = z.relu()
            yield f"{name}.relu", a
            a = _halved(a)
        a = a.flatten(1)
        for name in ("fc1", "fc2"):
            z = getattr(self, name)(a)
            yield name, z
            a = z.relu()
            yield f"{name}.relu", a
        z = self.fc3(a)
        yield "fc3", z
        yield "log_softmax", F.log_softmax(z, dim=1)


def _convolved(layer: nn.Module, x: Tensor) -> Tensor:
    """layer(x); for an attack on grey images, with a gradient that takes a tenth of the time (`_TowardsInput`)."""
    if not (x.requires_grad and torch.is_grad_enabled() and isinstance(layer, nn.Conv2d) and layer.in_channels == 1):
        return layer(x)
    return _TowardsInput.apply(layer(x.detach()), x, layer.weight, layer.padding[0])


class _TowardsInput(torch.autograd.Function):
    """z, the convolution of x with a square kernel, stride 1; backwards, the kernel's gradient goes through z as ever.

    The gradient with respect to x is a convolution itself, of the one with respect to z with the flipped kernel. From
    six channels to one PyTorch's own way there is much slower than its way of convolving.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor, x: Tensor, weight: Tensor, padding: int) -> Tensor:
        return z.view_as(z)

    @staticmethod
    def setup_context(ctx, inputs: tuple, output: Tensor) -> None:
        _, _, weight, ctx.padding = inputs
        ctx.save_for_backward(weight)

    @staticmethod
    def backward(ctx, g: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (weight,) = ctx.saved_tensors
        flipped = weight.flip(2, 3).transpose(0, 1)
        return g, F.conv2d(g, flipped, padding=weight.shape[2] - 1 - ctx.padding), None, None


def _halved(a: Tensor) -> Tensor:
    """The maximum of each 2x2 block, (N, C, H, W) -> (N, C, H / 2, W / 2).

    Two maxima of slices are quicker than `max_pool2d`, but divide the gradient where values tie: not for attacks.
    """
    if a.requires_grad and torch.is_grad_enabled():
        return F.max_pool2d(a, 2)
    rows = torch.maximum(a[..., ::2, :], a[..., 1::2, :])
    return torch.maximum(rows[..., ::2], rows[..., 1::2])


class VisionTransformer(LayeredModel):
    """A small vision transformer: 16 patches of 7x7 pixels, 48 channels, three blocks of attention with four heads.

    Pre-norm blocks, learned positions, no dropout; the head reads the mean of the patches' tokens, log-softmax follows.

    Notes
    -----
    `patches` and `block1`, ... are maps (N, 48, 4, 4), one position per patch, `<name>.mean` their mean over positions
    (N, 48). The released taps treat those maps as the released code treats LeNet's; the paper's compare one vector per
    layer, the one that the head would read.

    References
    ----------
    Dosovitskiy et al. (2021), An image is worth 16x16 words, scaled down to images of 28x28 pixels. The first paper
    leaves such a network to future work (section 5).
    """

    blocks = ("block1", "block2", "block3")
    released_taps = ("patches", *blocks, "head", "log_softmax")
    paper_taps = ("patches.mean", *(f"{name}.mean" for name in blocks), "log_softmax")

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, 48, 7, stride=7)
        self.position = nn.Parameter(0.02 * torch.randn(16, 48))
        for name in self.blocks:
            block = nn.TransformerEncoderLayer(48, 4, 96, 0.0, "gelu", batch_first=True, norm_first=True)
            setattr(self, name, block)
        self.norm = nn.LayerNorm(48)
        self.head = nn.Linear(48, self.classes)

    def layers(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield the layers' outputs by name, as every `LayeredModel` does."""
        a = self.patches(x).flatten(2).mT + self.position  # (N, 16, 48): a token for each patch
        for name in ("patches", *self.blocks):
            if name != "patches":
                a = getattr(self, name)(a)
            yield name, a.mT.unflatten(2, (4, 4))
            yield f"{name}.mean", a.mean(1)
        z = self.head(self.norm(a).mean(1))
        yield "head", z
        yield "log_softmax", F.log_softmax(z, dim=1)


NETWORKS: dict[str, type[LayeredModel]] = {
    "FullyConnected": FullyConnected,
    "LeNet5": LeNet5,
    "VisionTransformer": VisionTransformer,
}
