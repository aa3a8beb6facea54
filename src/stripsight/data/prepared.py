"""The prepared data set on disk: what `data prepare` writes and everything later reads.

    dataset.json           name, classes, source, counts, reconciliation, schema version, content
                           hash; written last
    images.parquet         id, file, height, width, sha256, labelled, duplicate_group
    annotations.parquet    image_id, class_id, kind (mask, box or presence), rle, area
    splits/<name>.csv      id, split
    reviews/<number>.json  corrections of labels, laid over the tables on load (`reviews/`)

`file` is relative to the image root, which is `images/` inside the data set (unpacked from a zip)
or the folder the images came from: pixels stay where they are and are never re-encoded. An image
whose labels are not known (no annotation in a format where that does not mean "clean", or a refused
one) has `labelled` false and takes no part in training.

How the tables come about is `prepare.py`'s business; whether they still hold is `check.py`'s.
"""

import hashlib
import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from stripsight.atomic import write_atomically
from stripsight.data.reviews.overlay import overlay_changes
from stripsight.data.reviews.review import Review
from stripsight.data.reviews.store import has_reviews, load_reviews
from stripsight.errors import DataError, DatasetError
from stripsight.labels import ClassList

SCHEMA_VERSION = 1

KINDS = ("mask", "box", "presence")

IMAGE_COLUMNS = {
    "id": "string",
    "file": "string",
    "height": "int32",
    "width": "int32",
    "sha256": "string",
    "labelled": "bool",
    "duplicate_group": "int32",
}
ANNOTATION_COLUMNS = {
    "image_id": "string",
    "class_id": "int32",
    "kind": "string",
    "rle": "string",
    "area": "Int64",
}

_MAY_BE_EMPTY = {"rle", "area"}
_ARROW_TYPES = {
    "string": (pa.string(), pa.large_string()),
    "bool": (pa.bool_(),),
    "int32": (pa.int32(),),
    "Int64": (pa.int64(),),
}
# What pyarrow is known to raise on damaged bytes.
_UNREADABLE = (pa.ArrowException, OSError, ValueError, TypeError, LookupError, MemoryError)


@dataclass(frozen=True)
class PreparedDataset:
    """A prepared data set in memory.

    Attributes:
        root: its folder.
        name: for people.
        source_format: the reader that made it.
        classes: in column order.
        image_root: absolute folder that `images.file` is relative to.
        images: one row an image, columns `IMAGE_COLUMNS`, sorted by id.
        annotations: one row a (image, class) pair, columns `ANNOTATION_COLUMNS`.
        reconciliation: counts and names that `data prepare` reported, as plain JSON.
        reviews: laid over the tables, in order.
    """

    root: Path
    name: str
    source_format: str
    classes: ClassList
    image_root: Path
    images: pd.DataFrame
    annotations: pd.DataFrame
    reconciliation: dict[str, Any] = field(default_factory=dict)
    reviews: tuple[Review, ...] = ()

    @property
    def labelled_images(self) -> pd.DataFrame:
        """The rows of `images` whose labels are known, index 0..N-1."""
        return self.images[self.images["labelled"]].reset_index(drop=True)

    @property
    def dropped(self) -> frozenset[str]:
        """Ids of the images that a review left out; their `labelled` is false."""
        changes = (change for review in self.reviews for change in review.changes)
        return frozenset(c.image for c in changes if c.decision == "drop-image")

    @property
    def has_masks(self) -> bool:
        """Whether any annotation is a drawn mask."""
        return bool((self.annotations["kind"] == "mask").any())

    def label_matrix(self) -> npt.NDArray[np.uint8]:
        """uint8 `[N, C]`: 1 where the class is on the image; rows as `labelled_images`."""
        row_of = {name: row for row, name in enumerate(self.labelled_images["id"])}
        labels = np.zeros((len(row_of), len(self.classes)), dtype=np.uint8)
        pairs = zip(self.annotations["image_id"], self.annotations["class_id"], strict=True)
        for image_id, class_id in pairs:
            if image_id in row_of:
                labels[row_of[image_id], self.classes.column_of[int(class_id)]] = 1
        return labels

    def content_hash(self) -> str:
        """sha256 over classes, images and annotations; where the image root lies has no part."""
        digest = hashlib.sha256()
        digest.update(json.dumps(self.classes.to_json(), sort_keys=True).encode())
        for table, columns in (
            (self.images, ("id", "file", "height", "width", "sha256", "labelled")),
            (self.annotations, ("image_id", "class_id", "kind", "rle")),
        ):
            cells = [_list_cells(table[column]) for column in columns]
            for row in sorted(map(repr, zip(*cells, strict=True))):
                digest.update(row.encode() + b"\n")
        return digest.hexdigest()


