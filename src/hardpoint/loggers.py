"""The logger that users know from `flytekit.loggers`: what is logged with it appears with Hardpoint's own, without secrets."""

import logging

__all__ = ["logger"]

logger = logging.getLogger("hardpoint")
