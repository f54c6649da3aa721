"""One quantity, one value: the headlines as they are printed, and no page that says another."""

import html
import json
import re
from pathlib import Path

import pytest
from book.claims.hand_made import at
from bs4 import BeautifulSoup

from fairlib.book import claims, headlines

ROOT = Path(__file__).resolve().parents[2]
GAIN = "centroid_defense/FullyConnected/MNIST/gain/eps=0.1"


def outputs(notebook: dict) -> list[str]:
    """The Markdown that a notebook's cells put out, and the HTML of its tables with spans of headlines."""
    shown = [o.get("data", {}) for cell in notebook["cells"] for o in cell.get("outputs", ())]
    return ["".join(data[kind]) for data in shown for kind in ("text/markdown", "text/html") if kind in data]


def prose(page: str) -> str:
    """What a Markdown page says outside of its code."""
    return re.sub(r"^(`{3,})\{code-cell\}.*?^\1$", "", page, flags=re.DOTALL | re.MULTILINE)


def pages() -> dict[str, str]:
    found = {
        path.name: "\n".join(outputs(json.loads(path.read_text()))) for path in (ROOT / "notebooks").glob("*.ipynb")
    }
    texts = [*(ROOT / "notebooks").glob("*.md"), *(ROOT / "book").glob("*.md"), ROOT / "README.md"]
    return found | {path.relative_to(ROOT).as_posix(): prose(path.read_text()) for path in texts}


def reads_headlines(name: str, page: str) -> bool:
    """Whether a page takes its numbers from the headlines: the notebook that ran does, or it has no code."""
    source = ROOT / "notebooks" / name
    return not name.endswith(".ipynb") or "headlines." in source.read_text()


def told(page: str) -> dict[str, set[str]]:
    """The headlines in a page's spans: by quantity what is said."""
    found: dict[str, set[str]] = {}
    for span in BeautifulSoup(page, "html.parser").select("[data-quantity]"):
        found.setdefault(span["data-quantity"], set()).add(span.text)
    return found


@pytest.fixture(scope="module")
def numbers() -> dict[str, str]:
    return {key: headlines.number(key) for key in headlines.load()}


def contradictions(every: dict[str, str], numbers: dict[str, str]) -> dict[str, set[str]]:
    """The quantities that the pages show with two values, or with another one than the records'."""
    found: dict[str, set[str]] = {}
    for page in every.values():
        for key, values in told(page).items():
            found.setdefault(key, {numbers[key]}).update(values)
    return {key: values for key, values in found.items() if len(values) > 1}


def strays(page: str, numbers: dict[str, str]) -> list[str]:
    """The headlines whose value and interval stand in a page's prose without their span."""
    bare = html.unescape(re.sub(r"<span [^>]*data-quantity=.*?</span>|<table.*?</table>", "", page, flags=re.DOTALL))
    return [key for key, shown in numbers.items() if "[" in shown and shown.lstrip("+") in bare]


def test_no_two_pages_say_two_things(numbers):
    assert contradictions(pages(), numbers) == {}


def test_no_headline_stands_without_its_span(numbers):
    """README's are plain words, which front/test_cards.py compares with the first page's."""
    read = {name: page for name, page in pages().items() if reads_headlines(name, page) and name != "README.md"}
    assert {name: found for name, page in read.items() if (found := strays(page, asked_on(name, numbers)))} == {}


def asked_on(name: str, numbers: dict[str, str]) -> dict[str, str]:
    """The headlines of the chapters that a notebook names; of two digits and an interval others may agree by chance."""
    if not name.endswith(".ipynb"):
        return numbers
    source = f"{name.removesuffix('.ipynb')}/ {(ROOT / 'notebooks' / name).with_suffix('.md').read_text()}"
    return {key: shown for key, shown in numbers.items() if f"{key.partition('/')[0]}/" in source}


ANSWER = r"\*\*(The answer|What they come to)\.\*\*"
# Chapters whose answers have no headline; those of the first page are in front/test_cards.py.
WITHOUT = {
    "ablations", "ambiguities", "ambiguities_hua", "audit", "audit_worlds", "bench", "beyond", "checked", "costs",
    "data_models", "individually_fair", "other_defenses", "ssim_one_step", "start", "truncation", "yardsticks",
}  # fmt: skip


