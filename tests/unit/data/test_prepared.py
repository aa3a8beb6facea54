import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from stripsight.data.prepared import (
    ANNOTATION_COLUMNS,
    IMAGE_COLUMNS,
    PreparedDataset,
    count_labels,
    load_prepared,
    save_prepared,
)
from stripsight.errors import DatasetError
from stripsight.labels import ClassList, DefectClass

# Ids that are not 1..C: a column is not an id.
CLASSES = ClassList((DefectClass(7, "rust", "Rust"), DefectClass(3, "dent", "Dent")))


def make_dataset(root, **changes):
    images = [
        ("a", "a.jpg", 4, 5, "00", True, 0),
        ("b", "x/b.jpg", 4, 5, "11", False, 1),
        ("c", "c.jpg", 4, 5, "22", True, 2),
    ]
    annotations = [
        ("a", 3, "mask", "1 2", 2),
        ("a", 7, "presence", None, None),
        ("b", 7, "box", "1 1", 1),
    ]
    dataset = PreparedDataset(
        root=root,
        name="mill",
        source_format="csv",
        classes=CLASSES,
        image_root=root / "images",
        images=pd.DataFrame(images, columns=list(IMAGE_COLUMNS)).astype(IMAGE_COLUMNS),
        annotations=pd.DataFrame(annotations, columns=list(ANNOTATION_COLUMNS)).astype(
            ANNOTATION_COLUMNS
        ),
        reconciliation={"rows": {"read": 3}},
    )
    return dataclasses.replace(dataset, **changes)


def test_saved_data_set_is_loaded_unchanged(tmp_path):
    saved = make_dataset(tmp_path / "set")
    save_prepared(saved)
    loaded = load_prepared(tmp_path / "set")
    pd.testing.assert_frame_equal(loaded.images, saved.images)
    pd.testing.assert_frame_equal(loaded.annotations, saved.annotations)
    for name in ("root", "name", "source_format", "classes", "image_root", "reconciliation"):
        assert getattr(loaded, name) == getattr(saved, name), name


def test_data_set_without_annotations_is_loaded(tmp_path):
    empty = make_dataset(tmp_path).annotations.iloc[:0]
    save_prepared(make_dataset(tmp_path / "set", annotations=empty))
    assert load_prepared(tmp_path / "set").label_matrix().tolist() == [[0, 0], [0, 0]]


def test_labels_have_a_row_for_each_labelled_image_and_a_column_for_each_class(tmp_path):
    dataset = make_dataset(tmp_path)
    assert dataset.labelled_images["id"].tolist() == ["a", "c"]
    assert np.array_equal(dataset.label_matrix(), [[1, 1], [0, 0]])
    assert count_labels(dataset) == {
        "images": 3,
        "labelled": 2,
        "clean": 1,
        "classes": {"rust": 1, "dent": 1},
    }


def test_images_inside_move_with_the_data_set_and_those_outside_stay(tmp_path):
    save_prepared(make_dataset(tmp_path / "set"))
    outside = make_dataset(tmp_path / "other", image_root=tmp_path / "elsewhere")
    save_prepared(outside)
    (tmp_path / "set").rename(tmp_path / "moved")
    assert load_prepared(tmp_path / "moved").image_root == tmp_path / "moved" / "images"
    (tmp_path / "other").rename(tmp_path / "moved2")
    assert load_prepared(tmp_path / "moved2").image_root == tmp_path / "elsewhere"


def test_content_hash_has_no_place_and_no_order(tmp_path):
    one = make_dataset(tmp_path / "one")
    two = make_dataset(
        tmp_path / "two",
        name="other",
        image_root=tmp_path,
        images=one.images.iloc[::-1].reset_index(drop=True),
        annotations=one.annotations.iloc[[2, 0, 1]],
    )
    assert one.content_hash() == two.content_hash()


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("images", "sha256", "99"),
        ("images", "file", "c.jpg"),
        ("images", "labelled", False),
        ("images", "height", 9),
        ("annotations", "class_id", 7),
        ("annotations", "rle", "1 3"),
        ("annotations", "kind", "box"),
    ],
)
def test_content_hash_sees_every_change(tmp_path, table, column, value):
    dataset = make_dataset(tmp_path)
    frame = getattr(dataset, table).copy()
    frame.loc[0, column] = value
    assert dataclasses.replace(dataset, **{table: frame}).content_hash() != dataset.content_hash()


def test_repeated_id_and_unknown_class_are_refused(tmp_path):
    dataset = make_dataset(tmp_path / "set")
    save_prepared(dataset)
    twice = pd.concat([dataset.images, dataset.images.iloc[:1]])
    twice.to_parquet(tmp_path / "set" / "images.parquet")
    with pytest.raises(DatasetError, match="id twice"):
        load_prepared(tmp_path / "set")
    save_prepared(dataset)
    strange = dataset.annotations.assign(class_id=5).astype(ANNOTATION_COLUMNS)
    strange.to_parquet(tmp_path / "set" / "annotations.parquet")
    with pytest.raises(DatasetError, match=r"dataset\.json lacks"):
        load_prepared(tmp_path / "set")


