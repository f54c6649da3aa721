"""What is the same has one fingerprint in every process, what differs has two."""

import copy
import enum
import functools
import operator
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fairlib import fingerprint

FACTOR = 2.0
CHANGING = """
import functools, torch
from torch import nn
from fairlib import fingerprint

class Applied(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function, self.names, self.other = function, {"india", "peru", "chile"}, object()
        self.note = repr(self.function)

    def extra_repr(self):
        return f"{self.function} {id(self)} {hash('peru')}"

    def forward(self, x):
        return self.function(x)

def known(x):
    return x in {"india", "peru", "chile"}

torch.manual_seed(0)
parts = [
    Applied(lambda x: x * 2), known, functools.partial(known, x=known), nn.GELU(), torch.compile(nn.Linear(2, 2)),
    nn.TransformerEncoderLayer(8, 2, 8, activation=nn.functional.gelu), torch.Generator(), {"b": {1}, "a": {"x", "y"}},
]
print(*map(fingerprint.of, parts))
"""


def test_every_process_finds_the_same(tmp_path):
    (tmp_path / "changing.py").write_text(CHANGING)
    found = set()
    for seed in "12":
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[1])}
        done = subprocess.run(
            [sys.executable, "changing.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        found.add(done.stdout)
    assert len(found) == 1 and len(set(found.pop().split())) == 8


class Applied(nn.Module):
    def __init__(self, function, scale=1.0):
        super().__init__()
        self.function, self.scale = function, scale

    def forward(self, x):
        return self.scale * self.function(x)


class Kind(enum.Enum):
    ONE = 1
    TWO = 2


@dataclass
class Options:
    names: tuple
    more: dict


def times(k):
    return lambda x: k * x


def raised(x, power=2, *, by=0.0):
    return x**power + by


def scaled(x):
    return FACTOR * x


def hooked(hook):
    model = nn.Linear(2, 2)
    with torch.no_grad():
        model.weight.fill_(1), model.bias.fill_(0)
    model.register_forward_hook(hook)
    return model


APART = [
    (lambda x: x * 2, lambda x: x * 3, lambda x: x + 2),
    (times(2), times(3), times(2.0)),
    (raised, lambda x, power=2, *, by=0.0: x**power - by, lambda x, power=3, *, by=0.0: x**power + by),
    tuple(functools.partial(raised, **options) for options in ({}, {"power": 3}, {"by": 1.0}, {"by": times(2)})),
    (Applied(torch.relu), Applied(torch.tanh), Applied(torch.relu, 2.0), Applied(lambda x: x.relu())),
    (Applied(times(2)), Applied(times(3)), Applied([times(2), times(3)]), Applied([times(3), times(2)])),
    (nn.Sequential(nn.ReLU(), nn.Tanh()), nn.Sequential(nn.Tanh(), nn.ReLU())),
    (nn.Dropout(0.1), nn.Dropout(0.2), nn.LeakyReLU(0.1), nn.LeakyReLU(0.2)),
    tuple(hooked(hook) for hook in (lambda m, i, o: o, lambda m, i, o: 2 * o)),
    (torch.zeros(2), torch.zeros(2, dtype=torch.int32), torch.zeros(1, 2), torch.tensor([0.0, -0.0])),
    (torch.zeros(2, dtype=torch.bfloat16), torch.ones(2, dtype=torch.bfloat16)),
    (np.zeros(2), np.zeros(2, int), np.zeros((1, 2)), np.array([None, 0])),
    (1, 1.0, True, "1", b"1", None, (1,), [1], {1}, {1: None}, Path("1"), Kind.ONE, Kind.TWO),
    (np.sin, np.cos, min, max, operator.itemgetter(0), operator.itemgetter(1), "at 0x11223344"),
    (Options((1,), {}), Options((2,), {}), Options((1,), {"a": {2}})),
    ("#0xff00ff", "#0x00ff00"),
    (nn.Linear, nn.Conv2d, Options),
]


@pytest.mark.parametrize("values", APART)
def test_what_differs_has_another_fingerprint(values):
    assert len({fingerprint.of(value) for value in values}) == len(values)


def test_what_is_made_again_has_the_same():
    for values in APART:
        for value in values:
            assert fingerprint.of(copy.deepcopy(value)) == fingerprint.of(value)
    assert fingerprint.of({"a": 1, "b": 2}) == fingerprint.of({"b": 2, "a": 1})
    assert fingerprint.of("<f at 0x7f1122334455>") == fingerprint.of("<f at 0x7f5544332211>")
    assert fingerprint.of(threading.Lock()) == fingerprint.of(threading.Lock())


def test_a_value_of_its_module_that_a_function_uses_is_part_of_it(monkeypatch):
    before = fingerprint.of(scaled), fingerprint.of(raised)
    monkeypatch.setattr(sys.modules[__name__], "FACTOR", 3.0)
    assert fingerprint.of(scaled) != before[0] and fingerprint.of(raised) == before[1]


def test_a_circle_ends():
    first, second = Options((), {}), Options((), {})
    first.more["next"], second.more["next"] = second, first
    assert fingerprint.of(first) == fingerprint.of(second)


def test_where_weights_lie_and_who_trains_them_is_no_part(one_thread):
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    before = fingerprint.of(model)
    assert fingerprint.of(model.eval().requires_grad_(False)) == before
    with torch.no_grad():
        model[0].weight[0, 0] += 1e-7
    assert fingerprint.of(model) != before


def test_the_sources_are_those_of_what_is_imported_beside_them(tmp_path, monkeypatch):
    (tmp_path / "helping.py").write_text("def twice(x):\n    return 2 * x\n")
    (tmp_path / "leaning.py").write_text("import os\nfrom helping import twice\n")
    (tmp_path / "beside.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    import leaning

    try:
        before = fingerprint.sources(leaning)
        (tmp_path / "beside.py").write_text("x = 1\n")
        assert fingerprint.sources(leaning) == before
        (tmp_path / "helping.py").write_text("def twice(x):\n    return 3 * x\n")
        assert fingerprint.sources(leaning) != before
        assert fingerprint.sources(eval("lambda: 1"), 5, print) == fingerprint.sources()
    finally:
        sys.modules.pop("leaning"), sys.modules.pop("helping")
