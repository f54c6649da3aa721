"""What importing the numbers of fairness, and the countries, loads besides: nothing that they do not need."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"torch", "torchvision", "matplotlib", "seaborn", "PIL", "babel", "pycountry"}


def loaded(program: str) -> set[str]:
    """The top-level packages in memory after a program has run in a Python of its own."""
    command = f"import sys\n{program}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(run.stdout.split())


@pytest.mark.parametrize("module", ["fairness", "geography", "checks", "intervals"])
def test_an_import_loads_no_torch_and_nothing_that_draws(module):
    assert not loaded(f"import fairlib.{module}") & HEAVY


def test_a_table_is_tested_without_torch():
    program = """
import pandas as pd
from fairlib import fairness, geography
shares = geography.shares().head(4)
answers = [True, False, True, True, False, True, True, True]
table = fairness.country_table([*shares.index, *shares.index], answers, shares["log_gdp"])
assert fairness.permutation(table)[0] > 0
for method in fairness.METHODS:
    fairness.power(table, [0.1], methods=[method], worlds=5)
geography.match(["Peru"])
"""
    assert not loaded(program) & {"torch", "torchvision", "matplotlib", "seaborn"}


def test_the_test_would_see_torch():
    assert "torch" in loaded("from fairlib import geography\ngeography.stamps(0)")
