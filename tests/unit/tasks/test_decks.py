from __future__ import annotations

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
