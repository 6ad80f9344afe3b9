"""Messages behind the attributes of Flytekit's models."""

from __future__ import annotations

import copy
import json
import pickle
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any

import pytest
from flyteidl.admin.agent_pb2 import TaskExecutionMetadata as MetadataMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from hardpoint import StructuredDataset, idl
from hardpoint.configuration import ImageConfig, SerializationSettings
from hardpoint.connectors import Phase
from hardpoint.connectors import Resource as PlainResource
from hardpoint.core.type_engine import TypeEngine, TypeTransformer
from hardpoint.extend import PythonTask, SQLTask
from hardpoint.extend import TypeEngine as Engine
from hardpoint.extend.backend.base_connector import Resource, is_terminal_phase, render_task_template
from hardpoint.extend.backend.utils import get_agent_secret, get_connector_secret, mirror_async_methods
from hardpoint.idl import TaskTemplate
from hardpoint.models import literals, security, task, types
from hardpoint.models.core.execution import TaskLog
from hardpoint.models.core.identifier import Identifier, ResourceType
from hardpoint.models.core.types import BlobType
from hardpoint.models.interface import TypedInterface, Variable
from hardpoint.models.messages import view


@pytest.fixture
def message() -> TaskTemplate:
    made = TaskTemplate(type="t", task_type_version=2, config={"user": "me"})
    made.id.CopyFrom(idl.Identifier(resource_type=idl.TASK, name="flights.count", version="v1"))
    made.custom.update({"n": 2, "none": None, "conf": {"xs": [1, "a", {"b": False}]}})
    made.interface.inputs.variables["a"].type.simple = idl.SimpleType.INTEGER
    made.container.image = "img:1"
    made.container.args.extend(["run", "{{.input}}"])
    made.container.env.add(key="A", value="b")
    made.container.resources.requests.add(name=1, value="2")
    made.metadata.timeout.CopyFrom(Duration(seconds=90))
    made.metadata.retries.retries = 3
    made.security_context.secrets.add(group="g", key="k")
    return made


@pytest.fixture
def template(message: TaskTemplate) -> Any:
    return view(message)


def test_what_a_template_has(template: Any) -> None:
    assert (template.type, template.task_type_version, template.id.name) == ("t", 2, "flights.count")
    assert template.id.resource_type_name() == "TASK"
    assert template.config == {"user": "me"}
    assert template.container.args == ["run", "{{.input}}"]
    assert template.container.env == {"A": "b"}
    assert [(entry.name, entry.value) for entry in template.container.resources.requests] == [(1, "2")]
    assert template.metadata.timeout == timedelta(seconds=90)
    assert template.metadata.retries.retries == 3
    assert template.metadata.interruptible is None
    assert [secret.key for secret in template.security_context.secrets] == ["k"]
    assert len(template.interface.inputs) == 1
    assert {name: variable.type.simple for name, variable in template.interface.inputs.items()} == {"a": 1}
    assert template.interface.outputs == {}


def test_custom_is_plain_data(template: Any) -> None:
    assert template.custom == {"n": 2.0, "none": None, "conf": {"xs": [1.0, "a", {"b": False}]}}
    assert type(template.custom["n"]) is float  # that is what has travelled
    assert json.loads(json.dumps(template.custom))["n"] == 2
    assert template.custom.get("none", "default") is None
    assert "none" in template.custom


def test_what_is_absent_is_none() -> None:
    bare = view(TaskTemplate())
    assert (bare.container, bare.sql, bare.k8s_pod, bare.security_context, bare.extended_resources) == (None,) * 5
    assert (bare.custom, bare.config, bare.interface.inputs, bare.id.name) == ({}, {}, {}, "")
    assert bare.metadata.runtime.version == ""


def test_looking_changes_nothing(template: Any, message: TaskTemplate) -> None:
    before = message.SerializeToString(deterministic=True)
    for read in _fields(template):
        assert read is not NotImplemented
    assert template.to_flyte_idl() == message
    assert message.SerializeToString(deterministic=True) == before
    assert view(TaskTemplate()).to_flyte_idl() == TaskTemplate()


