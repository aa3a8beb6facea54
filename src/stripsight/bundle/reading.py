"""From the bytes of a `manifest.json` to a `Manifest`, or one line that says what is wrong."""

import math
from typing import Any, get_args

from stripsight.bundle.manifest import (
    FILE_NAME,
    SCHEMA_VERSION,
    EngineName,
    FileSeal,
    GoldenImage,
    InputContract,
    Manifest,
    Precision,
    Variant,
    check,
    hash_content,
)
from stripsight.decision.document import Decisions, read_record
from stripsight.documents import describe_other_schema, parse_json
from stripsight.errors import BundleError, StripSightError
from stripsight.imaging import DEFAULT_LIMITS
from stripsight.labels import ClassList, is_line

_KEYS = (
    *("box_levels", "bundle_id", "chosen", "classes", "created", "decisions", "files", "golden"),
    *("input", "name", "provenance", "schema_version", "stripsight", "variants", "why_chosen"),
)


def read_manifest(data: bytes) -> Manifest:
    """Read what `Manifest.to_bytes` wrote.

    Raises:
        BundleError: damaged, changed, of a newer schema, or parts that contradict each other.
    """
    document = _parse(data)
    if other := describe_other_schema(document, SCHEMA_VERSION, "export the bundle again"):
        raise BundleError(f"{FILE_NAME} {other}")
    try:
        return _read_document(document)
    except BundleError:
        raise
    except (
        *(StripSightError, ValueError, TypeError, LookupError),
        *(OverflowError, RecursionError),
    ) as error:
        raise BundleError(f"{FILE_NAME} is damaged: {error}") from error


def read_file_names(data: bytes) -> frozenset[str]:
    """The files of a bundle by its manifest, of whatever schema: what goes when it is replaced.

    Raises:
        BundleError: damaged, or changed since it was signed.
    """
    document = _parse(data)
    check(isinstance(document, dict), "it is no object")
    content = {key: value for key, value in document.items() if key != "bundle_id"}
    signed = "bundle_id" in document and document["bundle_id"] == hash_content(content)
    check(signed and isinstance(document.get("files"), dict), "it is not as it was signed")
    return frozenset(document["files"])


def _parse(data: bytes) -> Any:
    try:
        return parse_json(data)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{FILE_NAME} is damaged: {error}") from error


def _read_document(document: Any) -> Manifest:
    check(isinstance(document, dict), "it is no object")
    check(tuple(sorted(document)) == _KEYS, f"it must have the keys {', '.join(_KEYS)}")
    content = {key: value for key, value in document.items() if key != "bundle_id"}
    if document["bundle_id"] != hash_content(content):
        raise BundleError(
            f"{FILE_NAME} was changed after it was signed: export the bundle again, or change"
            " thresholds by `stripsight bundle set-policy`"
        )
    for key in ("name", "created", "stripsight", "chosen", "why_chosen"):
        check(_is_text(content[key]), f"{key} is no line of text")
    for key in ("input", "provenance", "files"):
        check(isinstance(content[key], dict), f"{key} is no object")
    for key in ("classes", "variants", "golden"):
        check(_is_list_of(content[key], dict), f"{key} is no list of objects")
    for entry in content["classes"]:
        check(_is_text(entry.get("title")), "the title of a class is no line of text")
    decisions = read_record(content["decisions"])
    _check_words(decisions)
    manifest = Manifest(
        name=content["name"],
        created=content["created"],
        stripsight=content["stripsight"],
        classes=ClassList.from_json(content["classes"]),
        input=_read_input(content["input"]),
        decisions=decisions,
        box_levels=_read_levels(content["box_levels"]),
        variants=tuple(
            _read_variant(entry, decisions.class_names) for entry in content["variants"]
        ),
        chosen=content["chosen"],
        why_chosen=content["why_chosen"],
        golden=tuple(map(_read_golden, content["golden"])),
        provenance=content["provenance"],
        files={name: _read_seal(entry) for name, entry in content["files"].items()},
    )
    # A value that is read as another than was signed: 1 for "1", 0.5 for a half written otherwise.
    check(manifest.bundle_id == document["bundle_id"], "it is not as StripSight writes it")
    return manifest


