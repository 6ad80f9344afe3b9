"""`BaseSensor`: a task whose method `poke` is called, by a connector, until it says that what it waits for is so."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, ClassVar, Protocol, Self, get_args, get_origin, runtime_checkable

from hardpoint.connectors.local import AsyncConnectorExecutorMixin
from hardpoint.errors import FlyteValidationException
from hardpoint.tasks.base import PythonTask
from hardpoint.tasks.interface import Interface, interface_of
from hardpoint.tasks.metadata import TaskMetadata
from hardpoint.tasks.naming import module_name
from hardpoint.tasks.serialization import SerializationSettings

__all__ = ["BaseSensor", "PokeResult", "SensorConfig"]


@runtime_checkable
class SensorConfig(Protocol):
    """What configures a sensor; it travels as a dict."""

    def to_dict(self) -> dict[str, Any]:
        """It as JSON-like data. Whole floats arrive as integers."""
        ...

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> SensorConfig:
        """The reverse of `to_dict`."""
        ...


@dataclass(frozen=True)
class PokeResult:
    """What a look has come to, where yes or no does not say enough. It is true if the wait is over.

    Args:
        done: Whether what is waited for is so.
        message: What people are shown.
        outputs: Values of the sensor's outputs, once it is done.
        failed: Whether it will never be so; the message says why.
    """

    done: bool = False
    message: str | None = None
    outputs: Mapping[str, Any] | None = None
    failed: bool = False

    def __bool__(self) -> bool:
        return self.done


class BaseSensor(AsyncConnectorExecutorMixin, PythonTask[SensorConfig]):
    """A task that waits. Write a subclass with a method `poke`, whose parameters are the task's inputs.

    The connector imports the class where it runs, makes a new object for each look, and calls `poke`. So the class stands at
    the top level of a module that is installed there, and all that an object needs is in its `sensor_config`.

    Args:
        name: Name of the task.
        timeout: Seconds, or a timedelta, after which the wait has failed.
        sensor_config: What configures it; `poke` finds it as ``self.sensor_config``.
        task_type: By which the control plane chooses the connector.
        kwargs: As for `PythonTask`.

    Raises:
        FlyteValidationException: there is no `poke`, its signature is none of a task, `timeout` is given twice, or nobody knows of
            which class the config is.
    """

    config_type: ClassVar[Any] = None
    """The class of `sensor_config`; None: as the constructor's parameter is annotated."""
    outputs: ClassVar[Mapping[str, Any]] = {}
    """Name -> type, for a `poke` that returns a `PokeResult` with outputs."""

    def __init__(
        self,
        name: str,
        timeout: timedelta | int | None = None,
        sensor_config: SensorConfig | None = None,
        task_type: str = "sensor",
        *,
        metadata: TaskMetadata | None = None,
        **kwargs: Any,
    ) -> None:
        cls = type(self)
        if cls.poke is BaseSensor.poke:
            raise FlyteValidationException(
                f"{cls.__qualname__} has no method poke.", remedy="Write async def poke(self, ...) -> bool."
            )
        if sensor_config is not None and cls._config_class() is None:
            raise FlyteValidationException(
                f"Nobody knows how to make the config of {cls.__qualname__} again where it runs.",
                remedy=f"Write config_type = {type(sensor_config).__name__} in the class.",
            )
        self.name = name  # a message of what follows may show it
        poked = interface_of(self.poke)
        inputs = {n: (t, poked.defaults[n]) if n in poked.defaults else t for n, t in poked.inputs.items()}
        super().__init__(
            task_type,
            name,
            sensor_config,
            Interface(inputs, cls.outputs, docstring=cls.poke.__doc__),
            metadata=_merged(metadata, timeout),
            **kwargs,
        )
        self._sensor_config = sensor_config

    @property
    def sensor_config(self) -> Any:
        """What it was configured with; None if with nothing."""
        return self._sensor_config

    def poke(self, *args: Any, **kwargs: Any) -> Any:
        """Look. It may be asynchronous, or plain and block.

        Returns:
            Whether the wait is over, or a `PokeResult`.

        Raises:
            TransientError: nobody can tell just now; it is asked again.
            UserError, PermanentError: there is no sense in waiting.
        """
        raise NotImplementedError

    def get_custom(self, settings: SerializationSettings) -> dict[str, Any]:
        cls, config = type(self), self._sensor_config
        cls._check_importable()
        return {
            "sensor_module": module_name(cls.__module__),
            "sensor_name": cls.__qualname__,
            "sensor_config": config.to_dict() if config is not None else None,
            "inputs": None,
        }

    # -- how it is made again ------------------------------------------------------------------------------------------

    @classmethod
    def remade(cls, name: str, config: Mapping[str, Any] | None) -> Self:
        """The sensor of that name, from what its template says.

        Raises:
            FlyteValidationException: it has a config, but nobody knows of which class.
        """
        if config is None:
            return cls(name)
        made = cls._config_class()
        if made is None:
            raise FlyteValidationException(
                f"Nobody knows how to make the config of {cls.__qualname__}.",
                remedy="Name its class in the sensor's, as config_type.",
            )
        return cls(name, **{cls._config_parameter(): made.from_dict(dict(config))})

    @classmethod
    def _config_parameter(cls) -> str:
        names = inspect.signature(cls.__init__).parameters
        return "config" if "config" in names and "sensor_config" not in names else "sensor_config"

    @classmethod
    def _config_class(cls) -> Any:
        """The class of its config; None if it is declared nowhere."""
        if cls.config_type is not None:
            return cls.config_type
        declared = typing.get_type_hints(cls.__init__).get(cls._config_parameter())
        members = get_args(declared) if get_origin(declared) in (typing.Union, types.UnionType) else (declared,)
        found = [t for t in members if isinstance(t, type) and hasattr(t, "from_dict") and t is not SensorConfig]
        return found[0] if len(found) == 1 else None

    @classmethod
    def _check_importable(cls) -> None:
        """Raise if the connector could not make such an object again."""
        if "<locals>" in cls.__qualname__:
            raise FlyteValidationException(
                f"The sensor {cls.__qualname__} is defined inside a function, where the connector cannot find it.",
                remedy="Define it at the top level of a module.",
            )
        parameters = list(inspect.signature(cls.__init__).parameters.values())[2:]  # without self and the name
        strangers = [
            p.name
            for p in parameters
            if p.default is p.empty
            and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
            and p.name != cls._config_parameter()
        ]
        if strangers:
            raise FlyteValidationException(
                f"The connector cannot make a {cls.__qualname__}, since it does not know {', '.join(strangers)}.",
                remedy="Put it into the sensor_config, or give it a default.",
            )


def _merged(metadata: TaskMetadata | None, timeout: timedelta | int | None) -> TaskMetadata:
    if metadata is None:
        return TaskMetadata(timeout=timeout)
    if timeout is None:
        return metadata
    if metadata.timeout is not None:
        raise FlyteValidationException(
            "You cannot set both timeout and metadata parameters at the same time in the sensor",
            remedy="Leave one of the two timeouts out.",
        )
    return replace(metadata, timeout=timeout)
