"""What several tests share: the site, built once; the shipped networks, and a few official images."""

import os
from pathlib import Path

import pytest
from filelock import FileLock

from tools.render import render

ROOT = Path(__file__).resolve().parents[1]


def pytest_itemcollected(item):
    """A test whose name holds an address is another one in each worker, which ends the whole run of several."""
    if " at 0x" in item.nodeid:
        raise pytest.UsageError(f"{item.nodeid} has an address in its name; give its parameters ids")


@pytest.fixture(scope="session")
def site(tmp_path_factory, worker_id) -> Path:
    """The folder of the site, built as `make html` builds it, by the first worker that asks; a warning is an error."""
    if worker_id == "master":
        return render().parent
    shared = tmp_path_factory.getbasetemp().parent
    with FileLock(shared / "site.lock"):
        if not (shared / "site").exists():
            (shared / "site").write_text(str(render().parent))
    return Path((shared / "site").read_text())


@pytest.fixture(scope="session")
def one_thread():
    """Small tensors are quicker on one thread, above all where something else is running."""
    from fairlib import runtime

    with runtime.threads(1):
        yield


@pytest.fixture(scope="session", params=["FullyConnected", "LeNet5"])
def model(request, one_thread):
    """Each of the two networks that the book ships for MNIST. Shared: a test that changes one copies it first."""
    from fairlib import training

    return training.shipped(request.param, "MNIST")


@pytest.fixture(scope="session")
def digits():
    """The first 200 test images of MNIST and their labels."""
    from fairlib import data

    x, y = data.load("MNIST", "test")
    return x[:200].clone(), y[:200].clone()


@pytest.fixture
def no_trace(one_thread):
    """Fails a test after which torch's global random state, threads or gradient mode differ from before."""
    import torch

    def state():
        random = hash(torch.get_rng_state().numpy().tobytes())
        return {"random": random, "threads": torch.get_num_threads(), "gradients": torch.is_grad_enabled()}

    before = state()
    yield
    assert state() == before


@pytest.fixture
def own_data(tmp_path, monkeypatch) -> Path:
    """A data folder of the test's own: links to the files of the book, to be replaced, and no network to fetch any."""
    import urllib.request
    from urllib.error import URLError

    def unplugged(*args, **kwargs):
        raise URLError("no network in this test")

    folder = tmp_path / "data"
    for source in (ROOT / "data").rglob("*"):
        # Not what was unpacked: unpacking again would write through the link.
        if source.is_file() and source.suffix != ".lock" and not source.name.endswith("-ubyte"):
            link = folder / source.relative_to(ROOT / "data")
            link.parent.mkdir(parents=True, exist_ok=True)
            os.symlink(source, link)
    monkeypatch.setenv("FAIRLIB_DATA", str(folder))
    monkeypatch.setattr(urllib.request, "urlopen", unplugged)
    return folder
