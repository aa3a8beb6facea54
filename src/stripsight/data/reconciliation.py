"""The account that `data prepare` gives: what was found, used, refused, and why.

It is printed as a table and kept in `dataset.json` as plain JSON, where every name is listed.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from stripsight.data.inspection import UnreadableImage
from stripsight.data.join import MISSING, Joined
from stripsight.data.readers.annotation import RefusedRow
from stripsight.errors import DatasetError
from stripsight.labels import SEVERSTAL, SEVERSTAL_NOTE, ClassList
from stripsight.reporting.quantities import format_quantity

_SHOWN = 20


@dataclass(frozen=True)
class Reconciliation:
    """The account of one preparation; `to_json` gives the form that is stored."""

    source: str
    format: str
    format_reason: str
    annotation_files: tuple[str, ...]
    image_folder: str
    classes: ClassList
    classes_reason: str
    joined: Joined
    images_elsewhere: int = 0
    unreadable: tuple[UnreadableImage, ...] = field(default=())

    @property
    def rows_read(self) -> int:
        """Used or refused."""
        return self.joined.used + len(self.joined.refused)

    @property
    def missing_rows(self) -> int:
        """Rows refused only because their image is not there."""
        return sum(1 for row in self.joined.refused if row.kind == MISSING)

    @property
    def faults(self) -> str | None:
        """What stands in the way of a data set, in words; None if nothing does.

        A few missing images do not: damaged archives are in circulation. More than half do.
        """
        rows = len(self.joined.refused) - self.missing_rows
        words = [
            format_quantity(count, what)
            for count, what in ((rows, "refused row"), (len(self.unreadable), "unreadable image"))
            if count
        ]
        missing = len(self.joined.missing_images)
        if missing > self.joined.annotated:
            annotated = f"{missing + self.joined.annotated:,} annotated"
            words.append(f"{format_quantity(missing, 'missing image')} (of {annotated})")
        return " and ".join(words) or None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; names in full, refused rows too."""
        joined, images = self.joined, self.joined.images
        labelled = images[images["labelled"]]
        return {
            "source": self.source,
            "format": self.format,
            "format_reason": self.format_reason,
            "annotation_files": len(self.annotation_files),
            "first_annotation_file": self.annotation_files[0] if self.annotation_files else None,
            "image_folder": self.image_folder,
            "images": {
                "found": len(images) + len(self.unreadable),
                "elsewhere_not_taken": self.images_elsewhere,
                "unreadable": [asdict(image) for image in self.unreadable],
                "with_annotation": joined.annotated,
                "without_annotation": len(images) - joined.annotated,
                "labelled": len(labelled),
                "clean": len(labelled) - joined.annotations["image_id"].nunique(),
                "unlabelled": joined.unlabelled,
                "suspect": joined.suspect,
                "ids_from_path": joined.ids_from_path,
                "identical_to_another": sum(map(len, self._find_identical())),
                "identical": self._find_identical(),
                "identical_with_other_labels": joined.conflicting,
                "sizes": self._count_sizes(),
            },
            "missing_images": joined.missing_images,
            "rows": {
                "read": self.rows_read,
                "used": joined.used,
                "refused": len(joined.refused),
                "refused_because_missing": self.missing_rows,
                "refused_by_kind": dict(Counter(r.kind for r in joined.refused).most_common()),
                "refused_rows": [asdict(r) for r in joined.refused if r.kind != MISSING],
                "masks_repaired": joined.repaired,
                "shapes_clipped": joined.clipped,
            },
            "annotations": len(joined.annotations),
            "classes_reason": self.classes_reason,
            "classes": self._count_classes(),
        }

    def format_warnings(self) -> list[str]:
        """What must not be overlooked, a line each, to stand after the account."""
        lines = []
        if words := describe_missing(self.to_json()):
            lines.append(f"{words} (names above and in dataset.json): is the archive whole?")
        images = len(self.joined.images)
        labelled = images - len(self.joined.unlabelled)
        if 2 * labelled < images:
            lines.append(f"{labelled:,} of {images:,} images are labelled: training uses no others")
        return lines

    def format_text(self) -> str:
        """The account for people: aligned, long lists cut after twenty; zeros are left out."""
        data = self.to_json()
        images, rows = data["images"], data["rows"]
        files = self.annotation_files
        more = f" and {len(files) - 1:,} more" if len(files) > 1 else ""
        elsewhere = f"; {self.images_elsewhere:,} elsewhere left out" * bool(self.images_elsewhere)
        table: list[tuple[str, str]] = [
            ("source", self.source),
            ("format", f"{self.format} ({self.format_reason})"),
            ("annotations", f"{files[0]}{more}" if files else "the folders' names"),
            ("images", f"in {self.image_folder or '.'}{elsewhere}"),
            ("classes", self.classes_reason),
            ("", ""),
            ("images found", f"{images['found']:,}"),
            *_unless_zero("  unreadable", len(self.unreadable)),
            ("  with annotation", f"{images['with_annotation']:,}"),
            ("  without annotation", f"{images['without_annotation']:,}"),
            ("  labelled", f"{images['labelled']:,}"),
            ("    of these clean", f"{images['clean']:,}"),
            *_unless_zero("  unlabelled", len(images["unlabelled"])),
            *_unless_zero("  suspect", len(images["suspect"])),
            *_unless_zero("  identical to another", images["identical_to_another"]),
            *_unless_zero("    with other labels", len(images["identical_with_other_labels"])),
            *_unless_zero("  file name used twice", images["ids_from_path"], "known by their path"),
            *((f"  size {size}", f"{count:,}") for size, count in images["sizes"].items()),
            *_unless_zero("annotated, but missing", len(data["missing_images"])),
            ("rows read", f"{rows['read']:,}"),
            ("  used", f"{rows['used']:,}"),
            *_unless_zero("  refused", rows["refused"]),
            *((f"    {kind}", f"{n:,}") for kind, n in rows["refused_by_kind"].items()),
            *_unless_zero("masks repaired", rows["masks_repaired"]),
            *_unless_zero("shapes clipped", rows["shapes_clipped"], "cut off at the image's edge"),
            ("annotations stored", f"{data['annotations']:,} (one per image and class)"),
        ]
        text = [f"{name:<26}{value}".rstrip() for name, value in table]
        return "\n".join([*text, "", *self._format_classes(data), *self._format_lists(data)])

    def _format_classes(self, data: dict[str, Any]) -> list[str]:
        width = max(len(name) for name in ("class", *data["classes"]))
        lines = [f"{'class':<{width}}  {'id':>4}  {'images':>7}  prevalence  title"]
        for (name, row), c in zip(data["classes"].items(), self.classes, strict=True):
            share = "-" if row["prevalence"] is None else f"{row['prevalence']:.1%}"
            lines.append(f"{name:<{width}}  {c.id:>4}  {row['images']:>7,}  {share:>10}  {c.title}")
        return [*lines, SEVERSTAL_NOTE] if self.classes == SEVERSTAL else lines

    def _format_lists(self, data: dict[str, Any]) -> list[str]:
        refused: list[RefusedRow] = [r for r in self.joined.refused if r.kind != MISSING]
        images = data["images"]
        return [
            *_list("unreadable images", [f"{u.file}: {u.reason}" for u in self.unreadable]),
            *_list("refused rows", [f"{r.file}, {r.place}: {r.reason}" for r in refused]),
            *_list("annotated, but missing", data["missing_images"]),
            *_list("unlabelled", [f"{i}: {why}" for i, why in images["unlabelled"].items()]),
            *_list("suspect", [f"{i}: {why}" for i, why in images["suspect"].items()]),
            *_list(
                "groups of identical images", [" = ".join(group) for group in images["identical"]]
            ),
            *_list("identical with other labels", images["identical_with_other_labels"]),
        ]

    def _find_identical(self) -> list[list[str]]:
        images = self.joined.images
        repeated = images[images.duplicated("duplicate_group", keep=False)]
        return [list(group) for _, group in repeated.groupby("duplicate_group")["id"]]

    def _count_sizes(self) -> dict[str, int]:
        sizes = Counter(zip(self.joined.images["width"], self.joined.images["height"], strict=True))
        return {f"{width}x{height}": count for (width, height), count in sizes.most_common()}

    def _count_classes(self) -> dict[str, dict[str, Any]]:
        counts = Counter(self.joined.annotations["class_id"])
        total = int(self.joined.images["labelled"].sum())
        return {
            c.name: {
                "images": int(counts[c.id]),
                "prevalence": counts[c.id] / total if total else None,
            }
            for c in self.classes
        }


