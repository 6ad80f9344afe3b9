"""Tasks of connectors, and the connectors that run them: in a module, so that a process of its own can run them as well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hardpoint import idl
from hardpoint.connectors import AsyncConnectorBase, ConnectorRegistry, Phase, Resource, SyncConnectorBase
from hardpoint.connectors.local import AsyncConnectorExecutorMixin, SyncConnectorExecutorMixin
from hardpoint.context import FlyteContextManager
from hardpoint.errors import UserError
from hardpoint.idl import LiteralMap, TaskTemplate
from hardpoint.tasks.base import PythonTask
from hardpoint.tasks.interface import Interface
from hardpoint.tasks.metadata import TaskMetadata
from hardpoint.tasks.python_function_task import PythonFunctionTask
from tests.unit.connectors.vendor import Finding, JobMeta, Plain


@dataclass
class Row:
    n: int


class Rows(Finding):
    """Its jobs end with rows, as plain dataclasses in a list."""

    task_type_name = "vendor_rows"

    def get(self, resource_meta: JobMeta, **kwargs: Any) -> Resource:
        resource = super().get(resource_meta)
        if resource.phase is Phase.SUCCEEDED:
            resource.outputs = {"rows": [Row(1), Row(2)]}
        return resource


class Elsewhere(Plain):
    """Stands for a service that runs containers: it reads what its job would, and writes what it would."""

    task_type_name = "vendor_function"

    def create(self, task_template: TaskTemplate, *, inputs: LiteralMap, **kwargs: Any) -> JobMeta:  # type: ignore[override]
        arguments = list(task_template.container.args)
        prefix = arguments[arguments.index("--output-prefix") + 1]
        files = FlyteContextManager.current_context().file_access
        with files.open(arguments[arguments.index("--inputs") + 1], "rb") as stream:
            assert LiteralMap.FromString(stream.read()) == inputs
        with files.open(f"{prefix}/outputs.pb", "wb") as stream:
            n = inputs.literals["n"].scalar.primitive.integer
            stream.write(idl.literal_map({"o0": idl.integer(n + 1)}).SerializeToString())
        return super().create(task_template, **kwargs)


class Adder(SyncConnectorBase):
    name = "Adder"
    task_type_name = "adder"

    def do(
        self, task_template: TaskTemplate, output_prefix: str, inputs: LiteralMap | None = None, **kwargs: Any
    ) -> Any:
        assert inputs is not None
        n = inputs.literals["n"].scalar.primitive.integer
        if n == 0:
            return Resource(Phase.FAILED, message="I do not add nothing.")
        if n == 13:
            raise UserError("Unlucky.", remedy="Choose another.")
        return Resource(Phase.SUCCEEDED, outputs={"rows": [Row(n)]})


CONNECTORS: tuple[Callable[[], AsyncConnectorBase[Any] | SyncConnectorBase], ...] = (Rows, Finding, Elsewhere, Adder)


def register() -> None:
    for made in CONNECTORS:
        ConnectorRegistry.register(made(), override=True)


class VendorTask(AsyncConnectorExecutorMixin, PythonTask[str]):
    """A job of the vendor."""

    def __init__(
        self,
        name: str,
        endpoint: str,
        outputs: dict[str, Any] | None = None,
        inputs: dict[str, Any] | None = None,
        **metadata: Any,
    ) -> None:
        super().__init__(
            "vendor_rows" if outputs else "vendor_finding",
            name,
            endpoint,
            Interface(inputs or {"n": int}, outputs),
            metadata=TaskMetadata(**metadata),
        )

    def get_custom(self, settings: Any) -> dict[str, Any]:
        return {"endpoint": self.task_config}


class AdderTask(SyncConnectorExecutorMixin, PythonTask[None]):
    def __init__(self, name: str) -> None:
        super().__init__("adder", name, None, Interface({"n": int}, {"rows": list[Row] | None}))


class VendorFunction(AsyncConnectorExecutorMixin, PythonFunctionTask[str]):
    def __init__(self, task_config: str, task_function: Any, **kwargs: Any) -> None:
        super().__init__(task_config, task_function, task_type="vendor_function", **kwargs)

    def get_custom(self, settings: Any) -> dict[str, Any]:
        return {"endpoint": self.task_config}


def successor(n: int) -> int:
    raise AssertionError("This runs elsewhere.")
