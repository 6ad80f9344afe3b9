"""The type engine: Python types compiled to literal types, and values carried across."""

from hardpoint._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "AsyncTypeTransformer": ".transformer:AsyncTypeTransformer",
        "Codec": ".codec:Codec",
        "FlyteAnnotation": ".annotations:FlyteAnnotation",
        "HashMethod": ".annotations:HashMethod",
        "SimpleTransformer": ".transformer:SimpleTransformer",
        "TypeEngine": ".engine:TypeEngine",
        "TypeTransformer": ".transformer:TypeTransformer",
    },
)
