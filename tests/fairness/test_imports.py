"""What the tests of fairness load while they work: no torch, and nothing that draws. (Imports: test_architecture.)"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def loaded(program: str) -> set[str]:
    """The top-level packages in memory after a program has run in a Python of its own."""
    command = f"import sys\n{program}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_countries_are_read_and_tested_without_torch():
    program = """
from fairlib import fairness, geography
shares = geography.shares().head(4)
answers = [True, False, True, True, False, True, True, True]
table = fairness.country_table([*shares.index, *shares.index], answers, shares["log_gdp"])
assert fairness.permutation(table)[0] > 0
fairness.power(table, [0.1], methods=fairness.METHODS, worlds=5)
assert geography.match(["Peru"]) == ({"Peru": "PER"}, {})
"""
    assert not loaded(program) & {"torch", "torchvision", "matplotlib", "seaborn"}


def test_torch_would_be_seen():
    assert "torch" in loaded("from fairlib import geography\ngeography.stamps(0)")
