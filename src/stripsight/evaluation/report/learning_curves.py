"""How a run was learnt, as curves from its `metrics.csv`."""

from pathlib import Path

import numpy as np
import pandas as pd

from stripsight.evaluation.operating_curves import FloatArray
from stripsight.evaluation.report.figures import FAULT
from stripsight.reporting.canvas import Plot
from stripsight.reporting.colors import STEEL
from stripsight.reporting.curves import Curve, draw_curves
from stripsight.reporting.frame import Axis


def draw_training(metrics: Path) -> tuple[Plot, Plot] | None:
    """Losses and validation AP by epoch from `metrics.csv`; None where there is nothing to draw."""
    try:
        log = pd.read_csv(metrics)
        epochs = log["epoch"].to_numpy(dtype=np.float64)
        losses = {
            "training": log["train/loss"].to_numpy(dtype=np.float64),
            "validation": log["val/loss"].to_numpy(dtype=np.float64),
        }
        precision = log["val/macro_ap"].to_numpy(dtype=np.float64)
    except (OSError, ValueError, LookupError):
        return None
    if len(epochs) < 2 or np.isnan(precision).all() or any(map(_is_unknown, losses.values())):
        return None
    across = Axis("epoch", (float(epochs[0]), float(epochs[-1])), ticks=_list_epochs(epochs))
    best = int(np.nanargmax(precision))
    return (
        draw_curves(
            [
                Curve(name, epochs, values, color)
                for (name, values), color in zip(losses.items(), (STEEL, FAULT), strict=True)
            ],
            across,
            Axis("loss", (0.0, max(float(np.nanmax(v)) for v in losses.values()) * 1.05)),
        ),
        draw_curves(
            [
                Curve(
                    "validation",
                    epochs,
                    precision,
                    STEEL,
                    value=f"best {precision[best]:.3f}",
                    point=(float(epochs[best]), float(precision[best])),
                )
            ],
            across,
            Axis("macro average precision", (0.0, 1.0)),
            point="the epoch that was kept",
        ),
    )


def _is_unknown(values: FloatArray) -> bool:
    return bool(np.isnan(values).all())


def _list_epochs(epochs: FloatArray) -> tuple[tuple[float, str], ...]:
    """At most five of them, whole numbers, the first and last included."""
    chosen = np.unique(np.linspace(epochs[0], epochs[-1], min(5, len(epochs))).round())
    return tuple((float(epoch), f"{epoch:.0f}") for epoch in chosen)
