"""The released loop over sets, read with plain lists; see also the centroid defence's own tests of it."""

import pytest
import torch

from fairlib import runtime
from fairlib.defenses.sets import released_sets


def by_the_list(distances: list[list[float]], alpha: list[float], strict: bool) -> list[bool]:
    """One image at one layer: the list that the released code filters once for every set, of S sets of K distances."""
    classes = len(alpha)
    survivors: list[int] = []
    for own in distances:
        values = [(1 - index) / 2 for index in survivors] + own
        passes = [v < alpha[j] if strict else v <= alpha[j] for j, v in enumerate(values[:classes])]
        survivors = [place for place, good in enumerate(passes) if good]
    return [j in survivors for j in range(classes)]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("n_sets", [1, 2, 3])
def test_it_is_the_released_list(n_sets, strict):
    generator = runtime.generator(n_sets)
    distance = (torch.rand(3, 40, n_sets, 5, generator=generator) * 8).round() / 8  # some lie at a threshold
    alpha = torch.tensor([0.25, 0.5, 0.375, 0.5, 0.125])
    found = released_sets(distance, alpha, strict)
    assert 0.05 < found.float().mean() < 0.95
    for layer, of_layer in zip(distance.tolist(), found.tolist(), strict=True):
        for image, fair in zip(layer, of_layer, strict=True):
            assert fair == by_the_list(image, alpha.tolist(), strict)
