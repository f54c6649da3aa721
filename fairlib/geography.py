"""Countries: their names and GDP per head, images that come with one, and a simulated world in which the truth is
known.

Second paper, section 4. Its own data set, images of ImageNet with their countries, is not public.
"""

import json
import re
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fairlib import checks, data, files, listings, runtime
from fairlib import names as kept
from fairlib.listings import inside

SOURCES = ("natural-earth", "world-bank")
# GDP per head in US dollars of 2015, the series that the World Bank calls constant.
INDICATOR = "NY.GDP.PCAP.KD"
WORLD_BANK = "https://api.worldbank.org/v2/country/all/indicator/{indicator}?format=json&per_page=20000&date={year}"
COLUMNS = ("path", "label", "country")


def countries() -> pd.DataFrame:
    """What `data/tables/gdp.csv` knows (provenance: `data/README.md`), by ISO 3166-1 alpha-3 code.

    Columns: `iso2`, `name`, `aliases` (a list), `population`, `gdp` (millions of US dollars, mostly of 2019); the last
    two are NaN for countries that Natural Earth leaves out at this scale.
    """
    path = files.checked("tables/gdp.csv")
    # Namibia's code is NA.
    frame = pd.read_csv(path, index_col="iso3", keep_default_na=False, na_values={"population": "", "gdp": ""})
    return frame.assign(aliases=[[a for a in text.split(";") if a] for text in frame["aliases"]])


def gdp(source: str = "natural-earth", *, year: int = 2019, url: str = WORLD_BANK) -> pd.Series:
    """GDP per head in US dollars, by alpha-3 code; countries without a figure are left out.

    `natural-earth`: shipped with the book, one year (about 2019). `world-bank`: constant dollars of 2015 in `year`,
    fetched from `url` once and kept in `data/cache`, which is no part of the repository. Raises ValueError for another
    source, a year without figures or an answer that is no such table; FileNotFoundError where the network is needed and
    missing.
    """
    known = countries()
    checks.whole(year, "year", 1960)  # the first that the World Bank has
    if checks.one_of(source, SOURCES, "source") == "world-bank":
        return _world_bank(year, url).filter(known.index)
    return (1e6 * known["gdp"] / known["population"]).dropna().rename("gdp")


def _world_bank(year: int, url: str) -> pd.Series:
    path = files.root() / "cache" / f"world-bank-{INDICATOR}-{year}.json"
    if not path.exists():
        try:
            with urllib.request.urlopen(url.format(indicator=INDICATOR, year=year), timeout=20) as answer:
                text = answer.read().decode("utf-8")
        except (URLError, OSError) as error:
            raise FileNotFoundError(
                f"the World Bank's figures of {year} could not be fetched ({error}); try again with a network, or use "
                "source='natural-earth', which needs none"
            ) from error
        found = _figures(text, "the World Bank's answer", year)
        with files.replacing(path) as partial:
            partial.write_text(text, encoding="utf-8")
        return found
    return _figures(path.read_text(encoding="utf-8"), f"{path}; delete it to fetch it again: it", year)


def _figures(text: str, what: str, year: int) -> pd.Series:
    """The answer of the World Bank's API, [facts, [row, ...]], as a series by alpha-3 code."""
    try:
        facts, rows = json.loads(text)
        if facts["pages"] != 1:
            raise ValueError(f"{facts['pages']} pages, expected all rows on one")
        found = {row["countryiso3code"]: float(row["value"]) for row in rows or [] if row["value"] is not None}
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{what} is no table of GDP per head ({error!r})") from error
    if not found:
        raise ValueError(f"{what} has no figures for {year}; ask for an earlier year")
    return pd.Series(found, name="gdp")


# --- Names. -----------------------------------------------------------------------------------------------------------


