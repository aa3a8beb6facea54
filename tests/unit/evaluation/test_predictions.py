"""Stored predictions come back as they were written, or not at all."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from stripsight.errors import EvaluationError
from stripsight.evaluation.predictions import (
    _METADATA_KEY,
    Predictions,
    load_predictions,
    save_predictions,
)


@pytest.fixture
def written() -> Predictions:
    rng = np.random.default_rng(3)
    return Predictions(
        ids=[f"{number:03d}.png" for number in range(20)],
        class_names=("pits", "scale"),
        labels=rng.integers(0, 2, (20, 2)).astype(np.uint8),
        logits=rng.normal(size=(20, 2)).astype(np.float32),
        source={"part": "test", "data_set": "d" * 64, "checkpoint": "c" * 64},
    )


def test_a_flipped_bit_is_never_another_prediction(tmp_path: Path, written: Predictions) -> None:
    path = tmp_path / "p.parquet"
    save_predictions(written, path)
    whole = path.read_bytes()
    for bit in range(0, 8 * len(whole), 97):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            read = load_predictions(path)
        except EvaluationError:
            continue
        assert (read.ids, read.class_names, read.source) == (
            written.ids,
            written.class_names,
            written.source,
        )
        assert (read.labels == written.labels).all()
        assert (read.logits == written.logits).all()


def test_predictions_of_before_the_seal_are_read(tmp_path: Path, written: Predictions) -> None:
    path = tmp_path / "p.parquet"
    save_predictions(written, path)
    table = pq.read_table(path)
    plain = {_METADATA_KEY: table.schema.metadata[_METADATA_KEY]}
    pq.write_table(table.replace_schema_metadata(plain), path)
    assert (load_predictions(path).logits == written.logits).all()
