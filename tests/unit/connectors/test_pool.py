"""Calls of connectors' methods."""

from __future__ import annotations

import asyncio
import threading
import time
from contextvars import ContextVar
from queue import SimpleQueue
from typing import Any

import pytest

from hardpoint.connectors import Resource, SyncConnectorBase
from hardpoint.connectors.phases import Phase
from hardpoint.connectors.pool import BlockedLoopError, CallTimeoutError, Threads, call, guard_loop, time_left
from hardpoint.settings import override

variable: ContextVar[str] = ContextVar("variable", default="unset")


class Calls(SyncConnectorBase):
    name = "Calls"
    task_type_name = "calls"
    pool_size = 2

    def __init__(self) -> None:
        super().__init__()
        self.at_once = self.most = 0
        self.lock = threading.Lock()

    def do(self, task_template: Any, output_prefix: str = "", inputs: Any = None) -> Resource:
        return Resource(Phase.SUCCEEDED, message=f"{threading.current_thread().name} {variable.get()}")

    def slow(self, seconds: float) -> None:
        with self.lock:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        time.sleep(seconds)
        with self.lock:
            self.at_once -= 1

    def stops(self) -> None:
        next(iter(()))

    async def refuses(self) -> None:
        raise TimeoutError("the vendor's own words")

    async def waits(self, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "waited"

    async def blocks(self, seconds: float) -> None:
        await asyncio.sleep(0)
        time.sleep(seconds)

    def hands_on(self) -> Any:
        return self.waits(0)

    async def everything(self, first: str, **kwargs: Any) -> tuple[str, dict[str, Any]]:
        return first, kwargs

    async def streams(self) -> Any:
        yield 1
        yield 2


@pytest.fixture
def connector() -> Calls:
    return Calls()


async def test_a_plain_method_runs_in_a_thread_of_its_connector_and_sees_the_callers_context(connector: Calls) -> None:
    token = variable.set("set")
    try:
        result = await call(connector, "do", task_template=None, output_prefix="", inputs=None, tags={})
    finally:
        variable.reset(token)
    assert result.message == "Calls set"


async def test_arguments_are_given_as_far_as_they_are_named(connector: Calls) -> None:
    assert await call(connector, "waits", 0, deadline=None, tags={}) == "waited"
    assert await call(connector, "everything", "x", tags={"a": "b"}) == ("x", {"tags": {"a": "b"}})


async def test_no_more_calls_at_once_than_the_pool_has_threads(connector: Calls) -> None:
    await asyncio.gather(*(call(connector, "slow", 0.05) for _ in range(6)))
    assert connector.most == 2


async def test_the_pool_has_as_many_threads_as_are_configured(connector: Calls) -> None:
    with override(connectors={"pool_size": 3}):
        await asyncio.gather(*(call(connector, "slow", 0.05) for _ in range(6)))
    assert connector.most == 3


async def test_one_connectors_calls_do_not_wait_for_anothers(connector: Calls) -> None:
    hanging = [asyncio.ensure_future(call(connector, "slow", 0.5)) for _ in range(4)]
    await asyncio.sleep(0.02)
    began = time.monotonic()
    await call(Calls(), "do", task_template=None)
    assert time.monotonic() - began < 0.3
    await asyncio.gather(*hanging)


@pytest.mark.parametrize("method", ["slow", "waits"])
async def test_a_call_has_a_deadline(connector: Calls, method: str) -> None:
    with pytest.raises(CallTimeoutError, match=f"Calls did not answer {method} within 0.05 s"):
        await call(connector, method, 0.4, deadline=0.05)


async def test_a_time_out_that_the_method_raises_is_not_taken_for_the_deadline(connector: Calls) -> None:
    with pytest.raises(TimeoutError, match="the vendor's own words") as caught:
        await call(connector, "refuses", deadline=5)
    assert not isinstance(caught.value, CallTimeoutError)


async def test_what_no_future_can_carry_is_told(connector: Calls) -> None:
    with pytest.raises(Exception, match="StopIteration"):
        await call(connector, "stops")


async def test_a_plain_method_may_hand_on_a_coroutine(connector: Calls) -> None:
    assert await call(connector, "hands_on") == "waited"


async def test_an_asynchronous_generator_is_given_as_it_is(connector: Calls) -> None:
    assert [item async for item in await call(connector, "streams")] == [1, 2]


async def test_the_guard_finds_a_method_that_blocks_the_loop(connector: Calls) -> None:
    with guard_loop(0.1):
        assert await call(connector, "waits", 0.15) == "waited"
        await call(connector, "slow", 0.15)
        with pytest.raises(BlockedLoopError, match=r"Calls\.blocks blocked the event loop for 0\.\d\d s") as caught:
            await call(connector, "blocks", 0.15)
    assert "with def" in str(caught.value)
    await call(connector, "blocks", 0.15)


async def test_what_is_asked_while_the_last_thread_leaves_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(SimpleQueue[Any]):
        """What is put into it is there only when whoever waited for it has given up."""

        def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
            time.sleep(0.1)
            super().put(item)

    monkeypatch.setattr("hardpoint.connectors.pool.SimpleQueue", Late)
    threads = Threads("hasty", 1, idle=0.05)
    for number in range(3):
        assert await asyncio.wait_for(threads.run(lambda n=number: n), 20) == number


class TellsTime(SyncConnectorBase):
    name, task_type_name = "Clock", "clock"

    def do(self, *args: Any, **kwargs: Any) -> Any:
        return time_left()


async def test_a_method_knows_for_how_long_it_is_waited_for() -> None:
    connector = TellsTime()
    left = await call(connector, "do", deadline=5)
    assert 4 < left <= 5
    assert await call(connector, "do") is None
    assert time_left() is None
