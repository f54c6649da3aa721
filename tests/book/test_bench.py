"""The page of `make bench`: each sentence chosen by the numbers, a record that is not whole refused."""

import json

import pytest

from fairlib.book import bench, plots

ROW = {
    "method": "FGSM", "on": "a network, 9 images", "kind": "rival", "rounds": 3,
    "seconds": {"fairlib": [0.002, 0.001, 0.003], "other": [0.001, 0.001, 0.001]},
    "macs": {"fairlib": 10}, "peak": 1e9, "fastest": "other", "ratio": [2.0, 1.5, 3.0], "share": 0.3,
    "aims": {"ratio": [1.05, 2.0], "share": [0.4, 0.3]}, "why": "It looks twice.",
}  # fmt: skip
QUICK = ROW | {"ratio": [0.5, 0.4, 0.6], "aims": {"ratio": [1.05, 0.5], "share": [0.2, 0.3]}}
PART = ROW | {"kind": "part", "fastest": "the model alone", "aims": {"extra": [1.3, 1.2]}}


def test_a_missed_aim_is_said_with_its_numbers():
    assert bench.sentence(ROW) == (
        "**FGSM** (a network, 9 images) is not the quickest: 2.00 [1.50, 3.00] times the time of other. "
        "It looks twice. Aim: at most 1.05 times the time, found 2: missed; "
        "at least 40% of the peak, found 30%: missed."
    )


def test_who_is_quickest_needs_no_reason():
    said = bench.sentence(QUICK)
    assert "is the quickest: 0.50 [0.40, 0.60] of the time of other, the next." in said
    assert "looks twice" not in said and said.count(": met") == 2


@pytest.mark.parametrize(("median", "reason"), [(0.99, False), (1.01, True)])
def test_rounds_on_both_sides_are_no_victory(median, reason):
    said = bench.sentence(ROW | {"ratio": [median, 0.9, 1.1]})
    assert f"is about as quick as other: {median} [0.90, 1.10] times its time." in said
    assert ("It looks twice." in said) == reason


def test_what_contains_the_other_is_no_race():
    said = bench.sentence(PART)
    assert "takes 2.00 [1.50, 3.00] times as long as the model alone, which is a part of it. It looks twice." in said
    assert "extra time at most 1.3 times the extra multiply-adds' at the other's rate, found 1.2: met." in said


@pytest.mark.parametrize(
    ("what", "aim", "found", "met"),
    [("ratio", 1, 1, True), ("ratio", 1, 1.01, False), ("share", 0.75, 0.74, False), ("share", 0.75, 0.75, True),
     ("extra", 1.3, 1.31, False)],
)  # fmt: skip
def test_an_aim_is_met_up_to_its_limit(what, aim, found, met):
    assert bench.judged(ROW | {"aims": {what: [aim, found]}}) == {what: met}


def test_the_summary_counts_races_and_aims():
    loop = QUICK | {"fastest": bench.LOOPS[0], "aims": {}}
    assert bench.summary({"rows": [ROW, QUICK, loop, PART]}) == (
        "By the medians no slower in 1 of 2 comparisons with other packages, and in 1 of 1 with plain loops over them; "
        "3 of 5 aims are met."
    )


def test_the_table_has_five_columns_and_the_figure_every_row():
    record = {"rows": [ROW, QUICK | {"share": None}, PART | {"method": "a defence"}]}
    table = bench.table(record)
    assert table.shape == (3, 5) and list(table["share of the peak"]) == ["30%", "–", "30%"]
    assert table["milliseconds, medians"][0] == "fairlib 2, other 1"
    assert table["aims"][0] == "ratio missed, share missed"
    _, alt = plots.dots(bench.ratios(record), "ratio", ratio=True)
    assert "FGSM, a network: beside another way 2" in alt and "a defence, a network: beside a part of it 2." in alt


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"rows":[]}', '{"rows":[],"provenance":{}}', json.dumps({"rows": [{"method": "a"}], "provenance": {}})],
)
def test_a_record_that_is_not_whole_is_refused(tmp_path, monkeypatch, text):
    monkeypatch.setattr(bench, "path", lambda: tmp_path / "bench.json")
    with pytest.raises(FileNotFoundError, match="make bench"):
        bench.recorded()
    (tmp_path / "bench.json").write_text(text)
    with pytest.raises(ValueError, match=r"not a whole record .* or run `make bench`"):
        bench.recorded()