def save_prepared(dataset: PreparedDataset) -> None:
    """Write the tables and, last, `dataset.json`: a folder without it is no data set.

    Raises:
        DatasetError: the folder holds reviews, which are of the tables that are there.
        OSError: the disk is full or read-only; nothing that `load_prepared` accepts is left.
    """
    root = dataset.root
    if has_reviews(root):
        raise DatasetError(f"{root} holds reviews of its labels: undo them or name another folder")
    root.mkdir(parents=True, exist_ok=True)
    (root / "dataset.json").unlink(missing_ok=True)
    for file_name, table, columns in (
        ("images.parquet", dataset.images, IMAGE_COLUMNS),
        ("annotations.parquet", dataset.annotations, ANNOTATION_COLUMNS),
    ):
        data = table[list(columns)].astype(columns).to_parquet(index=False)
        assert data is not None
        write_atomically(root / file_name, data)
    inside = dataset.image_root.is_relative_to(root)
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "name": dataset.name,
        "source_format": dataset.source_format,
        "classes": dataset.classes.to_json(),
        "image_root": str(dataset.image_root.relative_to(root) if inside else dataset.image_root),
        "counts": count_labels(dataset),
        "content_hash": dataset.content_hash(),
        "reconciliation": dataset.reconciliation,
    }
    write_atomically(root / "dataset.json", (json.dumps(manifest, indent=2) + "\n").encode())


def load_prepared(root: Path | str) -> PreparedDataset:
    """Read a prepared data set with its reviews laid over the labels.

    Raises:
        DatasetError: not a prepared data set, damaged, of a newer schema, changed since it was
        written, or with reviews that do not fit it.
    """
    dataset, recorded_hash = read_tables(Path(root))
    if dataset.images["id"].duplicated().any():
        raise DatasetError(f"{root} is damaged: images.parquet has an id twice")
    if not dataset.annotations["class_id"].isin(list(dataset.classes.column_of)).all():
        raise DatasetError(
            f"{root} is damaged: annotations.parquet names a class that dataset.json lacks"
        )
    if dataset.content_hash() != recorded_hash:
        raise DatasetError(f"{root} is damaged: its tables do not match the hash in dataset.json")
    return apply_reviews(dataset, recorded_hash)


def apply_reviews(dataset: PreparedDataset, content_hash: str) -> PreparedDataset:
    """Lay the stored reviews over tables as `read_tables` gives them, whose hash is given.

    Raises:
        DatasetError: a review is damaged, missing from its numbers, or of another data set.
    """
    reviews = load_reviews(dataset.root)
    if not reviews:
        return dataset
    images, annotations = dataset.images, dataset.annotations
    if reviews[0].before == content_hash:
        for review in reviews:
            images, annotations = overlay_changes(
                images, annotations, dataset.classes, review.changes
            )
    reviewed = replace(dataset, images=images, annotations=annotations, reviews=reviews)
    if reviews[0].before != content_hash or reviewed.content_hash() != reviews[-1].after:
        raise DatasetError(
            f"{dataset.root}: its reviews are of other labels or were changed: restore the folder"
            " reviews, or remove it to return to the labels as prepared"
        )
    return reviewed


