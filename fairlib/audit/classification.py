"""A model asked for each image of a manifest: read ahead on all cores, in batches that fit the device."""

import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor, nn

from fairlib import checks, fingerprint, geography, listings, pictures, runtime
from fairlib.audit.classifier import Classifier
from fairlib.audit.pace import Pace
from fairlib.audit.predictions import FORMAT, TOP, Predictions, append, joined, resume, stamp
from fairlib.audit.preparation import read_image

BATCH = {"cuda": 256}  # images at a time at first, by the kind of device
BATCH_ELSEWHERE = 8  # whose activations are not given back to the system after each
COMPARED = 500  # images that full precision classifies as well where the precision is mixed


def classify(
    classifier: Classifier,
    manifest: geography.Manifest,
    path: Path,
    *,
    batch_size: int | None = None,
    mixed: bool = False,
    log: Path | None = None,
) -> Predictions:
    """Classify every image of a manifest, and note each answer in a file as soon as it is there.

    The model is first tried on a grey image. Answers that the file has already, of the same model and for an image file
    of the same size and time, are not computed again. Images that cannot be read are skipped, and tried again next
    time.

    Parameters
    ----------
    classifier : Classifier
        The model, which returns logits or log-probabilities (N, classes), and the preparation of its images. It is
        moved to `fairlib.runtime.device()`.
    manifest : fairlib.geography.Manifest
        N rows, as `fairlib.geography.manifest` reads them.
    path : pathlib.Path
        The file: a line of JSON that says what the answers come from, then one per image.
    batch_size : int, optional
        Images at a time; by default 256 on CUDA, 8 elsewhere. It is halved whenever the memory does not suffice.
    mixed : bool
        Compute in half precision where torch thinks it safe; the first 500 images are classified in full as well.
    log : pathlib.Path, optional
        A file that gets a line a minute.

    Returns
    -------
    Predictions

    Raises
    ------
    ValueError
        For a model that fails, whose output is not (N, classes) of finite numbers, or that has fewer classes than the
        labels need; and for a file of another model, or of somebody else, which is left as it is.

    Notes
    -----
    At most two batches of images are in memory at a time, whatever N is.
    """
    device = runtime.device()
    if batch_size is None:
        batch_size = BATCH.get(device.type, BATCH_ELSEWHERE)
    ask = _Asker(classifier, checks.whole(batch_size, "batch_size"), mixed)
    source = {
        "format": FORMAT,
        "model": classifier.name,
        "size": classifier.size,
        "digest": _digest(classifier),
        "mixed": mixed,
        "classes": _classes(ask, classifier, manifest),
        "preparation": classifier.preparation.description,
        "warnings": classifier.warnings(),
    }
    known = resume(path, source, manifest)
    resumed = len(known)
    paths = manifest.rows["path"]
    pending = [i for i, image in enumerate(paths) if image not in known]
    pace = Pace(log, len(paths), resumed) if log else None
    progress = runtime.progress((), "classifying", len(paths))
    with open(path, "a", encoding="utf-8") as stream, pictures.quiet(), progress:
        progress.update(resumed)
        for lines, images in _batches(manifest, pending, classifier, lambda: ask.batch_size):
            answered = [line for line in lines if "reason" not in line]
            if answered:
                compared = sum(line["row"] < COMPARED for line in answered) if mixed else 0
                for line, answer in zip(answered, ask.answers(torch.stack(images), compared), strict=True):
                    line.update(answer)
            for line in lines:
                line.pop("row")
            append(stream, lines)
            progress.update(len(lines))
            if pace:
                pace.advance(len(lines))
    return joined(manifest, [path], resumed)


