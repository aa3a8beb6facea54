"""The drawn defects of a data set: how many, how large, and where on the strip they lie."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from stripsight.data.analysis.components import ColumnRuns, find_components, split_at_columns
from stripsight.data.analysis.counts import count_sizes
from stripsight.data.prepared import PreparedDataset
from stripsight.data.rle import Runs, parse_runs
from stripsight.errors import RunLengthError

TINY_SIDE = 8
"""Pixels: a defect whose shorter side is below this is called tiny. It is a quarter of the 32
pixels that a cell of the networks' class map spans."""

_CHUNK = 256
_CELLS = 1600

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DamagedMask:
    """An annotation whose run-length string describes no mask."""

    image_id: str
    class_id: int
    reason: str


@dataclass(frozen=True)
class Defects:
    """Every connected piece of every drawn annotation.

    Attributes:
        table: one row a piece: image_id, class_id, kind (mask or box), area, left, top, width,
            height (pixels).
        coverage: per class id, float64 `[h, w]` over the image plane: the share of each cell that
            is covered, averaged over the images on which the class is drawn. All sizes are
            stretched onto one plane.
        drawn: images on which each class is drawn.
        empty: (image id, class id) of masks without a pixel.
        damaged: annotations that could not be read.
    """

    table: pd.DataFrame
    coverage: dict[int, FloatArray]
    drawn: dict[int, int]
    empty: tuple[tuple[str, int], ...]
    damaged: tuple[DamagedMask, ...]

    def of_class(self, class_id: int) -> pd.DataFrame:
        """The pieces of one class."""
        return self.table[self.table["class_id"] == class_id]


@dataclass(frozen=True)
class DefectCounts:
    """The pieces of one class in numbers.

    Attributes:
        id: of the class.
        defects: connected pieces (8-neighbours); touching defects count as one.
        images: on which the class is drawn.
        area: 5, 25, 50, 75 and 95 % of the areas in pixels; None without a defect.
        width: likewise.
        height: likewise.
        tiny: share of defects whose shorter side is below `TINY_SIDE` pixels; NaN without one.
    """

    id: int
    defects: int
    images: int
    area: tuple[float, ...] | None
    width: tuple[float, ...] | None
    height: tuple[float, ...] | None
    tiny: float


QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def find_defects(dataset: PreparedDataset) -> Defects:
    """Measure every drawn annotation of the labelled images; presence alone has nothing to show."""
    sizes = {
        str(i): (int(h), int(w))
        for i, h, w in zip(
            dataset.images["id"], dataset.images["height"], dataset.images["width"], strict=True
        )
    }
    annotations = dataset.annotations
    drawn = annotations[annotations["kind"] != "presence"]
    grid = choose_grid(dataset)
    covered = {c.id: np.zeros(grid) for c in dataset.classes}
    counts = dict.fromkeys(covered, 0)
    tables: list[pd.DataFrame] = []
    empty: list[tuple[str, int]] = []
    damaged: list[DamagedMask] = []
    for start in range(0, len(drawn), _CHUNK):
        chunk = drawn.iloc[start : start + _CHUNK]
        runs, kept = _parse_chunk(chunk, sizes, empty, damaged)
        if not runs:
            continue
        rows = chunk.iloc[kept].reset_index(drop=True)
        height, width = (
            np.array([sizes[str(i)][side] for i in rows["image_id"]], np.int64) for side in (0, 1)
        )
        columns = split_at_columns(runs, height)
        pieces = find_components(columns)
        tables.append(
            pd.DataFrame(
                {
                    "image_id": rows["image_id"].to_numpy()[pieces.mask],
                    "class_id": rows["class_id"].to_numpy()[pieces.mask],
                    "kind": rows["kind"].to_numpy()[pieces.mask],
                    "area": pieces.area,
                    "left": pieces.left,
                    "top": pieces.top,
                    "width": pieces.width,
                    "height": pieces.height,
                }
            )
        )
        class_of = rows["class_id"].to_numpy()
        for class_id in np.unique(class_of).tolist():
            counts[class_id] += int((class_of == class_id).sum())
            chosen = class_of[columns.mask] == class_id
            covered[class_id] += _cover(columns, chosen, height, width, grid)
    return Defects(
        table=pd.concat(tables, ignore_index=True) if tables else _empty_table(),
        coverage={i: plane / counts[i] for i, plane in covered.items() if counts[i]},
        drawn=counts,
        empty=tuple(empty),
        damaged=tuple(damaged),
    )


