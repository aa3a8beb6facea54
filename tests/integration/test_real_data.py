"""The whole way on real strips: trained at full size, judged on their own labels."""

import json
from pathlib import Path

import pandas as pd
import pytest

from stripsight.cli.app import run_command
from stripsight.data.prepared import load_prepared

pytestmark = pytest.mark.real_data


def test_real_strips_train_and_are_judged_at_full_size(
    real_prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    words = ["model.backbone=test_resnet", "model.pretrained=false", "training.num_epochs=1",
             "training.batch_size=4", "data.limit=12", "data.num_workers=1"]  # fmt: skip
    assert run_command(["train", f"data.root={real_prepared}", *words, "--run", str(run)]) == 0
    # After one epoch on a dozen strips a class may well never be found.
    assert run_command(["evaluate", str(run), "--allow-collapse"]) == 0
    assert "macro" in capsys.readouterr().out
    dataset = load_prepared(real_prepared)
    predictions = pd.read_parquet(run / "predictions_test.parquet").set_index("id")
    carried = set(
        zip(dataset.annotations["image_id"], dataset.annotations["class_id"], strict=True)
    )
    for defect in dataset.classes:
        for image_id, label in predictions[f"label_{defect.name}"].items():
            assert bool(label) == ((image_id, defect.id) in carried)
    assert json.loads((run / "metrics.json").read_text())["images"] == len(predictions) <= 12
