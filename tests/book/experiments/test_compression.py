"""What the chapter on defences makes of hand-made records, and of images that are attacked on the spot."""

import dataclasses
import json

import pandas as pd
import pytest
import torch
from torch import nn

from fairlib import files
from fairlib.book import claims, units
from fairlib.book.experiments import compression, table1

N = 10
# Of ten images, how many each method turns at every setting of a defence; what is not listed it turns at none.
TURNED = {
    "jpeg": {"none": 1, "perc_al": 2, "pgd": 3, "ppgd": 5, "lpa": 6, "ours_a=0": 4, "ours_a=1": 7, "ours_a=5": 9},
    "bits": {"none": 9, "perc_al": 5, "pgd": 2, "ppgd": 8, "lpa": 1, "ours_a=0": 2, "ours_a=1": 4, "ours_a=5": 7},
}


LPIPS = dict.fromkeys(TURNED["jpeg"], 1) | {"ours_a=0": 30, "ours_a=1": 40, "ours_a=5": 60, "ppgd": 50, "pgd": 10}


def made(method: str, image: int) -> dict:
    """At the first setting of each defence the clean image's outcome, at the others the method's own."""
    row = {"image": image, "right": True, "method": method, "success": True, "LPIPS": LPIPS[method] + image}
    for defence, settings in compression.SETTINGS.items():
        first, rest = (int(image >= TURNED[defence][name]) for name in ("none", method))
        row[defence] = [first] + [rest] * (len(settings) - 1)
    return row


def rows() -> list[dict]:
    found = [made(method, image) for image in range(N) for method in ("none", *table1.METHODS)]
    return [*found, {"image": N, "right": False, "method": "none"}]


def write(content: list[dict]) -> None:
    shard = table1.SHARDS["embedded"]["table"]
    unit = units.Unit("table1", {"what": "table", "budget": "embedded", "first": shard.start, "images": shard.step})
    result = {"cost": "LPIPS-Alex", "rows": content}
    with files.replacing(unit.path) as partial:
        record = {"arguments": unit.arguments, "source": "s", "provenance": {}, "result": result}
        partial.write_text(json.dumps(record))


def test_curves(house):
    write(rows())
    found = compression.curves(compression.recorded()).set_index(["defence", "setting", "method"])
    assert len(found) == (len(table1.QUALITIES) + len(table1.BITS)) * 8 and (found["n"] == N).all()
    for defence, settings in compression.SETTINGS.items():
        for method, turned in TURNED[defence].items():
            values = [found["value"][defence, setting, method] for setting in settings]
            assert values == pytest.approx([TURNED[defence]["none"] / N] + [turned / N] * (len(settings) - 1))
    assert ((found["low"] <= found["value"]) & (found["value"] <= found["high"])).all()
    low, high = found.loc["jpeg", table1.QUALITIES[1], "ppgd"][["low", "high"]]
    assert (round(low, 3), round(high, 3)) == (0.237, 0.763), "Wilson's interval of 5 in 10"


def test_estimates(house):
    write(rows())
    found = {key: claims.Estimate(**fields) for key, fields in compression.estimates().items()}
    for defence, settings in compression.SETTINGS.items():
        weight = (len(settings) - 1) / len(settings) / N
        turned = TURNED[defence]
        for key in found:
            if key.startswith(f"{defence}/") and "_minus_" in key and "equal" not in key:
                first, second = key.removeprefix(f"{defence}/").split("_minus_")
                assert found[key].value == pytest.approx(weight * (turned[first] - turned[second]), abs=1e-9)
                assert found[key].n == N
        best = max(n for method, n in turned.items() if method not in ("ours_a=5", "none"))
        assert found[f"{defence}/margin/ours_a=5"].value == pytest.approx(weight * (turned["ours_a=5"] - best))
        ours = (turned["ours_a=1"] + turned["ours_a=5"]) / 2  # PPGD's LPIPS lies half way between
        equal = found[f"{defence}/equal_lpips/ours_minus_ppgd"]
        assert equal.value == pytest.approx(weight * (ours - turned["ppgd"])) and equal.n == N
        assert equal.low <= equal.value <= equal.high
    assert found["jpeg/margin/ours_a=5"].value > 0 > found["bits/margin/ours_a=5"].value


