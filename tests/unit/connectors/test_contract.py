"""What connectors are made of: the contract, phases, metadata, resources and the registry."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from flyteidl.core.execution_pb2 import TaskExecution

from hardpoint import idl
from hardpoint.connectors import (
    AsyncConnectorBase,
    ConnectorRegistry,
    Phase,
    Resource,
    ResourceMeta,
    SyncConnectorBase,
    TaskCategory,
    log_link,
    phase_of,
    phase_or_running,
)
from hardpoint.connectors.contract import accepted_names
from hardpoint.connectors.phases import UnknownStateError, convert_to_flyte_phase
from hardpoint.connectors.registry import DuplicateConnectorError, FlyteConnectorNotFound
from hardpoint.connectors.resource import MetaError
from hardpoint.errors import FlyteValidationException
from hardpoint.idl import LiteralMap


@dataclass
class Inner:
    a: int


@dataclass
class Meta(ResourceMeta):
    job_id: str
    n: int | None = None
    inner: Inner | None = None
    inners: list[Inner] = field(default_factory=list)
    by_name: dict[str, Inner] = field(default_factory=dict)
    share: float = 0.0


class Query(AsyncConnectorBase[Meta]):
    name = "Query"
    task_type_name = "contract_query"
    metadata_type = Meta

    def create(self, **kwargs: Any) -> Meta:
        return Meta("x")

    def get(self, resource_meta: Meta, **kwargs: Any) -> Resource:
        return Resource(Phase.RUNNING)

    def delete(self, resource_meta: Meta, **kwargs: Any) -> None: ...


class AtOnce(SyncConnectorBase):
    name = "Query"
    task_type_name = "contract_at_once"

    def do(self, *args: Any, **kwargs: Any) -> Resource:
        return Resource(Phase.SUCCEEDED)


@pytest.fixture
def registered() -> Iterator[list[Any]]:
    made = [Query(), Query(task_type_name="contract_query", task_type_version=2), AtOnce()]
    for connector in made:
        ConnectorRegistry.register(connector)
    yield made
    for connector in made:
        ConnectorRegistry.unregister(connector.task_category)


# -- phases ------------------------------------------------------------------------------------------------------------


def test_phases_have_the_numbers_of_the_wire() -> None:
    assert {phase.name: int(phase) for phase in Phase} == dict(TaskExecution.Phase.items())


def test_terminal_phases() -> None:
    failures = {Phase.ABORTED, Phase.FAILED, Phase.RETRYABLE_FAILED}
    assert {phase for phase in Phase if phase.is_failure} == failures
    assert {phase for phase in Phase if phase.is_terminal} == failures | {Phase.SUCCEEDED}


@pytest.mark.parametrize(
    ("phase", "said"),
    [
        (Phase.FAILED, "failed timeout timedout canceled cancelled skipped"),
        (Phase.RETRYABLE_FAILED, "internal_error"),
        (Phase.SUCCEEDED, "done succeeded success completed SUCCESS"),
        (Phase.RUNNING, "running terminating"),
        (Phase.INITIALIZING, "pending"),
    ],
)
def test_common_words_for_states(phase: Phase, said: str) -> None:
    assert {convert_to_flyte_phase(word) for word in said.split()} == {phase}


def test_a_word_that_is_not_common_is_refused() -> None:
    with pytest.raises(ValueError, match="Unrecognized state: foo"):
        convert_to_flyte_phase("FOO")


def test_a_state_that_is_not_in_the_table_is_named() -> None:
    table = {"OK": Phase.SUCCEEDED, "BAD": Phase.FAILED}
    assert phase_of("OK", table, integration="lakeq") is Phase.SUCCEEDED
    with pytest.raises(
        UnknownStateError, match="lakeq reported the state 'NEW', which is not one of BAD, OK"
    ) as caught:
        phase_of("NEW", table, integration="lakeq")
    assert caught.value.state == "NEW"


# -- metadata ----------------------------------------------------------------------------------------------------------


def test_a_job_of_an_unknown_state_counts_as_running_and_the_log_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    table = {"OK": Phase.SUCCEEDED}
    assert phase_or_running("OK", table, integration="lakeq") == (Phase.SUCCEEDED, "")
    for _ in range(2):
        phase, told = phase_or_running("NEWER", table, integration="lakeq")
        assert phase is Phase.RUNNING
        assert "'NEWER'" in told
    assert [record.getMessage() for record in caplog.records] == [f"{told} It counts as running."]


def test_metadata_is_the_references_json() -> None:
    meta = Meta("é", 1, Inner(2), [Inner(3)], {"x": Inner(4)}, 0.5)
    data = meta.encode()
    assert data == (
        b'{"job_id": "\\u00e9", "n": 1, "inner": {"a": 2}, "inners": [{"a": 3}], "by_name": {"x": {"a": 4}}, "share": 0.5}'
    )
    assert Meta.decode(data) == meta


def test_metadata_of_other_releases_is_read() -> None:
    assert Meta.decode(b'{"job_id": "x", "added_later": true, "share": 1}') == Meta("x", share=1.0)
    assert Meta.decode(b'{"job_id": "x", "inner": null}') == Meta("x")


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"\xff", "is not JSON"),
        (b"[1]", "Meta should be an object, but is list"),
        (b'{"n": 1}', "Meta has no field 'job_id'; it has n"),
        (b'{"job_id": 7}', r"Meta\.job_id should be of type str, but is 7"),
        (b'{"job_id": "x", "inners": [{"a": "no"}]}', r"Meta\.inners\[0\]\.a should be of type int, but is 'no'"),
    ],
)
def test_what_is_no_metadata_is_told(data: bytes, match: str) -> None:
    with pytest.raises(MetaError, match=match):
        Meta.decode(data)


# -- resources ---------------------------------------------------------------------------------------------------------


def test_a_full_resource_there_and_back() -> None:
    resource = Resource(
        Phase.SUCCEEDED,
        message="done",
        log_links=[log_link("console", "https://x/1")],
        outputs={"n": 3},
        custom_info={"rows": 2},
    )
    message = resource.proto()
    assert message.phase == TaskExecution.SUCCEEDED
    assert message.outputs == idl.literal_map({"n": idl.integer(3)})
    back = Resource.of_proto(message)
    assert (back.phase, back.message, back.custom_info) == (Phase.SUCCEEDED, "done", {"rows": 2})
    assert back.outputs == message.outputs
    assert [(link.name, link.uri) for link in back.log_links or ()] == [("console", "https://x/1")]


def test_a_phase_may_be_the_number_that_it_has_on_the_wire() -> None:
    assert Resource(3).phase is Phase.SUCCEEDED  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="99"):
        Resource(99)  # type: ignore[arg-type]


def test_what_is_said_of_a_job_is_bounded() -> None:
    long = Resource(Phase.FAILED, message="first " + 100_000 * "ü" + " last", custom_info={"all": "x" * 500_000})
    message = long.proto()
    assert len(message.SerializeToString()) < 4096
    assert message.message.startswith("first ü")
    assert " last\n" in message.message
    assert "500,0" in message.message
    assert not message.HasField("custom_info")


def test_an_empty_resource_there_and_back() -> None:
    message = Resource(Phase.RUNNING).proto()
    assert not message.HasField("outputs")
    assert not message.HasField("custom_info")
    assert Resource.of_proto(message) == Resource(Phase.RUNNING, log_links=[])


def test_no_outputs_and_empty_outputs_are_told_apart() -> None:
    message = Resource(Phase.SUCCEEDED, outputs=LiteralMap()).proto()
    assert message.HasField("outputs")
    assert Resource.of_proto(message).outputs == LiteralMap()


def test_outputs_are_converted_by_their_declared_types() -> None:
    literals = Resource(Phase.SUCCEEDED, outputs={"n": [1, None]}).literals({"n": list[int | None]})
    assert literals is not None
    first, second = literals.literals["n"].collection.literals
    assert first.scalar.union.value == idl.integer(1)
    assert second.scalar.union.value == idl.none()


# -- connectors --------------------------------------------------------------------------------------------------------


def test_categories_are_equal_by_name_and_version() -> None:
    assert TaskCategory("dummy") == TaskCategory("dummy", 0)
    assert TaskCategory("dummy") != TaskCategory("dummy", 1)
    assert str(TaskCategory("dummy")) == "dummy_v0"


def test_a_connector_may_be_told_its_type_and_metadata() -> None:
    connector = Query(metadata_type=Meta, task_type_name="other", task_type_version=3)
    assert (str(connector.task_category), connector.is_sync) == ("other_v3", False)
    assert AtOnce().is_sync


def test_a_connector_without_a_task_type_is_told() -> None:
    class Nameless(AtOnce):
        task_type_name = ""

    with pytest.raises(FlyteValidationException, match="Nameless has no task type"):
        Nameless()


def test_a_connector_that_lacks_a_method_cannot_be_made() -> None:
    class Half(AsyncConnectorBase[Meta]):
        task_type_name = "half"

    with pytest.raises(TypeError, match="abstract"):
        Half()  # type: ignore[abstract]


def test_what_a_connector_does_not_promise_it_does_not_do() -> None:
    for method in (Query().get_logs, Query().get_metrics):
        with pytest.raises(NotImplementedError, match="Query has no"):
            method(Meta("x"))


def test_arguments_that_a_method_names() -> None:
    def named(a: int, *, b: int) -> None: ...
    def anything(a: int, **kwargs: int) -> None: ...

    assert accepted_names(named) == {"a", "b"}
    assert accepted_names(anything) is None


# -- the registry ------------------------------------------------------------------------------------------------------


def test_a_connector_is_found_by_its_exact_category(registered: list[Any]) -> None:
    assert ConnectorRegistry.get_connector("contract_query") is registered[0]
    assert ConnectorRegistry.get_agent("contract_query", 2) is registered[1]
    with pytest.raises(FlyteConnectorNotFound, match=r"Cannot find connector for task category: contract_query_v1\."):
        ConnectorRegistry.get_connector("contract_query", 1)


def test_a_task_type_has_one_connector(registered: list[Any]) -> None:
    with pytest.raises(ValueError, match="Duplicate connector for task type: contract_query_v0") as caught:
        ConnectorRegistry.register(Query())
    assert isinstance(caught.value, DuplicateConnectorError)
    other = Query()
    ConnectorRegistry.register(other, override=True)
    assert ConnectorRegistry.get_connector("contract_query") is other
    agents = [agent for agent in ConnectorRegistry.list_connectors() if not agent.is_sync]
    assert [list(agent.supported_task_types).count("contract_query") for agent in agents if agent.name == "Query"] == [
        2
    ]


def test_connectors_of_one_name_are_listed_together_unless_they_differ_in_kind(registered: list[Any]) -> None:
    agents = [agent for agent in ConnectorRegistry.list_connectors() if agent.name == "Query"]
    told = {agent.is_sync: [(c.name, c.version) for c in agent.supported_task_categories] for agent in agents}
    assert told == {False: [("contract_query", 0), ("contract_query", 2)], True: [("contract_at_once", 0)]}


def test_a_name_that_nobody_has_is_told() -> None:
    with pytest.raises(FlyteConnectorNotFound, match=r"Cannot find connector for name: nobody\."):
        ConnectorRegistry.get_connector_metadata("nobody")


def test_connectors_cost_no_libraries() -> None:
    heavy = ("grpc", "pandas", "pyarrow", "numpy", "psycopg", "fsspec", "pydantic", "sqlalchemy")
    code = (
        "import sys, hardpoint.connectors.contract, hardpoint.connectors.registry, hardpoint.connectors.jobs; "
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
