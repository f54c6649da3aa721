"""What a model answers for each image of a manifest, kept in a file from which an interrupted audit goes on."""

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from fairlib import checks, files, fingerprint, geography, listings, pictures, runtime
from fairlib.audit.classifier import Classifier
from fairlib.audit.preparation import Preparation, read_image

CHANGES = {"model": "another model", "size": "another size", "digest": "other weights, code or preparation of images"}


@dataclass(frozen=True)
class Predictions:
    """What a model answered for the rows of a manifest.

    Attributes
    ----------
    predicted : (N,) int64
        Class indices, -1 for an image that could not be read.
    skipped : dict
        Path and reason of each such image.
    resumed : int
        How many answers were known from an earlier run.
    classes : int
        How many classes the model has.
    """

    predicted: np.ndarray
    skipped: dict[str, str]
    resumed: int
    classes: int


def classify(classifier: Classifier, manifest: geography.Manifest, path: Path, *, batch_size: int = 32) -> Predictions:
    """Classify every image of a manifest, and note each answer in a file as soon as it is there.

    The model is first tried on a grey image. Answers that the file has already, of the same model and for an image file
    of the same size and time, are not computed again. Images that cannot be read are skipped, and tried again next
    time.

    Parameters
    ----------
    classifier : Classifier
        The model and the preparation of its images. It is moved to `fairlib.runtime.device()`.
    manifest : fairlib.geography.Manifest
        N rows, as `fairlib.geography.manifest` reads them.
    path : pathlib.Path
        The file: a line of JSON that says what the answers come from, then one per image.
    batch_size : int
        Images at a time.

    Returns
    -------
    Predictions

    Raises
    ------
    ValueError
        For a model that fails, whose output is not (N, classes) of finite numbers, or that has fewer classes than the
        labels need; and for a file of another model, or of somebody else, which is left as it is.
    """
    checks.whole(batch_size, "batch_size")
    rows = manifest.rows
    model = classifier.model.to(runtime.device())
    classes = _classes(model, classifier, manifest)
    known = _resumable(path, {"model": classifier.name, "size": classifier.size, "digest": _digest(classifier)})
    predicted, skipped, stamps = np.full(len(rows), -1), {}, {}
    for i, image in enumerate(rows["path"]):
        stamp = _stamp(manifest, image)
        if stamp and known.get(image, {}).get("stamp") == stamp:
            predicted[i] = known[image]["predicted"]
        else:
            stamps[i] = stamp
    resumed = len(rows) - len(stamps)
    progress = runtime.progress((), "classifying", len(rows))
    with open(path, "a", encoding="utf-8") as stream, pictures.quiet(), progress:
        progress.update(resumed)
        for batch, images in _batches(manifest, list(stamps), classifier.preparation, batch_size, skipped):
            if len(images):
                logits = _logits(model, images, classifier.name)
                if not torch.isfinite(logits).all():
                    raise ValueError(
                        f"{classifier.name} gave numbers that are not finite; it must take pixels in [0, 1]"
                    )
                readable = [i for i in batch if rows["path"][i] not in skipped]
                predicted[readable] = logits.argmax(1).cpu()
                for i in readable:
                    line = {"path": rows["path"][i], "stamp": stamps[i], "predicted": int(predicted[i])}
                    stream.write(json.dumps(line) + "\n")
                stream.flush()
            progress.update(len(batch))
    return Predictions(predicted, skipped, resumed, classes)


def _digest(classifier: Classifier) -> str:
    """Sixteen digits for all that the predictions depend on besides the images.

    That is layers, weights and settings, the code of the layers, of the maker and of what they import beside them, and
    how images are read and prepared.
    """
    own_module = sys.modules.get(classifier.name.partition(":")[0])
    code = fingerprint.sources(
        *{type(layer) for layer in classifier.model.modules()}, *([own_module] if own_module else [])
    )
    reading = Path(pictures.__file__).read_bytes()
    return fingerprint.of(classifier.model, code, reading, classifier.preparation.description)


