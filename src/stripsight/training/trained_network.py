"""A network out of a checkpoint, to be judged or to start another training from.

Whoever has a run goes on from it: with larger images, with the strips of another mill, with a class
more. The run need not be there, its `best.ckpt` alone says what it holds.
"""

import logging
from pathlib import Path

from stripsight.errors import CheckpointError, ModelError, StripSightError
from stripsight.labels import ClassList
from stripsight.models.network import DefectNetwork, build_network
from stripsight.training.checkpoint import is_sealed, read_checkpoint

logger = logging.getLogger(__name__)


def load_network(checkpoint: Path) -> tuple[DefectNetwork, ClassList]:
    """Rebuild a network and its class list from a checkpoint alone.

    Raises:
        CheckpointError: damaged, or not written by StripSight's training.
    """
    content = read_checkpoint(checkpoint)
    try:
        description = content["stripsight"]
        classes = ClassList.from_json(description["classes"])
        network = build_network(
            description["backbone"],
            len(classes),
            pretrained=False,
            pooling=description["pooling"],
        )
        prefix = "network."
        network.load_state_dict(
            {k.removeprefix(prefix): v for k, v in content["state_dict"].items()}
        )
    except (
        *(StripSightError, KeyError, TypeError),
        *(RuntimeError, AttributeError, ValueError),
    ) as error:
        raise CheckpointError(f"{checkpoint} describes no network: {error}") from error
    return network, classes


def is_checkpoint(path: Path) -> bool:
    """Whether a weight file is StripSight's own, not timm's; False where it cannot be read."""
    try:
        return is_sealed(path)
    except OSError:
        return False


def start_from(network: DefectNetwork, checkpoint: Path, classes: ClassList, backbone: str) -> bool:
    """Copy what an earlier run has learnt; returns whether its head fits, too.

    The head fits where the classes have the same ids and names in the same order. Else it stays as
    it was, for a logit that meant another defect is no start.

    Args:
        network: changed in place.
        checkpoint: of the earlier run.
        classes: of the network.
        backbone: of the network.

    Raises:
        CheckpointError: see `load_network`.
        ModelError: another backbone.
    """
    earlier, known = load_network(checkpoint)
    try:
        network.backbone.load_state_dict(earlier.backbone.state_dict())
    except RuntimeError as error:
        raise ModelError(f"{checkpoint} is no checkpoint of backbone {backbone!r}") from error
    fits = [(c.id, c.name) for c in known.classes] == [(c.id, c.name) for c in classes.classes]
    if fits:
        network.head.load_state_dict(earlier.head.state_dict())
    logger.info(
        "starts from %s%s; images it learnt from must not be judged on: keep its split",
        checkpoint,
        "" if fits else f", with a new head: that run knew {', '.join(known.names)}",
    )
    return fits
