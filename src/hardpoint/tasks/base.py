"""`Task` and `PythonTask`: what all tasks have in common.

A task describes itself (`template`), converts its inputs and outputs, and does its work (`execute`). How these are put
together into a run is in `hardpoint.tasks.dispatch`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from hardpoint import idl
from hardpoint._lazy import Ref
from hardpoint.context import ExecutionParameters, FlyteContextManager
from hardpoint.errors import FlyteValidationException
from hardpoint.tasks import conversion
from hardpoint.tasks.interface import Interface
from hardpoint.tasks.metadata import Description, Documentation, TaskMetadata
from hardpoint.tasks.naming import Tracked

if TYPE_CHECKING:
    from hardpoint.deck import DeckField
    from hardpoint.idl import (
        Container,
        ExtendedResources,
        Identifier,
        K8sPod,
        Literal,
        SecurityContext,
        Sql,
        TaskTemplate,
    )
    from hardpoint.tasks.serialization import SerializationSettings

__all__ = ["DEFAULT_DECK_FIELDS", "PythonTask", "Task"]

T = TypeVar("T")

DEFAULT_DECK_FIELDS = ("Source Code", "Dependencies", "Timeline", "Input", "Output")
"""The decks of a task that enables decks and does not choose."""

# The engine stands above this room, so it is named, not imported.
_CALL_TASK = Ref("hardpoint.engine:call_task")


def _message(value: Any) -> Any:
    """The message behind an object of `hardpoint.models`, as a task makes it that was written for Flytekit; others as they are."""
    return value.to_flyte_idl() if hasattr(value, "to_flyte_idl") else value


class Task:
    """Something with a name, an interface and a template.

    Args:
        task_type: By which the backend chooses who runs it.
        name: Its name, unique within project and domain.
        interface: Its inputs and outputs.
        metadata: Caching, retries and the like.
        task_type_version: Version of the template's layout, where a task type has several.
        security_ctx: Secrets and identity.
        docs: What the console shows; taken from the docstring where it is None.
    """

    def __init__(
        self,
        task_type: str,
        name: str,
        interface: Interface | None = None,
        metadata: TaskMetadata | None = None,
        task_type_version: int = 0,
        security_ctx: SecurityContext | None = None,
        docs: Documentation | None = None,
    ) -> None:
        self.task_type = task_type
        self.name = name
        self.interface = interface or Interface()
        self.metadata = metadata or TaskMetadata()
        self.task_type_version = task_type_version
        self.security_context = security_ctx
        self._docs = docs

    @property
    def python_interface(self) -> Interface:
        """The interface in Python types."""
        return self.interface

    @property
    def short_name(self) -> str:
        """The part of the name after the last dot."""
        return self.name.rpartition(".")[2]

    @cached_property
    def docs(self) -> Documentation | None:
        """What the console shows: what was given, with gaps filled from the docstring."""
        given, text = self._docs, self.interface.docstring
        if given is None and text.short is None and text.long is None:
            return None
        long = given.long_description if given else None
        return Documentation(
            short_description=(given.short_description if given else None) or text.short,
            long_description=long or (Description(value=text.long) if text.long else None),
            source_code=given.source_code if given else None,
            tags=given.tags if given else (),
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task locally; inside a workflow, add a node."""
        compilation = FlyteContextManager.current_context().compilation
        if compilation is not None:
            return compilation.call(self, args, kwargs)
        return _CALL_TASK.load()(self, args, kwargs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    # -- what a template is made of; subclasses write those that they need ---------------------------------------------

    def get_container(self, settings: SerializationSettings) -> Container | None:
        """The container in which the backend runs the task, if it does."""
        return None

    def get_k8s_pod(self, settings: SerializationSettings) -> K8sPod | None:
        """The pod in which the backend runs the task, if it does."""
        return None

    def get_sql(self, settings: SerializationSettings) -> Sql | None:
        """The statement that the backend runs, if it does."""
        return None

    def get_custom(self, settings: SerializationSettings) -> Mapping[str, Any] | None:
        """What the task type needs beside all this, as JSON-like data. Numbers travel as doubles."""
        return None

    def get_config(self, settings: SerializationSettings) -> Mapping[str, str] | None:
        """Settings of the backend's plugin, as text."""
        return None

    def get_extended_resources(self, settings: SerializationSettings) -> ExtendedResources | None:
        """Accelerators and shared memory."""
        return None

    @property
    def generates_deck(self) -> bool:
        """Whether a run leaves a deck."""
        return False

    def identifier(self, settings: SerializationSettings) -> Identifier:
        """The task's id under these settings."""
        return idl.Identifier(
            resource_type=idl.TASK,
            project=settings.project or "",
            domain=settings.domain or "",
            name=self.name,
            version=settings.version or "",
        )

    def template(self, settings: SerializationSettings) -> TaskTemplate:
        """The task as the backend knows it: a new message each time, equal for equal settings.

        Raises:
            TypeTransformerFailedError: a type in the interface has no literal type.
            FlyteValidationException: the task and the settings do not go together.
        """
        message = idl.TaskTemplate(
            id=self.identifier(settings),
            type=self.task_type,
            task_type_version=self.task_type_version,
            security_context=_message(self.security_context),
            extended_resources=_message(self.get_extended_resources(settings)),
        )
        self.metadata.fill(message.metadata, generates_deck=self.generates_deck)
        message.interface.CopyFrom(self.interface.typed)
        custom = self.get_custom(settings)
        if custom:
            message.custom.CopyFrom(idl.struct(custom))
        message.config.update(self.get_config(settings) or {})
        container = self.get_container(settings)
        if container is not None:
            message.container.CopyFrom(_message(container))
            return message
        pod = self.get_k8s_pod(settings)
        if pod is not None:
            message.k8s_pod.CopyFrom(_message(pod))
            return message
        sql = self.get_sql(settings)
        if sql is not None:
            message.sql.CopyFrom(_message(sql))
        return message


class PythonTask(Tracked, Task, Generic[T]):
    """A task with an interface of Python types and, usually, an `execute` method.

    Args:
        task_type: By which the backend chooses who runs it.
        name: Its name.
        task_config: What configures this kind of task.
        interface: Its inputs and outputs.
        environment: Environment variables of its container.
        disable_deck: Deprecated; the opposite of `enable_deck`.
        enable_deck: Whether a run leaves decks. Without it, none.
        deck_fields: Which decks are made without the task's doing.
        kwargs: As for `Task`.
    """

    is_async = False
    """Whether `execute` returns an awaitable."""
    waits = False
    """Whether `execute` does little but wait for what is done elsewhere."""

    def __init__(
        self,
        task_type: str,
        name: str,
        task_config: T | None = None,
        interface: Interface | None = None,
        environment: Mapping[str, str] | None = None,
        disable_deck: bool | None = None,
        enable_deck: bool | None = None,
        deck_fields: Sequence[DeckField | str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(task_type, name, interface, **kwargs)
        self._track()
        self.task_config = task_config
        self.environment = dict(environment or {})
        if disable_deck is not None:
            warnings.warn("disable_deck was deprecated in favour of enable_deck", FutureWarning, stacklevel=3)
            if enable_deck is not None:
                raise FlyteValidationException("only one of [disable_deck, enable_deck] can be set")
        self.enable_deck = enable_deck if enable_deck is not None else disable_deck is False
        strangers = [name for name in self.metadata.cache_ignore_input_vars if name not in self.interface.inputs]
        if strangers:
            raise FlyteValidationException(
                f"The cache of {name} ignores {', '.join(strangers)}, which is no input; its inputs are "
                f"{', '.join(self.interface.inputs) or 'none'}."
            )
        self.deck_fields = self._checked_deck_fields(deck_fields) if self.enable_deck else ()

    @staticmethod
    def _checked_deck_fields(chosen: Sequence[DeckField | str] | None) -> tuple[str, ...]:
        names = tuple(
            str(getattr(field, "value", field)) for field in (DEFAULT_DECK_FIELDS if chosen is None else chosen)
        )
        for name in names:
            if name not in DEFAULT_DECK_FIELDS:
                raise FlyteValidationException(
                    f"Element {name!r} from deck_fields param is not a valid deck field. "
                    f"Please use one of {list(DEFAULT_DECK_FIELDS)}"
                )
        return names

    @property
    def disable_deck(self) -> bool:
        """Whether a run leaves no decks."""
        return not self.enable_deck

    @property
    def generates_deck(self) -> bool:
        return self.enable_deck

    def get_type_for_input_var(self, k: str, v: Any = None) -> Any:
        """The Python type of an input."""
        return self.interface.inputs[k]

    def get_type_for_output_var(self, k: str, v: Any = None) -> Any:
        """The Python type of an output."""
        return self.interface.outputs[k]

    # -- what a run is made of -----------------------------------------------------------------------------------------

    def pre_execute(self, user_params: ExecutionParameters) -> ExecutionParameters | None:
        """Prepare the run, before inputs are converted.

        Returns:
            What `current_context()` answers while the task runs: `user_params`, or a copy with more attributes.
        """
        return user_params

    def execute(self, **kwargs: Any) -> Any:
        """Do the work: inputs by name, as the interface types them, to the outputs. An awaitable for async tasks."""
        raise NotImplementedError(f"{type(self).__name__} {self.name} has no execute method, so it cannot run here.")

    def post_execute(self, user_params: ExecutionParameters, rval: Any) -> Any:
        """Clean up after a run that did not fail, and give what `execute` gave or something in its stead.

        Raises:
            IgnoreOutputs: this run has no outputs, as those of a training job's workers.
        """
        return rval

    def decode_inputs(self, literals: Mapping[str, Literal]) -> dict[str, Any]:
        """Inputs as Python values.

        Raises:
            TypeTransformerFailedError: a literal does not fit its input; the message names task and input.
        """
        return conversion.decode(self.name, self.interface.input_codecs, literals)

    def take_inputs(self, literals: Mapping[str, Literal]) -> dict[str, Any]:
        """Inputs as `execute` takes them."""
        return self.decode_inputs(literals)

    def encode_inputs(self, values: Mapping[str, Any]) -> dict[str, Literal]:
        """Arguments of a call as literals.

        Raises:
            TypeTransformerFailedError: a value does not fit its input; the message names task and input.
        """
        return conversion.encode_inputs(self.name, self.interface.input_codecs, values)

    def encode_outputs(self, value: Any) -> dict[str, Literal]:
        """What `execute` returned, as literals.

        Raises:
            TypeTransformerFailedError: it does not fit the outputs; the message names task and output.
        """
        return conversion.encode_outputs(self.name, self.interface, value)
