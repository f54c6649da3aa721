"""What the world does to a run: kill -9 at any line, flipped bytes, full and read-only disks, locales, wrong clocks.

A run that was killed, or that had no room, goes on to the same result; a file that is not right is named. Namespaces of
Linux stand in for a small disk and for a machine without a network, where this machine allows them.
"""

import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fairlib import __main__, attacks, checkpoints, dro, files, runtime, training
from fairlib.dro import store

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = str(ROOT / "fairlib") + os.sep
MODEL = (
    "import torch\n\ndef make():\n    return torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())\n"
)


def traced(call: Callable[[], object], at: float = math.inf) -> int:
    """Do something, and say how many lines of the package that ran; at so many this process gets kill -9."""
    lines = 0

    def line(frame, event, argument):
        nonlocal lines
        lines += event == "line"
        if lines >= at:
            os.kill(os.getpid(), signal.SIGKILL)
        return line

    before = sys.gettrace()
    sys.settrace(lambda frame, event, argument: line if frame.f_code.co_filename.startswith(PACKAGE) else None)
    try:
        call()
    finally:
        sys.settrace(before)
    return lines


def killed(call: Callable[[], object], at: float) -> bool:
    """Whether a process of its own that does something is killed on the way."""
    if not (pid := os.fork()):
        try:
            traced(call, at)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert status in (0, signal.SIGKILL)
    return status == signal.SIGKILL


def killed_at_random(
    call: Callable[[Path], object], same: Callable[[Path, Path], None], folder: Path, trials: int
) -> None:
    """Do something without a break, and with kills at random lines, then to its end: it is the same."""
    call(folder / "warm")
    lines, rng = traced(partial(call, folder / "whole")), random.Random(0)
    for trial in range(trials):
        other = folder / f"killed{trial}"
        assert killed(partial(call, other), rng.randrange(1, int(0.9 * lines)))
        killed(partial(call, other), rng.randrange(1, lines // 2))
        call(other)
        same(folder / "whole", other)


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")


def same_state(one: Path, other: Path) -> None:
    """Two folders' checkpoints hold the same bits and notes; the order of a file's header is its writer's."""
    (tensors, notes), (others, other_notes) = (
        checkpoints.read(path / "state.safetensors", "") for path in (one, other)
    )
    assert tensors.keys() == others.keys() and all(torch.equal(tensors[name], others[name]) for name in tensors)
    assert notes == other_notes


def fitted(folder: Path, x: torch.Tensor, y: torch.Tensor) -> None:
    model, split = training.initialised("FullyConnected", seed=0), (x[:100], y[:100], x[100:], y[100:])
    path, options = folder / "state.safetensors", {"epochs": 6, "stop_at": None, "shuffle": runtime.generator(9)}
    training.fit(model, *split, **options, checkpoint=path)


@forks
@pytest.mark.usefixtures("one_thread")
def test_a_training_killed_at_any_line_ends_with_the_same_bits(digits, tmp_path):
    killed_at_random(lambda folder: fitted(folder, *digits), same_state, tmp_path, trials=8)


def robust(folder: Path, x: torch.Tensor, y: torch.Tensor) -> None:
    generator = runtime.generator(4)
    attack = partial(attacks.random_sign, eps=0.1, generator=generator)
    model = training.initialised("FullyConnected", seed=0).eval()
    dro.adversarial_data(model, x, y, attack=attack, lr=0.01, generator=generator, batch_size=8, folder=folder)


@forks
@pytest.mark.usefixtures("one_thread")
def test_algorithm_2_killed_at_any_line_ends_with_the_same_bytes(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "SECONDS_BETWEEN_SAVES", -1)  # after each batch
    x, y = (part[:40] for part in digits)

    def same(whole: Path, other: Path) -> None:
        assert (whole / "images.npy").read_bytes() == (other / "images.npy").read_bytes()
        same_state(whole, other)

    killed_at_random(lambda folder: robust(folder, x, y), same, tmp_path, trials=8)


@pytest.fixture
def house(tmp_path, monkeypatch) -> Path:
    """A folder with images of noise in two countries, their manifest and a model; the working directory."""
    rng, lines = np.random.default_rng(0), ["path,label,country"]
    for i in range(24):
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(tmp_path / f"{i}.png")
        lines.append(f"{i}.png,{rng.integers(3)},{('Peru', 'Türkiye', 'Côte d’Ivoire', 'NOR')[i % 4]}")
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "own.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("FAIRLIB_DEVICE", "cpu")
    yield tmp_path
    sys.modules.pop("own", None)


def audit(out: str) -> list[str]:
    options = ["--model", "own:make", "--size", "16", "--batch-size", "4", "--out", f"{out}/report"]
    return ["fairlib", "audit", "manifest.csv", *options]


def written(folder: Path) -> dict[str, bytes]:
    """What an audit left, but for when, where and how long."""
    kept = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".csv", ".jsonl")}
    assert len(kept) == 5
    return kept


def audited(folder: Path) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", audit(folder.name))
        return __main__.main()


@forks
@pytest.mark.usefixtures("one_thread")
def test_an_audit_killed_at_any_line_ends_with_the_same_bytes(house, capfd):
    def same(whole: Path, other: Path) -> None:
        assert written(whole) == written(other)

    killed_at_random(audited, same, house, trials=2)


