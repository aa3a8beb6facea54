"""Grad-CAM: a second opinion on where the network looked, for any backbone.

The class maps say where the head found a class; Grad-CAM asks the gradient of the image's logit
which channels of an earlier layer mattered, and shows where those were active (Selvaraju et al.,
Grad-CAM, ICCV 2017). Where the two disagree, the heatmap should not be believed.

At the very features that the head reads, with average pooling, the two are one but for the bias; so
the default is the stage before.
"""

from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from stripsight.decision.places import upsample_map
from stripsight.errors import ModelError
from stripsight.models.network import DefectNetwork

CamMaps = npt.NDArray[np.float32]
"""`[B, C, h, w]`, 0 or more; each class of each image on a scale of its own."""


def compute_gradcam(network: DefectNetwork, images: Tensor, *, layer: str | None = None) -> CamMaps:
    """Grad-CAM of every class on every image of a batch.

    `relu(sum_k w_k A_k)`, with A_k channel k of the layer and w_k the mean over places of the
    logit's gradient by it. The network is put into evaluation mode, where no image of a batch has a
    part in another's logits; so one backward pass a class serves the whole batch.

    Args:
        network: its mode, and its weights' gradients, are left as they were.
        images: uint8 `[B, 1 or 3, H, W]`, where the network lies.
        layer: of the backbone, by its module's name; None: the last but one stage that timm names,
            or the last layer of a backbone that names none.

    Raises:
        ModelError: the backbone has no such layer, or the layer gives no feature map.
    """
    module, channels = _find_layer(network, layer)
    kept: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        if not isinstance(output, Tensor):
            return output
        kept.append(output if output.requires_grad else output.requires_grad_())
        return output.clone()  # what follows may work in place

    hook = module.register_forward_hook(keep)
    was_training = network.training
    network.eval()
    try:
        with torch.inference_mode(False), torch.enable_grad():
            logits = network(images).logits
            features = _check_features(kept, logits, layer)
            gradients = [
                torch.autograd.grad(logits[:, column].sum(), features, retain_graph=True)[0]
                for column in range(network.num_classes)
            ]
    finally:
        hook.remove()
        network.train(was_training)
    features = _channels_first(features.detach().float(), channels, network)
    maps = []
    for gradient in gradients:
        weights = _channels_first(gradient.float(), channels, network).mean(dim=(2, 3))
        maps.append(torch.einsum("bk,bkhw->bhw", weights, features).relu())
    return cast(CamMaps, torch.stack(maps, dim=1).cpu().numpy())


def compute_agreement(class_map: npt.NDArray[np.floating], cam: npt.NDArray[np.floating]) -> float:
    """Rank correlation of a class map `[h, w]` and a Grad-CAM of any size: -1 to 1 (Spearman).

    The coarser is upsampled to the finer's places. 0 where one of them is the same everywhere.
    """
    size = (max(class_map.shape[0], cam.shape[0]), max(class_map.shape[1], cam.shape[1]))
    first, second = (_rank(upsample_map(values, size)) for values in (class_map, cam))
    spread = first.std() * second.std()
    if spread == 0:
        return 0.0
    return float(((first - first.mean()) * (second - second.mean())).mean() / spread)


def _find_layer(network: DefectNetwork, layer: str | None) -> tuple[nn.Module, int | None]:
    """The module to listen to, and its channels where timm tells."""
    backbone = network.backbone
    stages: list[dict[str, Any]] = list(cast(Any, getattr(backbone, "feature_info", None)) or [])
    channels = {stage["module"]: int(stage["num_chs"]) for stage in stages}
    if layer is None:
        if len(stages) < 2:
            return backbone, None
        layer = str(stages[-2]["module"])
    modules = dict(backbone.named_modules())
    if layer not in modules or not layer:
        known = ", ".join(channels) or "see named_modules()"
        raise ModelError(f"the backbone has no layer {layer!r}; stages: {known}")
    return modules[layer], channels.get(layer)


def _check_features(kept: list[Tensor], logits: Tensor, layer: str | None) -> Tensor:
    features = kept[-1] if kept else None
    if features is None or features.dim() != 4 or len(features) != len(logits):
        raise ModelError(
            f"layer {layer or 'the last stage but one'!r} gives no feature map: name another"
        )
    return features


def _channels_first(values: Tensor, channels: int | None, network: DefectNetwork) -> Tensor:
    is_last = network.features_last
    if channels is not None and (values.shape[1] == channels) != (values.shape[3] == channels):
        is_last = values.shape[3] == channels
    return values.permute(0, 3, 1, 2) if is_last else values


def _rank(values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Mean rank of each value, `[n]`."""
    _, inverse, counts = np.unique(values.ravel(), return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    return np.asarray(mean_rank[inverse], np.float64)
