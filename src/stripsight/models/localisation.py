"""How far class maps are from the masks: what `loss.localisation_weight` adds to training.

Each place of a class map is a yes-or-no question too: how much of the cell that it stands for does
the defect cover? The maps then answer for places, not only their pooling for the image.

Shapes: B images, C classes, H x W pixels, h x w places.
"""

import torch.nn.functional as F
from torch import Tensor


def localisation_errors(class_maps: Tensor, masks: Tensor) -> Tensor:
    """Binary cross-entropy of each class map against its mask averaged to the map's cells.

    `-(m log p + (1 - m) log(1 - p))`, p the logistic function of a place and m the covered share of
    its cell, as the mean over places. Float32 at least, whatever the network's precision.

    Args:
        class_maps: float `[B, C, h, w]`, logits.
        masks: `[B, C, H, W]` of 0 and 1, any dtype.

    Returns:
        float `[B, C]`.

    Raises:
        ValueError: images or classes disagree.
    """
    if class_maps.shape[:2] != masks.shape[:2]:
        raise ValueError(
            f"class maps are {tuple(class_maps.shape)} and masks {tuple(masks.shape)}:"
            " the same images and classes are expected"
        )
    class_maps = class_maps.float() if class_maps.itemsize < 4 else class_maps
    places = (class_maps.shape[2], class_maps.shape[3])
    covered = F.adaptive_avg_pool2d(masks.to(class_maps), places)
    errors = -(covered * F.logsigmoid(class_maps) + (1 - covered) * F.logsigmoid(-class_maps))
    return errors.mean(dim=(2, 3))


def average_known(errors: Tensor, known: Tensor) -> Tensor:
    """Mean of `errors` `[B, C]` where `known` `[B, C]` is 1; 0 where nothing is known.

    A class that is on the image, nobody drew where, has an empty mask that says nothing.
    """
    known = known.to(errors)
    return (errors * known).sum() / known.sum().clamp(min=1)
