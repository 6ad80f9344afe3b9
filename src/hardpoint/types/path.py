"""``pathlib.Path`` as the file that it names."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

from hardpoint import idl
from hardpoint.context import FlyteContext
from hardpoint.errors import TypeTransformerFailedError
from hardpoint.idl import Literal, LiteralType
from hardpoint.types.codec import mismatch
from hardpoint.types.file.file import FlyteFile
from hardpoint.types.file.transformer import blob_type, blob_uri
from hardpoint.types.pickle.store import load
from hardpoint.types.transformer import TypeTransformer, plain_of

__all__ = ["PathTransformer"]


class _Paths(pickle.Unpickler):
    """Reads pickles of paths only, so that reading runs nobody's code."""

    def find_class(self, module: str, name: str) -> Any:
        if module.partition(".")[0] == "pathlib" and name.endswith("Path"):
            return super().find_class("pathlib", name)
        raise pickle.UnpicklingError(f"it names {module}.{name}, but should hold a path only")


class PathTransformer(TypeTransformer[Path]):
    """A path. The file that it names travels with it to another machine; without such a file it is only a name.

    Within a dataclass it always is only a name.
    """

    def __init__(self) -> None:
        super().__init__("Path", Path)

    def get_literal_type(self, t: Any) -> LiteralType:
        return blob_type("")

    def to_literal(self, ctx: FlyteContext, python_val: Any, python_type: Any, expected: LiteralType) -> Literal:
        if python_val.is_file():
            return idl.blob(FlyteFile(str(python_val)).publish())
        if python_val.is_dir() and not ctx.mode.is_local:
            raise TypeTransformerFailedError(
                f"{python_val} is a directory, and a Path carries one file.", remedy="Declare FlyteDirectory."
            )
        return idl.blob(os.fspath(python_val))

    def to_python_value(self, ctx: FlyteContext, lv: Literal, expected_python_type: Any) -> Any:
        if not lv.scalar.HasField("blob"):
            return self.from_plain(plain_of(lv, expected_python_type), expected_python_type)
        if lv.scalar.blob.metadata.type.format == "PythonPickle":  # as the reference writes paths
            return self.from_plain(os.fspath(load(lv.scalar.blob.uri, unpickler=_Paths)), expected_python_type)
        return Path(FlyteFile.from_source(blob_uri(lv, "file")).download())

    def to_plain(self, value: Any, t: Any) -> Any:
        self.assert_type(t, value)
        return str(value)

    def from_plain(self, data: Any, t: Any) -> Any:
        if not isinstance(data, str):
            raise mismatch(t, data)
        return Path(data)

    def plain_schema(self, t: Any) -> dict[str, Any]:
        return {"type": "string", "format": "path"}
