"""Starts a connector service, or a server by hand, asks much of it, and tells what that cost.

python connectors_load.py SIDE COMMAND_OF_THE_SIDE MEASURE
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from connectors_wire import crowd as wire
from flyteidl.admin.agent_pb2 import CreateTaskRequest, GetTaskRequest, GetTaskResponse, TaskCategory

HERE = Path(__file__).parent
CALLERS = 64
SERVICE = "/flyteidl.service.AsyncAgentService"
_TICKS = os.sysconf("SC_CLK_TCK")


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(other for child in children for other in _family(int(child)))]


def cpu(pid: int) -> float:
    """Seconds of CPU of a process and its children that live."""
    used = 0.0
    for each in _family(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        used += (int(fields[11]) + int(fields[12])) / _TICKS
    return used


def memory(pid: int) -> float:
    """Bytes that a process holds."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024.0


class Server:
    """A server that has been started."""

    def __init__(self, side: str, program: str, workers: int = 1) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.calls = Path(self.folder.name, "calls")
        self.calls.touch()
        env = {**os.environ, "VENDOR_CALLS": str(self.calls), "PYTHONPATH": str(HERE)}
        if side == "raw":
            command = [sys.executable, str(HERE / "connectors_raw.py")]
        elif side == "ours":
            command = [program, "serve", "connector", "--host", "127.0.0.1", "--port", "0", "--prometheus-port", "none"]
            command += ["--modules", "connectors_ours", "--workers", str(workers)]
            command += ["--journal", str(Path(self.folder.name, "jobs.sqlite"))]
        else:
            self.port = _free_port()
            command = [program, "serve", "connector", "--port", str(self.port), "--prometheus_port", str(_free_port())]
            command += ["--modules", "connectors_reference"]
        self.output = Path(self.folder.name, "output.txt")
        with self.output.open("wb") as stream:
            self.process = subprocess.Popen(command, env=env, stdout=stream, stderr=subprocess.STDOUT)
        self.pid = self.process.pid
        if side != "reference":
            self.port = self._told_port()
        self.target = f"127.0.0.1:{self.port}"

    def _told_port(self) -> int:
        until = time.monotonic() + 60
        while time.monotonic() < until and self.process.poll() is None:
            found = re.search(r"^(?:Listening on port )?(\d+)", self.output.read_text(), re.MULTILINE)
            if found is not None:
                return int(found[1])
            time.sleep(0.02)
        raise SystemExit(f"The server did not start:\n{self.output.read_text()}")

    def vendor_calls(self) -> int:
        return self.calls.stat().st_size

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(side: str, program: str, workers: int = 1) -> Iterator[Server]:
    server = Server(side, program, workers)
    try:
        yield server
    finally:
        server.stop()


# -- asking ------------------------------------------------------------------------------------------------------------

Ask = Callable[[bytes], Awaitable[bytes]]


@contextmanager
def _raw(channel: Any, method: str) -> Iterator[Ask]:
    yield channel.unary_unary(f"{SERVICE}/{method}", request_serializer=None, response_deserializer=None)


def get_request(task_type: str, job: str) -> bytes:
    meta = json.dumps({"job_id": job}).encode()
    category = TaskCategory(name=task_type)
    return GetTaskRequest(task_type=task_type, task_category=category, resource_meta=meta).SerializeToString()


def create_request(number: int) -> bytes:
    request = CreateTaskRequest(output_prefix=f"s3://bucket/{number}")
    request.template.type = "noop"
    request.template.custom["statement"] = "SELECT * FROM flights WHERE delay > 30 ORDER BY delay DESC LIMIT 100"
    request.template.interface.outputs.variables["o0"].type.simple = 1
    request.inputs.literals["n"].scalar.primitive.integer = 3
    task = request.task_execution_metadata.task_execution_id
    task.task_id.name = "flights.worst"
    task.node_execution_id.node_id = f"n{number}"
    execution = task.node_execution_id.execution_id
    execution.project, execution.domain, execution.name = "flights", "production", "f3a9c2d4e5"
    return request.SerializeToString()


async def ready(ask: Ask, request: bytes) -> None:
    """Wait until a server answers."""
    until = time.monotonic() + 60
    while True:
        try:
            await ask(request)
            return
        except grpc.aio.AioRpcError as error:
            if time.monotonic() > until:
                raise SystemExit(f"The server does not answer: {error}") from error
            await asyncio.sleep(0.1)


async def crowd(ask: Ask, requests: Iterator[bytes], seconds: float) -> tuple[int, float]:
    """How many requests of as many callers as there are were answered, and in how many seconds."""
    began, answered = time.perf_counter(), 0

    async def caller() -> None:
        nonlocal answered
        while time.perf_counter() - began < seconds:
            await ask(next(requests))
            answered += 1

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return answered, time.perf_counter() - began


def _forever(make: Callable[[int], bytes]) -> Iterator[bytes]:
    number = 0
    while True:
        yield make(number)
        number += 1


