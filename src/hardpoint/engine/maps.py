"""Runs a map: one task over many elements, some at once, with as many failures as it allows."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from hardpoint.engine.attempts import Policy, in_thread, run_on_loop
from hardpoint.engine.elements import Elements
from hardpoint.engine.events import NodeEvent
from hardpoint.engine.run import Run
from hardpoint.errors import FlyteAssertion
from hardpoint.idl import Literal
from hardpoint.tasks.base import PythonTask
from hardpoint.types import TypeEngine
from hardpoint.workflows.map_task import ArrayNode, MapTask

__all__ = ["run_map"]

Outputs = Mapping[str, Literal]
RunEntity = Callable[[Run, str, Any, Outputs], Awaitable[Outputs]]


async def run_map(
    run: Run,
    path: str,
    entity: MapTask | ArrayNode,
    inputs: Outputs,
    run_entity: RunEntity,
    policy: Policy | None = None,
) -> dict[str, Literal]:
    """Run the target of a map once for each element; its outputs as collections.

    Args:
        run: The run.
        path: The map's node; an element's path is ``<path>/[<index>]``.
        entity: The map.
        inputs: Its inputs: a collection for each mapped one, the value itself for each bound one.
        run_entity: Runs the target of an element where it is not a plain task.
        policy: How each element is run; by default as the target says.

    Raises:
        FlyteAssertion: the mapped inputs differ in length.
        Exception: that of the first element that failed, once fewer can succeed than must.
    """
    count = entity.count(inputs)
    target = entity.target
    progress = _Progress(run, path, entity.name, count, entity.required_successes(count), entity.run_all_sub_nodes)
    workers = run.workers_for(target)
    limit = workers.limit
    at_once = min(entity.concurrency or limit, limit, count)
    outputs: list[Outputs | None] = [None] * count
    indices: Iterator[int] = iter(range(count))  # shared by all that work: each takes the next

    elements = Elements(run, path, entity, inputs)
    chosen = policy or Policy.of(target) if isinstance(target, PythonTask) else Policy()

    if isinstance(target, PythonTask) and in_thread(target, chosen):
        directly = not run.done and chosen.cache_version is None and not target.enable_deck
        if directly:
            await run.workers.run(elements.convert)

        def work() -> None:
            lane = elements.lane()
            for index in indices:
                if progress.hopeless:
                    return
                try:
                    if directly:
                        outputs[index] = elements.run_directly(index, lane, chosen)
                    else:
                        outputs[index] = elements.run_in_attempts(index, chosen)
                except Exception as error:
                    progress.failed(error)
                    if progress.hopeless and progress.first is not None:
                        raise progress.first from None  # which ends the others
                else:
                    progress.succeeded()

        parts: list[Awaitable[Any]] = [workers.run(work) for _ in range(at_once)]
    else:

        async def work_on_loop() -> None:
            for index in indices:
                if progress.hopeless:
                    return
                here, given = f"{path}/[{index}]", elements.given(index)
                try:
                    if isinstance(target, PythonTask):
                        noted = elements.noted(index)
                        outputs[index] = await run_on_loop(run, here, target, given, chosen, element=noted)
                    else:
                        outputs[index] = await run_entity(run, here, target, given)
                except Exception as error:
                    progress.failed(error)
                    if progress.hopeless and progress.first is not None:
                        raise progress.first from None  # which ends the others
                else:
                    progress.succeeded()

        parts = [work_on_loop() for _ in range(at_once)]
    tasks = [asyncio.ensure_future(part) for part in parts]
    with run.recording(elements):
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    if progress.first is not None and progress.too_few:
        raise progress.first
    return _collect(entity, outputs)


def _collect(entity: MapTask | ArrayNode, outputs: list[Outputs | None]) -> dict[str, Literal]:
    """Outputs of the elements as collections; where some may fail, the result of one that did is None."""
    collected: dict[str, Literal] = {}
    own = entity.target.python_interface.output_codecs
    for name, codec in entity.python_interface.output_codecs.items():
        element = codec.literal_type.collection_type
        wrapped = element != own[name].literal_type  # the target's type became an optional of it
        literal = Literal()
        literal.collection.SetInParent()
        if not wrapped and None not in outputs:
            literal.collection.literals.extend([found[name] for found in outputs if found is not None])
            collected[name] = literal
            continue
        for found in outputs:
            item = literal.collection.literals.add()
            if found is not None and not wrapped:
                item.CopyFrom(found[name])
                continue
            if found is None and not TypeEngine.codec(_element_type(entity, name)).accepts(None):
                raise FlyteAssertion(f"An element of {entity.name} failed, but its output {name!r} cannot be None.")
            value = None if found is None else own[name].decode(found[name])
            item.CopyFrom(TypeEngine.codec(_element_type(entity, name)).encode(value))
        collected[name] = literal
    return collected


def _element_type(entity: MapTask | ArrayNode, name: str) -> Any:
    return entity.python_interface.outputs[name].__args__[0]


class _Progress:
    """How many elements have ended, and how; told to the listener a few times a second. Several threads count."""

    def __init__(self, run: Run, path: str, name: str, count: int, must: int, run_all: bool) -> None:
        self.run, self.path, self.name, self.count, self.must, self.run_all = run, path, name, count, must, run_all
        self.failures = 0
        self.done = 0
        self.first: BaseException | None = None
        self._lock = threading.Lock()
        self._told = time.monotonic()

    @property
    def too_few(self) -> bool:
        """Whether fewer elements can succeed than must."""
        return self.count - self.failures < self.must

    @property
    def hopeless(self) -> bool:
        """Whether there is no use in going on."""
        return self.too_few and not self.run_all

    def succeeded(self) -> None:
        if not self.run.listens:
            return
        with self._lock:
            self.done += 1
            now = time.monotonic()
            if now - self._told < 0.1:
                return
            self._told = now
        self.run.tell(NodeEvent(self.path, self.name, "running", total=self.count, done=self.done))

    def failed(self, error: BaseException) -> None:
        with self._lock:
            self.failures += 1
            self.first = self.first or error
        self.succeeded()
