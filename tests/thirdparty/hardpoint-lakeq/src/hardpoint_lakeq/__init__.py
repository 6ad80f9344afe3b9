"""LakeQ intervals in tasks' signatures, and a task that counts them."""

from typing import TYPE_CHECKING

from hardpoint.integration import Integration

if TYPE_CHECKING:
    from hardpoint_lakeq.codec import IntervalTransformer as IntervalTransformer
    from hardpoint_lakeq.task import LakeQ as LakeQ
    from hardpoint_lakeq.task import LakeQCount as LakeQCount

integration = Integration(
    name="lakeq",
    title="LakeQ",
    summary="Hand LakeQ intervals from task to task, and count them.",
    extra="lakeq",
    distribution="hardpoint-lakeq",
    requires=("lakeq",),
    types={"lakeq.Interval": ".codec:IntervalTransformer"},
    renderers={"lakeq.Interval": ".renderer:IntervalRenderer"},
    exports=(".codec:IntervalTransformer", ".task:LakeQ", ".task:LakeQCount"),
)
__getattr__, __dir__, __all__ = integration.lazy()
