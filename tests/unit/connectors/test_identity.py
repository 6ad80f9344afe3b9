"""Whom a job belongs to."""

from __future__ import annotations

import re

from flyteidl.admin.agent_pb2 import TaskExecutionMetadata
from hypothesis import given
from hypothesis import strategies as st

from hardpoint.connectors.identity import JobOwner
from hardpoint.context import ExecutionParameters, FlyteContextManager, TaskIdentity
from tests.unit.connectors.owners import metadata

LABEL = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")


def test_the_same_attempt_has_the_same_key_and_another_has_another() -> None:
    first = JobOwner.of(metadata(attempt=0), "s3://b/n0/data/0")
    again = JobOwner.of(metadata(attempt=0), "s3://b/n0/data/0")
    second = JobOwner.of(metadata(attempt=1), "s3://b/n0/data/1")
    assert first.idempotency_key == again.idempotency_key
    assert first.idempotency_key != second.idempotency_key
    assert first.node_key == second.node_key
    assert first.idempotency_key.startswith("hp-f3a9-n0-0-")


def test_keys_do_not_change_between_releases() -> None:
    owner = JobOwner.of(metadata(attempt=2), "s3://b/n0/data/2")
    assert owner.node_key == "844eb5dda80561d2a6137b0288393e85"
    assert owner.idempotency_key == "hp-f3a9-n0-2-4a1f45d0c5cd3d125eb379972b7f0ea1"


def test_nodes_executions_and_elements_of_an_array_are_told_apart() -> None:
    owners = [
        JobOwner.of(metadata(), "p"),
        JobOwner.of(metadata(node="n1"), "p"),
        JobOwner.of(metadata(execution="other"), "p"),
        JobOwner.of(metadata(FLYTE_K8S_ARRAY_INDEX="0"), "p"),
        JobOwner.of(metadata(BATCH_JOB_ARRAY_INDEX_VAR_NAME="INDEX", INDEX="1"), "p"),
    ]
    assert len({owner.node_key for owner in owners}) == len(owners)


def test_attempts_of_an_arrays_element_are_told_apart_by_their_outputs() -> None:
    first = JobOwner.of(metadata(FLYTE_K8S_ARRAY_INDEX="0"), "s3://b/n0/0/0")
    second = JobOwner.of(metadata(FLYTE_K8S_ARRAY_INDEX="0"), "s3://b/n0/0/1")
    assert first.node_key == second.node_key
    assert first.idempotency_key != second.idempotency_key


def test_a_local_runs_node_is_the_owner() -> None:
    params = ExecutionParameters(TaskIdentity(execution="261122-193612-k3fa", node="n2/n0", attempt=1))
    with FlyteContextManager.use(params=params):
        owner = JobOwner.of(None, "/tmp/random")
        assert owner == JobOwner.of(None, "/tmp/else")
    assert (owner.project, owner.execution, owner.node, owner.attempt) == ("local", "261122-193612-k3fa", "n2/n0", 1)
    assert owner.idempotency_key.startswith("hp-261122-193612-k3fa-n2-n0-1-")


def test_who_belongs_to_no_execution_is_new_each_time() -> None:
    assert JobOwner.of(None).node_key != JobOwner.of(None).node_key
    assert JobOwner.of(TaskExecutionMetadata()).node_key != JobOwner.of(TaskExecutionMetadata()).node_key


def test_a_further_job_of_the_same_attempt_has_a_key_of_its_own() -> None:
    owner = JobOwner.of(metadata(), "p")
    assert owner.next().idempotency_key != owner.idempotency_key
    assert owner.next().node_key == owner.node_key


@given(st.builds(JobOwner, st.text(), st.text(), st.text(), st.text(), st.integers(0, 10**9), st.text()))
def test_keys_and_tags_are_fit_for_every_vendor(owner: JobOwner) -> None:
    assert LABEL.fullmatch(owner.idempotency_key)
    assert 35 <= len(owner.idempotency_key) <= 63
    for name, value in owner.tags.items():
        assert LABEL.fullmatch(name)
        assert re.fullmatch(r"[a-z0-9-]{1,63}", value)
