"""URIs as text: what protocol, which local path, how to join. No look at any storage."""

from __future__ import annotations

import os
import re

__all__ = ["file_name", "is_remote", "join", "local_path", "protocol"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]+)://")  # two characters at least: C:/ is a drive of Windows
_LOCAL = ("file", "local")


def protocol(uri: str | os.PathLike[str]) -> str:
    """The scheme of a URI in lower case; ``file`` for a plain path."""
    match = _SCHEME.match(os.fspath(uri))
    scheme = match[1].lower() if match else "file"
    return "file" if scheme in _LOCAL else scheme


def is_remote(uri: str | os.PathLike[str]) -> bool:
    """Whether a URI is anywhere but on this machine's disks."""
    return protocol(uri) != "file"


def local_path(uri: str | os.PathLike[str]) -> str:
    """The path that a ``file://`` URI or a plain path means."""
    text = os.fspath(uri)
    match = _SCHEME.match(text)
    return text[match.end() :] if match and match[1].lower() in _LOCAL else text


def join(base: str | os.PathLike[str], *parts: str) -> str:
    """`base` and `parts` with exactly one slash between them; empty parts are left out.

    A part never replaces the base, even if it begins with a slash.
    """
    text = os.fspath(base)
    for part in parts:
        part = part.strip("/")
        if part:
            text = f"{text}{part}" if text.endswith("/") or not text else f"{text}/{part}"
    return text


def file_name(uri: str | os.PathLike[str]) -> str:
    """The last component of a path or URI; a web address' query is no part of it."""
    text = os.fspath(uri)
    if protocol(text) in ("http", "https"):
        text = re.split(r"[?#]", text, maxsplit=1)[0]
    match = _SCHEME.match(text)
    text = text[match.end() :] if match else text
    return text.rstrip("/").rpartition("/")[2] if os.sep == "/" else re.split(r"[\\/]", text.rstrip("\\/"))[-1]