def count_defects(dataset: PreparedDataset, defects: Defects) -> tuple[DefectCounts, ...]:
    """Numbers of each class, in column order."""
    return tuple(
        DefectCounts(
            id=c.id,
            defects=len(table),
            images=defects.drawn[c.id],
            area=_quantiles(table["area"]),
            width=_quantiles(table["width"]),
            height=_quantiles(table["height"]),
            tiny=measure_tiny(table),
        )
        for c in dataset.classes
        for table in (defects.of_class(c.id),)
    )


def measure_tiny(table: pd.DataFrame, *, scale: float = 1.0) -> float:
    """Share of defects whose shorter side, after scaling the image, is below `TINY_SIDE` pixels."""
    if table.empty:
        return float("nan")
    shorter = np.minimum(table["width"].to_numpy(), table["height"].to_numpy())
    return float((shorter * scale < TINY_SIDE).mean())


def choose_grid(dataset: PreparedDataset) -> tuple[int, int]:
    """Rows and columns of the map: about 1,600 cells, nearly square on the commonest image size."""
    sizes = count_sizes(dataset)
    if not sizes:
        return 1, 1
    height, width = sizes[0].height, sizes[0].width
    rows = round((_CELLS * height / width) ** 0.5)
    rows = min(max(rows, 8), 64, int(dataset.images["height"].min()))
    columns = round(rows * width / height)
    return max(rows, 1), max(1, min(max(columns, 8), 128, int(dataset.images["width"].min())))


def _parse_chunk(
    chunk: pd.DataFrame,
    sizes: dict[str, tuple[int, int]],
    empty: list[tuple[str, int]],
    damaged: list[DamagedMask],
) -> tuple[list[Runs], list[int]]:
    """The runs of each readable mask and which rows they came from; the others go to the lists."""
    runs: list[Runs] = []
    kept: list[int] = []
    cells = zip(chunk["image_id"], chunk["class_id"], chunk["rle"], strict=True)
    for row, (image_id, class_id, text) in enumerate(cells):
        key = (str(image_id), int(class_id))
        if pd.isna(text) or not str(text).strip():
            empty.append(key)
            continue
        try:
            if key[0] not in sizes:
                raise RunLengthError("its image is not in the data set")
            runs.append(parse_runs(str(text), *sizes[key[0]])[0])
            kept.append(row)
        except RunLengthError as error:
            damaged.append(DamagedMask(*key, str(error)))
    return runs, kept


def _cover(
    runs: ColumnRuns,
    chosen: npt.NDArray[np.bool_],
    height: npt.NDArray[np.int64],
    width: npt.NDArray[np.int64],
    grid: tuple[int, int],
) -> FloatArray:
    """Covered share of each cell, summed over the masks of the chosen runs: `[h, w]`."""
    rows, columns = grid
    mask = runs.mask[chosen]
    high = height[mask] / rows  # pixels of a cell, downwards
    cell = runs.column[chosen] * columns // width[mask]
    # Columns that fall into the cell: whole columns are counted, so not always width / columns.
    first = -(-cell * width[mask] // columns)
    wide = -(-(cell + 1) * width[mask] // columns) - first
    plane = np.zeros(grid)
    top, bottom = runs.top[chosen], runs.bottom[chosen]
    for row in range(rows):
        overlap = np.minimum(bottom, high * (row + 1)) - np.maximum(top, high * row)
        share = np.maximum(overlap, 0) / (high * wide)
        plane[row] = np.bincount(cell, weights=share, minlength=columns)
    return plane


def _quantiles(values: pd.Series) -> tuple[float, ...] | None:
    if not len(values):
        return None
    return tuple(np.quantile(values.to_numpy(dtype=np.float64), QUANTILES).tolist())


def _empty_table() -> pd.DataFrame:
    types = {"image_id": "object", "class_id": "int64", "kind": "object"}
    numbers = dict.fromkeys(("area", "left", "top", "width", "height"), "int64")
    columns = {**types, **numbers}
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})
