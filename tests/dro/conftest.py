"""What the tests of Algorithms 2 and 3 train on."""

import pytest
import torch

from fairlib import runtime


@pytest.fixture(scope="module")
def few():
    """Twelve images and labels."""
    g = runtime.generator(5)
    return torch.rand(12, 1, 2, 2, generator=g), torch.randint(3, (12,), generator=g)


@pytest.fixture(scope="module")
def digits():
    from fairlib import data

    x, y = data.load("MNIST", "train")
    return x[:60].clone(), y[:60].clone()
