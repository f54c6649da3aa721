"""Build the site from the stored outputs into book/_build/html, every warning an error."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def render(root: Path = ROOT) -> Path:
    """Build the book of `root` afresh and return its first page; raises CalledProcessError on any warning."""
    built = root / "book" / "_build"
    for leftover in ("html", "jupyter_execute"):  # a page that left the book must leave the site
        shutil.rmtree(built / leftover, ignore_errors=True)
    jupyter_book = Path(sysconfig.get_path("scripts")) / "jupyter-book"
    options = ["--path-output", "book", "--all", "-W", "-n", "--keep-going"]
    subprocess.run([jupyter_book, "build", ".", *options], cwd=root, check=True)
    return built / "html" / "index.html"


if __name__ == "__main__":
    try:
        print(render())
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
