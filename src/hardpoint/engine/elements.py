"""The elements of a map of plain tasks, which may be many and short.

What is the same for all of them is done once: lists are converted as a whole, and what every element gets whole is recorded by its
digest. An element's first attempt takes the shortest way; what comes after a failure is told by `attempts`, as for any task.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from hardpoint.engine.attempts import Attempt, Failed, Policy, once, run_in_thread
from hardpoint.engine.batches import Element, freeze
from hardpoint.engine.run import Run, clock
from hardpoint.engine.store import RunStore, StartedNode, pack
from hardpoint.engine.workers import Interrupted
from hardpoint.idl import Literal
from hardpoint.tasks.base import PythonTask
from hardpoint.workflows.map_task import ArrayNode, MapTask

__all__ = ["Elements", "Lane"]

Outputs = Mapping[str, Literal]
_FIRST = Attempt(0, "")
_SMALL = 64
"""Bytes up to which an input that all elements share is recorded with each of them as it is."""
_MOST_UNWRITTEN = 2_000
"""Elements that may wait to be written; the worker that adds one more writes them."""


class Lane:
    """What one worker does. Only that worker sets `started` and adds to `ended`, and it needs no lock for it.

    Attributes:
        started: Index of the element that runs, and when it started; None between two.
        ended: Elements that have succeeded and are not written yet. The worker lets go of `started` before it adds one.
        written: What `started` was when it was written last.
    """

    __slots__ = ("ended", "started", "written")

    def __init__(self) -> None:
        self.started: tuple[int, float] | None = None
        self.ended: deque[Element] = deque()
        self.written: tuple[int, float] | None = None


class Elements:
    """What the elements of a map have in common.

    Args:
        run: The run.
        path: The map's node; an element's path is ``<path>/[<index>]``.
        entity: The map.
        inputs: Its inputs.
    """

    def __init__(self, run: Run, path: str, entity: MapTask | ArrayNode, inputs: Outputs) -> None:
        self.run, self.path, self.entity = run, path, entity
        bound = entity.bound_inputs
        self._shared = {name: inputs[name] for name in inputs if name in bound}
        self._columns = {name: list(inputs[name].collection.literals) for name in inputs if name not in bound}
        self._marks = {name: _mark(literal) for name, literal in self._shared.items()}
        self._inputs = inputs
        self._lanes: list[Lane] = []
        self._values: dict[str, list[Any]] | None = None

    def given(self, index: int) -> dict[str, Literal]:
        """What the target gets for one element: its part of each list, and bound inputs whole."""
        return self.entity.element(self._inputs, index)

    def noted(self, index: int) -> dict[str, Literal]:
        """The inputs of an element as they are recorded, and compared when the run is resumed."""
        return {name: column[index] for name, column in self._columns.items()} | self._marks

    def convert(self) -> None:
        """Convert the lists as a whole, if each element's part may be converted before it is prepared to run."""
        kind = type(self.entity.target)
        codecs = self.entity.python_interface.input_codecs
        if (
            self._shared  # a value of which each element needs a copy of its own
            or kind.pre_execute is not PythonTask.pre_execute
            or kind.take_inputs is not PythonTask.take_inputs
            or kind.decode_inputs is not PythonTask.decode_inputs
            or any(codecs[name].io for name in self._columns)
        ):
            return
        try:
            self._values = {name: codecs[name].decode(self._inputs[name]) for name in self._columns}
        except Exception:  # the element that cannot be converted fails by itself when its turn comes
            self._values = None

    def lane(self) -> Lane:
        """For one more worker."""
        lane = Lane()
        self._lanes.append(lane)
        return lane

    def write(self, store: RunStore, limit: float) -> list[StartedNode]:
        """Write the elements that have succeeded; the records of those that run and started before `limit`, to be written too."""
        name = self.entity.target.name
        alike: dict[tuple[str, ...], list[Element]] = {}
        for lane in self._lanes:
            for _ in range(len(lane.ended)):
                element = lane.ended.popleft()
                alike.setdefault(tuple(element.outputs), []).append(element)
        for batch in alike.values():
            store.add_elements(self.run.id, self.path, name, freeze(batch, self._marks))
        due: list[StartedNode] = []
        for lane in self._lanes:
            held = lane.started
            if held is not None and held is not lane.written and held[1] <= limit:
                lane.written, (index, at) = held, held
                due.append(StartedNode(f"{self.path}/[{index}]", name, 0, at, pack(self.noted(index))))
        return due

    def run_directly(self, index: int, lane: Lane, policy: Policy) -> Outputs:
        """Run an element of a plain task that is neither cached nor resumed nor shown in a deck, in the thread that calls."""
        run, task, path = self.run, self.entity.target, f"{self.path}/[{index}]"
        own = {name: column[index] for name, column in self._columns.items()}
        arguments = None if self._values is None else {name: values[index] for name, values in self._values.items()}
        started, began = time.time(), clock()
        lane.started = index, started
        try:
            outputs = once(run, path, task, own | self._shared if self._shared else own, _FIRST, arguments)
        except (asyncio.CancelledError, Interrupted):
            raise
        except BaseException as error:  # `attempts` says what becomes of it
            lane.started = None
            return self.run_in_attempts(index, policy, Failed(error, began))
        lane.started = None
        lane.ended.append(Element(index, started, time.time(), own, outputs))
        if len(lane.ended) >= _MOST_UNWRITTEN:
            run.flush()
        return outputs

    def run_in_attempts(self, index: int, policy: Policy, failed: Failed | None = None) -> Outputs:
        """Run an element of any plain task, in the thread that calls; `failed` is the first attempt, if it was made."""
        path = f"{self.path}/[{index}]"
        return run_in_thread(self.run, path, self.entity.target, self.given(index), policy, self.noted(index), failed)


def _mark(literal: Literal) -> Literal:
    """A literal, or if it is not small its digest."""
    if literal.ByteSize() <= _SMALL:
        return literal
    import hashlib

    return Literal(hash=hashlib.sha256(literal.SerializeToString(deterministic=True)).hexdigest())
