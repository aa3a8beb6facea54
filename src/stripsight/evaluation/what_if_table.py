"""Scenarios side by side, for the terminal."""

from rich import box
from rich.table import Table
from rich.text import Text

from stripsight.evaluation.policies.outcomes import Counts
from stripsight.evaluation.policies.what_if import Scenario


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
    table.add_row("images", *_cells([scenario.outcomes.images for scenario in scenarios]))
    if scenarios[0].cost is not None:
        costs = [f"{scenario.cost:,g}" for scenario in scenarios if scenario.cost is not None]
        table.add_row("cost at the chosen prices", "", *costs)
    return table


def describe_cells(scenarios: tuple[Scenario, ...]) -> str:
    """What the table's cells and marks say."""
    starred = "\n* not promised for every class" if any(s.unmet for s in scenarios) else ""
    return (
        "each cell: escapes / overkills / reviews on validation, the very images the thresholds"
        f"\nwere fitted on: new ones come out worse{starred}"
    )


def _cells(counts: list[Counts | None]) -> list[str]:
    first = counts[0]
    return [
        "-" if first is None else f"{first.positives:,}",
        *("-" if c is None else f"{c.escapes:,} / {c.overkills:,} / {c.reviews:,}" for c in counts),
    ]
