"""A heatmap laid over its image: the steel dimmed, what is hot lit up, the level outlined.

Hot is light and cold is dark, so that a grey print tells the same; steel that is not hot is never
as light as what is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from stripsight.imaging import GreyImage
from stripsight.reporting.pictures import Outline, Window, draw_outlines

_DIM = 0.45  # of the steel's own light
_LIGHT = np.array([255.0, 224.0, 120.0])
_COVER = 0.8  # of the light where a place is hottest: the steel still shows through


@dataclass(frozen=True)
class Heat:
    """A heatmap of one class and how to draw it.

    Attributes:
        values: `[H, W]` of the image's size, 0 or more.
        color: of the line around what is at or above `level`, `#RRGGBB`.
        mark: beside that line.
        level: on the scale of `values`; None draws no line.
        full: what is drawn as the hottest; lower it to see a map that is cold everywhere.
    """

    values: npt.NDArray[np.floating]
    color: str
    mark: str = ""
    level: float | None = None
    full: float = 1.0


def draw_heatmap(
    image: GreyImage, heat: Heat, *, width: int, window: Window | None = None
) -> Image.Image:
    """The image, or a window of it, under one heatmap; `width` as for `draw_outlines`.

    Raises:
        ValueError: the heatmap has another size than the image.
    """
    if heat.values.shape != image.shape:
        raise ValueError(
            f"the heatmap is {heat.values.shape} and the image {image.shape}: one size is expected"
        )
    share = np.nan_to_num(np.clip(heat.values / heat.full, 0, 1) * _COVER)[..., None]
    lit = (1 - share) * _DIM * image[..., None] + share * _LIGHT
    outlines = []
    if heat.level is not None:
        hot = (heat.values >= heat.level).astype(np.uint8)
        outlines.append(Outline(hot, heat.color, heat.mark))
    return draw_outlines(lit.round().astype(np.uint8), outlines, width=width, window=window)


def draw_places(
    image: GreyImage,
    outlines: Sequence[Outline],
    heats: Sequence[Heat],
    *,
    width: int,
    window: Window | None = None,
) -> tuple[Image.Image, ...]:
    """The image as it is, with its masks outlined, and under each heatmap: one picture each."""
    return (
        draw_outlines(image, [], width=width, window=window),
        draw_outlines(image, outlines, width=width, window=window),
        *(draw_heatmap(image, heat, width=width, window=window) for heat in heats),
    )
