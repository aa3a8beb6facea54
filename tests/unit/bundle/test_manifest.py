"""A manifest comes back as it was written, and says what contradicts itself."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stripsight.bundle.folder import open_manifest
from stripsight.bundle.manifest import FILE_NAME, Manifest
from stripsight.bundle.reading import read_manifest
from stripsight.errors import BundleError, DataError
from stripsight.labels import ClassList


@pytest.fixture(scope="module")
def manifest(make_bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Any:
    return open_manifest(make_bundle(tmp_path_factory.mktemp("manifest") / "bundle", golden=2))


def sign(document: dict[str, Any]) -> bytes:
    """As an attacker would: a right id over any content, by the rule in the module's head alone."""
    content = {key: value for key, value in document.items() if key != "bundle_id"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return json.dumps({"bundle_id": digest, **content}).encode()


def edit(manifest: Manifest, **changes: Any) -> bytes:
    """Changes by path, signed; a callable gets the old value."""
    document = json.loads(manifest.to_bytes())
    for path, value in changes.items():
        *above, last = [int(key) if key.isdecimal() else key for key in path.split("/")]
        place = document
        for key in above:
            place = place[key]
        place[last] = value(place[last]) if callable(value) else value
    return sign(document)


def test_what_was_written_comes_back(manifest: Manifest) -> None:
    assert read_manifest(manifest.to_bytes()) == manifest


def test_what_a_class_list_takes_is_read_again(manifest: Manifest) -> None:
    classes = tuple(replace(c, title="no\u00a0break\u3000wide") for c in manifest.classes)
    named = replace(manifest, classes=ClassList(classes))
    assert read_manifest(named.to_bytes()) == named
    with pytest.raises(DataError, match="no line of text"):
        ClassList((replace(classes[0], title="a\nb"),))


def test_the_id_is_a_hash_of_all_the_rest(manifest: Manifest) -> None:
    document = json.loads(manifest.to_bytes())
    assert json.loads(sign(document))["bundle_id"] == document["bundle_id"] == manifest.bundle_id
    assert replace(manifest, name="other").bundle_id != manifest.bundle_id


def test_the_order_of_keys_does_not_matter(manifest: Manifest) -> None:
    document = json.loads(manifest.to_bytes())
    turned = json.dumps(dict(reversed(document.items())))
    assert read_manifest(turned.encode()) == manifest


@pytest.mark.parametrize(
    ("version", "word", "advice"),
    [(3, "a newer", "update StripSight"), (1, "an older", "export the bundle again")],
)
def test_another_schema_is_named_as_such(version: int, word: str, advice: str) -> None:
    # A newer one may have any other keys, and any other way of signing.
    data = json.dumps({"schema_version": version, "new": 1}).encode()
    with pytest.raises(
        BundleError, match=f"{version}, of {word} StripSight; this one reads 2: {advice}"
    ):
        read_manifest(data)


def test_a_change_by_hand_is_refused(manifest: Manifest) -> None:
    changed = manifest.to_bytes().replace(b'"defect_from": 0.5', b'"defect_from": 0.9', 1)
    with pytest.raises(BundleError, match=r"changed after it was signed.*bundle set-policy"):
        read_manifest(changed)


def test_a_key_twice_is_refused(manifest: Manifest) -> None:
    """Python takes the last, other readers the first."""
    twice = manifest.to_bytes().replace(b'"name": "tiny"', b'"name": "other", "name": "tiny"', 1)
    with pytest.raises(BundleError, match="damaged: it holds the key 'name' twice"):
        read_manifest(twice)


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "a path outside": ({"files": lambda f: {**f, "../x": f["model.onnx"]}}, "no path inside"),
    "an absolute path": ({"files": lambda f: {**f, "/etc/x": f["model.onnx"]}}, "no path inside"),
    "a path by dots": ({"files": lambda f: {**f, "a/./b": f["model.onnx"]}}, "no path inside"),
    "a drive": ({"files": lambda f: {**f, "c:x": f["model.onnx"]}}, "no path inside"),
    "a backslash": ({"files": lambda f: {**f, "..\\x": f["model.onnx"]}}, "no path inside"),
    "a null in a path": ({"files": lambda f: {**f, "a\0b": f["model.onnx"]}}, "no path inside"),
    "a surrogate in a path": ({"files": lambda f: {**f, "\ud800": f["model.onnx"]}}, "no path"),
    "the folder itself": ({"files": lambda f: {**f, ".": f["model.onnx"]}}, "no path inside"),
    "itself": ({"files": lambda f: {**f, FILE_NAME: f["model.onnx"]}}, "no path inside"),
    "a seal of another form": ({"files/model.onnx": "abc"}, "other than a hash"),
    "a size that is none": ({"files/fp32.bin/bytes": -1}, "size is no number"),
    "an escape in the name": ({"name": "\x1b[2J"}, "name is no line of text"),
    "two lines of why": ({"why_chosen": "a\nb"}, "why_chosen is no line"),
    "a title with an escape": ({"classes/0/title": "\x1b]0;x\x07"}, "title of a class"),
    "a class id as text": ({"classes/0/id": "1"}, "not as StripSight writes it"),
    "a class twice": ({"classes/1/name": "scratch"}, "'scratch' twice"),
    "other classes": ({"classes/1/name": "dent"}, "other classes than the class list"),
    "no variants": ({"variants": []}, "variants without names"),
    "a variant twice": ({"variants": lambda v: [v[0], *v]}, "variants without names"),
    "no such choice": ({"chosen": "int4"}, "no variant is called 'int4'"),
    "a choice that failed": ({"variants/0/gate": {"passed": False}}, "has not passed its gate"),
    "a gate that says yes": ({"variants/0/gate": {"passed": "yes"}}, "has not passed its gate"),
    "an unknown precision": ({"variants/0/precision": "fp4"}, "unknown precision 'fp4'"),
    "an unknown engine": ({"variants/0/engine": "tvm"}, "unknown engine 'tvm'"),
    "an engine of other files": ({"variants/0/engine": "onnxruntime"}, "is no .onnx"),
    "a graph not listed": ({"variants/0/file": "x.xml"}, "x.xml is not among the files"),
    "weights not listed": (
        {"files": lambda f: {k: v for k, v in f.items() if k != "int8.bin"}},
        "int8.bin is not among the files",
    ),
    "any tolerance": ({"variants/0/golden_tolerance": 0.9}, "golden tolerance not in 0 to 0.1"),
    "no tolerance": ({"variants/0/golden_tolerance": 0.0}, "golden tolerance not in 0 to 0.1"),
    "a golden image of its own": ({"golden/0/file": "x.png"}, "x.png is not among the files"),
    "logits of fewer classes": ({"golden/0/logits/fp32": [0.5]}, "not one logit for each"),
    "logits of fewer variants": ({"golden/0/logits": {"fp32": [0.1] * 3}}, "not one logit"),
    "logits as text": ({"golden/0/logits/fp32": ["a"] * 3}, "are no numbers"),
    "no image size": ({"input/image_sizes": []}, "no list of sizes"),
    "a size of one number": ({"input/image_sizes": [[256]]}, "is no image size"),
    "a height of 0": ({"input/height": 0}, "is no image size"),
    "a true height": ({"input/height": True}, "is no image size"),
    "a graph for 10^9 pixels": ({"input/width": 10**9}, "above every limit"),
    "images of 16384 x 16384": ({"input/image_sizes": [[16384, 16384]]}, "above every limit"),
    "a threshold above 1": ({"decisions/policy/classes/0/defect_from": 3.0}, "are none"),
    "decisions from test": ({"decisions/fitted_on/part": "test"}, "validation alone"),
    "decisions of old": ({"decisions": {"threshold": 0.5}}, "it must have the keys"),
    "a box level of all": ({"box_levels": 0.5}, "box_levels is no list"),
    "a box level of 0": ({"box_levels/0": 0.0}, "0.0 is no box level"),
    "a box level of 1": ({"box_levels/0": 1.0}, "1.0 is no box level"),
    "a box level as text": ({"box_levels/0": "0.5"}, "'0.5' is no box level"),
    "fewer box levels": ({"box_levels": [0.5, None]}, "not one box level for each class"),
    "a key too many": ({"more": 1}, "it must have the keys"),
    "a gate of no objects": ({"variants/0/gate/classes": "ab"}, "no list of objects"),
    "a gate without classes": ({"variants/0/gate/classes": None}, "no list of objects"),
    "a gate of another class": ({"variants/0/gate/classes/0/name": "dent"}, "that the bundle has"),
    "a gate of a list": ({"variants/0/gate/classes/0/name": ["a"]}, "that the bundle has not"),
    "positives as text": ({"variants/0/gate/classes/0/positives": "9"}, "are no count"),
    "a share as text": ({"variants/0/gate/classes/0/recall_share": "1"}, "recall_share of a"),
    "a distance as text": ({"variants/0/gate/largest_probability_distance": "x"}, "is no number"),
    "reasons as a number": ({"variants/0/gate/reasons": 5}, "reasons are no texts"),
    "no speed": ({"variants/0/speed": {}}, "latency_ms is no number"),
    "a speed as text": ({"variants/0/speed/images_per_second": "x"}, "is no number"),
    "settings of another kind": ({"decisions/policy/settings": {"set": 5}}, "no list of classes"),
    "a policy with an escape": ({"decisions/policy/name": "\x1b[2J"}, "no line of text"),
    "a promise of two lines": ({"decisions/promises": [{"words": "a\nb"}]}, "words of a promise"),
    "provenance as a list": ({"provenance": []}, "provenance is no object"),
}


