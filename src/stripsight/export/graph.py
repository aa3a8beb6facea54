"""The networks of one or more runs as one graph: ONNX for everybody, OpenVINO's form for CPUs.

    images uint8 [N, 1, H, W]  ->  logits float32 [N, C], class_maps float32 [N, C, h, w]

H and W are fixed, N is free. Normalisation is inside. Of an ensemble the graph gives the mean of
the members' logits and of their class maps; smaller maps are first resized to the largest
(bilinear, as heatmaps are), so members of different strides may stand together.
"""

import contextlib
import errno
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stripsight.errors import ModelError
from stripsight.models.network import DefectNetwork
from stripsight.scoring.openvino_module import import_openvino

OPSET = 18
"""What torch.onnx writes natively; ONNX Runtime reads it since 1.14."""

_LARGEST_ONNX = 2**31


def prepare_network(network: DefectNetwork) -> DefectNetwork:
    """The network on the CPU, in fp32, evaluation mode and the memory layout to export."""
    plain = network.cpu().float().eval().to(memory_format=torch.contiguous_format)
    return plain.requires_grad_(False)


class ExportedNetwork(nn.Module):
    """The members of an ensemble, or one network alone, as plain tensors in and out.

    Args:
        members: at least one, of the same classes, prepared.
    """

    def __init__(self, members: Sequence[DefectNetwork]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits `[N, C]` and class maps `[N, C, h, w]` of uint8 `[N, 1, H, W]`."""
        predictions = [cast(DefectNetwork, member)(images) for member in self.members]
        if len(predictions) == 1:
            return predictions[0].logits, predictions[0].class_maps
        height, width = (max(p.class_maps.shape[side] for p in predictions) for side in (2, 3))
        maps = [_resize(p.class_maps, height, width) for p in predictions]
        logits = torch.stack([p.logits for p in predictions])
        return logits.mean(dim=0), torch.stack(maps).mean(dim=0)


def write_onnx(network: ExportedNetwork, path: Path, size: tuple[int, int]) -> None:
    """Write the graph for images of `size` (height, width), in one file.

    Raises:
        ModelError: torch cannot write it as ONNX, or one file cannot hold it.
    """
    images = torch.zeros((2, 1, *size), dtype=torch.uint8)
    try:
        with silence("torch.onnx"):
            program = torch.onnx.export(
                network,
                (images,),
                dynamo=True,
                input_names=["images"],
                output_names=["logits", "class_maps"],
                dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
                opset_version=OPSET,
                external_data=False,
                verbose=False,
            )
        model = program.model_proto if program is not None else None
    except Exception as error:  # torch raises whatever its parts raise
        raise ModelError(
            f"the network cannot be written as ONNX (opset {OPSET}): {_shorten(error)}"
        ) from error
    if model is None or model.ByteSize() >= _LARGEST_ONNX:
        raise ModelError("the network does not fit into one ONNX file of 2 GB")
    path.write_bytes(model.SerializeToString())


def convert_to_openvino(onnx: Path, path: Path) -> None:
    """Write `path` (.xml) and the .bin beside it, weights in fp32, from an ONNX file.

    Raises:
        EngineError: no OpenVINO.
        ModelError: OpenVINO cannot read the graph.
        OSError: it cannot be written.
    """
    openvino = import_openvino()
    try:
        # Not read_model: this fuses what belongs together (x sigmoid(x) to Swish), which int8 needs
        # to find where to quantise; EfficientNet-B0 in int8 takes two thirds of the time.
        model = openvino.convert_model(onnx)
    except RuntimeError as error:
        raise ModelError(f"OpenVINO cannot convert the network: {_shorten(error)}") from error
    save_graph(model, path)


def save_graph(model: Any, path: Path) -> None:
    """Write an OpenVINO model, weights as they are.

    Raises:
        OSError: it cannot be written.
    """
    try:
        import_openvino().save_model(model, path, compress_to_fp16=False)
    except RuntimeError as error:
        reason = f"cannot be written, is the disk full? ({_shorten(error)})"
        raise OSError(errno.EIO, reason, str(path)) from error


def _resize(maps: Tensor, height: int, width: int) -> Tensor:
    if maps.shape[2] == height and maps.shape[3] == width:
        return maps
    return F.interpolate(maps, (height, width), mode="bilinear", align_corners=False)


@contextlib.contextmanager
def silence(*libraries: str) -> Iterator[None]:
    """Without the warnings, the log and the progress bars of `libraries` while the block runs."""
    loggers = [logging.getLogger(name) for name in libraries]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _shorten(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else text[:297] + "..."
