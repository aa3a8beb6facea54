"""What the pixels and the look-alikes say."""

from collections.abc import Iterator

import numpy as np

from stripsight.data.analysis.appearance import CHECKER
from stripsight.data.analysis.defects import TINY_SIDE, measure_tiny
from stripsight.data.analysis.finding import Finding, cut_list, name_images
from stripsight.data.analysis.split_advice import suggest_split
from stripsight.data.analysis.study import Study
from stripsight.data.lookalikes.links import LINK_KINDS
from stripsight.data.reconciliation import list_missing
from stripsight.reporting.page import Level
from stripsight.reporting.quantities import (
    format_count,
    format_number,
    format_quantity,
    format_share,
)

_WIDE_BORDER = 0.1
_TINY_SHARE = 0.05
_MISSING = 0.01
_MANY_ALIKE = 0.05
_MANY_STRANGE = 0.01
# Pixels of steel. On NEU-DET's images of 200x200 all 25 with a high number were streaks and
# scratches: so few cells repeat by chance.
_LEAST_PLATE_WIDTH, _LEAST_PLATE_HEIGHT = 400, 128


def find_in_images(study: Study) -> Iterator[Finding]:
    """Findings on files, light, sizes and look-alikes, in no special order."""
    yield from _find_unreadable(study)
    yield from _find_missing_images(study)
    yield from _find_sizes(study)
    yield from _find_suspects(study)
    yield from _find_steel(study)
    yield from _find_tiny(study)
    yield from _find_undrawn(study)
    yield from _find_look_alikes(study)


def _find_unreadable(study: Study) -> Iterator[Finding]:
    if study.unreadable:
        yield Finding(
            "serious",
            "unreadable images",
            "Images that cannot be read",
            format_count(len(study.unreadable)),
            f"of {format_quantity(study.counts.images, 'image')}",
            "Their labels are counted; no other figure of this page knows them, and training stops"
            " at them.",
            "Restore the files, or prepare the data set again without them.",
            cut_list([f"{i}: {reason}" for i, reason in study.unreadable.items()], 4),
            tuple(study.unreadable),
            weight=90.0,
        )


def _find_missing_images(study: Study) -> Iterator[Finding]:
    missing = list_missing(study.dataset.reconciliation)
    if not missing:
        return
    annotated = len(missing) + study.dataset.annotations["image_id"].nunique()
    share = len(missing) / annotated
    yield Finding(
        "serious" if share > _MISSING else "look",
        "missing images",
        "Annotated images are missing",
        format_count(len(missing)),
        f"of {format_quantity(annotated, 'annotated image')} ({format_share(share)})",
        "The annotation file names them, and the source did not hold them: their defects are in no"
        " figure of this page and in no training.",
        "Look for them in the source (an incomplete archive, another folder), and prepare again.",
        name_images(missing),
        tuple(missing),
        weight=95.0 * share,
    )


def _find_sizes(study: Study) -> Iterator[Finding]:
    sizes = study.counts.sizes
    if len(sizes) > 1:
        yield Finding(
            "look",
            "several sizes",
            "The images have several sizes",
            format_count(len(sizes)),
            "sizes",
            "A network takes one size. They are listed under Images.",
            "Name the size to train at, such as"
            f" `data.image_size=[{sizes[0].height},{sizes[0].width}]`.",
            weight=1.5,
        )


def _find_suspects(study: Study) -> Iterator[Finding]:
    strange = [s for s in study.suspects if s.strange]
    if strange:
        share = len(strange) / study.counts.images
        yield Finding(
            "look" if share >= _MANY_STRANGE else "note",
            "suspect images",
            "Images that are black, saturated or featureless",
            format_count(len(strange)),
            "images" if len(strange) != 1 else "image",
            "Defects can hardly show on them.",
            "Look at them under Suspects, and leave out what is no strip.",
            cut_list([f"{s.image_id}: {s.reason}" for s in strange], 3),
            tuple(s.image_id for s in strange),
            weight=share,
        )
    others = tuple(s.image_id for s in study.suspects if not s.strange)
    far = len(others)
    if far:
        yield Finding(
            "note",
            "outliers",
            "Images that lie far from all others",
            format_count(far),
            "images" if far != 1 else "image",
            "In brightness, contrast or sharpness they lie beyond three times the quartiles'"
            " distance.",
            "Look at the first of them under Suspects: a lamp, the lens, or another steel.",
            name_images(others),
            others,
            weight=far / max(1, len(study.statistics)),
        )


