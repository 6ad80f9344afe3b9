"""``numpy.ndarray`` as an ``.npy`` file."""

from __future__ import annotations

import html
from typing import Any

from hardpoint import idl
from hardpoint.context import FlyteContext, FlyteContextManager
from hardpoint.errors import TypeTransformerFailedError
from hardpoint.idl import BlobType, Literal, LiteralType
from hardpoint.types.codec import describe_type, mismatch
from hardpoint.types.file.transformer import blob_type, blob_uri
from hardpoint.types.numpy.npy import read_array, write_array
from hardpoint.types.numpy.spec import NDArraySpec, dtype_name, spec_of
from hardpoint.types.transformer import TypeTransformer, plain_of

__all__ = ["NumpyArrayTransformer"]

FORMAT = "NumpyArray"
_SAMPLE = 100_000
"""Elements that the page of a deck looks at."""


class NumpyArrayTransformer(TypeTransformer[Any]):
    """Arrays of any shape and dtype; an `NDArraySpec` in the annotation says more."""

    def __init__(self) -> None:
        import numpy as np

        super().__init__("Numpy Array", np.ndarray, enable_type_assertions=False)

    def get_literal_type(self, t: Any) -> LiteralType:
        spec = spec_of(t)
        literal_type = blob_type(FORMAT)
        if spec.dtype is not None:
            literal_type.metadata.update({"dtype": dtype_name(spec.dtype)})
        if spec.shape is not None:
            literal_type.metadata.update({"shape": list(spec.shape)})
        return literal_type

    def to_literal(self, ctx: FlyteContext, python_val: Any, python_type: Any, expected: LiteralType) -> Literal:
        return idl.blob(self._store(python_val, python_type), FORMAT)

    def _store(self, value: Any, t: Any) -> str:
        """Put an array into the store and return its URI."""
        spec = spec_of(t)
        array = self._array(value, t, spec)
        if array.dtype.hasobject and not spec.allow_pickle:
            raise TypeTransformerFailedError(
                "Object arrays cannot be saved when allow_pickle=False.",
                remedy="Give the array a dtype, or annotate it with NDArraySpec(allow_pickle=True).",
            )
        files = FlyteContextManager.current_context().file_access
        uri = files.get_random_remote_path("array.npy")
        with files.open(uri, "wb") as stream:
            write_array(stream, array, allow_pickle=spec.allow_pickle)
        return uri

    def _array(self, value: Any, t: Any, spec: NDArraySpec) -> Any:
        import numpy as np

        if isinstance(value, np.ma.MaskedArray):
            raise mismatch(
                t,
                value,
                "the mask would be lost; hand on value.filled(...), or value.data and value.mask by themselves",
            )
        if not isinstance(value, np.ndarray):
            if not spec.coerce:
                raise mismatch(t, value, "NDArraySpec(coerce=True) would make an array of it")
            value = np.asarray(value)
        problem = spec.problem(value)
        if problem:
            raise TypeTransformerFailedError(f"The array is not a {describe_type(t)}: {problem}.")
        return value

    def to_python_value(self, ctx: FlyteContext, lv: Literal, expected_python_type: Any) -> Any:
        if not lv.scalar.HasField("blob"):
            return self.from_plain(plain_of(lv, expected_python_type), expected_python_type)
        return self._load(blob_uri(lv, "file"), expected_python_type)

    def _load(self, uri: str, t: Any) -> Any:
        spec = spec_of(t)
        array = self._mapped(uri, spec.mmap_mode) if spec.mmap_mode else self._read(uri, spec)
        problem = spec.problem(array)
        if problem:
            raise TypeTransformerFailedError(f"{uri} is not a {describe_type(t)}: {problem}.", uri=uri)
        return array

    @staticmethod
    def _read(uri: str, spec: NDArraySpec) -> Any:
        with FlyteContextManager.current_context().file_access.open(uri, "rb") as stream:
            return read_array(stream, uri, allow_pickle=spec.allow_pickle)

    @staticmethod
    def _mapped(uri: str, mode: Any) -> Any:
        """The array over its file; over a copy of its own where the file is remote, or would be changed."""
        import numpy as np

        files = FlyteContextManager.current_context().file_access
        if files.is_remote(uri) or mode in ("r+", "w+"):
            uri = files.get_data(uri, files.get_random_local_path("array.npy"))
        return np.load(uri, mmap_mode="r+" if mode == "w+" else mode)

    def to_plain(self, value: Any, t: Any) -> Any:
        """Within a dataclass it is named by its URI, as files are."""
        return {"path": self._store(value, t)}

    def from_plain(self, data: Any, t: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("path"), str):
            raise mismatch(t, data)
        return self._load(data["path"], t)

    def plain_schema(self, t: Any) -> dict[str, Any]:
        return {
            "type": "object",
            "title": FORMAT,
            "properties": {"path": {"type": "string"}},
            "required": ["path"],
            "additionalProperties": False,
        }

    def to_html(self, ctx: FlyteContext, python_val: Any, expected_python_type: Any) -> str:
        """Dtype, shape, and figures of a sample; never the whole array."""
        import numpy as np

        rows = {"dtype": str(python_val.dtype), "shape": str(python_val.shape)}
        if python_val.size and np.issubdtype(python_val.dtype, np.number):
            step = max(1, python_val.size // _SAMPLE)
            sample = python_val.flat[::step] if step > 1 else python_val.ravel()
            missing = int(np.isnan(sample).sum())
            known = sample[~np.isnan(sample)]
            if known.size:
                rows |= {"mean": f"{known.mean():.6g}"}
                if not np.iscomplexobj(known):
                    rows |= {"min": f"{known.min():.6g}", "max": f"{known.max():.6g}"}
            rows |= {"NaN": str(missing)} | ({"of a sample of": str(sample.size)} if step > 1 else {})
        cells = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>" for k, v in rows.items())
        return f"<table>{cells}</table>"

    def guess_python_type(self, literal_type: LiteralType) -> type[Any]:
        blob = literal_type.blob
        if blob.format == FORMAT and blob.dimensionality == BlobType.SINGLE:
            return self.python_type
        raise ValueError("not an array of numpy")
