"""Where a dataset's files are: a single file, a folder of any common layout, or a pattern."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any, TypeVar

from hardpoint.errors import StorageAccessError, StorageNotFoundError
from hardpoint.secrets import redact_uri
from hardpoint.storage import uris
from hardpoint.storage.local import find
from hardpoint.storage.problems import problem

if TYPE_CHECKING:
    from hardpoint.context import FileAccessLike

__all__ = ["Files", "below", "discover", "is_hidden", "reading"]

T = TypeVar("T")
_DIGITS = re.compile(r"(\d+)")
_PARQUET = re.compile(r".*\.(parquet|parq|pq)|part-[^.]*|\d+", re.IGNORECASE)


@dataclass
class Files:
    """The data files that a URI stands for.

    Attributes:
        uri: As it was given.
        filesystem: fsspec's; None for local disks.
        root: The folder (or the file) in the file system's own words.
        paths: The files, in the order in which their rows follow each other.
        sizes: Bytes of each file, where the listing told.
        common: A file with the whole schema, beside the data (``_common_metadata``), if there is one.
        partition_keys: Columns whose values are folders, as in ``day=2024-01-01/``.
    """

    uri: str
    filesystem: Any
    root: str
    paths: list[str]
    sizes: dict[str, int] = field(default_factory=dict)
    common: str | None = None
    partition_keys: tuple[str, ...] = ()


def reading(uri: str, files: FileAccessLike, do: Callable[[Any, str], T]) -> T:
    """Do something with the file system and path of a remote URI; where credentials are refused, once more without any.

    Raises:
        HardpointError: what went wrong, in terms of what to do about it.
    """
    filesystem = files.filesystem(uri)
    try:
        return do(filesystem, filesystem._strip_protocol(uri))
    except Exception as error:
        refused = problem(error, uri, "read")
        if not isinstance(refused, StorageAccessError):
            raise refused from error
        stranger = files.filesystem(uri, anonymous=True)
        try:
            return do(stranger, stranger._strip_protocol(uri))
        except Exception:
            raise refused from error  # what the user can mend are the credentials


def is_hidden(relative: str) -> bool:
    """Whether a path below a dataset's folder is no data by the custom of all engines: markers, checksums, logs."""
    # A partition column may well begin with an underscore.
    return any(part.startswith((".", "_")) and "=" not in part for part in relative.split("/"))


def below(names: Iterable[str], root: str) -> dict[str, str]:
    """The path below `root` of each file; some stores also list what only begins alike, which is left out."""
    base = root.strip("/")
    prefix = f"{base}/" if base else ""
    stripped = {name: name.strip("/") for name in names}
    return {name: path[len(prefix) :] for name, path in stripped.items() if path == base or path.startswith(prefix)}


def discover(uri: str, files: FileAccessLike, accept: Callable[[str], bool] = lambda name: True) -> Files:
    """The data files of a URI: the file that it is, those in the folder that it is, or those that match its pattern.

    Args:
        uri: Where to look. ``*``, ``?`` and ``[...]`` in its last component make it a pattern.
        files: Storage.
        accept: Which names in a folder may be data; hidden files never are.

    Raises:
        StorageNotFoundError: there are none.
    """
    if uris.protocol(uri) == "file":
        path = os.path.abspath(uris.local_path(uri))
        return _local(uri, path, accept)
    if uris.protocol(uri) in ("http", "https"):  # the web has no listings
        filesystem = files.filesystem(uri)
        return Files(uri, filesystem, uri, [uri])

    def list_there(filesystem: Any, path: str) -> Files:
        path = path.rstrip("/")
        found = {name: info.get("size") for name, info in filesystem.find(path, detail=True).items()}
        pattern = None
        if not found and _is_pattern(path):
            path, _, pattern = path.rpartition("/")
            found = {name: info.get("size") for name, info in filesystem.find(path, detail=True).items()}
        return _select(uri, filesystem, path, found, pattern, accept)

    return reading(uri, files, list_there)


def _is_pattern(path: str) -> bool:
    return any(sign in path.rpartition("/")[2] for sign in "*?[")


def _local(uri: str, path: str, accept: Callable[[str], bool]) -> Files:
    pattern = None
    if not os.path.exists(path) and _is_pattern(path):
        path, _, pattern = path.rpartition("/")
    if os.path.isdir(path):
        found: dict[str, int | None] = {f"{path}/{file.relative}": file.size for file in find(path)[0]}
    elif os.path.isfile(path) and pattern is None:
        found = {path: os.path.getsize(path)}
    else:
        found = {}
    return _select(uri, None, path, found, pattern, accept)


def _select(
    uri: str,
    filesystem: Any,
    root: str,
    found: dict[str, int | None],
    pattern: str | None,
    accept: Callable[[str], bool],
) -> Files:
    base = root.strip("/")
    sizes = {name: int(size) for name, size in found.items() if size is not None}
    if pattern is None and [name.strip("/") for name in found] == [base]:
        return Files(uri, filesystem, root, list(found), sizes)
    relative = below(found, root)
    paths = [
        name
        for name, path in relative.items()
        # An empty object is how some stores mark a folder, and never a data file.
        if found[name] != 0 and not is_hidden(path) and accept(path.rpartition("/")[2])
    ]
    if pattern is not None:
        paths = [name for name in paths if "/" not in relative[name] and fnmatch(relative[name], pattern)]
    # Where part of the names say what they are, the others (a README, a licence) are something else.
    paths = [name for name in paths if _PARQUET.fullmatch(relative[name].rpartition("/")[2])] or paths
    if not paths:
        raise StorageNotFoundError(
            redact_uri(uri), remedy="No data file is there; files whose names begin with _ or . do not count."
        )
    common = next((name for name, path in relative.items() if path == "_common_metadata"), None)
    keys = dict.fromkeys(
        part.partition("=")[0] for name in paths for part in relative[name].split("/")[:-1] if "=" in part
    )
    return Files(uri, filesystem, root, _in_order(paths), sizes, common, tuple(keys))


def _in_order(paths: Iterable[str]) -> list[str]:
    """Sorted by name, with numbers by value: ``part-10`` comes after ``part-2``."""
    return sorted(paths, key=lambda path: [int(t) if t.isdigit() else t for t in _DIGITS.split(path)])
