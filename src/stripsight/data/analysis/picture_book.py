"""One image or one defect as a gallery's item: decoded again, outlined, tagged.

A file that has vanished or changed since the scan gives no item.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from stripsight.data.analysis.counts import name_in_full
from stripsight.data.analysis.study import Study
from stripsight.data.rle import decode_mask
from stripsight.errors import ImageError, RunLengthError
from stripsight.imaging import GreyImage, read_grey
from stripsight.reporting.page import GalleryItem, Shape, Tag
from stripsight.reporting.pictures import Outline, draw_outlines, find_window, to_picture

_WIDE_FROM = 2.0  # width over height
_STRIP_WIDTH, _SQUARE_WIDTH = 960, 360
_WIDE_CROP, _CROP = (600, 200), (320, 320)
_BEHIND = "#e9edf1"
_KEPT = 64


class PictureBook:
    """Makes the gallery items of one data set; keeps the last few decoded images.

    Attributes:
        study: what was found.
        classes: of the data set.
        shape: of galleries of whole images: `wide` for strips, `square` for others.
        crop_shape: of galleries of single defects.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self.classes = study.dataset.classes
        images = study.dataset.images
        self._rows = {
            str(i): (str(file), int(height), int(width))
            for i, file, height, width in zip(
                images["id"], images["file"], images["height"], images["width"], strict=True
            )
        }
        wide = len(images) > 0 and (images["width"] / images["height"]).median() > _WIDE_FROM
        self.shape: Shape = "wide" if wide else "square"
        self.crop_shape: Shape = "crop" if wide else "square"
        self._width = _STRIP_WIDTH if wide else _SQUARE_WIDTH
        self._crop = _WIDE_CROP if wide else _CROP
        annotations = study.dataset.annotations
        self._drawn: dict[str, dict[int, str | None]] = {}
        for image_id, class_id, rle in zip(
            annotations["image_id"], annotations["class_id"], annotations["rle"], strict=True
        ):
            text = None if pd.isna(rle) else str(rle)
            self._drawn.setdefault(str(image_id), {})[int(class_id)] = text
        self._read = lru_cache(maxsize=_KEPT)(self._decode)

    def list_marked(self) -> list[str]:
        """Ids of the images with a class, sorted."""
        return sorted(self._drawn)

    def list_classes(self, image_id: str) -> tuple[int, ...]:
        """Class ids of an image, ascending."""
        return tuple(sorted(self._drawn.get(image_id, {})))

    def make_tag(self, class_id: int) -> Tag:
        """The class's mark, name and colour."""
        column = self.classes.column_of[class_id]
        c = list(self.classes)[column]
        return Tag(str(class_id), name_in_full(c.name, c.title), self.classes.color(column))

    def show_image(self, image_id: str, note: str = "") -> GalleryItem | None:
        """The whole image with every outline; None where it cannot be read."""
        image = self._read(image_id)
        if image is None:
            return None
        ids = self.list_classes(image_id)
        outlines = [o for class_id in ids if (o := self._outline(image_id, class_id))]
        tags = tuple(self.make_tag(class_id) for class_id in ids)
        names = ", ".join(tag.name for tag in tags) or "no class"
        alt = f"Image {image_id}: {names}{', outlined' if outlines else ''}"
        picture = draw_outlines(image, outlines, width=self._width)
        return GalleryItem(to_picture(picture, alt), image_id, tags, note)

    def show_images(self, ids: Sequence[str]) -> list[GalleryItem]:
        """Those of the images that can be read."""
        return [item for image_id in ids if (item := self.show_image(image_id))]

    def show_defect(
        self, image_id: str, class_id: int, box: tuple[int, int, int, int], note: str
    ) -> GalleryItem | None:
        """One defect, `box` (left, top, width, height) in pixels, with some steel around it.

        All crops have one shape, so that they stand in line; None where it cannot be read.
        """
        image = self._read(image_id)
        outline = self._outline(image_id, class_id) if image is not None else None
        if image is None or outline is None:
            return None
        left, top, width, height = box
        only = np.zeros_like(outline.mask)
        inside = np.s_[top : top + height, left : left + width]
        only[inside] = outline.mask[inside]
        window = find_window(only, aspect=self._crop[0] / self._crop[1])
        wide, tall = window.right - window.left, window.bottom - window.top
        scale = min(self._crop[0] / wide, self._crop[1] / tall)
        drawn = draw_outlines(
            image,
            [Outline(only, outline.color)],
            width=max(1, round(wide * scale)),
            window=window,
        )
        picture = ImageOps.pad(drawn, self._crop, Image.Resampling.LANCZOS, color=_BEHIND)
        alt = f"A defect on {image_id}: {self.make_tag(class_id).name}, {note}"
        return GalleryItem(to_picture(picture, alt), image_id, (), note)

    def _decode(self, image_id: str) -> GreyImage | None:
        if image_id in self.study.unreadable or image_id not in self._rows:
            return None
        file, height, width = self._rows[image_id]
        try:
            return read_grey(self.study.dataset.image_root / file, expected_size=(height, width))
        except ImageError:
            return None

    def _outline(self, image_id: str, class_id: int) -> Outline | None:
        text = self._drawn[image_id].get(class_id)
        if not text:
            return None
        _, height, width = self._rows[image_id]
        try:
            mask = decode_mask(text, height, width)
        except RunLengthError:
            return None
        column = self.classes.column_of[class_id]
        return Outline(mask, self.classes.color(column), str(class_id))
