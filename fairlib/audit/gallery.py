"""A gallery of wrong answers: small pictures inside the page, for the countries that a model serves worst.

What reads pictures loads torch, and is imported where one is shown.
"""

import base64
import html
import io
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from fairlib import listings
from fairlib.audit.images import beside_class
from fairlib.audit.words import number

COUNTRIES = 3
SIDE = 160  # pixels


def gallery(images: pd.DataFrame, folder: Path, count: int, names: Mapping[int, str] | None = None) -> str:
    """Show wrong answers of the countries that are the least accurate beside other images of the same classes.

    Parameters
    ----------
    images : DataFrame
        As `images_table` returns it.
    folder : pathlib.Path
        Which the images lie in.
    count : int
        Of each of three countries so many, the surest first; 0 for no gallery.
    names : mapping of int to str, optional
        What the model's classes are called; those without a name are shown by their indices.

    Returns
    -------
    str
        HTML with the pictures in it; empty for no gallery.
    """
    if count < 1:
        return ""
    worst = beside_class(images).nsmallest(COUNTRIES, "more_accurate")
    parts = []
    for country, row in worst.iterrows():
        wrong = images[(images["country"] == country) & ~images["right"]].nlargest(count, "confidence")
        shown = "".join(_item(miss, folder, names or {}) for miss in wrong.to_dict("records"))
        if shown:
            parts.append(f'<h3>{html.escape(row["name"])}</h3>\n<ul class="gallery">{shown}</ul>')
    if not parts:
        return ""
    return (
        "<h2>Wrong answers</h2>\n<p>Of the countries that are the least accurate beside other images of the same "
        "classes; "
        "the answers that the model was surest of come first.</p>\n" + "\n".join(parts)
    )


def _item(miss: dict, folder: Path, names: Mapping[int, str]) -> str:
    """One picture with what is in it and what the model saw; nothing for one that cannot be read any more."""
    from fairlib import pictures

    try:
        with pictures.quiet():
            picture = pictures.upright(listings.inside(folder, miss["path"]))
            picture.thumbnail((SIDE, SIDE))
            data = io.BytesIO()
            picture.save(data, "JPEG", quality=80)
    except (OSError, ValueError):
        return ""
    shown = names.get(int(miss["class"]), miss["class"]) if miss["class"].isdecimal() else miss["class"]
    predicted = names.get(miss["predicted"], miss["predicted"])
    seen = f"class {shown}, seen as {predicted} ({number(miss['confidence'], 2)})"
    alt = html.escape(f"Photograph from {miss['name']}: {seen}", quote=True)
    source = base64.b64encode(data.getvalue()).decode()
    return (
        f'<li><img alt="{alt}" src="data:image/jpeg;base64,{source}">{html.escape(seen)}<br>'
        f"{html.escape(miss['path'])}</li>"
    )
