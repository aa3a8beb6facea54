"""What the split says: leaks, parts that differ, classes that a part lacks."""

from collections.abc import Iterator
from pathlib import Path

from stripsight.data.analysis.finding import Finding, cut_list, name_folder
from stripsight.data.analysis.parts import Parts, Shift, find_split_name
from stripsight.data.analysis.split_advice import advise_folds, remake_split, suggest_split
from stripsight.data.analysis.study import Study
from stripsight.data.shift.report import TITLES
from stripsight.data.shift.stability import LARGE, MODERATE
from stripsight.reporting.quantities import format_count, format_number

_UNEVEN, _FEWEST_UNEVEN = 0.15, 5


def find_in_split(study: Study) -> Iterator[Finding]:
    """Findings on the split, or that there is none."""
    root = study.dataset.root
    if study.split_fault:
        yield Finding(
            "serious",
            "split refused",
            "The stored split does not fit this data set",
            "1",
            "split",
            f"{study.split_fault}.",
            f"Make it again: {remake_split(root, find_split_name(study.dataset))}.",
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
            f"Make one with {suggest_split(root)}, then run the analysis again.",
        )
    if study.parts is not None:
        command = suggest_split(root, study.parts.split)
        yield from _find_leaks(study.parts, command)
        yield from _find_gaps(study, study.parts)
        yield from _find_unevenness(study.parts, command)
        yield from _find_shifts(root, study.parts, command)


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


def _find_gaps(study: Study, parts: Parts) -> Iterator[Finding]:
    if parts.balance is None:
        return
    for part, names in parts.balance.absent.items():
        gone = [name for name in names if parts.balance.total.classes[name]]
        if gone:
            yield Finding(
                "serious",
                "part without a class",
                f"The {part} part lacks classes",
                format_count(len(gone)),
                "classes" if len(gone) != 1 else "class",
                f"No image of {part} in split {parts.split.name} carries them.",
                f"{advise_folds(study.dataset.root)}, or collect more images of them.",
                cut_list(gone),
                weight=70.0,
            )


def _find_unevenness(parts: Parts, command: str) -> Iterator[Finding]:
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
            f"images of {worst.name} in {worst.part}, {format_number(worst.expected, 2)}"
            " would be even",
            f"Figures of the parts of split {parts.split.name} cannot be compared.",
            f"Make a stratified split with another seed: {command}.",
            cut_list(
                [
                    f"{d.name} in {d.part}: {format_count(d.found)} images,"
                    f" {format_number(d.expected, 2)} would be even"
                    for d in uneven
                ],
                4,
            ),
            weight=worst.relative,
        )


def _find_shifts(root: Path, parts: Parts, command: str) -> Iterator[Finding]:
    shifts: dict[str, list[Shift]] = {}
    for shift in parts.shifts:
        shifts.setdefault(shift.measure, []).append(shift)
    for measure, found in shifts.items():
        shift = found[0]
        title = TITLES[measure].split(",")[0]
        first, second = (f"{shift.first} ({_show(shift.medians[0])})", _show(shift.medians[1]))
        ends = [f"{name_folder(root)}:{parts.split.name}/{p}" for p in (shift.first, shift.second)]
        yield Finding(
            "look",
            "parts differ",
            f"{title[0].upper()}{title[1:]} differs between {shift.first} and {shift.second}",
            format_number(shift.stability.psi),
            f"PSI; from {MODERATE} a moderate shift, from {LARGE} a large one",
            f"The median is {first} and {second} in {shift.second} of split {parts.split.name}"
            f" ({TITLES[measure]}). Chance alone stays below {shift.stability.chance:.3f},"
            " look-alikes counted once.",
            "If days or coils part them on purpose, expect figures as in production; otherwise"
            f" make a split with another seed: {command}. `stripsight data compare {ends[0]}"
            f" {ends[1]}` shows the distributions.",
            tuple(
                f"{s.first} and {s.second}: PSI {s.stability.psi:.3f}, by chance below"
                f" {s.stability.chance:.3f}"
                for s in found[1:]
            ),
            weight=shift.stability.psi,
        )


def _show(median: float | None) -> str:
    return "none" if median is None else format_number(median)
