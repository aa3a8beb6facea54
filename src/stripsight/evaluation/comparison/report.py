"""What a comparison says, in sentences and as plain JSON.

"Real" is said only where the interval of the verdict's figure leaves out 0 after Holm's correction;
everything else is "not shown", never "equal".
"""

from typing import Any

from stripsight.evaluation.comparison.comparison import (
    SIGNIFICANT,
    VERDICT_FIGURE,
    Comparison,
    Contrast,
)
from stripsight.evaluation.comparison.rules import note_rules
from stripsight.evaluation.comparison.seeds import Configuration, SeedFigure
from stripsight.evaluation.intervals.bootstrap import CLASS_FIGURES
from stripsight.evaluation.intervals.differences import Difference
from stripsight.evaluation.intervals.interval import Interval
from stripsight.reporting.quantities import format_quantity

SCHEMA_VERSION = 1

TITLES = {
    "average_precision": "macro AP",
    "auroc": "macro AUROC",
    "f1": "macro F1",
    "precision": "macro precision",
    "recall": "macro recall",
    "escape_rate": "macro escape rate",
    "overkill_rate": "macro overkill rate",
    "exact_match": "exact match",
    "hamming_loss": "Hamming loss",
    "image_escape_rate": "images escaped",
    "image_overkill_rate": "images overkilled",
    "image_review_rate": "images to review",
}
"""Names for people."""

DRAWN = (
    "average_precision",
    "f1",
    "exact_match",
    "image_escape_rate",
    "image_overkill_rate",
    "image_review_rate",
)
"""Figures of the table and the picture; all others stand in the JSON."""


BETTER_LOW = ("image_escape_rate", "image_overkill_rate", "image_review_rate")
"""Those of `DRAWN` of which less is better."""


def conclude(comparison: Comparison) -> list[str]:
    """Sentences: one a configuration whether it differs from the first, then what limits that."""
    if not comparison.contrasts:
        return [_describe_seeds(comparison)]
    sentences = []
    for index, contrast in enumerate(comparison.contrasts, start=1):
        sentences += [
            _conclude_on_networks(comparison, index, contrast),
            _conclude_on_decisions(comparison, index, contrast),
        ]
    return [sentence for sentence in sentences if sentence]


def list_notes(comparison: Comparison) -> list[str]:
    """What to mind when reading the figures; one line each."""
    notes = []
    counts = [len(configuration.runs) for configuration in comparison.configurations]
    if comparison.contrasts and max(counts) == 1:
        notes.append(
            "one run each: this is about these networks; whether their settings differ takes"
            " several seeds of each (training.seed)"
        )
    elif comparison.contrasts and min(counts) == 1:
        notes.append(
            "a configuration with a single run: its seeds are taken to spread as the others' do"
        )
    for configuration in comparison.configurations:
        policies = {run.decisions.policy.name for run in configuration.runs}
        if len(policies) > 1:
            notes.append(
                f"{configuration.name}: its seeds decide by {' and '.join(sorted(policies))}, so"
                " their mean F1, exact match and escapes mean little: `stripsight decide` alike"
            )
    notes += note_rules(comparison)
    for configuration in comparison.configurations:
        for run in configuration.runs:
            if not run.is_judged:
                option = " --split validation" if comparison.part == "validation" else ""
                notes.append(
                    f"{run.path}: its decision rule (`{run.decisions.policy.name}`) is newer than"
                    " its report: F1, exact match, escapes, overkills and reviews here are by a"
                    " rule that `evaluate` has not judged yet:"
                    f" `stripsight evaluate {run.path}{option}`"
                )
    if len(comparison.contrasts) > 1:
        notes.append(
            f"{len(comparison.contrasts)} comparisons with {comparison.configurations[0].name}:"
            " p is corrected for that (Holm), intervals are not"
        )
    if comparison.part == "validation":
        notes.append(
            "best epochs and thresholds were chosen on these very images: --split test judges"
        )
    dropped = [n for n in (VERDICT_FIGURE, "f1", "exact_match") if _is_missing(comparison, n)]
    if dropped:
        words = ", ".join(TITLES[name] for name in dropped)
        notes.append(
            f"no {words}: it cannot be had of every run, or is not of the same classes in each"
        )
    rare = [
        f"{name} ({count})"
        for name, count in zip(comparison.class_names, comparison.positives, strict=True)
        if count < 20
    ]
    if rare:
        notes.append(f"few positives, so little can be shown: {', '.join(rare)}")
    return notes


def to_json(comparison: Comparison) -> dict[str, Any]:
    """Everything as plain JSON; figures that do not exist are null."""
    first = comparison.configurations[0].name
    return {
        "schema_version": SCHEMA_VERSION,
        "part": comparison.part,
        "images": comparison.images,
        "groups": comparison.groups,
        "positives": dict(zip(comparison.class_names, comparison.positives, strict=True)),
        "configurations": [
            _describe_configuration(configuration, figures)
            for configuration, figures in zip(
                comparison.configurations, comparison.figures, strict=True
            )
        ],
        "differences": [
            {
                "of": configuration.name,
                "from": first,
                "figure": _full_name(VERDICT_FIGURE),
                "real": contrast.is_real,
                "p_value_holm": contrast.p_value,
                "figures": {
                    _full_name(name): _describe_difference(difference)
                    for name, difference in contrast.differences.items()
                },
                "mcnemar": None
                if contrast.mcnemar is None
                else {
                    "gained": contrast.mcnemar.gained,
                    "lost": contrast.mcnemar.lost,
                    "p_value": contrast.mcnemar.p_value,
                    "p_value_holm": contrast.mcnemar_p_value,
                },
            }
            for configuration, contrast in zip(
                comparison.configurations[1:], comparison.contrasts, strict=True
            )
        ],
        "conclusion": conclude(comparison),
        "notes": list_notes(comparison),
    }


