"""StripSight: surface defects on flat steel, from images and masks to a judged classifier.

The public API is small and lazy: importing the package loads neither torch nor pandas.

    from stripsight import SeverstalFullImageDataset, load_prepared
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stripsight.data.datamodule import StripDataModule
    from stripsight.data.dataset import SeverstalFullImageDataset
    from stripsight.data.prepared import PreparedDataset, load_prepared
    from stripsight.imaging import decode_grey, read_grey
    from stripsight.labels import SEVERSTAL, ClassList, DefectClass
    from stripsight.models.network import DefectNetwork, build_network

__version__ = "0.1.0"

_HOMES = {
    "SEVERSTAL": "stripsight.labels",
    "ClassList": "stripsight.labels",
    "DefectClass": "stripsight.labels",
    "DefectNetwork": "stripsight.models.network",
    "PreparedDataset": "stripsight.data.prepared",
    "SeverstalFullImageDataset": "stripsight.data.dataset",
    "StripDataModule": "stripsight.data.datamodule",
    "build_network": "stripsight.models.network",
    "decode_grey": "stripsight.imaging",
    "load_prepared": "stripsight.data.prepared",
    "read_grey": "stripsight.imaging",
}

__all__ = [
    "SEVERSTAL",
    "ClassList",
    "DefectClass",
    "DefectNetwork",
    "PreparedDataset",
    "SeverstalFullImageDataset",
    "StripDataModule",
    "build_network",
    "decode_grey",
    "load_prepared",
    "read_grey",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'stripsight' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
