"""What is no answer, no number or no count is refused by every function that counts, tests or judges."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
import torch

from fairlib import baselines, checks, complexity, data, evaluation, fairness, files, geography, intervals, training
from fairlib.book import claims
from fairlib.defenses import CentroidDefense

NAN, INF = math.nan, math.inf
G = np.array([7.0, 8.0, 9.0, 10.0])
P = np.array([0.5, 0.75, 0.5, 1.0])
N = np.array([4, 8, 2, 3])
TABLE = pd.DataFrame({"n": N, "right": [2, 6, 1, 3], "accuracy": P, "log_gdp": G}, index=list("ABCD"))
GDP = pd.Series(G, index=list("ABCD"))
CURVE = pd.DataFrame({"slope": [0.0, 0.1], "share": [0.05, 0.9]})
ESTIMATE = claims.Estimate(0.5, 0.4, 0.6, "here")
ROWS = pd.DataFrame({"method": ["defended", "defenseless"], "right": [5, 4], "n": [10, 10]})
LEDGER = [0.9 - 0.08 * i for i in range(11)]
NETWORK = training.initialised("FullyConnected", seed=0).eval()
X = torch.rand(10, 1, 28, 28, generator=torch.Generator().manual_seed(0))

# What stands for a single number, or for one of several, and is none.
NO_NUMBER = [NAN, INF, -INF, "0.5", None, True, [0.5], 1j]
NO_COUNT = [*NO_NUMBER, -1, 1.5]
NO_COUNT_FROM_1 = [*NO_COUNT, 0]
NO_SHARE = [*NO_NUMBER, -0.1, 1.1]
NO_NUMBERS = [[0.5, NAN, 0.2], [0.5, INF, 0.2], [0.5, None, 0.2], ["0.5", "0.6", "0.2"], [True, False, True], [], None,
              0.5, "0.5", [[0.5, 0.6], [0.5]], ["a"], {"a": 1}, [0.5, "x", 0.2]]  # fmt: skip
NO_SHARES = [*NO_NUMBERS, [0.5, 1.5, 0.2], [0.5, -0.5, 0.2]]
NO_ANSWERS = [[1, 0, NAN, 1], [1, 0, None, 1], [1, 0, 0.5, 1], [1, 0, 2, 1], [1, 0, -1, 1], list("1011"),
              ["True", "False", "True", "False"], ["right"] * 4, [1, 0, 1], [], None, 1, [[1, 0, 1, 1]],
              pd.Series([True, None, False, True]), pd.array([True, pd.NA, False, True]), [1, 0, INF, 1],
              [1, 0, 1j, 1]]  # fmt: skip
NO_COUNTRIES = [["A", None, "B", "C"], ["A", NAN, "B", "C"], ["A", "Z", "B", "C"], ["A", 3, "B", "C"], ["A"], [], None,
                "ABCD", [["A", "B", "C", "D"]], [pd.NA] * 4]  # fmt: skip


def spoilt(frame: pd.DataFrame, column: str, values: list) -> list[pd.DataFrame]:
    """The frame without a column, and with each value in the column's second cell."""
    found = [frame.drop(columns=column)]
    for value in values:
        if not isinstance(value, list):
            cells = frame[column].astype(object).to_list()
            cells[1] = value
            found.append(frame.assign(**{column: pd.Series(cells, index=frame.index, dtype=object)}))
    numbers = [v for v in values if isinstance(v, float) and not isinstance(v, bool)]
    found += [frame.assign(**{column: [frame[column].iloc[0], v, *frame[column].iloc[2:]]}) for v in numbers]
    return [*found, frame.assign(**{column: frame[column].astype(str)})]


BAD_TABLES = [
    *spoilt(TABLE, "n", [*NO_COUNT_FROM_1]), *spoilt(TABLE, "accuracy", NO_SHARE), *spoilt(TABLE, "log_gdp", NO_NUMBER),
    None, "table", {"n": N}, TABLE.head(0),
]  # fmt: skip
BAD_COUNTS = [*spoilt(TABLE, "n", NO_COUNT_FROM_1), *spoilt(TABLE, "right", [*NO_COUNT, 9]), None, TABLE.head(0)]
BAD_DESIGNS = [*spoilt(TABLE, "n", NO_COUNT_FROM_1), *spoilt(TABLE, "log_gdp", NO_NUMBER), None, TABLE.head(0)]