def format_p_value(p_value: float) -> str:
    """`p = 0.031`, `p < 0.001`."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"


def format_interval(interval: Interval, *, signed: bool = False) -> str:
    """`0.912 to 0.967`."""
    form = "+.3f" if signed else ".3f"
    return f"{interval.low:{form}} to {interval.high:{form}}"


def format_difference(difference: Difference) -> str:
    """`+0.012 (-0.003 to +0.027)`."""
    return f"{difference.value:+.3f} ({format_interval(difference.interval, signed=True)})"


def _conclude_on_networks(comparison: Comparison, index: int, contrast: Contrast) -> str:
    first, second = comparison.configurations[0], comparison.configurations[index]
    difference = contrast.differences[VERDICT_FIGURE]
    a, b = comparison.figures[0][VERDICT_FIGURE], comparison.figures[index][VERDICT_FIGURE]
    if difference is None or a is None or b is None or contrast.p_value is None:
        return f"Not shown: {second.name} and {first.name} have no macro AP to compare."
    where = f"{_say_images(comparison)}{_say_runs(first, second)}"
    gap = format_difference(difference)
    p_value = format_p_value(contrast.p_value)
    if contrast.is_real:
        word = "above" if difference.value > 0 else "below"
        return (
            f"Real: the macro AP of {second.name}, {b.mean.value:.3f}, is {word} that of"
            f" {first.name}, {a.mean.value:.3f}: difference {gap}, {p_value}, {where}."
        )
    return (
        f"Not shown: that the macro AP of {second.name}, {b.mean.value:.3f}, differs from that of"
        f" {first.name}, {a.mean.value:.3f}: difference {gap}, {p_value}, {where}."
    )


def _conclude_on_decisions(comparison: Comparison, index: int, contrast: Contrast) -> str:
    first, second = comparison.configurations[0].name, comparison.configurations[index].name
    test, p_value = contrast.mcnemar, contrast.mcnemar_p_value
    if test is None or p_value is None:
        return ""
    verdict = "real" if p_value <= SIGNIFICANT else "not shown"
    unit = "image" if comparison.groups == comparison.images else "group of look-alikes"
    units = "images" if comparison.groups == comparison.images else "groups of look-alikes"
    return (
        f"Decisions as they stand: {second} is right on all classes where {first} is not in"
        f" {format_quantity(test.gained, unit, units)}, the other way round in {test.lost:,}"
        f" (McNemar, exact, {format_p_value(p_value)}): difference {verdict}."
    )


def _describe_seeds(comparison: Comparison) -> str:
    configuration, figure = comparison.configurations[0], comparison.figures[0][VERDICT_FIGURE]
    count = len(configuration.runs)
    if figure is None or figure.spread is None:
        return f"{count} runs of one configuration, without a macro AP."
    return (
        f"{count} seeds of one configuration, nothing to tell apart: macro AP"
        f" {figure.mean.value:.3f} on average ({format_interval(figure.mean.interval)}), spread"
        f" between seeds {figure.spread:.3f}, {_say_images(comparison)}."
    )


def _say_images(comparison: Comparison) -> str:
    images = format_quantity(comparison.images, f"{comparison.part} image")
    if comparison.groups == comparison.images:
        return f"on {images}"
    return f"on {images}, {comparison.groups:,} where look-alikes count once"


def _say_runs(first: Configuration, second: Configuration) -> str:
    counts = len(second.runs), len(first.runs)
    if max(counts) == 1:
        return ""
    return f", {counts[0]} against {format_quantity(counts[1], 'seed')}"


def _is_missing(comparison: Comparison, name: str) -> bool:
    return any(figures[name] is None for figures in comparison.figures)


def _full_name(name: str) -> str:
    return f"macro_{name}" if name in CLASS_FIGURES else name


def _describe_configuration(
    configuration: Configuration, figures: dict[str, SeedFigure | None]
) -> dict[str, Any]:
    return {
        "name": configuration.name,
        "runs": [
            {
                "path": str(run.path),
                "run_id": run.run_id,
                "seed": run.config.training.seed,
                "policy": run.decisions.policy.name,
                "judged_by_this_rule": run.is_judged,
                "figures": {
                    _full_name(name): None if figure is None else figure.of_runs[index]
                    for name, figure in figures.items()
                },
            }
            for index, run in enumerate(configuration.runs)
        ],
        "settings": dict(configuration.settings),
        "policies": [run.decisions.policy.name for run in configuration.runs],
        "figures": {
            _full_name(name): None
            if figure is None
            else {
                "mean": figure.mean.value,
                "interval": [figure.mean.interval.low, figure.mean.interval.high],
                "spread": figure.spread,
                "of_runs": list(figure.of_runs),
            }
            for name, figure in figures.items()
        },
    }


def _describe_difference(difference: Difference | None) -> dict[str, Any] | None:
    if difference is None:
        return None
    return {
        "difference": difference.value,
        "interval": [difference.interval.low, difference.interval.high],
        "p_value": difference.p_value,
    }
