"""Which files of a source tree travel with a task, and a digest of them."""

from __future__ import annotations

import enum
import hashlib
import sys
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

__all__ = ["IGNORED", "CopyFileDetection", "digest", "files_of"]

IGNORED = ("*.pyc", "__pycache__", ".cache", ".git", ".venv", ".mypy_cache", ".pytest_cache", ".ruff_cache")
"""Names of files and folders that never travel."""


class CopyFileDetection(enum.Enum):
    """Which files of the source tree travel."""

    LOADED_MODULES = 1
    """Those of the modules that are imported."""
    ALL = 2
    """All that are not ignored."""
    NO_COPY = 3
    """None."""


def files_of(root: str | Path, mode: CopyFileDetection = CopyFileDetection.ALL) -> list[Path]:
    """The files below `root` that travel, ordered by path."""
    base = Path(root).resolve()
    if mode is CopyFileDetection.NO_COPY:
        return []
    if mode is CopyFileDetection.LOADED_MODULES:
        loaded = {Path(file).resolve() for module in list(sys.modules.values()) if (file := _file(module))}
        return sorted(path for path in loaded if path.is_relative_to(base) and not _ignored(path.relative_to(base)))
    return sorted(path for path in base.rglob("*") if path.is_file() and not _ignored(path.relative_to(base)))


def _file(module: object) -> str | None:
    file = getattr(module, "__file__", None)
    return file if isinstance(file, str) else None


def _ignored(path: Path) -> bool:
    return any(fnmatch(part, pattern) for part in path.parts for pattern in IGNORED)


def digest(files: Iterable[Path], root: str | Path) -> str:
    """A digest of the names and contents of files, equal on every machine."""
    base = Path(root).resolve()
    result = hashlib.md5(usedforsecurity=False)
    for path in sorted(files):
        name = path.resolve().relative_to(base).as_posix().encode()
        content = hashlib.md5(path.read_bytes(), usedforsecurity=False)
        result.update(b"%d:%s:%s" % (len(name), name, content.digest()))
    return result.hexdigest()
