"""Pictures of what was found: the strip, contours and boxes, and the names of the classes.

Colour is never alone, for grey prints and the colour-blind: every piece carries its class's id, and
the band above the strip says what that id is, how likely, and what was decided, on as many lines as
a narrow picture needs. A line has a dark rim, so that it stands out on any steel; what is only for
review is drawn dashed.
"""

import hashlib
import math
import os
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from stripsight.atomic import name_in_errors, name_temporary
from stripsight.decision.places import upsample_map
from stripsight.labels import ClassList
from stripsight.scoring.inputs import OVERLAY_SUFFIX
from stripsight.scoring.opening import Scorer
from stripsight.scoring.pipeline import Scored
from stripsight.scoring.rows import VERDICTS, ClassScore, Place

_QUALITY = 88
_BAND = 26  # of one line
_TEXT = 15
_MARGIN, _SWATCH, _GAP = 8, 20, 18
_NARROWEST = 160  # of a picture: the band of a smaller image would be a column of letters
_INK, _PAPER, _DARK = "#000000", "#ffffff", "#101010"
_DASH = 12
_LONGEST_NAME = 200

Hot = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Piece:
    """Words on one line of the band, behind a square of their class's colour where it begins."""

    x: float
    line: int
    indent: int
    words: str
    color: str | None


@dataclass(frozen=True)
class Drawing:
    """Which pictures are wanted; plain data, for it travels to other machines.

    Attributes:
        folder: gets them.
        everything: of clean images, too.
    """

    folder: Path
    everything: bool = False

    def open(self, scorer: Scorer) -> "Overlays":
        """What draws them for a bundle."""
        classes = scorer.bundle.manifest.classes
        return Overlays(self.folder, classes, scorer.judge.levels, self.everything)

    @property
    def what(self) -> str:
        """As it stands in the journal."""
        return "of all" if self.everything else "of what is not clean"


@dataclass(frozen=True)
class Overlays:
    """Where pictures go and how they are drawn.

    Attributes:
        folder: gets `<id>.overlay.jpg` for each picture.
        classes: of the bundle.
        levels: heat from which on a piece is outlined, one a class.
        everything: of clean images, too.
    """

    folder: Path
    classes: ClassList
    levels: tuple[float, ...]
    everything: bool = False

    def save(self, scored: Scored) -> None:
        """Draw and write the picture of an image; if it gets none, one of before is removed.

        Raises:
            OSError: the folder cannot be written.
        """
        # As bytes in UTF-8, whatever the locale makes of names.
        path = self.folder / os.fsdecode(name_overlay(scored.row.id).encode())
        if scored.taken is None or not (self.everything or scored.row.verdict != VERDICTS[0]):
            path.unlink(missing_ok=True)  # it would contradict the table
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        data = BytesIO()
        draw_overlay(scored, self.classes, self.levels).save(data, "JPEG", quality=_QUALITY)
        # Not synced: a picture that a power cut takes can be drawn again.
        temporary = name_temporary(path)
        try:
            with name_in_errors(path, temporary):
                temporary.write_bytes(data.getvalue())
                temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def name_overlay(id_: str) -> str:
    """The path of a picture below its folder, one for each id, whatever the id is."""
    below = id_.removeprefix("/")
    parts = ["_up" if part == ".." else _cut(part) for part in below.split("/")]
    name = "/".join(part for part in parts if part not in ("", ".")) or "_"
    path = f"_root/{name}" if id_.startswith("/") else name
    # Where the id cannot be read back from the path, another could lead to the same one.
    if name != below or {"_up", "_root"} & set(below.split("/")):
        path += f".{hashlib.sha256(id_.encode()).hexdigest()[:12]}"
    return path + OVERLAY_SUFFIX


def _cut(part: str) -> str:
    """At most so many bytes, for file systems take 255."""
    return part.encode()[:_LONGEST_NAME].decode(errors="ignore")


def draw_overlay(scored: Scored, classes: ClassList, levels: Sequence[float]) -> Image.Image:
    """The strip at its own scale under a band of words; an image that was read."""
    assert scored.taken is not None
    assert scored.output is not None
    grey = scored.taken.stored
    height, width = grey.shape
    strip = Image.fromarray(grey).convert("RGB")
    called = [
        (column, score)
        for column, score in enumerate(scored.row.classes)
        if score.decision in VERDICTS[1:]
    ]
    hot = {}
    for column, _ in called:
        heat = upsample_map(scored.output.class_maps[0, column], (height, width))
        hot[column] = heat >= math.log(levels[column] / (1 - levels[column]))
    for column, score in called:
        dashed = score.decision == VERDICTS[1]
        _draw_contour(strip, hot[column], classes.color(column), dashed=dashed)
    draw = ImageDraw.Draw(strip)
    mark_of = {c.name: (str(c.id), classes.color(i)) for i, c in enumerate(classes)}
    for place in scored.row.places:
        _draw_box(draw, place, *mark_of[place.class_name])
    wide = max(width, _NARROWEST)
    pieces = _lay_out_band(_list_entries(scored, classes, called), wide)
    band = _BAND * (1 + pieces[-1].line)
    picture = Image.new("RGB", (wide, height + band), _DARK)
    picture.paste(strip, (0, band))
    draw = ImageDraw.Draw(picture)
    for piece in pieces:
        _write_piece(draw, piece)
    return picture


