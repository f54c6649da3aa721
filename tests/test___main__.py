"""The front door: exit statuses, whatever goes wrong, and what is imported before the command line is understood."""

import os
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from fairlib import __main__

ROOT = Path(__file__).parents[1]
LARGE = {"torch", "torchvision", "pandas", "numpy", "scipy", "statsmodels", "matplotlib", "seaborn", "PIL", "IPython"}
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize(("error", "status"), [("ImportError", 70), ("ValueError", 70), ("KeyboardInterrupt", 130)])
def test_a_package_that_cannot_be_imported_does_not_look_like_a_met_condition(tmp_path, error, status):
    (tmp_path / "numpy.py").write_text(f"raise {error}('broken')\n")
    path = os.pathsep.join((str(tmp_path), str(ROOT)))
    command = [sys.executable, "-m", "fairlib", "audit", "x.csv", "--model", "x", "--out", "x"]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True)
    assert done.returncode == status, done.stderr


@pytest.mark.parametrize("command", [(), ("audit",), ("claims",), ("fetch",), ("observers",)])
def test_the_help_imports_nothing_large(command):
    code = (
        "import sys\nfrom fairlib import __main__\n"
        f"try: __main__.parser().parse_args({[*command, '--help']!r})\n"
        "except SystemExit as end: print('status', end.code)\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT, check=True)
    *_, status, packages = done.stdout.splitlines()
    assert status == "status 0"
    assert "fairlib" in packages.split()
    assert not LARGE & set(packages.split())


@pytest.mark.parametrize(
    ("option", "refusal"),
    [
        ("--paper=x", "argument --paper: invalid choice: 'x' (choose from "),
        ("--chapter=x", "argument --chapter: invalid choice: 'x' (choose from "),
        ("--verdict=x", "argument --verdict: invalid choice: 'x' (choose from "),
    ],
)
def test_what_is_no_choice_is_refused_with_status_2(option, refusal, capsys):
    with pytest.raises(SystemExit, match="2"):
        __main__.parser().parse_args(["claims", option])
    assert refusal in capsys.readouterr().err


@pytest.mark.parametrize(
    ("called", "name"),
    [
        ("/somewhere/fairlib/__main__.py", "python -m fairlib"),
        ("/somewhere/bin/fairness-book", "fairness-book"),
        ("fairness-book.exe", "fairness-book"),
    ],
)
def test_it_goes_by_the_name_that_it_was_called_by(monkeypatch, capsys, called, name):
    monkeypatch.setattr(sys, "argv", [called, "audit", "none.csv", "--model", "x", "--out", "x"])
    assert __main__.main() == 2
    assert capsys.readouterr().err.startswith(f"{name} audit: no manifest at none.csv")
    monkeypatch.setattr(sys, "argv", [called, "--help"])
    with pytest.raises(SystemExit):
        __main__.main()
    assert capsys.readouterr().out.startswith(f"usage: {name} [-h]")


def test_the_installed_command_is_the_same():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"fairness-book": "fairlib.__main__:main"}
    assert EntryPoint("fairness-book", scripts["fairness-book"], "console_scripts").load() is __main__.main
