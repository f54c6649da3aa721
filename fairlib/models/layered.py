"""What a network must be for its layers to be compared: a sequence of named outputs, pixels in [0, 1] going in."""

from collections.abc import Iterator

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

    >>> import torch.nn.functional as F
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