def _fields(found: Any) -> Iterator[Any]:
    """All that can be read of a view."""
    if hasattr(found, "message_type"):
        for field in found.message_type.DESCRIPTOR.fields:
            yield from _fields(getattr(found, field.name))
    elif isinstance(found, dict | list):
        for item in found.values() if isinstance(found, dict) else found:
            yield from _fields(item)
    yield found


def test_changes_stay_with_whoever_makes_them(template: Any, message: TaskTemplate) -> None:
    template.custom["conf"]["more"] = 1
    template.container.env["C"] = "d"
    template.container.args.append("x")
    template.container.image = "img:2"
    template.config = {"user": "you"}
    changed = template.to_flyte_idl()
    assert idl.native(changed.custom)["conf"]["more"] == 1
    assert [(pair.key, pair.value) for pair in changed.container.env] == [("A", "b"), ("C", "d")]
    assert list(changed.container.args) == ["run", "{{.input}}", "x"]
    assert (changed.container.image, dict(changed.config)) == ("img:2", {"user": "you"})
    assert "more" not in message.custom["conf"]
    assert (message.container.image, len(message.container.env), message.config["user"]) == ("img:1", 1, "me")


def test_arguments_are_rendered(template: Any) -> None:
    assert render_task_template(template, "s3://b/p").container.args == ["run", "s3://b/p/inputs.pb"]


@pytest.mark.parametrize("how", [copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))])
def test_copies(template: Any, how: Any) -> None:
    template.custom["new"] = 1
    made = how(template)
    assert (made, hash(made), type(made)) == (template, hash(template), task.TaskTemplate)
    assert made.custom["new"] == 1
    assert made == template.to_flyte_idl()
    assert made != view(TaskTemplate())


def test_methods_of_the_message_are_there(template: Any) -> None:
    assert template.WhichOneof("target") == "container"
    assert template.HasField("id")
    with pytest.raises(AttributeError):
        _ = template.nothing
    with pytest.raises(AttributeError, match="has no field 'nothing'"):
        template.nothing = 1


def test_who_a_task_is_for() -> None:
    message = MetadataMessage(namespace="ns", labels={"a": "b"}, environment_variables={"C": "d"})
    message.task_execution_id.node_execution_id.execution_id.name = "e1"
    metadata = view(message)
    assert isinstance(metadata, task.TaskExecutionMetadata)
    assert metadata.task_execution_id.node_execution_id.execution_id.name == "e1"
    assert (metadata.namespace, metadata.labels, metadata.annotations) == ("ns", {"a": "b"}, {})
    assert metadata.environment_variables["C"] == "d"
    assert view(MetadataMessage()).task_execution_id.node_execution_id.execution_id.name == ""


def test_literals() -> None:
    message = idl.literal_map(
        {"n": idl.integer(0), "s": idl.string("x"), "none": idl.none(), "r": idl.record({"a": 1})}
    )
    message.literals["l"].collection.literals.append(idl.integer(1))
    message.literals["at"].scalar.primitive.datetime.CopyFrom(Timestamp(seconds=60))
    inputs = view(message)
    assert isinstance(inputs, literals.LiteralMap)
    assert inputs.literals["n"].scalar.primitive.integer == 0
    assert inputs.literals["n"].scalar.primitive.value == 0
    assert inputs.literals["n"].scalar.primitive.string_value is None
    assert inputs.literals["n"].scalar.blob is None
    assert inputs.literals["n"].collection is None
    assert inputs.literals["s"].value.value.value == "x"
    assert inputs.literals["none"].scalar.none_type is not None
    assert isinstance(inputs.literals["r"].scalar.generic, Struct)
    assert [item.scalar.primitive.integer for item in inputs.literals["l"].collection.literals] == [1]
    assert inputs.literals["at"].scalar.primitive.datetime == datetime(1970, 1, 1, 0, 1, tzinfo=timezone.utc)  # noqa: UP017
    assert inputs.to_flyte_idl() == message


