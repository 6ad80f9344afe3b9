"""What authors of integrations test with: suites that prove a contract, and the gaps that are allowed."""

from typing import TYPE_CHECKING

from hardpoint._lazy import attach

if TYPE_CHECKING:
    from hardpoint.testing.codecs import CodecConformance as CodecConformance
    from hardpoint.testing.datasets import DatasetConformance as DatasetConformance
    from hardpoint.testing.decorators import ClassDecoratorConformance as ClassDecoratorConformance
    from hardpoint.testing.gaps import Conformance as Conformance
    from hardpoint.testing.gaps import Gap as Gap
    from hardpoint.testing.gaps import never as never
    from hardpoint.testing.gaps import notimpl as notimpl
    from hardpoint.testing.gaps import upstream as upstream
    from hardpoint.testing.shims import ShimConformance as ShimConformance

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "ClassDecoratorConformance": ".decorators:ClassDecoratorConformance",
        "CodecConformance": ".codecs:CodecConformance",
        "Conformance": ".gaps:Conformance",
        "DatasetConformance": ".datasets:DatasetConformance",
        "Gap": ".gaps:Gap",
        "ShimConformance": ".shims:ShimConformance",
        "never": ".gaps:never",
        "notimpl": ".gaps:notimpl",
        "upstream": ".gaps:upstream",
    },
)
