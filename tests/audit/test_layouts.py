"""Dollar Street and GeoDE: small made sets in their layouts, whole, incomplete and hostile."""

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fairlib import data, files, geography
from fairlib.audit import labels, layouts

STREET = ["id", "country.name", "country.id", "region.id", "place", "topics", "imageRelPath", "income",
          "imagenet_synonyms", "imagenet_sysnet_id"]  # fmt: skip
HOMES = [
    ["a1", "India", "in", "as", "home1", "['sofas', 'living rooms']", "assets/1.jpg", "120.5", "['couch']", "[831]"],
    ["a2", "India", "in", "as", "home1", "['trash']", "assets/2.jpg", "120.5", "['x']", "[728, 412]"],
    ["a3", "Cote d'Ivoire", "ci", "af", "home2", "['stoves']", "assets/3.jpg", "61", "['stove']", "[827]"],
    ["a4", "Brazil", "br", "am", "home3", "['tooth brushes']", "assets/4.jpg", "900", "[]", "[]"],
]
GEODE = ["object", "region", "ip_country", "file_name"]
OBJECTS = [
    ["religious_building", "Africa", "Nigeria", "1.jpg"],
    ["bag", "EastAsia", "South_Korea", "2.jpg"],
    ["toothbrush", "EastAsia", "Japan", "3.jpg"],
    ["spaceship", "Americas", "Mexico", "4.jpg"],
]


def made(folder: Path, heads: Sequence[str], rows: Sequence[Sequence[str]], table: str, images: str) -> Path:
    """A set in a folder: its table and empty images."""
    (folder / images).mkdir(parents=True)
    for name in ("1.jpg", "2.jpg", "3.jpg", "4.jpg"):
        (folder / images / name).touch()
    text = io.StringIO()
    csv.writer(text).writerows([heads, *rows])
    (folder / table).write_text(text.getvalue(), encoding="utf-8")
    return folder


def street(folder: Path, rows: Sequence[Sequence[str]] = HOMES, without: Sequence[str] = ()) -> Path:
    kept = [i for i, head in enumerate(STREET) if head not in without]
    rows = [[row[i] for i in kept] for row in rows]
    return made(folder / "set", [STREET[i] for i in kept], rows, "images_v2.csv", "assets")


def geode(folder: Path, rows: Sequence[Sequence[str]] = OBJECTS, heads: Sequence[str] = GEODE) -> Path:
    return made(folder / "set", heads, rows, "index.csv", "images")


def written(path: Path) -> dict[str, list[str]]:
    return pd.read_csv(path, dtype=str, keep_default_na=False).to_dict("list")


def test_dollar_street_becomes_a_manifest(tmp_path):
    text = layouts.convert("dollarstreet", street(tmp_path))
    path = tmp_path / "set" / "manifest.csv"
    assert written(path) == {
        "path": ["assets/1.jpg", "assets/2.jpg", "assets/3.jpg"],
        "label": ["831", "728|412", "827"],
        "country": ["India", "India", "Cote d'Ivoire"],
        "class": ["sofas", "trash", "stoves"],
        "cluster": ["home1", "home1", "home2"],
        "wealth": ["120.5", "120.5", "61"],
        "region": ["as", "as", "af"],
    }
    assert text.splitlines() == [
        f"{path}: 3 of 4 images; classes: 3, countries: 2.",
        "Left out: 1",
        "  1: the image has no class of ImageNet",
        f"Next: python -m fairlib audit {path} --model resnet50 --out report",
    ]
    found = geography.manifest(path, groups=["region"])
    assert found.skipped.empty
    assert list(found.rows["labels"]) == [(831,), (728, 412), (827,)]
    assert np.exp(found.rows["log_wealth"]).to_list() == pytest.approx([120.5, 120.5, 61])


def test_geode_becomes_a_manifest(tmp_path):
    text = layouts.convert("geode", geode(tmp_path))
    assert written(tmp_path / "set" / "manifest.csv") == {
        "path": ["images/1.jpg", "images/2.jpg"],
        "label": ["497|663|668|832", "414|636|728|748"],
        "country": ["Nigeria", "South Korea"],
        "class": ["religious building", "bag"],
        "region": ["Africa", "EastAsia"],
    }
    assert "1: 'toothbrush': no class\n" in text
    assert "1: the mapping has no label 'spaceship'" in text
    assert "is a judgement: data/tables/geode_imagenet.csv gives a reason for each" in text
    assert len(geography.manifest(tmp_path / "set" / "manifest.csv").rows) == 2


def test_geode_with_its_other_columns(tmp_path):
    rows = [["bag", "Peru", "images/1.jpg"], ["bag", "Peru", "2.jpg"]]
    text = layouts.convert("geode", geode(tmp_path, rows, ["script_name", "ip_country", "file_path"]))
    assert written(tmp_path / "set" / "manifest.csv")["path"] == ["images/1.jpg", "images/2.jpg"]
    assert "There is no column region: regions are unknown." in text


