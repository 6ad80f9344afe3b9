"""What an annotation says of an array."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args, get_origin

from hardpoint.errors import TypeTransformerFailedError
from hardpoint.types.codec import describe_type
from hardpoint.types.transformer import unannotated

__all__ = ["NDArraySpec", "spec_of"]

_MODES = (None, "r", "r+", "w+", "c")


@dataclass(frozen=True)
class NDArraySpec:
    """What an array looks like, and how it is read: ``Annotated[np.ndarray, NDArraySpec(dtype="float32")]``.

    Args:
        dtype: The type of its elements, or a family of them such as ``np.floating``; None: any.
        shape: Its lengths; None as one of them stands for any length, None as a whole for any shape.
        allow_pickle: Carry elements that are Python objects; reading these runs code that the file names.
        mmap_mode: Map the file into memory instead of reading it: ``r``, ``c`` (changes stay in memory), ``r+``.
        coerce: Make an array of other values, such as lists, instead of refusing them.
    """

    dtype: Any = None
    shape: tuple[int | None, ...] | None = None
    allow_pickle: bool = False
    mmap_mode: Literal["r", "r+", "w+", "c"] | None = None
    coerce: bool = False

    def __post_init__(self) -> None:
        if self.mmap_mode not in _MODES:
            raise TypeTransformerFailedError(f"mmap_mode={self.mmap_mode!r} should be one of 'r', 'c' and 'r+'.")
        if self.allow_pickle and self.mmap_mode:
            raise TypeTransformerFailedError("Arrays of Python objects cannot be mapped into memory.")
        if self.dtype is not None:
            _family(self.dtype)

    def problem(self, array: Any) -> str:
        """What of the array is not as it should be; empty if nothing is."""
        import numpy as np

        if self.dtype is not None and not np.issubdtype(array.dtype, _family(self.dtype)):
            return f"its dtype is {array.dtype}, not {dtype_name(self.dtype)}"
        if self.shape is not None and (
            len(self.shape) != array.ndim
            or any(wanted not in (None, found) for wanted, found in zip(self.shape, array.shape, strict=True))
        ):
            return f"its shape is {array.shape}, not {self.shape}"
        return ""


def _family(dtype: Any) -> Any:
    """What numpy is to compare with: a family of scalar types as it is, anything else as a dtype."""
    import numpy as np

    if isinstance(dtype, type) and issubclass(dtype, np.generic):
        return dtype
    try:
        return np.dtype(dtype)
    except TypeError as error:
        raise TypeTransformerFailedError(f"{dtype!r} is not a dtype of numpy: {error}") from error


def dtype_name(dtype: Any) -> str:
    """A dtype or a family of scalar types, as text."""
    family = _family(dtype)
    return str(family.__name__ if isinstance(family, type) else family)


def _of_generic(t: Any) -> Any:
    """The dtype of ``npt.NDArray[np.float64]``, which is ``np.ndarray[shape, np.dtype[np.float64]]``."""
    import numpy as np

    args = get_args(t)
    scalars = get_args(args[1]) if len(args) == 2 else ()
    scalar = get_origin(scalars[0]) or scalars[0] if scalars else None
    return scalar if isinstance(scalar, type) and issubclass(scalar, np.generic) else None


def spec_of(t: Any) -> NDArraySpec:
    """What the annotation ``t`` says: an `NDArraySpec`, or ``kwtypes(allow_pickle=True)`` as in the reference.

    Raises:
        TypeTransformerFailedError: it says two things, or one that is not known.
    """
    found = [extra for extra in getattr(t, "__metadata__", ()) if isinstance(extra, NDArraySpec | Mapping)]
    if len(found) > 1:
        raise TypeTransformerFailedError(f"Metadata {found[0]} is already specified, cannot use {found[1]}.")
    spec = found[0] if found else NDArraySpec()
    if isinstance(spec, Mapping):
        unknown = set(spec) - {field.name for field in fields(NDArraySpec)}
        if unknown:
            raise TypeTransformerFailedError(
                f"The metadata for {describe_type(t)} has {', '.join(sorted(map(str, unknown)))}, which is not known.",
                remedy=f"There are {', '.join(field.name for field in fields(NDArraySpec))}.",
            )
        spec = NDArraySpec(**spec)
    dtype = _of_generic(unannotated(t))
    if dtype is None or spec.dtype is not None:
        return spec
    return NDArraySpec(dtype, spec.shape, spec.allow_pickle, spec.mmap_mode, spec.coerce)
