"""Iterators as values: of anything, and of JSON documents."""

from hardpoint._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "FlyteIterator": ".flyte_iterator:FlyteIterator",
        "IteratorTransformer": ".transformer:IteratorTransformer",
        "JSON": ".json_iterator:JSON",
        "JSONIterator": ".json_iterator:JSONIterator",
        "JSONIteratorTransformer": ".transformer:JSONIteratorTransformer",
        "JSONLines": ".json_iterator:JSONLines",
    },
)
