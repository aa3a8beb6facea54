"""A timm backbone by its name, with random, downloaded or local weights.

timm answers a wrong name, an absent network or a foreign weight file in its own ways: a bare
RuntimeError, 47 seconds of retries, or half the layers left at random without a word. Here each
ends at once in one `ModelError`. What becomes of the features is `network.py`'s business.
"""

from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

import huggingface_hub
import timm
import torch
from torch import Tensor, nn

from stripsight.errors import ModelError
from stripsight.models.weights import load_weight_file

_CONNECT_SECONDS = 5.0
_PROBE_SIZE = (96, 160)  # not square, and above the 75 pixels that Inception needs


def create_backbone(
    name: str, *, pretrained: bool, weights: Path | None = None, drop_path: float = 0.0
) -> nn.Module:
    """Create a timm model without its classifier and without its pooling.

    Args:
        name: a timm model name, with or without a tag (`resnet50`, `resnet50.a1_in1k`).
        pretrained: take timm's ImageNet weights, from the local cache or else from the Hub.
        weights: a local weight file in timm's layout for this model; goes before `pretrained`.
        drop_path: stochastic depth rate in [0, 1).

    Raises:
        ModelError: unknown name, no such option, or weights that cannot be had or do not fit.
    """
    _check_name(name)
    options: dict[str, Any] = {"num_classes": 0, "global_pool": ""}
    if drop_path > 0:
        options["drop_path_rate"] = drop_path
    if weights is not None:
        cfg = timm.get_pretrained_cfg(name)
        options |= {
            "pretrained": True,
            "pretrained_cfg_overlay": {
                "state_dict": load_weight_file(weights, classifier=cfg.classifier if cfg else None),
                # Without a classifier to look for, timm loads strictly: no missing, no unused key.
                "classifier": None,
            },
        }
    elif pretrained:
        options |= _locate_pretrained(name)
    try:
        backbone = timm.create_model(name, **options)
    except TypeError as error:
        if drop_path > 0 and "drop_path_rate" in str(error):
            raise ModelError(
                f"backbone {name!r} knows no stochastic depth: set model.drop_path=0"
            ) from error
        raise ModelError(f"backbone {name!r} cannot be used as a feature extractor") from error
    except Exception as error:
        if weights is not None:
            raise ModelError(
                f"{weights} does not fit backbone {name!r}: {_one_line(error)}"
            ) from error
        if pretrained:
            raise _no_pretrained(name, f"cannot be downloaded ({type(error).__name__})") from error
        raise ModelError(f"backbone {name!r} cannot be built: {_one_line(error)}") from error
    assert isinstance(backbone, nn.Module)
    # timm keeps the overlay: without this every copy of the network would carry the file's tensors.
    cast(dict[str, Any], backbone.pretrained_cfg).pop("state_dict", None)
    return backbone


def probe_features(backbone: nn.Module, name: str) -> tuple[int, bool]:
    """Run one small image and return the number of feature channels and whether they come last.

    Raises:
        ModelError: the backbone takes one image size only, or gives tokens, not a feature map.
    """
    channels = int(getattr(backbone, "head_hidden_size", None) or backbone.num_features)  # type: ignore[arg-type]
    was_training = backbone.training
    backbone.eval()
    try:
        with torch.no_grad():
            features: Tensor = backbone(torch.zeros(1, 3, *_PROBE_SIZE))
    except (AssertionError, RuntimeError, ValueError) as error:
        raise ModelError(
            f"backbone {name!r} does not take images of any size: choose a convolutional one"
        ) from error
    finally:
        backbone.train(was_training)
    if features.dim() == 4 and features.shape[1] == channels:
        return channels, False
    if features.dim() == 4 and features.shape[3] == channels:
        return channels, True
    raise ModelError(f"backbone {name!r} gives no feature map: choose a convolutional one")


def _check_name(name: str) -> None:
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        near = get_close_matches(architecture, timm.list_models(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "timm.list_models() lists the known"
        raise ModelError(f"unknown backbone {name!r}; {hint}")
    tags = timm.list_pretrained(f"{architecture}.*") if tag else []
    if tag and name not in tags:
        known = ", ".join(tags) or "none"
        raise ModelError(f"unknown backbone {name!r}: no such weight tag; known: {known}")


def _locate_pretrained(name: str) -> dict[str, Any]:
    """Options for `timm.create_model` that find ImageNet weights without hanging offline.

    The Hub's client retries an unreachable host for 47 seconds, twice over, even for files that it
    has in its cache; so the cache is looked up first and the host asked once.
    """
    cfg = timm.get_pretrained_cfg(name)
    if cfg is None or not cfg.has_weights:
        raise _no_pretrained(name, "do not exist")
    if cfg.hf_hub_id and not cfg.custom_load:
        repository = cfg.hf_hub_id.split("@")[0]
        for file in (cfg.hf_hub_filename or "model.safetensors", "pytorch_model.bin"):
            cached = huggingface_hub.try_to_load_from_cache(repository, file)
            if isinstance(cached, str):
                return {"pretrained": True, "pretrained_cfg_overlay": {"file": cached}}
    if cfg.hf_hub_id:
        try:
            huggingface_hub.get_session().head(
                huggingface_hub.constants.ENDPOINT, timeout=_CONNECT_SECONDS
            )
        except Exception as error:
            raise _no_pretrained(name, "cannot be downloaded (no network)") from error
    return {"pretrained": True}


def _no_pretrained(name: str, reason: str) -> ModelError:
    return ModelError(
        f"ImageNet weights for backbone {name!r} {reason}:"
        " set model.weights=FILE to load a local file, or model.pretrained=false to start at random"
    )


def _one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = " ".join(lines[1:3] if len(lines) > 1 else lines)
    return text if len(text) <= 160 else text[:157] + "..."
