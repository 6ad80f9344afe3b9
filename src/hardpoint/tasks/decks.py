"""The decks that a run makes by itself: timeline, source, dependencies, inputs, outputs, and a failure."""

from __future__ import annotations

import inspect
import logging
import traceback
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from hardpoint.context import FlyteContext
from hardpoint.deck import Deck, DeckField, PythonDependencyRenderer, SourceCodeRenderer, render, timeit, write
from hardpoint.deck.markup import escape, text
from hardpoint.secrets import redact_uri
from hardpoint.tasks.conversion import named_outputs

if TYPE_CHECKING:
    from hardpoint.tasks.dispatch import Dispatchable

__all__ = ["Recorder"]

logger = logging.getLogger(__name__)


class Recorder:
    """Makes the decks of one run. What goes wrong here is logged; it never fails the task."""

    def __init__(self, task: Dispatchable, context: FlyteContext) -> None:
        self._task, self._context = task, context
        self._fields = frozenset(task.deck_fields)
        self._part: AbstractContextManager[Any] | None = None
        context.params.enable_deck = True
        if DeckField.TIMELINE in self._fields:
            self._guarded(lambda: context.params.timeline_deck)
        if DeckField.SOURCE_CODE in self._fields:
            self._guarded(self._source)
        if DeckField.DEPENDENCIES in self._fields:
            self._guarded(lambda: Deck(DeckField.DEPENDENCIES.value, PythonDependencyRenderer().to_html()))

    @staticmethod
    def _guarded(make: Callable[[], object]) -> None:
        try:
            make()
        except Exception:
            logger.warning("A deck could not be made.", exc_info=True)

    def _source(self) -> None:
        function = getattr(self._task, "task_function", None)
        if function is None:
            return
        try:
            source = inspect.getsource(inspect.unwrap(function))
        except (OSError, TypeError):  # typed into a console, or built in: there is no source
            return
        Deck(DeckField.SOURCE_CODE.value, SourceCodeRenderer().to_html(source))

    def part(self, name: str) -> AbstractContextManager[Any]:
        """Record how long a block takes, if there is a timeline."""
        return timeit(name) if DeckField.TIMELINE in self._fields else nullcontext()

    def begin(self, name: str) -> None:
        """Start a part that `end` ends."""
        self._part = self.part(name)
        self._part.__enter__()

    def end(self) -> None:
        """End the part that was begun, if it has not ended."""
        if self._part is not None:
            self._part.__exit__(None, None, None)
            self._part = None

    def inputs(self, values: Mapping[str, Any]) -> None:
        """Show the inputs. Their deck is made before the task can change them."""
        if DeckField.INPUT in self._fields:
            self._guarded(lambda: self._values(DeckField.INPUT, values, self._task.interface.inputs))

    def outputs(self, value: Any) -> None:
        """Show what the task returned."""
        if DeckField.OUTPUT in self._fields:
            interface = self._task.interface
            self._guarded(
                lambda: self._values(
                    DeckField.OUTPUT, named_outputs(self._task.name, interface, value), interface.outputs
                )
            )

    @staticmethod
    def _values(field: DeckField, values: Mapping[str, Any], types: Mapping[str, Any]) -> None:
        deck = Deck(field.value)
        for name, value in values.items():
            deck.append(f"<h4>{escape(name)}</h4>{render(value, types.get(name))}")

    def failure(self, error: BaseException) -> None:
        """Show why the run failed, without secrets: the page is there for others to read."""
        self._guarded(lambda: Deck("Error", text(redact_uri("".join(traceback.format_exception(error))))))

    def close(self) -> None:
        """Finish the decks. Store them where the control plane looks; without such a place the caller has them."""
        self._guarded(self.end)
        params = self._context.params
        prefix = params.output_metadata_prefix
        if prefix:
            self._guarded(lambda: write(params.decks, prefix, self._context.file_access))
