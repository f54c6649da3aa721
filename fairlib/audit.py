"""Is a model as accurate on the images of poor countries as on those of rich ones? The tests of the book on a user's
images.

`python -m fairlib audit MANIFEST --model NAME --out REPORT` classifies the images that a manifest names
(`fairlib.geography.manifest`), and writes `REPORT.html`, which works offline, and `REPORT.json`. What the model said
about each image is kept in `REPORT.predictions.jsonl`, so that an interrupted audit goes on where it was.
"""

import argparse
import importlib
import json
import math
import operator
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from filelock import FileLock, Timeout
from PIL import Image
from torch import Tensor, nn
from torchvision.models import WeightsEnum
from torchvision.transforms import Compose, Normalize

from fairlib import (
    audit_page,
    checks,
    evaluation,
    fairness,
    files,
    fingerprint,
    geography,
    listings,
    models,
    pictures,
    runtime,
)

SIZE = 224  # pixels, for a model that does not say
POWER, WORLDS = 0.8, 1_000
STEEPEST = 1.0  # accuracy per unit of log GDP: from none right to all right within a factor e of wealth
MOVED = {-1: "are they counted from 1?", 1: "does the model have a class of its own in front, such as background?"}
CHANGED = {"model": "another model", "size": "another size", "digest": "other weights, code or preparation of images"}
JSON_NAMES = {"standard_error": "se", "degrees_of_freedom": "df", "p_value": "p"}  # as the report has them
FAILED = 1  # exit status where a condition of --fail-if is met


# --- The model. -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Preparation:
    """How an upright image in RGB becomes (3, *shape) float32 pixels in [0, 1]: by `apply`, which `told` puts in words.

    short: pixels of its short side before the middle is cut out.
    """

    shape: tuple[int, int]
    short: int
    told: str
    apply: Callable[[Image.Image], Tensor]


def usual(size: int) -> Preparation:
    """The short side to 256/224 of `size` (bicubic), the middle cut out: for weights that do not say."""
    short = round(size * pictures.MARGIN)
    return Preparation(
        (size, size), short, _cut(short, (size, size), "bicubic"), partial(pictures.cut, short=short, size=size)
    )


def _cut(short: int, shape: tuple[int, int], interpolation: str) -> str:
    return f"short side to {short} pixels ({interpolation}), middle {shape[0]} x {shape[1]} cut out"


@dataclass(frozen=True)
class Classifier:
    """A model in evaluation mode, (N, 3, *shape) pixels in [0, 1] -> (N, classes), what it was called, and how images
    are prepared for it. asked: the side in pixels that its weights ask for, if they do."""

    name: str
    model: nn.Module
    preparation: Preparation
    asked: int | None = None

    @property
    def size(self) -> int:
        return self.preparation.shape[-1]

    def warnings(self) -> list[str]:
        """What speaks against the size, in sentences; most often nothing."""
        if self.asked in (None, self.size):
            return []
        return [
            f"The images are prepared with {self.size} pixels a side, but the weights of {self.name} ask for "
            f"{self.asked}, and may be less accurate at another size; leave out --size to follow them."
        ]


# A network that takes pixels in [0, 1], the side that its weights ask for, and the preparation for a side.
Found = tuple[nn.Module, int | None, Callable[[int], Preparation]]


def classifier(name: str, size: int | None = None) -> Classifier:
    """The model that `name` stands for, ready to classify.

    A name with a colon, `module:function`, is the user's own: the function is imported (from the working directory,
    too) and called without arguments. Else it is one of the book's pretrained models, or a name from torchvision or
    timm, with the weights that these call their default, from their cache or a network; its images are prepared as the
    preset of these weights says, others as `usual` does. `size`: the side of the images, by default what the weights
    were made for, or 224; a preset's other lengths change in proportion. Raises ValueError for a name that nobody
    knows, a network without classes, a function that fails or returns no module, or a size below 1; FileNotFoundError
    for weights that cannot be had.
    """
    if size is not None and size < 1:
        raise ValueError(f"size is {size}, expected 1 pixel or more")
    model, asked, prepare = (_own if ":" in name else _pretrained)(name)
    return Classifier(name, model.eval().requires_grad_(False), prepare(size or asked or SIZE), asked)


