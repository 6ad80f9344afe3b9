from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hardpoint import idl
from hardpoint.context import ExecutionParameters, FlyteContext
from hardpoint.deck import Deck, DeckField
from hardpoint.errors import FlyteValidationException
from hardpoint.storage import FileAccess
from hardpoint.tasks.base import PythonTask
from hardpoint.tasks.dispatch import adispatch, dispatch
from hardpoint.tasks.task import task
from hardpoint.workflows.dynamic import dynamic
from hardpoint.workflows.map_task import map_task
from tests.unit.tasks import samples

A = {"a": idl.integer(3)}


def run(entity: PythonTask[Any], fails: type[Exception] | None = None, **params: Any) -> dict[str, str]:
    """The decks of a run, by name."""
    ctx = FlyteContext(params=ExecutionParameters(**params), files=FileAccess("memory://decks"))
    if fails is None:
        dispatch(entity, A, ctx=ctx)
    else:
        with pytest.raises(fails):
            dispatch(entity, A, ctx=ctx)
    return {deck.name: deck.html for deck in ctx.params.decks}


@task(enable_deck=True)
def shown(a: int) -> int:
    Deck("mine", "<b>mine</b>")
    return a + 39


@task(enable_deck=True)
def fails(a: int) -> int:
    raise KeyError("<script>alert(1)</script>")


def test_all_decks() -> None:
    decks = run(shown)
    assert list(decks) == ["Timeline", "Source Code", "Dependencies", "Input", "mine", "Output"]
    for part in ("Convert inputs", "Execute user level code", "Translate the output to literals"):
        assert part in decks["Timeline"]
    assert "shown" in decks["Source Code"]
    assert "hardpoint" in decks["Dependencies"]
    assert ">a<" in decks["Input"]
    assert "3" in decks["Input"]
    assert "42" in decks["Output"]


def test_failed_runs_have_decks_too() -> None:
    decks = run(fails, KeyError)
    assert list(decks) == ["Timeline", "Source Code", "Dependencies", "Input", "Error"]
    assert "Execute user level code" in decks["Timeline"]
    assert "KeyError" in decks["Error"]
    assert "<script>" not in decks["Error"]


def test_input_that_does_not_fit() -> None:
    ctx = FlyteContext(params=ExecutionParameters())
    with pytest.raises(TypeError):
        dispatch(shown, {"a": idl.string("x")}, ctx=ctx)
    assert "Failed argument" in ctx.params.decks[-1].html


def test_chosen_decks() -> None:
    @task(enable_deck=True, deck_fields=(DeckField.INPUT,))
    def chosen(a: int) -> int:
        return a

    assert list(run(chosen)) == ["Input"]


def test_no_decks_unless_asked_for() -> None:
    assert run(samples.paired) == {}
    assert samples.paired.deck_fields == ()
    assert samples.paired.disable_deck


def test_page_is_stored_where_the_control_plane_looks(tmp_path: Path) -> None:
    run(shown, output_metadata_prefix=str(tmp_path / "ok"))
    assert "<b>mine</b>" in (tmp_path / "ok" / "deck.html").read_text(encoding="utf-8")
    run(fails, KeyError, output_metadata_prefix=str(tmp_path / "failed"))
    assert "KeyError" in (tmp_path / "failed" / "deck.html").read_text(encoding="utf-8")


def test_a_deck_that_cannot_be_stored_fails_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    assert "Output" in run(shown, output_metadata_prefix=str(tmp_path / "file" / "below"))
    assert "A deck could not be made." in caplog.text


async def test_async_tasks() -> None:
    @task(enable_deck=True, deck_fields=("Timeline", "Output"))
    async def later(a: int) -> int:
        return a

    ctx = FlyteContext(params=ExecutionParameters())
    await adispatch(later, A, ctx=ctx)
    assert [deck.name for deck in ctx.params.decks] == ["Timeline", "Output"]


def test_flags() -> None:
    def plain(a: int) -> int:
        return a

    with pytest.warns(FutureWarning, match="disable_deck"):
        assert task(disable_deck=False)(plain).enable_deck
    with (
        pytest.warns(FutureWarning, match="disable_deck"),
        pytest.raises(ValueError, match=r"only one of \[disable_deck, enable_deck\] can be set"),
    ):
        task(disable_deck=False, enable_deck=True)(plain)
    with pytest.raises(FlyteValidationException, match="'Nonsense' from deck_fields param is not a valid deck field"):
        task(enable_deck=True, deck_fields=("Nonsense",))(plain)


@task(enable_deck=True)
def noted(x: int) -> int:
    Deck("Notes", f"<p>it is {x}</p>")
    return 10 // x


@task(enable_deck=True)
async def noted_later(x: int) -> int:
    Deck("Notes", f"<p>it is {x}</p>")
    return x


@dynamic
def noted_within(x: int) -> int:
    return noted(x=x)


@task
def unseen(x: int) -> int:
    return x


def fail() -> None:
    with pytest.raises(ZeroDivisionError):
        noted(x=0)


def pages_of_calls(state_dir: Path) -> dict[str, str]:
    """The pages that calls of tasks have left, newest last."""
    return {path.parent.name: path.read_text() for path in sorted(state_dir.glob("decks/*/deck.html"))}


@pytest.mark.parametrize(
    "call",
    [
        lambda: noted(x=4),
        lambda: asyncio.run(noted_later(x=4)),
        lambda: noted_within(x=4),
        lambda: map_task(noted)(x=[4]),
        fail,
    ],
    ids=["plain", "async", "dynamic", "map", "failed"],
)
def test_a_task_that_is_called_leaves_its_decks(call: Callable[[], object], state_dir: Path) -> None:
    call()
    ((_, page),) = pages_of_calls(state_dir).items()
    assert "<p>it is 4</p>" in page or ("<p>it is 0</p>" in page and "ZeroDivisionError" in page)
    assert not (state_dir / "runs").exists()  # there is no record


def test_a_task_without_decks_leaves_nothing(state_dir: Path) -> None:
    assert unseen(x=1) == 1
    assert pages_of_calls(state_dir) == {}


def test_the_decks_of_the_oldest_calls_go(state_dir: Path) -> None:
    for second in range(200):
        (state_dir / "decks" / f"000101-{second:06}-aaaa").mkdir(parents=True)
    noted(x=4)
    kept = sorted(path.name for path in (state_dir / "decks").iterdir())
    assert len(kept) == 200
    assert kept[0] == "000101-000001-aaaa"
    assert list(pages_of_calls(state_dir)) == kept[-1:]
