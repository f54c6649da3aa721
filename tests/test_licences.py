"""The page of licences: each pinned package, with what it states of itself, and nothing that nobody has looked at."""

import base64
import gzip
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tools import licences

ROOT = Path(__file__).parents[1]
VENDORED = ROOT / "book" / "_static" / "labs" / "vendor"
BUNDLER = ROOT / "tools" / "labs"

PAGE = licences.PAGE.read_text(encoding="utf-8")
ROWS = licences.rows(PAGE)
# Licences, or parts of them, that ask for their name and text and no more; others have a paragraph on the page.
EASY = {"Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-CMU", "MPL-2.0", "PSF-2.0"}


def test_each_pinned_package_has_its_licence():
    assert licences.rows(licences.page(licences.found())) == ROWS, "run `python -m tools.licences`"
    assert sorted(ROWS) == licences.locked() and "unknown" not in ROWS.values()


def test_what_asks_for_more_has_a_paragraph():
    asks = {}
    for name, licence in ROWS.items():
        parts = re.split(r" (?:AND|OR|WITH) |, ", licence)
        if not any(part in EASY for part in parts) and not re.search(rf"^{re.escape(licence)}\n: ", PAGE, re.MULTILINE):
            asks[name] = licence
    assert asks == {}


def test_a_package_says_its_licence_in_three_places(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    for name, head, said in (
        ("one", "License-Expression: MIT", "MIT"),
        ("two", "Classifier: License :: OSI Approved :: ISC License (ISCL)\nLicense: x", "ISC"),
        ("three", "License: Apache 2.0", "Apache-2.0"),
        ("four", "License: UNKNOWN", ""),
    ):
        folder = tmp_path / f"{name}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n{head}\n")
        assert licences.stated(name) == said
    assert licences.stated("nobody-made-this") is None


def test_no_package_is_read_by_hand_that_says_it_itself():
    stated = {name: licences.stated(name) for name in licences.BY_HAND}
    assert {name: said for name, said in stated.items() if said not in (None, "", licences.BY_HAND[name])} == {}


def test_what_the_labs_bring_has_its_licence():
    """Each package that they ask for, in its pinned version, and each that came with it into a bundle."""
    texts = (VENDORED / "LICENSES.txt").read_text(encoding="utf-8").split(f"\n{'-' * 80}\n\n")
    heads = [re.match(r"(\S+) (\S+), (\S+)\n\n.*\b(?:Copyright|copyright)\b", text, re.DOTALL) for text in texts]
    assert all(heads)
    pinned = json.loads((BUNDLER / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    for name, version, licence in (head.groups() for head in heads):
        assert pinned[f"node_modules/{name}"]["version"] == version
        assert licence in EASY
    asked = json.loads((BUNDLER / "package.json").read_text(encoding="utf-8"))["devDependencies"]
    assert set(asked) - {"esbuild"} <= {head[1] for head in heads}
    assert any("TERMS AND CONDITIONS FOR USE" in text for text in texts), "some name Apache's licence, without its text"


def test_the_bundles_are_what_their_script_makes(tmp_path):
    if not shutil.which("node") or not (BUNDLER / "node_modules").exists():
        pytest.skip("`npm ci` in tools/labs gets what this needs")
    subprocess.run(["node", "vendor.js", tmp_path], cwd=BUNDLER, check=True)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    there = {path.name: path.read_bytes() for path in VENDORED.iterdir()}
    binary = (unzipped(files.pop("tfBinary.js")) for files in (made, there))  # another zlib zips otherwise
    assert len(set(binary)) == 1
    assert made == there


def unzipped(script: bytes) -> bytes:
    return gzip.decompress(base64.b64decode(re.search(rb'"(.*)"', script)[1]))