def test_making_them() -> None:
    blob = literals.Blob(
        metadata=literals.BlobMetadata(type=BlobType("csv", BlobType.BlobDimensionality.MULTIPART)), uri="s3://b/f"
    )
    made = literals.LiteralMap({"f": literals.Literal(scalar=literals.Scalar(blob=blob)), "n": idl.integer(1)})
    expected = idl.literal_map({"f": idl.blob("s3://b/f", "csv", multipart=True), "n": idl.integer(1)})
    assert made.to_flyte_idl() == expected
    assert literals.LiteralMap.from_flyte_idl(expected) == made
    at = datetime(2026, 1, 1, tzinfo=timezone.utc)  # noqa: UP017
    assert literals.Primitive(datetime=at).value == at
    interface = TypedInterface({"a": Variable(types.LiteralType(simple=types.SimpleType.INTEGER), "an a")}, {})
    sql = task.Sql(statement="SELECT 1", dialect=task.Sql.Dialect.ANSI)
    template = task.TaskTemplate(
        Identifier(ResourceType.TASK, "p", "d", "n", "v"),
        "t",
        task.TaskMetadata(
            discoverable=True,
            runtime=task.RuntimeMetadata(task.RuntimeMetadata.RuntimeType.FLYTE_SDK, "1.0.0", "python"),
            timeout=timedelta(days=1),
            retries=literals.RetryStrategy(3),
            generates_deck=False,
        ),
        interface,
        {"a": 1},
        sql=sql,
        config={"x": "y"},
    )
    message = template.to_flyte_idl()
    assert message.metadata.timeout.seconds == 86400
    assert message.metadata.retries.retries == 3
    assert message.interface.inputs.variables["a"].description == "an a"
    assert (message.sql.statement, message.sql.dialect, message.custom["a"]) == ("SELECT 1", 1, 1)


def test_what_cannot_be_made_says_so() -> None:
    with pytest.raises(TypeError, match="Sql has no field 'text'; it has statement, dialect"):
        task.Sql(text="SELECT 1")
    with pytest.raises(TypeError, match="several values for 'statement'"):
        task.Sql("SELECT 1", statement="SELECT 1")
    with pytest.raises(TypeError, match="2 fields, but 3 values"):
        task.Sql("SELECT 1", 1, 2)
    with pytest.raises(TypeError):
        task.Sql(statement=1)


@pytest.mark.parametrize("engine", [Engine, TypeEngine])
def test_the_type_engine_takes_them(engine: Any, message: TaskTemplate) -> None:
    inputs, variables = view(idl.literal_map({"a": idl.integer(1)})), view(message).interface.inputs
    assert engine.literal_map_to_kwargs(None, inputs, literal_types=variables) == {"a": 1}
    assert engine.literal_map_to_kwargs(None, inputs, engine.guess_python_types(variables)) == {"a": 1}
    assert engine.guess_python_type(variables["a"].type) is int
    assert engine.to_python_value(None, inputs.literals["a"], int) == 1


def test_what_the_kept_type_engine_answers() -> None:
    literal = TypeEngine.to_literal(None, 1, int, types.LiteralType(simple=types.SimpleType.INTEGER))
    assert isinstance(literal, literals.Literal)
    assert literal.to_flyte_idl() == idl.integer(1)
    assert TypeEngine.dict_to_literal_map(None, {"a": 1}).to_flyte_idl() == idl.literal_map({"a": idl.integer(1)})
    assert TypeEngine.to_literal_type(int).simple == types.SimpleType.INTEGER


DATASET = StructuredDataset(uri="bq://p:d.t")


@pytest.mark.parametrize(
    "outputs",
    [
        {"o": DATASET},
        {"o": Engine.to_literal(None, DATASET, StructuredDataset)},
        {"o": TypeEngine.to_literal(None, DATASET, StructuredDataset)},
        literals.LiteralMap({"o": TypeEngine.to_literal(None, DATASET, StructuredDataset)}),
        Engine.dict_to_literal_map(None, {"o": DATASET}),
    ],
    ids=["values", "messages", "literals", "map", "message"],
)
async def test_outputs(outputs: Any) -> None:
    resource = Resource(3, outputs=outputs, log_links=[TaskLog(uri="http://x", name="x")])  # type: ignore[arg-type,list-item]
    message = await resource.to_flyte_idl()
    assert message.outputs.literals["o"].scalar.structured_dataset.uri == "bq://p:d.t"
    assert [(link.name, link.uri) for link in message.log_links] == [("x", "http://x")]
    assert isinstance(resource, PlainResource)
    again = Resource.from_flyte_idl(message)
    assert (type(again), again.phase) == (Resource, Phase.SUCCEEDED)


