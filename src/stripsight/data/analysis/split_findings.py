"""What the split says: leaks, parts that differ, classes that a part lacks."""

from collections.abc import Iterator

from stripsight.data.analysis.appearance import MEASURES
from stripsight.data.analysis.finding import Finding, cut_list, name_folder
from stripsight.data.analysis.parts import Parts
from stripsight.data.analysis.study import Study
from stripsight.reporting.quantities import format_count, format_number

_UNEVEN, _FEWEST_UNEVEN = 0.15, 5


def find_in_split(study: Study) -> Iterator[Finding]:
    """Findings on the split, or that there is none."""
    command = f"`stripsight data split {name_folder(study.dataset.root)} --name NAME`"
    if study.split_fault:
        yield Finding(
            "serious",
            "split refused",
            "The stored split does not fit this data set",
            "1",
            "split",
            f"{study.split_fault}.",
            f"Make it again with {command}.",
            weight=60.0,
        )
    elif study.parts is None and study.counts.labelled >= 3:
        yield Finding(
            "note",
            "no split",
            "No split is made yet",
            "0",
            "splits",
            "This page cannot compare training, validation and test images.",
            f"Make one with {command}, then run the analysis again.",
        )
    if study.parts is not None:
        title_of = {c.name: c.title for c in study.dataset.classes}
        yield from _find_leaks(study.parts, command)
        yield from _find_gaps(study.parts, title_of)
        yield from _find_unevenness(study.parts, title_of, command)
        yield from _find_shifts(study.parts, command)


def _find_leaks(parts: Parts, command: str) -> Iterator[Finding]:
    if parts.leaks:
        chosen = ", which was made by random," if parts.split.by == "random" else ""
        yield Finding(
            "serious",
            "leak",
            "Look-alikes stand on both sides of the split",
            format_count(len(parts.leaks)),
            "groups" if len(parts.leaks) != 1 else "group",
            f"Split {parts.split.name}{chosen} parts images that show the same steel. Whatever is"
            " judged on it looks better than it is.",
            f"Make a split that keeps look-alikes together: {command}.",
            cut_list(
                [
                    f"{leak.first} in {leak.first_part}, {leak.second} in {leak.second_part}"
                    f" ({leak.kind})"
                    for leak in parts.leaks
                ],
                3,
            ),
            weight=80.0 + len(parts.leaks),
        )


def _find_gaps(parts: Parts, title_of: dict[str, str]) -> Iterator[Finding]:
    if parts.balance is None:
        return
    for part, names in parts.balance.absent.items():
        gone = [title_of[n] for n in names if parts.balance.total.classes[n]]
        if gone:
            yield Finding(
                "serious",
                "part without a class",
                f"The {part} part lacks classes",
                format_count(len(gone)),
                "classes" if len(gone) != 1 else "class",
                f"No image of {part} in split {parts.split.name} carries them.",
                "Judge over folds, or collect more images of them.",
                cut_list(gone),
                weight=70.0,
            )


def _find_unevenness(parts: Parts, title_of: dict[str, str], command: str) -> Iterator[Finding]:
    if parts.balance is None:
        return
    uneven = [
        d for d in parts.balance.classes if d.relative > _UNEVEN and d.images >= _FEWEST_UNEVEN
    ]
    if uneven:
        uneven.sort(key=lambda d: -d.relative)
        worst = uneven[0]
        yield Finding(
            "look",
            "parts uneven",
            "The parts do not share the classes evenly",
            format_count(worst.found),
            f"images of {title_of[worst.name]} in {worst.part}, {format_number(worst.expected, 2)}"
            " would be even",
            f"Figures of the parts of split {parts.split.name} cannot be compared.",
            f"Make a stratified split: {command}.",
            cut_list(
                [
                    f"{title_of[d.name]} in {d.part}: {format_count(d.found)} images,"
                    f" {format_number(d.expected, 2)} would be even"
                    for d in uneven
                ],
                4,
            ),
            weight=worst.relative,
        )


def _find_shifts(parts: Parts, command: str) -> Iterator[Finding]:
    for shift in parts.shifts:
        measure = next(m for m in MEASURES if m.column == shift.measure)
        first, second = (format_number(m * measure.factor) for m in shift.medians)
        yield Finding(
            "look",
            "parts differ",
            f"{measure.title} differs between {shift.first} and {shift.second}",
            format_number(shift.distance, 2),
            "largest gap of the distributions, 0 to 1",
            f"The median is {first} in {shift.first} and {second} in {shift.second} of split"
            f" {parts.split.name} ({measure.unit}); chance does not explain it.",
            "If days or coils part them on purpose, expect figures as in production; otherwise"
            f" make the split again: {command}.",
            weight=shift.distance,
        )