@pytest.mark.usefixtures("one_thread")
def test_a_clock_that_is_set_back_changes_nothing(house, digits, monkeypatch, capsys):
    """Each look at the time is an hour earlier; the pictures are from the future."""
    assert audited(house / "whole") in (0, 3)
    fitted(house / "before", *digits)
    hours = iter(range(10**9))
    monkeypatch.setattr(time, "time", lambda: 1e9 - 3600 * next(hours))
    shutil.copytree(house / "whole", house / "back")
    for path in [house / f"{i}.png" for i in range(12)]:
        os.utime(path, (4e9, 4e9))
    capsys.readouterr()
    assert audited(house / "back") in (0, 3)
    assert "12 images were classified before." in capsys.readouterr().out  # those whose files look the same
    tables = {name: table for name, table in written(house / "whole").items() if name.endswith(".csv")}
    assert tables.items() <= written(house / "back").items()
    fitted(house / "after", *digits)
    same_state(house / "before", house / "after")


def test_one_flipped_byte_is_found_in_each_file_of_the_book(own_data):
    rng, seen = random.Random(0), 0
    for name in files.listed():
        path = own_data / name
        if not path.is_file():
            continue  # unpacked from another of them
        content = bytearray(path.read_bytes())
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.unlink()
        path.write_bytes(content)
        with pytest.raises(ValueError) as caught:
            files.checked(name)
        assert f"{path} is truncated or altered" in str(caught.value)
        seen += 1
    assert seen > 70


def typed(*words: str, within: tuple[str, ...] = (), **environment: str) -> subprocess.CompletedProcess:
    """A command in a process of its own."""
    own = {"PYTHONPATH": f"{ROOT}{os.pathsep}.", "FAIRLIB_DEVICE": "cpu", "OMP_NUM_THREADS": "1", "FAIRLIB_QUIET": "1"}
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHON"))} | own | environment
    return subprocess.run([*within, sys.executable, *words], capture_output=True, env=variables, timeout=120)


def locales() -> dict[str, dict[str, str]]:
    plain = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    return {"C": plain | {"LC_ALL": "C"}, "Turkish": plain | {"LC_ALL": "tr_TR.UTF-8"}}


def known(locale: str) -> bool:
    command = "import locale; locale.setlocale(locale.LC_ALL, '')"
    return typed("-c", command, **locales()[locale]).returncode == 0


@pytest.mark.parametrize("locale", locales())
def test_an_audit_writes_the_same_in_every_locale(house, locale):
    if not known(locale):
        pytest.skip(f"no {locale} locale on this system")
    done = typed("-m", *audit("other"), **locales()[locale])
    assert audited(house / "whole") == done.returncode, done.stderr
    assert written(house / "whole") == written(house / "other")


@pytest.mark.parametrize("locale", locales())
def test_the_ledger_is_told_in_every_locale(locale, capsys, monkeypatch):
    """In plain ASCII what that has not is a question mark, and nothing else differs."""
    if not known(locale):
        pytest.skip(f"no {locale} locale on this system")
    found = typed("-m", "fairlib", "claims", **locales()[locale])
    monkeypatch.setattr(sys, "argv", ["fairlib", "claims"])
    assert __main__.main() == found.returncode == 0, found.stderr
    encoding = "ascii" if locale == "C" else "utf-8"
    assert found.stdout == capsys.readouterr().out.encode(encoding, "replace")


def isolated(*options: str) -> tuple[str, ...]:
    """What puts a command into namespaces of its own; skips where this machine does not allow it."""
    command = ("unshare", "--map-root-user", *options)
    if not shutil.which("unshare") or subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("no namespaces on this system")
    return command


def test_nothing_asks_for_a_network(house):
    done = typed("-m", *audit("alone"), within=isolated("--net"))
    assert done.returncode in (0, 3), done.stderr
    assert audited(house / "whole") == done.returncode
    assert written(house / "whole") == written(house / "alone")


SMALL = 'mkdir -p small && mount -t tmpfs -o size=16k tmpfs small && exec "$@"'
FULL = """
import sys
from pathlib import Path
from fairlib import data, training, __main__

sys.argv = {audit}
status = __main__.main()
print(status, flush=True)
x, y = data.load("MNIST", "test")
path = Path("small/state.safetensors")
try:
    training.fit(training.initialised("FullyConnected", seed=0), *(x[:64], y[:64], x[64:96], y[64:96]), checkpoint=path)
except Exception as error:
    print(type(error).__name__, error)
print(sorted(p.name for p in path.parent.glob(".*")), path.exists())
"""


def test_a_full_disk_is_named_and_leaves_nothing_half_written(house):
    within = (*isolated("--mount"), "sh", "-c", SMALL, "sh")
    done = typed("-c", FULL.format(audit=audit("small")), within=within)
    status, *said, left = done.stdout.decode().splitlines()
    assert status == "2", done.stderr
    assert "the disk is full: make room, and give the same command again" in done.stderr.decode()
    assert "No space left on device" in said[-1]
    assert left == "[] False"


LOCKED = 'mkdir -p locked && mount -t tmpfs tmpfs locked && mount -o remount,ro locked && exec "$@"'


def test_a_folder_that_is_read_only_is_named(house):
    within = (*isolated("--mount"), "sh", "-c", LOCKED, "sh")
    done = typed("-m", *audit("locked"), within=within)
    assert done.returncode == 2
    assert "nothing can be written at locked/report" in done.stderr.decode()
    assert "Read-only file system" in done.stderr.decode() and "name another --out" in done.stderr.decode()
