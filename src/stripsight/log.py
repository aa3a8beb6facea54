"""The package's logger.

Libraries do not configure the root logger; neither does StripSight. Modules log through
``logging.getLogger(__name__)``, whose names start with ``stripsight``; only the command line
attaches a handler.
"""

import logging
import sys


def configure_logging(level: int = logging.INFO) -> None:
    """Send the package's messages to stderr as plain lines; safe to call twice."""
    logger = logging.getLogger("stripsight")
    logger.setLevel(level)
    logger.propagate = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.handlers[:] = [handler]
    # Lightning's advice is for those who write their own loops; its warnings stay.
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
