"""memray: where a task's memory goes, as a report in its deck."""

from typing import TYPE_CHECKING

from hardpoint.integration import Integration

if TYPE_CHECKING:
    from hardpoint.integrations.memray.profiling import memray_profiling as memray_profiling

integration = Integration(
    name="memray",
    title="memray",
    summary="Profile the memory of a task and show the report in its deck.",
    extra="memray",
    requires=("memray",),
    supports=("memray>=1.15,<2",),
    exports=(".profiling:memray_profiling",),
)

__getattr__, __dir__, __all__ = integration.lazy()
