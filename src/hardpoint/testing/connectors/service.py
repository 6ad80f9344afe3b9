"""What the suites for connectors have in common: a service that can be told what to do, and the saboteur before it."""

from __future__ import annotations

import inspect
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, ClassVar, Protocol

import pytest
from flyteidl.admin.agent_pb2 import TaskExecutionMetadata

from hardpoint.connectors.contract import ConnectorBase
from hardpoint.connectors.local import render_task_template
from hardpoint.connectors.resource import Resource
from hardpoint.context import FlyteContextManager, Mode
from hardpoint.idl import LiteralMap, TaskTemplate, literal_map
from hardpoint.secrets import SecretsManager
from hardpoint.storage import FileAccess
from hardpoint.tasks.base import PythonTask
from hardpoint.tasks.image import ImageConfig
from hardpoint.tasks.python_function_task import PythonFunctionTask
from hardpoint.tasks.serialization import SerializationSettings
from hardpoint.testing.gaps import Conformance
from hardpoint.testing.saboteur import Answer, Saboteur, sabotage
from hardpoint.testing.shims import CANARY

__all__ = ["BLOCKED", "FEW", "SLOW", "Service", "ServiceConformance", "Vendor", "logged", "pause_of"]

FEW = 6
"""Requests that a call may make before it accepts that a credential, or a task, is refused."""
SLOW, BLOCKED = 0.8, 0.5
"""Seconds by which an answer is late, and after which the loop counts as blocked."""

_SETTINGS = SerializationSettings(
    ImageConfig.auto(img_name="registry.example/hardpoint:1"), project="p", domain="d", version="v"
)


class Service(Protocol):
    """A service that answers at once."""

    url: str
    """Where it listens: ``http://...``, or ``<scheme>://host:port`` of another protocol."""


class Vendor(Service, Protocol):
    """A service of jobs that can be told what becomes of them: a stand-in, or a real one with a remote control."""

    def created(self) -> Sequence[str]:
        """All jobs that were ever created, in order, by the service's own ids."""

    def end(self, job: str, ok: bool = True) -> None:
        """Let a job succeed, with its results; or fail."""

    def say(self, job: str, raw_state: str) -> None:
        """Let the service name this state of a job, also one that it does not have."""

    def forget(self, job: str) -> None:
        """Let a job vanish."""

    def alive(self, job: str) -> bool:
        """Whether a job still runs, or will."""


