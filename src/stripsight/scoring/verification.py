"""Whether a bundle is whole and computes, on this machine, what it computed where it was made.

Hashes, the gate of each variant by its stored logits, the contract of each graph, and the golden
images by every variant and engine that the machine has.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stripsight.bundle.folder import Bundle, open_bundle
from stripsight.bundle.gate import judge_variant
from stripsight.bundle.validation import read_validation
from stripsight.errors import BundleError, EngineError
from stripsight.scoring.engine import EngineInfo, EngineSettings, load_engine
from stripsight.scoring.golden import GoldenCheck, check_golden
from stripsight.scoring.onnx_backend import ONNX_FILE
from stripsight.scoring.self_contained import check_self_contained


@dataclass(frozen=True)
class Run:
    """One variant on one engine.

    Attributes:
        name: for people.
        info: what ran; None: this machine cannot run it.
        golden: what the golden images came to.
        reason: why it cannot run.
    """

    name: str
    info: EngineInfo | None
    golden: GoldenCheck | None
    reason: str | None = None

    def describe(self) -> str:
        """One line for a person."""
        if self.info is None or self.golden is None:
            return f"{self.name}: not run here, {self.reason}"
        return f"{self.info.describe()}: {self.golden.describe()}"

    def to_json(self) -> dict[str, Any]:
        """The same for a program."""
        return {
            "name": self.name,
            "engine": None if self.info is None else asdict(self.info),
            "golden": None if self.golden is None else asdict(self.golden),
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Verification:
    """What was checked; a fault is an error and no verification.

    Attributes:
        bundle: opened.
        runs: each variant, and the ONNX graph by ONNX Runtime.
    """

    bundle: Bundle
    runs: tuple[Run, ...]


def verify_bundle(
    folder: Path,
    variants: tuple[str, ...] = (),
    report: Callable[[str], None] = lambda line: None,
) -> Verification:
    """Check everything that can be checked without labelled images.

    Args:
        folder: of the bundle.
        variants: to run; none: all, those that the machine cannot run but the chosen one left out.
        report: takes a line for a person as soon as a step is done.

    Raises:
        BundleError: it is not whole, a variant is called passed and does not pass its gate, a graph
            breaks its contract, or a golden image fails.
        EngineError: a variant that was named, or the chosen one, cannot run here.
    """
    bundle = open_bundle(folder)
    manifest = bundle.manifest
    for name in variants:
        manifest.find_variant(name)
    report(f"{len(manifest.files)} files are those that the manifest names")
    check_self_contained(ONNX_FILE, bundle.read(ONNX_FILE))
    report(f"{ONNX_FILE} holds all its weights itself")
    _check_gates(bundle)
    report("no variant is called passed that fails its gate on the stored validation")
    runs = []
    for settings, needed in _list_runs(bundle, variants):
        run = _run(bundle, settings, needed)
        report(run.describe())
        runs.append(run)
    return Verification(bundle, tuple(runs))


def _check_gates(bundle: Bundle) -> None:
    """Ask each gate again: the stored logits know better than what the manifest says of them."""
    decisions, validation = bundle.manifest.decisions, read_validation(bundle)
    for variant in bundle.manifest.variants:
        gate = judge_variant(decisions, validation, variant.name, variant.precision)
        if variant.passed and not gate["passed"]:
            raise BundleError(
                f"{bundle.folder}: {variant.name} is called passed and does not pass its gate"
                f" ({'; '.join(gate['reasons'])}): ask it again by `stripsight bundle set-policy`,"
                " or export the bundle again"
            )


def _list_runs(bundle: Bundle, variants: tuple[str, ...]) -> Iterator[tuple[EngineSettings, bool]]:
    """Settings, and whether the machine must be able to."""
    for variant in bundle.manifest.variants:
        if variant.name in variants or not variants:
            yield (
                EngineSettings(variant=variant.name),
                variant.name in (*variants, bundle.manifest.chosen),
            )
    for variant in bundle.manifest.variants:
        named = variant.name in variants or not variants
        if named and variant.precision == "fp32" and variant.engine != "onnxruntime":
            yield EngineSettings(variant=variant.name, engine="onnxruntime"), False


def _run(bundle: Bundle, settings: EngineSettings, needed: bool) -> Run:
    engine_name = settings.engine or bundle.manifest.find_variant(settings.variant or "").engine
    name = f"{settings.variant} by {engine_name}"
    try:
        engine = load_engine(bundle, settings)
        return Run(name, engine.info, check_golden(bundle, engine))
    except EngineError as error:
        if needed:
            raise
        return Run(name, None, None, str(error))
