"""What the tests of the attacks share."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn


class Broken(nn.Module):
    """A model whose third answer fails, or whose gradient is no number."""

    def __init__(self, inner: nn.Module, how: str) -> None:
        super().__init__()
        self.inner, self.how, self.calls = inner, how, 0

    def forward(self, x):
        self.calls += 1
        if self.how == "fails" and self.calls == 3:
            raise MemoryError
        z = self.inner(x)
        return z + (x - x.detach()).sqrt().sum() if self.how == "nan" else z


@pytest.fixture
def leaves_the_caller_alone() -> Callable[..., None]:
    """Checks that an attack changes nothing of the caller's, also where the model breaks as `Broken` says."""

    def check(attack: Callable, inner: nn.Module, images: Tensor, labels: Tensor, how: str, error: type | None) -> None:
        model, x, y = Broken(inner, how).eval(), images.clone().requires_grad_(), labels.clone()
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, 7.0)
        if error is None:
            x_adv = attack(model, x, y)
            assert not x_adv.requires_grad and x_adv.data_ptr() != x.data_ptr()
        else:
            with pytest.raises(
                error,
                match="the gradient is not finite for .* which is all" if how == "nan" else None,
            ):
                attack(model, x, y)
        assert torch.equal(x, images) and torch.equal(y, labels) and x.requires_grad and x.grad is None
        assert not model.training and all((p.grad == 7).all() and p.requires_grad for p in model.parameters())

    return check
