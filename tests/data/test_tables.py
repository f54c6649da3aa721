"""Published tables against a few numbers of the papers; an altered one is refused."""

import pytest

from fairlib import data


def test_published_tables():
    table = data.table("pepe_tables")
    assert len(table) == 4 * 6 * 3
    assert table.groupby("network")["n"].unique().map(list).to_dict() == {"FullyConnected": [150], "LeNet5": [200]}
    cell = table.set_index(["table", "eps", "method"])["accuracy"]
    assert [cell[1, 0.1, m] for m in ("defenseless", "defended", "loose")] == [0.18, 0.42, 0.45]
    assert [cell[2, 0.2, m] for m in ("defenseless", "defended", "loose")] == [0.00, 0.18, 0.28]
    assert [cell[3, 0.0, m] for m in ("defenseless", "defended", "loose")] == [0.95, 0.60, 0.71]
    assert [cell[4, 0.5, m] for m in ("defenseless", "defended", "loose")] == [0.00, 0.08, 0.10]


@pytest.mark.parametrize("table", ["pepe_alphas", "pepe_centroids", "pepe_released_checkpoints", "pepe_tables"])
def test_an_altered_table_is_refused(own_data, table):
    path = own_data / "tables" / f"{table}.csv"
    content = path.read_bytes()
    path.unlink()  # the link, not the book's own file
    path.write_bytes(content.replace(b"0", b"1", 1))
    with pytest.raises(ValueError, match=rf"{table}\.csv is truncated or altered .*`git checkout -- data`"):
        data.table(table)
