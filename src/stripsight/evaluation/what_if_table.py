"""Scenarios side by side, for the terminal."""

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from stripsight.decision.outcomes import Counts
from stripsight.evaluation.policies.what_if import Scenario
from stripsight.reporting.quantities import format_share


def tabulate_scenarios(scenarios: tuple[Scenario, ...], class_names: tuple[str, ...]) -> Table:
    """A row a class and one for the images, a column a setting."""
    table = Table(title="what if", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title_justify="left")
    table.add_column("class")
    table.add_column("pos.", justify="right")
    for scenario in scenarios:
        mark = "*" if scenario.unmet else ""
        heading = Text(f"{scenario.label}{mark}" + ("\n(chosen)" if scenario.chosen else ""))
        table.add_column(heading, justify="right")
    for column, name in enumerate(class_names):
        counts = [scenario.outcomes.classes[column] for scenario in scenarios]
        table.add_row(Text(name), *_cells(counts))
    table.add_section()
    images = [scenario.outcomes.images for scenario in scenarios]
    table.add_row("whole images", *_cells(images))
    if any(count.reviews for count in images) or _has_overruled(scenarios):
        shares = [f"{c.reviews:,} ({_share(c)})" for c in images]
        table.add_row("images to a person", "", *shares)
    if _has_overruled(scenarios):
        table.add_row(
            "overruled reviews",
            "",
            *(
                f"{sum(c.overruled for c in scenario.outcomes.classes if c is not None):,}"
                for scenario in scenarios
            ),
        )
    if scenarios[0].cost is not None:
        costs = [f"{scenario.cost:,g}" for scenario in scenarios if scenario.cost is not None]
        table.add_row("cost at the chosen prices", "", *costs)
    return table


def describe_cells(scenarios: tuple[Scenario, ...]) -> str:
    """What the table's cells and marks say."""
    starred = "\n* not promised for every class" if any(s.unmet for s in scenarios) else ""
    overruled = (
        "\noverruled reviews: another class makes the image defective, so no person gets it"
        if _has_overruled(scenarios)
        else ""
    )
    return (
        "each cell: escapes / overkills / reviews; of a class they are labels (one class on one"
        "\nimage), in the last rows whole images. All on validation, the very images the thresholds"
        f"\nwere fitted on: new ones come out worse{starred}{overruled}"
    )


def _has_overruled(scenarios: tuple[Scenario, ...]) -> bool:
    return any(c is not None and c.overruled for s in scenarios for c in s.outcomes.classes)


def _share(counts: Counts) -> str:
    return format_share(counts.reviews / max(1, counts.positives + counts.negatives))


def _cells(counts: Sequence[Counts | None]) -> list[str]:
    first = counts[0]
    return [
        "-" if first is None else f"{first.positives:,}",
        *("-" if c is None else f"{c.escapes:,} / {c.overkills:,} / {c.reviews:,}" for c in counts),
    ]
