"""What is written is read again; what is not whole, or another run's, is refused."""

import pytest
import torch
from safetensors.torch import save_file

from fairlib import checkpoints


def test_tensors_and_notes_come_back(tmp_path):
    path = tmp_path / "new" / "state.safetensors"
    tensors = {"w": torch.arange(6.0).view(2, 3).T, "n": torch.tensor([2**40])}  # not contiguous
    checkpoints.write(path, tensors, {"done": 3, "run": {"lr": 0.1}}, network="mine")
    found, notes = checkpoints.read(path, "nothing")
    assert {name: tensor.tolist() for name, tensor in found.items()} == {
        name: tensor.tolist() for name, tensor in tensors.items()
    }
    assert notes == {"done": 3, "run": {"lr": 0.1}, "network": "mine"}


def test_another_programs_file_has_no_notes(tmp_path):
    save_file({"w": torch.zeros(2)}, tmp_path / "theirs.safetensors")
    assert checkpoints.read(tmp_path / "theirs.safetensors", "nothing")[1] == {}


def test_what_is_missing_or_damaged_says_how_to_make_it(tmp_path):
    path = tmp_path / "state.safetensors"
    with pytest.raises(FileNotFoundError, match=r"no checkpoint at .*; make one with f"):
        checkpoints.read(path, "f(path)")
    checkpoints.write(path, {"w": torch.zeros(2)}, {})
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"is not a whole safetensors file .*; delete it, and make it again with f"):
        checkpoints.read(path, "f(path)")


def test_another_run_is_told_by_all_that_differs(tmp_path):
    checkpoints.same_run(tmp_path, {"lr": 0.1, "seed": 3, "more": 1}, {"lr": 0.1, "seed": 3})
    with pytest.raises(ValueError, match=r"another run \(lr was 0.1, is 0.2; seed was None, is 3\); delete it"):
        checkpoints.same_run(tmp_path, {"lr": 0.1}, {"lr": 0.2, "seed": 3})
