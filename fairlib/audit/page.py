"""The page of an audit: one HTML file with everything in it, figures as SVG, light and dark."""

from collections.abc import Mapping

import pandas as pd

from fairlib.audit import markup, sections
from fairlib.audit.images import beside_class, countries_table


def html_page(report: Mapping, images: pd.DataFrame, gallery: str = "") -> str:
    """The whole page for a report.

    Parameters
    ----------
    report : mapping
        What `REPORT.json` holds.
    images : pandas.DataFrame
        The images that it is of, as `images_table` returns them.
    gallery : str
        HTML of wrong answers, as `fairlib.audit.gallery.gallery` returns it.

    Returns
    -------
    str
        An HTML document that asks for no other file.
    """
    table = countries_table(images)
    parts = [
        sections.warnings(report),
        sections.answer(report),
        sections.like_with_like(report, beside_class(images)),
        sections.raw(report, table),
        sections.tests(report),
        sections.influence(report, table),
        sections.power(report),
        sections.groups(report),
        sections.countries(table),
        sections.classes(report),
        gallery,
        sections.skipped(report),
        sections.cannot_say(),
        sections.origin(report),
    ]
    return markup.document(f"Accuracy and wealth: {report['model']['name']}", parts)