def test_changed_tables_are_refused(tmp_path):
    dataset = make_dataset(tmp_path / "set")
    save_prepared(dataset)
    dataset.annotations.iloc[1:].to_parquet(tmp_path / "set" / "annotations.parquet")
    with pytest.raises(DatasetError, match="do not match the hash"):
        load_prepared(tmp_path / "set")


def test_files_that_changed_places_are_refused(tmp_path):
    dataset = make_dataset(tmp_path / "set")
    save_prepared(dataset)
    swapped = dataset.images.assign(file=dataset.images["file"].to_numpy()[::-1])
    swapped.to_parquet(tmp_path / "set" / "images.parquet")
    with pytest.raises(DatasetError, match="do not match the hash"):
        load_prepared(tmp_path / "set")


@pytest.mark.parametrize(
    ("table", "column", "values", "message"),
    [
        ("images", "height", [4 + 2**32] * 3, "'height' is int64, int32 is expected"),
        ("images", "height", [4.4] * 3, "'height' is double, int32"),
        ("images", "height", [[4]] * 3, "'height' is list"),
        ("images", "labelled", ["True", "", "True"], "'labelled' is (large_)?string, bool"),
        ("images", "labelled", [1, 0, 1], "'labelled' is int64, bool"),
        ("images", "labelled", pd.array([True, None, True], "boolean"), "'labelled' is empty"),
        ("images", "sha256", [b"00", b"11", b"22"], "'sha256' is binary, string"),
        ("images", "id", [{"a": 1}] * 3, "'id' is struct"),
        ("images", "file", ["a.jpg", None, "c.jpg"], "'file' is empty"),
        ("annotations", "class_id", [3 + 2**32, 7, 7], "'class_id' is int64"),
        ("annotations", "area", ["2", None, "1"], "'area' is (large_)?string, int64"),
    ],
)
def test_a_column_of_another_type_is_refused_and_not_cast(tmp_path, table, column, values, message):
    dataset = make_dataset(tmp_path / "set")
    save_prepared(dataset)
    frame = getattr(dataset, table).assign(**{column: values})
    frame.to_parquet(tmp_path / "set" / f"{table}.parquet", index=False)
    with pytest.raises(DatasetError, match=message) as caught:
        load_prepared(tmp_path / "set")
    assert "\n" not in str(caught.value)


def test_missing_column_and_bytes_that_are_no_text_are_refused(tmp_path):
    dataset = make_dataset(tmp_path / "set")
    save_prepared(dataset)
    path = tmp_path / "set" / "images.parquet"
    whole = path.read_bytes()
    dataset.images.drop(columns="file").to_parquet(path, index=False)
    with pytest.raises(DatasetError, match="'file' is missing"):
        load_prepared(tmp_path / "set")
    path.write_bytes(whole.replace(b"x/b.jpg", b"x/\xff.jpg"))
    with pytest.raises(DatasetError, match=r"images\.parquet cannot be read") as caught:
        load_prepared(tmp_path / "set")
    assert "\n" not in str(caught.value)


def test_flipped_bits_of_a_table_are_one_line_or_harmless(tmp_path):
    dataset = make_dataset(tmp_path / "set")
    save_prepared(dataset)
    path = tmp_path / "set" / "images.parquet"
    whole = path.read_bytes()
    generator = np.random.default_rng(0)
    messages = []
    for _ in range(100):
        damaged = bytearray(whole)
        for position in generator.integers(0, len(whole), 3):
            damaged[position] ^= 1 << generator.integers(0, 8)
        path.write_bytes(damaged)
        try:
            load_prepared(tmp_path / "set")
        except DatasetError as error:
            messages.append(str(error))
    assert len(messages) > 30
    assert not [message for message in messages if "\n" in message]


def test_folder_that_is_no_data_set_names_the_command(tmp_path):
    with pytest.raises(DatasetError, match="stripsight data prepare SOURCE"):
        load_prepared(tmp_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"id": 7', '"id": Infinity'),
        ('"id": 7', '"id": 1e999'),
        ('"id": 7', '"id": NaN'),
        ('"id": 7', '"id": ' + "9" * 5000),
        ('"id": 7', '"number": 7'),
        ('"image_root": "images"', r'"image_root": "\u0000"'),
        ('"image_root": "images"', r'"image_root": "\ud800"'),
        ('"image_root": "images"', '"image_root": 5'),
        ('"image_root": "images"', '"images": "images"'),
        ('"reconciliation": {', '"reconciliation": ' + "[" * 100_000),
    ],
)
def test_manifest_of_odd_values_is_one_line(tmp_path, old, new):
    save_prepared(make_dataset(tmp_path / "set"))
    path = tmp_path / "set" / "dataset.json"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(DatasetError) as caught:
        load_prepared(tmp_path / "set")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("version", [2, True, 1.0, "1", None])
def test_other_schema_version_is_refused(tmp_path, version):
    save_prepared(make_dataset(tmp_path / "set"))
    manifest = json.loads((tmp_path / "set" / "dataset.json").read_bytes())
    manifest["schema_version"] = version
    (tmp_path / "set" / "dataset.json").write_text(json.dumps(manifest))
    with pytest.raises(DatasetError, match=f"schema version {json.dumps(version)}"):
        load_prepared(tmp_path / "set")
