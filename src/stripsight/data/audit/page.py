"""The page of a label audit: what is suspect, with its picture, and how to answer.

Pictures show what is labelled, outlined, so that a reviewer sees the label and the steel at once.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from stripsight.data.audit.confident_learning import Audit, ClassAudit, Suspect
from stripsight.data.prepared import PreparedDataset
from stripsight.data.rle import decode_mask
from stripsight.errors import ImageError
from stripsight.imaging import read_grey
from stripsight.reporting.page import (
    Column,
    Fact,
    Gallery,
    GalleryItem,
    Note,
    Page,
    Section,
    Table,
    Tag,
    render_page,
)
from stripsight.reporting.pictures import Outline, draw_outlines, to_picture
from stripsight.reporting.quantities import format_count, format_share

MOST_PICTURES = 300
"""Suspects with a picture; a page of more would be slow to open. The sheet has all of them."""

_WIDE, _SQUARE = 880, 360  # pixels across a picture

_ANSWERS = (
    ("keep", "the label is right as it is; later audits leave it out"),
    ("remove", "the image does not show the class it is labelled with"),
    ("add", "the image shows the class and was not labelled with it"),
    ("drop-image", "the image is of no use (blurred, no steel): it takes no part any more"),
)


def build_audit_page(
    dataset: PreparedDataset,
    audit: Audit,
    *,
    images: int,
    notes: Sequence[str],
    report_progress: Callable[[int, int], None] = lambda done, total: None,
) -> str:
    """One self-contained HTML document.

    Args:
        dataset: as it is labelled now.
        audit: the result.
        images: how many were audited.
        notes: what limits the result, in words.
        report_progress: called with the number of pictures done and in all.
    """
    shown = audit.suspects[:MOST_PICTURES]
    painter = _Painter(dataset)
    items: dict[Suspect, GalleryItem | str] = {}
    for done, suspect in enumerate(shown, start=1):
        items[suspect] = painter.paint(suspect, audit.classes[suspect.column])
        report_progress(done, len(shown))
    wrong = sum(1 for s in audit.suspects if s.given)
    page = Page(
        title=f"Label audit of {dataset.name}",
        subtitle="Labels that networks contradict which never trained on the image."
        " The most suspect come first; each is a question to a person, not a verdict.",
        facts=(
            Fact(format_count(images), "images audited"),
            Fact(format_count(len(audit.suspects)), "labels to review"),
            Fact(format_count(wrong), "perhaps wrong"),
            Fact(format_count(len(audit.suspects) - wrong), "perhaps missing"),
        ),
        sections=(
            _summarise(dataset, audit, notes, len(shown)),
            *_show_classes(dataset, audit, items),
            _explain_answers(),
        ),
        footer="Confident learning: Northcutt, Jiang and Chuang, JAIR 70 (2021).",
    )
    return render_page(page)


def _summarise(dataset: PreparedDataset, audit: Audit, notes: Sequence[str], shown: int) -> Section:
    rows = [
        (
            _tag(dataset, column),
            format_count(judged.positives),
            _count(judged.wrongly_present),
            _count(judged.wrongly_absent),
            _mean(judged.thresholds[1]),
            _mean(None if judged.thresholds[0] is None else 1 - judged.thresholds[0]),
        )
        for column, judged in enumerate(audit.classes)
    ]
    columns = (
        Column("class"),
        Column("labelled images", numeric=True),
        Column("perhaps wrong", numeric=True),
        Column("perhaps missing", numeric=True),
        Column("mean prediction with it", numeric=True),
        Column("mean prediction without it", numeric=True),
    )
    words = list(notes)
    if shown < len(audit.suspects):
        words.append(
            f"The {shown:,} most suspect of {len(audit.suspects):,} have a picture here;"
            " review.csv lists all."
        )
    if not audit.suspects:
        words.append("No label is suspect.")
    return Section(
        "summary",
        "Estimate per class",
        (Table("Labels estimated to be wrong", columns, rows), *map(Note, words)),
    )


def _show_classes(
    dataset: PreparedDataset, audit: Audit, items: dict[Suspect, GalleryItem | str]
) -> Iterator[Section]:
    wide = _is_wide(dataset)
    for column, judged in enumerate(audit.classes):
        blocks: list[Gallery | Note] = []
        for given, title, caption in (
            (True, "Labelled, perhaps wrong", "Answer remove where the defect is not there."),
            (False, "Not labelled, perhaps missing", "Answer add where the defect is there."),
        ):
            found = [items[s] for s in items if s.column == column and s.given == given]
            pictures = [item for item in found if isinstance(item, GalleryItem)]
            if pictures:
                blocks.append(
                    Gallery(
                        title,
                        pictures,
                        caption,
                        _tag(dataset, column),
                        "wide" if wide else "square",
                    )
                )
            blocks.extend(Note(item) for item in found if isinstance(item, str))
        if blocks:
            yield Section(f"class-{column + 1}", judged.name, blocks)


def _explain_answers() -> Section:
    columns = (Column("decision"), Column("meaning"))
    return Section(
        "answers",
        "How to answer",
        (Table("Write one of these into the column decision of review.csv", columns, _ANSWERS),),
        lead="Leave the cell empty where you are not sure. Then run stripsight data apply-review:"
        " the original annotations stay as they are, every change is recorded and can be undone.",
    )


class _Painter:
    """Pictures of suspects; keeps the annotations by image."""

    def __init__(self, dataset: PreparedDataset) -> None:
        self._dataset = dataset
        self._rows = {row.id: row for row in _rows(dataset.images)}
        self._drawn: dict[str, list[Any]] = {}
        for row in _rows(dataset.annotations):
            self._drawn.setdefault(row.image_id, []).append(row)

    def paint(self, suspect: Suspect, judged: ClassAudit) -> GalleryItem | str:
        """The suspect with its picture; a sentence where the image cannot be shown."""
        row = self._rows[suspect.image]
        height, width = int(row.height), int(row.width)
        try:
            path = self._dataset.image_root / row.file
            grey = read_grey(path, expected_size=(height, width))
        except ImageError as error:
            return f"{suspect.image} cannot be shown: {error}"
        labelled = sorted(
            (self._dataset.classes.column_of[int(mark.class_id)], mark)
            for mark in self._drawn.get(suspect.image, [])
        )
        outlines = [
            Outline(
                decode_mask(mark.rle, height, width),
                self._dataset.classes.color(column),
                _tag(self._dataset, column).mark,
            )
            for column, mark in labelled
            if mark.kind != "presence"
        ]
        names = ", ".join(self._dataset.classes.names[column] for column, _ in labelled)
        picture = draw_outlines(grey, outlines, width=_WIDE if width > 2 * height else _SQUARE)
        return GalleryItem(
            to_picture(picture, f"{suspect.image}, labelled {names or 'without defect'}"),
            suspect.image,
            tuple(_tag(self._dataset, column) for column, _ in labelled),
            f"{judged.name} predicted {format_share(suspect.probability)}",
        )


def _tag(dataset: PreparedDataset, column: int) -> Tag:
    defect = dataset.classes.classes[column]
    return Tag(str(defect.id), defect.name, dataset.classes.color(column))


def _is_wide(dataset: PreparedDataset) -> bool:
    sizes = dataset.images[["height", "width"]].to_numpy()
    return bool((sizes[:, 1] > 2 * sizes[:, 0]).mean() > 0.5)


def _rows(table: Any) -> Iterator[Any]:
    yield from table.itertuples(index=False)


def _count(count: int | None) -> str:
    return "not estimated" if count is None else format_count(count)


def _mean(value: float | None) -> str:
    return "none" if value is None else format_share(value)
