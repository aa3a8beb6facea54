"""Findings about heatmaps that point no better than a guess which looks at no image."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from stripsight.evaluation.evaluation import Evaluation
from stripsight.evaluation.localisation.places import Found
from stripsight.reporting.page import Notice
from stripsight.reporting.quantities import format_quantity

MEASURE_TITLES = {
    "pointing": "pointing",
    "energy": "energy",
    "dice": "Dice",
    "pixel_ap": "pixel AP",
}
"""Measures of places in the order of tables, for people."""

_MOST_LISTED = 8
_ACTION = (
    "Do not show heatmaps as the place of such a defect; train with loss.localisation_weight where"
    " there are masks or boxes, or with a larger data.image_size."
)


@dataclass(frozen=True)
class _Lag:
    """One measure of one class in which the maps are behind the better guess."""

    name: str
    measure: str
    found: Found

    @property
    def is_sure(self) -> bool:
        """Whether the whole interval of the lead is below 0."""
        return self.found.lead_interval.high < 0

    def describe(self) -> str:
        """`pits, energy: 0.264, a guess 0.357: lead -0.092 (-0.132 to -0.059)`."""
        found = self.found
        low, high = found.lead_interval.low, found.lead_interval.high
        values = {"centre": found.centre, "mean mask": found.mean_mask}
        known = {title: value for title, value in values.items() if value is not None}
        guess = max(known, key=lambda title: known[title])
        return (
            f"{self.name}, {MEASURE_TITLES[self.measure]}: {found.value:.3f}, the guess"
            f" ({guess}) {known[guess]:.3f}: lead {found.lead:+.3f} ({low:+.3f} to {high:+.3f})"
        )


def find_blind_maps(evaluation: Evaluation) -> Iterator[Notice]:
    """One finding at most: measures that are surely behind, none surely ahead, or some behind."""
    places = evaluation.places
    lags = sorted(_list_lags(evaluation), key=lambda lag: (not lag.is_sure, lag.found.lead))
    looked_at = sum(len(row.found) for row in places.classes)
    sure = [lag for lag in lags if lag.is_sure]
    macro = places.macro
    if sure:
        classes = dict.fromkeys(lag.name for lag in sure)
        sure_ones = [
            f"{name} ({', '.join(MEASURE_TITLES[lag.measure] for lag in sure if lag.name == name)})"
            for name in classes
        ]
        yield Notice(
            "look",
            "Heatmaps do worse than a guess",
            f"{len(sure):,}",
            f"of {format_quantity(looked_at, 'measure')} of classes",
            f"Of {', '.join(sure_ones)}, the middle of the image or where such defects usually lie"
            " does better; the whole 95 % interval of the lead is below 0."
            f"{_say_ahead(evaluation, classes)} Where no map differs from a guess, about one"
            " measure in forty looks so by chance.",
            _ACTION,
            details=_describe(sure),
        )
    elif macro and all(found.lead_interval.low <= 0 for found in macro.values()):
        yield Notice(
            "note",
            "Heatmaps are not shown to do better than a guess",
            "0",
            f"of {format_quantity(len(macro), 'measure')} ahead",
            "Whoever points where such defects usually lie may do as well.",
            _ACTION,
            details=_describe(lags),
        )
    elif lags:
        yield Notice(
            "note",
            "Heatmaps may do worse than a guess",
            f"{len(lags):,}",
            f"of {format_quantity(looked_at, 'measure')} of classes",
            "There the maps are behind a guess that looks at no image; it may be chance, for the"
            " intervals of the lead hold 0.",
            "Read these heatmaps with care; more images with masks or boxes would tell.",
            details=_describe(lags),
        )


def _list_lags(evaluation: Evaluation) -> Iterator[_Lag]:
    for row in evaluation.places.classes:
        for measure in MEASURE_TITLES:
            found = row.found.get(measure)
            has_guess = found is not None and (found.centre, found.mean_mask) != (None, None)
            if found is not None and has_guess and found.lead < 0:
                yield _Lag(row.name, measure, found)


def _say_ahead(evaluation: Evaluation, names: Collection[str]) -> str:
    """Of these classes, the measures in which the maps are ahead of the guess all the same."""
    ahead = [
        f"{row.name} ({', '.join(better)})"
        for row in evaluation.places.classes
        if row.name in names
        and (
            better := [
                title
                for measure, title in MEASURE_TITLES.items()
                if (found := row.found.get(measure)) is not None and found.lead > 0
            ]
        )
    ]
    return f" By other measures the maps are ahead: {', '.join(ahead)}." if ahead else ""


def _describe(lags: list[_Lag]) -> tuple[str, ...]:
    more = len(lags) - _MOST_LISTED
    rest = (f"{more:,} more: see the table of places",) if more > 0 else ()
    return (*(lag.describe() for lag in lags[:_MOST_LISTED]), *rest)
