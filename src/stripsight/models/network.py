"""The network: a timm backbone, one logit map per class, and a pooling to image logits.

Images enter as uint8; normalisation and the expansion from grey to three channels happen inside
`forward`, so they travel with every checkpoint and exported graph. Because the linear head stands
before the pooling, each prediction carries its heatmaps; with average pooling the image logits are
exactly those of the usual pool-then-linear head (both are linear, so their order does not matter).

Shapes: B images, C classes, H x W pixels, h x w places of the feature map (mostly H/32 x W/32).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, cast, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stripsight.errors import ModelError
from stripsight.models.backbone import create_backbone, probe_features

Pooling = Literal["average", "max", "lse"]

LSE_SHARPNESS = 5.0
"""r of log-sum-exp pooling: 0 is the average, infinity the maximum."""

_LOWEST_PREVALENCE = 1e-4


class DefectPrediction(NamedTuple):
    """What the network says of a batch.

    Attributes:
        logits: float32 `[B, C]`, one for each image and class.
        class_maps: float32 `[B, C, h, w]`, logits per place.
    """

    logits: Tensor
    class_maps: Tensor


class DefectNetwork(nn.Module):
    """Backbone, 1x1 convolution to class maps, pooling. Make it with `build_network`.

    Args:
        backbone: float `[B, 3, H, W]` to features `[B, F, h, w]`, or `[B, h, w, F]`.
        num_features: F.
        num_classes: C.
        mean: of each channel on the scale 0..1.
        std: likewise.
        pooling: how class maps become image logits.
        dropout: rate at which whole feature channels are dropped before the head.
        features_last: whether the backbone's channels come last.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: nn.Module,
        num_features: int,
        num_classes: int,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        pooling: Pooling = "average",
        dropout: float = 0.0,
        features_last: bool = False,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.pooling: Pooling = pooling
        self.features_last = features_last
        self.backbone = backbone
        self.dropout = nn.Dropout2d(dropout)
        self.head = nn.Conv2d(num_features, num_classes, kernel_size=1)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(cast(Tensor, self.head.bias))
        # Persistent: a checkpoint keeps its numbers when a later timm changes its defaults.
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    def forward(self, images: Tensor) -> DefectPrediction:
        """Image logits and class maps.

        Args:
            images: uint8 `[B, 1, H, W]` or `[B, 3, H, W]`; grey is three equal channels exactly.

        Raises:
            ValueError: another dtype or shape.
        """
        features = self.backbone(self.normalise(images))
        if self.features_last:
            features = features.permute(0, 3, 1, 2)
        class_maps = self.head(self.dropout(features)).float()
        return DefectPrediction(pool_class_maps(class_maps, self.pooling), class_maps)

    def normalise(self, images: Tensor) -> Tensor:
        """uint8 `[B, 1 or 3, H, W]` to the backbone's float input `[B, 3, H, W]`.

        Raises:
            ValueError: another dtype or shape.
        """
        if images.dtype != torch.uint8:
            raise ValueError(
                f"images are {images.dtype}: uint8 is expected, normalisation happens inside"
            )
        if images.dim() != 4 or images.shape[1] not in (1, 3):
            raise ValueError(
                f"images have shape {tuple(images.shape)}: [B, 1, H, W] or [B, 3, H, W] is expected"
            )
        # Broadcasting against three means expands grey: the very operations of the RGB path.
        scaled = (images.to(self.mean.dtype) / 255 - self.mean) / self.std
        return scaled.contiguous(memory_format=self._memory_format())

    def heatmaps(self, images: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Probability of each class at each pixel: float32 `[B, C, H, W]`.

        Class maps are upsampled bilinearly to the image, or to `size` (height, width in pixels),
        then put through the sigmoid.

        Raises:
            ValueError: see `forward`.
        """
        class_maps = self(images).class_maps
        target = size or (images.shape[2], images.shape[3])
        return F.interpolate(class_maps, target, mode="bilinear", align_corners=False).sigmoid()

    def _memory_format(self) -> torch.memory_format:
        """Follow the weights: `[B, 1, H, W]` itself cannot tell channels-last from contiguous."""
        for weight in self.backbone.parameters():
            if weight.dim() == 4 and weight.shape[1] > 1 and weight.shape[2] > 1:
                if weight.is_contiguous(memory_format=torch.channels_last):
                    return torch.channels_last
                break
        return torch.contiguous_format


def pool_class_maps(class_maps: Tensor, pooling: Pooling) -> Tensor:
    """Class maps `[B, C, h, w]` to image logits `[B, C]`.

    `average` is the mean over places, `max` the highest place, and `lse` lies between:
    `log(mean(exp(r x))) / r` with r = `LSE_SHARPNESS` (Pinheiro and Collobert, CVPR 2015).

    Raises:
        ValueError: an unknown pooling.
    """
    if pooling == "average":
        return class_maps.mean(dim=(2, 3))
    highest = class_maps.amax(dim=(2, 3), keepdim=True)
    if pooling == "max":
        return highest.flatten(1)
    if pooling == "lse":
        shifted = (LSE_SHARPNESS * (class_maps - highest)).exp().mean(dim=(2, 3))
        return highest.flatten(1) + shifted.log() / LSE_SHARPNESS
    raise ValueError(f"pooling is {pooling!r}: one of {', '.join(get_args(Pooling))} is expected")


def build_network(
    backbone: str,
    num_classes: int,
    *,
    pretrained: bool = True,
    weights: Path | None = None,
    pooling: Pooling = "average",
    dropout: float = 0.0,
    drop_path: float = 0.0,
) -> DefectNetwork:
    """Build a network around the timm model `backbone`.

    Args:
        backbone: `densenet121`, `efficientnet_b0`, `efficientnet_b1`, `resnet50`, or any other timm
            model that gives a feature map for images of any size.
        num_classes: C, at least 1.
        pretrained: start from timm's ImageNet weights.
        weights: a local weight file in timm's layout for this backbone; goes before `pretrained`.
        pooling: how class maps become image logits.
        dropout: rate in [0, 1) at which feature channels are dropped before the head.
        drop_path: stochastic depth rate in [0, 1), where the backbone knows it.

    Raises:
        ModelError: the backbone or its weights cannot be had, or an argument is out of range.
    """
    if num_classes < 1:
        raise ModelError(f"num_classes is {num_classes}: at least 1 is expected")
    if pooling not in get_args(Pooling):
        raise ModelError(f"unknown pooling {pooling!r}; known: {', '.join(get_args(Pooling))}")
    for name, rate in (("dropout", dropout), ("drop_path", drop_path)):
        if not 0 <= rate < 1:
            raise ModelError(f"{name} is {rate}: a rate in [0, 1) is expected")
    model = create_backbone(backbone, pretrained=pretrained, weights=weights, drop_path=drop_path)
    num_features, features_last = probe_features(model, backbone)
    cfg = cast(dict[str, Sequence[float]], model.pretrained_cfg)
    return DefectNetwork(
        model,
        num_features,
        num_classes,
        mean=cfg["mean"],
        std=cfg["std"],
        pooling=pooling,
        dropout=dropout,
        features_last=features_last,
    )


def initialise_head_bias(network: DefectNetwork, prevalence: Tensor) -> None:
    """Set the head's bias so that the untrained network predicts each class's prevalence.

    `b = log(p / (1 - p))`, which keeps the many negatives from swamping the first steps
    (Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, section 3.3).

    Args:
        network: changed in place.
        prevalence: float `[C]`, share of images with each class; held within 0.0001 of 0 and 1.

    Raises:
        ValueError: another shape, or a share outside [0, 1].
    """
    if prevalence.shape != (network.num_classes,):
        raise ValueError(
            f"prevalence has shape {tuple(prevalence.shape)}: [{network.num_classes}] is expected"
        )
    if not bool(((prevalence >= 0) & (prevalence <= 1)).all()):
        raise ValueError(f"prevalence is {prevalence.tolist()}: shares in [0, 1] are expected")
    with torch.no_grad():
        cast(Tensor, network.head.bias).copy_(prevalence.double().logit(eps=_LOWEST_PREVALENCE))
