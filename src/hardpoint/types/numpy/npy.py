"""Arrays from and to streams, without a copy on disk or a second one in memory.

https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

from hardpoint.context import FlyteContextManager
from hardpoint.errors import TypeTransformerFailedError

__all__ = ["content_hash", "read_array", "read_rows", "write_array"]

_CHUNK = 16 << 20


def _bytes_of(array: Any) -> memoryview | None:
    """The memory of an array as it stands in a file; None if it is not in one piece."""
    import numpy as np

    if array.dtype.hasobject or not (array.flags.c_contiguous or array.flags.f_contiguous) or not array.nbytes:
        return None
    flat = array.reshape(-1, order="F" if not array.flags.c_contiguous else "C")
    return memoryview(flat.view(np.uint8))


def write_array(stream: Any, array: Any, *, allow_pickle: bool = False) -> None:
    """Write an array in the format ``.npy``."""
    from numpy.lib import format as npy

    memory = _bytes_of(array) if not array.dtype.metadata else None
    if memory is None:
        npy.write_array(stream, array, allow_pickle=allow_pickle)
        return
    header = npy.header_data_from_array_1_0(array)
    try:
        npy.write_array_header_1_0(stream, header)
    except ValueError:  # too long, or not latin-1: the header of a structured dtype may be
        npy.write_array(stream, array, allow_pickle=allow_pickle)
        return
    for start in range(0, len(memory), _CHUNK):
        stream.write(memory[start : start + _CHUNK])


def _header(stream: Any) -> tuple[tuple[int, ...], bool, Any] | None:
    """Shape, whether columns come first, and dtype; None for a version of the header that only numpy itself reads."""
    from numpy.lib import format as npy

    version = npy.read_magic(stream)
    if version == (1, 0):
        return npy.read_array_header_1_0(stream)
    if version == (2, 0):
        return npy.read_array_header_2_0(stream)
    return None


def _fill(stream: Any, memory: memoryview, what: str) -> None:
    done = 0
    while done < len(memory):
        count = stream.readinto(memory[done : done + _CHUNK])
        if not count:
            raise TypeTransformerFailedError(f"{what} ends after {done} of {len(memory)} bytes of the array.")
        done += count


def read_array(stream: Any, what: str, *, allow_pickle: bool = False) -> Any:
    """Read an array in the format ``.npy``.

    Args:
        stream: Open for reading bytes, at the beginning, and able to go back there.
        what: Where it comes from, for messages.
        allow_pickle: Whether elements may be Python objects, reading which runs code that the file names.

    Raises:
        TypeTransformerFailedError: it is not such a file, or not a whole one.
    """
    import numpy as np
    from numpy.lib import format as npy

    try:
        header = _header(stream)
        if header is None or header[2].hasobject:
            stream.seek(0)
            return npy.read_array(stream, allow_pickle=allow_pickle)
        shape, fortran, dtype = header
        array = np.empty(shape, dtype, order="F" if fortran else "C")
        if array.nbytes:
            memory = _bytes_of(array)
            assert memory is not None
            _fill(stream, memory, what)
        return array
    except (ValueError, EOFError) as error:
        if isinstance(error, TypeTransformerFailedError):
            raise
        raise TypeTransformerFailedError(f"{what} cannot be read as an array: {error}") from error


def read_rows(uri: str, start: int, stop: int) -> Any:
    """Rows of an array in the store, of which no more than these is read.

    Args:
        uri: An ``.npy`` file.
        start: The first row.
        stop: The row after the last one. Rows past the end are left out, as in a slice.

    Raises:
        TypeTransformerFailedError: its rows are not in one piece: it has no axes, columns first, or Python objects.
    """
    import numpy as np

    with FlyteContextManager.current_context().file_access.open(uri, "rb") as stream:
        header = _header(stream)
        if header is None or not header[0] or header[1] or header[2].hasobject:
            raise TypeTransformerFailedError(f"{uri} is no array that can be read by rows.", uri=uri)
        shape, _, dtype = header
        first, last, _ = slice(start, stop).indices(shape[0])
        rows = np.empty((max(last - first, 0), *shape[1:]), dtype)
        if rows.nbytes:
            stream.seek(stream.tell() + first * math.prod(shape[1:]) * dtype.itemsize)
            memory = _bytes_of(rows)
            assert memory is not None
            _fill(stream, memory, uri)
        return rows


def content_hash(array: Any) -> str:
    """A hash of dtype, shape and elements, for the cache: ``Annotated[np.ndarray, HashMethod(content_hash)]``."""
    import numpy as np

    digest = hashlib.sha256(f"{np.lib.format.dtype_to_descr(array.dtype)}{array.shape}".encode())
    if array.dtype.hasobject:
        raise TypeTransformerFailedError("An array of Python objects has no hash of its content.")
    digest.update(_bytes_of(np.ascontiguousarray(array)) or b"")
    return digest.hexdigest()
