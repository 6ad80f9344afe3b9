"""Arrays as values: what an annotation can say of them, and helpers for arrays in the store."""

from typing import TYPE_CHECKING

from hardpoint._lazy import attach

if TYPE_CHECKING:
    from hardpoint.types.numpy.npy import content_hash as content_hash
    from hardpoint.types.numpy.npy import read_rows as read_rows
    from hardpoint.types.numpy.spec import NDArraySpec as NDArraySpec
    from hardpoint.types.numpy.transformer import NumpyArrayTransformer as NumpyArrayTransformer

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "NDArraySpec": ".spec:NDArraySpec",
        "NumpyArrayTransformer": ".transformer:NumpyArrayTransformer",
        "content_hash": ".npy:content_hash",
        "read_rows": ".npy:read_rows",
    },
)
