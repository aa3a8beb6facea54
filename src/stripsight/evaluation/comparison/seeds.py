"""Several seeds of one configuration as one: mean and spread.

A seed is luck: it decides the first weights and the order of the images. What one seed gains over
another says nothing about their settings, so runs that differ in `training.seed` alone are one row,
and the spread between seeds widens the interval of every difference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from stripsight.config.schema import Config
from stripsight.evaluation.comparison.compared_runs import ComparedRun
from stripsight.evaluation.intervals.bootstrap import BootstrapFigures
from stripsight.evaluation.intervals.interval import Figure, average_figures


@dataclass(frozen=True)
class Configuration:
    """Runs that differ in their seed alone.

    Attributes:
        name: of its run's folder; of several, what their folders' names share.
        runs: at least one.
        settings: what sets it apart from the others that are compared, by key.
    """

    name: str
    runs: tuple[ComparedRun, ...]
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class SeedFigure:
    """One figure over the seeds of a configuration.

    Attributes:
        mean: with the draws of all seeds under the same weights.
        of_runs: value of each run.
        spread: standard deviation between the runs; None of a single one.
    """

    mean: Figure
    of_runs: tuple[float, ...]
    spread: float | None


def group_by_configuration(runs: Sequence[ComparedRun]) -> tuple[Configuration, ...]:
    """Runs of one configuration together, in the order of their first runs."""
    kept: dict[str, list[ComparedRun]] = {}
    for run in runs:
        kept.setdefault(repr(_without_seed(run.config)), []).append(run)
    members = list(kept.values())
    flat = [_flatten(_without_seed(group[0].config)) for group in members]
    apart = [key for key in flat[0] if len({repr(settings[key]) for settings in flat}) > 1]
    names = [_name_group([run.path.name for run in group]) for group in members]
    return tuple(
        Configuration(
            # Folders of one name are told apart by their whole path.
            name=_name_group([str(run.path) for run in group])
            if names.count(name) > 1 or not name
            else name,
            runs=tuple(group),
            settings={key: settings[key] for key in apart},
        )
        for name, group, settings in zip(names, members, flat, strict=True)
    )


def _name_group(names: Sequence[str]) -> str:
    """`lead (3 seeds)` of lead_0, lead_1 and lead_2; the first and a count where nothing is shared.

    Half a number is no name: of run10 and run11 it is `run`.
    """
    if len(names) == 1:
        return names[0]
    shared = names[0]
    while not all(name.startswith(shared) for name in names):
        shared = shared[:-1]
    shared = shared.rstrip("0123456789").rstrip("_-. /")
    if not shared:
        return f"{names[0]} and {len(names) - 1} more"
    return f"{shared} ({len(names)} seeds)"


def average_seeds(figures: Sequence[Figure | None]) -> SeedFigure | None:
    """One figure of all runs of a configuration; None where any run has none."""
    known = [figure for figure in figures if figure is not None]
    if len(known) < len(figures):
        return None
    values = tuple(figure.value for figure in known)
    return SeedFigure(
        mean=average_figures(known, is_same_images=True),
        of_runs=values,
        spread=float(np.std(values, ddof=1)) if len(values) > 1 else None,
    )


def pool_spread(figures: Sequence[SeedFigure]) -> tuple[float, int]:
    """Standard deviation between seeds and its degrees of freedom, over all configurations.

    Seeds are taken to matter as much in each: with two or three of them, one configuration alone
    would hardly tell. (0, 0) where no configuration has two runs.
    """
    freedom = sum(len(figure.of_runs) - 1 for figure in figures)
    if not freedom:
        return 0.0, 0
    squares = sum((len(figure.of_runs) - 1) * (figure.spread or 0.0) ** 2 for figure in figures)
    return float(np.sqrt(squares / freedom)), freedom


def have_same_classes(figures: Sequence[BootstrapFigures], name: str) -> bool:
    """Whether the macro figure `name` is the mean over the same classes everywhere."""
    return len({tuple(row[name] is None for row in run.classes) for run in figures}) == 1


def _without_seed(config: Config) -> Config:
    return replace(config, training=replace(config.training, seed=0))


def _flatten(config: Config) -> dict[str, Any]:
    return {
        f"{group}.{key}": value
        for group, settings in asdict(config).items()
        for key, value in settings.items()
    }
