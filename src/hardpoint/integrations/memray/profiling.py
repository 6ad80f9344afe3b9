"""`memray_profiling`: a decorator that profiles the memory of a task."""

from __future__ import annotations

import asyncio
import logging
import secrets
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hardpoint.context import FlyteContextManager
from hardpoint.deck import Deck
from hardpoint.integrations.memray.report import UnknownReporterError, check_arguments, report
from hardpoint.tasks.class_decorator import ClassDecorator

if TYPE_CHECKING:
    from memray import Tracker

__all__ = ["UnknownReporterError", "memray_profiling"]

logger = logging.getLogger(__name__)

_active = threading.Lock()
"""memray profiles the whole process, so only one task at a time."""


class memray_profiling(ClassDecorator):
    """Profile the memory of a task and show the report in its deck: ``@task(enable_deck=True)`` over ``@memray_profiling``.

    The report is made also when the task fails. memray profiles the whole process: of tasks that run side by side, one is
    profiled at a time, and what the others allocate meanwhile is in its report. Whatever goes wrong with the profile is logged
    and shown in the deck; it does not fail the task.

    Args:
        task_function: The function.
        native_traces: Also show the C and C++ frames; slower.
        trace_python_allocators: Record Python's own allocator call by call; slower, and the files are larger.
        follow_fork: Also profile processes that the task forks; their recordings are beside the task's own.
        memory_interval_ms: Milliseconds between two looks at the size of the whole process.
        memray_html_reporter: ``flamegraph`` or ``table``.
        memray_reporter_args: Further arguments of the reporter, each word for itself: ``["--leaks"]``.
        max_report_mb: A larger flamegraph is replaced by a table, and that by a notice. A report without data has 4.5 MB, since
            it brings along all it needs.
        keep_results: Folder or URI below which recording and report are kept; None to keep neither.

    Raises:
        UnknownReporterError: the reporter is unknown, or an argument is neither an option nor the value of one.
    """

    def __init__(
        self,
        task_function: Callable[..., Any] | None = None,
        native_traces: bool = False,
        trace_python_allocators: bool = False,
        follow_fork: bool = False,
        memory_interval_ms: int = 10,
        memray_html_reporter: str = "flamegraph",
        memray_reporter_args: Sequence[str] | None = None,
        max_report_mb: float = 15.0,
        keep_results: str | None = None,
    ) -> None:
        self.reporter = memray_html_reporter
        self.reporter_args = check_arguments(memray_html_reporter, memray_reporter_args or ())
        self.max_report_mb = max_report_mb
        self.keep_results = keep_results
        # Aggregation keeps the file small however long the task runs; these need every single allocation.
        self._every_one = follow_fork or any(a.startswith("--temp") for a in self.reporter_args)
        self._tracking: dict[str, Any] = {
            "native_traces": native_traces,
            "trace_python_allocators": trace_python_allocators,
            "follow_fork": follow_fork,
            "memory_interval_ms": memory_interval_ms,
        }
        super().__init__(
            task_function,
            **self._tracking,
            memray_html_reporter=memray_html_reporter,
            memray_reporter_args=memray_reporter_args,
            max_report_mb=max_report_mb,
            keep_results=keep_results,
        )

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function under a tracker; a coroutine function is awaited under it."""
        if self.is_async:
            return self._execute_async(*args, **kwargs)
        profile = self._begin()
        try:
            return self.task_function(*args, **kwargs)
        finally:
            if profile is not None:
                profile.stop()
                self._show(profile)

    async def _execute_async(self, *args: Any, **kwargs: Any) -> Any:
        profile = self._begin()
        try:
            return await self.task_function(*args, **kwargs)
        finally:
            if profile is not None:
                profile.stop()
                await asyncio.to_thread(self._show, profile)

    @property
    def _name(self) -> str:
        return str(getattr(self.task_function, "__name__", "task"))

    def _begin(self) -> _Profile | None:
        """Begin to profile, if that is possible and anybody would see it."""
        if not FlyteContextManager.current_context().params.enable_deck and self.keep_results is None:
            logger.warning(
                "%s is not profiled: it has no deck to show a report. Declare it with enable_deck=True.", self._name
            )
            return None
        if not _active.acquire(blocking=False):
            logger.warning("%s is not profiled: memray profiles one task of a process at a time.", self._name)
            return None
        try:
            return _Profile(self._tracker)
        except (OSError, RuntimeError) as error:  # nowhere to write, or a tracker that is not ours is active
            _active.release()
            logger.warning("%s is not profiled: %s", self._name, error)
            return None

    def _tracker(self, recording: Path) -> Tracker:
        from memray import FileFormat, Tracker

        file_format = FileFormat.ALL_ALLOCATIONS if self._every_one else FileFormat.AGGREGATED_ALLOCATIONS
        return Tracker(recording, file_format=file_format, **self._tracking)

    def _show(self, profile: _Profile) -> None:
        """Make the report and its deck, keep the files if that was asked for, and remove them."""
        context = FlyteContextManager.current_context()
        with profile.folder as folder:
            html, page, problem = report(profile.recording, self.reporter, self.reporter_args, self.max_report_mb * 1e6)
            if problem:
                logger.warning("There is no memray report of %s: %s", self._name, problem)
            if self.keep_results is not None:
                kept = f"{self.keep_results.rstrip('/')}/{self._name}-{secrets.token_hex(6)}"
                try:
                    context.file_access.put_data(folder, kept, is_multipart=True)
                    logger.info("The memray recording of %s is in %s.", self._name, kept)
                except Exception:  # a store may fail in any way
                    logger.warning("The memray recording of %s could not be kept.", self._name, exc_info=True)
        if context.params.enable_deck:
            kind = "table" if page is not None and page.name.endswith(".table.html") else self.reporter
            Deck(f"Memray {kind.capitalize()}", html)


class _Profile:
    """A tracker at work, and the folder that it writes to."""

    def __init__(self, tracker: Callable[[Path], Tracker]) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="hardpoint-memray-")
        self.recording = Path(self.folder.name) / "recording.bin"
        try:
            self._tracker = tracker(self.recording)
            self._tracker.__enter__()
        except BaseException:
            self.folder.cleanup()
            raise

    def stop(self) -> None:
        """Close the recording; another task may be profiled from now on."""
        try:
            self._tracker.__exit__(None, None, None)
        except (OSError, RuntimeError) as error:  # the disk is full; the reporter will say what is missing
            logger.warning("The memray recording could not be closed: %s", error)
        finally:
            _active.release()
