"""What observers saw, pooled: against SciPy and statsmodels, by simulation, and a sentence for every wrong file."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import integrate
from scipy.stats import norm

from fairlib import __main__
from fairlib.book import observers


@pytest.mark.parametrize("dprime", [0.0, 0.5, 1.0, 2.0])
def test_the_share_that_is_right_has_this_sensitivity(dprime):
    """By definition: the changed picture's evidence, N(d', 1), exceeds the other's, N(0, 1)."""
    share, _ = integrate.quad(lambda z: norm.pdf(z - dprime) * norm.cdf(z), -10, 12)
    n = 10**7
    assert observers.sensitivity(round(share * n), n)["value"] == pytest.approx(dprime, abs=1e-5)


def test_the_ends_are_where_the_score_test_says():
    """Wilson's interval has the shares that the score test at 5 % does not reject; a perfect block has no upper end."""
    for right in range(1, 40):
        found = observers.sensitivity(right, 40)
        for end in (found["low"], found["high"]):
            share = norm.cdf(end / math.sqrt(2))
            assert abs(right / 40 - share) / math.sqrt(share * (1 - share) / 40) == pytest.approx(1.959964, abs=1e-5)
        assert found["low"] < found["value"] < found["high"]
    assert observers.sensitivity(40, 40)["high"] == math.inf
    assert observers.sensitivity(0, 40)["low"] == -math.inf
    assert math.isfinite(observers.sensitivity(40, 40)["value"])


def test_several_observers_are_clusters():
    """The standard error is the sandwich of a regression on a constant, clustered by observer."""
    rng = np.random.default_rng(1)
    n = rng.integers(20, 200, 9)
    right = rng.binomial(n, rng.uniform(0.55, 0.9, 9))
    answers = np.concatenate([np.arange(count) < r for count, r in zip(n, right, strict=True)]).astype(float)
    options = {"groups": np.repeat(np.arange(9), n), "use_correction": False}
    fit = sm.OLS(answers, np.ones(len(answers))).fit(cov_type="cluster", cov_kwds=options)
    found = observers.clustered(right, n)
    half = (norm.cdf(found["high"] / math.sqrt(2)) - norm.cdf(found["low"] / math.sqrt(2))) / 2
    assert half == pytest.approx(2.306004 * math.sqrt(9 / 8) * fit.bse[0], rel=1e-6)
    assert observers.clustered([31], [40]) == observers.sensitivity(31, 40)


def test_the_interval_of_several_observers_holds_for_people():
    """Of 1,000 samples of a dozen observers, who differ, it holds the population's share in about 95 %."""
    rng = np.random.default_rng(2)
    truth = observers.sensitivity(7 * 10**6, 10**7)["value"]
    hit = naive = 0
    for _ in range(1000):
        right = rng.binomial(80, rng.beta(7, 3, 12))
        found = observers.clustered(right, [80] * 12)
        hit += found["low"] <= truth <= found["high"]
        pooled = observers.sensitivity(int(right.sum()), 960)
        naive += pooled["low"] <= truth <= pooled["high"]
    assert 915 < hit < 980
    assert naive < 700, "an interval that takes answers for independent misses the mark"


def block(observer="a", method="pgd", size="own", right=31, missed=0) -> dict:
    trials = [{"photograph": "x", "catch": False, "side": "A", "answer": "AB"[i >= right], "ms": i} for i in range(40)]
    trials += [{"photograph": "x", "catch": True, "side": "B", "answer": "BA"[i < missed], "ms": 1} for i in range(4)]
    return {"version": 1, "lab": "seen", "observer": observer, "method": method, "size": size, "trials": trials}


def saved(folder, *blocks) -> list[str]:
    paths = [folder / f"{i}.json" for i in range(len(blocks))]
    for path, one in zip(paths, blocks, strict=True):
        path.write_text(one if isinstance(one, str) else json.dumps(one))
    return [str(path) for path in paths]


def test_files_are_pooled(tmp_path, capsys, monkeypatch):
    files = saved(
        tmp_path,
        *(block("a", right=31), block("a", right=33), block("b", right=24), block("b", "lpa", right=40)),
        block("c", right=0, missed=2),
    )
    table = observers.pooled(observers.blocks(files))
    expected = pd.DataFrame({"method": ["lpa", "pgd"], "observers": [1, 2], "blocks": [1, 3], "n": [40, 120]})
    assert table[list(expected)].equals(expected)
    assert table["share"].tolist() == [1, 88 / 120]
    monkeypatch.setattr("sys.argv", ["fairlib", "observers", *files])
    assert __main__.main() == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "1 of 5 blocks left out: more than 1 catch trial missed."
    assert "lpa, own size: d' = 3.18" in said[1] and "no bound], that observer's alone" in said[1]
    assert "clustered by observer; right in 73% of 120 trials, 3 blocks, 2 observers" in said[2]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{no", "is no JSON"),
        ("[]", "is not of the lab"),
        (block() | {"version": 2}, "lab 'seen' and version 1"),
        (block() | {"observer": ""}, "has no observer"),
        (block() | {"trials": []}, "has no trials"),
        (block() | {"trials": [{"catch": False, "side": "A", "answer": "C"}]}, "trial 0 of"),
        (block() | {"trials": [{"catch": 0, "side": "A", "answer": "A"}]}, "trial 0 of"),
        (block() | {"trials": [7]}, "trial 0 of"),
        (block() | {"trials": [{"catch": True, "side": "A", "answer": "A"}]}, "catch trials alone"),
    ],
)
def test_a_wrong_file_gets_a_sentence(tmp_path, content, words):
    with pytest.raises(ValueError, match=words):
        observers.blocks(saved(tmp_path, content))


def test_a_block_counts_once(tmp_path):
    with pytest.raises(ValueError, match="hold the same block"):
        observers.blocks(saved(tmp_path, block(), block()))


def test_all_blocks_may_be_left_out(tmp_path):
    rows = observers.blocks(saved(tmp_path, block(missed=4)))
    assert observers.pooled(rows).empty
