"""The guides: their examples run as they stand, in an empty folder, and what the words around them say is so."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fairlib.book import claims

ROOT = Path(__file__).resolve().parents[1]
GUIDES = ROOT / "book" / "guides"
# What must hold once a page's examples have run.
SAID = {
    "add": """
        clean, attacked = table["accuracy"]
        assert clean == (model(x).argmax(1) == y).double().mean().item() > 0.9 > attacked
        assert survive[False] > 0.9 and survive[True] < survive[False] / 2
        assert (Rounded(model, True)(x) == Rounded(model, False)(x)).all()
        assert (moved > 0).all() and (model(x_adv).argmax(1) != theirs).any()
    """,
    "photographs": """
        assert x.shape == (2, 3, 299, 299) and y.tolist() == labels and right.all()
        assert len(table) == 2 and table["success"].all() and (table["LPIPS-VGG"] > 0).all()
        assert (x == data.photographs(size=299)[0][[0, 1]]).all()
    """,
    "run": """
        assert os.environ["FAIRLIB_SPEC"].startswith("git+")
    """,
}


def examples(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", sorted(GUIDES.glob("*.md")), ids=lambda page: page.stem)
def test_the_examples_of_a_guide_run_and_do_what_it_says(page, tmp_path):
    said = re.sub("^        ", "", SAID.get(page.stem, ""), flags=re.MULTILINE)
    code = examples(page, "python")
    assert bool(code) == bool(said), "a page with examples says what must hold after them"
    assert max((len(line) for block in code for line in block.splitlines()), default=0) <= 75
    ran = subprocess.run(
        [sys.executable, "-c", "\n".join([*code, said])],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr


def test_the_example_of_a_claim_gets_a_verdict(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "data" / "claims", tmp_path / "claims")
    shutil.copytree(ROOT / "data" / "results" / "estimates", tmp_path / "results" / "estimates")
    (tmp_path / "SHA256SUMS").touch()
    with (tmp_path / "claims" / "pepe.toml").open("a", encoding="utf-8") as file:
        file.write(examples(GUIDES / "add.md", "toml")[0])
    monkeypatch.setenv("FAIRLIB_DATA", str(tmp_path))
    (row,) = claims.ledger(paper="pepe").query("id == 'pepe-example'").to_dict("records")
    assert row["verdict"] in claims.VERDICTS and row["verdict"] != claims.NOT_YET
