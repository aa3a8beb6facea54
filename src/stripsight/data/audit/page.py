"""The page of a label audit: what is suspect, with its picture, and how to answer.

Pictures show what is labelled, outlined, so that a reviewer sees the label and the steel at once.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from stripsight.data.audit.confident_learning import Audit, Suspect, explain_suspect
from stripsight.data.audit.look_alikes import (
    describe_look_alikes,
    find_look_alikes,
    name_groups,
)
from stripsight.data.audit.sureness import compute_doubt, count_suspects, describe_expectation
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

_WIDE, _SQUARE = 1100, 600  # pixels across a picture: what it fills of a desk's screen

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
            _summarise(dataset, audit, notes),
            *(
                (_show_suspects(dataset, audit, report_progress), _explain_answers())
                if audit.suspects
                else ()
            ),
        ),
        footer="Confident learning: Northcutt, Jiang and Chuang, JAIR 70 (2021).",
    )
    return render_page(page)


def _summarise(dataset: PreparedDataset, audit: Audit, notes: Sequence[str]) -> Section:
    suspects, group_of = audit.suspects, name_groups(dataset.images)
    rows = [
        (
            _tag(dataset, column),
            format_count(judged.positives),
            *(
                ("not estimated", "not estimated")
                if judged.why_none
                else (
                    count_suspects(suspects, column, given=True, group_of=group_of),
                    count_suspects(suspects, column, given=False, group_of=group_of),
                )
            ),
            describe_expectation(compute_doubt(suspects, column, group_of), judged) or "none",
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
        Column("wrong in a trial", numeric=True),
        Column("mean if labelled", numeric=True),
        Column("mean if not labelled", numeric=True),
    )
    words = list(notes)
    if len(audit.suspects) > MOST_PICTURES:
        words.append(
            f"The {MOST_PICTURES:,} most suspect of {len(audit.suspects):,} have a picture here;"
            " review.csv lists all."
        )
    return Section(
        "summary",
        "Estimate per class",
        (Table("Labels estimated to be wrong", columns, rows), *map(Note, words)),
        lead="The means are those of the predicted probability: far apart, the class is learnt.",
    )


def _show_suspects(
    dataset: PreparedDataset, audit: Audit, report_progress: Callable[[int, int], None]
) -> Section:
    """Pictures in the order and with the numbers of the sheet."""
    painter = _Painter(dataset)
    look_alikes = find_look_alikes(audit.suspects, dataset.images)
    shown = audit.suspects[:MOST_PICTURES]
    pictures: list[GalleryItem] = []
    missing: list[Note] = []
    for number, suspect in enumerate(shown, start=1):
        note = explain_suspect(suspect, audit.classes[suspect.column])
        others = describe_look_alikes(look_alikes[number - 1])
        item = painter.paint(suspect, number, f"{note}; {others}" if others else note)
        if isinstance(item, Note):
            missing.append(item)
        else:
            pictures.append(item)
        report_progress(number, len(shown))
    gallery = Gallery(
        "Numbered as in the column number of review.csv",
        pictures,
        "Outlined is what is labelled. Answer remove where a class that is labelled is not there,"
        " add where one that is not labelled is there.",
        shape="full" if _is_wide(dataset) else "wide",
    )
    blocks: list[Gallery | Note] = [*missing, gallery] if pictures else [*missing]
    return Section("labels", "Labels to review", blocks)


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

    def paint(self, suspect: Suspect, number: int, note: str) -> GalleryItem | Note:
        """The suspect with its picture; a sentence where the image cannot be shown."""
        row = self._rows[suspect.image]
        height, width = int(row.height), int(row.width)
        try:
            path = self._dataset.image_root / row.file
            grey = read_grey(path, expected_size=(height, width))
        except ImageError as error:
            return Note(f"Number {number}, {suspect.image}, cannot be shown: {error}")
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
            f"{number} \u00b7 {suspect.image}",
            tuple(_tag(self._dataset, column) for column, _ in labelled),
            _keep_units(note),
        )


def _tag(dataset: PreparedDataset, column: int) -> Tag:
    defect = dataset.classes.classes[column]
    return Tag(str(defect.id), defect.name, dataset.classes.color(column))


def _is_wide(dataset: PreparedDataset) -> bool:
    sizes = dataset.images[["height", "width"]].to_numpy()
    return bool((sizes[:, 1] > 2 * sizes[:, 0]).mean() > 0.5)


def _rows(table: Any) -> Iterator[Any]:
    yield from table.itertuples(index=False)


def _mean(value: float | None) -> str:
    return "none" if value is None else _keep_units(format_share(value))


def _keep_units(text: str) -> str:
    """With a no-break space, so that no line ends between a number and its per cent."""
    return text.replace(" %", "\u00a0%")