def test_another_mapping_takes_the_place_of_ours(tmp_path):
    mapping = tmp_path / "mine.csv"
    mapping.write_text("object,index\nspaceship,space shuttle\nSofas,studio couch\nbag,\n")
    text = layouts.convert("geode", geode(tmp_path / "g"), tmp_path / "g" / "m.csv", mapping)
    assert "1: 'bag': no class of ImageNet" in text and f"The classes of objects are those of {mapping}." in text
    assert written(tmp_path / "g" / "m.csv") == {
        "path": ["set/images/4.jpg"], "label": ["812"], "country": ["Mexico"], "class": ["spaceship"],
        "region": ["Americas"],
    }  # fmt: skip
    text = layouts.convert("dollarstreet", street(tmp_path / "d", without=["imagenet_sysnet_id"]), None, mapping)
    assert written(tmp_path / "d" / "set" / "manifest.csv")["label"] == ["831"]
    assert "1: the mapping has no label 'trash'" in text


@pytest.mark.parametrize(
    ("column", "column_of_manifest", "sentence"),
    [
        ("topics", "class", "There is no column topics: what was photographed is unknown"),
        ("place", "cluster", "There is no column place: households are unknown"),
        ("income", "wealth", "There is no column income: the wealth of households is unknown"),
        ("region.id", "region", "There is no column region.id: regions are unknown"),
    ],
)
def test_what_a_missing_column_costs_is_said(tmp_path, column, column_of_manifest, sentence):
    text = layouts.convert("dollarstreet", street(tmp_path, without=[column]))
    assert sentence in text
    table = written(tmp_path / "set" / "manifest.csv")
    assert column_of_manifest not in table and len(table) == 6


def test_a_country_s_code_serves_where_its_name_is_missing(tmp_path):
    layouts.convert("dollarstreet", street(tmp_path, without=["country.name"]))
    assert written(tmp_path / "set" / "manifest.csv")["country"] == ["IN", "IN", "CI"]


@pytest.mark.parametrize(
    ("without", "complaint"),
    [
        (["country.name", "country.id"], r"has no column country\.name or country\.id, which says the country"),
        (["imageRelPath"], "has no column imageRelPath, which says where an image lies"),
        (["imagenet_sysnet_id"], "has no column imagenet_sysnet_id, which says the right classes"),
    ],
)
def test_a_column_that_cannot_be_missing_is_named(tmp_path, without, complaint):
    with pytest.raises(ValueError, match=complaint):
        layouts.convert("dollarstreet", street(tmp_path, without=without))
    with pytest.raises(ValueError, match="has no column ip_country, which says the country"):
        layouts.convert("geode", geode(tmp_path / "g", [["bag", "1.jpg"]], ["object", "file_name"]))


def test_the_set_may_lie_one_folder_further_in(tmp_path):
    street(tmp_path)
    (tmp_path / "set").rename(tmp_path / "dataset_dollarstreet")
    layouts.convert("dollarstreet", tmp_path, tmp_path / "manifest.csv")
    assert written(tmp_path / "manifest.csv")["path"][0] == "dataset_dollarstreet/assets/1.jpg"
    with pytest.raises(FileNotFoundError, match=r"no index\.csv in .*; give the folder that holds it"):
        layouts.convert("geode", tmp_path)


def test_nothing_is_overwritten_and_images_stay_in_reach(tmp_path):
    folder = street(tmp_path)
    before = (folder / "images_v2.csv").read_bytes()
    for out in (folder / "images_v2.csv", folder / "assets"):
        with pytest.raises(ValueError, match="is there already; name another file"):
            layouts.convert("dollarstreet", folder, out)
    assert (folder / "images_v2.csv").read_bytes() == before
    (tmp_path / "other").mkdir()
    with pytest.raises(ValueError, match=r"cannot lie at .*; write .*manifest\.csv"):
        layouts.convert("dollarstreet", folder, tmp_path / "other" / "manifest.csv")
    with pytest.raises(ValueError, match="kind is 'imagenet', expected one of: dollarstreet, geode"):
        layouts.convert("imagenet", folder)


def test_a_country_that_nobody_knows_is_said_at_once(tmp_path):
    text = layouts.convert("geode", geode(tmp_path, [["bag", "Africa", "Narnia", "1.jpg"]]))
    assert "The audit will skip an unknown country 'Narnia'" in text


# --- Hostile sets. ----------------------------------------------------------------------------------------------------

