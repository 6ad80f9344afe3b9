"""Names that users know from `flytekit.core.context_manager`."""

from hardpoint.context import ExecutionParameters, ExecutionState, FlyteContext, FlyteContextManager
from hardpoint.secrets import SecretsManager

__all__ = ["ExecutionParameters", "ExecutionState", "FlyteContext", "FlyteContextManager", "SecretsManager"]