def _draw_contour(strip: Image.Image, hot: Hot, color: str, *, dashed: bool) -> None:
    if not hot.any():
        return
    # Around the piece, not on it: the defect itself stays to be seen.
    mask = Image.fromarray(hot).convert("L")
    # Light within and dark without: in grey print, one of them stands out from any steel.
    edge, line, rim = _ring(mask, 1, 3), _ring(mask, 3, 7), _ring(mask, 7, 9)
    if dashed:
        diagonal = np.add.outer(np.arange(hot.shape[0]), np.arange(hot.shape[1]))
        gaps = Image.fromarray((diagonal // _DASH % 2 * 255).astype(np.uint8))
        nothing = Image.new("L", line.size)
        edge, line = (Image.composite(ring, nothing, gaps) for ring in (edge, line))
    for ink, ring in ((_INK, rim), (color, line), (_PAPER, edge)):
        strip.paste(ink, mask=ring)


def _ring(mask: Image.Image, inner: int, outer: int) -> Image.Image:
    grown = [
        mask if side == 1 else mask.filter(ImageFilter.MaxFilter(side)) for side in (inner, outer)
    ]
    return Image.fromarray(np.asarray(grown[1]) & ~np.asarray(grown[0]))


def _draw_box(draw: ImageDraw.ImageDraw, place: Place, mark: str, color: str) -> None:
    corners = (place.left, place.top, place.right - 1, place.bottom - 1)
    draw.rectangle(corners, outline=color)
    left, top, right, bottom = draw.textbbox((0, 0), mark, font=_font())
    width, height = right - left + 8, bottom - top + 6
    x = min(place.left, draw.im.size[0] - width)
    y = max(0, place.top - height) if place.top >= height else place.top
    draw.rectangle((x, y, x + width, y + height), fill=_INK, outline=color)
    draw.text((x + 4 - left, y + 3 - top), mark, font=_font(), fill=_PAPER)


def _list_entries(
    scored: Scored, classes: ClassList, called: list[tuple[int, ClassScore]]
) -> list[tuple[str, str | None]]:
    """Words of the band, each with the colour of its class."""
    row = scored.row
    entries: list[tuple[str, str | None]] = [(row.verdict.upper(), None)]
    for column, score in called:
        listed = classes.classes[column]
        value = "no number" if score.probability is None else f"{score.probability:.2f}"
        places = [place for place in row.places if place.class_name == score.name]
        words = " ".join(filter(None, (str(listed.id), _spell(listed.title), value)))
        words += " (review)" if score.decision == VERDICTS[1] else ""
        entries.append((words + _describe_places(places, scored), classes.color(column)))
    if row.suspect is not None:
        entries.append((f"suspect image: {row.suspect}", None))
    return entries


def _spell(title: str) -> str:
    """In the letters of Pillow's own font, which has English ones; the class's id stands before."""
    plain = unicodedata.normalize("NFKD", title.replace("ß", "ss"))
    return plain.encode("ascii", "ignore").decode().strip()


def _describe_places(places: Sequence[Place], scored: Scored) -> str:
    """What is said of a class that is nowhere, or everywhere: neither points at a defect."""
    assert scored.taken is not None
    height, width = scored.taken.stored.shape
    frame = (0, 0, width, height)
    if any((p.left, p.top, p.right, p.bottom) == frame for p in places):
        return ", over the whole image"
    return "" if places else ", no place"


def _lay_out_band(entries: Sequence[tuple[str, str | None]], width: int) -> list[_Piece]:
    """One after the other, on more lines where the picture is narrow: no class goes unnamed."""
    pieces: list[_Piece] = []
    x, line = float(_MARGIN), 0
    for words, color in entries:
        swatch = _SWATCH if color else 0
        if x > _MARGIN and x + swatch + _measure(words) > width - _MARGIN:
            x, line = _MARGIN, line + 1
        rest, mark = words, color
        while rest:
            taken = _fit(rest, width - _MARGIN - x - swatch)
            piece = _Piece(x, line, swatch, rest[:taken].rstrip(), mark)
            pieces.append(piece)
            rest, mark = rest[taken:].lstrip(), None
            x += swatch + _measure(piece.words) + _GAP
            if rest:
                x, line = _MARGIN, line + 1
    return pieces


def _fit(words: str, room: float) -> int:
    """How many characters of `words` go into `room` pixels, whole words where one fits."""
    if _measure(words) <= room:
        return len(words)
    most = next((n for n in range(len(words) - 1, 1, -1) if _measure(words[:n]) <= room), 1)
    blank = words.rfind(" ", 0, most + 1)
    return blank if blank > 0 else most


def _measure(words: str) -> float:
    return float(_font().getlength(words))


def _write_piece(draw: ImageDraw.ImageDraw, piece: _Piece) -> None:
    top = piece.line * _BAND
    if piece.color is not None:
        draw.rectangle((piece.x, top + 6, piece.x + 14, top + _BAND - 7), fill=piece.color)
    place = (piece.x + piece.indent, top + _BAND / 2)
    draw.text(place, piece.words, font=_font(), fill=_PAPER, anchor="lm")


@cache
def _font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(_TEXT)
