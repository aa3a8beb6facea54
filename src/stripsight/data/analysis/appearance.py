"""How the images look in numbers: light, contrast, borders, sharpness, per class and per part.

Suspects are images that may show no steel, or lie far from all others: beyond three times the
quartiles' distance (Tukey's outer fences; sharpness on a log scale).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from stripsight.data.analysis.defects import QUANTILES
from stripsight.data.prepared import PreparedDataset
from stripsight.data.statistics.measurement import SATURATED

FloatArray = npt.NDArray[np.float64]

CHECKER = 0.3
"""From here on a raised pattern shows, see `statistics/checker.py`."""
_FENCE = 3.0
_FEWEST_FOR_FENCES = 20
_FLAT = 2.0


@dataclass(frozen=True)
class Measure:
    """One number of an image: column of the statistics, what it is, its unit and scale.

    `factor` turns the column's unit into the one shown; `limits` are the axis's, the data's if
    None. With `skips_zero` the plot shows only images that have any of it.
    """

    column: str
    title: str
    unit: str
    caption: str
    scale: Literal["linear", "log"] = "linear"
    limits: tuple[float, float] | None = None
    factor: float = 1.0
    skips_zero: bool = False


MEASURES = (
    Measure(
        "brightness",
        "Brightness",
        "mean grey level (0 to 255)",
        "Of the steel between the black borders.",
        limits=(0, 255),
    ),
    Measure(
        "contrast",
        "Contrast",
        "standard deviation, grey levels",
        "How far the steel's pixels lie from their mean.",
    ),
    Measure(
        "sharpness",
        "Sharpness",
        "variance of the Laplacian, grey levels\u00b2",
        "Low is blurred or featureless, high is crisp or noisy.",
        scale="log",
    ),
    Measure(
        "saturated",
        "Saturation",
        f"pixels at {SATURATED} or above, % of the steel",
        "What is saturated shows no defect any more.",
        scale="log",
        factor=100,
        skips_zero=True,
    ),
    Measure(
        "border_left",
        "Black border, left",
        "columns, px",
        "Where the camera looks past the strip's edge.",
        skips_zero=True,
    ),
    Measure(
        "border_right",
        "Black border, right",
        "columns, px",
        "Where the camera looks past the strip's edge.",
        skips_zero=True,
    ),
)


@dataclass(frozen=True)
class MeasureSummary:
    """One measure over one group of images.

    Attributes:
        measure: column of the statistics.
        group: `all`, `clean`, `class <id>` or `part <name>`.
        images: how many.
        quantiles: 5, 25, 50, 75 and 95 %, in the column's unit; None without an image.
    """

    measure: str
    group: str
    images: int
    quantiles: tuple[float, ...] | None


@dataclass(frozen=True)
class Suspect:
    """An image to look at; `strange` where it may show no steel at all, else only far from others.

    `distance` is how many quartile distances it lies beyond the nearer quartile; larger comes
    first.
    """

    image_id: str
    reason: str
    strange: bool
    distance: float = 0.0


def group_images(
    dataset: PreparedDataset, statistics: pd.DataFrame, parts: Mapping[str, str]
) -> dict[str, npt.NDArray[np.bool_]]:
    """Which rows of the statistics belong to which group; keys as in `MeasureSummary.group`.

    Args:
        dataset: whose labels tell the classes.
        statistics: one row an image.
        parts: part of each image id; empty without a split.
    """
    labels = dataset.label_matrix()
    row_of = {image_id: row for row, image_id in enumerate(dataset.labelled_images["id"])}
    rows = np.array([row_of.get(image_id, -1) for image_id in statistics["id"]], dtype=np.int64)
    known = rows >= 0
    own = np.zeros((len(rows), len(dataset.classes)), dtype=bool)
    own[known] = labels[rows[known]] > 0
    groups = {"all": np.ones(len(rows), dtype=bool), "clean": known & ~own.any(axis=1)}
    groups |= {f"class {c.id}": own[:, column] for column, c in enumerate(dataset.classes)}
    where = np.array([parts.get(image_id, "") for image_id in statistics["id"]], dtype=object)
    groups |= {f"part {part}": where == part for part in dict.fromkeys(parts.values())}
    return groups


def summarise_measures(
    statistics: pd.DataFrame, groups: Mapping[str, npt.NDArray[np.bool_]]
) -> tuple[MeasureSummary, ...]:
    """Quantiles of every measure in every group."""
    summaries = []
    for measure in MEASURES:
        values = statistics[measure.column].to_numpy(dtype=np.float64)
        for name, rows in groups.items():
            chosen = values[rows]
            quantiles = tuple(np.quantile(chosen, QUANTILES).tolist()) if len(chosen) else None
            summaries.append(MeasureSummary(measure.column, name, len(chosen), quantiles))
    return tuple(summaries)


def find_suspects(dataset: PreparedDataset, statistics: pd.DataFrame) -> tuple[Suspect, ...]:
    """Images that may show no steel, then those far from all others, the farthest first."""
    if statistics.empty:
        return ()
    width_of = dict(zip(dataset.images["id"], dataset.images["width"], strict=True))
    strange = [
        Suspect(str(row.id), reason, strange=True)
        for row in _rows(statistics)
        if (reason := _find_strangeness(row, int(width_of[row.id])))
    ]
    found = {suspect.image_id: suspect for suspect in strange}
    usual = ~statistics["id"].isin(list(found)).to_numpy()
    for column, low, high, shape in _FENCED:
        distances = _measure_distance(shape(statistics[column].to_numpy(np.float64)), usual)
        for row in np.flatnonzero(usual & (np.abs(distances) > _FENCE)).tolist():
            distance = float(distances[row])
            value = float(statistics[column].iloc[row])
            reason = (low if distance < 0 else high).format(value)
            suspect = Suspect(str(statistics["id"].iloc[row]), reason, False, abs(distance))
            known = found.get(suspect.image_id)
            if known is None or known.distance < suspect.distance:
                found[suspect.image_id] = suspect
    return tuple(sorted(found.values(), key=lambda s: (not s.strange, -s.distance, s.image_id)))


def _rows(table: pd.DataFrame) -> Iterator[Any]:
    # pandas-stubs give every cell of a named row the union of all types there are.
    return iter(table.itertuples(index=False))


def _find_strangeness(row: Any, width: int) -> str | None:
    if row.border_left + row.border_right >= width:
        return "no steel: every column is black"
    if row.saturated >= 0.5:
        return f"saturated: {row.saturated * 100:.0f} % of the steel at {SATURATED} or above"
    if row.dark >= 0.5:
        return "nearly black between the borders"
    if row.contrast < _FLAT:
        return "featureless: all pixels nearly alike"
    return None


def _measure_distance(values: FloatArray, usual: npt.NDArray[np.bool_]) -> FloatArray:
    """Distance beyond the nearer quartile in quartile distances; 0 between the quartiles."""
    if usual.sum() < _FEWEST_FOR_FENCES:
        return np.zeros(len(values))
    first, third = np.quantile(values[usual], [0.25, 0.75])
    spread = third - first
    if spread <= 0:
        return np.zeros(len(values))
    beyond = np.maximum(values - third, 0) + np.minimum(values - first, 0)
    return np.asarray(beyond / spread)


def _log(values: FloatArray) -> FloatArray:
    return np.log(np.maximum(values, 1e-3))


def _same(values: FloatArray) -> FloatArray:
    return values


_FENCED: tuple[tuple[str, str, str, Callable[[FloatArray], FloatArray]], ...] = (
    ("brightness", "unusually dark: mean {:.0f}", "unusually bright: mean {:.0f}", _same),
    (
        "contrast",
        "unusually little contrast: {:.1f} grey levels",
        "unusually much contrast: {:.1f} grey levels",
        _same,
    ),
    ("sharpness", "unusually blurred: {:.3g}", "unusually sharp or noisy: {:.3g}", _log),
)
