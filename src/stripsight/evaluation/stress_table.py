"""A stress test for the terminal: from which strength of each corruption on the figures fall."""

from rich import box
from rich.table import Table
from rich.text import Text

from stripsight.evaluation.stress.stress_test import StressCurve, StressTest
from stripsight.reporting.quantities import format_number

_AP, _RECALL = "macro_average_precision", "macro_recall"


def tabulate_stress(stress: StressTest) -> Table:
    """A row a corruption; a fall is where the bound of the change lies below 0."""
    part = f"{stress.images:,} of {stress.part_images:,}" if _is_limited(stress) else stress.images
    table = Table(
        title=f"stress: {part} {stress.part} images, corrupted in {len(stress.curves)} ways\n"
        "strength from which on the figure falls beyond chance (95 %, all comparisons counted)",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        title_justify="left",
    )
    table.add_column("corruption", no_wrap=True)
    table.add_column("macro AP\nfalls from", justify="right", no_wrap=True)
    table.add_column("macro recall\nfalls from", justify="right", no_wrap=True)
    table.add_column("macro AP\nas is, strongest", justify="right", no_wrap=True)
    table.add_column("strength in")
    for curve in stress.curves:
        table.add_row(
            Text(curve.title),
            _say_fall(curve, _AP),
            _say_fall(curve, _RECALL),
            f"{_say_value(curve, 0)}, {_say_value(curve, -1)}",
            Text(curve.unit),
        )
    return table


def _is_limited(stress: StressTest) -> bool:
    return stress.images < stress.part_images


def _say_fall(curve: StressCurve, name: str) -> str:
    fall = curve.find_fall(name)
    return "not shown" if fall is None else format_number(fall.strength or 0.0)


def _say_value(curve: StressCurve, level: int) -> str:
    figure = curve.levels[level].figures[_AP]
    return "-" if figure is None else f"{figure.value:.3f}"
