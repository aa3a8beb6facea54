"""The package's logger.

Libraries do not configure the root logger; neither does StripSight. Modules log through
``logging.getLogger(__name__)``, whose names start with ``stripsight``; only the command line
attaches a handler.
"""

import logging
import sys
from typing import TextIO


class _StderrHandler(logging.StreamHandler[TextIO]):
    """Looks stderr up at each message: while a progress bar is drawn, it stands above the bar."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


def configure_logging(level: int = logging.INFO) -> None:
    """Send the package's messages to stderr as plain lines; safe to call twice."""
    logger = logging.getLogger("stripsight")
    logger.setLevel(level)
    logger.propagate = False
    handler = _StderrHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.handlers[:] = [handler]
    # Lightning's advice is for those who write their own loops; its warnings stay.
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
