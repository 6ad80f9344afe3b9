"""A task's own connection is in force whenever its connector is called, whoever calls."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from hardpoint import idl
from hardpoint.connectors import Capabilities, Phase, Resource
from hardpoint.connectors.connection import Connection, connection, get_connector_secret
from hardpoint.connectors.jobs import JobLimits, Jobs
from hardpoint.connectors.journal import Journal
from hardpoint.connectors.watch import WatchLimits
from hardpoint.errors import PermanentError, UserError
from hardpoint.idl import TaskTemplate
from tests.unit.connectors.owners import metadata
from tests.unit.connectors.vendor import Fault, Finding, JobMeta, Vendor, template

RATE = WatchLimits(rate=1000, deadline=5)
QUICK = JobLimits(create=20, call=5, retry=5, lease=2)


class Told(Finding):
    """It writes down with what it was called."""

    task_type_name = "vendor_told"
    capabilities = Capabilities(finds_by_key=True, batches_polls=True)

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[str, str]] = []

    def _hear(self, method: str) -> None:
        self.heard.append((method, connection().config("account", "nobody")))

    def create(self, task_template: TaskTemplate, **kwargs: Any) -> JobMeta:
        self._hear("create")
        return super().create(task_template, **kwargs)

    def find(self, idempotency_key: str, task_template: TaskTemplate, **kwargs: Any) -> JobMeta | None:
        self._hear("find")
        return super().find(idempotency_key, task_template, **kwargs)

    async def get(self, resource_meta: JobMeta, **kwargs: Any) -> Resource:
        self._hear("get")
        return Resource(Phase.RUNNING)

    async def get_many(self, metas: Sequence[JobMeta], **kwargs: Any) -> list[Resource]:
        self._hear(f"get_many of {len(metas)}")
        return [Resource(Phase.RUNNING) for _ in metas]

    def delete(self, resource_meta: JobMeta, **kwargs: Any) -> None:
        self._hear("delete")


def wanted(vendor: Vendor, account: str = "") -> TaskTemplate:
    made = template(vendor, "vendor_told")
    if account:
        made.custom.update({"configs": {"account": account}})
    return made


def of(account: str) -> Connection:
    return Connection(configs={"account": account})


async def test_the_connection_that_is_given_is_in_force_in_every_call(journal: Journal, vendor: Vendor) -> None:
    jobs, told = Jobs(journal, QUICK, RATE), Told()
    vendor.fail("POST", Fault(lost=True))
    given = of("given")
    meta = await jobs.create_or_adopt(told, wanted(vendor), None, "p", metadata(), connection=given)
    await jobs.state(told, meta, connection=given)
    await jobs.cancel(told, meta, connection=given)
    assert told.heard == [(method, "given") for method in ("create", "find", "get", "delete")]
    assert connection().configs == {}


async def test_without_one_the_template_says_it_also_to_another_process(journal: Journal, vendor: Vendor) -> None:
    jobs, told = Jobs(journal, QUICK, RATE), Told()
    meta = await jobs.create_or_adopt(told, wanted(vendor, "own"), None, "p", metadata())
    jobs = Jobs(journal, QUICK, RATE)
    await jobs.state(told, meta)
    await jobs.cancel(told, meta)
    assert told.heard == [("create", "own"), ("get", "own"), ("delete", "own")]


async def test_a_creation_behind_its_caller_has_it_too(journal: Journal, vendor: Vendor) -> None:
    jobs, told = Jobs(journal, QUICK, RATE), Told()
    vendor.fail("POST", Fault(lost=True, seconds=0.2))
    pending = await jobs.create_or_adopt(
        told, wanted(vendor), None, "p", metadata(), deadline=0.05, connection=of("given")
    )
    await jobs.drain()
    assert told.heard == [("create", "given"), ("find", "given")]
    await jobs.cancel(told, pending, connection=of("given"))
    assert told.heard[-1] == ("delete", "given")


async def test_jobs_are_asked_for_together_where_they_share_a_connection(journal: Journal, vendor: Vendor) -> None:
    jobs, told = Jobs(journal, QUICK, RATE), Told()
    metas = [
        await jobs.create_or_adopt(told, wanted(vendor), None, "p", metadata(node=f"n{number}")) for number in range(6)
    ]
    told.heard.clear()
    accounts = ("a", "a", "b", "a", "b", "c")
    await asyncio.gather(
        *(jobs.state(told, meta, connection=of(account)) for meta, account in zip(metas, accounts, strict=True))
    )
    assert sorted(told.heard) == [("get", "c"), ("get_many of 2", "b"), ("get_many of 3", "a")]


async def test_jobs_that_are_followed_have_it_too(journal: Journal, vendor: Vendor) -> None:
    class Done(Told):
        async def get(self, resource_meta: JobMeta, **kwargs: Any) -> Resource:
            self._hear("get")
            return Resource(Phase.SUCCEEDED)

    jobs, told = Jobs(journal, QUICK, RATE), Done()
    meta = await jobs.create_or_adopt(told, wanted(vendor, "own"), None, "p", metadata())
    await jobs.follow(told, meta, "p", lambda state: None)
    assert told.heard == [("create", "own"), ("get", "own")]


class Keyed(Finding):
    """It needs a secret."""

    task_type_name = "vendor_keyed"

    def create(self, task_template: TaskTemplate, **kwargs: Any) -> JobMeta:
        get_connector_secret("api_key")
        return super().create(task_template, **kwargs)

    def get(self, resource_meta: JobMeta, **kwargs: Any) -> Resource:
        get_connector_secret("api_key")
        return super().get(resource_meta, **kwargs)


@pytest.fixture
def secretive(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> TaskTemplate:
    """A task that names a secret of this process."""
    monkeypatch.setenv("_FSEC_FOREIGN", "canary-0815")
    made = template(vendor, "vendor_keyed")
    made.custom.update({"secrets": {"api_key": "foreign"}})
    return made


async def test_a_shared_service_keeps_its_secrets_from_templates(
    journal: Journal, vendor: Vendor, secretive: TaskTemplate
) -> None:
    jobs = Jobs(journal, QUICK, RATE, shared=True)
    with pytest.raises(UserError, match="does not keep for tasks"):
        await jobs.create_or_adopt(Keyed(), secretive, None, "p", metadata())
    assert vendor.jobs == {}
    meta = await Jobs(journal, QUICK, RATE).create_or_adopt(Keyed(), secretive, None, "p", metadata())
    refused = await jobs.state(Keyed(), meta)
    assert refused.phase is Phase.QUEUED
    assert "does not keep for tasks" in (refused.message or "")


async def test_values_that_were_sent_reach_no_journal(journal: Journal, vendor: Vendor) -> None:
    jobs = Jobs(journal, QUICK, RATE, shared=True)
    sent = Connection.of(template(vendor, "vendor_keyed"), secrets={"api_key": "canary-4711"}, shared=True)
    meta = await jobs.create_or_adopt(
        Keyed(), template(vendor, "vendor_keyed"), idl.literal_map({}), "p", metadata(), connection=sent
    )
    assert (await jobs.state(Keyed(), meta, connection=sent)).phase is Phase.RUNNING
    [entry] = journal.unfinished()
    assert "canary-4711" not in repr(entry) + repr(sent)
    with pytest.raises(PermanentError, match="has no field"):
        await jobs.state(Keyed(), b"{}", connection=sent)
