"""int8 by static calibration: NNCF watches the network on training images and sets its scales.

Convolutions and matrix products compute in int8 with int32 sums; what lies between stays fp32. The
images come from the training split, so that validation still judges what it never saw.
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stripsight.data.dataset import SeverstalFullImageDataset
from stripsight.errors import EngineError, ModelError
from stripsight.export.graph import save_graph
from stripsight.scoring.openvino_module import import_openvino

SEED = 0
CALIBRATION_IMAGES = 128
"""Scales of activations hardly move beyond some hundred images; each costs one pass."""


@dataclass(frozen=True)
class Recipe:
    """A way to quantise.

    Attributes:
        name: in words, for the manifest.
        keep_ends: leave the first and the last convolution in fp32.
    """

    name: str
    keep_ends: bool


RECIPES = (
    Recipe("asymmetric activations, symmetric weights a channel", keep_ends=False),
    Recipe("the same with the first and the last convolution in fp32", keep_ends=True),
)
"""From the fastest to the most careful; the first that passes the gate is kept."""


def choose_calibration_images(count: int, wanted: int) -> list[int]:
    """Rows of the training images to calibrate on: `wanted` at random by `SEED`, or all of them."""
    rows = np.random.default_rng(SEED).permutation(count)[:wanted]
    return sorted(int(row) for row in rows)


def quantise(
    source: Path,
    path: Path,
    dataset: SeverstalFullImageDataset,
    rows: list[int],
    recipe: Recipe,
    report_image: Callable[[], None] = lambda: None,
) -> None:
    """Write `path` (.xml) and its .bin from the fp32 graph `source`.

    Raises:
        EngineError: OpenVINO or NNCF is not installed.
        ModelError: NNCF cannot quantise the network.
        ImageError: an image cannot be decoded.
        OSError: it cannot be written.
    """
    openvino = import_openvino()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import nncf
    except ImportError as error:
        raise EngineError("nncf is not installed: pip install 'stripsight[export]'") from error

    def read(row: int) -> npt.NDArray[np.uint8]:
        report_image()
        return np.asarray(dataset[row]["image"].numpy()[None])

    model = openvino.Core().read_model(source)
    ignored = nncf.IgnoredScope(names=_find_ends(model)) if recipe.keep_ends else None
    nncf.set_log_level(logging.ERROR)
    try:
        # NNCF draws its own progress on stdout.
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            quantised = nncf.quantize(
                model,
                nncf.Dataset(rows, read),
                preset=nncf.QuantizationPreset.MIXED,
                target_device=nncf.TargetDevice.CPU,
                subset_size=len(rows),
                ignored_scope=ignored,
            )
    except (RuntimeError, nncf.ValidationError, nncf.InternalError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"NNCF cannot quantise the network: {reason}") from error
    save_graph(quantised, path)


def _find_ends(model: Any) -> list[str]:
    """Names of the first and the last convolution, in the order of computation."""
    names = [
        node.get_friendly_name()
        for node in model.get_ordered_ops()
        if node.get_type_name() == "Convolution"
    ]
    return [names[0], names[-1]] if names else []
