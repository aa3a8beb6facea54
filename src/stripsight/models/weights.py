"""A local weight file to a state dict: plain tensors only, nothing in the file is ever run.

Whether the tensors fit a backbone is decided by timm's strict loading in `backbone.py`.
"""

import pickle
import warnings
from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile, ZipFile, is_zipfile

import safetensors
import timm.models
from torch import Tensor

from stripsight.errors import ModelError


def load_weight_file(
    path: Path, *, classifier: str | Sequence[str] | None = None
) -> dict[str, Tensor]:
    """Read a state dict (`.pth`, `.pt`, `.bin` or `.safetensors`) onto the CPU.

    Args:
        path: the file; a training checkpoint of timm (`state_dict`, `model`) is unwrapped.
        classifier: module name or names whose tensors are left out.

    Raises:
        ModelError: missing, damaged, or holding anything but plain data.
    """
    if not path.is_file():
        raise ModelError(f"weight file {path} does not exist: check model.weights")
    try:
        _check_archive(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's remarks on pickle protocols
            state: object = timm.models.load_state_dict(str(path), weights_only=True)
    except (safetensors.SafetensorError, pickle.UnpicklingError, BadZipFile, OSError) as error:
        raise _damaged(path) from error
    except (RuntimeError, ValueError, LookupError, TypeError, AttributeError, EOFError) as error:
        if "Unsupported globals" in str(error):
            raise ModelError(
                f"weight file {path} holds code, not plain tensors; it was not run:"
                " save the state dict alone"
            ) from error
        raise _damaged(path) from error
    if not isinstance(state, dict) or not state:
        raise ModelError(f"weight file {path} holds no state dict: save model.state_dict()")
    if not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()):
        raise ModelError(f"weight file {path} holds no state dict: save model.state_dict()")
    if any(k.startswith("network.backbone.") for k in state):
        raise ModelError(f"{path} is a StripSight checkpoint without its seal: copy it again")
    heads = (classifier,) if isinstance(classifier, str) else tuple(classifier or ())
    prefixes = tuple(f"{head}." for head in heads)
    return {k: v for k, v in state.items() if not k.startswith(prefixes)} if prefixes else state


def _check_archive(path: Path) -> None:
    """Compare the checksums of a `.pth`, which is a zip: `torch.load` itself does not look."""
    if is_zipfile(path):
        with ZipFile(path) as archive:
            damaged = archive.testzip()
            if damaged is not None:
                raise BadZipFile(f"bad checksum of {damaged}")


def _damaged(path: Path) -> ModelError:
    return ModelError(f"weight file {path} is damaged or no file of plain tensors: get it again")
