"""The state of a run in one file: tensors and notes as safetensors, written whole or not at all."""

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from fairlib import files


def write(path: Path, tensors: Mapping[str, Tensor], notes: Mapping, **metadata: str) -> None:
    """Write tensors and notes.

    Parameters
    ----------
    path : path
        The file; one that is there is replaced.
    tensors : mapping of str to Tensor
        From any device.
    notes : mapping
        JSON values.
    **metadata : str
        What other programs may want to read, beside the notes.
    """
    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with files.replacing(Path(path)) as partial:
        save_file(kept, partial, metadata={**metadata, "notes": json.dumps(notes)})


def read(path: Path, origin: str) -> tuple[dict[str, Tensor], dict]:
    """Read tensors and notes.

    Parameters
    ----------
    path : path
        The file.
    origin : str
        The call that makes such a file, to be named where there is none.

    Returns
    -------
    tensors : dict of str to Tensor
        On the CPU.
    notes : dict
        The metadata among them.

    Raises
    ------
    FileNotFoundError
        Where there is no file.
    ValueError
        For a file that is not whole.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no checkpoint at {path}; make one with {origin}")
    try:
        with safe_open(path, framework="pt") as stream:
            metadata = stream.metadata() or {}
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 - no dict
        notes = json.loads(metadata.pop("notes", "{}"))
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{path} is not a whole safetensors file ({error}); delete it, and make it again with {origin}"
        ) from error
    return tensors, metadata | notes


def same_run(path: Path, before: Mapping, run: Mapping) -> None:
    """Refuse to go on from another run's state.

    Parameters
    ----------
    path : path
        Where the state lies.
    before : mapping
        The settings that it was written with.
    run : mapping
        The settings of this run.

    Raises
    ------
    ValueError
        Where a setting of this run was another, with the names of all of them.
    """
    changed = [f"{key} was {before.get(key)!r}, is {run[key]!r}" for key in run if before.get(key) != run[key]]
    if changed:
        raise ValueError(
            f"{path} belongs to another run ({'; '.join(changed)}); delete it, or name another place for this one"
        )
