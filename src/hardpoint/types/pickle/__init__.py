"""Values that travel as pickles: the last resort of the type engine."""

from typing import TYPE_CHECKING

from hardpoint._lazy import attach

if TYPE_CHECKING:
    from hardpoint.types.pickle.marker import AllowPickle as AllowPickle
    from hardpoint.types.pickle.marker import FlytePickle as FlytePickle
    from hardpoint.types.pickle.transformer import BytesTransformer as BytesTransformer
    from hardpoint.types.pickle.transformer import FlytePickleTransformer as FlytePickleTransformer
    from hardpoint.types.pickle.transformer import PickleWarning as PickleWarning

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
