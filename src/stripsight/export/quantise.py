"""int8 by static calibration: NNCF watches the network on training images and sets its scales.

Convolutions and matrix products compute in int8 with int32 sums; what lies between stays fp32, and
so does all that follows the last of them: the pooling of four small maps takes no time, but eight
bits would show in every logit. The images come from the training split, so that validation still
judges what it never saw.

Scales reach to the highest activation of any image. NNCF's own choice, the mean of each image's
highest, cuts off what only a few images have, and that is what a rare defect looks like.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stripsight.data.dataset import SeverstalFullImageDataset
from stripsight.errors import EngineError, ModelError
from stripsight.export.graph import save_graph, silence
from stripsight.export.joints import quantise_joints
from stripsight.scoring.openvino_module import open_core

SEED = 0
_SMOOTHING = 0.5
"""Of the ranges between weights and activations (SmoothQuant's alpha, its authors' choice). NNCF
smooths no convolution unless it is told to."""
_BIAS_IMAGES, _BATCHES = 2, 12  # a fifth of 2 + 12 items is 2
_SUMMING = {"Convolution", "GroupConvolution", "MatMul"}
_NO_OPERATIONS = {"Constant", "Parameter", "Result"}


@dataclass(frozen=True)
class Recipe:
    """A way to quantise.

    Attributes:
        name: in words, for the manifest.
        accurate_bias: correct the bias of each layer by what it gives once all layers before it are
            quantised, and not by itself: takes longer to make and as long to run.
        smooth: first even out channels of very different range (SmoothQuant, Xiao et al., 2023);
            what is added or multiplied stays in fp32, what is concatenated or pooled gets a scale
            for each channel (`joints.py`).
    """

    name: str
    accurate_bias: bool = False
    smooth: bool = False


RECIPES = (
    Recipe("asymmetric activations, symmetric weights a channel"),
    Recipe("the same with biases corrected layer after layer", accurate_bias=True),
    Recipe("SmoothQuant, sums of activations in fp32", smooth=True),
)
"""From the fastest to run and to make; the first that passes the gate is kept."""


@dataclass(frozen=True)
class Work:
    """What is to be quantised, and how.

    Attributes:
        source: the fp32 graph, .xml.
        path: to write, .xml; its .bin goes beside it.
        dataset: of the training split.
        rows: images of it to calibrate on.
        recipe: see `RECIPES`.
    """

    source: Path
    path: Path
    dataset: SeverstalFullImageDataset
    rows: list[int]
    recipe: Recipe


def choose_calibration_images(count: int, wanted: int) -> list[int]:
    """Rows of the training images to calibrate on: `wanted` at random by `SEED`, or all of them."""
    rows = np.random.default_rng(SEED).permutation(count)[:wanted]
    return sorted(int(row) for row in rows)


def import_nncf() -> Any:
    """NNCF, which talks while it is imported.

    Raises:
        EngineError: OpenVINO or NNCF is not installed.
    """
    open_core()  # first: it keeps NNCF from sending usage statistics, too
    try:
        with silence():
            import nncf.quantization.range_estimator
    except ImportError as error:
        raise EngineError("nncf is not installed: pip install 'stripsight[export]'") from error
    return nncf


def pack_for_bias(rows: list[int]) -> list[list[int]]:
    """Calibration images in items for `accurate_bias`: a few alone, then the others in batches.

    NNCF corrects biases by the first fifth of the items and keeps what the layers make of them in
    memory: of DenseNet121 some 5 GB for an image of 256x1600. Scales are set by all items.
    """
    alone, others = rows[:_BIAS_IMAGES], rows[_BIAS_IMAGES:]
    size = -(-len(others) // _BATCHES) or 1
    batches = [others[start : start + size] for start in range(0, len(others), size)]
    return [*([row] for row in alone), *batches]


def find_pooling(model: Any) -> list[str]:
    """Names of all that computes behind the last convolutions and matrix products of a graph."""
    before: set[str] = set()
    behind = []
    for node in reversed(model.get_ordered_ops()):
        name, kind = node.get_friendly_name(), node.get_type_name()
        users = [port.get_node() for out in node.outputs() for port in out.get_target_inputs()]
        if any(u.get_type_name() in _SUMMING or u.get_friendly_name() in before for u in users):
            before.add(name)
        elif kind not in _SUMMING and kind not in _NO_OPERATIONS:
            behind.append(name)
    return behind[::-1]


def quantise(work: Work, report_image: Callable[[], None] = lambda: None) -> None:
    """Write the int8 graph.

    Raises:
        EngineError: OpenVINO or NNCF is not installed.
        ModelError: NNCF cannot quantise the network.
        ImageError: an image cannot be decoded.
        OSError: it cannot be written.
    """
    core = open_core()
    nncf = import_nncf()
    highest = nncf.quantization.range_estimator.RangeEstimatorParametersSet.MINMAX
    recipe, rows = work.recipe, work.rows
    items = pack_for_bias(rows) if recipe.accurate_bias else [[row] for row in rows]

    def read(item: list[int]) -> npt.NDArray[np.uint8]:
        images = []
        for row in item:
            images.append(work.dataset[row]["image"].numpy())
            report_image()
        return np.stack(images)

    model = core.read_model(work.source)
    pooling = find_pooling(model)
    try:
        # It draws its own progress on stdout, and has torch look for a GPU's compiler.
        with silence("nncf", "torch.utils.cpp_extension"):
            quantised = nncf.quantize(
                model,
                nncf.Dataset(items, read),
                preset=nncf.QuantizationPreset.MIXED,
                target_device=nncf.TargetDevice.CPU,
                subset_size=len(items),
                fast_bias_correction=not recipe.accurate_bias,
                model_type=nncf.ModelType.TRANSFORMER if recipe.smooth else None,
                ignored_scope=nncf.IgnoredScope(names=pooling),
                advanced_parameters=nncf.AdvancedQuantizationParameters(
                    activations_range_estimator_params=highest,
                    batchwise_statistics=recipe.accurate_bias or None,
                    smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(
                        convolution=_SMOOTHING, matmul=_SMOOTHING
                    ),
                ),
            )
    except (RuntimeError, nncf.ValidationError, nncf.InternalError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"NNCF cannot quantise the network: {reason}") from error
    if recipe.smooth:
        quantise_joints(quantised, model, map(read, items), pooling)
    save_graph(quantised, work.path)
