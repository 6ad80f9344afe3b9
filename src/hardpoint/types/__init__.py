"""The type engine: Python types compiled to literal types, and values carried across."""

from typing import TYPE_CHECKING

from hardpoint._lazy import attach

if TYPE_CHECKING:
    from hardpoint.types.annotations import FlyteAnnotation as FlyteAnnotation
    from hardpoint.types.annotations import HashMethod as HashMethod
    from hardpoint.types.codec import Codec as Codec
    from hardpoint.types.engine import TypeEngine as TypeEngine
    from hardpoint.types.transformer import AsyncTypeTransformer as AsyncTypeTransformer
    from hardpoint.types.transformer import SimpleTransformer as SimpleTransformer
    from hardpoint.types.transformer import TypeTransformer as TypeTransformer

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
