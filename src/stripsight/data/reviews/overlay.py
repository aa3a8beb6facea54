"""A review's changes laid over the tables, which stay as they are.

What a reviewer's sheet says is read in `sheet.py`; what is on trial here is only whether the
changes fit the labels.
"""

from collections.abc import Sequence

import pandas as pd

from stripsight.data.reviews.review import LABELLED, NONE, PRESENCE, Change
from stripsight.errors import DatasetError
from stripsight.labels import ClassList

UNKNOWN = "unknown"


def overlay_changes(
    images: pd.DataFrame,
    annotations: pd.DataFrame,
    classes: ClassList,
    changes: Sequence[Change],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables with the changes made; the arguments stay as they are.

    A label that is added has kind `presence`: nobody drew where it is. A dropped image has
    `labelled` false and no annotation.

    Raises:
        DatasetError: a change whose `was` is not what the tables say.
    """
    labels = LabelLookup(images, annotations, classes)
    removed: set[tuple[str, int]] = set()
    dropped: set[str] = set()
    added: list[tuple[str, int]] = []
    for change in changes:
        found = labels.find_state(change.image, change.class_name)
        if found != change.was:
            what = "" if change.class_name is None else f", class {change.class_name!r}"
            raise DatasetError(
                f"a review states {change.was!r} of image {change.image!r}{what}, the data set has"
                f" {found!r}: it was made for another"
            )
        if change.class_name is None:
            dropped.add(change.image)
        elif change.decision == "remove":
            removed.add((change.image, labels.id_of(change.class_name)))
        elif change.decision == "add":
            added.append((change.image, labels.id_of(change.class_name)))
    keys = zip(annotations["image_id"], annotations["class_id"], strict=True)
    stays = [(i, int(c)) not in removed and i not in dropped for i, c in keys]
    new = pd.DataFrame(
        [(i, c, PRESENCE, None, None) for i, c in sorted(added)], columns=annotations.columns
    ).astype(annotations.dtypes.to_dict())
    images = images.assign(labelled=images["labelled"] & ~images["id"].isin(list(dropped)))
    return images, pd.concat([annotations[stays], new], ignore_index=True)


class LabelLookup:
    """What the tables say of one (image, class) pair."""

    def __init__(self, images: pd.DataFrame, annotations: pd.DataFrame, classes: ClassList) -> None:
        self._labelled = dict(zip(images["id"], images["labelled"].astype(bool), strict=True))
        self._id_of = {c.name: c.id for c in classes}
        self._kind_of = {
            (image, int(class_id)): str(kind)
            for image, class_id, kind in zip(
                annotations["image_id"], annotations["class_id"], annotations["kind"], strict=True
            )
        }

    def has_image(self, image: str) -> bool:
        """Whether the image is in the data set, labelled or not."""
        return image in self._labelled

    def id_of(self, class_name: str) -> int:
        """Id of a class of the class list."""
        return self._id_of[class_name]

    def find_state(self, image: str, class_name: str | None) -> str:
        """Kind of the annotation or `none`; without a class, `labelled`.

        `unknown` where the image's labels are not known or the class is not in the class list.
        """
        if not self._labelled.get(image, False):
            return UNKNOWN
        if class_name is None:
            return LABELLED
        if class_name not in self._id_of:
            return UNKNOWN
        return self._kind_of.get((image, self._id_of[class_name]), NONE)
