"""What authors of integrations test with: suites that prove a contract, and the gaps that are allowed."""

from typing import TYPE_CHECKING

from hardpoint._lazy import attach

if TYPE_CHECKING:
    from hardpoint.secrets import SecretsManager as SecretsManager
    from hardpoint.testing.codecs import CodecConformance as CodecConformance
    from hardpoint.testing.connectors import ConnectorConformance as ConnectorConformance
    from hardpoint.testing.connectors import SyncConnectorConformance as SyncConnectorConformance
    from hardpoint.testing.connectors import Vendor as Vendor
    from hardpoint.testing.datasets import DatasetConformance as DatasetConformance
    from hardpoint.testing.decorators import ClassDecoratorConformance as ClassDecoratorConformance
    from hardpoint.testing.gaps import Conformance as Conformance
    from hardpoint.testing.gaps import Gap as Gap
    from hardpoint.testing.gaps import never as never
    from hardpoint.testing.gaps import notimpl as notimpl
    from hardpoint.testing.gaps import upstream as upstream
    from hardpoint.testing.mocks import patch as patch
    from hardpoint.testing.mocks import task_mock as task_mock
    from hardpoint.testing.saboteur import Answer as Answer
    from hardpoint.testing.saboteur import HttpSaboteur as HttpSaboteur
    from hardpoint.testing.saboteur import Request as Request
    from hardpoint.testing.saboteur import Saboteur as Saboteur
    from hardpoint.testing.saboteur import TcpSaboteur as TcpSaboteur
    from hardpoint.testing.shims import CANARY as CANARY
    from hardpoint.testing.shims import ShimConformance as ShimConformance

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "ClassDecoratorConformance": ".decorators:ClassDecoratorConformance",
        "Answer": ".saboteur:Answer",
        "CANARY": ".shims:CANARY",
        "CodecConformance": ".codecs:CodecConformance",
        "Conformance": ".gaps:Conformance",
        "ConnectorConformance": ".connectors:ConnectorConformance",
        "DatasetConformance": ".datasets:DatasetConformance",
        "Gap": ".gaps:Gap",
        "HttpSaboteur": ".saboteur:HttpSaboteur",
        "Request": ".saboteur:Request",
        "Saboteur": ".saboteur:Saboteur",
        "ShimConformance": ".shims:ShimConformance",
        "SecretsManager": "hardpoint.secrets:SecretsManager",
        "SyncConnectorConformance": ".connectors:SyncConnectorConformance",
        "TcpSaboteur": ".saboteur:TcpSaboteur",
        "Vendor": ".connectors:Vendor",
        "never": ".gaps:never",
        "notimpl": ".gaps:notimpl",
        "patch": ".mocks:patch",
        "task_mock": ".mocks:task_mock",
        "upstream": ".gaps:upstream",
    },
)
