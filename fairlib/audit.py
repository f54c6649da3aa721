"""Is a model as accurate on the images of poor countries as on those of rich ones? The tests of the book on a user's
images.

`python -m fairlib audit MANIFEST --model NAME --out REPORT` classifies the images that a manifest names
(`fairlib.geography.manifest`), and writes `REPORT.html`, which works offline, and `REPORT.json`. What the model said
about each image is kept in `REPORT.predictions.jsonl`, so that an interrupted audit goes on where it was.
"""

import argparse
import hashlib
import importlib
import inspect
import json
import math
import operator
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as transforms

from fairlib import audit_page, checks, fairness, files, geography, models, runtime

SIZE = 224  # pixels, for a model that does not say
MARGIN = 256 / 224  # the short side over the side of the part cut out, as classifiers of ImageNet are evaluated
POWER, WORLDS = 0.8, 1_000
FAILED = 1  # exit status where a condition of --fail-if is met


# --- The model. -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Classifier:
    """A model in evaluation mode, (N, 3, size, size) pixels in [0, 1] -> (N, classes), and what it was called."""

    name: str
    model: nn.Module
    size: int


class Normalised(nn.Module):
    """A network that wants normalised pixels, taking pixels in [0, 1]."""

    def __init__(self, network: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(values).view(-1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.network((x - self.mean) / self.std)


def classifier(name: str, size: int | None = None) -> Classifier:
    """The model that `name` stands for, ready to classify.

    A name with a colon, `module:function`, is the user's own: the function is imported (from the working directory,
    too) and called without arguments. Else it is one of the book's pretrained models, or a name from torchvision or
    timm, with the weights that these call their default, from their cache or a network. `size`: the side of the images,
    by default what the weights were made for, or 224. Raises ValueError for a name that nobody knows, a function that
    returns no module, or a size below 1; FileNotFoundError for weights that cannot be had.
    """
    if size is not None and size < 1:
        raise ValueError(f"size is {size}, expected 1 pixel or more")
    load = _own if ":" in name else _pretrained
    try:
        model, default = load(name)
    except OSError as error:  # URLError and HTTPError among them
        raise FileNotFoundError(
            f"the weights of {name} could not be had ({error}); try again with a network, or give a model of your own "
            "as module:function"
        ) from error
    return Classifier(name, model.eval().requires_grad_(False), size or default)


def _own(name: str) -> tuple[nn.Module, int]:
    module, _, function = name.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        make = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"the model {name} cannot be imported ({error}); expected module:function") from error
    model = make()
    if not isinstance(model, nn.Module):
        raise ValueError(f"{name}() returned a {type(model).__name__}, expected a torch.nn.Module")
    return model, SIZE


def _pretrained(name: str) -> tuple[nn.Module, int]:
    from torchvision.models import get_model, get_model_weights, list_models

    own = {re.sub(r"\W|_", "", known).lower(): known for known in getattr(models, "PRETRAINED", ())}
    if (key := re.sub(r"\W|_", "", name).lower()) in own:
        return models.pretrained(own[key]), SIZE
    if name in list_models(module=importlib.import_module("torchvision.models")):
        weights = get_model_weights(name).DEFAULT
        preset = weights.transforms()
        return Normalised(get_model(name, weights=weights), preset.mean, preset.std), preset.crop_size[0]
    with suppress(ImportError):
        import timm

        if timm.is_model(name):
            network = timm.create_model(name, pretrained=True)
            config = timm.data.resolve_model_data_config(network)
            return Normalised(network, config["mean"], config["std"]), config["input_size"][-1]
    known = ", ".join(own.values()) or "the book's"
    raise ValueError(
        f"no model is called {name!r}; expected {known}, a classifier of torchvision, one of timm where that is "
        "installed, or module:function"
    )


# --- The images. ------------------------------------------------------------------------------------------------------


def pixels(path: Path, size: int) -> Tensor:
    """An image file as (3, size, size) float32 in [0, 1]: turned as its EXIF says, RGB, resized, its middle cut out.

    The short side becomes 256/224 of `size` (bicubic). Raises what Pillow raises for a file that is no whole image.
    """
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    upright = transforms.resize(upright, round(size * MARGIN), InterpolationMode.BICUBIC, antialias=True)
    return transforms.to_tensor(transforms.center_crop(upright, [size, size]))


@dataclass(frozen=True)
class Predictions:
    """What was found for each row of a manifest: `predicted` (N,), -1 where it was not, and `skipped`, path and
    reason."""

    predicted: np.ndarray
    skipped: dict[str, str]
    resumed: int


def classify(given: Classifier, manifest: geography.Manifest, kept: Path, *, batch_size: int = 32) -> Predictions:
    """Classify every image of a manifest; what is found is appended to the file `kept`, one line per image.

    Lines that are there already, for the same model and an image file of the same size and time, are not computed
    again; a file of another model is begun anew. Images that cannot be read are skipped and tried again next time.
    Raises ValueError for a model whose output is not (N, classes) of finite numbers, or that has fewer classes than the
    labels need.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}, expected a positive number")
    run = {"model": given.name, "size": given.size, "digest": _digest(given)}
    known = _kept(kept, run)
    rows, predicted, skipped = manifest.rows, np.full(len(manifest.rows), -1), {}
    todo = []
    for i, path in enumerate(rows["path"]):
        stamp = _stamp(manifest, path)
        if stamp and known.get(path, {}).get("stamp") == stamp:
            predicted[i] = known[path]["predicted"]
        else:
            todo.append(i)
    resumed = len(rows) - len(todo)
    most = max(max(labels) for labels in rows["labels"])
    model = given.model.to(runtime.device())
    with open(kept, "a", encoding="utf-8") as stream, runtime.progress(todo, "classifying", len(rows)) as bar:
        bar.update(resumed)
        for batch, images in _batches(manifest, todo, given.size, batch_size, skipped):
            answers = _answers(model, images, given.name, most).tolist() if len(images) else []
            for i, answer in zip((i for i in batch if rows["path"][i] not in skipped), answers, strict=True):
                predicted[i] = answer
                path = rows["path"][i]
                line = {"path": path, "stamp": _stamp(manifest, path), "predicted": answer}
                stream.write(json.dumps(line) + "\n")
            stream.flush()
            bar.update(len(batch))
    return Predictions(predicted, skipped, resumed)


def _batches(
    manifest: geography.Manifest, todo: list[int], size: int, batch_size: int, skipped: dict[str, str]
) -> Iterator[tuple[list[int], Tensor]]:
    """Rows and the images (n, 3, size, size) of those that can be read; the others go into `skipped`. Reads ahead."""

    def read(i: int) -> Tensor | str:
        path = manifest.rows["path"][i]
        try:
            return pixels(geography.inside(manifest.folder, path), size)
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
            yield batch, torch.stack(images) if images else torch.empty(0, 3, size, size)


def _answers(model: nn.Module, images: Tensor, name: str, most: int) -> Tensor:
    try:
        with torch.no_grad():
            output = model(images.to(runtime.device()))
    except RuntimeError as error:  # torch's word for shapes that do not fit
        raise ValueError(f"{name} cannot take images of shape {tuple(images.shape)} ({error}); see --size") from error
    if not isinstance(output, Tensor) or output.ndim != 2 or len(output) != len(images):
        shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ValueError(f"{name} gave {shape} for {len(images)} images, expected ({len(images)}, classes)")
    if output.shape[1] <= most:
        raise ValueError(
            f"{name} has {output.shape[1]} classes, but the manifest's labels go up to {most}; give a model with "
            f"{most + 1} classes or more, or labels that count this model's classes from 0"
        )
    if not torch.isfinite(output).all():
        raise ValueError(f"{name} gave numbers that are not finite; it must take pixels in [0, 1]")
    return output.argmax(1).cpu()


def _stamp(manifest: geography.Manifest, path: str) -> list[int] | None:
    try:
        facts = geography.inside(manifest.folder, path).stat()
    except OSError:
        return None
    return [facts.st_size, facts.st_mtime_ns]


def _digest(given: Classifier) -> str:
    """What the predictions depend on besides the images: weights, layers, and the code of the layers and the maker."""
    found = hashlib.sha256(repr(given.model).encode())
    for name, tensor in given.model.state_dict().items():
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    code = {type(layer) for layer in given.model.modules()} | {sys.modules.get(given.name.partition(":")[0])}
    sources = set()
    for part in code:
        with suppress(OSError, TypeError):  # made in a shell, or compiled
            sources.add(inspect.getsourcefile(part))
    for source in sorted(filter(None, sources)):
        found.update(Path(source).read_bytes())
    return found.hexdigest()[:16]


def _kept(path: Path, run: dict) -> dict[str, dict]:
    """What `path` holds from the same run, by image; the file then holds that and nothing else."""
    lines = []
    if path.exists():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
            before = {key: json.loads(lines[0])[key] for key in run}
        except (ValueError, IndexError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is no file of an earlier audit; move it away, or name another --out") from error
        if before != run:
            print(f"{path.name} is of another model, other weights or another size; starting anew", file=sys.stderr)
            lines = []
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
    `effect`: what the slope amounts to. `influence`: the slope without each country. `power`: how often the paper's
    test would find slopes of some sizes with these n_i, the countries differing from one another as much as these seem
    to (`tau`), and the slope that it would find in 80 % of cases (`detectable`). Raises ValueError for a table without
    a slope.
    """
    main = fairness.slope(table)
    tests = [fairness.slope(table, method) for method in fairness.METHODS]
    tau = math.sqrt(tests[-1].tau2)
    reach = 8 * max(main.se, 1e-3)
    curve = fairness.power(table, np.linspace(0, reach, 17).tolist(), tau=tau, worlds=worlds, seed=seed)
    p, low, high = fairness.permutation(table, seed=seed)
    carried = fairness.influence(table).reset_index(names="country") if len(table) > 3 else pd.DataFrame()
    return {
        "slope": asdict(main) | {"F": main.F},
        "tests": [asdict(test) for test in tests],
        "permutation": {"p": p, "low": low, "high": high},
        "effect": fairness.effect_sizes(table),
        "accuracy": float(np.average(table["accuracy"], weights=table["n"])),
        "countries": table.reset_index(names="country").to_dict("records"),
        "influence": carried.to_dict("records"),
        "power": {
            "tau": tau,
            "worlds": worlds,
            "detectable": fairness.detectable(curve, POWER),
            "curve": curve[["slope", "share", "low", "high"]].to_dict("records"),
        },
    }


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
    """`slope>0.02` and the like: a quantity, one of > >= < <=, a number. Nothing else is understood, let alone run."""
    found = re.fullmatch(
        r"\s*([a-z_]+)\s*(>=|<=|>|<)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*", text, re.IGNORECASE
    )
    if not found:
        raise ValueError(f"{text!r} is no condition, expected one like slope>0.02")
    quantity, sign, bound = found.groups()
    return Condition(text.strip(), checks.one_of(quantity, tuple(QUANTITIES), "quantity"), sign, float(bound))


# --- The command. -----------------------------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line of `python -m fairlib audit`."""
    parser.add_argument("manifest", type=Path, help="a CSV file with the columns path, label and country")
    parser.add_argument("--model", required=True, help="a name from torchvision or timm, or module:function")
    parser.add_argument(
        "--out", required=True, type=Path, help="where to write: OUT.html, OUT.json, OUT.predictions.jsonl"
    )
    parser.add_argument("--size", type=int, help="side of the images in pixels (default: the model's, or 224)")
    parser.add_argument("--batch-size", type=int, default=32, help="images at a time (default: 32)")
    parser.add_argument("--gdp", choices=geography.SOURCES, default=geography.SOURCES[0], help="source of GDP per head")
    parser.add_argument("--year", type=int, default=2019, help="year of the World Bank's figures (default: 2019)")
    parser.add_argument(
        "--fail-if", action="append", default=[], metavar="CONDITION",
        help=f"status {FAILED} if it holds, such as 'slope>0.02'; of {', '.join(QUANTITIES)}; may be repeated",
    )  # fmt: skip


def run(given: argparse.Namespace) -> tuple[str, int]:
    """Audit a model: what to print, and the exit status. Raises ValueError or FileNotFoundError for bad input."""
    started = time.perf_counter()
    conditions = [condition(text) for text in given.fail_if]
    per_head = geography.gdp(given.gdp, year=given.year)
    manifest = geography.manifest(given.manifest, per_head.index)
    for name, near in manifest.unmatched.items():
        print(f"unknown country {name!r}" + (f"; did you mean {', '.join(near)}?" if near else ""), file=sys.stderr)
    model = classifier(given.model, given.size)
    out = given.out.with_suffix("") if given.out.suffix in (".html", ".json") else given.out
    out.parent.mkdir(parents=True, exist_ok=True)
    places = {kind: out.with_name(f"{out.name}.{kind}") for kind in ("html", "json", "predictions.jsonl")}
    found = classify(model, manifest, places["predictions.jsonl"], batch_size=given.batch_size)
    done = found.predicted >= 0
    if not done.any():
        raise ValueError(
            f"none of the {len(done)} images could be read; the first: {next(iter(found.skipped.values()))}"
        )
    right = [p in labels for p, labels in zip(found.predicted[done], manifest.rows["labels"][done], strict=True)]
    table = fairness.country_table(manifest.rows["country"][done], right, np.log(per_head))
    table.insert(0, "name", geography.countries()["name"][table.index])
    skipped = manifest.skipped.to_dict("records") + [
        {"line": row.line, "path": row.path, "reason": found.skipped[row.path]}
        for row in manifest.rows[~done].itertuples()
    ]
    skipped.sort(key=operator.itemgetter("line"))
    whole = report(table) | {
        "model": {"name": model.name, "size": model.size},
        "manifest": given.manifest.name,
        "gdp": given.gdp if given.gdp == geography.SOURCES[0] else f"{given.gdp}, {given.year}",
        "images": {"listed": len(done) + len(manifest.skipped), "classified": int(done.sum()), "skipped": len(skipped)},
        "skipped": skipped,
        "unmatched": manifest.unmatched,
        "provenance": runtime.facts(started=started),
    }
    whole = jsonable(whole)
    whole["conditions"] = [
        {"text": c.text, "value": QUANTITIES[c.quantity](whole), "met": c.met(whole)} for c in conditions
    ]
    with files.replacing(places["json"]) as partial:
        partial.write_text(json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    with files.replacing(places["html"]) as partial:
        partial.write_text(audit_page.html_page(whole, table), encoding="utf-8")
    met = [c["text"] for c in whole["conditions"] if c["met"]]
    said = [audit_page.summary(whole), f"{places['html']} and {places['json'].name} say more."]
    if found.resumed:
        said.insert(0, f"{found.resumed} images were classified before.")
    return "\n".join([*said, *(f"Condition met: {text}" for text in met)]), FAILED if met else 0