def read_tables(root: Path) -> tuple[PreparedDataset, str]:
    """Read the tables and the recorded content hash without comparing them, as a check needs it.

    Raises:
        DatasetError: not a prepared data set, unreadable, or of a newer schema.
    """
    try:
        manifest = json.loads((root / "dataset.json").read_bytes())
    except FileNotFoundError as error:
        raise DatasetError(
            f"{root} is no prepared data set (no dataset.json):"
            f" run `stripsight data prepare SOURCE {root}`"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f"{root / 'dataset.json'} cannot be read: {error}") from error
    if not isinstance(manifest, dict):
        raise DatasetError(f"{root / 'dataset.json'} is damaged: an object is expected")
    version = manifest.get("schema_version")
    if type(version) is not int or version != SCHEMA_VERSION:
        raise DatasetError(
            f"{root} has schema version {json.dumps(version)[:40]}, this StripSight reads"
            f" {SCHEMA_VERSION}: prepare it again"
        )
    try:
        dataset = PreparedDataset(
            root=root,
            name=str(manifest["name"]),
            source_format=str(manifest["source_format"]),
            classes=ClassList.from_json(manifest["classes"]),
            image_root=root / _parse_image_root(manifest["image_root"]),
            images=_read_table(root / "images.parquet", IMAGE_COLUMNS),
            annotations=_read_table(root / "annotations.parquet", ANNOTATION_COLUMNS),
            reconciliation=dict(manifest["reconciliation"]),
        )
        recorded_hash = manifest["content_hash"]
    except KeyError as error:
        message = f"{root} is damaged: dataset.json lacks {error}; prepare it again"
        raise DatasetError(message) from error
    except (TypeError, ValueError, OverflowError, DataError) as error:
        raise DatasetError(f"{root} is damaged: {error}; prepare it again") from error
    return dataset, str(recorded_hash)


def count_labels(dataset: PreparedDataset) -> dict[str, Any]:
    """Images, labelled and clean images, and images per class name."""
    labels = dataset.label_matrix()
    return {
        "images": len(dataset.images),
        "labelled": len(labels),
        "clean": int((labels.sum(axis=1) == 0).sum()),
        "classes": dict(zip(dataset.classes.names, labels.sum(axis=0).tolist(), strict=True)),
    }


def _list_cells(column: pd.Series) -> list[Any]:
    """As Python's own types, None where a cell is empty."""
    pairs = zip(column.tolist(), column.isna().tolist(), strict=True)
    return [None if is_empty else cell for cell, is_empty in pairs]


def _parse_image_root(value: object) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(f"image_root {str(value)[:80]!r} is no path")
    os.fsencode(value)  # half a surrogate pair is no path either
    return value


def _read_table(path: Path, columns: dict[str, str]) -> pd.DataFrame:
    """The columns, of just the types they were written with: a cast would hide a wrong value."""
    try:
        table = pq.read_table(pa.BufferReader(path.read_bytes()))
        for name, dtype in columns.items():
            if table.schema.names.count(name) != 1:
                raise ValueError(f"column {name!r} is missing or there twice")
            if table.schema.field(name).type not in _ARROW_TYPES[dtype]:
                kind = str(table.schema.field(name).type)[:40]
                raise ValueError(f"column {name!r} is {kind}, {dtype.lower()} is expected")
            if name not in _MAY_BE_EMPTY and table.column(name).null_count:
                raise ValueError(f"a cell of column {name!r} is empty")
        table = table.select(list(columns))
        table.validate(full=True)
        # Not through float64, as empty cells among integers would go by themselves.
        nullable = {pa.int64(): pd.Int64Dtype()}
        frame: pd.DataFrame = table.to_pandas(ignore_metadata=True, types_mapper=nullable.get)
        return frame.astype(columns)
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())[:200]
        raise DatasetError(f"{path.name} cannot be read ({reason})") from error
