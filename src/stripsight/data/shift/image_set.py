"""A set of images to compare: a folder, a prepared data set, or a part of one of its splits."""

from dataclasses import dataclass
from pathlib import Path

from stripsight.data.prepared import PreparedDataset, load_prepared
from stripsight.data.source import FolderTree, check_is_text, is_image
from stripsight.data.splits.listing import describe_absence, is_listed
from stripsight.data.splits.store import PARTS, load_split
from stripsight.data.statistics.worker import ImageFile
from stripsight.errors import DataError, SplitError, UsageError


@dataclass(frozen=True)
class ImageSet:
    """Images under one name.

    Attributes:
        title: as it was given.
        files: `key` is the image's id, or its path in the folder.
        groups: of look-alikes, one for each file, as far as they are known: equal means alike, in
            other sets too.
    """

    title: str
    files: tuple[ImageFile, ...]
    groups: tuple[str, ...]


def open_image_set(given: str) -> ImageSet:
    """Find the images that `given` names: FOLDER, DATASET or DATASET:SPLIT/PART.

    Raises:
        UsageError: there is no such folder, or no such part.
        SplitError: there is no such split, or it does not fit.
        DataError: it cannot be read, or holds no image.
    """
    path = Path(given)
    if path.is_dir():
        check_is_text(path)
        prepared = (path / "dataset.json").exists()
        images = (
            _take_dataset(given, load_prepared(path)) if prepared else _take_folder(path, given)
        )
    else:
        images = _take_part(given)
    if not images.files:
        raise DataError(f"{given} holds no image: give a folder of JPEG or PNG files")
    return images


def check_apart(out: Path, given: str) -> None:
    """Refuse to write pictures among the images of a set: the next comparison would count them.

    Raises:
        UsageError: `given` is a folder of images, and `out` is it or lies in it.
    """
    path = Path(given)
    is_folder = path.is_dir() and not (path / "dataset.json").exists()
    if is_folder and out.resolve().is_relative_to(path.resolve()):
        raise UsageError(
            f"{out} lies in {given}, whose images are compared: name a folder outside it"
        )


def _take_folder(path: Path, given: str) -> ImageSet:
    names = [name for name in FolderTree(path).files if is_image(name)]
    files = tuple(ImageFile(name, path / name) for name in names)
    return ImageSet(given, files, tuple(str((path / name).resolve()) for name in names))


def _take_dataset(given: str, dataset: PreparedDataset, ids: set[str] | None = None) -> ImageSet:
    table = dataset.images
    rows = [
        (
            ImageFile(image_id, dataset.image_root / file, sha256),
            f"{dataset.root.resolve()}:{group}",
        )
        for image_id, file, sha256, group in zip(
            table["id"], table["file"], table["sha256"], table["duplicate_group"], strict=True
        )
        if image_id not in dataset.dropped and (ids is None or image_id in ids)
    ]
    return ImageSet(given, tuple(file for file, _ in rows), tuple(group for _, group in rows))


def _take_part(given: str) -> ImageSet:
    root, colon, words = given.rpartition(":")
    if not colon or not (Path(root) / "dataset.json").exists():
        raise UsageError(
            f"{given} is no folder: give a folder of images, a prepared data set, or a part of its"
            " split as DATASET:SPLIT/PART"
        )
    name, slash, part = words.rpartition("/")
    if not slash:
        raise UsageError(
            f"{given} names no part: {root}:{words.strip('/')}/{PARTS[0]}, for example"
        )
    if not is_listed(Path(root), name):
        raise SplitError(describe_absence(Path(root), name))
    if part not in PARTS:
        raise UsageError(f"{part} is no part of {name}: {', '.join(PARTS)}")
    dataset = load_prepared(root)
    return _take_dataset(given, dataset, set(load_split(dataset, name, leaks="warn").ids(part)))
