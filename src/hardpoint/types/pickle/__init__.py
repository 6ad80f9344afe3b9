"""Values that travel as pickles: the last resort of the type engine."""

from hardpoint._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "AllowPickle": ".marker:AllowPickle",
        "BytesTransformer": ".transformer:BytesTransformer",
        "FlytePickle": ".marker:FlytePickle",
        "FlytePickleTransformer": ".transformer:FlytePickleTransformer",
        "PickleWarning": ".transformer:PickleWarning",
    },
)