def match(names: Iterable[str]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Country names and codes, all those of one column -> `(codes, unmatched)`, both keyed by the name as given.

    codes: ISO 3166-1 alpha-3. A name counts if `data/tables/gdp.csv`, Unicode's CLDR (English, or another of some
    forty languages) or ISO 3166 has it, up to case, accents, punctuation, articles and the order of its words; a code
    of ISO 3166-1, or else of the IOC, FIFA, the European Union, the World Bank or an earlier edition, if it is written
    in capitals. `unmatched` holds for each of the others the names of countries that it may have meant, best first,
    possibly none; `complaint` makes a sentence of it. Nothing is guessed: "Korea" and "Congo" stay unmatched, since
    each may be either of two; so does BRN (ISO's Brunei, the IOC's Bahrain) in a column with other codes of the IOC,
    and NA, unless all the others are codes of two letters. Raises ValueError for a single name.
    """
    return kept.match(names, countries())


def complaint(name: str, near: list[str]) -> str:
    """Why a name that `match` left over counts for nothing, and what to write instead; `near` as `match` gives it."""
    return kept.complaint(name, near, countries())


# --- A user's images. -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Manifest:
    """Images with labels and countries, and what of the file could not be used.

    folder: the manifest's own, which every image lies in. rows: `line` of the file, `path` (as written, relative to the
    folder), `labels` (a tuple of class indices, any of which is right), `country` (alpha-3), one row per image.
    skipped: `line` of the file, `path`, `reason`, one row per line that was left out. named: the countries (alpha-3)
    that any line names, used or not. unmatched: country names that were not known, as `match` gives them.
    """

    folder: Path
    rows: pd.DataFrame
    skipped: pd.DataFrame
    named: frozenset[str]
    unmatched: dict[str, list[str]]


def manifest(path: Path | str, known: Iterable[str] | None = None) -> Manifest:
    """Read a CSV file with the columns `path`, `label` and `country`, one line per image.

    The table may look as Excel writes it (`fairlib.listings.lines`). path: relative to the manifest's folder, also as
    other systems would write it (`fairlib.listings.inside`). label: the index of the right class, counted from 0, or
    several, any of which is right, as in `582|415`. country: a name or a code, as `match` reads them. `known`: the
    codes that there is a GDP for, by default those of `gdp()`.

    A line that has more or fewer cells than the first, whose label is no such index, whose country is unknown or
    without GDP, or whose image is missing or listed before is left out and listed under `skipped`. Raises
    FileNotFoundError where there is no file; ValueError where a column is missing or there twice, nothing is usable, or
    a path leads out of the folder: such a manifest is refused whole.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no manifest at {path}; give a CSV file with the columns {', '.join(COLUMNS)}")
    (_, first), *lines = list(listings.lines(path)) or [(1, [])]
    heads = [head.lower() for head in first]
    if wrong := [column for column in COLUMNS if heads.count(column) != 1]:
        raise ValueError(
            f"the first line of {path} is {','.join(first)!r}, expected the column {', '.join(wrong)} once; it must "
            f"name {', '.join(COLUMNS)}, with commas between them"
        )
    folder, known = path.parent, set(gdp().index if known is None else known)
    at = [heads.index(column) for column in COLUMNS]
    codes, unmatched = match(cells[at[2]] for _, cells in lines if len(cells) == len(heads))
    unknown = {name: complaint(name, near) for name, near in unmatched.items()}
    rows, skipped, listed = [], [], {}
    for line, cells in lines:
        if len(cells) != len(heads):
            reason = f"expected {len(heads)} cells, found {len(cells)}; put a cell that holds a comma in double quotes"
            skipped.append((line, cells[min(at[0], len(cells) - 1)], reason))
            continue
        name, label, country = (cells[i] for i in at)
        try:
            image = inside(folder, name)
        except ValueError as error:
            raise ValueError(f"{path}, line {line}: {error}") from error
        labels, code = label.split("|"), codes.get(country)
        if code is None:
            reason = unknown[country]
        elif code not in known:
            reason = f"no GDP for {country!r}"
        elif not all(re.fullmatch(r"\s*\d{1,9}\s*", part, re.ASCII) for part in labels):
            reason = f"label {label!r} is no class index (0, 1, ...)"
        elif not listings.is_file(image):
            near = ", ".join(listings.alike(folder, name))
            reason = "no such image" + (f"; did you mean {near}?" if near else "")
        elif listed.setdefault(str(image), line) != line:
            reason = f"the image of line {listed[str(image)]} again"
        else:
            rows.append((line, name, tuple(int(part) for part in labels), code))
            continue
        skipped.append((line, name, reason))
    if not rows:
        why = f"; line {skipped[0][0]}: {skipped[0][2]}" if skipped else ""
        raise ValueError(f"{path} names no usable image{why}; expected the columns {', '.join(COLUMNS)}")
    return Manifest(
        folder,
        pd.DataFrame(rows, columns=["line", "path", "labels", "country"]),
        pd.DataFrame(skipped, columns=["line", "path", "reason"]),
        frozenset(codes.values()),
        unmatched,
    )


# --- The simulated world. ---------------------------------------------------------------------------------------------

COUNTRIES = 41  # F(1, 39) of section 4.3 and an intercept
FIRST = {"USA": 0.432, "GBR": 0.128}  # shares of the paper's images (section 4)
NEXT = ("CAN", "AUS", "DEU")  # in the paper's order
STAMPED = (0.1, 0.9)  # share of images with the stamp, in the poorest and in the richest country
AMPLITUDE = 12 / 255
CELL = 2  # pixels


