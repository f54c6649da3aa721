"""What README.md shows first, the first page's four answers and their picture, made anew: python -m tools.readme."""

import io
import re
from pathlib import Path

from matplotlib.font_manager import findfont
from PIL import Image, ImageDraw, ImageFont
from PIL.ExifTags import Base

from fairlib.book import front, plots

ROOT = Path(__file__).resolve().parents[1]
PICTURE = "book/answers.webp"
BLOCK = re.compile(r"(?<=<!-- answers -->\n).*?(?=\n<!-- answers' end -->)", re.DOTALL)
SIZE, DOTS, HEAD = (3.2, 1.8), 300, 90  # inches of a card, dots an inch, dots that its question has above it


def told() -> str:
    """The picture's text for those who don't see it, which the picture's file carries, too."""
    cards = zip(front.answers(), front.pictures(), strict=True)
    return " ".join(f"{answer.question} {plots.card(*picture)[1]}" for answer, picture in cards)


def block() -> str:
    """The picture, and below it each answer with its number."""
    says = (f"- {a.question} **{a.says}** {front.shown(a.keys)} {a.counts}." for a in front.answers())
    return "\n".join([f"![{told()}]({PICTURE})", "", *(re.sub("<[^>]*>", "", line) for line in says)])


def drawn() -> Image.Image:
    """The four cards, two by two, each below its question."""
    letters = ImageFont.truetype(findfont("DejaVu Sans:bold"), 32)
    width, height = (round(DOTS * inches) for inches in SIZE)
    whole = Image.new("RGB", (2 * width, 2 * (HEAD + height)), "white")
    for i, (answer, picture) in enumerate(zip(front.answers(), front.pictures(), strict=True)):
        figure, _ = plots.card(*picture)
        figure.set_size_inches(SIZE)
        file = io.BytesIO()
        figure.savefig(file, dpi=DOTS)
        left, top = i % 2 * width, i // 2 * (HEAD + height)
        ImageDraw.Draw(whole).text((left + 20, top + 30), answer.question, "black", letters)
        whole.paste(Image.open(file), (left, top + HEAD))
    return whole.quantize(64).convert("RGB")


def main(root: Path = ROOT) -> None:
    path = root / "README.md"
    path.write_text(BLOCK.sub(lambda _: block(), path.read_text(encoding="utf-8")), encoding="utf-8")
    exif = Image.Exif()
    exif[Base.ImageDescription] = told()
    drawn().save(root / PICTURE, lossless=True, quality=100, method=6, exif=exif)


if __name__ == "__main__":
    main()
