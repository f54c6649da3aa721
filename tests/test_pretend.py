"""The pretend accelerator against what a GPU refuses and allows, and against PyTorch's own model of a GPU."""

import copy
from contextlib import contextmanager

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pretend import DEVICE, Pretend, accelerator
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

pytestmark = pytest.mark.usefixtures("no_trace")


@contextmanager
def gpu_on_paper():
    """PyTorch's `FakeTensorMode`, which knows where a result would lie and computes nothing, on a GPU."""
    with FakeTensorMode():
        yield torch.device("cuda", 0)


def drawn(n=3, device=None):
    return torch.rand(n, device=device, generator=torch.Generator())


def write(into, key, value):
    into[key] = value
    return into


# What is tried: g (2, 2) on the device, c (2, 2) on the CPU, d the device. What a GPU answers, True where it allows it
# and the result lies there, False where it allows it and the result lies on the CPU, None where it refuses.
TRIED = {
    "sum": (lambda g, c, d: g + c, None),
    "sum with a number": (lambda g, c, d: 2 * g + 1, True),
    "sum with the CPU's scalar": (lambda g, c, d: g + c[0, 0], True),
    "the CPU's scalar first": (lambda g, c, d: c[0, 0] * g, True),
    "comparison": (lambda g, c, d: g == c, None),
    "comparison with the CPU's scalar": (lambda g, c, d: g <= c[0, 0], True),
    "a scalar of the device with the CPU's tensor": (lambda g, c, d: g[0, 0] + c, None),
    "product of matrices": (lambda g, c, d: g @ c, None),
    "convolution": (lambda g, c, d: F.conv2d(g[None, None], c[None, None]), None),
    "concatenation": (lambda g, c, d: torch.cat([g, c]), None),
    "where": (lambda g, c, d: torch.where(c > 0, g, g), None),
    "where with a number": (lambda g, c, d: torch.where(g > 0, g, 1), True),
    "masked_fill": (lambda g, c, d: g.masked_fill(c > 0, 0), None),
    "loss with the CPU's labels": (lambda g, c, d: F.nll_loss(g, c[0].long()), None),
    "linear layer of the CPU": (lambda g, c, d: nn.Linear(2, 2)(g), None),
    "dropout": (lambda g, c, d: F.dropout(g), True),
    "gather by the CPU's indices": (lambda g, c, d: g.gather(0, c.long() - 1), None),
    "index_select by the CPU's indices": (lambda g, c, d: g.index_select(0, c[0].long() - 1), None),
    "the CPU's indices": (lambda g, c, d: g[c[0].long() - 1], True),
    "a list of indices": (lambda g, c, d: g[[0, 1]], True),
    "numpy's indices": (lambda g, c, d: g[:, np.array([0, 1])], True),
    "a slice of the CPU written": (lambda g, c, d: write(c, slice(1), g[:1]), False),
    "a slice of the device written": (lambda g, c, d: write(g, slice(1), c[:1]), True),
    "a number written": (lambda g, c, d: write(g, 0, 0.5), True),
    "the device's values at the CPU's indices": (lambda g, c, d: write(c, torch.tensor([0]), g[:1]), None),
    "the CPU's values at the device's indices": (lambda g, c, d: write(g, torch.tensor([0]), c[:1]), None),
    "the CPU's scalar at the device's indices": (lambda g, c, d: write(g, torch.tensor([0]), c[0, 0]), True),
    "added to the CPU": (lambda g, c, d: c.add_(g), None),
    "a scalar added to the CPU's": (lambda g, c, d: c[0, 0].clone().add_(g[0, 0]), None),
    "the CPU's scalar added": (lambda g, c, d: g.add_(c[0, 0]), True),
    "copied to the CPU": (lambda g, c, d: c.copy_(g), False),
    "copied from the CPU": (lambda g, c, d: g.copy_(c), True),
    "moved to the CPU": (lambda g, c, d: g.cpu(), False),
    "moved to the CPU in another type": (lambda g, c, d: g.to("cpu", torch.uint8), False),
    "moved like another": (lambda g, c, d: c.to(g), True),
    "zeros": (lambda g, c, d: torch.zeros(2, device=d), True),
    "zeros of the CPU": (lambda g, c, d: torch.zeros(2), False),
    "arange": (lambda g, c, d: torch.arange(2, device=g.device), True),
    "from numbers": (lambda g, c, d: torch.tensor([1.0, 2.0], device=d), True),
    "from numpy": (lambda g, c, d: torch.as_tensor(np.ones(2), device=d), True),
    "from the CPU's tensor": (lambda g, c, d: torch.as_tensor(c, device=d), True),
    "new_zeros": (lambda g, c, d: g.new_zeros(2), True),
    "new_tensor": (lambda g, c, d: g.new_tensor([1.0]), True),
    "zeros_like": (lambda g, c, d: torch.zeros_like(g), True),
    "zeros_like on the CPU": (lambda g, c, d: torch.zeros_like(g, device="cpu"), False),
    "drawn by the CPU and moved": (lambda g, c, d: drawn().to(d), True),
    "drawn by the device": (lambda g, c, d: torch.randn(3, device=d), True),
    "numpy": (lambda g, c, d: g.numpy(), None),
    "Fourier transform": (lambda g, c, d: torch.fft.fft2(g).abs(), True),
}
# Where FakeTensorMode looks for a driver, or is less strict than a GPU.
BEYOND_PAPER = {
    "linear layer moved": (lambda g, c, d: nn.Linear(2, 2).to(d)(g), True),
    "attention moved": (lambda g, c, d: nn.MultiheadAttention(2, 1).to(d)(g, g, g)[0], True),
    "gradient": (lambda g, c, d: torch.autograd.grad(g.requires_grad_().square().sum(), g)[0], True),
    "a copy of a module": (lambda g, c, d: copy.deepcopy(nn.Linear(2, 2).to(d)).weight, True),
    "batch normalisation moved": (lambda g, c, d: nn.BatchNorm1d(2).to(d)(g), True),
    "state of a module": (lambda g, c, d: nn.Linear(2, 2).to(d).state_dict()["weight"], True),
    "indices of the device into the CPU": (lambda g, c, d: c[g[0].long() - 1], None),
    "a mask of the device on the CPU": (lambda g, c, d: c[g > 0], None),
    "a mask of the device": (lambda g, c, d: g[g > 0], True),
    "a mask of the CPU": (lambda g, c, d: g[c > 0], True),
    "stacked scalars": (lambda g, c, d: torch.stack([g[0, 0], c[0, 0]]), None),
    "a generator of the CPU": (lambda g, c, d: drawn(device=d), None),
    "a generator of the CPU, multinomial": (lambda g, c, d: torch.multinomial(g, 1, generator=torch.Generator()), None),
    "a generator of the CPU, in place": (lambda g, c, d: g.uniform_(generator=torch.Generator()), None),
    "numpy's array": (lambda g, c, d: np.asarray(g), None),
    "a numpy function": (lambda g, c, d: np.mean(g), None),
    "stacked in numpy": (lambda g, c, d: np.stack([g, g]), None),
    "numpy of a copy": (lambda g, c, d: torch.from_numpy(g.cpu().numpy()), False),
    "numpy's tensor": (lambda g, c, d: g * torch.from_numpy(np.ones((2, 2))), None),
    "numbers of the device": (lambda g, c, d: torch.tensor([g[0, 0], float(g[0, 1]), *g[1].tolist()]), False),
}  # fmt: skip


