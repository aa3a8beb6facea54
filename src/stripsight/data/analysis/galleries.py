"""Which pictures are worth a look: examples, extremes, conflicts, look-alikes, suspects.

The choice depends on the data alone: the same data give the same page.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from stripsight.data.analysis.picture_book import PictureBook
from stripsight.data.lookalikes.links import OVERLAP, Link
from stripsight.reporting.page import Gallery
from stripsight.reporting.quantities import format_count, format_quantity

_MULTIPLE, _SUSPECTS, _IN_CONFLICT = 8, 8, 6
MOST_CONFLICTS = 12


def show_examples(book: PictureBook) -> Iterator[Gallery]:
    """Some images of each class, from little to much drawn, one of a group of look-alikes."""
    dataset = book.study.dataset
    wanted = _count_for(len(book.classes), 4 if book.shape == "wide" else 6)
    group_of = dict(zip(dataset.images["id"], dataset.images["duplicate_group"], strict=True))
    for c in book.classes:
        rows = dataset.annotations[dataset.annotations["class_id"] == c.id]
        rows = rows.assign(group=[group_of.get(i, -1) for i in rows["image_id"]])
        rows = rows.sort_values(["area", "image_id"]).drop_duplicates("group")
        items = book.show_images(_spread([str(i) for i in rows["image_id"]], wanted))
        if items:
            ordered = len(items) > 1 and bool(rows["rle"].notna().any())
            title = "from the smallest to the largest drawn area" if ordered else "examples"
            yield Gallery(title, items, tag=book.make_tag(c.id), shape=book.shape)
    clean = dataset.labelled_images["id"]
    clean = clean[~clean.isin(book.list_marked())]
    items = book.show_images(_spread([str(i) for i in clean], wanted))
    if items:
        yield Gallery("Without a defect", items, shape=book.shape)


def show_multiple(book: PictureBook) -> Gallery | None:
    """Images with several classes: one of each label set, those with most classes first."""
    first_of: dict[tuple[int, ...], str] = {}
    for image_id in book.list_marked():
        classes = book.list_classes(image_id)
        if len(classes) > 1 and image_id not in book.study.unreadable:
            first_of.setdefault(classes, image_id)
    order = sorted(first_of, key=lambda classes: (-len(classes), classes))
    items = book.show_images([first_of[classes] for classes in order[:_MULTIPLE]])
    if not items:
        return None
    title = "Several classes on one image"
    return Gallery(title, items, "One image of each label set.", shape=book.shape)


def show_extremes(book: PictureBook) -> Iterator[Gallery]:
    """The three smallest and the three largest defects of each class, each from another image."""
    few = _count_for(len(book.classes), 3)
    for c in book.classes:
        table = book.study.defects.of_class(c.id)
        ordered = table.sort_values(["area", "image_id", "left", "top"])
        smallest = ordered.drop_duplicates("image_id").head(few)
        largest = ordered.drop_duplicates("image_id", keep="last")
        largest = largest[~largest["image_id"].isin(smallest["image_id"])].tail(few)
        named = pd.concat([smallest.assign(end="smallest"), largest.assign(end="largest")])
        items = [
            item
            for row in named.to_dict("records")
            if (
                item := book.show_defect(
                    str(row["image_id"]),
                    c.id,
                    (int(row["left"]), int(row["top"]), int(row["width"]), int(row["height"])),
                    f"{row['end']}: {row['width']}\u00a0\u00d7\u00a0{row['height']}\u00a0px,"
                    f" {format_count(row['area'])}\u00a0px\u00b2",
                )
            )
        ]
        if items:
            yield Gallery(
                f"smallest and largest of {format_quantity(len(table), 'defect')}",
                items,
                tag=book.make_tag(c.id),
                shape=book.crop_shape,
            )


def show_suspects(book: PictureBook) -> Gallery | None:
    """The first suspects with their reasons."""
    suspects = book.study.suspects
    items = [i for s in suspects[:_SUSPECTS] if (i := book.show_image(s.image_id, s.reason))]
    if not items:
        return None
    caption = ""
    if len(items) < len(suspects):
        total = format_quantity(len(suspects), "image")
        caption = f"{len(items)} of {total}; all of them are in analysis.json."
    return Gallery("The most suspicious first", items, caption, shape=book.shape)


def show_conflicts(book: PictureBook) -> Iterator[Gallery]:
    """Each group of look-alikes that disagree on their labels, side by side."""
    for number, conflict in enumerate(book.study.conflicts[:MOST_CONFLICTS], start=1):
        items = book.show_images(conflict.images[:_IN_CONFLICT])
        if items:
            yield Gallery(f"Conflicting labels, group {number}", items, shape=book.shape)


def show_links(book: PictureBook) -> Iterator[Gallery]:
    """The most and the least alike pair of each kind, side by side."""
    conflicting = {i for conflict in book.study.conflicts for i in conflict.images}
    for link in _choose_links(book.study.links):
        if link.first in conflicting and link.second in conflicting:
            continue
        items = book.show_images([link.first, link.second])
        if len(items) == 2:
            yield Gallery(_name_link(link), items, shape=book.shape)


def _choose_links(links: Sequence[Link]) -> list[Link]:
    kinds: dict[str, list[Link]] = {}
    for link in sorted(links, key=lambda link: (-link.similarity, link.first, link.second)):
        kinds.setdefault(link.kind, []).append(link)
    chosen = [[*of_kind[:1], *of_kind[1:][-1:]] for of_kind in kinds.values()]
    return [link for of_kind in chosen for link in of_kind]


def _name_link(link: Link) -> str:
    kind = link.kind.capitalize()
    if link.kind != OVERLAP:
        return f"{kind}, correlation {link.similarity:.2f}"
    return (
        f"{kind}, shifted by {abs(link.shift_x)} px along and {abs(link.shift_y)} px down,"
        f" correlation {link.similarity:.2f}"
    )


def _count_for(classes: int, most: int) -> int:
    """Fewer pictures of each class where there are many classes: the page stays readable."""
    if classes <= 8:
        return most
    return max(1, most // 2 if classes <= 16 else most // 3)


def _spread(ids: Sequence[str], wanted: int) -> list[str]:
    """`wanted` of the ids at even distances, in order."""
    if len(ids) <= wanted:
        return list(ids)
    places = np.linspace(0, len(ids) - 1, wanted + 2)[1:-1].round().astype(np.int64)
    return [ids[place] for place in places.tolist()]