# -- where code that was written for Flytekit hands them to Hardpoint --------------------------------------------------


class Point:
    def __init__(self, x: int) -> None:
        self.x = x


class PointTransformer(TypeTransformer[Point]):
    def __init__(self) -> None:
        super().__init__("point", Point)

    def get_literal_type(self, t: Any) -> Any:
        return types.LiteralType(simple=types.SimpleType.STRUCT, metadata={"point": True})

    def to_literal(self, ctx: Any, python_val: Point, python_type: Any, expected: Any) -> Any:
        return TypeEngine.to_literal(ctx, python_val.x, int, types.LiteralType(simple=types.SimpleType.INTEGER))

    def to_python_value(self, ctx: Any, lv: Any, expected_python_type: Any) -> Point:
        return Point(TypeEngine.to_python_value(ctx, lv, int))


def test_a_type_transformer_may_answer_with_them() -> None:
    t = Annotated[Point, PointTransformer()]
    assert idl.native(Engine.to_literal_type(t).metadata) == {"point": True}
    assert Engine.to_literal(None, Point(3), t) == idl.integer(3)
    assert Engine.to_python_value(None, idl.integer(3), t).x == 3
    assert Engine.to_literal(None, [Point(3)], list[t]).collection.literals[0] == idl.integer(3)  # type: ignore[valid-type]


def test_a_task_may_be_made_of_them() -> None:
    class Query(SQLTask[None]):
        def get_sql(self, settings: SerializationSettings) -> Any:
            return task.Sql(statement=self.query_template, dialect=task.Sql.Dialect.ANSI)

    class Contained(PythonTask[None]):
        def get_container(self, settings: SerializationSettings) -> Any:
            entry = task.Resources.ResourceEntry(name=task.Resources.ResourceName.CPU, value="1")
            return task.Container(
                image="img:1", args=["a"], env={"A": "b"}, resources=task.Resources([entry], []), command=[]
            )

    context = security.SecurityContext(secrets=[security.Secret(group="g", key="k")])
    settings = SerializationSettings(ImageConfig())
    query = Query("models.query", "SELECT 1", security_ctx=context).template(settings)  # type: ignore[arg-type]
    assert (query.sql.statement, query.sql.dialect) == ("SELECT 1", task.Sql.Dialect.ANSI)
    assert query.security_context.secrets[0].key == "k"
    contained = Contained("contained", "models.contained").template(settings)
    assert [(pair.key, pair.value) for pair in contained.container.env] == [("A", "b")]
    assert contained.container.resources.requests[0].value == "1"


# -- what stands beside the base classes -------------------------------------------------------------------------------


async def test_functions_of_either_kind_can_be_awaited() -> None:
    async def on_the_loop(n: int) -> tuple[int, int]:
        return n, threading.get_ident()

    def elsewhere(n: int) -> tuple[int, int]:
        return n, threading.get_ident()

    here = threading.get_ident()
    assert await mirror_async_methods(on_the_loop, n=1) == (1, here)
    n, there = await mirror_async_methods(elsewhere, n=2)
    assert n == 2
    assert there != here


def test_ends() -> None:
    ends = [phase for phase in Phase if is_terminal_phase(int(phase))]
    assert ends == [Phase.SUCCEEDED, Phase.ABORTED, Phase.FAILED, Phase.RETRYABLE_FAILED]


def test_the_loop_for_calls_by_hand() -> None:
    async def answer() -> int:
        return 42

    from hardpoint.extend.backend.base_connector import local_connector_loop

    assert local_connector_loop.run_until_complete(answer()) == 42


def test_secrets_of_connectors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_FSEC_API_KEY", "sesame")
    assert get_connector_secret("api_key") == get_agent_secret("api_key") == "sesame"


@pytest.mark.parametrize("value", [3, b"bytes"])
async def test_the_type_engine_of_asynchronous_code(value: Any) -> None:
    for engine in (TypeEngine, Engine):
        literal = await engine.async_to_literal(None, value, type(value), engine.to_literal_type(type(value)))
        assert type(literal) is type(engine.to_literal(None, value, type(value)))
        assert await engine.async_to_python_value(None, literal, type(value)) == value
    assert int in Engine.get_available_transformers()
