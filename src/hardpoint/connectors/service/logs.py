"""The service's log: as text or as lines of JSON, each record with the call that it belongs to, and without secrets."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from hardpoint.connectors.service.rpc import current
from hardpoint.secrets import RedactingFilter

__all__ = ["set_up"]


class _Call(logging.Filter):
    """Adds to a record the call for which it was written."""

    def filter(self, record: logging.LogRecord) -> bool:
        rpc = current.get()
        record.request_id = rpc.id if rpc is not None else ""
        record.task_type = rpc.task_type if rpc is not None else ""
        record.key = rpc.key if rpc is not None else ""
        return True


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        facts = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": getattr(record, "request_id", ""),
            "task_type": getattr(record, "task_type", ""),
            "key": getattr(record, "key", ""),
            "error": record.exc_text or "",
        }
        return json.dumps({name: value for name, value in facts.items() if value}, ensure_ascii=False)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        facts = " ".join(
            f"{name}={value}" for name in ("request_id", "task_type", "key") if (value := getattr(record, name, ""))
        )
        time = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S.%f")[:-3]
        line = f"{time} {record.levelname:7} {record.getMessage()}{f'  [{facts}]' if facts else ''}"
        return f"{line}\n{record.exc_text}" if record.exc_text else line


def set_up(kind: str, *, debug: bool = False) -> None:
    """Send all records of this process to standard error.

    Args:
        kind: ``text`` or ``json``.
        debug: Whether those of this package are shown from DEBUG on, and not from INFO on.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if kind == "json" else _Text())
    handler.addFilter(_Call())
    handler.addFilter(RedactingFilter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("hardpoint").setLevel(logging.DEBUG if debug else logging.INFO)
    logging.captureWarnings(True)