@pytest.mark.parametrize(("changes", "message"), FAULTS.values(), ids=FAULTS)
def test_a_signed_manifest_that_makes_no_sense_is_refused(
    manifest: Manifest, changes: dict[str, Any], message: str
) -> None:
    data = edit(manifest, **changes)
    with pytest.raises(BundleError, match=message) as caught:
        read_manifest(data)
    assert "\n" not in str(caught.value)


def test_an_unchanged_edit_is_accepted(manifest: Manifest) -> None:
    assert read_manifest(edit(manifest)) == manifest


BYTES: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"PK\x03\x04",
    "no UTF-8": b'{"a": "\xff"}',
    "a list": b"[]",
    "null": b"null",
    "half": b'{"schema_version": 1, "name": "x"',
    "NaN": b'{"schema_version": NaN}',
    "a number of 5,000 digits": b'{"schema_version": 1' + b"0" * 5000 + b"}",
    "a version as text": b'{"schema_version": "1"}',
    "a true version": b'{"schema_version": true}',
}


@pytest.mark.parametrize("data", BYTES.values(), ids=BYTES)
def test_what_is_no_manifest_is_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(BundleError, match="damaged") as caught:
        read_manifest(data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("depths", [(50, 200, 100_000), range(850, 1000)], ids=["any", "edge"])
def test_deep_json_never_ends_in_a_crash(manifest: Manifest, depths: Iterable[int]) -> None:
    """Reading and hashing do not give up at the same depth: between them one works alone."""
    start = manifest.to_bytes().rstrip().removesuffix(b"}").rstrip()
    for depth in depths:
        deep = b"[" * depth + b"]" * depth
        data = start.replace(b'"runs": []', b'"runs": ' + deep, 1) + b"}"
        with pytest.raises(BundleError):
            read_manifest(data)


def test_a_number_that_overflows_is_refused(manifest: Manifest) -> None:
    data = manifest.to_bytes().replace(b'"runs": []', b'"runs": 1e999', 1)
    with pytest.raises(BundleError, match="damaged"):
        read_manifest(data)


def test_other_classes_than_the_decisions_never_get_signed(manifest: Manifest) -> None:
    with pytest.raises(BundleError, match="other classes"):
        replace(manifest, classes=ClassList.from_names(["a", "b", "c"]))
