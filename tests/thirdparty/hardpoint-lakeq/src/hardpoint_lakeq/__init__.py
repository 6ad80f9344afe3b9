"""LakeQ intervals in tasks' signatures."""

from typing import TYPE_CHECKING

from hardpoint.integration import Integration

if TYPE_CHECKING:
    from hardpoint_lakeq.codec import IntervalTransformer as IntervalTransformer

integration = Integration(
    name="lakeq",
    title="LakeQ",
    summary="Hand LakeQ intervals from task to task.",
    extra="lakeq",
    distribution="hardpoint-lakeq",
    requires=("lakeq",),
    types={"lakeq.Interval": ".codec:IntervalTransformer"},
    exports=(".codec:IntervalTransformer",),
)
__getattr__, __dir__, __all__ = integration.lazy()
