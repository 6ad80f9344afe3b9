"""Local runs: the scheduler, the cache, the run store, resume."""

from typing import TYPE_CHECKING

from hardpoint._lazy import attach

if TYPE_CHECKING:
    from hardpoint.engine.cache import LocalCache as LocalCache
    from hardpoint.engine.events import NodeEvent as NodeEvent
    from hardpoint.engine.failure import Failure as Failure
    from hardpoint.engine.local import RunResult as RunResult
    from hardpoint.engine.local import call_task as call_task
    from hardpoint.engine.local import call_workflow as call_workflow
    from hardpoint.engine.local import execute as execute
    from hardpoint.engine.run import RunOptions as RunOptions
    from hardpoint.engine.store import RunStore as RunStore

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Failure": ".failure:Failure",
        "LocalCache": ".cache:LocalCache",
        "NodeEvent": ".events:NodeEvent",
        "RunOptions": ".run:RunOptions",
        "RunResult": ".local:RunResult",
        "RunStore": ".store:RunStore",
        "call_task": ".local:call_task",
        "call_workflow": ".local:call_workflow",
        "execute": ".local:execute",
    },
)
