"""Which rows count, and where an estimate comes from, on records made by hand."""

import pandas as pd
import pytest
from book.experiments.hand_made import write

from fairlib.book.experiments.shared import largest, of_kind, origin, recorded

UNIT = {"what": "trainings", "network": "LeNet5", "dataset": "MNIST"}


def test_the_larger_profile_counts(house):
    write("stress_tests", UNIT | {"images": 200}, {"rows": [{"right": 1}, {"right": 2}]})
    write("stress_tests", UNIT | {"images": 200, "network": "FullyConnected"}, {"rows": [{"right": 3}]})
    write("stress_tests", UNIT | {"what": "checks", "images": 200}, {"rows": [{"right": 9, "setting": "x"}]})
    assert sorted(recorded("stress_tests", "trainings")["right"]) == [1, 2, 3]
    write("stress_tests", UNIT | {"images": 2_000}, {"rows": [{"right": 4}]})
    assert sorted(recorded("stress_tests", "trainings")["right"]) == [3, 4]
    assert "setting" in of_kind("stress_tests", "checks") and "setting" not in of_kind("stress_tests", "trainings")
    with pytest.raises(FileNotFoundError, match="of the kind curve; run `make reproduce ONLY=stress_tests/`"):
        recorded("stress_tests", "curve")


def test_the_largest_of_each_group():
    rows = pd.DataFrame({"arm": ["a", "a", "b"], "images": [1, 2, 1]})
    assert largest(rows, ["arm"]).index.tolist() == [1, 2]


def test_an_origin_names_the_record():
    found = origin("stress_tests", UNIT | {"images": 200})
    name = "what=trainings,network=LeNet5,dataset=MNIST,images=200"
    assert found == {"record": f"results/stress_tests/{name}.json", "n": 200}
