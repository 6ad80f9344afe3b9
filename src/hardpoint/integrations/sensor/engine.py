"""`SensorEngine`: the connector that looks on behalf of sensors."""

from __future__ import annotations

import asyncio
import base64
import inspect
import logging
import time
import traceback
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from flyteidl.admin.agent_pb2 import TaskExecutionMetadata

from hardpoint import idl
from hardpoint.connectors import AsyncConnectorBase, Capabilities, Phase, Resource, ResourceMeta
from hardpoint.connectors.errors import explain, is_transient, words
from hardpoint.connectors.pool import Threads
from hardpoint.errors import HardpointError, PermanentError, TransientError, UserError
from hardpoint.idl import LiteralMap, TaskTemplate
from hardpoint.integrations.sensor.base import BaseSensor, PokeResult
from hardpoint.integrations.sensor.file_sensor import FileSensor
from hardpoint.secrets import redact_uri
from hardpoint.tasks.naming import module_name
from hardpoint.types import TypeEngine

__all__ = ["SensorEngine", "SensorMetadata"]

logger = logging.getLogger(__name__)

_ATTEMPTS = 5
"""Looks in a row that may fail in a way that nobody foresaw."""
_LOOKS = 64
"""Looks at the same time."""
_ENDED = 10_000
"""Waits of which is known that they were cancelled."""
_KEPT = {("flytekit.sensor.file_sensor", "FileSensor"): FileSensor}
"""Classes of the reference, by the names that its templates bear, for which there are some of ours."""


class NoSuchSensorError(UserError):
    """Nothing that this process has imported declares the sensor."""


@dataclass
class SensorMetadata(ResourceMeta):
    """What is needed to look.

    Attributes:
        sensor_module: The module of the sensor's class.
        sensor_name: The class.
        sensor_config: Its config, as a dict.
        inputs: What `poke` gets, if that is text, numbers and truth values.
        literals: Otherwise: the inputs as a `LiteralMap`, in base64.
        task_name: The sensor's name.
        key: Whose wait it is. Two that wait for the same are two jobs.
    """

    sensor_module: str
    sensor_name: str
    sensor_config: dict[str, Any] | None = None
    inputs: dict[str, Any] | None = None
    literals: str | None = None
    task_name: str = "sensor"
    key: str = ""


