"""Eight bits, too, for what is concatenated or pooled between convolutions: a scale a channel.

After SmoothQuant, NNCF leaves such values in fp32. In DenseNet that is most of what goes through
memory, and int8 is 6 % slower for it. Neither concatenation nor pooling mixes channels, so each may
have its own scale: as fast as one for all, and so near to fp32 that what SmoothQuant gained is
kept (EXPERIMENTS.md). Sums of activations (ResNet, EfficientNet) stay in fp32.
"""

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from stripsight.scoring.openvino_module import import_openvino, open_core

LEAST_SHARE = 0.25
"""Of the widest channel's range, at least: a channel may show more of a defect on the line than it
did in calibration."""

_STEPS = 255
_NOTHING = 1e-6
_POOLS = {"AvgPool", "MaxPool"}
_QUANTISED = {"Concat", "FakeQuantize", "MaxPool"}
"""Give what they are given."""

Floats = npt.NDArray[np.float32]


def quantise_joints(
    model: Any,
    source: Any,
    images: Iterable[npt.NDArray[np.uint8]],
    ignored: Collection[str],
) -> None:
    """Quantise all that goes into a concatenation or a pool and is not quantised yet, in place.

    Args:
        model: OpenVINO model that NNCF quantised.
        source: the same model in fp32. Ranges are measured on it: a quantised model may be
            rewritten, where it is compiled, to give other numbers at such places.
        images: uint8 `[N, 1, H, W]` to calibrate on.
        ignored: names of concatenations and pools that stay as they are.
    """
    places = {node.get_friendly_name(): node for node in source.get_ops()}
    joints = {
        (name, port): output
        for (name, port), output in _find_joints(model, ignored).items()
        if name in places  # NNCF's own nodes are in no joint today
    }
    if not joints:
        return
    values = [places[name].output(port) for name, port in joints]
    opset = import_openvino().opset13
    for output, (lowest, highest) in zip(
        joints.values(), _measure(source, values, images), strict=True
    ):
        low, high = (opset.constant(limit) for limit in choose_limits(lowest, highest))
        users = list(output.get_target_inputs())
        quantiser = opset.fake_quantize(output, low, high, low, high, _STEPS + 1)
        for user in users:
            user.replace_source_output(quantiser.output(0))
    model.validate_nodes_and_infer_types()


def choose_limits(lowest: Floats, highest: Floats) -> tuple[Floats, Floats]:
    """What each channel is quantised between, float32 `[1, C, 1, 1]`.

    Zero is always exactly a step, as padding and ReLU need.

    Args:
        lowest: of each channel `[C]`.
        highest: likewise.
    """
    low = np.minimum(lowest.astype(float), LEAST_SHARE * min(lowest.min(), 0))
    high = np.maximum(highest.astype(float), LEAST_SHARE * max(highest.max(), 0))
    high = np.where(high - low > _NOTHING, high, low + 1)
    step = (high - low) / _STEPS
    below = np.round(-low / step)
    low, high = (
        limit.astype(np.float32).reshape(1, -1, 1, 1)
        for limit in (-below * step, (_STEPS - below) * step)
    )
    return low, high


def _find_joints(model: Any, ignored: Collection[str]) -> dict[tuple[str, int], Any]:
    """fp32 outputs `[N, C, h, w]` that go into a concatenation or a pool, by node and port."""
    found = {}
    for node in model.get_ordered_ops():
        joins = node.get_type_name() == "Concat" or node.get_type_name() in _POOLS
        if joins and node.get_friendly_name() not in ignored:
            for port in node.inputs():
                output = port.get_source_output()
                giver = output.get_node()
                if len(output.get_partial_shape()) == 4 and giver.get_type_name() not in _QUANTISED:
                    found[giver.get_friendly_name(), output.get_index()] = output
    return found


def _measure(
    source: Any, values: list[Any], images: Iterable[npt.NDArray[np.uint8]]
) -> list[tuple[Floats, Floats]]:
    """Lowest and highest value of each channel over all images."""
    openvino = import_openvino()
    opset, over = openvino.opset13, np.array([0, 2, 3])
    extremes = [
        opset.result(reduce(value, over, keep_dims=False))
        for value in values
        for reduce in (opset.reduce_min, opset.reduce_max)
    ]
    watched = openvino.Model(extremes, source.get_parameters(), "extremes")
    compiled = open_core().compile_model(watched, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    lowest: list[Floats] = []
    highest: list[Floats] = []
    for batch in images:
        found = [np.array(extreme) for extreme in compiled(batch).values()]
        lowest = [np.minimum(a, b) for a, b in zip(found[0::2], lowest or found[0::2], strict=True)]
        highest = [
            np.maximum(a, b) for a, b in zip(found[1::2], highest or found[1::2], strict=True)
        ]
    return list(zip(lowest, highest, strict=True))
