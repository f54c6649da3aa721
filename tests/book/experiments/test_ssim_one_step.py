"""What the chapter on SSIM records: each column against the attacks and a slow second way, estimates by hand."""

import copy
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from skimage.metrics import structural_similarity

from fairlib import data
from fairlib.attacks import cross_entropy, gradient_and_right, pgd_step, ssim_step
from fairlib.attacks.ssim import direction, hessian, mirrored
from fairlib.book import claims, units
from fairlib.book.experiments import ssim_one_step as chapter

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def means():
    return chapter.class_means()


def test_class_means(means):
    x, y = data.load("MNIST", "train")
    assert means.shape == (10, 1, 28, 28)
    torch.testing.assert_close(means[3, 0], torch.tensor(x[y == 3].numpy().astype(np.float64).mean((0, 1))).float())


def test_each_column_of_an_attack(model, digits, means):
    x, y = (t[:40] for t in digits)
    _, right = gradient_and_right(model, x, y)
    seen = chapter.attacked(model, x, y, means)
    x, y = x[right], y[right]
    z = x.double().requires_grad_()
    (g,) = torch.autograd.grad(cross_entropy(copy.deepcopy(model).double()(z), y).sum(), z)
    assert len(seen) == 3 * len(chapter.L2) * len(x)
    attacks = {
        "ssim": ssim_step,
        "pgd": pgd_step,
        "ssim, inside": lambda *a, length: ssim_step(*a, length=length, windows="inside"),
    }
    h, _ = hessian(x.double(), mirrored(x))
    for name, attack in attacks.items():
        for eps in (0.5, 2.0):
            rows = seen[(seen["attack"] == name) & (seen["L2"] == eps)]
            x_adv = attack(model, x, y, length=eps)
            d = (x_adv - x).double()
            with torch.no_grad():
                answer = model(x_adv).argmax(1)
            assert rows["turned"].tolist() == (answer != y).tolist()
            assert rows["length"].to_numpy() == pytest.approx(eps, rel=1e-5)
            options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
            for column, reference in (("SSIM", x), ("resemblance", means[answer])):
                pairs = zip(reference[:, 0].numpy(), x_adv[:, 0].numpy(), strict=True)
                expected = [structural_similarity(*pair, **options) for pair in pairs]
                assert rows[column].to_numpy() == pytest.approx(expected, abs=1e-4)
            far = torch.ones(28, 28, dtype=torch.bool)
            far[5:23, 5:23] = False
            share = (d.square() * far).sum((1, 2, 3)) / eps**2
            assert rows["rim"].to_numpy() == pytest.approx(share.numpy(), abs=1e-4)
            for i in range(0, len(x), 7):
                way = (means[answer[i]] - means[y[i]]).flatten().double()
                cosine = (d[i].flatten() @ way / d[i].norm() / way.norm()).item() if way.any() else 0.0
                assert rows["toward"].iloc[i] == pytest.approx(cosine, abs=1e-4)
    # lambda is that at which H^-1 g / lambda, clipped, is as long: so the unclipped maximiser is H^-1 g / lambda.
    best = direction(x.double(), g)
    rows = seen[(seen["attack"] == "ssim") & (seen["L2"] == 0.5)]
    for i in range(0, len(x), 7):
        low, high = 0.0, 1e12
        for _ in range(200):
            t = (low + high) / 2
            longer = ((x[i] + t * best[i]).clamp(0, 1) - x[i]).norm() > 0.5
            low, high = (low, t) if longer else (t, high)
        d = (x[i] + t * best[i]).clamp(0, 1) - x[i].double()
        whole = torch.zeros_like(best)
        whole[i] = d
        value = ((g[i] * d).sum() - (d * h(whole)[i]).sum() / (2 * t)).item()
        assert rows["surrogate"].iloc[i] == pytest.approx(value, rel=1e-3)


