"""The one door to OpenVINO's Python package, so that nothing phones home.

Importing `openvino` sends an event to Google Analytics and makes a folder in the user's home,
unless the user has opted out. Without its package `openvino_telemetry` OpenVINO takes a stub of its
own, and NNCF does likewise, so that package is hidden from both. A line computer talks to nobody.
"""

import sys
import warnings
from typing import Any

from stripsight.errors import EngineError


def import_openvino() -> Any:
    """The module `openvino`.

    Raises:
        EngineError: it is not installed.
    """
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import openvino
    except ImportError as error:
        raise EngineError("openvino is not installed: pip install 'stripsight[serve]'") from error
    return openvino
