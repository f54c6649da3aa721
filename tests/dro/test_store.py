"""D_rob on disk is what it is in memory; another run's, or a damaged one, is refused."""

from functools import partial

import pytest
import torch
from dro.cases import made, uphill

from fairlib import attacks, checkpoints, dro, runtime, training
from fairlib.dro import store

pytestmark = pytest.mark.usefixtures("no_trace")


def test_in_a_folder_it_is_what_it_is_in_memory(digits, tmp_path):
    expected, found = made(digits), made(digits, folder=tmp_path / "rob")
    for part in ("x", "y", "weights"):
        assert torch.equal(getattr(found, part), getattr(expected, part))
    read = dro.load(tmp_path / "rob")
    assert torch.equal(read.x, expected.x)
    read.x.zero_()  # the reader's own copy
    assert torch.equal(dro.load(tmp_path / "rob").x, expected.x)
    assert {path.name for path in (tmp_path / "rob").iterdir()} == {"images.npy", "state.safetensors"}
    assert torch.equal(made(digits, folder=tmp_path / "rob").x, expected.x)  # nothing was left to do


def test_states_are_a_minute_apart(digits, tmp_path, monkeypatch):
    written = []
    write = checkpoints.write

    def noting(path, tensors, notes):
        written.append(notes["attacked"])
        write(path, tensors, notes)

    monkeypatch.setattr(checkpoints, "write", noting)
    made(digits, folder=tmp_path / "quick")
    assert written == [20]
    monkeypatch.setattr(store, "SECONDS_BETWEEN_SAVES", 0)
    made(digits, folder=tmp_path / "slow")
    assert written == [20, 4, 8, 10, 14, 18, 20]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"lr": 0.2}, "lr"),
        ({"iterations": 3}, "shape|iterations"),
        ({"batch_size": 5}, "batch_size"),
        ({"scaling": "raw"}, "scaling"),
        ({"attack": uphill}, "attack"),
        ({"attack": partial(attacks.random_sign, eps=0.2, generator=runtime.generator(0))}, "attack"),
        ({"model": training.initialised("LeNet5", seed=1).eval()}, "data"),
    ],
)
def test_a_folder_of_another_run_is_refused(digits, tmp_path, change, what):
    made(digits, folder=tmp_path)
    with pytest.raises(ValueError, match=f"another run.*({what})|({what}).*another run"):
        made(digits, folder=tmp_path, **change)


def test_a_damaged_folder_is_refused(digits, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"make one with fairlib.dro.adversarial_data\(..., folder=...\)"):
        dro.load(tmp_path / "nothing")
    made(digits, folder=tmp_path)
    images, state = tmp_path / "images.npy", tmp_path / "state.safetensors"
    whole = images.read_bytes()
    for broken in (whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1])):
        images.write_bytes(broken)
        with pytest.raises(ValueError, match="missing, truncated or altered; delete"):
            dro.load(tmp_path)
    images.unlink()
    with pytest.raises(ValueError, match="missing, truncated or altered; delete"):
        dro.load(tmp_path)
    images.write_bytes(whole)
    state.write_bytes(state.read_bytes()[:-10])
    with pytest.raises(ValueError, match="is not a whole safetensors file"):
        dro.load(tmp_path)
