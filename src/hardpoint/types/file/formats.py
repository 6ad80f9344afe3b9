"""What files of a declared format look like, and whether one contradicts its declaration by its first bytes.

One row a format. Where a format has no signature of its own, a file contradicts it only by bearing another's.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass

from hardpoint.errors import TypeTransformerFailedError, UserError
from hardpoint.settings import settings

__all__ = ["FORMATS", "Format", "FormatWarning", "check_signature", "contradiction"]

HEAD = 512
"""Bytes that are looked at."""

_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18")
_PICKLED = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


class FormatWarning(UserWarning):
    """A file's first bytes contradict its declared format."""


@dataclass(frozen=True)
class Format:
    """How a format is recognised.

    Args:
        mime: Its media type.
        signatures: Beginnings, one of which every file of the format has; none if there is no such thing.
        offset: Where the signature stands, in bytes.
        text: Whether it is text, so that no zero byte may occur.
        starts: The characters of which one comes first in the text, after white space.
        also: Beginnings of other formats that are fine here as well, for example of compressed files.
    """

    mime: str
    signatures: tuple[bytes, ...] = ()
    offset: int = 0
    text: bool = False
    starts: str = ""
    also: tuple[bytes, ...] = ()


FORMATS: dict[str, Format] = {
    "csv": Format("text/csv", text=True),
    "gz": Format("application/gzip", (b"\x1f\x8b",)),
    "hdf5": Format("application/x-hdf5", (b"\x89HDF\r\n\x1a\n",)),
    "html": Format("text/html", text=True, starts="<"),
    "ipynb": Format("application/x-ipynb+json", text=True, starts="{"),
    "joblib": Format("application/octet-stream", also=(*_PICKLED, *_COMPRESSED)),
    "jpeg": Format("image/jpeg", (b"\xff\xd8\xff",)),
    "json": Format("application/json", text=True, starts='{["-0123456789tfn'),
    "jsonl": Format("application/x-ndjson", text=True, starts='{["-0123456789tfnNI', also=_COMPRESSED),
    "mp4": Format("video/mp4", (b"ftyp",), offset=4),
    "npy": Format("application/x-npy", (b"\x93NUMPY",)),
    "onnx": Format("application/x-onnx", (b"\x08",)),  # field 1, ir_version, which the format demands
    "parquet": Format("application/vnd.apache.parquet", (b"PAR1", b"PARE")),
    "pdf": Format("application/pdf", (b"%PDF-",)),
    "png": Format("image/png", (b"\x89PNG\r\n\x1a\n",)),
    "python_pickle": Format("application/octet-stream", also=(*_PICKLED, *_COMPRESSED)),
    "svg": Format("image/svg+xml", text=True, starts="<", also=(b"\x1f\x8b",)),
    "tfrecord": Format("application/octet-stream", also=_COMPRESSED),
    "txt": Format("text/plain", text=True),
    "wav": Format("audio/wav", (b"WAVE",), offset=8),
    "yaml": Format("application/yaml", text=True),
    "zip": Format("application/zip", (b"PK\x03\x04", b"PK\x05\x06")),
}
"""Format, as it stands on the wire, to how it is recognised."""

_SYNONYMS = {
    "h5": "hdf5",
    "htm": "html",
    "jpg": "jpeg",
    "pickle": "python_pickle",
    "pkl": "python_pickle",
    "yml": "yaml",
}


def _signs(head: bytes, offset: int, signatures: Iterable[bytes]) -> bool:
    return any(head.startswith(signature, offset) for signature in signatures)


def _recognised(head: bytes) -> str:
    """The media type that the bytes say of themselves; empty if they say nothing. A single byte is no evidence."""
    for known in FORMATS.values():
        if _signs(head, known.offset, (s for s in known.signatures if len(s) > 1)):
            return known.mime
    return "application/python-pickle" if _signs(head, 0, _PICKLED) else ""


def contradiction(format: str, head: bytes) -> str:
    """What the first bytes of a file are instead of the declared format; empty if they do not contradict it.

    A format that is not in the table is contradicted by nothing.
    """
    name = format.lower()
    expected = FORMATS.get(_SYNONYMS.get(name, name))
    if expected is None:
        return ""
    if expected.signatures:
        if _signs(head, expected.offset, expected.signatures):
            return ""
        return _recognised(head) or ("an empty file" if not head else "unknown content")
    if _signs(head, 0, expected.also):
        return ""
    other = _recognised(head)
    if other or not expected.text:
        return other
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):  # UTF-16, in which every second byte of most text is zero
        return ""
    if b"\x00" in head:
        return "binary content"
    first = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1].decode("latin-1")
    return "other text" if expected.starts and first and first not in expected.starts else ""


def check_signature(path: str, format: str) -> None:
    """Compare a local file with its declared format, under the policy ``settings().types.validate_files``.

    Raises:
        TypeTransformerFailedError: the first bytes contradict the format, and the policy is ``raise``.
    """
    policy = settings().types.validate_files
    if policy not in ("off", "warn", "raise"):
        raise UserError(
            f"types.validate_files is {policy!r}.", remedy="Set HARDPOINT_TYPES_VALIDATE_FILES to off, warn or raise."
        )
    if policy == "off" or not format:
        return
    with open(path, "rb") as stream:
        head = stream.read(HEAD)
    found = contradiction(format, head)
    if not found:
        return
    message = f"Incorrect file type, expected {format}, got {found}: {path}"
    if policy == "raise":
        raise TypeTransformerFailedError(
            message,
            remedy="Declare the format that the file has, or set HARDPOINT_TYPES_VALIDATE_FILES=off.",
            path=path,
            expected=format,
            found=found,
        )
    warnings.warn(message, FormatWarning, stacklevel=2)
