"""Local runs: the scheduler, the cache, the run store, resume."""

from hardpoint._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Failure": ".failure:Failure",
        "LocalCache": ".cache:LocalCache",
        "NodeEvent": ".events:NodeEvent",
        "RunOptions": ".run:RunOptions",
        "RunResult": ".local:RunResult",
        "RunStore": ".store:RunStore",
        "call_array_node": ".local:call_task",
        "call_gate": ".local:call_task",
        "call_task": ".local:call_task",
        "call_workflow": ".local:call_workflow",
        "execute": ".local:execute",
    },
)
