"""Records made by hand, for the tests of what the chapters make of theirs."""

import json

import torch
from torch import nn

from fairlib import runtime
from fairlib.book import units
from fairlib.book.experiments import readings, table1
from fairlib.perceptual import Distance


def write(chapter: str, arguments: dict, result: dict) -> None:
    """The record of a unit that some profile has."""
    unit = units.Unit(chapter, arguments)
    assert unit.name in {u.name for profile in ("embedded", "paper") for u in units.of(chapter, profile)}
    unit.path.parent.mkdir(parents=True, exist_ok=True)
    record = {"arguments": unit.arguments, "source": "", "provenance": {}, "result": result}
    unit.path.write_text(json.dumps(record, allow_nan=False))


def write_shard(what: str, rows: list[dict], budget: str = "embedded", cost: str = table1.SUBSTITUTE) -> None:
    """The first record of a kind of unit of table 1."""
    part = table1.SHARDS[budget][what]
    arguments = {"what": what, "budget": budget, "first": part.start, "images": part.step}
    write("table1", arguments, {"cost": cost, "rows": rows})


HEIGHT = {"pgd": 2.0, "ours_a=0": 1.0, "ours_a=1": 3.0, "ours_a=5": 6.0, "perc_al": 4.0, "ppgd": 7.0, "lpa": 5.0}


TOOK = {"backwards": 2, "looks": 3}


def made(method: str, image: int, success: bool = True) -> dict:
    """Every column of a method is its height plus a tenth of the image's number."""
    value = HEIGHT[method] + image / 10
    columns = dict.fromkeys((*table1.NORMS, *table1.JUDGES, "saliency"), value)
    return {"image": image, "right": True, "method": method, "success": success, "off_grid": 1e-5} | columns | TOOK


def write_table1() -> None:
    """Small records of table 1: the table, more images of the attacks that stop early, and the sweep over lambda."""
    table = [made(m, i, success=(m, i) != ("ppgd", 3)) for m in table1.METHODS for i in range(4)]
    table += [{"image": 4, "right": False, "method": "none"}, {"image": 0, "right": True, "method": "none"}]
    stepping = [made(m, 60) for m in table1.STEPPING] + [{"image": 61, "right": False, "method": "none"}]
    sweep = [
        {"image": i, "right": True, "method": f"ours_a={a}", "lam": lam, "success": (lam, i) != (1.0, 2)}
        | {"LPIPS": 7 - lam / 2 + i, "DISTS": 8 + lam, "steps": 2}
        | {"loss": 5.0 + i + a, "loss_before": 1.0, "cost": 0.5, "cost_before": 0.25}
        for a in (0, 5)
        for lam in (0.0, 1.0)
        for i in range(3)
    ]
    write_shard("table", table)
    write_shard("stepping", stepping)
    write_shard("lambda", sweep)


TAPS = ("linear_in", "linear1", "log_softmax")


def readings_rows(seed: int) -> list[dict]:
    """A training's rows of `readings`: one pair of switches, every variant of the text, every look."""
    grid = len(readings.EPS)
    rows = [
        {"switches": switches, "defended": [900 + 10 * seed, 500, 100], "loose": [1_000, 600, 200]}
        for switches in ("", "taps=paper, alpha=-0.1")
    ]
    lists = {"defenseless": [1_800] + [300] * (grid - 1), "defended": [800 - 50 * i + 10 * seed for i in range(grid)]}
    rows += [
        {"variant": variant} | lists | {"loose": [1_000] * grid}
        for variant in ("released", "taps=paper", "text", "ties=closest")
    ]
    rows += [
        {"look": "nobody", "count": [i + seed for i in range(grid)]},
        {"look": "everywhere", "count": [1_900 + seed] * grid},
        {"look": "by class", "of_class": [200] * 10}
        | {method: [[100] * 10] * grid for method in ("defenseless", "defended")},
        {"look": "nearest", "taps": list(TAPS), "count": [[400, 900 + 20 * seed, 600]] * grid},
        {"look": "dimmed", "defenseless": [1_800, 1_700], "defended": [800, 740 + 10 * seed]},
        {"look": "moved", "defenseless": [1_800, 6_000 - 40 * seed], "defended": [800, 3_000]},
    ]
    return [{"seed": seed} | row for row in rows]


def write_readings() -> None:
    """Records of `readings`, of ten trainings of each network."""
    for unit in units.of("readings", "embedded"):
        rows = [row for seed in range(10) for row in readings_rows(seed)]
        write("readings", unit.arguments, {"rows": rows})


class Small(nn.Module):
    """Three classes of a random linear map of a coarse image: smooth, and fooled within a few steps."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.randn(3, 3 * 64, generator=runtime.generator(0)) * 2

    def forward(self, x):
        return nn.functional.adaptive_avg_pool2d(x, 8).flatten(1) @ self.weight.T


def squares(name: str) -> Distance:
    """The mean squared change."""

    def between(features, x_adv):
        return (x_adv - features[0]).square().mean((1, 2, 3))

    return Distance(name, smallest=1, features=lambda x: (x,), between=between)
