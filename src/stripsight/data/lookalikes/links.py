"""Links between look-alike images, stored beside the data set, and the groups they form.

    links.parquet     first, second, kind, shift_x, shift_y, similarity; in its metadata the schema
                      version and a hash of the images that were searched

Images joined by links, directly or through others, form one `duplicate_group` in images.parquet.
The links are written first: killed between the two writes, the data set has groups that do not
follow from its links, which `data check` reports and `load_links` treats as not searched.

How look-alikes are found is `duplicates.py`'s business.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from stripsight.atomic import check_writable, write_atomically
from stripsight.data.prepared import IMAGE_COLUMNS, PreparedDataset, read_tables
from stripsight.errors import DatasetError

IDENTICAL, RE_ENCODED, TEXT_BOX, OVERLAP = "identical", "re-encoded", "text box", "overlap"
LINK_KINDS = (IDENTICAL, RE_ENCODED, TEXT_BOX, OVERLAP)
"""Same file; same pixels up to compression and brightness; the same outside a box; neighbouring
frames that share a part."""

LINKS_FILE = "links.parquet"

_SCHEMA_VERSION = "1"
_SCHEMA = pa.schema(
    {
        "first": pa.string(),
        "second": pa.string(),
        "kind": pa.string(),
        "shift_x": pa.int32(),
        "shift_y": pa.int32(),
        "similarity": pa.float32(),
    }
)
_REMEDY = "run `stripsight data duplicates` again"
# What pyarrow is known to raise on damaged bytes.
_UNREADABLE = (pa.ArrowException, OSError, ValueError, TypeError, LookupError, MemoryError)


@dataclass(frozen=True, slots=True)
class Link:
    """Two images that show the same steel.

    Attributes:
        first: id.
        second: id, larger than `first`.
        kind: one of `LINK_KINDS`.
        shift_x: content at column x of `first` is at x - shift_x of `second`, pixels.
        shift_y: likewise for rows.
        similarity: correlation of the part they share, 0 to 1.
    """

    first: str
    second: str
    kind: str
    shift_x: int = 0
    shift_y: int = 0
    similarity: float = 1.0


@dataclass(frozen=True, slots=True)
class Conflict:
    """Images that show the same and whose labels differ.

    Attributes:
        images: ids, sorted; those whose labels are known.
        labels: class names of each image.
    """

    images: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]


def save_links(dataset: PreparedDataset, links: Sequence[Link]) -> PreparedDataset:
    """Write the links, then the groups that follow, and return the data set with its new groups.

    Raises:
        DatasetError: a link that names no image of the data set, or the tables on disk are no
            longer those of `dataset`.
        OSError: the disk is full or read-only; no file is half-written.
    """
    if fault := _find_unknown(links, set(dataset.images["id"])):
        raise DatasetError(f"{dataset.root}: {fault}")
    # As stored: what a review changed in memory must not be written back.
    stored, _ = read_tables(dataset.root)
    if hash_images(stored.images) != hash_images(dataset.images):
        raise DatasetError(f"{dataset.root} changed while it was searched: {_REMEDY}")
    table = pa.Table.from_pylist([asdict(link) for link in sorted(links, key=_key)], schema=_SCHEMA)
    metadata = {"schema_version": _SCHEMA_VERSION, "images_hash": hash_images(stored.images)}
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(metadata), sink)
    write_atomically(dataset.root / LINKS_FILE, sink.getvalue().to_pybytes())
    images = stored.images.assign(duplicate_group=form_groups(stored.images, links))
    data = images[list(IMAGE_COLUMNS)].astype(IMAGE_COLUMNS).to_parquet(index=False)
    assert data is not None
    write_atomically(dataset.root / "images.parquet", data)
    groups = form_groups(dataset.images, links)
    return replace(dataset, images=dataset.images.assign(duplicate_group=groups))


def check_all_read(dataset: PreparedDataset, unreadable: Mapping[str, str]) -> None:
    """Refuse to store a search that did not see every image: it would pass for a whole one.

    Args:
        dataset: that was scanned.
        unreadable: reason by image id.

    Raises:
        DatasetError: an image could not be read.
    """
    for image_id, reason in unreadable.items():
        raise DatasetError(
            f"{len(unreadable):,} of {len(dataset.images):,} images cannot be read, the first is"
            f" {image_id} ({reason}): their look-alikes are not known; mend them, or prepare the"
            " data set again without them"
        )


def check_storable(root: Path) -> None:
    """Refuse before the search what would fail after it.

    Raises:
        DatasetError: there is a folder in the place of links.parquet.
        OSError: the data set's folder is read-only.
    """
    if (root / LINKS_FILE).is_dir():
        raise DatasetError(f"{root / LINKS_FILE} is a folder: remove it")
    check_writable(root)


def load_links(dataset: PreparedDataset) -> tuple[Link, ...] | None:
    """The stored links; None where look-alikes were not searched, or not in these very images.

    None, too, where the search was killed before it had stored the groups.

    Raises:
        DatasetError: links.parquet cannot be read or names an image that is not there.
    """
    stored = _read(dataset)
    if stored is None:
        return None
    links, images_hash = stored
    if images_hash != hash_images(dataset.images):
        return None
    if fault := _find_unknown(links, set(dataset.images["id"])):
        raise DatasetError(f"{dataset.root / LINKS_FILE}: {fault}: {_REMEDY}")
    return links if _has_groups_of(dataset.images, links) else None


def check_links(dataset: PreparedDataset) -> Iterator[str]:
    """What is wrong with the stored links and the groups, in words; nothing where none are stored.

    Raises:
        Nothing: what cannot be read is a finding.
    """
    try:
        stored = _read(dataset)
    except DatasetError as error:
        yield str(error)
        return
    if stored is None:
        return
    links, images_hash = stored
    if fault := _find_unknown(links, set(dataset.images["id"])):
        yield f"{fault}: {_REMEDY}"
    elif images_hash != hash_images(dataset.images):
        yield f"the images changed after look-alikes were searched: {_REMEDY}"
    elif not _has_groups_of(dataset.images, links):
        yield f"the groups in images.parquet do not follow from the links: {_REMEDY}"


def form_groups(images: pd.DataFrame, links: Iterable[Link]) -> npt.NDArray[np.int32]:
    """Group of each image, int32 `[N]`: connected by links or by the same sha256.

    Groups are numbered in the order in which they first appear.
    """
    row_of = {image_id: row for row, image_id in enumerate(images["id"])}
    twins, _ = pd.factorize(images["sha256"])
    first_twin = pd.Series(range(len(images))).groupby(twins).transform("first").to_numpy()
    edges = [(row_of[link.first], row_of[link.second]) for link in links]
    joined = np.array(edges, dtype=np.int64).reshape(-1, 2)
    ends = np.concatenate([joined, np.stack([np.arange(len(images)), first_twin], axis=1)])
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=2 * (len(images),))
    _, component = connected_components(graph, directed=False)
    groups, _ = pd.factorize(component)
    return np.asarray(groups, dtype=np.int32)


def find_conflicts(dataset: PreparedDataset, links: Sequence[Link]) -> tuple[Conflict, ...]:
    """Images that show the same strip and whose known labels differ, largest group first.

    Frames that only overlap are left out: a defect may lie on the part they do not share.
    """
    same = [link for link in links if link.kind != OVERLAP]
    groups = dict(zip(dataset.images["id"], form_groups(dataset.images, same), strict=True))
    labelled, matrix = dataset.labelled_images["id"], dataset.label_matrix()
    names = np.array(dataset.classes.names)
    members: dict[int, list[tuple[str, tuple[str, ...]]]] = {}
    for image_id, row in zip(labelled, matrix, strict=True):
        found = tuple(str(name) for name in names[row > 0])
        members.setdefault(int(groups[image_id]), []).append((str(image_id), found))
    conflicts = [
        Conflict(*zip(*sorted(group), strict=True))
        for group in members.values()
        if len({found for _, found in group}) > 1
    ]
    return tuple(sorted(conflicts, key=lambda c: (-len(c.images), c.images)))


def hash_images(images: pd.DataFrame) -> str:
    """sha256 over ids and file hashes: labels have no part in which images look alike."""
    rows = sorted(zip(images["id"], images["sha256"], strict=True))
    return hashlib.sha256("".join(f"{i}\t{s}\n" for i, s in rows).encode()).hexdigest()


def _key(link: Link) -> tuple[str, str]:
    return link.first, link.second


def _has_groups_of(images: pd.DataFrame, links: Iterable[Link]) -> bool:
    # The numbers may differ, the partition may not.
    stored, _ = pd.factorize(images["duplicate_group"])
    return bool((stored == form_groups(images, links)).all())


def _find_unknown(links: Iterable[Link], known: set[str]) -> str | None:
    for link in links:
        for image_id in (link.first, link.second):
            if image_id not in known:
                return f"a link names the image {image_id[:80]!r}, which is not in the data set"
    return None


def _read(dataset: PreparedDataset) -> tuple[tuple[Link, ...], str] | None:
    path = dataset.root / LINKS_FILE
    if path.is_dir():
        raise DatasetError(f"{path} is a folder: remove it, then {_REMEDY}")
    try:
        table = pq.read_table(pa.BufferReader(path.read_bytes()))
        metadata = table.schema.metadata or {}
        if metadata.get(b"schema_version") != _SCHEMA_VERSION.encode():
            raise ValueError("another schema version")
        if not table.schema.remove_metadata().equals(_SCHEMA):
            raise ValueError("other columns than were written")
        table.validate(full=True)
        names = [field.name for field in fields(Link)]
        links = tuple(Link(**{n: row[n] for n in names}) for row in table.to_pylist())
        for link in links:
            _check(link)
        return links, metadata[b"images_hash"].decode()
    except FileNotFoundError:
        return None
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())[:200]
        raise DatasetError(f"{path} is damaged ({reason}): {_REMEDY}") from error


def _check(link: Link) -> None:
    if None in asdict(link).values():
        raise ValueError("a cell is empty")
    if link.kind not in LINK_KINDS:
        raise ValueError(f"kind {link.kind[:40]!r} is unknown")
    if not link.first < link.second:
        raise ValueError(f"{link.first[:80]!r} is not before {link.second[:80]!r}")
    if not 0 <= link.similarity <= 1:
        raise ValueError(f"similarity {link.similarity} is not between 0 and 1")