def _own(name: str) -> Found:
    module, _, function = name.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        model = getattr(importlib.import_module(module), function)()
    except (Exception, SystemExit) as error:  # whatever the user's code raises
        raise ValueError(
            f"the model {name} cannot be made ({_told(error)}); expected module:function, a function without arguments "
            "in a module of the current folder or of PYTHONPATH"
        ) from error
    if not isinstance(model, nn.Module):
        raise ValueError(f"{name}() returned a {type(model).__name__}, expected a torch.nn.Module")
    return model, None, usual


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _pretrained(name: str) -> Found:
    if found := _book(name):  # which says itself what to do about weights that are missing
        return found
    try:
        return _torchvision(name) or _timm(name)
    except (OSError, RuntimeError) as error:  # no network; timm's word for a network that nobody has trained
        raise FileNotFoundError(
            f"the weights of {name} could not be had ({error}); try again with a network, or give a model of your own "
            "as module:function"
        ) from error


def _book(name: str) -> Found | None:
    own = {re.sub(r"\W|_", "", known).lower(): known for known in models.PRETRAINED}
    known = own.get(re.sub(r"\W|_", "", name).lower())
    if known is None:
        return None
    if known == "ResNet-50":
        from torchvision.models import ResNet50_Weights

        return models.pretrained(known), *_preset(ResNet50_Weights.IMAGENET1K_V1)
    return models.pretrained(known), SIZE, usual


def _torchvision(name: str) -> Found | None:
    from torchvision.models import get_model, get_model_weights, list_models

    if name not in list_models(module=importlib.import_module("torchvision.models")):
        return None
    weights = get_model_weights(name).DEFAULT
    preset = weights.transforms()
    return models.Normalised(get_model(name, weights=weights), preset.mean, preset.std), *_preset(weights)


def _preset(weights: WeightsEnum) -> tuple[int, Callable[[int], Preparation]]:
    """The side that weights of torchvision ask for, and the preparation that they come with, less the normalisation,
    which is inside the model."""
    preset = weights.transforms()
    (side,), (short,) = preset.crop_size, preset.resize_size

    def prepare(size: int) -> Preparation:
        resized = round(short * size / side)
        apply = weights.transforms(crop_size=size, resize_size=resized, mean=(0, 0, 0), std=(1, 1, 1))
        told = _cut(resized, (size, size), f"{preset.interpolation.value}{', antialiased' * bool(preset.antialias)}")
        return Preparation((size, size), resized, f"{told}: the preset of {weights}", apply)

    return side, prepare


def _timm(name: str) -> Found:
    with suppress(ImportError):
        import timm

        if timm.is_model(name):
            network = timm.create_model(name, pretrained=True)
            if not network.num_classes:
                raise ValueError(
                    f"{name} has no classes, it gives features; name a network that was trained to classify"
                )
            config = timm.data.resolve_model_data_config(network)
            model = models.Normalised(network, config["mean"], config["std"])
            return model, config["input_size"][-1], partial(_as_timm_says, config)
    raise ValueError(
        f"no model is called {name!r}; expected {', '.join(models.PRETRAINED)}, a classifier of torchvision, one of "
        "timm where that is installed, or module:function"
    )


def _as_timm_says(config: dict, size: int) -> Preparation:
    """timm's own preparation, less the normalisation, which is inside the model."""
    import timm

    channels, *shape = config["input_size"]
    if size != shape[-1]:
        shape = [size, size]
    steps = timm.data.create_transform(**config | {"input_size": (channels, *shape)}, is_training=False).transforms
    if not isinstance(steps[-1], Normalize):
        raise ValueError(f"timm prepares images with {steps}, expected to end with the normalisation; install timm 1")
    lengths = [math.floor(side / config["crop_pct"]) for side in shape]
    how = {
        "squash": f"squashed to {lengths[0]} x {lengths[1]} pixels ({config['interpolation']}), "
        f"middle {shape[0]} x {shape[1]} cut out",
        "border": f"made to fit into {lengths[0]} x {lengths[1]} pixels ({config['interpolation']}), with a border to "
        f"{shape[0]} x {shape[1]}",
    }
    told = how.get(config["crop_mode"], _cut(min(lengths), tuple(shape), config["interpolation"]))
    return Preparation(tuple(shape), min(lengths), f"{told}: timm's configuration of the weights", Compose(steps[:-1]))


# --- The images. ------------------------------------------------------------------------------------------------------