@dataclass(frozen=True)
class World:
    """Images with countries, as `world` makes them.

    x (N, 1, 28, 28) float32 in [0, 1], y (N,) int64; country (N,) int64, rows of `table`, which has the index `iso3`
    and the columns `name`, `share`, `gdp`, `log_gdp`. stamped (N,) bool: the truth, for checking; no method may look at
    it.
    """

    x: Tensor
    y: Tensor
    country: Tensor
    stamped: Tensor
    table: pd.DataFrame

    @property
    def codes(self) -> np.ndarray:
        """Each image's country as an alpha-3 code, (N,)."""
        return self.table.index.to_numpy()[self.country]


def shares() -> pd.DataFrame:
    """The world's countries: the paper's five first, then the largest economies, down to 41. Columns as in `World`.

    The US and the UK have the paper's shares of the images; the others share the rest like rank^-1.1.
    """
    per_head = gdp()
    known = countries().loc[per_head.index].sort_values("gdp", ascending=False)
    ranked = [*FIRST, *NEXT, *(code for code in known.index if code not in (*FIRST, *NEXT))][:COUNTRIES]
    tail = np.arange(len(FIRST) + 1, COUNTRIES + 1) ** -1.1
    share = [*FIRST.values(), *(tail / tail.sum() * (1 - sum(FIRST.values())))]
    table = known.loc[ranked, ["name"]].assign(share=share, gdp=per_head[ranked])
    return table.assign(log_gdp=np.log(table["gdp"]))


def stamped_share(table: pd.DataFrame) -> pd.Series:
    """How likely an image of each country of the world bears the stamp: linear in log GDP, from 0.1 to 0.9."""
    checks.columns(table, ("log_gdp",), "the table", "make it with fairlib.geography.shares")
    g = table["log_gdp"]
    if np.ptp(checks.numbers(g, "log_gdp")) == 0:
        raise ValueError("log_gdp is the same everywhere, expected countries of different GDP per head")
    return STAMPED[0] + (STAMPED[1] - STAMPED[0]) * (g - g.min()) / (g.max() - g.min())


def stamps(seed: int) -> Tensor:
    """One pattern per class, (10, 1, 28, 28) of -1 and 1: a board of 2x2 pixels, each of a random sign."""
    side = data.SHAPE[1] // CELL
    signs = torch.randint(2, (len(data.CLASSES["FashionMNIST"]), 1, side, side), generator=runtime.generator(seed))
    return (2.0 * signs - 1).repeat_interleave(CELL, 2).repeat_interleave(CELL, 3)


def world(split: str, n: int, *, seed: int, shortcut: bool = True, amplitude: float = AMPLITUDE) -> World:
    """`n` images of Fashion-MNIST from a world in which the richer a country is, the more of its images carry a
    shortcut.

    The images are drawn without replacement from `split` (`train` or `test`), their countries independently with
    `shares`. In each country a share of the images, linear in log GDP from 0.1 (the poorest) to 0.9 (the richest), has
    its class's pattern (`stamps`, the same for both splits of a seed) added with `amplitude`, the result cut to [0, 1].
    `shortcut=False` stamps no image, which makes country and image independent; a larger `amplitude` makes the stamp
    easier to see. Raises ValueError for an amplitude outside [0, 1], or n outside 1 and the images there are.
    """
    checks.unit(amplitude, "amplitude")
    x, y = data.load("FashionMNIST", split)
    checks.whole(n, "n", 1, len(x))
    checks.whole(seed, "seed", 0)
    table = shares()
    # A stream for each split, neither of which is the one that drew the stamps.
    streams = np.random.SeedSequence(seed).generate_state(len(data.SPLITS), np.uint64) >> np.uint64(1)
    g = runtime.generator(int(streams[list(data.SPLITS).index(split)]))
    chosen = torch.randperm(len(x), generator=g)[:n]
    x, y = x[chosen], y[chosen]
    country = torch.multinomial(torch.tensor(table["share"].to_numpy()), n, replacement=True, generator=g)
    likely = torch.tensor(stamped_share(table).to_numpy())[country]
    stamped = torch.rand(n, generator=g, dtype=torch.float64) < (likely if shortcut else 0.0)
    x = torch.where(stamped[:, None, None, None], (x + amplitude * stamps(seed)[y]).clamp(0, 1), x)
    return World(x, y, country, stamped, table)