def _find_steel(study: Study) -> Iterator[Finding]:
    table = study.statistics
    if table.empty:
        return
    sizes = study.dataset.images.set_index("id").loc[table["id"], ["height", "width"]]
    heights, widths = sizes.to_numpy(dtype=np.float64).T
    border = (table["border_left"] + table["border_right"]).to_numpy(dtype=np.float64)
    wide = (border / widths >= _WIDE_BORDER) & (border < widths)
    if wide.any():
        ids = tuple(table["id"][wide])
        yield Finding(
            "note",
            "border",
            "Images with a wide black border",
            format_share(float(wide.mean())),
            "of the images",
            f"{format_quantity(int(wide.sum()), 'image')} look past the strip's edge over at least"
            f" a tenth of their width; their median border is"
            f" {format_number(float(np.median(border[wide])))} px.",
            "Nothing, as long as production images have it too: `stripsight data compare` shows"
            " whether they do.",
            name_images(ids),
            ids,
            weight=float(wide.mean()),
        )
    large = (widths - border >= _LEAST_PLATE_WIDTH) & (heights >= _LEAST_PLATE_HEIGHT)
    checker = (table["checker"].to_numpy() >= CHECKER) & large
    if checker.any():
        ids = tuple(table["id"][checker])
        yield Finding(
            "note",
            "checker plate",
            "Steel with a raised pattern",
            format_share(float(checker.mean())),
            "of the images",
            f"{format_quantity(int(checker.sum()), 'image')} show a regular pattern, such as"
            " checker plate. It is no defect, but a network that met little of it may call it one.",
            "See that every part of the split holds some, and look at their errors apart.",
            name_images(ids),
            ids,
            weight=float(checker.mean()) / 2,
        )


def _find_tiny(study: Study) -> Iterator[Finding]:
    table = study.defects.table
    if table.empty:
        return
    own, half = measure_tiny(table), measure_tiny(table, scale=0.5)
    if half >= _TINY_SHARE:
        yield Finding(
            "look" if own >= _TINY_SHARE else "note",
            "tiny defects",
            "Defects that vanish when images shrink",
            format_share(half),
            "of the defects at half size",
            f"Their shorter side is below {TINY_SIDE} px, a quarter of a cell of the network's map"
            f" (32 px). At the images' own size {format_share(own)} are that small, at half the"
            f" height and width {format_share(half)}.",
            "Train at full size, which is the default (`data.image_size=null`).",
            weight=half / 10 + own,
        )


def _find_undrawn(study: Study) -> Iterator[Finding]:
    kinds = study.dataset.annotations["kind"].value_counts().to_dict()
    marked = sum(kinds.values())
    presence = int(kinds.get("presence", 0))
    if marked and presence:
        yield Finding(
            "note",
            "presence only",
            "No defect is drawn" if presence == marked else "Some defects are not drawn",
            format_count(presence),
            f"of {format_quantity(marked, 'annotation')}",
            "They say that a class is on the image, not where. Sizes and places are not known for"
            " them, and they cannot teach a network where to look.",
            "Nothing, to classify images; to judge heatmaps, draw some of them.",
            weight=presence / marked / 10,
        )


def _find_look_alikes(study: Study) -> Iterator[Finding]:
    if not study.links:
        return
    images = sorted({i for link in study.links for i in (link.first, link.second)})
    share = len(images) / study.counts.images
    split = study.parts.split if study.parts else None
    leaks = study.parts is not None and bool(study.parts.leaks)
    level: Level = "serious" if leaks else "look" if share >= _MANY_ALIKE else "note"
    yield Finding(
        level,
        "look-alikes",
        "Images that show the same steel",
        format_count(len(images)),
        f"of {format_quantity(study.counts.images, 'image')} ({format_share(share)})".replace(
            " %", "\u00a0%"
        ),
        "Split by chance, the test holds what the network has seen in training, and every figure"
        " looks better than it is." + (f" Split {split.name} does so." if split and leaks else ""),
        f"Split with {suggest_split(study.dataset.root, split)}, which"
        " keeps look-alikes together; a plain shuffle elsewhere does not."
        if leaks or split is None
        else f"Nothing for split {split.name}, which keeps them together as"
        " `stripsight data split` does; a plain shuffle elsewhere does not.",
        tuple(
            f"{kind}: {format_quantity(count, 'link')}"
            for kind in LINK_KINDS
            if (count := sum(link.kind == kind for link in study.links))
        ),
        tuple(images),
        weight=max(0.5, 10 * share),
    )
