"""The centroid defence: Algorithm 1 of the first paper (section 3.2), for many images and centroids at once."""

from collections.abc import Sequence

import torch
from torch import Tensor

from fairlib import checks
from fairlib.defenses.sets import released_sets
from fairlib.models import LayeredModel

NOBODY = -1


class CentroidDefense:
    """Tally, over the layers, which classes' centroids are near, and predict the class with the most votes.

    A class is fair at a layer when the input's activations lie near its centroid's. The defaults are those of the
    released code, from which the paper's tables came; every place where the text says otherwise is a named argument.

    Parameters
    ----------
    model : LayeredModel
        In evaluation mode: its layers NN_1, ..., NN_n are what is compared.
    centroids : Tensor
        k_j, one image per class, (K, C, H, W), or (S, K, C, H, W) for S sets at once; float32 in [0, 1].
    alpha : sequence of float or Tensor
        K thresholds alpha_j in [0, 1], the largest distance at which class j is fair.
    taps : str or sequence of str
        The layers that are compared: `released`, `paper`, or names that `model.layers` yields, kept in the network's
        order.
    weights : sequence of float, optional
        One vote's worth at each tap, in that order, 0 or more; 1 without it. The ablation uses e^l and e^-l.
    conv_cosine : {"channels", "flat"}
        On convolution maps, the cosine over channels at each pixel, then the mean over pixels; or one cosine of the
        flattened maps, as the text's formula reads.
    comparison : {"le", "lt"}
        D <= alpha (released) or D < alpha (Algorithm 1).
    nobody : bool
        Whether a tap at which no class is fair votes for "nobody", which wins only with strictly more votes than any
        class.
    ties : {"lowest", "highest", "random", "closest"}
        Which of the classes with the most votes: the lowest or highest index, one at random (needs `generator`), or the
        closest by mean distance over taps and sets.
    loose_rule : {"released", "top3"}
        When the loose defence is right: the true class is among those tied at the most votes, fewer than 4 of them; or
        among the first three.
    sets : {"sum", "any", "released"}
        With several sets: sum the votes; count a class once if any set finds it fair; or as the released code does, by
        our reading of its loop.
    generator : Generator, optional
        Draws the winner of a tie.

    Attributes
    ----------
    classes, n_sets : int
        K and S.
    taps : tuple of str
        The L layers that are compared, in the network's order.
    directions : dict of str to Tensor
        At each tap the centroids' activations, normalised (S * K, features).

    Raises
    ------
    ValueError
        For whatever does not fit, saying how to mend it.

    Notes
    -----
    With D_ij(x) = (1 - cos(NN_i(x), NN_i(k_j))) / 2 in [0, 1] and w_i the weights, the votes are

        T_j(x) = sum_i w_i [D_ij(x) <= alpha_j],    T_nobody(x) = sum_i w_i [D_ij(x) > alpha_j for all j],

    and the prediction is argmax_j T_j, or -1 where T_nobody is larger. Algorithm 1 itself, line by line, is
    `comparison="lt", nobody=False`.

    References
    ----------
    First paper, sections 2 and 3.2, Algorithm 1; section 4 (the loose defence); appendix B; its released notebooks.
    """

    def __init__(
        self,
        model: LayeredModel,
        centroids: Tensor,
        alpha: Sequence[float] | Tensor,
        *,
        taps: str | Sequence[str] = "released",
        weights: Sequence[float] | None = None,
        conv_cosine: str = "channels",
        comparison: str = "le",
        nobody: bool = True,
        ties: str = "lowest",
        loose_rule: str = "released",
        sets: str = "sum",
        generator: torch.Generator | None = None,
    ) -> None:
        checks.evaluating(model)
        checks.instance(model, LayeredModel, "the model", "write yours as one: its layers are what is compared")
        if not isinstance(centroids, Tensor) or centroids.ndim not in (4, 5):
            shape = tuple(centroids.shape) if isinstance(centroids, Tensor) else type(centroids).__name__
            raise ValueError(f"centroids is {shape}, expected a tensor (K, C, H, W) or (S, K, C, H, W)")
        if centroids.ndim == 4:
            centroids = centroids[None]
        self.classes = model.classes
        if centroids.shape[1] != self.classes:
            raise ValueError(f"centroids has {centroids.shape[1]} images a set, expected {self.classes}: one per class")
        checks.images(centroids.flatten(0, 1), model.shape, "centroids")
        self.model = model
        self.alpha = _numbers(alpha, self.classes, "alpha", "one per class").to(centroids.device)
        if not ((self.alpha >= 0) & (self.alpha <= 1)).all():
            raise ValueError(
                f"alpha is {self.alpha.tolist()}, expected thresholds in [0, 1], the range of the distances"
            )
        self.taps = _taps(model, taps, centroids[0, :1])
        weights = [1.0] * len(self.taps) if weights is None else weights
        self.weights = _numbers(weights, len(self.taps), "weights", f"one per tap {self.taps}").to(centroids.device)
        if not ((self.weights >= 0) & self.weights.isfinite()).all():
            raise ValueError(f"weights is {self.weights.tolist()}, expected finite numbers, 0 or more")
        self.conv_cosine = checks.one_of(conv_cosine, ("channels", "flat"), "conv_cosine")
        self.strict = checks.one_of(comparison, ("le", "lt"), "comparison") == "lt"
        checks.instance(nobody, bool, "nobody", "say True or False")
        self.nobody = nobody
        self.ties = checks.one_of(ties, ("lowest", "highest", "random", "closest"), "ties")
        if ties == "random" and generator is None:
            raise ValueError("ties='random' needs a generator; pass generator=fairlib.runtime.generator(seed)")
        if generator is not None:
            checks.generator(generator)
        self.generator = generator
        self.loose_rule = checks.one_of(loose_rule, ("released", "top3"), "loose_rule")
        self.sets = checks.one_of(sets, ("sum", "any", "released"), "sets")
        self.n_sets = len(centroids)
        with torch.no_grad():  # the centroids' directions at every tap, once: (S * K, features)
            self.directions = {
                name: (k / self._norm(k)).flatten(1).div_(self._pixels(k))
                for name, k in model.layers(centroids.flatten(0, 1))
                if name in self.taps
            }

    def distances(self, x: Tensor) -> Tensor:
        """Measure how far the images' activations lie from the centroids'.

        Parameters
        ----------
        x : Tensor
            Images (N, C, H, W) of the model's shape, float32 in [0, 1].

        Returns
        -------
        Tensor
            D (L, N, S, K) in [0, 1]; differentiable in x where x requires a gradient.

        Raises
        ------
        ValueError
            For other images, and where the model is no longer in evaluation mode.
        """
        checks.images(x, self.model.shape)
        checks.evaluating(self.model)
        # Images last: many images against few centroids are 3 times as fast this way as a @ directions.T.
        cosine = torch.empty(len(self.taps), self.n_sets * self.classes, len(x), device=x.device)
        norms = torch.ones(len(self.taps), 1, len(x), device=x.device)
        with torch.set_grad_enabled(x.requires_grad and torch.is_grad_enabled()):
            for name, a in self.model.layers(x):
                if name in self.directions:
                    i = self.taps.index(name)
                    norm = self._norm(a)
                    if norm.numel() == len(a):  # one cosine an image: divide after the product
                        norms[i] = norm.view(1, -1)
                    else:
                        a = a / norm
                    cosine[i] = self.directions[name] @ a.flatten(1).T
            distance = cosine.div_(norms).mul_(-0.5).add_(0.5)
        return distance.unflatten(1, (self.n_sets, self.classes)).permute(0, 3, 1, 2)

    def tally(self, x: Tensor) -> Tensor:
        """Count the votes for each class.

        Parameters
        ----------
        x : Tensor
            Images (N, C, H, W), float32 in [0, 1].

        Returns
        -------
        Tensor
            T of Algorithm 1 (N, K), float32.

        Raises
        ------
        ValueError
            As `distances` does.
        """
        return self._count(x)[0]

    def predict(self, x: Tensor) -> Tensor:
        """Classify images.

        Parameters
        ----------
        x : Tensor
            Images (N, C, H, W), float32 in [0, 1].

        Returns
        -------
        Tensor
            The class with the most votes (N,), int64; -1 where "nobody" wins.

        Raises
        ------
        ValueError
            As `distances` does.
        """
        return self._winner(*self._count(x))

    def loose(self, x: Tensor, y: Tensor) -> Tensor:
        """Say for which images the loose defence counts as right.

        Parameters
        ----------
        x : Tensor
            Images (N, C, H, W), float32 in [0, 1].
        y : Tensor
            True labels (N,), int64.

        Returns
        -------
        Tensor
            (N,) bool, by `loose_rule`.

        Raises
        ------
        ValueError
            As `distances` does, and for labels that do not fit.
        """
        tally, nobody, _ = self._count(x)
        checks.labels(y, len(x), self.classes)
        return self._loosely_right(tally, nobody, y)

    def predict_and_loose(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Give `predict(x)` and `loose(x, y)` from one pass over the layers.

        Parameters
        ----------
        x : Tensor
            Images (N, C, H, W), float32 in [0, 1].
        y : Tensor
            True labels (N,), int64.

        Returns
        -------
        predicted : Tensor
            As from `predict`.
        loose : Tensor
            As from `loose`.

        Raises
        ------
        ValueError
            As `loose` does.
        """
        tally, nobody, distance = self._count(x)
        checks.labels(y, len(x), self.classes)
        return self._winner(tally, nobody, distance), self._loosely_right(tally, nobody, y)

    def _norm(self, a: Tensor) -> Tensor:
        """The length of what one cosine compares: at each pixel of a map, or of all features."""
        dim = 1 if a.ndim == 2 or self.conv_cosine == "channels" else (1, 2, 3)
        # torch.linalg.vector_norm is 90 times slower than this on the channels of a convolution map.
        return a.square().sum(dim, keepdim=True).clamp_min_(1e-16).sqrt_()

    def _pixels(self, a: Tensor) -> int:
        """How many cosines are averaged."""
        return a[0, 0].numel() if a.ndim == 4 and self.conv_cosine == "channels" else 1

    def _count(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The tally (N, K), the votes for nobody (N,), and the distances (L, N, S, K)."""
        distance = self.distances(x)
        fair = self._fair(distance)
        tally = torch.einsum("l,lnk->nk", self.weights, fair.float())
        if not self.nobody:
            return tally, torch.zeros_like(tally[:, 0]), distance
        return tally, self.weights @ (~fair.any(2)).float(), distance

    def _fair(self, distance: Tensor) -> Tensor:
        """How often each class is fair at each tap: distances (L, N, S, K) -> (L, N, K)."""
        if self.sets == "released":
            return released_sets(distance, self.alpha, self.strict)
        fair = distance < self.alpha if self.strict else distance <= self.alpha
        if self.n_sets == 1:
            return fair[:, :, 0]
        return fair.any(2) if self.sets == "any" else fair.sum(2)

    def _winner(self, tally: Tensor, nobody: Tensor, distance: Tensor) -> Tensor:
        """The class with the most votes (N,), -1 where nobody has more."""
        most = tally.amax(1, keepdim=True)
        if self.ties == "lowest":
            winner = tally.argmax(1)
        else:
            match self.ties:
                case "highest":
                    order = torch.arange(self.classes, device=tally.device).expand_as(tally).float()
                case "random":
                    order = torch.rand(tally.shape, generator=self.generator).to(tally.device)
                case "closest":
                    order = -distance.mean((0, 2))
            winner = order.masked_fill(tally < most, -torch.inf).argmax(1)
        return winner.masked_fill_(nobody > most[:, 0], NOBODY)

    def _loosely_right(self, tally: Tensor, nobody: Tensor, y: Tensor) -> Tensor:
        """Whether the true class is among the first three, or among the few tied at the top (N,)."""
        own = tally.gather(1, y[:, None])
        if self.loose_rule == "top3":  # more votes, or as many and a lower index, is ahead
            index = torch.arange(self.classes, device=tally.device)
            ahead = (tally > own) | ((tally == own) & (index < y[:, None]))
            return ahead.sum(1) < 3
        most = torch.maximum(tally.amax(1), nobody)
        tied = (tally == most[:, None]).sum(1)
        return (own[:, 0] == most) & (tied < 4)


def _numbers(values: Sequence[float] | Tensor, n: int, name: str, what: str) -> Tensor:
    """The n numbers that `name` stands for, as a tensor."""
    try:
        numbers = torch.as_tensor(values, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name} is {values!r}, expected {n} numbers, {what}") from error
    if numbers.shape != (n,):
        raise ValueError(f"{name} has shape {tuple(numbers.shape)}, expected ({n},): {what}")
    return numbers


def _taps(model: LayeredModel, taps: str | Sequence[str], probe: Tensor) -> tuple[str, ...]:
    """The names of the layers that are compared, in the network's order; the probe is an image."""
    if isinstance(taps, str):
        checks.one_of(taps, ("released", "paper"), "taps (as a word)")
        return model.released_taps if taps == "released" else model.paper_taps
    checks.several(taps, "taps")
    with torch.no_grad():
        known = [name for name, _ in model.layers(probe)]
    unknown = [name for name in taps if name not in known]
    if unknown or not taps or len(set(taps)) < len(taps):
        raise ValueError(f"taps is {tuple(taps)}, expected distinct names among: {', '.join(known)}")
    return tuple(name for name in known if name in taps)
