"""The network with one pool against one that is put together as the text reads."""

import torch
from torch import nn

from fairlib.book.experiments.ambiguities.records import Pools
from fairlib.book.experiments.ambiguities.retrained import OnePool


def test_one_pool_is_the_network_that_the_text_describes(digits):
    x = digits[0][:20]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = OnePool().eval()
    textbook = nn.Sequential(
        model.conv1, nn.ReLU(), nn.MaxPool2d(2), model.conv2, nn.ReLU(), nn.Flatten(),
        model.fc1, nn.ReLU(), model.fc2, nn.ReLU(), model.fc3, nn.LogSoftmax(1),
    )  # fmt: skip
    with torch.no_grad(), Pools() as pools:
        torch.testing.assert_close(model(x), textbook(x))
    assert pools.n == 2  # one here, one in the textbook
    assert [name for name, _ in model.layers(x)] == list(model.released_taps)