def _classes(model: nn.Module, classifier: Classifier, manifest: geography.Manifest) -> int:
    """How many classes the model has, as its answer to a grey image shows; enough for the labels, or it is refused."""
    grey = torch.full((1, 3, *classifier.preparation.shape), 0.5)
    classes = _logits(model, grey, classifier.name).shape[1]
    if classes < 2:
        raise ValueError(
            f"{classifier.name} gives one number for an image, so that class 0 is always its answer; expected "
            "(N, classes) with two classes or more: give one logit z of two classes as torch.cat([-z, z], 1)"
        )
    rows = manifest.rows
    highest = rows["labels"].map(max)
    if classes <= highest.max():
        raise ValueError(
            f"{classifier.name} has {classes} classes, but the manifest's labels go up to {highest.max()} (line "
            f"{rows['line'][highest.idxmax()]}); give a model with {highest.max() + 1} classes or more, or labels that "
            "count this model's classes from 0"
        )
    return classes


def _logits(model: nn.Module, images: Tensor, name: str) -> Tensor:
    """The model's answer to a batch, (N, classes); a model that fails or answers otherwise is refused."""
    try:
        with torch.no_grad():
            output = model(images.to(runtime.device()))
    except (Exception, SystemExit) as error:  # whatever the user's code raises
        raise ValueError(
            f"{name} cannot take images of shape {tuple(images.shape)} ({type(error).__name__}: {error}); see --size "
            "and --batch-size"
        ) from error
    if not isinstance(output, Tensor) or output.ndim != 2 or len(output) != len(images):
        shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ValueError(f"{name} gave {shape} for a batch of {len(images)}, expected ({len(images)}, classes)")
    return output


def _batches(
    manifest: geography.Manifest, rows: list[int], preparation: Preparation, batch_size: int, skipped: dict[str, str]
) -> Iterator[tuple[list[int], Tensor]]:
    """Rows and the images (n, 3, *shape) of those that can be read; the others go into `skipped`. Reads ahead."""

    def read(i: int) -> Tensor | str:
        path = manifest.rows["path"][i]
        try:
            return read_image(listings.inside(manifest.folder, path), preparation)
        except Exception as error:  # decoders raise many kinds; one image must not end the audit of the others
            return f"cannot be read: {error}".replace(str((manifest.folder / path).resolve()), path)

    batches = [rows[i : i + batch_size] for i in range(0, len(rows), batch_size)]
    with ThreadPoolExecutor() as pool:
        ahead = [pool.submit(read, i) for i in batches[0]] if batches else []
        for batch, following in zip_longest(batches, batches[1:], fillvalue=[]):
            reading, ahead = ahead, [pool.submit(read, i) for i in following]
            images = []
            for i, future in zip(batch, reading, strict=True):
                image = future.result()
                if isinstance(image, str):
                    skipped[manifest.rows["path"][i]] = image
                else:
                    images.append(image)
            yield batch, torch.stack(images) if images else torch.empty(0, 3, *preparation.shape)


def _stamp(manifest: geography.Manifest, path: str) -> list[int] | None:
    """Size and time of an image file, by which a change is noticed; None where there is no file."""
    try:
        facts = listings.inside(manifest.folder, path).stat()
    except OSError:
        return None
    return [facts.st_size, facts.st_mtime_ns]


def _resumable(path: Path, source: dict[str, object]) -> dict[str, dict]:
    """The answers that `path` holds from the same source, by image; the file then holds these and nothing else."""
    lines = []
    if path.exists():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
            before = {key: json.loads(lines[0])[key] for key in source}
        except (OSError, ValueError, IndexError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is no file of an earlier audit; move it away, or name another --out") from error
        for key, words in CHANGES.items():
            if before[key] != source[key]:
                raise ValueError(
                    f"{path} is of {words} (model {before['model']}, size {before['size']}); name another --out, or "
                    "move it and its report away"
                )
    known = {}
    for line in lines[1:]:
        with suppress(ValueError, KeyError, TypeError):  # the last line of an interrupted run may be half a line
            row = json.loads(line)
            known[row["path"]] = {"path": row["path"], "stamp": row["stamp"], "predicted": int(row["predicted"])}
    with files.replacing(path) as partial:
        partial.write_text("".join(json.dumps(row) + "\n" for row in (source, *known.values())), encoding="utf-8")
    return known
