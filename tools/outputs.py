"""Whether two runs of a cell show the same: text to the letter, numbers up to what another processor may change.

Sums in another order differ in the last bits of a float. That moves few printed numbers, each by one unit of its last
digit, and among many images a few predictions; a change of code or data moves more numbers, or moves them further.
"""

import ast
import math
import re
from decimal import Decimal

from nbformat import NotebookNode

NUMBER = re.compile(r"(?<![\w.#])[-+−]?+(?:(?:\d{1,3}(?:,\d{3})++|\d++)(?:\.\d++)?+|\.\d++)(?:[eE][-+]?\d++)?+(?!\w)")
PICTURE = re.compile(r"data:image/[a-z+]+;base64,[A-Za-z0-9+/=]+")  # within HTML
# What pandas puts around a table: its own style, which the book's replaces, and blanks for whoever reads the source.
STYLE = re.compile(r"<style scoped>.*?</style>\n?", re.DOTALL)
BLANKS = re.compile(r"(?<=>)\s*\n\s*(?=</?(?:table|thead|tbody|tr|th|td|div)\b)")
SHARE = 10  # two numbers of a cell may be a unit off, and one more for each so many


def shown(cell: NotebookNode) -> list[tuple[str, str]]:
    """What a code cell shows, in order, as (kind, content): of a table the HTML, and no warnings beside imports."""
    found: list[tuple[str, str]] = []
    for output in cell.outputs:
        if output.output_type == "stream":
            if output.name == "stderr" and imports(cell.source):
                continue
            if found and found[-1][0] == output.name:  # one text that came in pieces
                found[-1] = (output.name, found[-1][1] + output.text)
            else:
                found.append((output.name, output.text))
        elif output.output_type == "error":
            found.append(("error", f"{output.ename}: {output.evalue}"))
        else:
            for kind in sorted(output.data.keys() - ({"text/plain"} if "text/html" in output.data else set())):
                content = compact(output.data[kind]) if kind == "text/html" else str(output.data[kind])
                found.append((kind, PICTURE.sub("(a picture)", content)))
                alt = output.get("metadata", {}).get(kind, {}).get("alt")
                found += [("alt text", alt)] if alt else []
    return found


def compact(html: str) -> str:
    """A table's HTML without what no page shows, a row a line: a third of what pandas writes."""
    return BLANKS.sub("", STYLE.sub("", html)).replace("<tr", "\n<tr") if 'class="dataframe"' in html else html


def imports(source: str) -> bool:
    """Whether a cell imports something: what a library then says about this machine is no output of the book."""
    try:
        return any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(ast.parse(source)))
    except SyntaxError:  # a magic
        return False


def differences(stored: NotebookNode, computed: NotebookNode) -> list[str]:
    """What tells the outputs of two runs of a cell apart, each as a sentence; empty when nothing does.

    Of a picture its alt text counts: another processor draws a line a hair's breadth beside.
    """
    before, after = shown(stored), shown(computed)
    kinds = [kind for kind, _ in before], [kind for kind, _ in after]
    if kinds[0] != kinds[1]:
        texts = "\n".join(text for kind, text in after if not kind.startswith("image/"))
        return [f"stored are {', '.join(kinds[0]) or 'no outputs'}, now come {', '.join(kinds[1]) or 'none'}:\n{texts}"]
    found, moved, count = [], [], 0
    for (kind, old), (_, new) in zip(before, after, strict=True):
        if kind.startswith("image/"):
            continue
        a, b = NUMBER.findall(old), NUMBER.findall(new)
        if words(old) != words(new):
            found.append(f"other words, stored:\n{old}\nnow:\n{new}")
            continue
        off = [pair for pair in zip(a, b, strict=True) if value(pair[0]) != value(pair[1])]
        found += [f"{old} is stored, now it is {new}" for old, new in off if not near(old, new)]
        moved += [f"{old} is stored, now it is {new}" for old, new in off if near(old, new)]
        count += len(a)
    allowed = 2 + count // SHARE
    if len(moved) > allowed:
        found.append(f"{len(moved)} of {count} numbers moved a little, expected at most {allowed}: {'; '.join(moved)}")
    return found


def words(text: str) -> list[str]:
    """A text without its numbers and without the blanks that align them."""
    return NUMBER.sub(" 0 ", text).split()


def value(number: str) -> Decimal:
    return Decimal(number.replace(",", "").replace("−", "-"))


def near(a: str, b: str) -> bool:
    """Whether two numbers differ by no more than a unit of the last digit, or a count by a tenth of its square root.

    A count of k images has a sampling error of about sqrt(k); another processor changes far less than another sample.
    Below 100, where numbers also name classes, epochs and verdicts, a count has to be the same.
    """
    x, y = value(a), value(b)
    places = min(x.as_tuple().exponent, y.as_tuple().exponent)
    unit = (
        Decimal(1).scaleb(places)
        if places < 0 or "e" in (a + b).lower()
        else math.isqrt(int(max(abs(x), abs(y)))) // 10
    )
    return abs(x - y) <= unit
