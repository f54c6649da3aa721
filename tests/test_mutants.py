"""The tool that plants mutants: what it changes, which tests it asks, and what it says of a test that misses one."""

import ast
import subprocess

import pytest

from tools import mutants

SOURCE = '''\
"""Zero is not positive: 1 > 0."""

LIMIT = 3


def positive(x: int = 0) -> bool:
    """Whether x > 0."""
    if not x:
        raise ValueError(f"{x + 1} is 0")
    return x > 0 and x is not None


class Sum:
    é = "é"

    def of(self, a, b):
        print(a)
        return a + (
            b
        )
'''


def test_each_place_of_a_function_is_changed_and_nothing_that_is_said():
    found = {(m.function, m.what) for m in mutants.mutants("toy.py", SOURCE)}
    assert found == {
        ("positive", "0 -> 1"),
        ("positive", "not x -> not (not x)"),
        ("positive", "not -> (nothing)"),
        ("positive", "x > 0 and x is not None -> None"),
        ("positive", "> -> >="),
        ("positive", "and -> or"),
        ("positive", "is not -> is"),
        ("Sum", "print(a) -> pass"),
        ("Sum", "a + ( b ) -> None"),
        ("Sum", "+ -> -"),
    }


def test_a_change_is_that_of_its_place():
    original = ast.dump(ast.parse(SOURCE))
    source = SOURCE.encode()
    for mutant in mutants.mutants("toy.py", SOURCE):
        changed = source[: mutant.start] + mutant.new.encode() + source[mutant.end :]
        assert ast.dump(ast.parse(changed.decode())) != original, mutant


def test_a_sample_is_its_seeds():
    assert mutants.drawn(5, 3, "attacks/") == mutants.drawn(5, 3, "attacks/") != mutants.drawn(5, 4, "attacks/")
    assert all(m.path.startswith("attacks/") for m in mutants.drawn(50, 3, "attacks/"))
    assert mutants.tests(mutants.drawn(1, 0, "attacks/fgsm.py")[0])[0] == "tests/attacks/test_fgsm.py"


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A repository whose test never asks for 0."""
    root = tmp_path / "root"
    for name, text in {
        "fairlib/__init__.py": "",
        "fairlib/toy.py": "def positive(x):\n    return x > 0\n",
        "fairlib/unasked.py": "def negative(x):\n    return -x\n",
        "tests/test_toy.py": "from fairlib.toy import positive\ndef test(): assert positive(1) and not positive(-1)\n",
        "data/none": "",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    subprocess.run("git init -q && git add -A", shell=True, cwd=root, check=True)
    monkeypatch.setattr(mutants, "ROOT", root)
    return root


def test_survivors_are_named_and_equivalents_are_not_counted(toy, capsys):
    assert mutants.main(["--seed", "0"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "seed 0"
    assert sorted(said[1:-1]) == [
        "no test   fairlib/unasked.py:2 negative: - -> (nothing)",
        "no test   fairlib/unasked.py:2 negative: -x -> None",
        "noticed   fairlib/toy.py:2 positive: 0 -> 1",
        "noticed   fairlib/toy.py:2 positive: x > 0 -> None",
        "survived  fairlib/toy.py:2 positive: > -> >=",
    ]
    assert said[-1].startswith("2 of 5 mutants noticed, a share of 0.40 [0.12, 0.77]; 2 of them in what no test names")
    (toy / "tests" / "equivalent.toml").write_text('[equivalent]\n"toy.py positive: > -> >=" = "nobody asks for 0"\n')
    mutants.main(["--seed", "0", "--only", "toy"])
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.startswith("2 of 2 mutants noticed") and said.endswith("1 more change nothing")
    assert (toy / "fairlib" / "toy.py").read_text().startswith("def positive(x):\n    return x > 0\n")
