"""What callers are told."""

from __future__ import annotations

import logging

import pytest

from hardpoint.connectors.errors import JobExistsError, explain, is_transient
from hardpoint.connectors.phases import JobGoneError, Phase, kind_of_error
from hardpoint.errors import PermanentError, TransientError, UserError


def test_a_text_says_what_failed_where_the_words_and_the_remedy() -> None:
    kind, text = explain(UserError("No table t.", remedy="Create it."), "create a job of query_v0", where="Query")
    assert (kind.status, kind.phase) == ("INVALID_ARGUMENT", Phase.FAILED)
    assert text == "Query could not create a job of query_v0: No table t.\n  -> Create it."


def test_an_error_without_a_remedy_gets_the_general_one() -> None:
    assert explain(TransientError("busy"), "x", where="Query")[1] == "Query could not x: busy\n  -> Try again later."


def test_a_text_is_less_than_four_kib_and_keeps_its_ends() -> None:
    _, text = explain(PermanentError("first " + "ä" * 9000 + " last", remedy="r" * 9000), "x", where="Query")
    assert len(text.encode()) < 4096
    assert "first" in text
    assert " last\n  -> r" in text


def test_what_nobody_foresaw_goes_to_the_log_under_an_id(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        kind, text = explain(KeyError("rows"), "get a job", where="Query")
    [record] = caplog.records
    number = text.partition("(id ")[2][:8]
    assert kind.status == "INTERNAL"
    assert number in record.getMessage()
    assert record.exc_info is not None
    assert "Traceback" not in text
    assert "KeyError: 'rows'" in text


def test_passwords_are_left_out() -> None:
    error = PermanentError("https://me:swordfish@host/ refuses", remedy="open https://host/?token=swordfish")
    assert "swordfish" not in explain(error, "x", where="Query")[1]


@pytest.mark.parametrize(
    ("error", "status", "phase"),
    [
        (JobGoneError("gone"), "NOT_FOUND", Phase.RETRYABLE_FAILED),
        (JobExistsError("there"), "FAILED_PRECONDITION", Phase.FAILED),
        (TransientError("busy"), "UNAVAILABLE", Phase.RETRYABLE_FAILED),
        (ConnectionResetError(), "UNAVAILABLE", Phase.RETRYABLE_FAILED),
        (PermissionError(), "PERMISSION_DENIED", Phase.FAILED),
        (NotImplementedError(), "UNIMPLEMENTED", Phase.FAILED),
        (ValueError(), "INTERNAL", Phase.FAILED),
    ],
)
def test_each_kind_of_error_has_a_status_and_a_phase(error: Exception, status: str, phase: Phase) -> None:
    kind = kind_of_error(error)
    assert (kind.status, kind.phase) == (status, phase)


def test_what_may_pass_is_transient() -> None:
    assert all(map(is_transient, (TransientError(), TimeoutError(), ConnectionRefusedError())))
    assert not any(map(is_transient, (UserError(), PermanentError(), OSError(), ValueError())))
