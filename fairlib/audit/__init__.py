"""The second paper's test (section 4) on a user's own images and model.

Is a model as accurate on the images of poor countries as on those of rich ones?

`python -m fairlib audit MANIFEST --model NAME --out REPORT` classifies the images that a manifest names
(`fairlib.geography.manifest`), and writes `REPORT.html`, which works offline, and `REPORT.json`. What the model
answered for each image is kept in `REPORT.predictions.jsonl`, so that an interrupted audit goes on where it was.

A module is loaded when one of its names is first asked for: the command line's help needs only that of the arguments.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what recorded experiments rest on, for `fairlib.digest`, which reads the code and runs none
    from fairlib.audit.comparison import compare_images as compare_images
    from fairlib.audit.verdict import decide as decide

_MODULES = {
    "Preparation": "preparation",
    "standard_preparation": "preparation",
    "read_image": "preparation",
    "Classifier": "classifier",
    "load_classifier": "classifier",
    "convert": "layouts",
    "sample": "islands",
    "imagenet_classes": "labels",
    "imagenet_label": "labels",
    "label_reader": "labels",
    "mapped_label": "labels",
    "plain": "labels",
    "read_mapping": "labels",
    "Predictions": "predictions",
    "classify": "classification",
    "images_table": "images",
    "countries_table": "images",
    "classes_table": "images",
    "compare_groups": "groups",
    "worst_country": "groups",
    "Decision": "verdict",
    "decide": "verdict",
    "judge": "verdict",
    "analyse": "report",
    "detectable_slopes": "report",
    "label_warnings": "report",
    "jsonable": "report",
    "Condition": "conditions",
    "condition": "conditions",
    "html_page": "page",
    "add_arguments": "arguments",
    "add_report_arguments": "arguments",
    "add_compare_arguments": "arguments",
    "add_manifest_arguments": "arguments",
    "add_sample_arguments": "arguments",
    "run": "command",
    "run_report": "command",
    "run_manifest": "command",
    "run_sample": "command",
    "compare_images": "comparison",
    "run_compare": "comparison",
}
__all__ = [*_MODULES]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
