"""What the tests of the audit share: a few small images, a model that sees their colour, the command as typed."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fairlib import __main__, geography

COUNTRIES = {"India": (8, 4), "Peru": (9, 5), "Brazil": (7, 5), "Germany": (10, 9), "Norway": (8, 8), "USA": (1, 1)}
MODULE = """
import torch

class Colour(torch.nn.Module):
    calls, interrupt = 0, None

    def forward(self, x):
        assert 0 <= x.min() and x.max() <= 1 and x.shape[1:] == (3, 16, 16)
        Colour.calls += len(x)
        if Colour.interrupt is not None and Colour.calls > Colour.interrupt:
            raise KeyboardInterrupt
        return x.mean((2, 3)) * {sign}

def make():
    return Colour()

def longer():
    class Longer(Colour):
        def forward(self, x):
            return torch.cat((super().forward(x), torch.zeros(len(x), 1)), 1)
    return Longer()

def behind():
    class Behind(Colour):
        def forward(self, x):
            return torch.cat((torch.zeros(len(x), 1), super().forward(x)), 1)
    return Behind()

def small():
    return torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())

def narrow():
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 16 * 16, 2))

def large():
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 3))

def flat():
    return torch.nn.Flatten(0)

def lost():
    class Lost(Colour):
        def forward(self, x):
            return super().forward(x) / 0
    return Lost()

def text():
    return "a model"

def late():
    class Late(Colour):
        def forward(self, x):
            return {"grey": super().forward(x)}["grey" if (x == 0.5).all() else "logits"]
    return Late()

def single():
    return torch.nn.Sequential(Colour(), torch.nn.Linear(3, 1))

def leaving():
    class Leaving(Colour):
        def forward(self, x):
            raise SystemExit(1)
    return Leaving()

def listed():
    class Applied(Colour):
        def __init__(self):
            super().__init__()
            self.function, self.names = lambda x: x, {"india", "peru", "chile"}
        def extra_repr(self):
            return f"{self.function} {id(self)} {self.names}"
        def forward(self, x):
            return self.function(super().forward(x))
    return Applied()

def unmade():
    raise OSError("no disk")

def eager(x):
    return Colour()

ready = Colour()

def wrapped():
    class Output:
        def __init__(self, logits):
            self.logits = logits
    class Wrapped(Colour):
        def forward(self, x):
            return Output(super().forward(x))
    return Wrapped()

def marked(mark=1.0):
    class Marked(Colour):
        def __init__(self):
            super().__init__()
            self.register_buffer("mark", torch.tensor(mark), persistent=False)
        def get_extra_state(self):
            return {"kept": True}
        def set_extra_state(self, state):
            pass
    return Marked()
"""


def run(*options: str, model: str = "own_model:make", out: str = "report") -> int:
    """The command as a user types it: its exit status."""
    argv = ["fairlib", "audit", "set/manifest.csv", "--model", model, "--out", out, "--size", "16", *options]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", argv)
        return __main__.main()


def report_at(out: str = "report") -> dict:
    return json.loads(Path(f"{out}.json").read_text())


def expected() -> pd.DataFrame:
    codes = geography.match(COUNTRIES)[0]
    table = pd.DataFrame(COUNTRIES.values(), [codes[c] for c in COUNTRIES], columns=["n", "right"])
    return table.assign(accuracy=table["right"] / table["n"], log_gdp=np.log(geography.gdp()[table.index]))


def colour():
    return sys.modules["own_model"].Colour
