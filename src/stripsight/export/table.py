"""What `stripsight export` says of a bundle: its variants as a table, notes, and plain data."""

from dataclasses import asdict
from typing import Any

from rich import box
from rich.table import Table

from stripsight.bundle.collapse import list_collapse
from stripsight.bundle.manifest import BOX_LEVEL, Manifest, Variant

_STEADY = 1 / 1.2
"""Lower over upper quartile of the times; nearer 1 on a machine that does nothing else."""


def tabulate_variants(manifest: Manifest) -> Table:
    """One row a variant: speed, the class that lost most, the largest distance, and the gate."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("variant")
    for heading in (
        "ms an image",
        "images/s",
        "recall against PyTorch's",
        "F1 against PyTorch's",
        "furthest",
    ):
        table.add_column(heading, justify="right")
    table.add_column("gate")
    for variant in manifest.variants:
        gate, speed = variant.gate, variant.speed
        mark = " (chosen)" if variant.name == manifest.chosen else ""
        table.add_row(
            variant.name + mark,
            f"{speed['latency_ms']:.1f}",
            f"{speed['images_per_second']:.1f}",
            _write_least(variant, "recall_share"),
            _write_least(variant, "f1_share"),
            f"{gate['largest_probability_distance']:.4f}"
            if "largest_probability_distance" in gate
            else "-",
            "passed" if variant.passed else "not passed",
        )
    return table


def list_notes(manifest: Manifest) -> list[str]:
    """What the table does not show and nobody should overlook."""
    notes = []
    for name, thresholds in zip(
        manifest.classes.names, manifest.decisions.policy.classes, strict=True
    ):
        if not thresholds.decided:
            notes.append(f"{name} has no threshold: it takes no part in any verdict")
    reference = manifest.variants[0].gate["classes"]
    unseen = [row["name"] for row in reference if row["positives"] == 0]
    if unseen:
        notes.append(
            f"no positive of {', '.join(unseen)} in validation: the gate holds it by its"
            " probabilities alone"
        )
    lost = [row["name"] for row in reference if row["reference_recall"] == 0]
    if lost:
        notes.append(f"{', '.join(lost)} is never found, in any variant: nothing could be lost")
    unplaced = [
        name
        for name, level in zip(manifest.classes.names, manifest.box_levels, strict=True)
        if level is None
    ]
    if unplaced:
        notes.append(
            f"no place of {', '.join(unplaced)} was drawn in validation: boxes of it begin at a"
            f" heat of {BOX_LEVEL}, which nothing was fitted on"
        )
    unsteady = [v.name for v in manifest.variants if v.speed["steadiness"] < _STEADY]
    if unsteady:
        notes.append(
            f"the machine was busy: the times of {', '.join(unsteady)} spread by more than a fifth;"
            " time again with `stripsight bench`"
        )
    if len(manifest.provenance["runs"]) > 1:
        notes.append("nobody has judged the ensemble on test: the model card is of its members")
    return notes


def to_json(manifest: Manifest) -> dict[str, Any]:
    """Plain data."""
    return {
        "bundle_id": manifest.bundle_id,
        "name": manifest.name,
        "chosen": manifest.chosen,
        "why_chosen": manifest.why_chosen,
        "variants": [asdict(variant) for variant in manifest.variants],
        "collapse": list(list_collapse(manifest)),
        "notes": list_notes(manifest),
        "provenance": manifest.provenance,
    }


def _write_least(variant: Variant, key: str) -> str:
    shares = [row[key] for row in variant.gate.get("classes", []) if row[key] is not None]
    return f"{100 * min(shares):.1f} %" if shares else "-"
