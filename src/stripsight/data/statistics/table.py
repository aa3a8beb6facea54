"""The table of image statistics that lies beside a prepared data set, `statistics.parquet`.

Measuring decodes every image, so what was measured once is kept and used again while the files are
the same. What the numbers mean is `measurement.py`'s business, how they are taken `scan.py`'s.
"""

import logging
from collections.abc import Iterable
from dataclasses import fields

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from stripsight.atomic import write_atomically
from stripsight.data.prepared import PreparedDataset
from stripsight.data.statistics.measurement import ImageStatistics, measure_image

__all__ = [
    "FILE_NAME",
    "STATISTICS_COLUMNS",
    "STATISTIC_NAMES",
    "ImageStatistics",
    "load_statistics",
    "make_statistics_table",
    "measure_image",
    "save_statistics",
]

logger = logging.getLogger(__name__)

FILE_NAME = "statistics.parquet"
STATISTIC_NAMES = tuple(field.name for field in fields(ImageStatistics))
STATISTICS_COLUMNS = {
    "id": "string",
    "sha256": "string",
    "brightness": "float32",
    "contrast": "float32",
    "saturated": "float32",
    "dark": "float32",
    "border_left": "int32",
    "border_right": "int32",
    "sharpness": "float32",
    "jpeg_quality": "Int16",
    "checker": "float32",
}
"""Columns of the table, in order, and their pandas types."""

# To be raised whenever a formula changes: numbers of two formulas must not stand in one table.
_VERSION = b"1"
_VERSION_KEY = b"stripsight.statistics"
_ARROW_TYPES = {
    "string": pa.string(),
    "float32": pa.float32(),
    "int32": pa.int32(),
    "Int16": pa.int16(),
}
_SCHEMA = pa.schema([(name, _ARROW_TYPES[kind]) for name, kind in STATISTICS_COLUMNS.items()])
# Least and most that `measure_image` can give; a Laplacian lies between -1020 and 1020.
_RANGES = {
    "brightness": (0, 255),
    "contrast": (0, 127.5),
    "saturated": (0, 1),
    "dark": (0, 1),
    "border_left": (0, 2**31 - 1),
    "border_right": (0, 2**31 - 1),
    "sharpness": (0, 1020**2),
    "jpeg_quality": (1, 100),
    "checker": (0, 1),
}
_UNREADABLE = (pa.ArrowException, OSError, ValueError, TypeError, LookupError, MemoryError)


def make_statistics_table(rows: Iterable[tuple[str, str, ImageStatistics]]) -> pd.DataFrame:
    """Rows of (id, sha256, statistics) as a table with `STATISTICS_COLUMNS`, in the order given."""
    cells = [
        (image_id, sha256, *(getattr(statistics, name) for name in STATISTIC_NAMES))
        for image_id, sha256, statistics in rows
    ]
    return pd.DataFrame(cells, columns=list(STATISTICS_COLUMNS)).astype(STATISTICS_COLUMNS)


def save_statistics(dataset: PreparedDataset, table: pd.DataFrame) -> None:
    """Write the table beside its data set.

    Raises:
        OSError: the disk is full or read-only; an older table is intact.
    """
    arrow = pa.Table.from_pandas(table, schema=_SCHEMA, preserve_index=False)
    arrow = arrow.replace_schema_metadata({_VERSION_KEY: _VERSION})
    sink = pa.BufferOutputStream()
    pq.write_table(arrow, sink)
    write_atomically(dataset.root / FILE_NAME, sink.getvalue().to_pybytes())


def load_statistics(dataset: PreparedDataset) -> pd.DataFrame | None:
    """What is known of the data set's images: one row each, in the data set's order.

    Rows of images that the data set does not have, or has with other bytes, are left out. None
    where nothing was measured yet, by another version, or the file is damaged or holds a number
    that no image can have (one warning): it can always be measured again.
    """
    path = dataset.root / FILE_NAME
    try:
        arrow = pq.read_table(pa.BufferReader(path.read_bytes()))
        if (arrow.schema.metadata or {}).get(_VERSION_KEY) != _VERSION:
            return None
        if not arrow.schema.equals(_SCHEMA):
            raise ValueError("its columns are not as they were written")
        arrow.validate(full=True)
        known: pd.DataFrame = arrow.to_pandas(
            types_mapper={pa.int16(): pd.Int16Dtype()}.get
        ).astype(STATISTICS_COLUMNS)
        if (
            known["id"].duplicated().any()
            or known.drop(columns="jpeg_quality").isna().to_numpy().any()
        ):
            raise ValueError("an image stands in it twice, or a number is missing")
        rows = dataset.images[["id", "sha256"]].merge(known, on=["id", "sha256"], how="inner")
        _check_ranges(rows, dataset.images)
    except FileNotFoundError:
        return None
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())[:200]
        logger.warning("%s cannot be read (%s) and is left aside", path, reason)
        return None
    return rows


def _check_ranges(rows: pd.DataFrame, images: pd.DataFrame) -> None:
    """Refuse numbers that no image of its width can have."""
    for name, (least, most) in _RANGES.items():
        # What is not known of a PNG's JPEG quality is in no range, and right.
        wrong = rows[~(rows[name].between(least, most) | rows[name].isna())]
        if len(wrong):
            image, value = wrong[["id", name]].iloc[0]
            raise ValueError(f"{name} {value} of {image} is not between {least} and {most}")
    widths = rows["id"].map(images.set_index("id")["width"])
    wrong = rows[rows["border_left"] + rows["border_right"] > widths]
    if len(wrong):
        raise ValueError(f"the borders of {wrong['id'].iloc[0]} are wider than it is")
