"""From tallies to figures with intervals: the maps, the guesses, and how far ahead the maps are.

Intervals follow from random weights of the groups of look-alikes, the same for maps and guesses.
Pointing counts images, so its limits are those of a share; the others are graded, and vary less
than a share of so many images can: their limits are on the logit scale, as those of a ranking.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from stripsight.evaluation.intervals.differences import subtract_figures
from stripsight.evaluation.intervals.interval import (
    Figure,
    average_figures,
    build_rank_figure,
    build_share,
)
from stripsight.evaluation.localisation.measures import (
    FloatArray,
    compute_dice_by_level,
    compute_pixel_ap,
    find_best_step,
)
from stripsight.evaluation.localisation.places import MEASURES, Found
from stripsight.evaluation.localisation.tally import ClassTally, Tally

GUESSES = ("centre", "mean_mask")

# Means of 10 to 50 graded values are covered at 93 to 97 % with it (EXPERIMENTS.md).
_JOHNSON = 0.5

SourceFigures = Mapping[str, Figure]
"""By source: `maps`, and each of `GUESSES` that there is."""


def fit_steps(tally: ClassTally) -> dict[str, int]:
    """For each source the step at which the mean Dice of a class is highest; the coldest wins ties.

    None is fitted where the class has no located image.
    """
    return {
        source: find_best_step(of_source.counts, of_source.inside)
        for source, of_source in _name_sources(tally).items()
    }


def measure_class(
    tally: ClassTally, steps: Mapping[str, int], weights: FloatArray
) -> dict[str, SourceFigures]:
    """Every measure of a class, by measure and source.

    Args:
        tally: of P images.
        steps: from which Dice calls a pixel the defect, by source; those without have no Dice.
        weights: float64 `[R, P]`, equal within a group of look-alikes and drawn apart for others.

    Returns:
        Nothing where the class has no located image.
    """
    sources = _name_sources(tally)
    images = len(tally.rows)
    groups = len(np.unique(weights[0])) if images else 0
    shares = weights / weights.sum(axis=1, keepdims=True) if images else weights

    def build_mean(values: FloatArray) -> Figure:
        return build_rank_figure(
            float(values.mean()), shares @ values, groups=groups, johnson=_JOHNSON
        )

    figures: dict[str, SourceFigures] = {
        "pixel_ap": {
            name: build_rank_figure(
                float(compute_pixel_ap(of.counts.sum(axis=0), of.inside.sum(axis=0))),
                compute_pixel_ap(shares @ of.counts, shares @ of.inside),
                groups=groups,
                johnson=_JOHNSON,
            )
            for name, of in sources.items()
        },
        "pointing": {
            name: build_share(
                float(of.pointing.mean()), shares @ of.pointing, units=images, groups=groups
            )
            for name, of in sources.items()
        },
        "energy": {name: build_mean(of.energy) for name, of in sources.items()},
        "dice": {
            name: build_mean(compute_dice_by_level(of.counts, of.inside)[:, steps[name]])
            for name, of in sources.items()
            if name in steps
        },
    }
    return {name: figures[name] for name in MEASURES if "maps" in figures[name]}


def compare(figures: SourceFigures) -> Found:
    """The maps beside the guesses, and their lead over the better one."""
    maps = figures["maps"]
    guesses = {name: figures[name] for name in GUESSES if name in figures}
    best = max(guesses.values(), key=lambda figure: figure.value)
    ahead = subtract_figures(maps, best)
    return Found(
        value=maps.value,
        interval=maps.interval,
        centre=guesses["centre"].value if "centre" in guesses else None,
        mean_mask=guesses["mean_mask"].value if "mean_mask" in guesses else None,
        lead=ahead.value,
        lead_interval=ahead.interval,
    )


def average_classes(classes: Sequence[Mapping[str, SourceFigures]]) -> dict[str, SourceFigures]:
    """Mean over the classes that have a measure; of the guesses that all of them have."""
    averaged: dict[str, SourceFigures] = {}
    for measure in MEASURES:
        having = [figures[measure] for figures in classes if measure in figures]
        if having:
            averaged[measure] = {
                source: average_figures([figures[source] for figures in having])
                for source in ("maps", *GUESSES)
                if all(source in figures for figures in having)
            }
    return averaged


def _name_sources(tally: ClassTally) -> dict[str, Tally]:
    if not len(tally.rows):
        return {}
    sources = {"maps": tally.maps, "centre": tally.centre}
    return sources if tally.mean_mask is None else {**sources, "mean_mask": tally.mean_mask}
