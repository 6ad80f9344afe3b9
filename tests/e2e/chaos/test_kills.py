"""Services that are killed at any moment, under load: no job twice, none lost, no task failed.

`CHAOS_KILLS` says how often; the seed is told when the test fails, and with ``-s``.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from flyteidl.service.agent_pb2_grpc import AsyncAgentServiceStub

from hardpoint.connectors import Phase
from hardpoint.connectors.journal_sqlite import SQLiteJournal
from tests.e2e.chaos.engine import Engine, Node
from tests.unit.connectors.vendor import Fault, Vendor, running_vendor, template

ROOT = Path(__file__).parents[3]
KILLS = int(os.environ.get("CHAOS_KILLS", "20"))
BUSY = 12
"""Nodes at once."""


class Service:
    """The service that lives, and a spare one that takes over when it is killed."""

    def __init__(self, journal: Path, log: Path) -> None:
        self.journal, self.log = journal, log
        self.process: asyncio.subprocess.Process | None = None
        self.stub: AsyncAgentServiceStub | None = None
        self._channels: list[grpc.aio.Channel] = []
        self._spare: asyncio.Task[tuple[asyncio.subprocess.Process, int]] | None = None

    def current(self) -> AsyncAgentServiceStub:
        assert self.stub is not None
        return self.stub

    async def _start(self) -> tuple[asyncio.subprocess.Process, int]:
        command = ["-m", "hardpoint.cli.main", "serve", "connector", "--host", "127.0.0.1", "--port", "0"]
        command += ["--prometheus-port", "none", "--modules", "tests.e2e.chaos.connectors"]
        command += ["--only", "vendor_finding", "--only", "vendor_idempotent", "--journal", str(self.journal)]
        with self.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=log
            )
        assert process.stdout is not None
        async with asyncio.timeout(60):
            async for line in process.stdout:
                if found := re.search(rb"Listening on port (\d+)", line):
                    return process, int(found[1])
        raise AssertionError(f"The service did not start: {self.log.read_text()}")

    async def take_over(self) -> None:
        """Kill the one that lives, and let the spare one live."""
        if self._spare is None:
            self._spare = asyncio.ensure_future(self._start())
        process, port = await self._spare
        killed, self.process = self.process, process
        if killed is not None:
            killed.kill()
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        self._channels.append(channel)
        self.stub = AsyncAgentServiceStub(channel)
        self._spare = asyncio.ensure_future(self._start())
        if killed is not None:
            await killed.wait()

    async def close(self) -> None:
        processes = [self.process, (await self._spare)[0] if self._spare is not None else None]
        for process in processes:
            if process is not None:
                process.kill()
                await process.communicate()
        for channel in self._channels:
            await channel.close()


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Service]:
    service = Service(folder / "jobs.sqlite", folder / "log.txt")
    try:
        await service.take_over()
        yield service
    finally:
        await service.close()


async def test_no_job_is_created_twice_or_lost(tmp_path: Path) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or random.randrange(1 << 32))
    chance = random.Random(seed)
    with running_vendor() as finding, running_vendor() as idempotent:
        idempotent.unique = "same"
        vendors = {"vendor_finding": finding, "vendor_idempotent": idempotent}
        for vendor in vendors.values():
            vendor.polls = 2
            # Many answers come late, so that a service is killed while it waits for them; some are lost, some are refusals.
            for _ in range(50 * KILLS):
                vendor.fail("POST", _trouble(chance))
                vendor.fail("GET", Fault(status=503) if chance.random() < 0.02 else Fault())
                vendor.fail("FIND", Fault(status=503) if chance.random() < 0.05 else Fault())
        nodes: list[Node] = []
        async with served(tmp_path) as service:
            engine = Engine(service.current, seed)
            is_over = asyncio.Event()

            async def work(number: int) -> None:
                while not is_over.is_set():
                    name = chance.choice(list(vendors))
                    node = Node(f"n{len(nodes)}", template(vendors[name], name), chance.random() < 0.1)
                    nodes.append(node)
                    await engine.run(node)

            workers = [asyncio.create_task(work(number)) for number in range(BUSY)]
            for _ in range(KILLS):
                await asyncio.sleep(chance.uniform(0.1, 1.0))
                await service.take_over()
            is_over.set()
            async with asyncio.timeout(120):
                await asyncio.gather(*workers)
        _check(nodes, vendors, tmp_path / "jobs.sqlite", seed)


def _trouble(chance: random.Random) -> Fault:
    kind = chance.random()
    if kind < 0.02:
        return Fault(lost=True)
    if kind < 0.04:
        return Fault(status=503)
    return Fault(late=chance.uniform(0.0, 0.4))


def _check(nodes: list[Node], vendors: dict[str, Vendor], journal: Path, seed: int) -> None:
    told = f"CHAOS_SEED={seed}"
    print(f"{told}: {KILLS} kills, {len(nodes)} tasks, {sum(len(vendor.jobs) for vendor in vendors.values())} jobs")
    jobs: defaultdict[str, list[str]] = defaultdict(list)
    for vendor in vendors.values():
        for job in vendor.jobs.values():
            jobs[job.tags["hardpoint-node"]].append(job.state)
    assert {name: states for name, states in jobs.items() if len(states) > 1} == {}, told
    assert set(jobs) == {node.name for node in nodes}, told
    ends = {node.name: (node.phase, node.said) for node in nodes if not node.is_cancelled}
    assert {name: end for name, end in ends.items() if end[0] is not Phase.SUCCEEDED} == {}, told
    assert {name: jobs[name] for name in ends if jobs[name] != ["DONE"]} == {}, told
    cancelled = Counter(state for node in nodes if node.is_cancelled for state in jobs[node.name])
    assert set(cancelled) <= {"KILLED", "DONE"}, told
    assert len(nodes) > KILLS, told
    # The kills have hit creations, or the test would say nothing.
    assert sum(node.attempts > 1 for node in nodes) >= KILLS / 4, told
    opened = SQLiteJournal(journal)
    try:
        assert all(entry.ended for entry in opened.find() if entry.meta is not None), told
    finally:
        opened.close()


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