def _read_input(entry: dict[str, Any]) -> InputContract:
    check(sorted(entry) == ["height", "image_sizes", "width"], "input has other keys")
    sizes = entry["image_sizes"]
    check(isinstance(sizes, list) and len(sizes) > 0, "input.image_sizes is no list of sizes")
    for size in ([entry["height"], entry["width"]], *sizes):
        pair = isinstance(size, list) and len(size) == 2
        check(pair and all(type(n) is int and n > 0 for n in size), f"{size!r} is no image size")
        most = DEFAULT_LIMITS
        check(
            max(size) <= most.max_side and size[0] * size[1] <= most.max_pixels,
            f"an image size of {size[0]}x{size[1]} is above every limit",
        )
    return InputContract(entry["height"], entry["width"], tuple((h, w) for h, w in sizes))


def _read_levels(entry: Any) -> tuple[float | None, ...]:
    check(isinstance(entry, list), "box_levels is no list")
    for level in entry:
        check(
            level is None or (type(level) is float and 0 < level < 1), f"{level!r} is no box level"
        )
    return tuple(entry)


def _check_words(decisions: Decisions) -> None:
    """What is printed of a decision rule beside its numbers, or added to: see `set_thresholds`."""
    set_by_hand = decisions.policy.settings.get("set", [])
    check(_is_text(decisions.policy.name), "the policy's name is no line of text")
    check(
        isinstance(set_by_hand, list) and all(map(_is_text, set_by_hand)),
        "the policy's set is no list of classes",
    )
    for promise in decisions.promises:
        check(_is_text(promise.get("words", "")), "the words of a promise are no line of text")


def _read_variant(entry: dict[str, Any], class_names: tuple[str, ...]) -> Variant:
    check(sorted(entry) == sorted(Variant.__slots__), "a variant has other keys")
    for key in ("name", "file"):
        check(_is_text(entry[key]) and entry[key] != "", f"a variant's {key} is no line of text")
    check(entry["precision"] in get_args(Precision), f"unknown precision {entry['precision']!r}")
    check(entry["engine"] in get_args(EngineName), f"unknown engine {entry['engine']!r}")
    tolerance = entry["golden_tolerance"]
    check(type(tolerance) is float and 0 < tolerance <= 0.1, "a golden tolerance not in 0 to 0.1")
    for key in ("gate", "speed"):
        check(isinstance(entry[key], dict), f"a variant's {key} is no object")
    _check_gate(entry["gate"], class_names)
    check(_is_number(entry["speed"].get("latency_ms")), "a variant's latency_ms is no number")
    _check_figures(entry["speed"], ("images_per_second",), "speed")
    suffix = {"openvino": ".xml", "onnxruntime": ".onnx"}[entry["engine"]]
    check(entry["file"].endswith(suffix), f"a variant's file for {entry['engine']} is no {suffix}")
    return Variant(**entry)


def _check_gate(gate: dict[str, Any], class_names: tuple[str, ...]) -> None:
    """That every figure which somebody reads from it later is one."""
    reasons, rows = gate.get("reasons", []), gate.get("classes", [])
    check(
        isinstance(reasons, list) and all(map(_is_text, reasons)), "a gate's reasons are no texts"
    )
    check(_is_list_of(rows, dict), "a gate's classes are no list of objects")
    _check_figures(gate, ("largest_probability_distance",), "gate")
    for row in rows:
        check(row.get("name") in class_names, "a gate judges a class that the bundle has not")
        positives = row.get("positives")
        check(type(positives) is int and positives >= 0, "a gate's positives are no count")
        _check_figures(row, ("recall", "f1", "recall_share", "f1_share"), "gate")


def _check_figures(entry: dict[str, Any], names: tuple[str, ...], where: str) -> None:
    for name in names:
        value = entry.get(name)
        check(value is None or _is_number(value), f"{name} of a variant's {where} is no number")


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and value >= 0


def _read_golden(entry: dict[str, Any]) -> GoldenImage:
    check(sorted(entry) == ["file", "logits"], "a golden image has other keys")
    logits = entry["logits"]
    check(isinstance(entry["file"], str) and isinstance(logits, dict), "a golden image is damaged")
    for row in logits.values():
        check(_is_list_of(row, float), "the logits of a golden image are no numbers")
    return GoldenImage(entry["file"], {name: tuple(row) for name, row in logits.items()})


def _read_seal(entry: Any) -> FileSeal:
    right = isinstance(entry, dict) and sorted(entry) == ["bytes", "sha256"]
    check(right, "a file has other than a hash and a size")
    check(type(entry["bytes"]) is int and entry["bytes"] >= 0, "a file's size is no number")
    check(isinstance(entry["sha256"], str), "a file's hash is no text")
    return FileSeal(entry["sha256"], entry["bytes"])


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and is_line(value)


def _is_list_of(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(entry, kind) for entry in value)
