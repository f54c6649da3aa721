"""Claims fold by the section that they stand in, in the papers' order."""

import pandas as pd
import pytest

from fairlib.book import claims


@pytest.mark.parametrize(
    ("paper", "place", "section"),
    [
        ("pepe", "Abstract; section 5", "Abstract"),
        ("pepe", "Sections 1 and 3.2.2", "Section 1"),
        ("pepe", "Section 3.2.2, footnote 1", "Section 3.2"),
        ("pepe", "Section 5, figures 2 and 3", "Section 5, figure 2"),
        ("pepe", "Appendix A, table 4", "Appendix A, table 4"),
        ("pepe", "Appendix B, 5.2.1", "Appendix B"),
        ("pepe", "Figure 1; section 2", "Section 2, figure 1"),
        ("pepe", "Proposition 1; algorithm 1", "Section 4.2"),
        ("hua", "Table 1, caption", "Section 3.2, table 1"),
        ("hua", "Figure 5b, caption", "Section 4.3, figure 5"),
        ("hua", "Algorithm 1, line 9; table 1", "Section 3"),
        ("hua", "Algorithms 2 and 3", "Section 4.2"),
        ("hua", "A postcard", "A postcard"),
    ],
)
def test_a_place_has_a_section(paper, place, section):
    assert claims.section(paper, place) == section


def test_every_claim_has_a_section_and_the_papers_order_is_kept():
    rows = [{"paper": c.paper, "place": c.place, "id": c.id} for c in claims.load()]
    parts = claims.by_section(pd.DataFrame(rows))
    assert sorted(i for part in parts.values() for i in part["id"]) == sorted(row["id"] for row in rows)
    names = {paper: [name for p, name in parts if p == paper] for paper in claims.PAPERS}
    assert list(parts) == [(paper, name) for paper in claims.PAPERS for name in names[paper]]
    for found in names.values():
        assert all(
            name.split()[0].rstrip(",") in ("Abstract", "Section", "Appendix", "Acknowledgements") for name in found
        )
        assert found[0] == "Abstract"
        sections = [float(name.split()[1].rstrip(",")) for name in found if name.startswith("Section")]
        assert sections == sorted(sections)
    assert names["pepe"][-2:] == ["Appendix B", "Acknowledgements"]
    after = names["pepe"].index("Section 5")
    assert names["pepe"][after + 1 : after + 5] == [f"Section 5, figure {n}" for n in (2, 3, 4, 5)]