def test_each_answer_reads_its_headlines():
    answers = {}
    for path in (ROOT / "notebooks").glob("*.md"):
        if path.stem.startswith("check_"):  # an audit, whose chapter has the answer
            continue
        text = path.read_text()
        cells = re.findall(r"^```\{code-cell\}.*?^```$", text, flags=re.DOTALL | re.MULTILINE)
        opening = text.partition("\n## ")[0]
        said = [cell for cell in cells if re.search(ANSWER, cell) or cell in opening]
        answers[path.stem] = any("headlines." in cell for cell in said)
    assert {name for name, reads in answers.items() if not reads} == WITHOUT


def test_a_planted_second_value_is_found(numbers):
    right = f"The defence moves it by {headlines.span(GAIN)} here."
    assert contradictions({"a": right, "b": right}, numbers) == {}
    other = right.replace(numbers[GAIN], "+0.99 [+0.98, +1.00]")
    assert other != right
    assert contradictions({"a": right, "b": other}, numbers) == {GAIN: {numbers[GAIN], "+0.99 [+0.98, +1.00]"}}
    assert contradictions({"b": other}, numbers)  # on one page alone, against the records
    assert strays(right, numbers) == []
    assert strays(f"It moves it by {numbers[GAIN]}.", numbers) == [GAIN]
    assert strays(f"<table><td>{numbers[GAIN]}</td></table>", numbers) == []


def test_every_headline_is_recorded_and_has_an_interval(numbers):
    for key, h in headlines.load().items():
        e = headlines.estimate(key)
        assert e == claims.recorded(h.chapter)[h.quantity]
        assert e.low < e.high
        value, low, high = (float(n) for n in re.findall(r"[-+]?\d+\.?\d*", numbers[key]))
        factor = h.times * (100 if h.percent else 1)
        assert (value, low, high) == pytest.approx(
            [factor * v for v in (e.value, e.low, e.high)], abs=0.51 * 10**-h.digits
        )


def recorded(key: str, estimate: claims.Estimate) -> None:
    h = headlines.load()[key]
    claims.record(h.chapter, {h.quantity: estimate}, {})


@pytest.mark.parametrize(
    ("key", "estimate", "number", "text"),
    [
        (GAIN, at(0.0771, 0.04, 0.111), "+0.08 [+0.04, +0.11]", "+0.08 [+0.04, +0.11]"),
        (GAIN, at(-0.001, -0.014, 0.012, basis="one world"), "+0.00 [-0.01, +0.01]", "+0.00 [-0.01, +0.01], one world"),
        (GAIN, at(0.25), "+0.25", "+0.25, exact"),
        ("trust/ftest/size", at(0.0374, 0.0342, 0.041, n=9), "3.7 % [3.4, 4.1]", "3.7 % [3.4, 4.1], 9 images"),
        ("bias_metric/world/slope/plain, points a doubling", at(0.03, 0.02, 0.04), "2.1 [1.4, 2.8]", "2.1 [1.4, 2.8]"),
    ],
)
def test_a_headline_by_hand(house, key, estimate, number, text):
    recorded(key, estimate)
    assert (headlines.number(key), headlines.text(key)) == (number, text)
    shown = BeautifulSoup(headlines.span(key, basis=True), "html.parser")
    assert (shown.span["data-quantity"], shown.span.text) == (key, number)
    assert shown.text == text.replace(f"{number}, ", f"{number} (") + (")" if text != number else "")
    assert BeautifulSoup(headlines.span(key), "html.parser").text == number


def test_a_range_names_its_ends(house):
    keys = [
        f"centroid_defense/{pair}/gain/eps=0.1"
        for pair in ("FullyConnected/MNIST", "LeNet5/MNIST", "LeNet5/FashionMNIST")
    ]
    values = {key.partition("/")[2]: at(v, v - 0.01, v + 0.01) for key, v in zip(keys, (0.1, -0.2, 0.3), strict=True)}
    claims.record("centroid_defense", values, {})
    assert list(told(headlines.between(keys))) == [keys[1], keys[2]]
    with pytest.raises(ValueError, match="no headline to show"):
        headlines.between([])


def test_what_is_no_headline_is_refused(house):
    with pytest.raises(ValueError, match=r"'gain' is no headline; list it in data/claims/headlines\.toml"):
        headlines.number("gain")
    with pytest.raises(FileNotFoundError, match="make reproduce ONLY=centroid_defense/"):
        headlines.text(GAIN)
    path = house / "claims" / "headlines.toml"
    path.write_text(path.read_text().replace("digits = 2", "digit = 2", 1))
    with pytest.raises(ValueError, match="digit, which is no field"):
        headlines.load()
    path.write_text('[chapters]\n"a" = {}\n')
    with pytest.raises(ValueError, match="expected one of: training"):
        headlines.load()
