"""What is said of a bundle beside its table."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from stripsight.bundle.folder import open_bundle
from stripsight.bundle.manifest import Manifest
from stripsight.decision.policy import ClassPolicy
from stripsight.export.table import list_notes

MakeBundle = Callable[..., Path]


@pytest.fixture
def manifest(make_bundle: MakeBundle, tmp_path: Path) -> Manifest:
    """Of a run with which nothing is wrong."""
    opened = open_bundle(make_bundle(tmp_path / "bundle", golden=0)).manifest
    rows = [
        {"name": name, "positives": 5, "reference_recall": 0.8} for name in opened.classes.names
    ]
    variants = tuple(
        replace(v, gate={"passed": True, "classes": rows}, speed={"steadiness": 0.95})
        for v in opened.variants
    )
    return replace(opened, variants=variants, provenance={"runs": [{}]})


def test_a_class_without_a_box_level_of_its_own_is_named(manifest: Manifest) -> None:
    (note,) = list_notes(replace(manifest, box_levels=(0.2, None, 0.3)))
    assert note.startswith("no place of spot was drawn in validation: boxes of it begin at a heat")


def test_nothing_is_said_where_nothing_is_wrong(manifest: Manifest) -> None:
    assert list_notes(manifest) == []


def test_what_nobody_should_overlook_is_said(manifest: Manifest) -> None:
    first, second, third = manifest.classes.names
    fp32, bf16, int8 = manifest.variants
    rows = [
        {"name": first, "positives": 0, "reference_recall": None},
        {"name": second, "positives": 5, "reference_recall": 0.0},
        {"name": third, "positives": 5, "reference_recall": 1.0},
    ]
    policy = replace(
        manifest.decisions.policy,
        classes=(ClassPolicy(None, None), *manifest.decisions.policy.classes[1:]),
    )
    changed = replace(
        manifest,
        decisions=replace(manifest.decisions, policy=policy),
        variants=(
            replace(fp32, gate={"passed": True, "classes": rows}),
            bf16,
            replace(int8, speed={"steadiness": 0.5}),
        ),
        provenance={"runs": [{}, {}]},
    )
    assert [note.split(":")[0] for note in list_notes(changed)] == [
        f"{first} has no threshold",
        f"no positive of {first} in validation",
        f"{second} is never found, in any variant",
        "the machine was busy",
        "nobody has judged the ensemble on test",
    ]
