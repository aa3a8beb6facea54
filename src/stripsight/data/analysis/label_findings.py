"""What the tables say: classes that are rare or absent, labels that are missing or disagree."""

from collections.abc import Iterator
from statistics import median

from stripsight.data.analysis.counts import ClassCounts, suggest_pos_weight
from stripsight.data.analysis.finding import (
    ASSUMED_F1,
    ASSUMED_TEST_SHARE,
    Finding,
    compute_f1_half_width,
    cut_list,
    name_class,
    name_images,
)
from stripsight.data.analysis.split_advice import advise_folds
from stripsight.data.analysis.study import Study
from stripsight.reporting.page import Level
from stripsight.reporting.quantities import (
    format_count,
    format_number,
    format_quantity,
    format_share,
)

_HOPELESS, _WIDE = 0.15, 0.08
_IMBALANCED = 5.0
_RARE = 0.5
_POS_WEIGHT_LIMIT = 20.0  # the default of loss.pos_weight_limit
_MET_BY_CHANCE = 5.0
_LISTED_WEIGHTS = 12


def find_in_labels(study: Study) -> Iterator[Finding]:
    """Findings on labels and classes, in no special order."""
    yield from _find_missing_labels(study)
    if study.counts.labelled:
        yield from _find_absent_classes(study)
        yield from _find_rare_classes(study)
        yield from _find_imbalance(study)
        yield from _find_strangers(study)
    yield from _find_conflicts(study)
    yield from _find_broken_masks(study)


def _find_missing_labels(study: Study) -> Iterator[Finding]:
    counts = study.counts
    unlabelled = counts.images - counts.labelled
    if not counts.labelled:
        yield Finding(
            "serious",
            "no labels",
            "No image has known labels",
            format_count(counts.images),
            "images" if counts.images != 1 else "image",
            "Nothing can be learnt or judged from this data set, and this page can only show how"
            " its images look.",
            "Annotate the images and prepare them again (`stripsight data prepare`).",
            weight=1e9,
        )
        return
    if unlabelled:
        share = unlabelled / counts.images
        table = study.dataset.images
        unknown = tuple(str(i) for i in table["id"][~table["labelled"].astype(bool)])
        yield Finding(
            "look" if share > 0.1 else "note",
            "unlabelled",
            "Images without known labels",
            format_count(unlabelled),
            f"of {format_quantity(counts.images, 'image')}",
            "They take no part in training, and only the figures on light and look-alikes count"
            " them: a missing annotation does not mean that the steel is clean.",
            "Annotate them, or leave them out on purpose.",
            name_images(unknown),
            unknown,
            weight=share,
        )
    if not counts.clean:
        yield Finding(
            "look",
            "no clean image",
            "No image is without a defect",
            "0",
            f"clean images of {format_count(counts.labelled)}",
            "How often clean steel would be called defective (overkill) cannot be learnt or"
            " measured here.",
            "Add images of clean steel, from the same camera and the same days.",
            weight=1.0,
        )


def _find_absent_classes(study: Study) -> Iterator[Finding]:
    absent = [c for c in study.counts.classes if not c.images]
    if absent:
        yield Finding(
            "serious",
            "class never seen",
            "Classes that are on no image",
            format_count(len(absent)),
            f"of {format_quantity(len(study.counts.classes), 'class', 'classes')}",
            "Nothing can be learnt of them, and training with `loss.pos_weight=auto` refuses them.",
            "Leave them out of the class list (`stripsight data prepare --classes`), or add images"
            " of them.",
            cut_list([name_class(c) for c in absent]),
            weight=100.0 * len(absent),
        )


def _find_rare_classes(study: Study) -> Iterator[Finding]:
    share = study.parts.test_share if study.parts else ASSUMED_TEST_SHARE
    where = (
        f"the test part of split {study.parts.split.name}"
        if study.parts
        else f"a test part of {format_share(share)}"
    )
    levels: dict[Level, list[tuple[float, float, ClassCounts]]] = {"serious": [], "look": []}
    for c in study.counts.classes:
        if not c.images:
            continue
        positives = _count_test_positives(study, c, share)
        width = compute_f1_half_width(positives)
        if width > _WIDE:
            levels["serious" if width > _HOPELESS else "look"].append((positives, width, c))
    for level, found in levels.items():
        if not found:
            continue
        found.sort(key=lambda item: item[0])
        lines = [
            f"{name_class(c)}: {format_quantity(round(positives), 'test image')},"
            f" F1 known to \u00b1{width:.2f}"
            if positives
            else f"{name_class(c)}: no test image, so no F1"
            for positives, width, c in found
        ]
        fewest, widest, rarest = found[0]
        judged = "too rare to be judged" if level == "serious" else "judged only roughly"
        many = len(found) > 1
        yield Finding(
            level,
            "rare class",
            f"Classes that are {judged}" if many else f"A class that is {judged}",
            f"\u00b1{widest:.2f}" if fewest else "0",
            f"F1, from {format_quantity(round(fewest), 'test image')}"
            if fewest
            else f"test images of {rarest.name}",
            f"With so few of {'their' if many else 'its'} images in {where}, an F1 near"
            f" {ASSUMED_F1} is known only to the \u00b1 beside it, half its 95 % interval: smaller"
            " differences between two networks are chance.",
            f"{advise_folds(study.dataset.root)}, and collect more images of"
            f" {'these classes' if many else 'this class'}.",
            cut_list(lines),
            weight=widest,
        )


