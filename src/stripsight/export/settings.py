"""What a person may say about an export."""

from dataclasses import dataclass
from pathlib import Path

from stripsight.bundle.manifest import Precision
from stripsight.errors import UsageError
from stripsight.labels import is_line

CALIBRATION_IMAGES = 128
"""Each costs two passes; NNCF's own default is 300."""
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16", "int8")


@dataclass(frozen=True)
class ExportSettings:
    """How to export.

    Attributes:
        variants: to build; fp32 always is, the others are held against it.
        calibration_images: of the training split, for int8.
        name: of the bundle; None: its folder's.
        force: replace a bundle that stands there.
        allow_collapse: export though a class is never found; the manifest says so.
    """

    variants: tuple[str, ...] = PRECISIONS
    calibration_images: int = CALIBRATION_IMAGES
    name: str | None = None
    force: bool = False
    allow_collapse: bool = False

    def __post_init__(self) -> None:
        strange = [name for name in self.variants if name not in PRECISIONS]
        if strange:
            raise UsageError(f"unknown variant {strange[0]!r}; known: {', '.join(PRECISIONS)}")
        if self.calibration_images < 1:
            raise UsageError(
                f"--calibration-images {self.calibration_images}: at least 1 is needed"
            )

    def choose_name(self, folder: Path) -> str:
        """Of a bundle at `folder`.

        Raises:
            UsageError: no line of text.
        """
        name = self.name or folder.resolve().name
        if not is_line(name):
            raise UsageError(f"{name!a} is no name of a bundle, one line of text: give --name")
        return name