def pixels(path: Path, preparation: Preparation) -> Tensor:
    """An image file as (3, *shape) float32 in [0, 1]: upright and in RGB (`fairlib.pictures.upright`), then prepared.

    Raises what that raises, and ValueError for an image that becomes too large as it is resized.
    """
    image = pictures.upright(path)
    if preparation.short**2 * max(image.size) / min(image.size) > pictures.LARGEST:
        raise ValueError(f"{image.width} x {image.height} pixels are too narrow; cut the image")
    return preparation.apply(image)


@dataclass(frozen=True)
class Predictions:
    """What was found for each row of a manifest: `predicted` (N,), -1 where it was not, and `skipped`, path and
    reason; how many were known before, and how many `classes` the model has."""

    predicted: np.ndarray
    skipped: dict[str, str]
    resumed: int
    classes: int


def classify(given: Classifier, manifest: geography.Manifest, kept: Path, *, batch_size: int = 32) -> Predictions:
    """Classify every image of a manifest; what is found is appended to the file `kept`, one line per image.

    Lines that are there already, for the same model and an image file of the same size and time, are not computed
    again. Images that cannot be read are skipped and tried again next time. The model is first tried on a grey image.
    Raises ValueError for a model that fails, whose output is not (N, classes) of finite numbers, or that has fewer
    classes than the labels need, and for a file of another model, which is left as it is.
    """
    checks.whole(batch_size, "batch_size")
    rows, skipped = manifest.rows, {}
    model = given.model.to(runtime.device())
    classes = _answers(model, torch.full((1, 3, *given.preparation.shape), 0.5), given.name).shape[1]
    if classes < 2:
        raise ValueError(
            f"{given.name} gives one number for an image, so that class 0 is always its answer; expected (N, classes) "
            "with two classes or more: give one logit z of two classes as torch.cat([-z, z], 1)"
        )
    highest = rows["labels"].map(max)
    if classes <= highest.max():
        raise ValueError(
            f"{given.name} has {classes} classes, but the manifest's labels go up to {highest.max()} (line "
            f"{rows['line'][highest.idxmax()]}); give a model with {highest.max() + 1} classes or more, or labels that "
            "count this model's classes from 0"
        )
    known = _kept(kept, {"model": given.name, "size": given.size, "digest": _digest(given)})
    predicted, stamps = np.full(len(rows), -1), {}
    for i, path in enumerate(rows["path"]):
        stamp = _stamp(manifest, path)
        if stamp and known.get(path, {}).get("stamp") == stamp:
            predicted[i] = known[path]["predicted"]
        else:
            stamps[i] = stamp
    resumed = len(rows) - len(stamps)
    bar = runtime.progress((), "classifying", len(rows))
    with open(kept, "a", encoding="utf-8") as stream, pictures.quiet(), bar:
        bar.update(resumed)
        for batch, images in _batches(manifest, list(stamps), given.preparation, batch_size, skipped):
            if len(images):
                output = _answers(model, images, given.name)
                if not torch.isfinite(output).all():
                    raise ValueError(f"{given.name} gave numbers that are not finite; it must take pixels in [0, 1]")
                read = [i for i in batch if rows["path"][i] not in skipped]
                predicted[read] = output.argmax(1).cpu()
                for i in read:
                    line = {"path": rows["path"][i], "stamp": stamps[i], "predicted": int(predicted[i])}
                    stream.write(json.dumps(line) + "\n")
                stream.flush()
            bar.update(len(batch))
    return Predictions(predicted, skipped, resumed, classes)


def _batches(
    manifest: geography.Manifest, todo: list[int], preparation: Preparation, batch_size: int, skipped: dict[str, str]
) -> Iterator[tuple[list[int], Tensor]]:
    """Rows and the images (n, 3, *shape) of those that can be read; the others go into `skipped`. Reads ahead."""

    def read(i: int) -> Tensor | str:
        path = manifest.rows["path"][i]
        try:
            return pixels(listings.inside(manifest.folder, path), preparation)
        except Exception as error:  # decoders raise many kinds; one image must not end the audit of the others
            return f"cannot be read: {error}".replace(str((manifest.folder / path).resolve()), path)

    batches = [todo[i : i + batch_size] for i in range(0, len(todo), batch_size)]
    with ThreadPoolExecutor() as pool:
        ahead = [pool.submit(read, i) for i in batches[0]] if batches else []
        for batch, following in zip_longest(batches, batches[1:], fillvalue=[]):
            reading, ahead = ahead, [pool.submit(read, i) for i in following]
            found = [future.result() for future in reading]
            skipped |= {manifest.rows["path"][i]: f for i, f in zip(batch, found, strict=True) if isinstance(f, str)}
            images = [f for f in found if isinstance(f, Tensor)]
            yield batch, torch.stack(images) if images else torch.empty(0, 3, *preparation.shape)