def throughput(server: Server, method: str, make: Callable[[int], bytes], seconds: float) -> dict[str, float]:
    """Seconds that one call takes, by the clock on the wall and of the server's CPU; ``own`` is the generator's CPU."""
    path, requests = f"{SERVICE}/{method}", _forever(make)

    async def wait() -> None:
        async with grpc.aio.insecure_channel(server.target) as channel:
            with _raw(channel, method) as ask:
                await ready(ask, next(requests))

    asyncio.run(wait())
    wire(server.port, path, requests, seconds / 3)
    used, own = cpu(server.pid), time.process_time()
    answered, took = wire(server.port, path, requests, seconds)
    own = time.process_time() - own
    return {"wall": took / answered, "cpu": (cpu(server.pid) - used) / answered, "own": own / answered}


def workers(program: str, make: Callable[[int], bytes]) -> dict[str, dict[str, float]]:
    """One worker with a core of its own beside two with one each, of which the generator has to take its share."""
    found = {}
    everywhere = sorted(os.sched_getaffinity(0))[:2]
    for count in (1, 2):
        os.sched_setaffinity(0, everywhere[:count])
        with served("ours", program, count) as server:
            os.sched_setaffinity(0, everywhere[1:] if count == 1 else everywhere)
            found[count] = throughput(server, "GetTask", make, 6)
    os.sched_setaffinity(0, everywhere)
    one, two = found[1]["wall"], found[2]["wall"] - found[2]["own"] / 2
    return {"one worker": {"wall": one}, "two workers": {"wall": two}, "two workers, of one": {"ratio": two / one}}


async def probe(ask: Ask, request: bytes, seconds: float) -> float:
    """The 99th percentile of how long single calls take, 100 of them in a second."""
    took = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter()
        await ask(request)
        took.append(time.perf_counter() - began)
        await asyncio.sleep(0.01)
    return sorted(took)[int(len(took) * 0.99)]


async def isolation(server: Server) -> dict[str, dict[str, float]]:
    """What callers of one connector notice of another's that block, and how many of these are answered."""
    async with grpc.aio.insecure_channel(server.target) as channel:
        with _raw(channel, "GetTask") as ask:
            request = get_request("noop", "j0")
            await ready(ask, request)
            idle = await probe(ask, request, 6)
            before = server.vendor_calls()
            blocked = asyncio.ensure_future(crowd(ask, _forever(lambda n: get_request("slow", f"j{n}")), 8))
            await asyncio.sleep(1)
            beside = await probe(ask, request, 6)
            _, took = await blocked
            calls = server.vendor_calls() - before
    return {
        "idle": {"wall": idle},
        "beside": {"wall": beside},
        "beside, times idle": {"ratio": beside / idle},
        "blocking": {"wall": took / calls},
    }


async def many(server: Server, jobs: int = 10_000, pace: float = 20.0, rounds: int = 4) -> dict[str, dict[str, float]]:
    """What 10,000 jobs cost whose engine asks for each every 20 seconds."""
    requests = [get_request("many", f"j{number}") for number in range(jobs)]
    asked, ages, first, at_first = 0, [], 0, 0
    async with grpc.aio.insecure_channel(server.target) as channel:
        with _raw(channel, "GetTask") as ask:
            await ready(ask, requests[0])
            began, before = time.time(), server.vendor_calls()

            async def look(number: int) -> None:
                nonlocal asked
                answer = GetTaskResponse.FromString(await ask(requests[number]))
                asked += 1
                ages.append(time.time() - float(answer.resource.message))

            waiting: set[asyncio.Task[None]] = set()
            for step in range(rounds * jobs):
                if step == jobs:
                    first, at_first = server.vendor_calls() - before, asked
                late = time.time() - began - step * pace / jobs
                if late < 0:
                    await asyncio.sleep(-late)
                task = asyncio.ensure_future(look(step % jobs))
                waiting.add(task)
                task.add_done_callback(waiting.discard)
                if len(waiting) > 256:
                    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.gather(*waiting)
            took = time.time() - began
    ages.sort()
    return {
        "vendor calls": {"ratio": (server.vendor_calls() - before - first) / (asked - at_first)},
        "vendor calls, first time": {"ratio": first / at_first},
        "age, median": {"wall": ages[len(ages) // 2]},
        "age, most": {"wall": ages[-1]},
        "age, most, of the pace": {"ratio": ages[-1] / (took / rounds)},
        "memory": {"memory": memory(server.pid)},
    }


def main(side: str, program: str, measure: str) -> None:
    def get(number: int) -> bytes:
        return get_request("noop", f"j{number % CALLERS}")

    answer: dict[str, dict[str, float]] = {}
    if measure == "workers":
        answer |= workers(program, get)
    else:
        with served(side, program) as server:
            if measure == "calls":
                answer["get"] = throughput(server, "GetTask", get, 6)
                answer["create"] = throughput(server, "CreateTask", create_request, 6)
            elif measure == "isolation":
                answer |= asyncio.run(isolation(server))
            else:
                answer |= asyncio.run(many(server))
    print(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
