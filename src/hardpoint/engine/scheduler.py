"""Runs a compiled graph: every node as soon as what it reads is there, independent ones at the same time.

What needs no waiting (`Work`) runs in worker threads, and the thread that ends a node goes on with one that the node has made
ready: a chain of plain tasks stays in one thread, without a detour over the event loop. Everything else is a coroutine on the loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from contextvars import copy_context
from typing import Any

from hardpoint.engine.run import Run
from hardpoint.engine.workers import Interrupted, Job
from hardpoint.idl import Literal
from hardpoint.workflows.graph import INPUTS, Graph, Node
from hardpoint.workflows.values import resolve

__all__ = ["Plan", "Values", "Work", "run_graph"]

Outputs = Mapping[str, Literal]
Work = Callable[[], Outputs]
"""A node that runs in a thread: plain code, to its end."""


class Values:
    """Outputs of nodes, by node id and name."""

    def __init__(self, inputs: Outputs) -> None:
        self.outputs: dict[str, Outputs] = {INPUTS: inputs}

    def __call__(self, node: str, var: str) -> Literal:
        return self.outputs[node][var]


Plan = Callable[[Run, Node, Values, str], Work | Coroutine[Any, Any, Outputs]]
"""How a node is run: (run, node, values of the nodes before it, path prefix). Must not raise."""

_GRACE = 5.0
"""Seconds that tasks have to clean up when their run is stopped."""


async def run_graph(
    run: Run, graph: Graph, inputs: Outputs, plan: Plan, prefix: str = "", *, keep_going: bool = False
) -> dict[str, Literal]:
    """Run a graph to its end and give its outputs.

    Args:
        run: The run that it is part of.
        graph: What to run.
        inputs: The workflow's inputs.
        plan: Says how a node is run.
        prefix: What the paths of its nodes begin with: empty, or ``n2/`` inside of node n2.
        keep_going: After a failure, still run the nodes that do not depend on it, and raise then.

    Raises:
        Exception: that of the first node that failed, itself, with a `Failure` attached.
    """
    state = _GraphRun(run, graph, Values(inputs), plan, prefix, keep_going)
    await state.go()
    return {name: resolve(binding, state.values) for name, binding in graph.outputs.items()}


class _GraphRun:
    """One graph while it runs. Its state is guarded by a lock, since worker threads move it on."""

    def __init__(self, run: Run, graph: Graph, values: Values, plan: Plan, prefix: str, keep_going: bool) -> None:
        self.run, self.values, self.plan, self.prefix, self.keep_going = run, values, plan, prefix, keep_going
        self._lock = threading.Lock()
        self._waiting: dict[str, int] = {}
        self._followers: dict[str, list[Node]] = {}
        self._ready: deque[Node] = deque()
        for node in graph.nodes:
            upstream = node.upstream_ids
            self._waiting[node.id] = len(upstream)
            for other in upstream:
                self._followers.setdefault(other, []).append(node)
            if not upstream:
                self._ready.append(node)
        self._running = 0
        self._stopped = False
        self._failure: BaseException | None = None
        self._jobs: set[Job] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._context = copy_context()

    async def go(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._end: asyncio.Future[None] = self._loop.create_future()
        with self._lock:
            ready = self._take()
        if not ready:
            return
        for node in ready:
            self._launch(node)
        try:
            await asyncio.shield(self._end)
        finally:
            await self._stop()
        if self._failure is not None:
            raise self._failure

    def _take(self) -> list[Node]:
        """The nodes that may run now; call it with the lock."""
        if self._stopped:
            self._ready.clear()
        taken = list(self._ready)
        self._ready.clear()
        self._running += len(taken)
        return taken

    def _launch(self, node: Node) -> None:
        """Start a node, from the loop's thread."""
        work = self.plan(self.run, node, self.values, self.prefix)
        if not callable(work):
            task = self._loop.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(lambda done: self._task_done(node, done))
            return
        self._submit(node, work)

    def _submit(self, node: Node, work: Work) -> None:
        holder: list[Job] = []

        def chain() -> None:
            self._chain(node, work)
            self._jobs.discard(holder[0])

        with self._lock:  # so that the job is known before it can end
            if self._stopped:
                self._running -= 1
                return
            job = self.run.workers.submit(chain, self._context.copy())
            holder.append(job)
            self._jobs.add(job)

    def _task_done(self, node: Node, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            self._settle(node, None, asyncio.CancelledError())
            return
        error = task.exception()
        for ready in self._settle(node, None if error else task.result(), error):
            self._launch(ready)

    def _chain(self, node: Node | None, work: Work | None) -> None:
        """Run a node in this worker thread, then one that it has made ready, and so on."""
        while node is not None and work is not None:
            outputs: Outputs | None = None
            error: BaseException | None = None
            try:
                outputs = self._context.copy().run(work)
            except BaseException as raised:  # it is the node's, and is raised by `go`
                error = raised
            next_node, next_work = None, None
            for ready in self._settle(node, outputs, error):
                planned = self.plan(self.run, ready, self.values, self.prefix)
                if callable(planned) and next_node is None:
                    next_node, next_work = ready, planned
                elif callable(planned):
                    self._submit(ready, planned)
                else:
                    self._loop.call_soon_threadsafe(self._start_task, ready, planned)
            node, work = next_node, next_work

    def _start_task(self, node: Node, coroutine: Coroutine[Any, Any, Outputs]) -> None:
        with self._lock:
            if self._stopped:  # between the call from the other thread and now
                self._running -= 1
                coroutine.close()
                return
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._task_done(node, done))

    def _settle(self, node: Node, outputs: Outputs | None, error: BaseException | None) -> list[Node]:
        """Note how a node ended; the nodes that may run now."""
        with self._lock:
            self._running -= 1
            if error is not None:
                if self._failure is None and not (self._stopped and isinstance(error, Interrupted)):
                    self._failure = error
                self._stopped = self._stopped or not self.keep_going
            else:
                self.values.outputs[node.id] = outputs or {}
                for follower in self._followers.get(node.id, ()):
                    self._waiting[follower.id] -= 1
                    if not self._waiting[follower.id]:
                        self._ready.append(follower)
            taken = self._take()
            ended = not self._running or (self._failure is not None and not self.keep_going)
        if ended and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._finish)
        return taken

    def _finish(self) -> None:
        if not self._end.done():
            self._end.set_result(None)

    async def _stop(self) -> None:
        """End what still runs, and wait for it a while."""
        with self._lock:
            self._stopped = True
            jobs = list(self._jobs) if self._running else []
        for task in list(self._tasks):
            task.cancel()
        jobs = [job for job in jobs if job.interrupt()]  # one that waits for a thread never runs
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        until = self._loop.time() + _GRACE
        while any(job.running for job in jobs) and self._loop.time() < until:
            await asyncio.sleep(0.01)
        for job in jobs:
            self.run.workers.leave(job)
