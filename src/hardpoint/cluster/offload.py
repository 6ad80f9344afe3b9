"""Large outputs in files of their own, where the control plane has that switched on: it keeps what refers to them instead.

Wire facts: flyteidl/core/literals.proto, `LiteralOffloadedMetadata`; the sizes come in the container's environment.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping

from google.protobuf.json_format import MessageToDict

from hardpoint.context import FileAccessLike
from hardpoint.errors import UserError
from hardpoint.idl import Literal, LiteralMap, LiteralType

__all__ = ["offloaded"]

_LEAST, _MOST = "_F_L_MIN_SIZE_MB", "_F_L_MAX_SIZE_MB"
_LEAST_PRESET, _MOST_PRESET = 10, 1000
_MB = 1024 * 1024


def offloaded(
    outputs: LiteralMap,
    types: Mapping[str, LiteralType],
    prefix: str,
    files: FileAccessLike,
    environment: Mapping[str, str],
) -> LiteralMap:
    """The outputs; in the place of large ones what refers to the files that they are in now.

    Args:
        outputs: What the task gave.
        types: The declared types.
        prefix: Below which the files are written.
        files: Storage access.
        environment: What says from which size on, and up to which, if at all.

    Raises:
        UserError: an output is larger than may be.
    """
    if _LEAST not in environment:
        return outputs
    least = int(environment[_LEAST] or _LEAST_PRESET) * _MB
    most = int(environment.get(_MOST) or _MOST_PRESET) * _MB
    made = LiteralMap()
    for name, literal in outputs.literals.items():
        size = literal.ByteSize()
        if size < least:
            made.literals[name].CopyFrom(literal)
            continue
        if size > most:
            raise UserError(
                f"The output {name} has {size / _MB:.1f} MB as a literal, of which there may be {most // _MB}.",
                remedy="Hand large values on as files or datasets.",
            )
        uri = f"{prefix}/{name}_offloaded_metadata.pb"
        with files.open(uri, "wb") as stream:
            stream.write(literal.SerializeToString())
        reference = made.literals[name]
        reference.hash = literal.hash or _digest(literal)
        reference.offloaded_metadata.uri = uri
        reference.offloaded_metadata.size_bytes = size
        reference.offloaded_metadata.inferred_type.CopyFrom(types[name])
    return made


def _digest(literal: Literal) -> str:
    """By which equal literals are known."""
    text = json.dumps(MessageToDict(literal), sort_keys=True, separators=(",", ":"))
    return b64encode(hashlib.sha256(text.encode()).digest()).decode()