def answer(attempt, machine):
    """Where the result lies, True for the device; None for a refusal."""
    with machine() as device, torch.random.fork_rng(devices=[]):
        g, c = torch.ones(2, 2, device=device), torch.ones(2, 2)
        try:
            return attempt(g, c, device).device == device
        except (RuntimeError, TypeError, IndexError):
            return None


@pytest.mark.parametrize("name", TRIED | BEYOND_PAPER)
def test_it_refuses_and_allows_what_a_gpu_does(name):
    attempt, expected = (TRIED | BEYOND_PAPER)[name]
    assert answer(attempt, accelerator) is expected


@pytest.mark.parametrize("name", TRIED)
def test_the_table_agrees_with_pytorchs_model_of_a_gpu(name):
    attempt, expected = TRIED[name]
    assert answer(attempt, gpu_on_paper) is expected


def test_the_words_are_pytorchs():
    with accelerator() as device:
        x = torch.ones(2, device=device)
        with pytest.raises(RuntimeError, match=r"Expected all tensors to be on the same device, .* lazy:0 and cpu"):
            x + torch.ones(2)
        with pytest.raises(RuntimeError, match="Expected a 'lazy' device type for generator but found 'cpu'"):
            drawn(device=device)
        with pytest.raises(TypeError, match="can't convert lazy:0 device type tensor to numpy"):
            x.numpy()


