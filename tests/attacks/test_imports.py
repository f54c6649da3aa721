"""What `import fairlib.attacks` loads: torch, and nothing slow beside it."""

import subprocess
import sys

import pytest

SLOW = {"matplotlib", "pandas", "pyiqa", "scipy", "skimage", "sklearn", "statsmodels", "timm", "torchvision"}


def loaded(module: str) -> set[str]:
    """The top-level packages that a fresh process has loaded after it imported the module."""
    code = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_the_attacks_load_torch_and_nothing_slow_beside_it():
    packages = loaded("fairlib.attacks")
    assert {"fairlib", "torch"} <= packages
    assert not packages & SLOW


@pytest.mark.parametrize("module", ["pandas", "torchvision"])
def test_what_is_loaded_is_seen(module):
    assert module in loaded(module)