def test_the_ledger_takes_every_quantity(house):
    write(rows())
    found = {key: claims.Estimate(**fields) for key, fields in compression.estimates().items()}
    claims.record("compression", found, {})
    waiting = {f"{defence}/equal_lpips/ours_minus_pgd" for defence in compression.SETTINGS}
    assert claims.asked("compression") - set(found) == waiting | {"equal_lpips/ppgd_minus_noise"}


@pytest.mark.parametrize(("alone", "judged"), [(52.0, claims.UNDECIDED), (2.0, claims.PARTLY)])
def test_where_ppgd_is_its_random_start_nothing_is_compared_with_it(house, monkeypatch, alone, judged):
    """PPGD's LPIPS is 50 plus the image's number, its start's, of half of the images, `alone` plus that."""
    write(rows())
    noise = [made("pgd", image) | {"method": "noise", "LPIPS": alone + image} for image in range(0, N, 2)]
    read = table1.recorded
    monkeypatch.setattr(table1, "recorded", lambda what: pd.DataFrame(noise) if what == "start" else read(what))
    found = compression.beyond_start()
    assert found["n"] == N // 2
    assert (found["value"], found["low"], found["high"]) == pytest.approx((50 - alone, 50 - alone, 50 - alone))
    estimates = {key: claims.Estimate(**fields) for key, fields in compression.estimates().items()}
    ours = "bits/equal_lpips/ours_minus_ppgd"
    estimates[ours] = dataclasses.replace(estimates[ours], value=0.3, low=0.2, high=0.4)
    (claim,) = (c for c in claims.load("hua") if c.quantity == ours)
    assert claims.judge(claim, estimates) == judged


def test_pgd_goes_as_far_as_algorithm_1_before_the_two_are_compared(house):
    """Between PGD with a = 5 and a = 10, in the proportion in which the LPIPS of Algorithm 1 lies between theirs."""
    write(rows())
    unit = next(u for u in units.of("rivals", "embedded") if u.arguments["what"] == "confident")
    content = []
    for image in range(N):
        for method, LPIPS, turned in (("pgd_a=5", 20, 5), ("pgd_a=10", 60, 9)):
            row = made("pgd", image) | {"method": method, "LPIPS": LPIPS + image}
            content.append(row | {d: [int(image >= turned)] * len(s) for d, s in compression.SETTINGS.items()})
    with files.replacing(unit.path) as partial:
        record = {"arguments": unit.arguments, "source": "s", "provenance": {}, "result": {"rows": content}}
        partial.write_text(json.dumps(record))
    found = compression.equal_lpips()["jpeg/equal_lpips/ours_minus_pgd"]
    own = 1 / 9 * 1 / N + 8 / 9 * 4 / N
    assert found["value"] == pytest.approx(own - (0.75 * 5 / N + 0.25 * 9 / N))
    assert compression.at_equal_lpips(compression.confident(), "jpeg", "pgd_a=10", ("pgd", "pgd_a=5")) is None


def test_missing_records_are_named(house):
    with pytest.raises(FileNotFoundError, match="run `make reproduce ONLY=table1/`"):
        compression.estimates()


class Bright(nn.Module):
    """Says 1 where the mean of an image is above one half, else 0."""

    def forward(self, x):
        z = x.flatten(1).mean(1, keepdim=True) - 0.5
        return torch.cat([-z, z], 1)


def test_live_images_are_counted_like_recorded_ones(one_thread):
    """By hand: flat images of 0.3 and 0.55; one bit makes the second one white, the first one black."""
    x = torch.stack([torch.full((3, 16, 16), v) for v in (0.3, 0.55)])
    y = torch.tensor([0, 1])
    darker = (x - torch.tensor([0.0, 0.1]).view(-1, 1, 1, 1)).round(decimals=4)  # the second one's answer turns
    nearly = (x - torch.tensor([0.0, 0.04]).view(-1, 1, 1, 1)).round(decimals=4)  # it does not, and one bit restores it
    found = compression.live(Bright().eval(), x, y, {"darker": darker, "nearly": nearly})
    share = found.pivot_table("success", ["defence", "setting"], "method", sort=False)
    assert (share["none"] == 0).all()
    assert (share["darker"] == 0.5).all()
    assert share["nearly"]["bits", 1] == 0
    assert (share.loc["jpeg", "nearly"] == 0).all()
    assert isinstance(found, pd.DataFrame) and len(found) == 3 * 2 * (len(table1.QUALITIES) + len(table1.BITS))