def list_missing(account: dict[str, Any]) -> list[str]:
    """Annotated images that are missing, from a stored account; none where it does not say.

    Raises:
        DatasetError: it was damaged.
    """
    names = account.get("missing_images", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DatasetError(
            "missing_images in dataset.json is no list of names: prepare the data set again"
        )
    return names


def describe_missing(account: dict[str, Any]) -> str | None:
    """How many annotated images are missing, from a stored account; None where none is.

    Raises:
        DatasetError: it was damaged.
    """
    missing = len(list_missing(account))
    try:
        found = int(account["images"]["with_annotation"])
    except (KeyError, TypeError, ValueError):
        return None
    if not missing:
        return None
    verb = "is" if missing == 1 else "are"
    return f"{missing:,} of {missing + found:,} annotated images {verb} missing from the images"


def _unless_zero(name: str, count: int, remark: str = "") -> list[tuple[str, str]]:
    return [(name, f"{count:,}{remark and f' ({remark})'}")] if count else []


def _list(title: str, lines: Sequence[str] | Iterable[str]) -> list[str]:
    lines = list(lines)
    if not lines:
        return []
    more = [f"  ... and {len(lines) - _SHOWN:,} more"] if len(lines) > _SHOWN else []
    return ["", f"{title} ({len(lines):,}):", *(f"  {line}" for line in lines[:_SHOWN]), *more]