def test_it_computes_what_the_cpu_computes():
    g = torch.Generator().manual_seed(0)
    x, y = torch.rand(4, 3, 8, 8, generator=g), torch.tensor([0, 1, 1, 0])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        head = (nn.Flatten(), nn.Linear(36, 2))
        net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), *head)

    def trained(net, x, y):
        net, x = copy.deepcopy(net), x.clone().requires_grad_()
        optimiser = torch.optim.Adam(net.parameters(), lr=0.1)
        for _ in range(3):
            optimiser.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimiser.step()
        return [x.grad, *(p.detach() for p in net.parameters())]

    expected = trained(net, x, y)
    with accelerator() as device:
        found = trained(net.to(device), x.to(device), y.to(device))
        assert all(isinstance(t, Pretend) and t.device == DEVICE for t in found)
        assert all(torch.equal(t.cpu(), e) for t, e in zip(found, expected, strict=True))
    assert len(expected) == 7 and (expected[0] != 0).any()


def test_a_view_shares_memory_and_differentiates():
    with accelerator() as device:
        x = torch.zeros(3, 2, device=device)
        x[1] = torch.ones(2, device=device)
        x[x > 0] *= 2
        x.data.clamp_(0, 1.5)
        assert x.tolist() == [[0, 0], [1.5, 1.5], [0, 0]]
        z = torch.ones(2, device=device).requires_grad_()
        buffer = torch.empty(2, 2, device=device)
        buffer[0], buffer[1] = z**3, 2 * z
        (slope,) = torch.autograd.grad(buffer.sum(), z, create_graph=True)
        (curvature,) = torch.autograd.grad(slope.sum(), z)
        assert slope.tolist() == [5, 5] and curvature.tolist() == [6, 6]
        assert f"{z[0]:.1f}" == "1.0" and int(z.sum()) == 2 and "lazy:0" in f"{z}"


def test_what_was_moved_comes_back_outside_the_block():
    with torch.random.fork_rng(devices=[]):
        net = nn.Linear(2, 2)
    before = net.weight.detach().clone()
    with accelerator() as device:
        net.to(device)
        assert isinstance(net.weight, nn.Parameter) and net.weight.device == device
    assert torch.equal(net.to("cpu").weight, before) and not isinstance(net.weight, Pretend)
    with pytest.raises(NotImplementedError):
        torch.zeros(1, device=DEVICE)


def test_complex_numbers_differentiate():
    """Conjugates are marks on a tensor until they are needed; a mark that is lost shows in the gradient alone."""
    x = torch.rand(4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def slope(z):
        spectrum = torch.fft.fft2(z)
        value = spectrum.abs().log().sum() + (spectrum.angle() * z).sum() + torch.polar(z, 2 * z).imag.square().sum()
        return torch.autograd.grad(value, z)[0]

    expected = slope(x.clone().requires_grad_())
    with accelerator() as device:
        found = slope(x.to(device).requires_grad_())
        assert found.device == device and torch.allclose(found.cpu(), expected, rtol=1e-9, atol=1e-9)
    assert (expected != 0).all()