def simulated(**changed):
    arguments = {"log_gdp": G, "n": N, "slope": 0.01, "accuracy": 0.5, "tau": 0.0, "worlds": 2} | changed
    return fairness.simulate(**{"rng": np.random.default_rng(0)} | arguments)


def powered(table=TABLE, slopes=(0.0, 0.1), **changed):
    return fairness.power(table, slopes, **{"worlds": 2, "accuracy": 0.5} | changed)


def estimated(**changed):
    return dataclasses.replace(ESTIMATE, **changed)


# Name -> (a good value, what is done with it, values that are refused).
CASES = {
    "country_table country": (list("ABCA"), lambda v: fairness.country_table(v, [1, 0, 1, 1], GDP), NO_COUNTRIES),
    "country_table right": ([1, 0, True, 1], lambda v: fairness.country_table(list("ABCA"), v, GDP), NO_ANSWERS),
    "country_table log_gdp": (
        GDP,
        lambda v: fairness.country_table(list("ABCA"), [1, 0, 1, 1], v),
        [None, list(G), GDP.head(2), GDP.replace(8.0, NAN), GDP.replace(8.0, -INF), GDP.astype(str),
         pd.concat([GDP, GDP])],
    ),
    "overall": (TABLE, fairness.overall, BAD_COUNTS),
    "with_interval": (TABLE, intervals.with_interval, BAD_COUNTS),
    "observations": (TABLE, fairness.observations, BAD_TABLES),
    **{f"slope {m}": (TABLE, lambda v, m=m: fairness.slope(v, m), BAD_TABLES) for m in fairness.METHODS},
    "regression": (TABLE, fairness.regression, BAD_TABLES),
    "effect_sizes": (TABLE, fairness.effect_sizes, BAD_TABLES),
    "influence": (TABLE, fairness.influence, BAD_TABLES),
    "permutation": (TABLE, lambda v: fairness.permutation(v, permutations=9), BAD_TABLES),
    "permutation permutations": (9, lambda v: fairness.permutation(TABLE, permutations=v), NO_COUNT_FROM_1),
    "permutation seed": (0, lambda v: fairness.permutation(TABLE, permutations=9, seed=v), NO_COUNT),
    "band": ([7.5, 8.0], lambda v: fairness.band(TABLE, v), NO_NUMBERS),
    "band table": (TABLE, lambda v: fairness.band(v, [8.0]), BAD_TABLES),
    "total_variation p": (
        [0.5, 0.3, 0.2], lambda v: fairness.total_variation(v, [0.2, 0.3, 0.5]),
        [*NO_SHARES, [0.5, 0.3, 0.1], [0.5, 0.5]],
    ),
    "angles u": ([0.5, 0.3, 0.2], lambda v: fairness.angles(v, [1, 0, 0]), [*NO_NUMBERS, [0, 0, 0]]),
    "violations outcomes": (
        [0.5, 0.3, 0.2], lambda v: fairness.violations(v, [0.1, 0.2, 0.3], [1]), [*NO_NUMBERS, [0.5, -0.1, 0.2], [0.5]],
    ),
    "violations individuals": (
        [0.5, 0.3, 0.2], lambda v: fairness.violations([0.1, 0.2, 0.3], v, [1]), [*NO_NUMBERS, [0.5, -0.1, 0.2], [0.5]],
    ),
    "violations c": ([1, 2], lambda v: fairness.violations([0.1], [0.2], v), [*NO_NUMBERS, [1, -1]]),
    "broken_triangles": (
        [[0, 1, 1], [1, 0, 1], [1, 1, 0]], fairness.broken_triangles,
        [None, 0.5, [], [[0, 1], [1, 0]], [[0, NAN, 1], [NAN, 0, 1], [1, 1, 0]], [[0, -1, 1], [-1, 0, 1], [1, 1, 0]]],
    ),
    "by_class": (
        [[3, 1], [2, 4]], fairness.by_class,
        [None, [], 3, [3, 1], [[3, NAN], [2, 4]], [[3, -1], [2, 4]], [[3, 0.5], [2, 4]], [["3", "1"], ["2", "4"]]],
    ),
    "gaps_by_chance right": (
        3, lambda v: fairness.gaps_by_chance(v, [5, 5], draws=2, seed=0), [*NO_COUNT, 11],
    ),
    "gaps_by_chance n": (
        [5, 5], lambda v: fairness.gaps_by_chance(3, v, draws=2, seed=0), [*NO_NUMBERS, [5, 0], [5, -1], [5, 2.5]],
    ),
    "gaps_by_chance draws": (
        2, lambda v: fairness.gaps_by_chance(3, [5, 5], draws=v, seed=0), NO_COUNT_FROM_1
    ),
    "sampling_variance accuracy": (
        P, lambda v: fairness.sampling_variance(v, N), [[NAN] * 4, [1.5] * 4, ["1"] * 4, []]
    ),
    "sampling_variance n": (N, lambda v: fairness.sampling_variance(P, v), [[0] * 4, [NAN] * 4, [1.5] * 4, []]),
    "meta_regression covariate": (G[:3], lambda v: fairness.meta_regression(v, [0.1, 0.3, 0.2], [1, 1, 2]), NO_NUMBERS),
    "meta_regression estimates": ([0.1, 0.3, 0.2], lambda v: fairness.meta_regression(G[:3], v, [1, 1, 2]), NO_NUMBERS),
    "meta_regression variances": (
        [1, 1, 2], lambda v: fairness.meta_regression(G[:3], [0.1, 0.3, 0.2], v), [*NO_NUMBERS, [1, 0, 1], [1, -1, 1]]
    ),
    "rejects log_gdp": (G, lambda v: fairness.rejects(v, [P], N), [*NO_NUMBERS, G[:3], [8.0] * 4]),
    "rejects accuracy": ([P], lambda v: fairness.rejects(G, v, N), [*NO_SHARES, P, [P[:3]], [[NAN] * 4], [P * 3]]),
    "rejects n": (N, lambda v: fairness.rejects(G, [P], v), [*NO_NUMBERS, N[:3], [0] * 4, [1.5] * 4]),
    "simulate log_gdp": (G, lambda v: simulated(log_gdp=v), [*NO_NUMBERS, G[:3]]),
    "simulate n": (N, lambda v: simulated(n=v), [*NO_NUMBERS, N[:3], [0] * 4, [1.5] * 4, [-1] * 4]),
    "simulate slope": (0.1, lambda v: simulated(slope=v), NO_NUMBER),
    "simulate accuracy": (0.5, lambda v: simulated(accuracy=v), NO_SHARE),
    "simulate tau": (0.1, lambda v: simulated(tau=v), [*NO_NUMBER, -0.1]),
    "simulate worlds": (2, lambda v: simulated(worlds=v), NO_COUNT_FROM_1),
    "simulate rng": (np.random.default_rng(0), lambda v: simulated(rng=v), [None, 0, torch.Generator()]),
    "power table": (TABLE, powered, BAD_DESIGNS),
    "power slopes": ([0.0, 0.1], lambda v: powered(slopes=v), NO_NUMBERS),
    "power methods": (["gls"], lambda v: powered(methods=v), ["gls", None, ["lasso"], [None]]),
    "power accuracy": (0.5, lambda v: powered(accuracy=v), [v for v in NO_SHARE if v is not None]),
    "power worlds": (2, lambda v: powered(worlds=v), NO_COUNT_FROM_1),
    "power seed": (0, lambda v: powered(seed=v), NO_COUNT),
    "detectable curve": (
        CURVE, fairness.detectable,
        [*spoilt(CURVE, "share", NO_SHARE), *spoilt(CURVE, "slope", NO_NUMBER), CURVE.head(0), None,
         pd.concat([CURVE, CURVE])],
    ),
    "detectable target": (0.8, lambda v: fairness.detectable(CURVE, v), NO_SHARE),
    "compare theirs": ([0.1, 0.3, 0.2], lambda v: fairness.compare(v, [0.1, 0.2]), [*NO_NUMBERS, [0.1]]),
    "compare ours": ([0.1, 0.3, 0.2], lambda v: fairness.compare([0.1, 0.2], v), [*NO_NUMBERS, [0.1]]),
    "compare_over_sets": (
        [[0.1, 0.3], [0.2]], lambda v: fairness.compare_over_sets(v, [[0.1], [0.2]]),
        [[[0.1], []], [[0.1], [NAN]], [[0.1], ["0.2"]], [[0.1], None], [[0.1]], None, 0.1, [0.1, 0.2], [[0.1], [True]]],
    ),
    **{
        name: (
            [[0.1, 0.3], [0.2, 0.5]], function,
            [*NO_NUMBERS, [[0.1, NAN], [0.2, 0.3]], [["0.1", "0.2"], ["0.2", "0.3"]], [[0.1], [0.2]], [[0.1, 0.2]]],
        )
        for name, function in (
            ("icc", fairness.intraclass_correlation), ("icc interval", fairness.intraclass_correlation_interval)
        )
    },
    "size_within_sets icc": (0.3, lambda v: fairness.size_within_sets(v, 3), [*NO_NUMBER, 1.1]),
    "size_within_sets models": (3, lambda v: fairness.size_within_sets(0.3, v), [*NO_COUNT_FROM_1, 1]),
    "under_attack eps": (
        [0.1], lambda v: evaluation.under_attack(NETWORK, X, torch.arange(10), eps=v, attack=lambda m, x, y, eps: [x]),
        [0.1, None, "0.1", [], [NAN], [-0.1], ["0.1"], [None], [True], [8]],
    ),
    "draw n": (3, lambda v: evaluation.draw(X, torch.arange(10), v, seed=0), [*NO_COUNT_FROM_1, 11]),
    "sampling_range accuracy": (0.5, lambda v: intervals.sampling_range(v, 10), NO_SHARE),
    "sampling_range n": (10, lambda v: intervals.sampling_range(0.5, v), NO_COUNT_FROM_1),
    "sampling_range decimals": (2, lambda v: intervals.sampling_range(0.5, 10, decimals=v), NO_COUNT),
    "sampling_range level": (0.9, lambda v: intervals.sampling_range(0.5, 10, level=v), [*NO_SHARE, 0, 1, 95]),
    "explained published": (0.5, lambda v: intervals.explained(v, 0.5, 10), NO_SHARE),
    "explained accuracy": (0.5, lambda v: intervals.explained(0.5, v, 10), NO_SHARE),
    "explained n": (10, lambda v: intervals.explained(0.5, 0.5, v), NO_COUNT_FROM_1),
    "gain": (
        ROWS, intervals.gain,
        [*spoilt(ROWS, "right", [*NO_COUNT, 11]), *spoilt(ROWS, "n", NO_COUNT_FROM_1), ROWS.drop(columns="method"),
         ROWS.head(1), pd.concat([ROWS, ROWS]), ROWS.assign(method="defended"), None],
    ),
    "prediction_range accuracies": (
        [0.5, 0.6, 0.7], lambda v: intervals.prediction_range(v, 10), [*NO_SHARES, [0.5]]
    ),
    "prediction_range n": (10, lambda v: intervals.prediction_range([0.5, 0.6], v), NO_COUNT_FROM_1),
    "prediction_range level": (
        0.9, lambda v: intervals.prediction_range([0.5, 0.6], 9, level=v), [*NO_SHARE, 0, 1, 95]
    ),
    "over_seeds": ([0.5, 0.6, 7], intervals.over_seeds, [*NO_NUMBERS, [0.5]]),
    "below_chance_at curve": (
        LEDGER, evaluation.below_chance_at, [*NO_SHARES, LEDGER[:10], [*LEDGER, 0.1], [NAN] * 11, [*LEDGER[:10], NAN]]
    ),
    "below_chance_at chance": (0.1, lambda v: evaluation.below_chance_at(LEDGER, v), [*NO_SHARE, 0, 1]),
    "paired gained": (1, lambda v: intervals.paired(v, 2, 10), [*NO_COUNT, 9]),
    "paired lost": (1, lambda v: intervals.paired(2, v, 10), [*NO_COUNT, 9]),
    "paired n": (9, lambda v: intervals.paired(1, 2, v), [*NO_COUNT_FROM_1, 2]),
    "paired level": (0.9, lambda v: intervals.paired(1, 2, 9, level=v), [*NO_SHARE, 0, 1, 95]),
    "Estimate value": (0.5, lambda v: estimated(value=v), [*NO_NUMBER, 0.7]),
    "Estimate low": (0.4, lambda v: estimated(low=v), [*NO_NUMBER, 0.7]),
    "Estimate high": (0.6, lambda v: estimated(high=v), [*NO_NUMBER, 0.3]),
    "Estimate n": (3, lambda v: estimated(n=v), [v for v in NO_COUNT_FROM_1 if v is not None]),
    "Estimate seeds": (3, lambda v: estimated(seeds=v, sd=0.1), NO_COUNT_FROM_1),
    "Estimate sd": (0.1, lambda v: estimated(seeds=3, sd=v), [*NO_NUMBER, -0.1]),
    "Estimate anchor": ("there", lambda v: estimated(anchor=v), [None, "", 3, "a b", NAN]),
    "Estimate record": ("results/x", lambda v: estimated(record=v), [None, 3, NAN, ["x"]]),
    "repetition e": (ESTIMATE, lambda v: claims.repetition(v, decimals=2), [None, 0.5, NAN]),
    "repetition n": (
        9, lambda v: claims.repetition(ESTIMATE, decimals=2, n=v), [v for v in NO_COUNT_FROM_1 if v is not None]
    ),
    "repetition decimals": (
        2, lambda v: claims.repetition(ESTIMATE, decimals=v), [v for v in NO_COUNT if v is not None]
    ),
    "matches value": (0.5, lambda v: claims.matches(ESTIMATE, value=v, decimals=2), NO_NUMBER),
    "equivalent to": (0.5, lambda v: claims.equivalent(ESTIMATE, smallest=0.1, to=v), NO_NUMBER),
    "matches_range low": (0.1, lambda v: claims.matches_range(ESTIMATE, low=v, high=0.5, decimals=2), [*NO_NUMBER, 1]),
    "matches_range high": (0.9, lambda v: claims.matches_range(ESTIMATE, low=0.5, high=v, decimals=2), [*NO_NUMBER, 0]),
    "between low": (0.1, lambda v: claims.between(ESTIMATE, low=v, high=0.5), [NAN, "0.1", None, True, 0.6]),
    "at_least": (0.1, lambda v: claims.at_least(ESTIMATE, value=v), [NAN, "0.1", None, True]),
    "at_most": (0.1, lambda v: claims.at_most(ESTIMATE, value=v), [NAN, "0.1", None, True]),
    "equals": (0.5, lambda v: claims.equals(ESTIMATE, value=v, decimals=2), NO_NUMBER),
    **{
        f"{rule.__name__} {what}": case
        for rule in (claims.positive, claims.negative, claims.equivalent)
        for what, case in {
            "e": (ESTIMATE, lambda v, rule=rule: rule(v, smallest=0.1), [None, 0.5, NAN, "0.5"]),
            "smallest": (0.1, lambda v, rule=rule: rule(ESTIMATE, smallest=v), [*NO_NUMBER, 0, -0.1]),
        }.items()
    },
    "record": (
        {}, lambda v: claims.record("fgsm", v, {}) if v else None, [{"none": ESTIMATE}]
    ),
    "EqualLayers depth": (1, lambda v: complexity.EqualLayers(v, 10), NO_COUNT_FROM_1),
    "EqualLayers width": (10, lambda v: complexity.EqualLayers(1, v), [*NO_COUNT_FROM_1, 9]),
    "macs": (CentroidDefense(NETWORK, X, [0.3] * 10), complexity.macs, [None, NETWORK, "defense"]),
    "algorithm1 alpha": (
        [0.3] * 10, lambda v: complexity.algorithm1(NETWORK, X[:1], X, v), [*NO_NUMBERS, [0.3] * 9, [NAN] * 10]
    ),
    "times calls": ({"a": int}, lambda v: complexity.times(v, rounds=1), [{}, None, [int], {"a": 3}, "a"]),
    "times rounds": (1, lambda v: complexity.times({"a": int}, rounds=v), NO_COUNT_FROM_1),
    "times repeats": (1, lambda v: complexity.times({"a": int}, rounds=1, repeats=v), NO_COUNT_FROM_1),
    "median": (list(range(6)), intervals.median, [*NO_NUMBERS, [1, 2, 3], [1, 2, 3, 4, 5, NAN], list("123456")]),
    "mean": ([1.0, 2.0, 4.0], intervals.mean, [*NO_NUMBERS, [1.0]]),
    "slopes": (
        pd.DataFrame([[1.0, 2.0]], columns=[10, 20]), complexity.slopes,
        [None, pd.DataFrame([[1.0, NAN]], columns=[10, 20]), pd.DataFrame([[1.0, INF]], columns=[10, 20]),
         pd.DataFrame([["1", "2"]], columns=[10, 20]), pd.DataFrame([[1.0, 2.0]], columns=["10", "20"]),
         pd.DataFrame([[1.0]], columns=[10]), pd.DataFrame([[1.0, 0.0]], columns=[10, 20])],
    ),
    "NearestCentroid": (X, baselines.NearestCentroid, [None, X.numpy(), X.double(), X * NAN, X[:0], [X]]),
    "SmallestMeanDistance": (
        CentroidDefense(NETWORK, X, [0.3] * 10), baselines.SmallestMeanDistance, [None, NETWORK, "defense"]
    ),
    "Binarised": (NETWORK, baselines.Binarised, [None, "network", torch.nn.Flatten().eval(), lambda x: x]),
    "gdp year": (2019, lambda v: geography.gdp(year=v), [*NO_COUNT_FROM_1, 1900]),
    "gdp source": ("natural-earth", geography.gdp, [None, "imf", 3, ["world-bank"]]),
    "match": (["Peru"], geography.match, ["Peru", None, 3, NAN]),
    "stamped_share": (
        TABLE, geography.stamped_share, [*spoilt(TABLE, "log_gdp", NO_NUMBER), TABLE.assign(log_gdp=8.0), None]
    ),
    "world n": (5, lambda v: geography.world("test", v, seed=0), [*NO_COUNT_FROM_1, 10_001]),
    "world seed": (5, lambda v: geography.world("test", 5, seed=v), NO_COUNT),
    "world amplitude": (0.1, lambda v: geography.world("test", 5, seed=0, amplitude=v), NO_SHARE),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_no_answer_is_refused_with_what_was_expected(case):
    good, use, bad = CASES[case]
    use(good)
    for value in bad:
        try:
            found = use(value)
        except ValueError as error:
            assert "expected" in str(error) or "; " in str(error), (value, error)
        else:
            raise AssertionError(f"{value!r} was taken: {found!r}")


def test_one_image_without_an_answer_is_named():
    with pytest.raises(ValueError, match=r"^right holds nan, expected True or False; leave out what has no answer$"):
        fairness.country_table(["A", "B"], [True, NAN], GDP)
    with pytest.raises(ValueError, match=r"^right holds 0\.5, expected True or False"):
        fairness.country_table(["A", "B"], [1, 0.5], GDP)
    with pytest.raises(ValueError, match=r"^country holds None, expected one of log_gdp's; leave out images without"):
        fairness.country_table(["A", None], [1, 0], GDP)
    with pytest.raises(ValueError, match=r"^right is 9 of n = 8, expected no more than there are"):
        intervals.with_interval(pd.DataFrame({"right": [1, 9], "n": [8, 8]}))


def test_answers_and_numbers_come_in_every_usual_dress():
    """0 and 1 for the truth, tensors, series, nullable columns: what they say is what a list of them says."""
    for right in (torch.tensor([True, False]), np.array([1.0, 0.0]), pd.Series([1, 0]), pd.array([True, False]),
                  np.array([True, False], dtype=object), (1, False)):  # fmt: skip
        assert checks.answers(right, "right").tolist() == [True, False]
    for values in ([1, 2.0], np.array([1, 2]), torch.tensor([1.0, 2.0]), pd.Series([1, 2], dtype="Int64"),
                   np.array([1, 2.0], dtype=object), pd.Index([1, 2])):  # fmt: skip
        assert checks.numbers(values, "values").tolist() == checks.counts(values, "values").tolist() == [1.0, 2.0]


@pytest.mark.usefixtures("tmp_path")
def test_only_an_empty_cell_of_a_table_is_none(monkeypatch, tmp_path):
    text = "code,word,number\nNA,none,1.5\nnull,nan,\n,N/A,2\n"
    (tmp_path / "t.csv").write_text(text)
    monkeypatch.setattr(files, "listed", lambda: {"tables/t.csv": ""})
    monkeypatch.setattr(files, "checked", lambda name, mend="": tmp_path / "t.csv")
    found = data.table("t")
    assert found["code"].fillna("(none)").tolist() == ["NA", "null", "(none)"]
    assert found["word"].tolist() == ["none", "nan", "N/A"]
    assert found["number"].isna().tolist() == [False, True, False]
