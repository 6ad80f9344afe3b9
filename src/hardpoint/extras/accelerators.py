"""Names that users know from `flytekit.extras.accelerators`."""

from hardpoint.tasks.accelerators import *  # noqa: F403 - each of them
from hardpoint.tasks.accelerators import __all__ as __all__
