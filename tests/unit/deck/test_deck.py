from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

import pytest

from hardpoint.context import ExecutionParameters, FlyteContextManager, current_context
from hardpoint.deck import Deck, DeckField, TimeLineDeck, timeit
from hardpoint.errors import UserError
from tests.unit.deck.conftest import PAYLOAD, harmless


def test_the_fields_have_the_names_that_a_control_plane_knows() -> None:
    assert [field.value for field in DeckField] == ["Input", "Output", "Source Code", "Timeline", "Dependencies"]


def test_a_deck_joins_the_decks_of_the_task(task: ExecutionParameters) -> None:
    joined = Deck("a")
    apart = Deck("b", auto_add_to_deck=False)
    assert task.decks == [joined]
    assert apart.name == "b"


def test_appending_joins_with_a_line_break() -> None:
    deck = Deck("a", "<p>1</p>", False)
    assert deck.append("<p>2</p>").append("<p>3</p>") is deck
    assert deck.html == "<p>1</p>\n<p>2</p>\n<p>3</p>" == deck._repr_html_()
    assert Deck("b", None, False).append("x").html == "x"


def test_only_text_can_be_appended() -> None:
    with pytest.raises(UserError, match=r"given a dict.*\n.*render\(value\)"):
        Deck("a", auto_add_to_deck=False).append({})  # type: ignore[arg-type]


def test_the_context_makes_its_decks_once(task: ExecutionParameters) -> None:
    assert current_context().default_deck is current_context().default_deck
    assert isinstance(current_context().timeline_deck, TimeLineDeck)
    current_context().timeline_deck.append_time_info({"Name": "a", "WallTime": 1, "ProcessTime": 0.5})
    assert [deck.name for deck in task.decks] == ["default", "Timeline"]


def test_the_decks_of_another_task_are_left_alone(task: ExecutionParameters) -> None:
    other = ExecutionParameters()
    assert other.default_deck in other.decks
    assert task.decks == []


class TestTimeline:
    def test_times_have_six_decimals_and_names_are_escaped(self) -> None:
        deck = TimeLineDeck("Timeline", auto_add_to_deck=False)
        deck.append_time_info({"Name": PAYLOAD, "WallTime": 1.5, "ProcessTime": 0.25})
        deck.append_time_info({"Name": "half", "WallTime": 0.75, "ProcessTime": 0})
        assert ">1.500000<" in deck.html
        assert ">0.250000<" in deck.html
        assert "width:50.0%" in deck.html
        assert harmless(deck.html)

    def test_own_markup_stands_above(self) -> None:
        deck = TimeLineDeck("Timeline", "<p>mine</p>", False)
        assert deck.html == "<p>mine</p>"
        deck.append_time_info({"Name": "a", "WallTime": 0, "ProcessTime": 0})
        assert deck.html.startswith("<p>mine</p>\n<div")

    def test_an_incomplete_entry_is_refused(self) -> None:
        with pytest.raises(UserError, match="lacks WallTime, ProcessTime"):
            TimeLineDeck(auto_add_to_deck=False).append_time_info({"Name": "a"})


class TestTimeit:
    def test_a_block(self, task: ExecutionParameters) -> None:
        with timeit("sleep"):
            time.sleep(0.02)
        (entry,) = task.timeline_deck.time_info
        assert entry["Name"] == "sleep"
        assert entry["WallTime"] >= 0.02 > entry["ProcessTime"]
        assert entry["Finish"] > entry["Start"]

    def test_a_block_that_fails_is_recorded_too(self, task: ExecutionParameters) -> None:
        with pytest.raises(KeyError), timeit("failing"):
            raise KeyError
        assert [entry["Name"] for entry in task.timeline_deck.time_info] == ["failing"]

    def test_a_function_that_calls_itself(self, task: ExecutionParameters) -> None:
        @timeit()
        def factorial(n: int) -> int:
            return 1 if n == 0 else n * factorial(n - 1)

        assert factorial(3) == 6
        entries = task.timeline_deck.time_info
        assert [entry["Name"] for entry in entries] == ["factorial"] * 4
        walls = [entry["WallTime"] for entry in entries]
        assert walls == sorted(walls)  # the innermost ends first

    async def test_coroutine_functions_side_by_side(self, task: ExecutionParameters) -> None:
        @timeit("nap")
        async def nap(seconds: float) -> float:
            await asyncio.sleep(seconds)
            return seconds

        assert await asyncio.gather(nap(0.05), nap(0.01)) == [0.05, 0.01]
        short, long = (entry["WallTime"] for entry in task.timeline_deck.time_info)
        assert 0.01 <= short < 0.05 <= long


class TestPublish:
    def test_the_page_goes_beside_the_outputs(self, task: ExecutionParameters) -> None:
        Deck("mine", "<p>early</p>")
        where = Deck.publish()
        assert where == f"{task.output_metadata_prefix}/deck.html"
        assert "<p>early</p>" in Path(where).read_text(encoding="utf-8")

    def test_without_a_place_it_goes_to_the_working_directory(self) -> None:
        with FlyteContextManager.use(params=ExecutionParameters(enable_deck=True)):
            Deck("mine", "<p>local</p>")
            assert Deck.publish() == f"{current_context().working_directory}/deck.html"

    def test_a_task_without_decks_is_told(self, caplog: pytest.LogCaptureFixture) -> None:
        with FlyteContextManager.use(params=ExecutionParameters()):
            assert Deck.publish() is None
        assert "enable_deck=True" in caplog.text

    def test_a_store_that_fails_does_not_fail_the_task(
        self, task: ExecutionParameters, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / "metadata").write_text("a file where the folder should be")
        with caplog.at_level(logging.WARNING):
            assert Deck.publish() is None
        assert "could not be stored" in caplog.text
