"""The glossary: what it holds, that each page links the first use of each word and no other, what a page carries."""

import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from book._ext import words as page_words
from tools import words

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / words.GLOSSARY).read_text()
ENTRIES = words.entries(TEXT)
LINKED = {name: path.read_text() for name, path in words.pages().items()}
# What readers asked for, and what the chapters use before they explain it.
ASKED_FOR = """FGSM; adversarial example; Wilson interval; Newcombe interval; tally; tap; PieAPP; MS-SSIM; CIEDE2000;
shipped; recorded run; epsilon; L2; L-infinity; gradient; logit; softmax; white-box; centroid; cosine distance; alpha;
loose; claim; verdict; cause; placebo; sensitivity; bootstrap; HC3; permutation test; Holm's correction; slope;
made world; arm; DRO; Wasserstein distance; ground cost; SSIM; LPIPS; DISTS; PerC-AL; PPGD; LPA; PGD;
JPEG; bit depth; embedded; live run"""
# Entries that no page of prose links, and why.
NOT_LINKED: dict[str, str] = {}
TOY = {
    "image": ["image", "picture"],
    "image file": ["image file"],
    "FGSM": ["FGSM"],
    "cosine distance": ["cosine distance"],
}


def definitions() -> dict[str, list[str]]:
    """The paragraphs of each entry."""
    found = {}
    for block in words.BLOCK.findall(TEXT):
        for entry in re.split(r"\n\n(?=\S)", block.strip()):
            found[entry.split("\n")[0]] = [
                p.strip() for p in "\n".join(re.findall(r"^  .*|^$", entry, re.M)).split("\n\n")
            ]
    return found


def test_each_word_is_explained_once_shortly_and_leads_on():
    heads = [word for group in ENTRIES.values() for word in group]
    assert len(heads) == len({head.lower() for head in heads}) > 100
    assert {word.strip() for word in ASKED_FOR.replace("\n", " ").split(";")} - set(heads) == set()
    wrong = {}
    for word, (meaning, where, *more) in definitions().items():
        sentences = len(re.findall(r"[.?](?= |$)", meaning))
        plain = len(meaning) <= 330 and not re.search(r"\$|\{", meaning)
        if not (1 <= sentences <= 3 and plain and "{ref}`" in where and not more):
            wrong[word] = sentences, len(meaning)
    assert wrong == {}


@pytest.mark.parametrize("name", LINKED)
def test_a_page_links_the_first_use_of_each_word(name):
    """`python -m tools.words` makes it so."""
    assert words.linked(LINKED[name], name, ENTRIES) == LINKED[name]


def test_each_word_is_linked_somewhere_or_it_is_said_why_not():
    first = {word: entry for entry, group in ENTRIES.items() for word in group}
    roles = re.findall(r"\{term\}`([^`]+)`", "".join(LINKED.values()))
    used = {first[re.sub(r".*<(.*)>", r"\1", role)] for role in roles}  # a KeyError is a link to no entry
    assert set(ENTRIES) - used == set(NOT_LINKED)


def test_words_of_another_meaning_are_on_pages_that_exist():
    assert set(words.ELSEWHERE) | set(words.FORMS) <= set(ENTRIES)
    assert set().union(*words.ELSEWHERE.values()) <= set(LINKED)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("An image, another image.", "An {term}`image`, another image."),
        ("Pictures. An {term}`image`.", "{term}`Pictures <image>`. An image."),  # the link moves to the first use
        ("An image file, an image.", "An {term}`image file`, an {term}`image`."),  # the longer word goes first
        ("One image file, one image file.", "One {term}`image file`, one image file."),
        ("The cosine\ndistance.", "The {term}`cosine distance`."),
        ("The cosine transform.", "The cosine transform."),
        ("*FGSM*, FGSM-like, fgsm.", "*{term}`FGSM`*, FGSM-like, fgsm."),
        ("# An image\n\n`image` $image$ [image](x) {ref}`image <x>`\n\n```python\nimage\n```\n\nimage",
         "# An image\n\n`image` $image$ [image](x) {ref}`image <x>`\n\n```python\nimage\n```\n\n{term}`image`"),
        ("---\nimage: 1\n---\n(image)=\nimage\n: An image.",
         "---\nimage: 1\n---\n(image)=\nimage\n: An {term}`image`."),
        (":::{image} x\n:alt: image\n:::\n<b title='image'>\n| image |\n|---|",
         ":::{image} x\n:alt: image\n:::\n<b title='image'>\n| {term}`image` |\n|---|"),
    ],
)  # fmt: skip
def test_linking(before, after):
    assert words.linked(before, "page.md", TOY) == after
    assert words.linked(after, "page.md", TOY) == after


def test_linking_a_book_writes_its_pages(tmp_path, capsys):
    (tmp_path / "book" / "api").mkdir(parents=True)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / words.GLOSSARY).write_text(":::{glossary}\n:sorted:\n\nFGSM\none step\n  An attack.\n:::\n")
    page = tmp_path / "notebooks" / "page.md"
    page.write_text("FGSM is one step.\n")
    words.main(tmp_path)
    assert page.read_text() == "{term}`FGSM` is one step.\n"
    assert capsys.readouterr().out == "notebooks/page.md\n"
    words.main(tmp_path)
    assert capsys.readouterr().out == ""


def test_a_page_carries_each_meaning_once():
    plain = '<a class="reference internal" href="../book/glossary.html#term-a">{}</a>'
    link = plain.format('<span class="xref std std-term">{}</span>')
    found = {"term-a": ("a, b", "1 < 2 & more."), "term-c": ("c", "Unused.")}
    html = BeautifulSoup(
        page_words.explained(link.format("a") + link.format("b") + plain.format("c"), found), "html.parser"
    )
    [meaning] = html.select(".meaning")
    assert meaning.get_text() == "a, b 1 < 2 & more." and meaning["role"] == "tooltip" and "hidden" in meaning.attrs
    assert [a.get("aria-describedby") for a in html("a")] == [meaning["id"], meaning["id"], None]
