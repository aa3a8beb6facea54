import logging

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from stripsight.data.statistics.measurement import ImageStatistics
from stripsight.data.statistics.table import (
    STATISTICS_COLUMNS,
    load_statistics,
    make_statistics_table,
    save_statistics,
)

GIVEN = ImageStatistics(99.5, 20.25, 0.125, 0.5, 37, 0, 700.5, 90, 0.75)
WITHOUT_QUALITY = ImageStatistics(1, 2, 0, 1, 0, 3, 4, None, 0)


@pytest.fixture
def dataset(make_prepared):
    return make_prepared([{}, {1: "box"}, None])


def table_of(dataset, statistics):
    pairs = zip(dataset.images["id"], dataset.images["sha256"], strict=True)
    return make_statistics_table(
        (i, s, given) for (i, s), given in zip(pairs, statistics, strict=True)
    )


def test_what_was_saved_comes_back(dataset):
    table = table_of(dataset, [GIVEN, WITHOUT_QUALITY, GIVEN])
    assert table.dtypes.astype(str).to_dict() == STATISTICS_COLUMNS
    assert table.loc[0, "border_left"] == 37
    assert table.loc[1, "jpeg_quality"] is pd.NA
    save_statistics(dataset, table)
    pd.testing.assert_frame_equal(load_statistics(dataset), table)


def test_rows_follow_the_data_set_and_others_are_left_out(dataset):
    table = table_of(dataset, [GIVEN, WITHOUT_QUALITY, GIVEN]).iloc[::-1]
    table.loc[1, "sha256"] = "0" * 64
    strange = table.iloc[:1].assign(id="strange.jpg")
    save_statistics(dataset, pd.concat([strange, table]))
    assert list(load_statistics(dataset)["id"]) == ["000.jpg", "002.jpg"]


def test_nothing_measured_is_none(dataset):
    assert load_statistics(dataset) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: data[:50] + bytes(20) + data[70:],
    ],
    ids=["cut off", "empty", "zeroed"],
)
def test_a_damaged_table_is_left_aside_with_one_line(dataset, damage, caplog):
    save_statistics(dataset, table_of(dataset, [GIVEN] * 3))
    path = dataset.root / "statistics.parquet"
    path.write_bytes(damage(path.read_bytes()))
    with caplog.at_level(logging.WARNING):
        assert load_statistics(dataset) is None
    assert "left aside" in caplog.text
    assert len(caplog.records) == 1


def test_a_table_with_an_image_twice_is_left_aside(dataset, caplog):
    table = table_of(dataset, [GIVEN] * 3)
    save_statistics(dataset, pd.concat([table, table]))
    assert load_statistics(dataset) is None
    assert "twice" in caplog.text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("brightness", 255.5),
        ("brightness", -1.0),
        ("contrast", 128.0),
        ("saturated", 1.25),
        ("dark", -0.5),
        ("border_left", -3),
        ("border_right", 41),
        ("sharpness", np.inf),
        ("jpeg_quality", 0),
        ("checker", 7.0),
    ],
)
def test_a_number_that_no_image_can_have_is_left_aside_with_one_line(dataset, name, value, caplog):
    table = table_of(dataset, [GIVEN, WITHOUT_QUALITY, GIVEN])
    table.loc[2, name] = value
    save_statistics(dataset, table)
    assert load_statistics(dataset) is None
    (record,) = caplog.records
    assert "002.jpg" in record.message
    assert "left aside" in record.message


def test_a_table_of_another_version_is_measured_again(dataset):
    save_statistics(dataset, table_of(dataset, [GIVEN] * 3))
    path = dataset.root / "statistics.parquet"
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({b"stripsight.statistics": b"0"}), path)
    assert load_statistics(dataset) is None


def test_a_full_disk_leaves_the_old_table(dataset, monkeypatch):
    old = table_of(dataset, [GIVEN] * 3)
    save_statistics(dataset, old)

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        save_statistics(dataset, table_of(dataset, [WITHOUT_QUALITY] * 3))
    pd.testing.assert_frame_equal(load_statistics(dataset), old)
    assert not list(dataset.root.glob(".*"))


def test_float_columns_keep_single_precision(dataset):
    table = table_of(dataset, [GIVEN] * 3)
    assert table["checker"].dtype == np.float32
