"""`validation.npz`, and the gate asked again under other thresholds, on a bundle without torch."""

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stripsight.bundle import validation
from stripsight.bundle.folder import Bundle, open_bundle, seal_file
from stripsight.bundle.gate import regate
from stripsight.bundle.validation import (
    FILE,
    Validation,
    count_validation,
    read_validation,
    write_validation,
)
from stripsight.decision.calibration import make_identity
from stripsight.decision.outcomes import Counts
from stripsight.decision.policy import ClassPolicy
from stripsight.errors import BundleError

MakeBundle = Callable[..., Path]

N, C = 40, 3


@pytest.fixture
def bundle(make_bundle: MakeBundle, tmp_path: Path) -> Bundle:
    """int8 is 0.04 off in one image, which lies between 0.70 and 0.75."""
    opened = open_bundle(make_bundle(tmp_path / "bundle"))
    probabilities = np.full((N, C), 0.1)
    probabilities[:20] = 0.9
    probabilities[0, 0] = 0.74
    lower = probabilities.copy()
    lower[0, 0] = 0.70
    reference, int8 = (np.log(p / (1 - p)).astype(np.float32) for p in (probabilities, lower))
    labels = (probabilities > 0.5).astype(np.uint8)
    logits = {"fp32": reference, "bf16": reference, "int8": int8}
    write_validation(Validation(labels, reference, logits), opened.folder)
    speeds = {"fp32": 30.0, "bf16": 20.0, "int8": 10.0}
    return seal(
        opened,
        variants=tuple(
            replace(v, speed={"latency_ms": speeds[v.name]}) for v in opened.manifest.variants
        ),
    )


def seal(bundle: Bundle, **changes: object) -> Bundle:
    """The bundle with its `validation.npz` as it lies there now."""
    files = {**bundle.manifest.files, FILE: seal_file(bundle.folder / FILE)}
    return replace(bundle, manifest=replace(bundle.manifest, files=files, **changes))


def test_what_was_written_is_read(bundle: Bundle) -> None:
    stored = read_validation(bundle)
    assert stored.labels.shape == (N, C)
    assert set(stored.logits) == {"fp32", "bf16", "int8"}
    np.testing.assert_array_equal(stored.logits["fp32"], stored.reference)


@pytest.mark.parametrize(("threshold", "chosen"), [(0.5, "int8"), (0.72, "bf16"), (0.8, "int8")])
def test_the_choice_follows_the_thresholds(bundle: Bundle, threshold: float, chosen: str) -> None:
    decisions = replace(bundle.manifest.decisions, calibration=make_identity(C))
    policy = replace(decisions.policy, classes=(ClassPolicy.at(threshold),) * C)
    manifest = regate(bundle, replace(decisions, policy=policy))
    assert manifest.chosen == chosen
    assert manifest.decisions.policy == policy
    assert manifest.find_variant("int8").passed is (chosen == "int8")
    assert manifest.bundle_id != bundle.manifest.bundle_id


def test_outcomes_are_of_the_chosen_variant_at_the_thresholds_of_now(bundle: Bundle) -> None:
    decisions = replace(bundle.manifest.decisions, calibration=make_identity(C))
    policy = replace(decisions.policy, classes=(ClassPolicy.at(0.72),) * C)
    manifest = replace(bundle.manifest, decisions=replace(decisions, policy=policy))
    for chosen, found in (("int8", 19), ("fp32", 20)):
        outcomes = count_validation(replace(bundle, manifest=replace(manifest, chosen=chosen)))
        first, *others = outcomes.classes
        assert first == Counts(20, 20, found=found, escapes=20 - found, overkills=0, reviews=0)
        assert first.recall == found / 20
        assert others == [Counts(20, 20, found=20, escapes=0, overkills=0, reviews=0)] * 2
        # Another class still finds the image that the first one misses.
        assert outcomes.images.found == 20


def test_decisions_of_other_classes_are_refused(bundle: Bundle) -> None:
    decisions = replace(bundle.manifest.decisions, class_names=("a", "b", "c"))
    with pytest.raises(BundleError, match="the bundle knows"):
        regate(bundle, decisions)


def test_damaged_or_foreign_arrays_are_refused(bundle: Bundle) -> None:
    good = read_validation(bundle)
    path = bundle.folder / FILE
    for wrong in (
        Validation(good.labels[:, :2], good.reference[:, :2], {"fp32": good.reference[:, :2]}),
        replace(good, logits={"fp32": good.reference}),
        replace(good, labels=good.labels * 2),
        replace(good, reference=good.reference.astype(np.float64)),
        replace(good, reference=good.reference * np.float32("nan")),
    ):
        write_validation(wrong, bundle.folder)
        with pytest.raises(BundleError, match="does not hold labels and logits"):
            read_validation(seal(bundle))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(BundleError, match="is damaged"):
        read_validation(seal(bundle))
    with pytest.raises(BundleError, match="is not the file"):
        read_validation(bundle)


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (10000000000000, 3), }",
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (",
        b"\0",
    ],
    ids=["10^13 rows", "cut", "none"],
)
def test_a_header_that_lies_is_one_line(bundle: Bundle, header: bytes) -> None:
    head = header.ljust(117) + b"\n"
    array = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + bytes(99)
    with zipfile.ZipFile(bundle.folder / FILE, "w") as archive:
        archive.writestr("labels.npy", array)
    with pytest.raises(BundleError, match=r"is damaged: export the bundle again$"):
        read_validation(seal(bundle))


@pytest.mark.parametrize("junk", [b"", b"junk", b"\x93NUMPY\x01\x00", b"PK\x03\x04"])
def test_junk_is_one_line_without_numpys_advice(bundle: Bundle, junk: bytes) -> None:
    (bundle.folder / FILE).write_bytes(junk)
    with pytest.raises(BundleError, match=r"is damaged: export the bundle again$"):
        read_validation(seal(bundle))


def test_more_than_any_validation_is_not_unpacked(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validation, "_LARGEST", 100)
    with pytest.raises(BundleError, match="is damaged"):
        read_validation(bundle)


def test_a_pickle_in_it_is_not_run(bundle: Bundle, tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "ran",))  # type: ignore[return-value]

    np.savez(bundle.folder / FILE, labels=np.array([Payload()], dtype=object))
    with pytest.raises(BundleError, match="is damaged"):
        read_validation(seal(bundle))
    assert not (tmp_path / "ran").exists()
