"""`memray_profiling`: a decorator that profiles the memory of a task."""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hardpoint.context import FlyteContextManager
from hardpoint.deck import Deck
from hardpoint.deck.markup import notice
from hardpoint.errors import FlyteValidationException
from hardpoint.tasks.class_decorator import ClassDecorator

if TYPE_CHECKING:
    from memray import Tracker

__all__ = ["UnknownReporterError", "memray_profiling"]

logger = logging.getLogger(__name__)

_REPORTERS = ("flamegraph", "table")
_active = threading.Lock()
"""memray profiles the whole process, so only one task at a time."""


class UnknownReporterError(FlyteValidationException, ValueError):
    """A reporter that makes no HTML, or arguments that are none."""


class memray_profiling(ClassDecorator):
    """Profile the memory of a task and show the report in its deck: ``@task(enable_deck=True)`` over ``@memray_profiling``.

    The report is made also when the task fails. memray profiles the whole process: of tasks that run side by side, one is
    profiled at a time, and what the others allocate meanwhile is in its report.

    Args:
        task_function: The function.
        native_traces: Also show the C and C++ frames; slower.
        trace_python_allocators: Record Python's own allocator call by call; slower, and the files are larger.
        follow_fork: Also profile processes that the task forks.
        memory_interval_ms: Milliseconds between two looks at the size of the whole process.
        memray_html_reporter: ``flamegraph`` or ``table``.
        memray_reporter_args: Further arguments of the reporter, each token for itself: ``["--leaks"]``.
        max_report_mb: A larger report is replaced by one as a table, and that by a notice.

    Raises:
        UnknownReporterError: the reporter is unknown, or an argument does not begin with a dash and follows none that does.
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
    ) -> None:
        if memray_html_reporter not in _REPORTERS:
            raise UnknownReporterError(
                f"{memray_html_reporter} is not a supported html reporter.", remedy=f"Use {' or '.join(_REPORTERS)}."
            )
        arguments = list(memray_reporter_args or ())
        if not all(isinstance(a, str) for a in arguments) or (arguments and not arguments[0].startswith("-")):
            raise UnknownReporterError(
                f"unrecognized arguments for {memray_html_reporter} reporter: {arguments!r}",
                remedy=f"See https://bloomberg.github.io/memray/{memray_html_reporter}.html for what there is.",
            )
        self.native_traces = native_traces
        self.trace_python_allocators = trace_python_allocators
        self.follow_fork = follow_fork
        self.memory_interval_ms = memory_interval_ms
        self.reporter = memray_html_reporter
        self.reporter_args = arguments
        self.max_report_mb = max_report_mb
        super().__init__(
            task_function,
            native_traces=native_traces,
            trace_python_allocators=trace_python_allocators,
            follow_fork=follow_fork,
            memory_interval_ms=memory_interval_ms,
            memray_html_reporter=memray_html_reporter,
            memray_reporter_args=memray_reporter_args,
            max_report_mb=max_report_mb,
        )

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function under a tracker."""
        if self.is_async:
            return self._execute_async(*args, **kwargs)
        with self._profiled():
            return self.task_function(*args, **kwargs)

    async def _execute_async(self, *args: Any, **kwargs: Any) -> Any:
        with self._profiled():
            return await self.task_function(*args, **kwargs)

    @contextmanager
    def _profiled(self) -> Iterator[None]:
        if not _active.acquire(blocking=False):
            logger.warning("%s is not profiled: memray profiles one task of a process at a time.", self._name)
            yield
            return
        try:
            with tempfile.TemporaryDirectory(prefix="hardpoint-memray-") as folder:
                recording = Path(folder) / "recording.bin"
                try:
                    with self._tracker(recording):
                        yield
                finally:
                    self._report(recording)
        finally:
            _active.release()

    @property
    def _name(self) -> str:
        return str(getattr(self.task_function, "__name__", "the task"))

    def _tracker(self, recording: Path) -> Tracker:
        from memray import FileFormat, Tracker

        # Aggregation keeps the file small however long the task runs; leaks and forks need every single allocation.
        exact = self.follow_fork or any(a.startswith(("--leaks", "--temporal")) for a in self.reporter_args)
        return Tracker(
            recording,
            native_traces=self.native_traces,
            trace_python_allocators=self.trace_python_allocators,
            follow_fork=self.follow_fork,
            memory_interval_ms=self.memory_interval_ms,
            file_format=FileFormat.ALL_ALLOCATIONS if exact else FileFormat.AGGREGATED_ALLOCATIONS,
        )

    def _report(self, recording: Path) -> None:
        """Make the deck. Whatever goes wrong is shown there; it does not fail the task."""
        if not FlyteContextManager.current_context().params.enable_deck:
            return
        title = f"Memray {self.reporter.capitalize()}"
        try:
            html, problem = self._rendered(recording, self.reporter, self.reporter_args)
            if html and len(html) > self.max_report_mb * 1e6 and self.reporter != "table":
                html, problem = self._rendered(recording, "table", [])
            if html and len(html) > self.max_report_mb * 1e6:
                html, problem = "", f"The report has {len(html) / 1e6:.1f} MB, more than max_report_mb allows."
        except (OSError, subprocess.SubprocessError) as error:
            html, problem = "", str(error)
        if not html:
            logger.warning("There is no memray report of %s: %s", self._name, problem)
        Deck(title, html or notice(f"There is no memray report: {problem}"))

    def _rendered(self, recording: Path, reporter: str, arguments: Sequence[str]) -> tuple[str, str]:
        """The report's HTML, or what the reporter said."""
        page = recording.with_suffix(f".{reporter}.html")
        command = [sys.executable, "-m", "memray", reporter, "--force", "-o", str(page), *arguments, str(recording)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
        if done.returncode or not page.exists():
            return "", (done.stderr or done.stdout).strip()[-2000:] or f"exit status {done.returncode}"
        return page.read_text(encoding="utf-8"), ""
