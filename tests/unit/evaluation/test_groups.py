"""Groups as the data set has them, in the order that is asked for."""

from pathlib import Path

import pandas as pd
import pytest

from stripsight.data.prepared import ANNOTATION_COLUMNS, PreparedDataset
from stripsight.errors import EvaluationError
from stripsight.evaluation.groups import find_groups
from stripsight.labels import ClassList

DATASET = PreparedDataset(
    root=Path("set"),
    name="set",
    source_format="kaggle",
    classes=ClassList.from_names(["bar"]),
    image_root=Path("images"),
    images=pd.DataFrame({"id": ["a", "b", "c"], "duplicate_group": [4, 7, 4]}),
    annotations=pd.DataFrame(columns=list(ANNOTATION_COLUMNS)),
)


def test_look_alikes_share_a_number() -> None:
    groups = find_groups(DATASET, ["c", "b", "a"])
    assert groups.tolist() == [4, 7, 4]
    assert groups.dtype == "int64"
    assert find_groups(DATASET, []).shape == (0,)


def test_an_image_that_is_not_there_is_refused() -> None:
    with pytest.raises(EvaluationError, match="holds no image 'z'"):
        find_groups(DATASET, ["a", "z"])