class SensorEngine(AsyncConnectorBase[SensorMetadata]):
    """Calls `poke` of a new object of the sensor's class, in a thread, whenever somebody asks.

    Args:
        kwargs: ``task_type_name``, if it is for sensors with a task type of their own.
    """

    name = "Sensor"
    task_type_name = "sensor"
    metadata_type = SensorMetadata
    capabilities = Capabilities(idempotent_create=True)
    patience: ClassVar[float] = 10.0
    """Seconds for which a question waits for a look; what takes longer is told with a later question."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # Not those in which the connector's methods run: a look that hangs must not keep others from being answered.
        self._looking = Threads(self.name, _LOOKS)
        self._looks: dict[bytes, tuple[float, asyncio.Task[Resource | Exception]]] = {}
        self._failures: dict[bytes, int] = {}
        self._ended: dict[bytes, None] = {}  # in order

    def create(
        self,
        task_template: TaskTemplate,
        output_prefix: str = "",
        inputs: LiteralMap | None = None,
        task_execution_metadata: TaskExecutionMetadata | None = None,
        *,
        idempotency_key: str = "",
        **kwargs: Any,
    ) -> SensorMetadata:
        custom = idl.native(task_template.custom)
        meta = SensorMetadata(
            sensor_module=str(custom.get("sensor_module")),
            sensor_name=str(custom.get("sensor_name")),
            sensor_config=custom.get("sensor_config"),
            inputs=custom.get("inputs"),
            task_name=task_template.id.name or "sensor",
            key=idempotency_key,
        )
        if inputs is not None and inputs.literals:
            meta.inputs = _plain(inputs)
            if meta.inputs is None:
                meta.literals = base64.b64encode(inputs.SerializeToString(deterministic=True)).decode()
        _inputs(_sensor(meta), meta)  # what cannot be made is told now
        self._ended.pop(meta.encode(), None)
        return meta

    async def get(self, resource_meta: SensorMetadata, **kwargs: Any) -> Resource:
        job, now = resource_meta.encode(), time.monotonic()
        if job in self._ended:
            return Resource(Phase.ABORTED, message="Nobody waits for it any more.")
        began, look = self._looks.get(job, (now, None))
        if look is None or look.get_loop() is not asyncio.get_running_loop():
            look = asyncio.create_task(self._looking.run(partial(_look, resource_meta)))
            self._looks[job] = (now, look)
        done, _ = await asyncio.wait({look}, timeout=self.patience)
        if not done:
            return Resource(
                Phase.RUNNING,
                message=f"{resource_meta.sensor_name} has been looking for {time.monotonic() - began:.0f} s.",
            )
        self._looks.pop(job, None)
        found = look.result()
        if isinstance(found, Resource):
            self._failures.pop(job, None)
            return found
        return self._failed(job, resource_meta, found)

    def delete(self, resource_meta: SensorMetadata, **kwargs: Any) -> None:
        """End the wait: whoever cancelled it asks this process whether it has ended."""
        job = resource_meta.encode()
        self._failures.pop(job, None)
        self._looks.pop(job, None)
        self._ended[job] = None
        if len(self._ended) > _ENDED:
            self._ended.pop(next(iter(self._ended)), None)

    def _failed(self, job: bytes, meta: SensorMetadata, error: Exception) -> Resource:
        """What becomes of a wait when a look has failed."""
        if is_transient(error):
            raise error
        if isinstance(
            error, NoSuchSensorError
        ):  # it was there where the wait began: this process cannot tell, others can
            raise TransientError(error.message, remedy=error.remedy) from error
        if isinstance(error, UserError | PermanentError):
            self._failures.pop(job, None)
            return Resource(Phase.FAILED, message=explain(error, f"look for {meta.task_name}", where=self.name)[1])
        count = self._failures[job] = self._failures.get(job, 0) + 1
        said = f"{meta.sensor_name}.poke raised {type(error).__name__}: {words(error)}"
        if count < _ATTEMPTS:
            logger.warning("%s\n%s", said, redact_uri("".join(traceback.format_exception(error))))
            return Resource(Phase.RUNNING, message=f"{said} ({count} of {_ATTEMPTS} times in a row)")
        del self._failures[job]
        return Resource(Phase.FAILED, message=f"{said}, {count} times in a row")


def _look(meta: SensorMetadata) -> Resource | Exception:
    """What a look has come to; the error, if it failed."""
    try:
        sensor = _sensor(meta)
        result = sensor.poke(**_inputs(sensor, meta))
        if inspect.isawaitable(result):
            result = asyncio.run(_awaited(result))
        told = result if isinstance(result, PokeResult) else PokeResult(bool(result))
        if told.failed:
            return Resource(Phase.FAILED, message=told.message or f"{meta.sensor_name} says that it waits in vain.")
        if not told.done:
            return Resource(Phase.RUNNING, message=told.message)
        return Resource(Phase.SUCCEEDED, message=told.message, outputs=_outputs(sensor, told))
    except Exception as error:
        return error
    except BaseException as error:  # such as that of sys.exit(), which would end the process that asks
        return HardpointError(f"{type(error).__name__}({error})")


async def _awaited(result: Awaitable[Any]) -> Any:
    return await result


def _outputs(sensor: BaseSensor, told: PokeResult) -> LiteralMap | None:
    declared, given = sensor.interface.outputs, told.outputs or {}
    if declared.keys() != given.keys():
        raise UserError(
            f"{type(sensor).__qualname__}.poke gave the outputs {', '.join(given) or 'none'}, but declared are "
            f"{', '.join(declared) or 'none'}.",
            remedy="Name the types of the outputs in the class, as outputs.",
        )
    return TypeEngine.dict_to_literal_map(None, given, declared) if declared else None


def _sensor(meta: SensorMetadata) -> BaseSensor:
    """A new object of the sensor's class.

    Raises:
        UserError: the class is not installed here, or is no sensor's, or its config makes no sense.
    """
    cls = _KEPT.get((meta.sensor_module, meta.sensor_name)) or _class(meta.sensor_module, meta.sensor_name)
    try:
        return cls.remade(meta.task_name, meta.sensor_config)
    except HardpointError:
        raise
    except Exception as error:
        raise UserError(
            f"No {cls.__qualname__} can be made of the config {meta.sensor_config}: {type(error).__name__}: {words(error)}",
            remedy="Let from_dict take what to_dict gives, and the constructor what it needs from the config alone.",
        ) from error


def _class(module: str, name: str) -> type[BaseSensor]:
    """The class of that name, if it is there already. Raises `NoSuchSensorError` if not.

    The name comes with a call, and to import a module is to run it. So none is: whoever starts the process decides what is
    imported, and with it which sensors there are.
    """
    found = [cls for cls in _sensors(BaseSensor) if cls.__qualname__ == name and module_name(cls.__module__) == module]
    if not found:
        raise NoSuchSensorError(
            f"There is no sensor {module}.{name} where the connector runs: nothing that was imported there declares one.",
            remedy=f"Install its module there, and name it when the service starts: --modules {module}. "
            "It is to be a subclass of hardpoint.sensor.BaseSensor at the module's top level.",
        )
    return found[-1]  # of a module that was loaded anew, the latest


def _sensors(cls: type[BaseSensor]) -> Iterator[type[BaseSensor]]:
    """All classes of sensors that this process has."""
    for made in cls.__subclasses__():
        yield made
        yield from _sensors(made)


def _plain(inputs: LiteralMap) -> dict[str, Any] | None:
    """The inputs as JSON, as the reference writes them; None if one of them is something else than text or a number."""
    values: dict[str, Any] = {}
    for name, literal in inputs.literals.items():
        kind = literal.scalar.primitive.WhichOneof("value")
        if kind not in ("integer", "float_value", "string_value", "boolean"):
            return None
        values[name] = getattr(literal.scalar.primitive, kind)
    return dict(sorted(values.items()))


def _inputs(sensor: BaseSensor, meta: SensorMetadata) -> dict[str, Any]:
    """What `poke` gets."""
    if meta.literals is None:
        return dict(meta.inputs or {})
    return sensor.decode_inputs(LiteralMap.FromString(base64.b64decode(meta.literals)).literals)
