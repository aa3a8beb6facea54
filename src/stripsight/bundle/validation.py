"""What every variant said of the validation images, kept in the bundle: `validation.npz`.

    labels     uint8 [N, C]
    reference  float32 [N, C]: logits of the trained network itself, by PyTorch in fp32
    logits_<variant>  float32 [N, C]

With it the gate can be asked again when thresholds change, by whoever holds the bundle, with numpy
alone and without the images. Their names are not in it.
"""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stripsight.atomic import write_atomically
from stripsight.bundle.folder import Bundle
from stripsight.decision.document import apply_decisions
from stripsight.decision.outcomes import Outcomes, count_outcomes
from stripsight.errors import BundleError

FILE = "validation.npz"

Logits = npt.NDArray[np.float32]

_PREFIX = "logits_"
_LARGEST = 2**30
"""Bytes of all arrays together: 10 million images of 5 classes in 3 variants."""


@dataclass(frozen=True)
class Validation:
    """See the module's head.

    Attributes:
        labels: uint8 `[N, C]`.
        reference: float32 `[N, C]`.
        logits: of each variant, float32 `[N, C]`.
    """

    labels: npt.NDArray[np.uint8]
    reference: Logits
    logits: dict[str, Logits]


def write_validation(validation: Validation, folder: Path) -> None:
    """Write the file in one step.

    Raises:
        OSError: see `write_atomically`.
    """
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {"labels": validation.labels, "reference": validation.reference}
    arrays |= {_PREFIX + name: logits for name, logits in validation.logits.items()}
    np.savez_compressed(buffer, **arrays)
    write_atomically(folder / FILE, buffer.getvalue())


def read_validation(bundle: Bundle) -> Validation:
    """The file of an opened bundle.

    Raises:
        BundleError: missing, other bytes than the manifest names, or not of its classes and
            variants.
    """
    data = bundle.read(FILE)
    try:
        content = _read_arrays(data)
    except Exception as error:  # numpy and zipfile raise a dozen kinds over strange bytes
        raise BundleError(f"{bundle.folder / FILE} is damaged: export the bundle again") from error
    names = {_PREFIX + variant.name for variant in bundle.manifest.variants}
    shapes = {array.shape for array in content.values()}
    kinds = dict.fromkeys(names | {"reference"}, np.float32) | {"labels": np.uint8}
    if (
        content.keys() != kinds.keys()
        or any(content[name].dtype != kind for name, kind in kinds.items())
        or len(shapes) != 1
        or len(shape := shapes.pop()) != 2
        or shape[0] == 0
        or shape[1] != len(bundle.manifest.classes)
        or content["labels"].max() > 1
        or not np.isfinite(content["reference"]).all()
    ):
        raise BundleError(
            f"{bundle.folder / FILE} does not hold labels and logits of the bundle's classes and"
            " variants: export the bundle again"
        )
    return Validation(
        content["labels"],
        content["reference"],
        {name.removeprefix(_PREFIX): content[name] for name in sorted(names)},
    )


def _read_arrays(data: bytes) -> dict[str, Any]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > _LARGEST:
            raise ValueError("more than any validation holds")
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def count_validation(bundle: Bundle) -> Outcomes:
    """What the chosen variant comes to on validation at the thresholds that the manifest has now.

    They were fitted there, or set by somebody who looked there, so new steel will do worse: this
    shows what a change of thresholds does, and is no judgement. That is the model card's.

    Raises:
        BundleError: see `read_validation`.
    """
    manifest = bundle.manifest
    validation = read_validation(bundle)
    codes = apply_decisions(manifest.decisions, validation.logits[manifest.chosen])
    return count_outcomes(codes, validation.labels)
