"""The worst escapes and overkills as pictures: as they are, as labelled, and where it looked."""

from stripsight.data.dataset import SeverstalFullImageDataset
from stripsight.decision.places import compute_heatmap
from stripsight.evaluation.evaluation import Evaluation
from stripsight.evaluation.report.blocks import build_tag
from stripsight.evaluation.report.examples import Example, choose_examples
from stripsight.reporting.overlays import Heat, draw_places
from stripsight.reporting.page import Block, Drawing, Note, Section, StripRow, Strips
from stripsight.reporting.pictures import Outline, to_picture
from stripsight.reporting.quantities import format_share

_MOST = 8  # of each kind
_MOST_DIGITS = 9
_WIDE, _SQUARE = 1100, 420  # pixels across a picture


def show_examples(evaluation: Evaluation) -> Section:
    """The verdicts that are wrong and were surest."""
    blocks: list[Block] = []
    for fault, title, none in (
        ("escape", "Escapes: a defect called clean", "No defect was called clean."),
        ("overkill", "Overkills: a defect called that is not there", "Nothing was called wrongly."),
    ):
        examples = choose_examples(evaluation, fault, _MOST)  # type: ignore[arg-type]
        if examples:
            blocks.append(Strips(title, _draw_rows(evaluation, examples)))
        else:
            blocks.append(Note(none))
    return Section(
        "examples",
        "What it got wrong",
        blocks,
        "The surest mistakes of each class first, look-alikes only once: each image as it is, with"
        " its labels outlined, and with the heatmap of the class in question laid over it. Light is"
        " 1, dark is 0, the line is the level fitted on validation. An image's probability is"
        " pooled from its whole map.",
    )


def _draw_rows(evaluation: Evaluation, examples: tuple[Example, ...]) -> tuple[StripRow, ...]:
    ids = [evaluation.predictions.ids[example.row] for example in examples]
    images = SeverstalFullImageDataset(
        evaluation.opened.data.prepared, ids=sorted(set(ids)), masks=True
    )
    place_of = {image_id: place for place, image_id in enumerate(images.ids)}
    return tuple(
        _draw_row(evaluation, example, images, place_of[image_id])
        for example, image_id in zip(examples, ids, strict=True)
    )


def _draw_row(
    evaluation: Evaluation, example: Example, images: SeverstalFullImageDataset, place: int
) -> StripRow:
    classes, predictions = evaluation.opened.data.classes, evaluation.predictions
    assert predictions.class_maps is not None, "these predictions are fresh"
    image, (masks, known) = images.read_stored(place), images.read_masks(place)
    carried = [c for c in range(len(classes)) if predictions.labels[example.row, c]]
    outlines = [
        Outline(masks[c], classes.color(c), build_tag(evaluation, c).mark)
        for c in carried
        if known[c]
    ]
    heat = compute_heatmap(predictions.class_maps[example.row, example.column], image.shape)
    name = classes.names[example.column]
    pictures = draw_places(
        image,
        outlines,
        [
            Heat(
                heat,
                classes.color(example.column),
                level=evaluation.places.classes[example.column].level,
            )
        ],
        width=_WIDE if image.shape[1] > 2 * image.shape[0] else _SQUARE,
    )
    captions = ("as it is", "as labelled", f"heatmap of {name}, up to {heat.max():.2f}")
    image_id = predictions.ids[example.row]
    side = (
        "called clean below"
        if predictions.labels[example.row, example.column]
        else "called defect from"
    )
    return StripRow(
        name=image_id,
        drawings=[
            Drawing(to_picture(picture, f"{image_id}, {caption}"), caption)
            for picture, caption in zip(pictures, captions, strict=True)
            if outlines or caption != "as labelled"
        ],
        tags=[build_tag(evaluation, c) for c in carried],
        note=f"{name}: {_write_beside(example.probability, side, min(example.threshold, 1.0))}",
    )


def _write_beside(probability: float, side: str, threshold: float) -> str:
    """Both with as many digits as tell them apart."""
    shown = format_share(probability), format_share(threshold)
    for digits in range(2, _MOST_DIGITS + 1):
        if shown[0] != shown[1] or probability == threshold:
            break
        shown = f"{100 * probability:.{digits}f} %", f"{100 * threshold:.{digits}f} %"
    return f"probability {shown[0]}, {side} {shown[1]}"
