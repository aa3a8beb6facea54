"""A comparison as tables for the terminal: configurations figure by figure, then every run."""

from rich import box
from rich.table import Table
from rich.text import Text

from stripsight.evaluation.comparison.comparison import Comparison
from stripsight.evaluation.comparison.report import (
    DRAWN,
    TITLES,
    format_difference,
    format_interval,
)
from stripsight.evaluation.comparison.seeds import SeedFigure


def build_comparison_table(comparison: Comparison) -> Table:
    """Figure by figure, every configuration with its difference from the first.

    Narrow enough for 80 columns where names are not long.
    """
    table = Table(
        title=f"{comparison.part} split, {comparison.images:,} images"
        + (
            f", {comparison.groups:,} where look-alikes count once"
            if comparison.groups < comparison.images
            else ""
        )
        + "; intervals at 95 %",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        title_justify="left",
    )
    several = any(len(configuration.runs) > 1 for configuration in comparison.configurations)
    table.add_column("figure", no_wrap=True)
    table.add_column("run", overflow="fold")
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("interval", justify="right", no_wrap=True)
    if several:
        table.add_column("seeds", justify="right", no_wrap=True)
        table.add_column("spread", justify="right", no_wrap=True)
    if comparison.contrasts:
        table.add_column("minus the first", justify="right", no_wrap=True)
    for name in DRAWN:
        if all(figures[name] is None for figures in comparison.figures):
            continue
        for index, (configuration, figures) in enumerate(
            zip(comparison.configurations, comparison.figures, strict=True)
        ):
            figure = figures[name]
            cells = [
                Text(TITLES[name] if index == 0 else ""),
                Text(configuration.name),
                *_say_value(figure),
            ]
            if several:
                spread = None if figure is None else figure.spread
                cells += [
                    Text(f"{len(configuration.runs)}"),
                    Text("-" if spread is None else f"{spread:.3f}"),
                ]
            if comparison.contrasts:
                difference = comparison.contrasts[index - 1].differences[name] if index else None
                cells.append(Text(format_difference(difference) if difference else ""))
            table.add_row(*cells)
        table.add_section()
    return table


def build_run_table(comparison: Comparison) -> Table | None:
    """Every run's own figures, a row a run; None where no configuration has several."""
    if all(len(configuration.runs) == 1 for configuration in comparison.configurations):
        return None
    table = Table(
        title="each run", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False,
        title_justify="left",
    )  # fmt: skip
    table.add_column("run", overflow="fold")
    table.add_column("seed", justify="right", no_wrap=True)
    shown = [n for n in DRAWN if any(figures[n] is not None for figures in comparison.figures)]
    for name in shown:
        table.add_column(TITLES[name], justify="right")
    for configuration, figures in zip(comparison.configurations, comparison.figures, strict=True):
        for index, run in enumerate(configuration.runs):
            values = [figures[name] for name in shown]
            table.add_row(
                Text(run.path.name or str(run.path)),
                f"{run.config.training.seed}",
                *("-" if figure is None else f"{figure.of_runs[index]:.3f}" for figure in values),
            )
        table.add_section()
    return table


def _say_value(figure: SeedFigure | None) -> tuple[Text, Text]:
    if figure is None:
        return Text("-"), Text("-")
    return Text(f"{figure.mean.value:.3f}"), Text(format_interval(figure.mean.interval))
