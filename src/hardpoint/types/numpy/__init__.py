"""Arrays as values: what an annotation can say of them, and helpers for arrays in the store."""

from hardpoint._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "NDArraySpec": ".spec:NDArraySpec",
        "NumpyArrayTransformer": ".transformer:NumpyArrayTransformer",
        "content_hash": ".npy:content_hash",
        "read_rows": ".npy:read_rows",
    },
)
