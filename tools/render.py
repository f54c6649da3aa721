"""Build the site from the stored outputs into book/_build/html, every warning an error.

python tools/render.py [linkcheck]
"""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def render(root: Path = ROOT, builder: str = "html") -> Path:
    """Build the book of `root` afresh and return its first page; raises CalledProcessError on any warning.

    builder: Sphinx's name of what is built, `html` or `linkcheck`, which is also its folder's.
    """
    built = root / "book" / "_build"
    for leftover in (builder, "jupyter_execute"):  # a page that left the book must leave the site
        shutil.rmtree(built / leftover, ignore_errors=True)
    jupyter_book = Path(sysconfig.get_path("scripts")) / "jupyter-book"
    options = ["--path-output", "book", "--builder", builder, "--all", "-W", "-n", "--keep-going"]
    subprocess.run([jupyter_book, "build", ".", *options], cwd=root, check=True)
    return built / builder / "index.html"


def main(builder: str = "html", root: Path = ROOT) -> int:
    """Build the book and look at the pairs of notebooks behind it; returns 0 where both are as they should be."""
    sys.path.insert(0, str(root))  # `tools` and `fairlib`, also where this file is run by its path
    from tools import notebooks

    try:
        print(render(root, builder))
        status = 0
    except subprocess.CalledProcessError as error:
        status = error.returncode
    try:
        notebooks.check(root)
    except RuntimeError as error:
        print(f"error: the book shows notebooks that are not as they should be\n{error}", file=sys.stderr)
        status = status or 1
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
