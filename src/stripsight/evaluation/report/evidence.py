"""What a report's figures rest on too little, or not at all: findings about the data judged on."""

from collections.abc import Iterator

from stripsight.data.lookalikes.links import load_links
from stripsight.evaluation.evaluation import Evaluation
from stripsight.reporting.page import Notice
from stripsight.reporting.quantities import format_quantity

FEW_POSITIVES = 30
"""Of fewer a class's figures say little: 27 found of 30 is a recall of 0.76 to 0.97."""
VERY_FEW_POSITIVES = 10
"""Of fewer they say next to nothing: 9 found of 9 is a recall of 0.76 to 1."""


def find_weak_evidence(evaluation: Evaluation) -> Iterator[Notice]:
    """Leaks, and what is not there or there too seldom."""
    yield from _find_leaks(evaluation)
    yield from _find_undecided(evaluation)
    yield from _find_own_images(evaluation)
    yield from _find_unsearched_lookalikes(evaluation)
    yield from _find_unjudged(evaluation)
    yield from _find_few_positives(evaluation)
    yield from _find_no_clean_image(evaluation)


def _find_leaks(evaluation: Evaluation) -> Iterator[Notice]:
    source, opened = evaluation.predictions.source, evaluation.opened
    if opened.leaks or source["split_by"] == "random":
        count = len(opened.leaks)
        yield Notice(
            "serious",
            "Look-alikes stand on two sides of the split",
            f"{count:,}",
            "groups" if count != 1 else "group",
            "Images that the network was trained on stand here again in slightly other form, so"
            " every figure looks better than the model is.",
            "Make a split by group with stripsight data split and train again.",
            details=tuple(str(leak) for leak in opened.leaks[:5]),
        )


def _find_unsearched_lookalikes(evaluation: Evaluation) -> Iterator[Notice]:
    if load_links(evaluation.opened.data.prepared) is None:
        yield Notice(
            "look",
            "Look-alikes were not searched",
            "0",
            "searches for look-alikes",
            "Only identical files were kept on one side. If frames of one piece of steel lie in"
            " training and here, every figure looks better than the model is.",
            "Search them with stripsight data duplicates and evaluate again. If any cross the"
            " split, make another with stripsight data split and train on it.",
        )


def _find_own_images(evaluation: Evaluation) -> Iterator[Notice]:
    if evaluation.part == "validation":
        yield Notice(
            "look",
            "These are the images that everything was fitted on",
            f"{evaluation.judgement.images:,}",
            "images",
            "Best epoch, calibration and thresholds were chosen on validation, so its figures look"
            " better than they are.",
            "Judge on test: stripsight evaluate RUN.",
        )


def _find_undecided(evaluation: Evaluation) -> Iterator[Notice]:
    for row in evaluation.judgement.classes:
        if not row.thresholds.decided:
            yield Notice(
                "serious" if row.positives else "look",
                f"{row.name} has no threshold",
                "0",
                "validation images",
                "No image of validation shows it, so nothing could be fitted. It takes no part in"
                f" any verdict; {format_quantity(row.positives, 'image')} here show it.",
                "Add images of it, or make a split that spreads it.",
            )


def _find_unjudged(evaluation: Evaluation) -> Iterator[Notice]:
    for row in evaluation.judgement.classes:
        if row.positives == 0 and row.thresholds.decided:
            yield Notice(
                "look",
                f"{row.name} was not judged",
                "0",
                f"images of {evaluation.part} show it",
                "Whether it is found is not known: it has no AP, no recall and no escape rate, and"
                " means over the classes leave it out.",
                "Add images of it, or make a split that spreads it.",
            )


def _find_few_positives(evaluation: Evaluation) -> Iterator[Notice]:
    few = [r for r in evaluation.judgement.classes if 0 < r.positives < FEW_POSITIVES]
    if few:
        rarest = min(r.positives for r in few)
        yield Notice(
            "look" if rarest < VERY_FEW_POSITIVES else "note",
            "Few images to judge on",
            f"{rarest:,}",
            "images of the rarest",
            f"{format_quantity(len(few), 'class has', 'classes have')} fewer than {FEW_POSITIVES}"
            f" images here ({', '.join(f'{r.name} {r.positives}' for r in few)}): their figures"
            " say little, and their intervals how little.",
            "Judge on more images before anything rests on these classes.",
        )


def _find_no_clean_image(evaluation: Evaluation) -> Iterator[Notice]:
    if evaluation.judgement.counts.negatives == 0:
        yield Notice(
            "note",
            "No clean image to judge on",
            "0",
            f"clean images of {evaluation.part}",
            "Every image shows a defect, so how often clean steel would be called defective is not"
            " known.",
            "Add images without a defect before this stands beside a line.",
        )
