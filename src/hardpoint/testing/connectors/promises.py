"""What a connector promises by being one."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging

import pytest

from hardpoint.connectors.contract import AsyncConnectorBase
from hardpoint.connectors.errors import explain
from hardpoint.connectors.pool import call, guard_loop
from hardpoint.connectors.resource import MetaError
from hardpoint.testing.connectors.desk import Desk, JobsConformance, at_a_desk
from hardpoint.testing.connectors.service import BLOCKED, SLOW, logged
from hardpoint.testing.saboteur import Slow

__all__ = ["PromisesAreKept"]

_WRITTEN = {
    "finds_by_key": "find",
    "batches_polls": "get_many",
    "estimates": "estimate",
    "logs": "get_logs",
    "metrics": "get_metrics",
    "lists_owned": "find_owned",
}
"""From a capability to the method that it promises."""


class PromisesAreKept(JobsConformance):
    """Proves that metadata lasts, that capabilities are what they say, that nothing blocks, and that nothing leaks."""

    @at_a_desk
    async def test_metas_travel(self, desk: Desk) -> None:
        kind, data = desk.connector.metadata_type, await desk.create()
        meta, told = kind.decode(data), json.loads(data)
        assert kind.decode(meta.encode()) == meta
        assert kind.decode(json.dumps({**told, "of_a_later_release": {"a": [1]}}).encode()) == meta
        required = [
            field.name
            for field in dataclasses.fields(kind)
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        ]
        for name in required:
            with pytest.raises(MetaError, match=name):
                kind.decode(json.dumps({key: told[key] for key in told if key != name}).encode())
        for data in (b"", b"\xff", b"[]", b"null"):
            with pytest.raises(MetaError):
                kind.decode(data)

    @at_a_desk
    async def test_promises_are_kept(self, desk: Desk) -> None:
        """What the capabilities promise is written, what is written is promised, and it answers."""
        connector, can = desk.connector, desk.connector.capabilities
        for capability, method in _WRITTEN.items():
            written = getattr(type(connector), method) is not getattr(AsyncConnectorBase, method)
            assert getattr(can, capability) == written, f"{capability} and {method} do not agree."
        if can.estimates:
            template, inputs = self.prepared(self.prefix("n0", 0))
            assert await call(connector, "estimate", template, inputs=inputs) is not None
            assert self.made() == []
        meta = connector.metadata_type.decode(await desk.create())
        if can.lists_owned:
            owned = await call(connector, "find_owned", task_template=self.template())
            key = self.owner().idempotency_key
            assert meta in [found for found, tags in owned if tags.get("hardpoint-key") == key], (
                "The job is not listed."
            )
        self.service.end(self.the_job())
        if can.logs:
            logs = await call(connector, "get_logs", meta)
            assert ([part async for part in logs] if hasattr(logs, "__aiter__") else [logs]) != []
        if can.metrics:
            assert await call(connector, "get_metrics", meta) is not None

    @at_a_desk
    async def test_loop_is_not_blocked(self, desk: Desk) -> None:
        """Each method is called while the service takes its time."""
        await desk.create("first")  # what is imported then is imported only once
        meta = desk.connector.metadata_type.decode(await desk.create("second"))
        await call(desk.connector, "get", meta)
        can, key = desk.connector.capabilities, self.owner("slow").idempotency_key
        calls = [desk.create_directly("slow"), call(desk.connector, "get", meta)]
        if can.batches_polls:
            calls.append(call(desk.connector, "get_many", [meta, meta]))
        if can.finds_by_key:
            calls.append(call(desk.connector, "find", key, self.template()))
        with guard_loop(BLOCKED):
            self.saboteur.fail(Slow(SLOW), times=len(calls))
            await asyncio.gather(*calls)
            self.saboteur.heal()
            self.saboteur.fail(Slow(SLOW))
            await call(desk.connector, "delete", meta)

    @at_a_desk
    async def test_secrets_are_seen_nowhere(self, desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
        """Neither in metadata and templates nor in messages, logs and the journal."""
        caplog.set_level(logging.INFO)
        for package in ("hardpoint", type(desk.connector).__module__.partition(".")[0]):
            caplog.set_level(logging.DEBUG, package)
        told = {"the template": str(self.template()), "messages": ""}
        for number, ok in enumerate((True, False)):
            meta = await desk.create(f"life-{number}")
            told["metadata"] = meta.decode()
            told["messages"] += str(await desk.get(meta))
            self.service.end(self.made()[-1], ok)
            told["messages"] += str(await desk.ended(meta))
        meta = await desk.create("refused")
        self.refuse()
        with pytest.raises(Exception) as caught:
            await desk.create("refused-at-once")
        told["errors"] = explain(caught.value, "create a job", where=desk.connector.name)[1]
        told["messages"] += str(await desk.state(meta))
        self.accept()
        await desk.cancel(meta)
        told["logs"] = logged(caplog)
        files = self.folder.glob("jobs.sqlite*")
        told["the journal"] = "".join(file.read_bytes().decode(errors="replace") for file in files)
        self.unseen(told)
