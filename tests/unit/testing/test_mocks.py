"""Mocks of what tasks do."""

from __future__ import annotations

from unittest.mock import MagicMock

import pytest

from hardpoint import SQLTask, kwtypes, reference_task, task, workflow
from hardpoint.errors import UserError
from hardpoint.testing import patch, task_mock


@task
def double(n: int) -> int:
    return 2 * n


@task
async def later(n: int) -> str:
    return str(n)


@reference_task(project="p", domain="d", name="elsewhere.count", version="v1")
def count(day: str) -> int: ...


query = SQLTask(
    name="mocked.query",
    query_template="select count(*) from t where d = '{{ .inputs.day }}'",
    inputs=kwtypes(day=str),
)


@workflow
def both(n: int, day: str) -> tuple[str, int]:
    query(day=day)
    return later(n=double(n=n)), count(day=day)


def test_mocks_do_the_work_within_the_block() -> None:
    with task_mock(double) as doubled, task_mock(later) as told, task_mock(count) as counted, task_mock(query) as asked:
        doubled.return_value = 7
        told.side_effect = lambda n: f"<{n}>"
        counted.return_value = 5
        asked.return_value = None
        assert both(n=1, day="x") == ("<7>", 5)
        assert double(n=1) == 7
    doubled.assert_called_with(n=1)
    counted.assert_called_once_with(day="x")
    asked.assert_called_once_with(day="x")
    assert double(n=1) == 2


def test_what_a_mock_returns_is_checked() -> None:
    with task_mock(double) as doubled:
        doubled.return_value = "seven"
        with pytest.raises(TypeError, match="int"):
            double(n=1)


def test_a_mock_within_a_mock() -> None:
    with task_mock(double) as outer:
        outer.return_value = 3
        with task_mock(double) as inner:
            inner.return_value = 4
            assert double(n=1) == 4
        assert double(n=1) == 3
    assert double(n=1) == 2


def test_a_workflow_has_nothing_to_mock() -> None:
    with pytest.raises(UserError, match=r"both has no work of its own"), task_mock(both):
        pass


@patch(double)
@patch(count)
def test_patches_give_mocks_and_leave_fixtures(counted: MagicMock, doubled: MagicMock, tmp_path: object) -> None:
    counted.return_value, doubled.return_value = 5, 7
    assert (double(n=1), count(day="x")) == (7, 5)
    assert tmp_path


@patch(double)
async def test_patches_of_asynchronous_tests(doubled: MagicMock) -> None:
    doubled.return_value = 7
    assert double(n=1) == 7


def test_patches_end_with_the_test() -> None:
    @patch(double)
    def fails(mock: MagicMock) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert double(n=1) == 2
