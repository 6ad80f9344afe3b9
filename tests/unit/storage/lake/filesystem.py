"""A store with real folders: a file cannot be written into one that was not made."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from fsspec.implementations.local import LocalFileSystem

_ROOT = tempfile.TemporaryDirectory(prefix="hardpoint-lake-")


class Lake(LocalFileSystem):
    protocol = "lake"

    def __init__(self, **options: Any) -> None:
        super().__init__(auto_mkdir=False, **options)

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        if path.startswith("lake://"):
            path = os.path.join(os.path.realpath(_ROOT.name), path.removeprefix("lake://"))
        return path.rstrip("/")
