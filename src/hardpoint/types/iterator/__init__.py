"""Iterators as values: of anything, and of JSON documents."""

from typing import TYPE_CHECKING

from hardpoint._lazy import attach

if TYPE_CHECKING:
    from hardpoint.types.iterator.flyte_iterator import FlyteIterator as FlyteIterator
    from hardpoint.types.iterator.json_iterator import JSON as JSON
    from hardpoint.types.iterator.json_iterator import JSONIterator as JSONIterator
    from hardpoint.types.iterator.json_iterator import JSONLines as JSONLines
    from hardpoint.types.iterator.transformer import IteratorTransformer as IteratorTransformer
    from hardpoint.types.iterator.transformer import JSONIteratorTransformer as JSONIteratorTransformer

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
