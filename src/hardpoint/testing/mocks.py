"""Stand-ins for what a task does, for tests of the workflows around it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import MagicMock

from hardpoint.errors import UserError

__all__ = ["patch", "task_mock"]


@contextmanager
def task_mock(t: Any) -> Iterator[MagicMock]:
    """Within the block, a mock does a task's work: it is called with the inputs by keyword, and what it returns are the outputs.

    Workflows that call the task run with it; inputs and outputs are still converted and checked by their types.

    ```python
    with task_mock(query) as mock:
        mock.return_value = 3
        assert report(day="2026-01-01") == "3 rows"
    mock.assert_called_once_with(day="2026-01-01")
    ```

    Args:
        t: A task of any kind, or a reference to one that runs elsewhere.

    Raises:
        UserError: `t` is nothing that runs by itself.
    """
    if not callable(getattr(t, "execute", None)):
        raise UserError(
            f"{getattr(t, 'name', t)} has no work of its own that could be mocked.",
            remedy="Mock the tasks that it consists of.",
        )
    mock = MagicMock()
    had = vars(t).get("execute")
    t.execute = mock
    try:
        yield mock
    finally:
        if had is None:
            del t.execute
        else:
            t.execute = had


def patch(target: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Have a test, plain or asynchronous, run with `task_mock(target)`. The test gets the mock as its first argument; of several
    patches, that of the lowest comes first. Further arguments are pytest's fixtures, as ever.

    ```python
    @patch(query)
    def test_report(mock):
        mock.return_value = 3
        assert report(day="2026-01-01") == "3 rows"
    ```

    Args:
        target: As for `task_mock`.
    """

    def wrap(test: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(test):

            @functools.wraps(test)
            async def patched(*args: Any, **kwargs: Any) -> Any:
                with task_mock(target) as mock:
                    return await test(mock, *args, **kwargs)
        else:

            @functools.wraps(test)
            def patched(*args: Any, **kwargs: Any) -> Any:
                with task_mock(target) as mock:
                    return test(mock, *args, **kwargs)

        # pytest takes the names of arguments for fixtures, which the mock is not.
        signature = inspect.signature(test)
        vars(patched)["__signature__"] = signature.replace(parameters=list(signature.parameters.values())[1:])
        return patched

    return wrap