class _Asker:
    """Asks a model on the device; the batches shrink until they fit into its memory."""

    def __init__(self, classifier: Classifier, batch_size: int, mixed: bool) -> None:
        self.name, self.batch_size = classifier.name, batch_size
        self.model: nn.Module = classifier.model.to(runtime.device())
        self.mixed = mixed

    def logits(self, images: Tensor, *, mixed: bool | None = None) -> Tensor:
        """The model's answer to a batch, (n, classes) float32 on the CPU; one that fails is refused."""
        outputs, start = [], 0
        while start < len(images):
            part = images[start : start + self.batch_size]
            try:
                output = self._forward(part, self.mixed if mixed is None else mixed)
            except (Exception, SystemExit) as error:  # whatever the user's code raises
                if not (_out_of_memory(error) and len(part) > 1):
                    raise ValueError(
                        f"{self.name} cannot take images of shape {tuple(part.shape)} ({type(error).__name__}: "
                        f"{error}); see --size and --batch-size"
                    ) from error
                self.batch_size = len(part) // 2
                print(f"out of memory; going on with {self.batch_size} images at a time", file=sys.stderr)
            else:
                outputs.append(_checked(output, len(part), self.name))
                start += len(part)
        return torch.cat(outputs)

    def _forward(self, images: Tensor, mixed: bool) -> object:
        device = runtime.device()
        half = torch.float16 if device.type == "cuda" else torch.bfloat16
        with torch.no_grad(), torch.autocast(device.type, half) if mixed else nullcontext():
            output = self.model(images.to(device))
            return output.cpu() if isinstance(output, Tensor) else output

    def answers(self, images: Tensor, compared: int) -> list[dict[str, object]]:
        """The top five, and the confidence in the first of them; of the first `compared` the full answer, too."""
        logits = self.logits(images)
        if not torch.isfinite(logits).all():
            raise ValueError(f"{self.name} gave numbers that are not finite; it must take pixels in [0, 1]")
        top = logits.argsort(dim=1, descending=True, stable=True)[:, :TOP]  # of equal numbers the first class
        confidence = logits.double().softmax(1).amax(1)
        answers = [
            {"top": classes, "confidence": round(share, 4)}
            for classes, share in zip(top.tolist(), confidence.tolist(), strict=True)
        ]
        if compared:
            full = self.logits(images[:compared], mixed=False).argmax(1)
            for answer, predicted in zip(answers, full.tolist(), strict=False):
                answer["full"] = predicted
        return answers


def _out_of_memory(error: BaseException) -> bool:
    """Whether a smaller batch may help."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and "memory" in str(error).lower()
    )


def _checked(output: object, images: int, name: str) -> Tensor:
    """A model's output as (n, classes) float32, or it is refused."""
    if not isinstance(output, Tensor) or output.ndim != 2 or len(output) != images:
        shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        inside = "; let its forward return what lies in .logits" if hasattr(output, "logits") else ""
        raise ValueError(f"{name} gave {shape} for a batch of {images}, expected ({images}, classes){inside}")
    return output.float()


def _classes(ask: _Asker, classifier: Classifier, manifest: geography.Manifest) -> int:
    """How many classes the model has, as its answer to a grey image shows; enough for the labels, or it is refused."""
    grey = torch.full((1, 3, *classifier.preparation.shape), 0.5)
    classes = ask.logits(grey).shape[1]
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


def _batches(
    manifest: geography.Manifest, pending: Sequence[int], classifier: Classifier, batch_size: Callable[[], int]
) -> Iterator[tuple[list[dict], list[Tensor]]]:
    """The lines of a batch, and the images of those that can be read; the others say why. Reads a batch ahead."""

    def read(i: int) -> Tensor | str:
        path = manifest.rows["path"][i]
        try:
            return read_image(listings.inside(manifest.folder, path), classifier.preparation)
        except Exception as error:  # decoders raise many kinds; one image must not end the audit of the others
            return f"cannot be read: {error}".replace(str((manifest.folder / path).resolve()), path)

    def begin(i: int) -> tuple[dict, Future]:
        path = manifest.rows["path"][i]
        return {"path": path, "stamp": stamp(manifest, path), "row": i}, pool.submit(read, i)

    remaining = iter(pending)
    with ThreadPoolExecutor() as pool:
        reading = deque(begin(i) for i in islice(remaining, 2 * batch_size()))
        while reading:
            lines, images = [], []
            for _ in range(min(batch_size(), len(reading))):
                line, future = reading.popleft()
                image = future.result()
                lines.append(line | {"reason": image} if isinstance(image, str) else line)
                images += [] if isinstance(image, str) else [image]
                reading.extend(
                    begin(i) for i in islice(remaining, max(0, 2 * batch_size() - len(reading) - len(lines)))
                )
            yield lines, images


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