def _answers(model: nn.Module, images: Tensor, name: str) -> Tensor:
    try:
        with torch.no_grad():
            output = model(images.to(runtime.device()))
    except (Exception, SystemExit) as error:  # whatever the user's code raises
        raise ValueError(
            f"{name} cannot take images of shape {tuple(images.shape)} ({_told(error)}); see --size and --batch-size"
        ) from error
    if not isinstance(output, Tensor) or output.ndim != 2 or len(output) != len(images):
        shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ValueError(f"{name} gave {shape} for a batch of {len(images)}, expected ({len(images)}, classes)")
    return output


def _stamp(manifest: geography.Manifest, path: str) -> list[int] | None:
    try:
        facts = listings.inside(manifest.folder, path).stat()
    except OSError:
        return None
    return [facts.st_size, facts.st_mtime_ns]


def _digest(given: Classifier) -> str:
    """What the predictions depend on besides the images: layers, weights and settings, the code of the layers, of the
    maker and of what they import beside them, and how images are read and prepared."""
    own = sys.modules.get(given.name.partition(":")[0])
    code = fingerprint.sources(*{type(layer) for layer in given.model.modules()}, *([own] if own else []))
    reading = Path(pictures.__file__).read_bytes()
    return fingerprint.of(given.model, code, reading, given.preparation.told)


