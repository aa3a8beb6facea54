"""What a run was made from, how it was trained, and what may not be concluded of it."""

from collections.abc import Sequence

from stripsight.evaluation.evaluation import Evaluation
from stripsight.evaluation.report.blocks import (
    build_figure,
)
from stripsight.evaluation.report.learning_curves import draw_training
from stripsight.reporting.page import (
    Details,
    Fact,
    FigureGrid,
    Note,
    Section,
)


def show_training(evaluation: Evaluation) -> Section:
    """How it was learnt."""
    plots = draw_training(evaluation.opened.folder / "metrics.csv")
    if plots is None:
        note = Note("No curves: metrics.csv is missing or tells of fewer than two epochs.")
        return Section("training", "How it was trained", [note])
    losses, precision = plots
    return Section(
        "training",
        "How it was trained",
        [
            FigureGrid(
                [
                    build_figure(
                        "Loss", losses, "Training with augmented images, validation without."
                    ),
                    build_figure("Macro average precision", precision, "The best epoch was kept."),
                ]
            )
        ],
    )


def show_provenance(evaluation: Evaluation) -> Section:
    """What made it, to the hash, and what may not be concluded."""
    record, source = evaluation.opened.record, evaluation.predictions.source
    hardware = record["hardware"]
    images = record["data_set"]["images_used"]
    items = [
        Fact(record["data_set"]["name"], "data set"),
        Fact(source["data_set"][:16], "content hash"),
        Fact(evaluation.judgement.split, "split"),
        Fact(source["split"][:16], "split hash"),
        Fact(", ".join(f"{count:,} {part}" for part, count in images.items()), "images"),
        Fact(evaluation.opened.config.model.backbone, "backbone"),
        Fact(source["checkpoint"][:16], "checkpoint"),
        Fact(str(record["seed"]), "seed"),
        Fact(str(record["git_commit"] or "none")[:12], "commit"),
        Fact(", ".join(f"{n} {v}" for n, v in record["packages"].items()), "packages"),
        Fact(
            f"{hardware['gpu'] or hardware['processor']}, {hardware['cores']} cores", "trained on"
        ),
        Fact(str(record["finished"])[:16].replace("T", " "), "trained until, UTC"),
    ]
    return Section("provenance", "Where it comes from", [Details(items)])


def show_limits(evaluation: Evaluation) -> Section:
    """What may not be concluded."""
    return Section(
        "limits",
        "What may not be concluded",
        [Details([Fact(text, about) for about, text in list_limits(evaluation)])],
    )


def list_limits(evaluation: Evaluation) -> Sequence[tuple[str, str]]:
    """Of what and why not more than the figures say can be said."""
    judgement = evaluation.judgement
    limits = [
        (
            "other steel",
            f"The {judgement.images:,} images were split off the same data as the training images."
            " Other coils, cameras, lights or mills may give other figures: compare this month's"
            " images with stripsight data compare.",
        ),
        (
            "another training",
            "An interval says how far a figure may move with other images of the same kind. It"
            " knows nothing of another seed: train several and stripsight compare them.",
        ),
        (
            "the labels",
            "They are taken as right. Where they are not, the figures are not: stripsight data"
            " audit names those that are most likely wrong.",
        ),
        (
            "another share of defects",
            "Precision holds for as many defective images as there are here; on a line with fewer,"
            " more of the calls are overkills.",
        ),
    ]
    if not evaluation.places.macro:
        limits.append(
            ("the place", "Where on the image a defect lies was not judged: there are no masks.")
        )
    return limits