def frame() -> pd.DataFrame:
    """Four images, two lengths, two attacks; all but what a test is about is equal."""
    rows = [
        {"attack": attack, "L2": eps, "image": i, "turned": False, "length": eps, "SSIM": 0.5, "surrogate": 0.0}
        | {"resemblance": 0.1, "toward": 0.0, "rim": 0.0}
        for eps in (1.0, 2.0)
        for attack in ("ssim", "pgd")
        for i in range(4)
    ]
    return pd.DataFrame(rows)


def test_quantities_by_hand():
    seen = frame()
    at = seen["L2"] == 2.0
    ssim, pgd = at & (seen["attack"] == "ssim"), at & (seen["attack"] == "pgd")
    seen.loc[pgd, "turned"] = [True, True, True, False]
    seen.loc[ssim, "turned"] = [True, True, False, False]
    seen.loc[ssim, "SSIM"] = [0.9, 0.8, 0.7, 0.6]
    seen.loc[ssim, "surrogate"] = [2.0, 2.0, 4.0, 4.0]
    seen.loc[pgd, "resemblance"] = [0.3, 0.2, 0.9, 0.9]
    seen.loc[(seen["L2"] == 1.0) & (seen["attack"] == "pgd") & (seen["image"] == 2), "length"] = 1.25
    seen.loc[(seen["L2"] == 1.0) & (seen["image"] == 3), "SSIM"] = 0.99
    found = chapter.quantities(seen)
    values = {name: e["value"] for name, e in found.items()}
    assert values == pytest.approx({
        "L2_ratio": 1.25, "share_both_succeed": 0.5, "ssim_minus_pgd/SSIM": 0.25, "ssim_minus_pgd/surrogate": 3.0,
        "pgd_minus_ssim/resemblance": 0.15, "pgd_minus_ssim/toward": 0.0, "pgd_minus_ssim/success": 0.25,
        "largest_SSIM": 0.99,
    })  # fmt: skip
    half = stats.t.ppf(0.975, 3) * np.std([0.4, 0.3, 0.2, 0.1], ddof=1) / 2
    assert found["ssim_minus_pgd/SSIM"]["high"] == pytest.approx(0.25 + half)
    assert found["pgd_minus_ssim/resemblance"]["n"] == 2, "over the digits that both turn"
    wilson = stats.binomtest(2, 4).proportion_ci(method="wilson")
    assert (found["share_both_succeed"]["low"], found["share_both_succeed"]["high"]) == pytest.approx(tuple(wilson))


@pytest.fixture
def house(tmp_path, monkeypatch) -> Path:
    """A data folder with the claims and no records."""
    (tmp_path / "SHA256SUMS").touch()
    shutil.copytree(ROOT / "data" / "claims", tmp_path / "claims")
    monkeypatch.setenv("FAIRLIB_DATA", str(tmp_path))
    return tmp_path


def test_estimates_are_those_of_the_network_that_speaks_less_for_the_claim(house):
    with pytest.raises(FileNotFoundError):
        chapter.estimates()
    for i, network in enumerate(chapter.NETWORKS):
        numbers = {
            name: {"value": v, "low": v - 0.01, "high": v + 0.01, "n": 10}
            for name in chapter.SHOWN
            for v in [0.2 + 0.1 * i]
        }
        unit = units.Unit("ssim_one_step", {"network": network})
        unit.path.parent.mkdir(parents=True, exist_ok=True)
        result = {"rows": [], "quantities": numbers}
        unit.path.write_text(
            json.dumps({"arguments": unit.arguments, "source": "", "provenance": {}, "result": result})
        )
    found = chapter.estimates()
    assert set(found) == claims.asked("ssim_one_step")
    values = {name: claims.Estimate(**fields).value for name, fields in found.items()}
    larger = {"L2_ratio", "largest_SSIM", "better/pgd_minus_ssim/resemblance"}
    assert values == pytest.approx({name: 0.3 if name in larger else 0.2 for name in found})


def test_units():
    assert chapter.units("embedded") == chapter.units("paper") == [{"network": n} for n in chapter.NETWORKS]
    with pytest.raises(ValueError, match="profile is 'fast'"):
        chapter.units("fast")