HOSTILE = [
    ("imageRelPath", "../secret.jpg", "leads out of the folder"),
    ("imageRelPath", "/etc/passwd", "leads out of the folder"),
    ("imageRelPath", "assets/link.jpg", "leads out of the folder"),
    ("imageRelPath", "", "no path"),
    ("imageRelPath", "assets/gone.jpg", "the image is missing"),
    ("imageRelPath", "x" * 5000, "the image is missing"),
    ("imagenet_sysnet_id", "__import__('os').mkdir('pwned')", "no list as Python writes it"),
    ("imagenet_sysnet_id", "[" * 1500, "no list as Python writes it"),
    ("imagenet_sysnet_id", "-" * 1500 + "1", "no list as Python writes it"),
    ("imagenet_sysnet_id", "[1]" + " " * 5000 + "+[2]", "a list of more than 2,000 characters"),
    ("imagenet_sysnet_id", "9" * 1500, "none of ImageNet's 0 to 999"),
    ("imagenet_sysnet_id", "[1000]", "none of ImageNet's 0 to 999"),
    ("imagenet_sysnet_id", "['1']", "none of ImageNet's 0 to 999"),
    ("imagenet_sysnet_id", "[True]", "something else than words or whole numbers"),
    ("imagenet_sysnet_id", "", "no class of ImageNet"),
    ("topics", "[]", "no topic"),
    ("topics", "", "no topic"),
    ("place", "", "no household"),
    ("income", "-5", "no positive number"),
    ("income", "=1+1", "no positive number"),
]


@pytest.mark.parametrize(("column", "cell", "reason"), HOSTILE, ids=[f"{c} {cell[:12]}" for c, cell, _ in HOSTILE])
def test_a_hostile_line_is_left_out_with_a_reason(tmp_path, monkeypatch, column, cell, reason):
    monkeypatch.chdir(tmp_path)
    bad = list(HOMES[1])
    bad[STREET.index(column)] = cell
    folder = street(tmp_path, [HOMES[0], bad])
    (tmp_path / "secret.jpg").touch()
    os.symlink(tmp_path / "secret.jpg", folder / "assets" / "link.jpg")
    text = layouts.convert("dollarstreet", folder)
    assert written(folder / "manifest.csv")["path"] == ["assets/1.jpg"]
    assert "Left out: 1" in text and reason in text
    assert not (tmp_path / "pwned").exists()


def test_no_cell_of_a_manifest_is_a_formula_and_the_images_are_still_there(tmp_path):
    folder = geode(tmp_path, [["=1+1", "@SUM(A1)", "-1+1", "=cmd.jpg"]])
    (folder / "=cmd.jpg").touch()
    mapping = tmp_path / "mine.csv"
    mapping.write_text("object,index\n=1+1,3\n")
    layouts.convert("geode", folder, None, mapping)
    row = next(csv.DictReader((folder / "manifest.csv").open(encoding="utf-8")))
    assert row == {
        "path": "./=cmd.jpg", "label": "3", "country": "'-1+1", "class": "'=1+1", "region": "'@SUM(A1)"
    }  # fmt: skip
    with pytest.raises(ValueError, match='unknown country "\'-1\\+1"'):
        geography.manifest(folder / "manifest.csv")


@pytest.mark.parametrize("content", ["object,ip_country,file_name\nbag,Peru,1\0.jpg\n", f'object\n"{"x" * 10**7}"\n'])
def test_a_table_that_is_none_ends_in_a_sentence(tmp_path, content):
    folder = geode(tmp_path)
    (folder / "index.csv").write_text(content)
    with pytest.raises(ValueError, match=r"zero bytes|field larger than field limit"):
        layouts.convert("geode", folder)
    assert not (folder / "manifest.csv").exists()


def test_a_set_of_which_nothing_can_be_used_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no image can be used \(1: 'toothbrush': no class\)"):
        layouts.convert("geode", geode(tmp_path, OBJECTS[2:3]))


# --- The table of objects. --------------------------------------------------------------------------------------------


def test_each_object_of_geode_has_a_reason_and_classes_that_exist():
    table = data.table("geode_imagenet")
    assert len(table) == 40 and table["object"].is_unique and table["object"].is_monotonic_increasing
    assert table["reason"].str.len().min() > 5
    mapping = labels.read_mapping(files.root() / "tables" / "geode_imagenet.csv")
    assert all(0 <= index < 1000 for indices in mapping.values() for index in indices)
    assert mapping["toothbrush"] == () and mapping["candle"] == labels.imagenet_label("candle")
    assert sum(bool(indices) for indices in mapping.values()) == table["index"].notna().sum()


def test_the_reason_names_each_class():
    names = labels.imagenet_classes()["name"]
    for row in data.table("geode_imagenet").dropna(subset="index").rename(columns={"index": "indices"}).itertuples():
        if row.object != "dog":  # 118 breeds, between sea lion and timber wolf
            for index in labels.imagenet_label(str(row.indices)):
                assert names[index].casefold() in row.reason.casefold(), row.object
    assert (names[150], names[269]) == ("sea lion", "timber wolf")
