"""`manifest.json`: what a bundle is, in one document that signs itself.

    schema_version  2
    bundle_id       sha256 of all the rest, as canonical JSON
    name, created, stripsight
    classes         id, name, title, in column order
    input           height and width of the graph, sizes of the images that are accepted
    decisions       the record of `decisions.json`: calibration and policy
    box_levels      heat from which on a piece gets a box, one a class; null: nothing to fit it on
    variants        every precision that was built: files, gate, quality and speed
    chosen          the variant that runs unless another is asked for; why
    golden          images with the logits that each variant gave on the machine that exported
    provenance      runs, data set, split, packages, hardware; plain JSON
    files           sha256 and size of every other file of the folder

The id is no signature against an attacker, who can compute it too. It says which bundle made a
score, and that nothing has changed since. Whom a bundle comes from, the way it travels must say.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Literal

from stripsight.decision.document import Decisions, to_record
from stripsight.errors import BundleError
from stripsight.labels import ClassList

SCHEMA_VERSION = 2
FILE_NAME = "manifest.json"

BOX_LEVEL = 0.5
"""The box level of a class that has none of its own."""

Precision = Literal["fp32", "bf16", "int8"]
EngineName = Literal["openvino", "onnxruntime"]


@dataclass(frozen=True, slots=True)
class InputContract:
    """What the graph takes: uint8 `[N, 1, height, width]`.

    Attributes:
        height: pixels.
        width: pixels.
        image_sizes: (height, width) of stored images that are accepted; those of another size than
            the graph's are resized as in training, every other image is refused.
    """

    height: int
    width: int
    image_sizes: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Variant:
    """One precision of the network.

    Attributes:
        name: unique in the bundle.
        precision: of its arithmetic.
        engine: what it was gated on.
        file: of the graph, relative to the bundle.
        golden_tolerance: largest difference of a probability from the expected one, on any machine.
        gate: whether it may be the default, and the figures behind that; plain JSON with `passed`.
        speed: as measured where it was exported; plain JSON.
    """

    name: str
    precision: Precision
    engine: EngineName
    file: str
    golden_tolerance: float
    gate: dict[str, Any]
    speed: dict[str, Any]

    @property
    def graph_files(self) -> tuple[str, ...]:
        """All that the graph consists of: OpenVINO keeps the weights in a file beside it."""
        stem, dot, suffix = self.file.rpartition(".")
        return (self.file, f"{stem}.bin") if dot and suffix == "xml" else (self.file,)

    @property
    def passed(self) -> bool:
        """Whether its quality is near enough to fp32's."""
        return self.gate.get("passed") is True


@dataclass(frozen=True, slots=True)
class GoldenImage:
    """An image that travels along: a file of the bundle, and the logits of each variant."""

    file: str
    logits: dict[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class FileSeal:
    """What a file must be."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Manifest:
    """See the module's head.

    Raises:
        BundleError: parts that contradict each other.
    """

    name: str
    created: str
    stripsight: str
    classes: ClassList
    input: InputContract
    decisions: Decisions
    box_levels: tuple[float | None, ...]
    variants: tuple[Variant, ...]
    chosen: str
    why_chosen: str
    golden: tuple[GoldenImage, ...]
    provenance: dict[str, Any]
    files: dict[str, FileSeal]

    def __post_init__(self) -> None:
        names = [variant.name for variant in self.variants]
        check(
            len(names) > 0 and len(set(names)) == len(names), "variants without names of their own"
        )
        check(self.chosen in names, f"no variant is called {self.chosen!r}")
        check(self.find_variant(self.chosen).passed, f"{self.chosen} has not passed its gate")
        check(
            self.decisions.class_names == self.classes.names,
            "the decisions are of other classes than the class list",
        )
        check(len(self.box_levels) == len(self.classes), "not one box level for each class")
        for variant in self.variants:
            for file in variant.graph_files:
                check(file in self.files, f"{file} is not among the files")
        for golden in self.golden:
            check(golden.file in self.files, f"{golden.file} is not among the files")
            check(
                set(golden.logits) == set(names)
                and all(len(row) == len(self.classes) for row in golden.logits.values()),
                f"{golden.file} has not one logit for each variant and class",
            )
        for file in self.files:
            check(_stays_inside(file), f"{file!r} is no path inside the bundle")

    def find_box_levels(self) -> tuple[float, ...]:
        """The box level of each class, `BOX_LEVEL` where nothing was fitted."""
        return tuple(BOX_LEVEL if level is None else level for level in self.box_levels)

    def find_variant(self, name: str) -> Variant:
        """The variant of that name.

        Raises:
            BundleError: there is none.
        """
        for variant in self.variants:
            if variant.name == name:
                return variant
        known = ", ".join(variant.name for variant in self.variants)
        raise BundleError(f"the bundle has no variant {name!r}; it has {known}")

    @property
    def bundle_id(self) -> str:
        """sha256 of the content, 64 hexadecimal digits."""
        return hash_content(self._to_content())

    def with_decisions(self, decisions: Decisions) -> "Manifest":
        """The same bundle under another decision rule, and so another id."""
        return replace(self, decisions=decisions)

    def to_json(self) -> dict[str, Any]:
        """The document, as plain data."""
        content = self._to_content()
        return {"bundle_id": hash_content(content), **content}

    def to_bytes(self) -> bytes:
        """The file, as it is written."""
        return (json.dumps(self.to_json(), indent=2, allow_nan=False) + "\n").encode()

    def _to_content(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "name": self.name,
            "created": self.created,
            "stripsight": self.stripsight,
            "classes": self.classes.to_json(),
            "input": {
                "height": self.input.height,
                "width": self.input.width,
                "image_sizes": [list(size) for size in self.input.image_sizes],
            },
            "decisions": to_record(self.decisions),
            "box_levels": list(self.box_levels),
            "variants": [asdict(variant) for variant in self.variants],
            "chosen": self.chosen,
            "why_chosen": self.why_chosen,
            "golden": [
                {"file": g.file, "logits": {k: list(v) for k, v in g.logits.items()}}
                for g in self.golden
            ],
            "provenance": self.provenance,
            "files": {name: asdict(seal) for name, seal in sorted(self.files.items())},
        }


def _stays_inside(file: str) -> bool:
    path = PurePosixPath(file)
    plain = not path.is_absolute() and "\\" not in file and ":" not in file
    inside = str(path) == file and ".." not in path.parts and file not in (".", FILE_NAME)
    return plain and inside and file.isprintable()


def hash_content(content: dict[str, Any]) -> str:
    """sha256 of a manifest without its id, whatever the order of its keys."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def check(right: bool, fault: str) -> None:
    """Raise where a manifest is not right.

    Raises:
        BundleError: with `fault`.
    """
    if not right:
        raise BundleError(f"{FILE_NAME} is damaged: {fault}")
