"""Links to the glossary: on each page the first use of each of its words, and no other.

python -m tools.words writes them into the pages of the book and the .md of each pair of notebooks.
"""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GLOSSARY = "book/glossary.md"
LEFT_OUT = {GLOSSARY, "book/changelog.md", "book/references.md"}  # the last two include other files
ROLE = re.compile(r"\{term\}`([^`<]+?)(?: <[^>`]+>)?`")
BLOCK = re.compile(r"^:::\{glossary\}\n:sorted:\n(.*?)^:::$", re.DOTALL | re.MULTILINE)
# Where no link goes: the head of a file, code and formulas, links and other roles, headings, labels, what opens or
# closes a block, an entry of a list of definitions, tags and addresses.
CLOSED = re.compile(
    r"""\A---\n.*?\n---\n
    | ^(?P<fence>`{3,})[^\n]*\n.*?^(?P=fence)`*$
    | ^<style>.*?</style>$
    | \$\$.*?\$\$ | \$[^$\n]+\$
    | (?:\{[\w:+-]+\})?(?P<tick>`+)(?!`).+?(?<!`)(?P=tick)(?!`)
    | !?\[[^\]\n]*\]\([^)\n]*\)
    | ^(?:\#|\([\w-]+\)=|:::|:\w+:|\{)[^\n]*$
    | ^[^\n]+\n(?=:\ )
    | <[^>\n]+> | https?:\S+""",
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)
# How words are found whose forms are more than a plural, or that are terms in some places only.
FORMS = {
    "adaptive attack": r"adaptive(?: attacks?)?",
    "adversarial example": r"(?:adversarial|attacked) (?:examples?|images?)",
    "attack": r"attacks?|perturbations?",
    "budget": r"budgets?|eps|epsilon",
    "cause": r"(?<=another )cause(?= in the ledger)|(?<=the )cause(?= was found)|(?<=no )cause(?= is shown)",
    "centroid defence": r"centroid defence|(?<=the )defence",
    "clean accuracy": r"clean (?:accuracy|images?)",
    "clipping": r"clip(?:s|ped|ping)?",
    "confidence": r"confidence(?= \$a)|lead(?= of the best wrong| \$?m\(x)",
    "cosine distance": r"cosine distance|cosines?(?! transform)",
    "defended": r"undefended|defenseless|(?<=\*)defended|defended(?= (?:accuracy|network|curve|and on))",
    "DRO": r"DRO|[Dd]istributionally robust optimi[sz]ation|(?<=good in the )worst case|(?<=model in the )worst case",
    "family": r"famil(?:y|ies)",
    "gain": r"(?<=the )gain|(?<=\*)gain(?= that is left)",
    "GLS": r"GLS|[Gg]enerali[sz]ed least squares",
    "ground cost": r"ground cost|perceptual cost|(?<=\*\*the )cost",
    "Holm's correction": r"Holm",
    "live run": r"live runs?|live",
    "margin": r"(?<=\*)margin(?=\*)|(?<=on the )margin",
    "log-probability": r"log-probabilit(?:y|ies)",
    "made world": r"(?:simulated|made|small) worlds?|(?<=in the )worlds?(?= without)|(?<=one )world(?= may be)",
    "MNIST": r"(?<!-)MNIST",
    "Newcombe interval": r"Newcombe's(?: 95 %)? interval",
    "nobody": r"(?<=\*)nobody|nobody(?= has no vote)",
    "noise": r"(?:random )?noise",
    "norm": r"L-infinity norm|norms?|L1|L2",
    "p-value": r"p-values?|(?<=its )p(?= )|(?<=the )p(?= of)|(?<=several )p(?= )",
    "perceptual distance": r"perceptual distances?|imperceptible",
    "PerC-AL": r"PerC-AL|PerC",
    "power": r"(?<=\*)(?:size|power)(?=\*)|power(?= function)",
    "profile": r"(?<=the )profile(?= `)|(?<=` )profile(?= )",
    "recorded run": r"recorded(?: runs?)?",
    "released code": r"released code|as released",
    "softmax": r"(?:log-)?softmax",
    "Student's interval": r"Student's(?: 95 %)?(?: interval)?",
    "surrogate": r"surrogates?(?: loss)?",
    "tie": r"ties|tied|tie",
    "t-test": r"t-tests?|Welch's test|(?:pooled|paired) test",
    "truncation": r"truncat(?:e|es|ed|ion)",
    "unit": r"(?<=\*)units(?=\*)",
    "weights": r"(?<=classifier with )weights|(?<=initial )weights|(?<=network's )weights|(?<=looks for )weights"
    r"|(?<=without the )weights",
    "Wilson interval": r"Wilson's(?: 95 %)? intervals?|Wilson intervals?",
}  # fmt: skip
# Pages on which a word means something else, or nothing special.
ELSEWHERE = {
    "budget": {"notebooks/perceptual_attack.md", "notebooks/table1.md"},
    "centroid defence": {"book/guides/add.md", "notebooks/check_compression.md", "notebooks/compression.md"},
    "defended": {"notebooks/check_compression.md", "notebooks/compression.md", "notebooks/table1.md"},
    "gain": {"notebooks/ssim_one_step.md"},
    "loss": {"notebooks/ambiguities.md"},
    "noise": {"notebooks/training.md"},
    "slope": {"notebooks/runtime.md", "notebooks/stress_tests.md"},
    "truncation": {"notebooks/data_models.md"},
}


