"""What measuring the places of one part came to: plain figures, and the words they need."""

from dataclasses import asdict, dataclass
from typing import Any

from stripsight.evaluation.intervals.interval import Interval
from stripsight.reporting.quantities import format_quantity

SCHEMA_VERSION = 1

MEASURES = ("pixel_ap", "pointing", "energy", "dice")


@dataclass(frozen=True)
class Found:
    """One measure of one class.

    Attributes:
        value: of the network's maps.
        interval: at 95 %, over groups of look-alikes.
        centre: of pointing at the middle of every image.
        mean_mask: of the class's mean mask on validation; None where validation has no mask.
        lead: how far the maps are ahead of the better of the two guesses.
        lead_interval: at 95 %, on the same images.
    """

    value: float
    interval: Interval
    centre: float | None
    mean_mask: float | None
    lead: float
    lead_interval: Interval


@dataclass(frozen=True)
class ClassPlaces:
    """One class over the images that show it and say where.

    Attributes:
        name: of the class.
        images: measured.
        groups: of look-alikes among them.
        masks: images with a drawn mask.
        boxes: images with a box only.
        level: on the heatmap, in 0..1: what is at least as hot is the defect in `dice`; None where
            none could be fitted.
        found: by measure; a measure that cannot be had is not in it.
    """

    name: str
    images: int
    groups: int
    masks: int
    boxes: int
    level: float | None
    found: dict[str, Found]

    @property
    def against(self) -> str:
        """What the maps were measured against, in words."""
        if not self.boxes:
            return "masks" if self.masks else "nothing"
        return "masks and boxes" if self.masks else "boxes"


@dataclass(frozen=True)
class Places:
    """Whether the heatmaps of a part point at its defects.

    Attributes:
        part: of the split.
        fitted_on: the part that levels and mean masks come from.
        image_size: (height, width) in pixels.
        map_size: (rows, columns) of a class map.
        classes: in column order.
        macro: mean of each measure over the classes that have it.
        notes: what has no figure or must be read with care, and why.
    """

    part: str
    fitted_on: str
    image_size: tuple[int, int]
    map_size: tuple[int, int]
    classes: tuple[ClassPlaces, ...]
    macro: dict[str, Found]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data for `metrics.json`; null where a figure cannot be had."""
        record = asdict(self)
        for entry, places in zip(record["classes"], self.classes, strict=True):
            entry["against"] = places.against
            entry["found"] = {name: entry["found"].get(name) for name in MEASURES}
        record["macro"] = {name: record["macro"].get(name) for name in MEASURES}
        return {"schema_version": SCHEMA_VERSION, **record}


def describe_gaps(
    classes: tuple[ClassPlaces, ...], vanished: tuple[int, ...], part: str, fitted_on: str
) -> tuple[str, ...]:
    """The notes: what is missing and why, what the truth is, what was fitted on what it judges."""
    if not any(places.images for places in classes):
        return (
            f"no {part} image says where its defects are, only which there are: whether the"
            " heatmaps point at them was not measured",
        )
    notes = []
    boxed = [places for places in classes if places.boxes]
    if boxed:
        notes.append(
            f"{_list_names(boxed)}: measured against boxes, which hold sound steel too; a map as"
            " exact as a mask would not reach 1"
        )
    bare = [places for places in classes if not places.images]
    if bare:
        notes.append(f"{_list_names(bare)}: no {part} image says where, so no figure")
    unfitted = [places for places in classes if places.images and places.level is None]
    if unfitted:
        notes.append(f"{_list_names(unfitted)}: no {fitted_on} image says where, so no Dice")
    for places, count in zip(classes, vanished, strict=True):
        if count:
            notes.append(
                f"{places.name}: left out {format_quantity(count, 'image')} whose mask has no pixel"
                " at this image size"
            )
    if part == fitted_on:
        notes.append(
            f"levels and mean masks were fitted on the very {part} images that they judge here"
        )
    return tuple(notes)


def _list_names(classes: list[ClassPlaces]) -> str:
    return ", ".join(places.name for places in classes)
