"""The folder that an audit is run in."""

import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from audited import COUNTRIES, MODULE
from PIL import Image

from fairlib import fairness
from fairlib.audit import command, verdict
from fairlib.audit.report import analyse


@pytest.fixture
def house(tmp_path, monkeypatch, one_thread) -> Path:
    """A folder with images, their manifest, and a module of the user's; the working directory."""
    rng = np.random.default_rng(0)
    (tmp_path / "set" / "images").mkdir(parents=True)
    lines = ["path,label,country"]
    for country, (n, right) in COUNTRIES.items():
        for i in range(n):
            label = int(rng.integers(3))
            picture = rng.integers(0, 60, (20, 24, 3), dtype=np.uint8)
            picture[..., label if i < right else (label + 1) % 3] += 150
            Image.fromarray(picture).save(tmp_path / "set" / "images" / f"{country}{i}.png")
            lines.append(f"images/{country}{i}.png,{label},{country}")
    (tmp_path / "set" / "manifest.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "own_model.py").write_text(MODULE.replace("{sign}", "1"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("FAIRLIB_DEVICE", "cpu")
    monkeypatch.setattr(command, "analyse", partial(analyse, worlds=50))  # quicker
    monkeypatch.setattr(verdict, "LEAST", fairness.Least(1, 3, 1, 1, 0.0))  # the sample is small
    yield tmp_path
    sys.modules.pop("own_model", None)