def entries(glossary: str) -> dict[str, list[str]]:
    """The words of each entry, by the first of them.

    glossary: the text of the page.
    """
    found = {}
    for block in BLOCK.findall(glossary):
        for entry in re.split(r"\n\n(?=\S)", block.strip()):
            words = entry.split("\n  ")[0].strip().split("\n")
            found[words[0]] = words
    return found


def form(words: list[str]) -> re.Pattern:
    """What finds an entry in prose, over the end of a line as well; words without capitals also where one begins."""
    pattern = FORMS.get(words[0]) or "|".join(rf"{re.escape(word)}(?:s|es)?" for word in words)
    pattern = re.sub(r"\\? ", r"[ \\n]", pattern)
    return re.compile(rf"(?<![\w/-])(?:{pattern})(?![\w/-])", re.IGNORECASE if words[0].islower() else 0)


def linked(text: str, page: str, glossary: dict[str, list[str]]) -> str:
    """A page on which the first use of each word, and no other, is a link; the page itself where it is so already.

    page: its path in the repository; glossary: as `entries` gives it.
    """
    text = ROLE.sub(r"\1", text)
    uses = [(*match.span(), "") for match in CLOSED.finditer(text)]
    for word, words in glossary.items():
        if page not in ELSEWHERE.get(word, ()):
            uses += [(*match.span(), word) for match in form(words).finditer(text)]
    for start, end, word in reversed(list(_first(uses))):
        use = text[start:end].replace("\n", " ")
        target = use if use in glossary[word] else f"{use} <{word}>"
        text = f"{text[:start]}{{term}}`{target}`{text[end:]}"
    return text


def _first(uses: list[tuple[int, int, str]]) -> Iterator[tuple[int, int, str]]:
    """The first use of each word that lies within no other use, nor within what is closed, whose word is empty."""
    last, seen = 0, {""}
    for start, end, word in sorted(uses, key=lambda use: (use[0], -use[1])):
        if start >= last:
            last = end
            if word not in seen:
                seen.add(word)
                yield start, end, word


def pages(root: Path = ROOT) -> dict[str, Path]:
    """The pages with prose, by their paths in the repository."""
    folders = (root / "notebooks", root / "book", root / "book" / "api", root / "book" / "guides")
    paths = {path.relative_to(root).as_posix(): path for folder in folders for path in sorted(folder.glob("*.md"))}
    return {name: path for name, path in paths.items() if name not in LEFT_OUT}


def main(root: Path = ROOT) -> None:
    """Write the links into all pages, and say which changed."""
    glossary = entries((root / GLOSSARY).read_text(encoding="utf-8"))
    for name, path in pages(root).items():
        before = path.read_text(encoding="utf-8")
        after = linked(before, name, glossary)
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(name)


if __name__ == "__main__":
    main()