def _kept(path: Path, run: dict) -> dict[str, dict]:
    """What `path` holds from the same run, by image; the file then holds that and nothing else."""
    lines = []
    if path.exists():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
            before = {key: json.loads(lines[0])[key] for key in run}
        except (OSError, ValueError, IndexError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is no file of an earlier audit; move it away, or name another --out") from error
        if changed := [words for key, words in CHANGED.items() if before[key] != run[key]]:
            raise ValueError(
                f"{path} is of {changed[0]} (model {before['model']}, size {before['size']}); name another --out, or "
                "move it and its report away"
            )
    found = {}
    for line in lines[1:]:
        with suppress(ValueError, KeyError, TypeError):  # the last line of an interrupted run may be half a line
            row = json.loads(line)
            found[row["path"]] = {"path": row["path"], "stamp": row["stamp"], "predicted": int(row["predicted"])}
    with files.replacing(path) as partial:
        partial.write_text("".join(json.dumps(row) + "\n" for row in (run, *found.values())), encoding="utf-8")
    return found


# --- The numbers. -----------------------------------------------------------------------------------------------------


def report(table: pd.DataFrame, *, worlds: int = WORLDS, seed: int = 0) -> dict:
    """Everything that is said about a country table (`fairlib.fairness.country_table`, with a `name`), as JSON values.

    `slope`: the paper's regression. `tests`: that and the alternatives. `permutation`: p and its Monte-Carlo interval.
    `effect`: what the slope amounts to, with the slope's interval where it is a multiple of it. `influence`: the slope
    without each country. `power`: see `could_have_found`. Raises ValueError for a table without a slope.
    """
    main = fairness.slope(table)
    tests = [fairness.slope(table, method) for method in fairness.METHODS]
    p, low, high = fairness.permutation(table, seed=seed)
    scales = {"doubling": math.log(2), "gap": np.ptp(table["log_gdp"])}
    bounds = {f"{name}_{end}": scale * getattr(main, end) for name, scale in scales.items() for end in ("low", "high")}
    overall = fairness.overall(table)
    carried = fairness.influence(table).rename(columns=JSON_NAMES) if len(table) > 3 else pd.DataFrame()
    reach = 8 * max(main.standard_error, 1e-3)
    return {
        "slope": _fields(main) | {"F": main.F},
        "tests": [_fields(test) for test in tests],
        "permutation": {"p": p, "low": low, "high": high},
        "effect": fairness.effect_sizes(table) | bounds,
        "accuracy": overall["accuracy"],
        "accuracy_low": overall["low"],
        "accuracy_high": overall["high"],
        "countries": table.reset_index(names="country").to_dict("records"),
        "influence": carried.reset_index(names="country").to_dict("records"),
        "power": could_have_found(table, math.sqrt(tests[-1].tau2), reach, worlds=worlds, seed=seed),
    }


def _fields(test: fairness.Slope) -> dict:
    """A test's fields under the names that the report has for them."""
    return {JSON_NAMES.get(name, name): value for name, value in asdict(test).items()}


def could_have_found(table: pd.DataFrame, tau: float, reach: float, *, worlds: int, seed: int) -> dict:
    """How often the paper's test would find slopes of some sizes with a table's n_i and GDPs, the countries differing
    from one another by `tau`.

    `curve`: shares of simulated worlds, with Wilson intervals, for slopes from 0 to `reach`, which is doubled until 80
    % is passed or it is steeper than any. `detectable`: the slope that is found in 80 % of cases; `detectable_low` and
    `detectable_high` are where the upper and the lower ends of the curve's intervals pass 80 %, its Monte-Carlo
    interval. NaN for one that is not reached.
    """
    while True:
        curve = fairness.power(table, np.linspace(0, reach, 17).tolist(), tau=tau, worlds=worlds, seed=seed)
        found = {
            name: fairness.detectable(curve.assign(share=curve[column]), POWER)
            for name, column in (("detectable", "share"), ("detectable_low", "high"), ("detectable_high", "low"))
        }
        if math.isfinite(found["detectable_high"]) or reach >= STEEPEST:
            break
        reach = min(2 * reach, STEEPEST)
    return (
        {"tau": tau, "worlds": worlds} | found | {"curve": curve[["slope", "share", "low", "high"]].to_dict("records")}
    )


def doubts(predicted: np.ndarray, labels: Sequence[tuple[int, ...]], classes: int) -> list[str]:
    """What speaks against labels (N) being those of the model that gave `predicted` (N,), in sentences; most often
    nothing.

    One for labels that fit better once all are moved by -1 or +1: the 95 % interval of the difference between the two
    accuracies on these images (`fairlib.evaluation.paired`) lies above 0. One for an accuracy whose Wilson interval
    reaches down to chance, the share of classes that are right for an image.
    """
    right = {by: _right(predicted, [[label + by for label in those] for those in labels]) for by in (0, *MOVED)}
    shares = evaluation.with_interval(
        pd.DataFrame({"right": {by: r.sum() for by, r in right.items()}, "n": len(predicted)})
    )
    said = {by: f"{audit_page.number(s['accuracy'])} {audit_page.interval(s)}" for by, s in shares.iterrows()}
    found, best = [], max(MOVED, key=lambda by: right[by].sum())
    gained, lost = (int((right[a] & ~right[b]).sum()) for a, b in ((best, 0), (0, best)))
    if evaluation.paired(gained, lost, len(predicted))[1] > 0:
        found.append(
            f"With {best:+d} added to every label the accuracy would be {said[best]}, not {said[0]}: {MOVED[best]} "
            f"Label 0 must be the first of the model's {classes} classes."
        )
    chance = np.mean([len(set(those)) for those in labels]) / classes
    if shares["low"][0] <= chance:
        found.append(
            f"The accuracy {said[0]} is not above chance, {audit_page.number(chance)}, and a slope says little then; "
            f"are the labels those of the model's {classes} classes?"
        )
    return found


def _right(predicted: np.ndarray, labels: Iterable[Sequence[int]]) -> np.ndarray:
    return np.array([p in those for p, those in zip(predicted, labels, strict=True)])


def jsonable(value: object) -> object:
    """The same with plain Python numbers, and None for what is not finite, which JSON has no word for."""
    if isinstance(value, Mapping):
        return {str(key): jsonable(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


# --- Conditions. ------------------------------------------------------------------------------------------------------

OPERATORS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
QUANTITIES = {
    "slope": lambda found: found["slope"]["slope"],
    "slope_low": lambda found: found["slope"]["low"],
    "slope_high": lambda found: found["slope"]["high"],
    "p": lambda found: found["slope"]["p"],
    "gap": lambda found: found["effect"]["gap"],
    "accuracy": lambda found: found["accuracy"],
    "worst": lambda found: min(row["accuracy"] for row in found["countries"]),
    "skipped": lambda found: found["images"]["skipped"],
}


@dataclass(frozen=True)
class Condition:
    """A comparison of one of `QUANTITIES` with a number."""

    text: str
    quantity: str
    sign: str
    bound: float

    def met(self, found: Mapping) -> bool:
        """Whether it holds for a report. A quantity that has no value meets no condition."""
        value = QUANTITIES[self.quantity](found)
        return value is not None and OPERATORS[self.sign](value, self.bound)


def condition(text: str) -> Condition:
    """`slope_low>0` and the like: a quantity, one of > >= < <=, a number. Nothing else is understood, let alone run."""
    found = re.fullmatch(
        r"\s*([a-z_]+)\s*(>=|<=|>|<)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*", text, re.IGNORECASE
    )
    if not found:
        raise ValueError(f"{text!r} is no condition, expected one like 'slope_low>0', in quotes")
    quantity, sign, bound = found.groups()
    return Condition(text.strip(), checks.one_of(quantity, tuple(QUANTITIES), "quantity"), sign, float(bound))


# --- The command. -----------------------------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line of `python -m fairlib audit`."""
    parser.description = (
        "Classify the images that a CSV file lists, and test whether the model is less accurate on those of poor "
        "countries. An audit that was interrupted goes on when the same command is given again."
    )
    parser.epilog = (
        f"Exit status: 0 if the audit is done, {FAILED} if a condition of --fail-if holds and for nothing else, 2 for "
        "bad input, 70 for a fault in the program, 130 if interrupted."
    )
    parser.add_argument(
        "manifest", type=Path,
        help="a CSV file with the columns path (relative to its folder), label (the class's index, counted "
        "from 0; several that are all right as 582|415) and country (a name or ISO code)",
    )  # fmt: skip
    parser.add_argument(
        "--model", required=True,
        help="efficientnet_lite0, another name from torchvision or timm, or module:function of your own, in a "
        "module that lies in the current folder or on PYTHONPATH; it takes no arguments and returns a torch.nn.Module "
        "from pixels in [0, 1], (N, 3, size, size), to (N, classes)",
    )  # fmt: skip
    parser.add_argument(
        "--out", required=True, type=Path,
        help="where to write: OUT.html and OUT.json, the report, and OUT.predictions.jsonl, from which it goes on; "
        "another OUT for each model",
    )  # fmt: skip
    parser.add_argument(
        "--size", type=int, help="side of the images in pixels (default: what the weights ask for, or 224)"
    )
    parser.add_argument("--batch-size", type=int, default=32, help="images at a time (default: 32)")
    parser.add_argument("--gdp", choices=geography.SOURCES, default=geography.SOURCES[0], help="source of GDP per head")
    parser.add_argument("--year", type=int, default=2019, help="year of the World Bank's figures (default: 2019)")
    parser.add_argument(
        "--fail-if", action="append", default=[], metavar="CONDITION",
        help=f"status {FAILED} if it holds; of {', '.join(QUANTITIES)}; may be repeated. Best 'slope_low>0', which "
        "holds where rich countries lead beyond chance; slope>0.02 looks at the estimate alone. Quote it: to a shell > "
        "names a file to write",
    )  # fmt: skip


@contextmanager
def _places(out: Path) -> Iterator[dict[str, Path]]:
    """The files of a report, by kind, while nobody else writes them. Raises ValueError where they must not be
    written."""
    if out.is_dir():
        raise ValueError(f"--out is {out}, a folder; add a name for the report, such as {out / 'report'}")
    out = out.with_suffix("") if out.suffix in (".html", ".json") else out
    places = {kind: out.with_name(f"{out.name}.{kind}") for kind in ("html", "json", "predictions.jsonl")}
    lock = FileLock(out.with_name(f".{out.name}.lock"), timeout=0)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        held = lock.acquire()
    except Timeout as error:
        raise ValueError(f"another audit is writing {out}; wait until it ends, or name another --out") from error
    except OSError as error:
        raise ValueError(f"nothing can be written at {out} ({error}); name another --out") from error
    with held:
        for place in (places["html"], places["json"]):
            if place.exists() and not (place.is_file() and places["predictions.jsonl"].exists()):
                raise ValueError(f"{place} is no file of an earlier audit; move it away, or name another --out")
        yield places


def run(given: argparse.Namespace) -> tuple[str, int]:
    """Audit a model: what to print, and the exit status. Raises ValueError or FileNotFoundError for bad input."""
    started = time.perf_counter()
    conditions = [condition(text) for text in given.fail_if]
    per_head = geography.gdp(given.gdp, year=given.year)
    manifest = geography.manifest(given.manifest, per_head.index)
    for name, near in manifest.unmatched.items():
        print(geography.complaint(name, near), file=sys.stderr)
    listed = len(manifest.rows) + len(manifest.skipped)
    _tell(manifest.skipped["reason"], listed)
    if (there := manifest.rows["country"].nunique()) < 3:
        raise ValueError(f"{given.manifest} has usable images of {there} countries, expected at least 3")
    model = classifier(given.model, given.size)
    for warning in model.warnings():
        print(f"warning: {warning}", file=sys.stderr)
    with _places(given.out) as places:
        found = classify(model, manifest, places["predictions.jsonl"], batch_size=given.batch_size)
        table, skipped, warnings = _counted(manifest, found, per_head)
        whole = report(table) | {
            "warnings": [*model.warnings(), *warnings],
            "model": {
                "name": model.name,
                "size": model.size,
                "classes": found.classes,
                "preparation": model.preparation.told,
            },
            "manifest": given.manifest.name,
            "gdp": given.gdp if given.gdp == geography.SOURCES[0] else f"{given.gdp}, {given.year}",
            "images": {"listed": listed, "classified": int(table["n"].sum()), "skipped": len(skipped)},
            "skipped": skipped,
            "unmatched": manifest.unmatched,
            "without_images": sorted(geography.countries()["name"][list(manifest.named - set(table.index))]),
            "provenance": runtime.facts(started=started),
        }
        whole = jsonable(whole)
        whole["conditions"] = [
            {"text": c.text, "value": QUANTITIES[c.quantity](whole), "met": c.met(whole)} for c in conditions
        ]
        text = json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        for kind, content in (("json", text), ("html", audit_page.html_page(whole, table))):
            with files.replacing(places[kind]) as partial:
                partial.write_text(content, encoding="utf-8")
    met = [c["text"] for c in whole["conditions"] if c["met"]]
    said = [audit_page.summary(whole), f"{places['html']} and {places['json'].name} say more."]
    if found.resumed:
        said.insert(0, f"{found.resumed} images were classified before.")
    return "\n".join([*said, *(f"Condition met: {text}" for text in met)]), FAILED if met else 0


def _tell(reasons: Iterable[str], listed: int) -> None:
    """Say how many lines of a manifest are left out, kind by kind: reasons are of one kind up to their first detail."""
    kinds = {}
    for reason in reasons:
        kinds.setdefault(re.split(r"[\d'\":;]", reason)[0], []).append(reason)
    for kind in kinds.values():
        more = ", and the like" if len(set(kind)) > 1 else ""
        print(f"skipped {len(kind)} of {listed}: {kind[0]}{more}", file=sys.stderr)


def _counted(
    manifest: geography.Manifest, found: Predictions, per_head: pd.Series
) -> tuple[pd.DataFrame, list[dict[str, object]], list[str]]:
    """The country table of the images that were classified; `line`, `path`, `reason` of the others; the warnings. Says
    on the terminal what may be wrong, before it raises ValueError for a sample without a slope."""
    done = found.predicted >= 0
    _tell(found.skipped.values(), len(manifest.rows) + len(manifest.skipped))
    if not done.any():
        raise ValueError(
            f"none of the {len(done)} images could be read; the first: {next(iter(found.skipped.values()))}"
        )
    rows, predicted = manifest.rows[done], found.predicted[done]
    warnings = doubts(predicted, rows["labels"], found.classes)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    right = _right(predicted, rows["labels"])
    if not right.any():
        raise ValueError(
            f"the model is wrong on all {len(right)} images, which leaves no slope; are the labels indices of its "
            f"{found.classes} classes, counted from 0?"
        )
    table = fairness.country_table(rows["country"], right, np.log(per_head))
    table.insert(0, "name", geography.countries()["name"][table.index])
    skipped = manifest.skipped.to_dict("records") + [
        {"line": row.line, "path": row.path, "reason": found.skipped[row.path]}
        for row in manifest.rows[~done].itertuples()
    ]
    return table, sorted(skipped, key=operator.itemgetter("line")), warnings