def _count_test_positives(study: Study, c: ClassCounts, share: float) -> float:
    parts = study.parts
    if parts and parts.balance and "test" in parts.balance.parts:
        return parts.balance.parts["test"].classes[c.name]
    return round(c.images * share)


def _find_imbalance(study: Study) -> Iterator[Finding]:
    parts = study.parts
    train = parts.balance.parts.get("train") if parts and parts.balance else None
    weights = [
        suggest_pos_weight(train.classes[c.name], train.images) if train else c.pos_weight
        for c in study.counts.classes
    ]
    # Against the others too: of six alike classes, one an image, each has five times its images
    # without it, and yet none is rarer than another.
    images = [c.images for c in study.counts.classes]
    usual, most = median(images), max(study.counts.clean, *images)
    heavy = [
        (weight, c)
        for weight, c in zip(weights, study.counts.classes, strict=True)
        if weight is not None
        and (c.images < _RARE * usual or (weight >= _IMBALANCED and c.images < _RARE * most))
    ]
    if not heavy:
        return
    heavy.sort(key=lambda item: -item[0])
    usable = [min(w, _POS_WEIGHT_LIMIT) for w in weights if w is not None]
    listed = ",".join(format_number(w) for w in usable)
    limit = format_number(_POS_WEIGHT_LIMIT)
    suggestion = (
        f"`'loss.pos_weight=[{listed}]'`, which is what `auto` gives (at most {limit})"
        if len(usable) == len(weights) <= _LISTED_WEIGHTS
        else f"`loss.pos_weight=auto` (images without the class over images with it, at most"
        f" {limit})"
    )
    yield Finding(
        "look",
        "imbalance",
        "Classes are out of balance",
        f"1 : {format_number(heavy[0][0])}",
        f"images with {heavy[0][1].name} to images without it",
        f"Images without the class for each image with it, in"
        f" {'the training part' if train else 'all labelled images'}. A network that never calls"
        " such a class is hardly ever wrong, so accuracy says nothing of it.",
        "Judge by F1 and average precision of each class. If training misses a class, try"
        f" {suggestion}.",
        cut_list([f"{name_class(c)}: {format_number(weight)}" for weight, c in heavy]),
        weight=heavy[0][0] / 100,
    )


def _find_strangers(study: Study) -> Iterator[Finding]:
    by_id = {c.id: c for c in study.counts.classes}
    never = [p for p in study.counts.pairs if not p.images and p.expected >= _MET_BY_CHANCE]
    if never and study.counts.images_by_labels[2:]:
        never.sort(key=lambda p: -p.expected)
        yield Finding(
            "note",
            "never together",
            "Classes that are never on one image",
            format_count(len(never)),
            "pairs" if len(never) != 1 else "pair",
            "Chance alone would bring them together. A network may learn that the one rules out"
            " the other.",
            "Ask whether the process makes it so, or whether only one of them was annotated.",
            cut_list(
                [
                    f"{by_id[p.first].name} with {by_id[p.second].name}: chance would give"
                    f" {format_number(p.expected, 2)} images"
                    for p in never
                ],
                4,
            ),
            # Last: most sets are gathered or annotated with one kind of defect an image.
            weight=never[0].expected / 1e6,
        )


def _find_conflicts(study: Study) -> Iterator[Finding]:
    if study.conflicts:
        images = sum(len(c.images) for c in study.conflicts)
        yield Finding(
            "serious",
            "conflicting labels",
            "The same steel carries different labels",
            format_count(len(study.conflicts)),
            f"{'group' if len(study.conflicts) == 1 else 'groups'}, {format_count(images)} images",
            "Images that show the same disagree on their classes. At least one label in each group"
            " is wrong: no network can agree with both, and the score has a ceiling.",
            "Decide each group in the pictures under Look-alikes and correct the label.",
            cut_list([" and ".join(c.images[:3]) for c in study.conflicts]),
            tuple(i for c in study.conflicts for i in c.images),
            weight=float(len(study.conflicts)),
        )


def _find_broken_masks(study: Study) -> Iterator[Finding]:
    damaged, empty = study.defects.damaged, study.defects.empty
    if damaged:
        yield Finding(
            "serious",
            "damaged mask",
            "Masks that cannot be read",
            format_count(len(damaged)),
            "masks" if len(damaged) != 1 else "mask",
            "They are counted as labels and drawn nowhere.",
            "Run `stripsight data check` for the whole list, and prepare the data set again.",
            cut_list([f"{d.image_id}, class {d.class_id}: {d.reason}" for d in damaged], 3),
            tuple(d.image_id for d in damaged),
            weight=50.0,
        )
    if empty:
        yield Finding(
            "look",
            "empty mask",
            "Masks without a pixel",
            format_count(len(empty)),
            "masks" if len(empty) != 1 else "mask",
            "The class is said to be there, and nothing is drawn.",
            "Draw the defect, or remove the annotation.",
            cut_list([f"{image_id}, class {class_id}" for image_id, class_id in empty]),
            tuple(image_id for image_id, _ in empty),
            weight=2.0,
        )
