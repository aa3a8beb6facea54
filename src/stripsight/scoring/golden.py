"""Whether an engine says of the golden images, here, what it said where the bundle was exported.

A processor, a library or a driver may compute something else than the one that was gated, and no
hash shows it. Images with known answers do.

Probabilities are compared as the logistic function of the logits, before calibration, so that a
steep curve or edited thresholds do not turn rounding into a fault. Since calibration never turns
the order of two logits round, a decision can then only differ where the expected probability lies
within the tolerance of a threshold.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stripsight.bundle.folder import Bundle
from stripsight.bundle.manifest import GoldenImage
from stripsight.decision.calibration import compute_sigmoid
from stripsight.decision.document import apply_decisions
from stripsight.decision.policy import judge_images
from stripsight.errors import BundleError, ImageError
from stripsight.imaging import decode_grey, resize_grey
from stripsight.scoring.engine import Engine, UInt8Images


@dataclass(frozen=True, slots=True)
class GoldenCheck:
    """What the golden images came to; none is off by more than the tolerance.

    Attributes:
        images: that were run.
        stored: that the bundle holds.
        largest_difference: of a probability from the expected one.
        tolerance: of the variant.
        changed_verdicts: images with another verdict, each within the tolerance of a threshold.
        seconds: of decoding and running.
    """

    images: int
    stored: int
    largest_difference: float
    tolerance: float
    changed_verdicts: int
    seconds: float

    def describe(self) -> str:
        """One line for a person."""
        changed = (
            f", {self.changed_verdicts} verdicts another so near a threshold"
            if self.changed_verdicts
            else ", every verdict the same"
        )
        return (
            f"{self.images} of {self.stored} golden images within {self.largest_difference:.2g} of"
            f" the expected probabilities (allowed {self.tolerance:g}){changed},"
            f" {self.seconds:.2f} s"
        )


def check_golden(bundle: Bundle, engine: Engine, *, quick: bool = False) -> GoldenCheck:
    """Run an engine of a bundle over its golden images.

    Args:
        bundle: opened.
        engine: of that bundle; what it runs, a fallback too, is held against its own answers.
        quick: only the fewest images on which every decision of every class occurs that occurs.

    Raises:
        BundleError: no golden images, one that cannot be read, or a probability that is off by more
            than the variant's tolerance.
        EngineError: the engine failed.
    """
    started = time.perf_counter()
    manifest = bundle.manifest
    if not manifest.golden:
        raise BundleError(f"{bundle.folder} holds no golden images: export the bundle again")
    variant = manifest.find_variant(engine.info.variant)
    golden = manifest.golden
    if quick:
        golden = _choose_fewest(golden, _decide_expected(bundle, golden, variant.name))
    expected = np.array([image.logits[variant.name] for image in golden])
    images = read_golden(bundle, golden)
    found = _predict(engine, images).astype(np.float64)
    with np.errstate(invalid="ignore"):
        difference = np.abs(compute_sigmoid(found) - compute_sigmoid(expected))
    difference[~np.isfinite(found)] = np.inf
    row, column = np.unravel_index(int(difference.argmax()), difference.shape)
    if difference[row, column] > variant.golden_tolerance:
        raise BundleError(
            f"{variant.name} by {engine.info.engine} gives {_format_logit(found[row, column])} for"
            f" {manifest.classes.names[column]} on {golden[row].file}, and"
            f" {_format_logit(expected[row, column])} is expected (allowed:"
            f" {variant.golden_tolerance:g}): choose another --variant or --engine, or export the"
            " bundle on such a machine"
        )
    verdicts = [
        judge_images(apply_decisions(manifest.decisions, logits)) for logits in (expected, found)
    ]
    return GoldenCheck(
        images=len(golden),
        stored=len(manifest.golden),
        largest_difference=float(difference.max()),
        tolerance=variant.golden_tolerance,
        changed_verdicts=int((verdicts[0] != verdicts[1]).sum()),
        seconds=time.perf_counter() - started,
    )


def read_golden(bundle: Bundle, golden: Sequence[GoldenImage]) -> UInt8Images:
    """The images themselves, of the graph's size.

    Raises:
        BundleError: one that cannot be read, or of a size that the bundle does not accept.
    """
    return np.stack([_read_image(bundle, image.file) for image in golden])


def _decide_expected(
    bundle: Bundle, golden: tuple[GoldenImage, ...], variant: str
) -> npt.NDArray[np.int8]:
    logits = np.array([image.logits[variant] for image in golden])
    return apply_decisions(bundle.manifest.decisions, logits)


def _choose_fewest(
    golden: tuple[GoldenImage, ...], codes: npt.NDArray[np.int8]
) -> tuple[GoldenImage, ...]:
    """Greedily, those that add most decisions that were not seen yet; at least one."""
    shown = [set(enumerate(row)) for row in codes.tolist()]
    missing = set().union(*shown)
    chosen = []
    while missing:
        best = max(range(len(golden)), key=lambda index: len(missing & shown[index]))
        chosen.append(best)
        missing -= shown[best]
    return tuple(golden[index] for index in sorted(chosen))


def _read_image(bundle: Bundle, file: str) -> UInt8Images:
    """uint8 `[1, H, W]` as the graph takes it."""
    contract = bundle.manifest.input
    try:
        grey = decode_grey(bundle.read(file))
    except ImageError as error:
        raise BundleError(f"{bundle.folder / file}: {error}; export the bundle again") from error
    if grey.shape not in contract.image_sizes:
        raise BundleError(
            f"{bundle.folder / file} is {grey.shape[1]}x{grey.shape[0]} pixels, which the bundle"
            " does not accept: export it again"
        )
    return resize_grey(grey, (contract.height, contract.width))[None]


def _predict(engine: Engine, images: UInt8Images) -> npt.NDArray[np.float32]:
    """Logits of any number of images, the last batch filled up."""
    batch = engine.info.batch
    filled = np.resize(images, (-(-len(images) // batch) * batch, *images.shape[1:]))
    return engine.predict(filled).logits[: len(images)]


def _format_logit(logit: float) -> str:
    if not np.isfinite(logit):
        return "a score that is no number"
    return f"{float(compute_sigmoid(np.array(logit))):.4f}"