class ServiceConformance(Conformance):
    """Base of the suites for connectors. The subclass, or its module, has a fixture `vendor`.

    Attributes:
        secrets: Names of the secrets that the connector looks up; each holds `CANARY`, in the environment.
        canaries: Other words that may be seen nowhere, such as a private key's.
        values: The task's inputs.
        refused: How the service answers a credential that it does not accept.
        invalid: How it answers a request that is wrong.
        invalid_says: What it says then, and the user is told.
        busy: How it answers who asks too often.
        unavailable: How it answers when it is not well.
        patience: Seconds within which the service does what it is told.
        url: Set by the suite: where the connector finds the service, with the saboteur in between.
        saboteur: Set by the suite.
    """

    secrets: ClassVar[Sequence[str]] = ()
    canaries: ClassVar[Sequence[str]] = ()
    values: ClassVar[Mapping[str, Any]] = {}
    refused: ClassVar[Answer] = Answer.saying(401, f"The credential {CANARY} is refused.")
    invalid: ClassVar[Answer] = Answer.saying(400, "The request makes no sense.")
    invalid_says: ClassVar[str] = "makes no sense"
    busy: ClassVar[Answer] = Answer.saying(429, "There are too many requests.", retry_after=1)
    unavailable: ClassVar[Answer] = Answer.saying(503, "The service is being repaired.")
    patience: ClassVar[float] = 10.0
    url: str
    saboteur: Saboteur
    service: Any

    # -- what a subclass writes ----------------------------------------------------------------------------------------

    def connector(self, url: str) -> ConnectorBase | AbstractContextManager[ConnectorBase]:
        """A new connector for the service at this URL; or a context that gives one.

        If it has a method `close`, plain or asynchronous, that is called on the event loop that it was used on.
        """
        raise NotImplementedError("Override connector.")

    def task(self) -> PythonTask[Any]:
        """A task that the service can run. `self.url` is where the service is."""
        raise NotImplementedError("Override task.")

    def refuse(self) -> None:
        """Let the service accept the connector's credential no more. Override it, and `accept`, where that is no HTTP answer."""
        self.saboteur.fail(self.refused, times=None)

    def accept(self) -> None:
        """Let it accept the credential again."""
        self.saboteur.heal()

    # -- what it may use -----------------------------------------------------------------------------------------------

    def template(self) -> TaskTemplate:
        """The task's template, as a control plane sends it."""
        return TaskTemplate.FromString(self.task().template(_SETTINGS).SerializeToString())

    def prepared(self, output_prefix: str) -> tuple[TaskTemplate, LiteralMap]:
        """The template and the inputs of a call. For a function they are also written where its container looks for them."""
        task, template = self.task(), self.template()
        if not isinstance(task, PythonFunctionTask):
            return template, literal_map(task.encode_inputs(self.values))
        with FlyteContextManager.use(mode=Mode.TASK_EXECUTION) as context:
            inputs = literal_map(task.encode_inputs(self.values))
            with context.file_access.open(f"{output_prefix}/inputs.pb", "wb") as stream:
                stream.write(inputs.SerializeToString())
        return render_task_template(template, output_prefix), inputs

    def check_outputs(self, values: Mapping[str, Any]) -> None:
        """Override it to look at what a task has come to: Python values by output."""

    # -- the surroundings ----------------------------------------------------------------------------------------------

    @pytest.fixture(autouse=True)
    def _surroundings(self, vendor: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        for key in self.secrets:
            monkeypatch.setenv(SecretsManager().get_secrets_env_var(key=key), CANARY)
        self.service, self.folder, self.execution = vendor, tmp_path, f"f{uuid.uuid4().hex[:12]}"
        with (
            ExitStack() as self.stack,
            FlyteContextManager.use(files=FileAccess(str(tmp_path / "raw"))),
            sabotage(vendor.url) as self.saboteur,
        ):
            self.url = self.saboteur.url
            yield

    def connected(self) -> Any:
        """A new connector."""
        made = self.connector(self.url)
        return made if isinstance(made, ConnectorBase) else self.stack.enter_context(made)

    @staticmethod
    async def closed(connector: Any) -> None:
        """Let a connector go."""
        close = getattr(connector, "close", None)
        if close is not None and inspect.isawaitable(closed := close()):
            await closed

    def metadata(self, node: str, attempt: int) -> TaskExecutionMetadata:
        """Who asks for a job, as a control plane says it."""
        message = TaskExecutionMetadata()
        task = message.task_execution_id
        task.retry_attempt = attempt
        task.node_execution_id.node_id = node
        execution = task.node_execution_id.execution_id
        execution.project, execution.domain, execution.name = "conformance", "testing", self.execution
        return message

    def checked(self, resource: Resource, output_prefix: str) -> None:
        """The outputs are those that are declared, of their types."""
        task = self.task()
        literals = resource.literals(task.interface.outputs)
        declared = set(task.interface.outputs)
        if literals is None and declared:
            with FlyteContextManager.current_context().file_access.open(f"{output_prefix}/outputs.pb", "rb") as stream:
                literals = LiteralMap.FromString(stream.read())
        found = dict(literals.literals) if literals is not None else {}
        assert set(found) == declared
        self.check_outputs({name: task.interface.output_codecs[name].decode(found[name]) for name in found})

    def unseen(self, told: Mapping[str, str]) -> None:
        """No secret is in these texts, by where they come from."""
        planted = self.canaries or any(CANARY in value for value in os.environ.values())
        assert planted, "Name the connector's secrets, or put CANARY where it finds its credential."
        where = [place for place, text in told.items() if any(word in text for word in (CANARY, *self.canaries))]
        assert where == [], f"A secret is in {', '.join(where)}."


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """What has been logged, with tracebacks."""
    return "\n".join(f"{record.getMessage()} {record.exc_text}" for record in caplog.records)


def pause_of(answer: Answer) -> float:
    """For how many seconds an answer asks to be left alone."""
    return float(answer.headers.get("Retry-After", 0))
