"""The one door to ONNX Runtime's Python package, so that nothing phones home.

From 1.32 on its Linux builds, too, send events to Microsoft and keep a device id in the user's
home, from the import on; the documented way out (its Privacy.md) is a variable in the environment
before the import. `disable_telemetry_events` comes too late. A line computer talks to nobody.
"""

import os
from typing import Any

from stripsight.errors import EngineError


def import_onnxruntime() -> Any:
    """The module `onnxruntime`.

    Raises:
        EngineError: it is not installed.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import onnxruntime
    except ImportError as error:
        raise EngineError(
            "onnxruntime is not installed: pip install 'stripsight[serve]'"
        ) from error
    return onnxruntime
