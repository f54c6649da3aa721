"""What a release brings: the site in one file, the PDF, and the check that all of it is of one version.

python -m tools.release zip | gather --tag v0.1.0
"""

import argparse
import json
import re
import shutil
import sys
import tomllib
import zipfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
BUILT = ROOT / "book" / "_build"
SAME_DAY = (1980, 1, 1, 0, 0, 0)  # so that the same site is the same file


def version(root: Path = ROOT) -> str:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def zipped(site: Path, to: Path, folder: str) -> Path:
    """Write the files of a site into one zip file, below a folder that is made when it is unpacked."""
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in site.rglob("*") if path.is_file() and path.name != ".buildinfo"):
            entry = zipfile.ZipInfo(f"{folder}/{path.relative_to(site).as_posix()}", SAME_DAY)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return to


def unready(tag: str, root: Path = ROOT) -> list[str]:
    """What speaks against a release under this tag, each as a sentence."""
    number = version(root)
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    zenodo = json.loads((root / ".zenodo.json").read_text(encoding="utf-8"))
    log = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    dated = re.search(rf"^## {re.escape(number)} \((\d{{4}}-\d\d-\d\d)\)$", log, re.MULTILINE)
    found = [] if tag == f"v{number}" else [f"the tag is {tag or 'missing'}, expected v{number} as in pyproject.toml"]
    named = {"CITATION.cff": citation.get("version"), ".zenodo.json": zenodo.get("version")}
    found += [f"{file} says version {said}, expected {number}" for file, said in named.items() if str(said) != number]
    if dated is None:
        found.append(f"CHANGELOG.md has no heading `## {number} (YEAR-MONTH-DAY)`; write the day of the release there")
    elif str(citation.get("date-released")) != dated[1]:
        found.append(f"CITATION.cff has no `date-released: {dated[1]}`, the day that CHANGELOG.md names")
    return found


def gather(tag: str, root: Path = ROOT, built: Path = BUILT) -> Path:
    """Copy what a release brings into one folder; raises RuntimeError where something speaks against it."""
    if found := unready(tag, root):
        raise RuntimeError("\n".join(found))
    release = built / "release"
    shutil.rmtree(release, ignore_errors=True)
    release.mkdir()
    shutil.copy(built / "book.pdf", release / f"fair-and-robust-{version(root)}.pdf")
    shutil.copy(built / "site.zip", release / f"fair-and-robust-{version(root)}-site.zip")
    return release


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["zip", "gather"])
    parser.add_argument("--tag", default="", help="gather: the version that is released, such as v0.1.0")
    options = parser.parse_args()
    try:
        if options.action == "zip":
            print(zipped(BUILT / "html", BUILT / "site.zip", f"fair-and-robust-{version()}"))
        else:
            print(gather(options.tag))
    except RuntimeError as error:
        sys.exit(f"error: {error}")
