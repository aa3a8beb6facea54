"""The one door to OpenVINO's Python package, so that nothing phones home.

Importing `openvino` sends an event to Google Analytics and makes a folder in the user's home,
unless the user has opted out. Without its package `openvino_telemetry` OpenVINO takes a stub of its
own, and NNCF does likewise, so that package is hidden from both. A line computer talks to nobody.

One `Core` serves the whole process and is never freed. The CPU plugin gives the thread that loads
it a stack for signal handlers, and takes it away with the last `Core` that uses it: with two freed
in turn, or one freed by another thread, the thread keeps an address that is gone, and the next
SIGTERM, Ctrl-C or ended child is a segmentation fault (OpenVINO 2026.4, `sigaltstack`).
"""

import functools
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


@functools.cache
def open_core() -> Any:
    """OpenVINO's `Core`, the same one every time; it may be used from any thread.

    Raises:
        EngineError: see `import_openvino`.
    """
    return import_openvino().Core()
