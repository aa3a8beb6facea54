"""PyTorch as one would write it first: what the speed of a bundle is measured against.

Eager, fp32, NCHW, three equal channels, no compilation. A bundle holds no weights for PyTorch, so
the networks are built anew with random ones: the time does not depend on their values.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from stripsight.models.network import build_network
from stripsight.scoring.bench.contender import Contender, Opponent, make_sequential
from stripsight.scoring.engine import UInt8Images

NAME = "pytorch eager fp32"


def oppose_eager(backbones: Sequence[str], num_classes: int, threads: int) -> Opponent:
    """The networks of a bundle, one after the other, in PyTorch.

    Args:
        backbones: timm names, one for each network of the bundle.
        num_classes: C.
        threads: of PyTorch, in the whole process.

    Raises:
        ModelError: an unknown backbone.
    """
    networks = [build_network(name, num_classes, pretrained=False).eval() for name in backbones]
    torch.set_num_threads(threads)

    def prepare(images: UInt8Images) -> Tensor:
        return torch.from_numpy(np.repeat(images, 3, axis=1))

    @torch.inference_mode()
    def predict(images: Tensor) -> object:
        return [network(images) for network in networks]

    contender: Contender = make_sequential(NAME, prepare, predict)
    return Opponent(NAME, lambda batch: contender)
