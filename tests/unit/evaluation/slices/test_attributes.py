"""What `build_attributes` says of images whose every pixel is known."""

import hashlib
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import ndimage

from stripsight.data.prepared import (
    ANNOTATION_COLUMNS,
    IMAGE_COLUMNS,
    PreparedDataset,
    load_prepared,
    save_prepared,
)
from stripsight.data.rle import decode_mask, encode_box, encode_mask
from stripsight.data.statistics.scan import scan_dataset
from stripsight.errors import EvaluationError
from stripsight.evaluation.slices.attributes import ATTRIBUTES, build_attributes
from stripsight.evaluation.slices.slice import compute_slices
from stripsight.labels import ClassList

HEIGHT, WIDTH = 32, 96

Marks = dict[int, np.ndarray | str]


def draw(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    """bool `[H, W]` with boxes (top, left, height, width)."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    for top, left, height, width in boxes:
        mask[top : top + height, left : left + width] = True
    return mask


def write_dataset(
    root: Path, marks: list[Marks], *, border: dict[int, int] | None = None, groups: object = None
) -> PreparedDataset:
    """One image of even grey a row, of level 50 + 10 times its number."""
    folder = root / "images"
    folder.mkdir(parents=True)
    images, annotations = [], []
    for number, drawn in enumerate(marks):
        pixels = np.full((HEIGHT, WIDTH), 50 + 10 * number, np.uint8)
        pixels[:, : (border or {}).get(number, 0)] = 0
        name = f"{number}.png"
        Image.fromarray(pixels).save(folder / name)
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        group = number if groups is None else groups[number]  # type: ignore[index]
        images.append((name, name, HEIGHT, WIDTH, digest, True, group))
        for class_id, mark in drawn.items():
            if isinstance(mark, np.ndarray):
                row = ("mask", encode_mask(mark), int(mark.sum()))
            elif mark == "box":
                row = ("box", encode_box(4, 4, 12, 14, HEIGHT), 80)
            else:
                row = ("presence", None, None)
            annotations.append((name, class_id, *row))
    dataset = PreparedDataset(
        root=root,
        name="even",
        source_format="test",
        classes=ClassList.from_names(("pit", "stain")),
        image_root=folder,
        images=pd.DataFrame(images, columns=list(IMAGE_COLUMNS)).astype(IMAGE_COLUMNS),
        annotations=pd.DataFrame(annotations, columns=list(ANNOTATION_COLUMNS)).astype(
            ANNOTATION_COLUMNS
        ),
    )
    save_prepared(dataset)
    return load_prepared(root)


def test_every_attribute_by_hand(tmp_path: Path) -> None:
    dataset = write_dataset(
        tmp_path / "set",
        [
            {},
            {1: draw((2, 2, 3, 4), (20, 50, 5, 6))},
            {1: draw((2, 2, 2, 2)), 2: draw((2, 2, 4, 10))},
            {2: "box"},
            {1: draw((2, 2, 3, 4)), 2: "presence"},
        ],
        border={2: 24},
        groups=[0, 1, 1, 2, 1],
    )
    ids = ["2.png", "0.png", "1.png", "3.png", "4.png"]
    table = build_attributes(dataset, ids, workers=1)
    assert list(table.index) == ids
    assert list(table.columns) == [a.column for a in ATTRIBUTES]
    assert set(table.dtypes.astype(str)) == {"float64"}
    unknown = float("nan")
    expected = {
        "smallest_defect": [4, unknown, 12, 80, unknown],
        "defect_area": [44, unknown, 42, 80, unknown],
        "defects": [2, unknown, 2, 1, unknown],
        "brightness": [70, 50, 60, 80, 90],
        "contrast": [0, 0, 0, 0, 0],
        "border": [24, 0, 0, 0, 0],
        "checker": [0, 0, 0, 0, 0],
        "group_size": [3, 1, 3, 1, 3],
    }
    for column, values in expected.items():
        np.testing.assert_allclose(table[column], values, err_msg=column)


def test_defects_are_scipys_components(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    masks = [rng.random((HEIGHT, WIDTH)) < share for share in (0.02, 0.1, 0.3)]
    dataset = write_dataset(tmp_path / "set", [{1: mask} for mask in masks])
    table = build_attributes(dataset, ["0.png", "1.png", "2.png"], workers=1)
    for mask, (_, row) in zip(masks, table.iterrows(), strict=True):
        labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
        areas = np.bincount(labels.ravel())[1:]
        assert row["defects"] == count
        assert row["smallest_defect"] == areas.min()
        assert row["defect_area"] == mask.sum()


def test_measuring_writes_nothing_and_equals_what_is_stored(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "set", [{}, {1: draw((2, 2, 3, 4))}, {}], border={1: 9})
    before = sorted(path.name for path in dataset.root.rglob("*"))
    calls: list[tuple[int, int]] = []
    ids = ["0.png", "2.png"]
    measured = build_attributes(
        dataset, ids, workers=1, report_progress=lambda done, total: calls.append((done, total))
    )
    assert sorted(path.name for path in dataset.root.rglob("*")) == before
    assert calls == [(1, 2), (2, 2)]
    scan_dataset(dataset, fingerprints=False, workers=1)
    calls.clear()
    stored = build_attributes(
        dataset, ids, workers=1, report_progress=lambda done, total: calls.append((done, total))
    )
    assert not calls
    pd.testing.assert_frame_equal(measured, stored, rtol=1e-6)


def test_only_what_is_missing_is_measured(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "set", [{}, {}, {}])
    whole = build_attributes(dataset, ["0.png", "1.png", "2.png"], workers=1)
    first = replace(dataset, images=dataset.images.iloc[:1].reset_index(drop=True))
    scan_dataset(first, fingerprints=False, workers=1)
    calls: list[tuple[int, int]] = []
    table = build_attributes(
        dataset,
        ["0.png", "1.png", "2.png"],
        workers=1,
        report_progress=lambda done, total: calls.append((done, total)),
    )
    assert calls[-1] == (2, 2)
    pd.testing.assert_frame_equal(table, whole, rtol=1e-6)


def test_an_image_that_cannot_be_read_has_no_light_and_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = write_dataset(tmp_path / "set", [{}, {1: draw((2, 2, 3, 4))}])
    (dataset.image_root / "1.png").write_bytes(b"no image")
    monkeypatch.setattr(logging.getLogger("stripsight"), "propagate", True)
    table = build_attributes(dataset, ["0.png", "1.png"], workers=1)
    assert np.isnan(table.loc["1.png", ["brightness", "contrast", "border", "checker"]]).all()
    assert table.loc["1.png", "defects"] == 1
    assert table.loc["0.png", "brightness"] == 50
    assert "1 image could not be measured" in caplog.text
    assert "1.png" in caplog.text


def test_a_damaged_or_empty_mask_leaves_the_defects_unknown(tmp_path: Path) -> None:
    dataset = write_dataset(
        tmp_path / "set",
        [{1: draw((2, 2, 3, 4))}, {1: draw((2, 2, 3, 4))}, {1: draw((0, 0, 1, 1))}],
    )
    annotations = dataset.annotations.copy()
    annotations.loc[0, "rle"] = "1 999999"
    annotations.loc[1, "rle"] = ""
    damaged = replace(dataset, annotations=annotations)
    table = build_attributes(damaged, ["0.png", "1.png", "2.png"], workers=1)
    assert table["defects"].isna().tolist() == [True, True, False]


@pytest.mark.parametrize("ids", [["0.png"], []])
def test_one_image_or_none_has_attributes_and_no_slices(tmp_path: Path, ids: list[str]) -> None:
    dataset = write_dataset(tmp_path / "set", [{}])
    table = build_attributes(dataset, ids, workers=1)
    assert table.shape == (len(ids), len(ATTRIBUTES))
    empty = np.zeros((len(ids), 2))
    assert (
        compute_slices(
            table, empty.astype(np.int8), empty, empty.astype(np.uint8), np.arange(len(ids))
        )
        == ()
    )


@pytest.mark.parametrize(
    ("ids", "message"),
    [(["0.png", "9.png"], "'9.png' is not in"), (["0.png", "0.png"], "given twice")],
)
def test_other_images_are_refused(tmp_path: Path, ids: list[str], message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        build_attributes(write_dataset(tmp_path / "set", [{}]), ids, workers=1)


@pytest.mark.real_data
def test_real_strips_have_borders_plates_and_defects(real_prepared: Path) -> None:
    dataset = load_prepared(real_prepared)
    labelled = dataset.labelled_images
    ids = labelled["id"].tolist()
    table = build_attributes(dataset, ids)
    assert (
        table[["brightness", "contrast", "border", "checker", "group_size"]]
        .notna()
        .to_numpy()
        .all()
    )
    one = next(
        row
        for row in dataset.annotations.itertuples()
        if row.image_id in ids and row.kind == "mask"
    )
    own = dataset.annotations[dataset.annotations["image_id"] == one.image_id]
    size = labelled.set_index("id").loc[one.image_id, ["height", "width"]].tolist()
    area = sum(int(decode_mask(str(rle), *size).sum()) for rle in own["rle"])
    assert table.loc[one.image_id, "defect_area"] == area
