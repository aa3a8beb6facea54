"""Make a bundle: graph, variants, gate, speed, golden images; all of it, or nothing.

Every variant predicts the whole validation part through the engine that will run it on the line,
and is held against PyTorch in fp32. The fastest that passes becomes the default.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from stripsight import __version__
from stripsight.atomic import write_atomically
from stripsight.bundle.folder import Bundle, open_bundle, seal_file, write_manifest
from stripsight.bundle.gate import choose_variant, judge_variant
from stripsight.bundle.manifest import InputContract, Manifest, Precision, Variant
from stripsight.bundle.validation import Validation, write_validation
from stripsight.errors import EngineError, EvaluationError, ModelError
from stripsight.evaluation.localisation.levels import fit_box_levels
from stripsight.evaluation.localisation.measure import open_masked
from stripsight.export.apart import quantise_apart
from stripsight.export.collapse import refuse_collapse
from stripsight.export.destination import check_destination, fill_folder
from stripsight.export.golden import TOLERANCE, choose_golden, write_golden
from stripsight.export.graph import (
    OPSET,
    ExportedNetwork,
    convert_to_openvino,
    prepare_network,
    write_onnx,
)
from stripsight.export.measure import predict_images, time_variants
from stripsight.export.members import CARD, Members, add_note, open_members
from stripsight.export.quantise import (
    RECIPES,
    SEED,
    Work,
    choose_calibration_images,
    quantise,
)
from stripsight.export.record import describe_origin
from stripsight.export.settings import ExportSettings
from stripsight.scoring.engine import EngineSettings, load_engine
from stripsight.scoring.onnx_backend import ONNX_FILE

logger = logging.getLogger(__name__)

ReportProgress = Callable[[str, int, int], None]
"""Takes (stage, done, in all)."""


def export_runs(
    runs: Sequence[Path],
    folder: Path,
    settings: ExportSettings = ExportSettings(),  # noqa: B008  it is frozen
    *,
    report_progress: ReportProgress = lambda stage, done, total: None,
) -> Bundle:
    """Write the bundle of one judged run, or of several as an ensemble, to `folder`.

    Raises:
        UsageError: settings, runs or a name that cannot be.
        StripSightError: see `open_members`, `check_destination`, `write_onnx`.
        EvaluationError: a class is never found, or the fp32 graph does not compute what the network
            does.
        BundleError: no variant passes the gate, or what was made does not open again.
        OSError: the disk is full or read-only; what stood at `folder` is intact.
    """
    name = settings.choose_name(folder)
    check_destination(folder, force=settings.force)
    members = open_members(runs)
    if not settings.allow_collapse:
        refuse_collapse(runs, members.collapse)
    with fill_folder(folder) as place:
        _Export(members, place, settings, report_progress).write(name)
        # By its own reader, while what stood there still does.
        manifest = open_bundle(place).manifest
    return Bundle(folder, manifest)


class _Export:
    """One export while it runs: what its stages hand on."""

    def __init__(
        self, members: Members, place: Path, settings: ExportSettings, report: ReportProgress
    ) -> None:
        self.members = members
        self.place = place
        self.settings = settings
        self.report = report
        self.data = members.first.data
        self.images = self.data.datasets["validation"]
        self.logits: dict[str, Any] = {}
        self.box_levels: tuple[float | None, ...] = (None,) * len(self.data.classes)
        self.skipped: dict[str, str] = {}
        self.calibration: dict[str, Any] | None = None
        if self.images.ids != members.validation.ids:
            raise EvaluationError(
                f"the stored validation predictions of {members.first.folder} are of other images"
                f" than it has now: run `stripsight evaluate {members.first.folder}` again"
            )

    def write(self, name: str) -> None:
        """All files, the manifest last."""
        self._write_graph()
        variants = [self._build_plain("fp32")]
        _check_reference(variants[0])
        if "bf16" in self.settings.variants:
            variants += self._try(lambda: self._build_plain("bf16"), "bf16")
        if "int8" in self.settings.variants:
            variants += self._try(self._build_int8, "int8")
        golden_rows = choose_golden(self.images)
        speeds = self._time(variants, golden_rows)
        variants = [replace(v, speed=speeds[v.name]) for v in variants]
        chosen, why = choose_variant(tuple(variants))
        validation = self._gather(self.logits)
        write_validation(validation, self.place)
        write_atomically(self.place / CARD, add_note(self.members.card).encode())
        golden = write_golden(self.place, self.images, golden_rows, validation)
        skipped = [f"no {variant}: {reason}" for variant, reason in self.skipped.items()]
        origin = describe_origin(self.members, self._describe_export())
        manifest = replace(
            self._draft(variants),
            name=name,
            created=origin["export"]["date"],
            variants=tuple(variants),
            provenance=origin,
            chosen=chosen,
            why_chosen="; ".join([why, *skipped]),
            golden=golden,
            files=self._seal(),
        )
        write_manifest(manifest, self.place)

    def _write_graph(self) -> None:
        self.report("writing the graph", 0, 2)
        networks = [prepare_network(run.network) for run in self.members.opened]
        network = ExportedNetwork(networks)
        write_onnx(network, self.place / ONNX_FILE, self.data.image_size)
        self.report("writing the graph", 1, 2)
        convert_to_openvino(self.place / ONNX_FILE, self.place / "fp32.xml")
        self.report("writing the graph", 2, 2)

    def _build_plain(self, precision: Precision) -> Variant:
        """fp32, or bf16, which is the same graph computed otherwise."""
        return self._judge(_make_variant(precision, "fp32.xml"))

    def _build_int8(self) -> Variant:
        train = self.data.datasets["train"]
        rows = choose_calibration_images(len(train), self.settings.calibration_images)
        variant = _make_variant("int8", "int8.xml")
        tried: list[str] = []
        for recipe in RECIPES:
            seen = 0

            def report_image() -> None:
                nonlocal seen
                seen += 1
                self.report("calibrating int8", min(seen, len(rows)), len(rows))

            work = Work(self.place / "fp32.xml", self.place / variant.file, train, rows, recipe)
            make = quantise_apart if recipe.accurate_bias else quantise
            try:
                make(work, report_image)
            except ModelError as error:
                if make is quantise:
                    raise
                tried.append(f"{recipe.name}: {error}")
                continue
            judged = self._judge(variant)
            self.calibration = {
                "images": len(rows),
                "part": "train",
                "seed": SEED,
                "recipe": recipe.name,
                "tried_before": list(tried),
            }
            if judged.passed:
                break
            tried.append(f"{recipe.name}: {judged.gate['reasons'][0]}")
        return judged

    def _judge(self, variant: Variant) -> Variant:
        engine = load_engine(
            Bundle(self.place, self._draft([variant])), EngineSettings(variant=variant.name)
        )
        done, what = 0, f"predicting validation in {variant.name}"

        def report_image() -> None:
            nonlocal done
            done += 1
            self.report(what, done, len(self.images))

        said = predict_images(engine, self.images, report_image)
        self.logits[variant.name] = said.logits
        if variant.name == "fp32":
            self.box_levels = fit_box_levels(open_masked(self.data, "validation"), said.class_maps)
        validation = self._gather({variant.name: self.logits[variant.name]})
        gate = judge_variant(self.members.decisions, validation, variant.name, variant.precision)
        return replace(variant, gate=gate)

    def _try(self, build: Callable[[], Variant], name: str) -> list[Variant]:
        """The variant, or none and the reason, where this machine cannot compute it."""
        try:
            return [build()]
        except EngineError as error:
            self.skipped[name] = str(error).split(": choose another")[0]
            self.logits.pop(name, None)
            logger.warning("no %s: %s", name, self.skipped[name])
            return []

    def _time(self, variants: list[Variant], rows: list[int]) -> dict[str, dict[str, Any]]:
        images = np.stack([self.images[row]["image"].numpy() for row in rows])
        bundle = Bundle(self.place, self._draft(variants))
        names = [variant.name for variant in variants]
        return time_variants(
            bundle, names, images, lambda done, total: self.report("timing", done, total)
        )

    def _gather(self, logits: dict[str, Any]) -> Validation:
        reference = self.members.validation
        return Validation(reference.labels, reference.logits, logits)

    def _draft(self, variants: list[Variant]) -> Manifest:
        """What an engine is loaded by before anything has been judged."""
        height, width = self.data.image_size
        sizes = {size for images in self.data.datasets.values() for size in images.sizes}
        return Manifest(
            name="",
            created="",
            stripsight=__version__,
            classes=self.data.classes,
            input=InputContract(height, width, tuple(sorted(sizes))),
            decisions=self.members.decisions,
            box_levels=self.box_levels,
            variants=tuple(replace(variant, gate={"passed": True}) for variant in variants),
            chosen=variants[0].name,
            why_chosen="",
            golden=(),
            provenance={},
            files=self._seal(),
        )

    def _describe_export(self) -> dict[str, Any]:
        return {"opset": OPSET, "calibration": self.calibration, "skipped": self.skipped}

    def _seal(self) -> dict[str, Any]:
        files = [path for path in sorted(self.place.rglob("*")) if path.is_file()]
        return {path.relative_to(self.place).as_posix(): seal_file(path) for path in files}


def _make_variant(precision: Precision, file: str) -> Variant:
    return Variant(
        name=precision,
        precision=precision,
        engine="openvino",
        file=file,
        golden_tolerance=TOLERANCE[precision],
        gate={"passed": True},
        speed={},
    )


def _check_reference(fp32: Variant) -> None:
    if not fp32.passed:
        raise EvaluationError(
            f"the exported graph does not compute what the network does in PyTorch:"
            f" {fp32.gate['reasons'][0]}; if images have changed since, evaluate the run again,"
            " else use a backbone that is promised"
        )
