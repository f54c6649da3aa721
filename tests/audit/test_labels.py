"""Labels as names, WordNet ids and mappings, against the lists of torchvision and timm."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlib.audit import labels


def test_the_classes_are_those_of_torchvision():
    from torchvision.models import ResNet50_Weights

    classes = labels.imagenet_classes()
    assert list(classes.index) == list(range(1000))
    assert list(classes["name"]) == ResNet50_Weights.IMAGENET1K_V1.meta["categories"]


def test_the_ids_and_synonyms_are_those_of_timm():
    info = pytest.importorskip("timm.data").ImageNetInfo("imagenet-1k")
    classes = labels.imagenet_classes()
    assert list(classes["wordnet_id"]) == list(info.label_names())
    assert [label.replace("  ", " ") for label in classes["synonyms"]] == [
        info.index_to_description(i).replace("  ", " ") for i in range(1000)
    ]


def test_every_id_and_every_name_of_its_own_is_read_back():
    classes = labels.imagenet_classes()
    shared = {"crane", "cardigan", "maillot"}
    for index, row in classes.iterrows():
        assert labels.imagenet_label(row["wordnet_id"]) == labels.imagenet_label(str(index)) == (index,)
        for name in (row["name"], row["synonyms"]):
            if name.lower() not in shared:
                assert labels.imagenet_label(name) == labels.imagenet_label(name.upper().replace(" ", "_")) == (index,)


@pytest.mark.parametrize(
    ("label", "indices"),
    [
        ("0", (0,)),
        ("tench", (0,)),
        ("Great_White_Shark", (2,)),
        ("n01440764 | great white shark|7", (0, 2, 7)),
        ("582|415|582", (582, 415)),
        ("dustbin", (412,)),
        ("crane bird", (134,)),
        ("maillot, tank suit", (639,)),
        ("jack o lantern", (607,)),
        ("missile", (657,)),  # 744, a projectile, has it as a synonym
        ("123456789", (123456789,)),  # of a model with other classes
    ],
)
def test_labels(label, indices):
    assert labels.imagenet_label(label) == indices


@pytest.mark.parametrize(
    ("label", "complaint"),
    [
        ("crane", r"'crane' may be class 134 \(crane, n02012849\) or 517 \(crane, n03126707\); write the index"),
        ("Maillot", r"class 638 \(maillot, n03710637\) or 639 \(maillot, tank suit, n03710721\)"),
        ("Cardigan", "class 264 .* or 474 "),
        ("panther", "class 286 .* or 290 "),
        ("n99999999", "is the WordNet id of none"),
        ("tensch", r"'tensch' is no class index \(0, 1, ...\), .*; did you mean tench\?"),
        ("", "label '' is no class index"),
        ("-1", "label '-1' is no class index"),
        ("1||2", "label '' is no class index"),
        ("1234567890", "is no class index"),
        ("1.0", "is no class index"),
    ],
)
def test_what_is_no_label_or_several_is_refused(label, complaint):
    with pytest.raises(ValueError, match=complaint):
        labels.imagenet_label(label)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_in_a_short_sentence(text):
    try:
        assert labels.imagenet_label(text)
    except ValueError as error:
        assert len(str(error)) < 600


def write(folder: Path, text: str) -> Path:
    (folder / "labels.csv").write_text(text, encoding="utf-8")
    return folder / "labels.csv"


def test_a_mapping_says_what_the_user_s_own_labels_mean(tmp_path):
    path = write(tmp_path, "Label;why;Index\nSchuhe;;running shoe|630\nroad_sign;x;919\ntoy;none;\n7;;8\n")
    assert labels.read_mapping(path) == {"schuhe": (770, 630), "road sign": (919,), "toy": (), "7": (8,)}
    read = labels.label_reader(path)
    assert read("SCHUHE") == (770, 630)
    assert read("Schuhe|road sign|7") == (770, 630, 919, 8)
    with pytest.raises(ValueError, match=r"the mapping has no label 'Schuh'; did you mean schuhe\?"):
        read("Schuh")
    with pytest.raises(ValueError, match="the mapping has no class for 'toy'"):
        read("toy")
    with pytest.raises(ValueError, match="the mapping has no label '919'"):
        read("919")
    assert labels.label_reader() is labels.imagenet_label


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is '', expected the columns label and index"),
        ("label,class index\na,1\n", "is 'label,class index', expected the columns label and index"),
        ("label,index\na\n", "line 2: expected 2 cells, found 1"),
        ("label,index\na b,1\nA_B,2\n", "line 3: 'A_B' is there twice"),
        ("label,index\na,crane\n", "line 2: label 'crane' may be class"),
        ("label,index\n", "maps no label"),
    ],
)
def test_a_mapping_that_cannot_be_read_is_refused(tmp_path, text, complaint):
    with pytest.raises(ValueError, match=complaint):
        labels.read_mapping(write(tmp_path, text))


def test_a_missing_mapping_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no mapping at .*gone\.csv; give a CSV file with the columns label"):
        labels.label_reader(tmp_path / "gone.csv")


def test_classes_have_names_where_the_model_is_a_published_one():
    names = labels.class_names("resnet50", 1_000)
    assert len(names) == 1_000 and (names[0], names[409]) == ("tench", "analog clock")
    assert labels.class_names("mine:make", 1_000) == labels.class_names("resnet50", 999) == {}
