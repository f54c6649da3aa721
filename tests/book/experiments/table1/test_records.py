"""What table 1's chapter makes of hand-made records, and the printed table typed once more."""

import pytest
from book.experiments.hand_made import made, write, write_shard, write_table1

from fairlib.book import claims, units
from fairlib.book.experiments import perceptual_attack, table1, truncation

PUBLISHED = {  # table 1 of the paper, typed once more
    "perc_al": (1, 633.12, 2.22, 0.085, 33.96, 33.82),
    "pgd": (1, 592.74, 1.56, 0.005, 7.82, 8.77),
    "ppgd": (0.9575, 2544.21, 6.60, 0.115, 81.57, 51.08),
    "lpa": (0.9978, 2157.77, 5.31, 0.049, 51.64, 35.92),
    "ours_a=0": (1, 783.86, 1.91, 0.006, 7.30, 8.17),
    "ours_a=1": (1, 1965.10, 4.45, 0.014, 22.24, 21.47),
    "ours_a=5": (1, 3925.55, 8.53, 0.029, 44.89, 40.05),
}


def test_estimates_from_records(house):
    write_table1()
    found = table1.estimates()
    value = {key: e["value"] for key, e in found.items()}
    assert value["ppgd/success"] == 0.75 and value["pgd/success"] == 1
    assert found["ppgd/success"]["n"] == 4 and found["ppgd/L1"]["n"] == 3
    assert value["pgd/LPIPS"] == pytest.approx(2 + (0 + 1 + 2 + 3 + 60) / 50) and found["pgd/LPIPS"]["n"] == 5
    assert value["ppgd/LPIPS"] == pytest.approx(7.1)
    assert value["ours_a=0_minus_pgd/L1"] == pytest.approx(-1)
    assert value["ours_a=5_minus_ppgd/DISTS"] == pytest.approx(-1) and found["ours_a=5_minus_ppgd/DISTS"]["n"] == 3
    assert value["margin/ours_a=0/ST-LPIPS"] == pytest.approx(1) and found["margin/ours_a=0/saliency"]["n"] == 3
    assert value["margin/pgd/L2"] == pytest.approx(-1)
    assert value["ours/looks_minus_steps"] == 1
    assert (value["success/lpa_minus_ppgd"], value["success/pgd_minus_lpa"]) == (0.25, 0)
    assert found["pgd/L1"]["units"] == 1 and found["ours/looks_minus_steps"]["units"] is None


def other(name: str, image: int, value: float, **more) -> dict:
    return made("pgd", image) | {"method": name} | dict.fromkeys(table1.SCALE, value) | more


def test_rivals_from_other_starts_and_in_their_authors_settings(house):
    """Algorithm 1 has LPIPS 1 + image / 10; each rival in each setting a height of its own."""
    write_table1()
    assert not any(key.startswith(("start=", "own/", "paper_")) for key in table1.estimates())
    write_shard("start", [other(m, i, h) for m, h in (("ppgd", 0.5), ("lpa", 9.0), ("noise", 3.0)) for i in range(3)])
    heights = {"ppgd, noise": 4.0, "ppgd, image": 0.25, "lpa, noise": 20.0, "lpa, image": 10.0}
    (unit, *_) = (u for u in units.of("rivals", "embedded") if u.arguments["what"] == "own")
    rows = [other(name, i, h) for name, h in heights.items() for i in range(4)] + [{"image": 4, "right": False}]
    write("rivals", unit.arguments, {"rows": rows})
    value = {key: e["value"] for key, e in table1.estimates().items()}
    for judge in table1.SCALE:
        assert value[f"start=image/ours_a=0_minus_ppgd/{judge}"] == pytest.approx(1.1 - 0.5)
        assert value[f"start=image/ours_a=0_minus_lpa/{judge}"] == pytest.approx(1.1 - 9)
        for name, h in heights.items():
            rival, start = name.split(", ")
            assert value[f"own/{start}/ours_a=0_minus_{rival}/{judge}"] == pytest.approx(1.15 - h)
    assert {key for key in value if key.startswith(("start=", "own/"))} < claims.asked("table1")


def test_the_papers_own_weights_fill_the_rows_that_wait(house):
    write_table1()
    arguments = units.of("paper_weights", "paper")[0].arguments
    heights = {"pgd": 8.0, "ours_a=0": 7.0, "ours_a=1": 9.0, "ours_a=5": 10.0, "ours_a=0, no cost": 7.5}
    rows = [other(name, i, h + i, cost=h - 7.2, L2=h) for name, h in heights.items() for i in range(3)]
    write("paper_weights", arguments, {"rows": rows})
    value = {key: e["value"] for key, e in table1.estimates().items() if key.startswith("paper_weights/")}
    assert {f"paper_weights/{key}" for key in ("pgd/L2", "ours_a=0/DISTS", "cost_minus_none/LPIPS")} < set(value)
    assert value["paper_weights/pgd/LPIPS"] == 9 and value["paper_weights/ours_a=0_minus_pgd/DISTS"] == -1
    assert value["paper_weights/cost_minus_none/LPIPS"] == -0.5
    assert set(value) == {key for key in claims.asked("table1") if key.startswith("paper_weights/")}
    assert perceptual_attack.estimates()["pieapp/smallest_cost"]["value"] == pytest.approx(-0.2)


def test_the_ledger_takes_every_quantity(house):
    """What the modules give is what the claims ask for, no more and no less."""
    write_table1()
    for chapter, module in (("table1", table1), ("truncation", truncation), ("perceptual_attack", perceptual_attack)):
        found = {key: claims.Estimate(**fields) for key, fields in module.estimates().items()}
        claims.record(chapter, found, {})
        waiting = {key for key in claims.asked(chapter) - set(found)}
        assert {key.split("/")[0] for key in waiting} <= {"start=image", "own", "paper_weights", "pieapp"}


def test_the_papers_budget_takes_the_place_of_the_other(house):
    write_table1()
    write_shard("table", [made("pgd", i) | {"L1": 100.0} for i in range(20)], "paper")
    rows = table1.attacked_rows()
    assert set(rows["method"]) == {"pgd"} and (rows["L1"] == 100).all() and len(rows) == 20


def test_missing_records_are_named(house):
    with pytest.raises(FileNotFoundError, match="run `make reproduce ONLY=table1/`"):
        table1.estimates()
    write_shard("table", [made("pgd", 0)])
    with pytest.raises(FileNotFoundError, match="of the kind stepping; run `make reproduce ONLY=table1/`"):
        table1.estimates()


def test_published_is_the_printed_table():
    found = table1.published()
    assert {m: tuple(row) for m, row in found.iterrows()} == PUBLISHED
    assert tuple(found.columns) == ("success", "L1", "L2", "Linf", "LPIPS", "DISTS")
