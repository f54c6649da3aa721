"""Groups of an audit: the package's, thirds of wealth first, and an audit of groups alone."""

import re

import pandas as pd
from audited import report_at, run
from made_images import world

from fairlib import fairness
from fairlib.audit.groups import compare_groups, worst_country


def images(**options) -> pd.DataFrame:
    made = world(0, **options)
    table = pd.DataFrame({"class": made["classes"], "country": made["countries"], "name": made["countries"]})
    return table.assign(right=made["right"], log_wealth=made["log_wealth"])


def test_the_groups_are_those_of_the_package():
    table = images().assign(camera=["phone", "slr"] * 400)
    thirds, camera = compare_groups(table, ["camera"])
    assert [row["group"] for row in thirds["rows"]] == list(fairness.THIRDS) and camera["by"] == "camera"
    own = fairness.group_accuracy(table["right"], table["camera"], classes=table["class"])
    assert [row["accuracy"] for row in camera["rows"]] == own["accuracy"].tolist()
    assert camera["extremes"]["gap"] == own["accuracy"].max() - own["accuracy"].min()
    worst = worst_country(table)
    assert worst["worst"] == table.groupby("country")["right"].mean().idxmin()


def test_one_group_is_none():
    table = images().assign(camera="phone")
    assert [each["by"] for each in compare_groups(table, ["camera"])] == ["thirds of wealth"]
    one = table[table["country"] == "country 0"]
    assert compare_groups(one) == [] and worst_country(one) is None


def test_groups_alone_need_no_three_countries(house, capsys):
    manifest = house / "set" / "manifest.csv"
    lines = [line for line in manifest.read_text().splitlines() if re.search("path|India|Peru", line)]
    manifest.write_text(
        "\n".join(f"{line},{('camera', 'phone', 'slr')[i and 1 + i % 2]}" for i, line in enumerate(lines))
    )
    assert run() == 2
    assert "fewer will do with --group, or with a column wealth" in capsys.readouterr().err
    assert run("--group", "camera") == 0
    report = report_at()
    assert report["slope"] is None and report["verdict"]["outcome"] is None
    page = (house / "report.html").read_text()
    assert "Like with like" not in page and "Stated in advance" not in page and "By camera: " in page
    assert [each["by"] for each in report["groups"]] == ["camera"]
    assert run("--group", "camera", "--fail-if", "slope>0", "--fail-if", "gap>0") == 0
    assert run("--group", "camera", "--fail-if", "accuracy>0", "--fail-if", "established") == 3
    assert "Whether a slope is established cannot be said without one" in capsys.readouterr().out
    assert run("--group", "lens") == 2
    assert "has no column 'lens' for a group" in capsys.readouterr().err


def test_a_wealth_of_the_user_s_takes_the_place_of_gdp(house, capsys):
    run(out="gdp")
    (house / "wealth.csv").write_text("country,wealth\nIndia,10\nPeru,20\nBrazil,40\nGermany,80\nNorway,160\n")
    assert run("--wealth", "wealth.csv", "--skipped-limit", "0.1") == 0
    report = report_at()
    assert report["gdp"] == "wealth.csv" and len(report["countries"]) == 5
    assert report["slope"]["slope"] != report_at("gdp")["slope"]["slope"]
    assert "no wealth for 'USA'" in capsys.readouterr().err


def test_wealth_of_each_image_gives_two_slopes(house, capsys):
    manifest = house / "set" / "manifest.csv"
    first, *lines = manifest.read_text().splitlines()
    wealth = [f"{line},{10 + 7 * (i % 5)},{i // 2}" for i, line in enumerate(lines)]
    manifest.write_text("\n".join([f"{first},wealth,cluster", *wealth]))
    assert run() in (0, 3)
    verdict = report_at()["verdict"]
    assert verdict["between"] and verdict["within"] and report_at()["gdp"] == "the manifest's column wealth"
    (house / "wealth.csv").write_text("country,wealth\nIndia,10\n")
    assert run("--wealth", "wealth.csv") == 2
    assert "has a wealth for each image, and --wealth gives another" in capsys.readouterr().err
