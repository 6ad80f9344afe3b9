"""The suites for connectors: one that is as it should be passes, and each that is wrong in one way is noticed."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from hardpoint.connectors.jobs import JobLimits
from hardpoint.testing import CANARY, never
from hardpoint.testing.saboteur import Lost
from tests.unit.testing import mutants
from tests.unit.testing.lake_suite import LakeAnswersSuite, LakeSuite


class TestLake(LakeSuite):
    pass


class TestLakeOverTcp(LakeSuite):
    """The same where the saboteur knows nothing of the protocol."""

    scheme = "lake"
    gaps = [
        never(name, raises=NotImplementedError, reason="It takes HTTP to make answers up.")
        for name in (
            "any_request_of_a_create_may_get_lost",
            "busy_service_is_left_alone",
            "invalid_task_is_told",
            "unavailable_service_is_waited_for",
        )
    ]

    def refuse(self) -> None:
        self.service.credential = "another"

    def accept(self) -> None:
        self.service.credential = CANARY


# A wrong connector, the test that notices, with its arguments, and what it says then.
NOTICED: list[tuple[type[Any], str, dict[str, Any], str]] = [
    (mutants.CreatesTwo, "create_starts_one_job", {}, "There should be one job, but there are 2"),
    (mutants.IgnoresTheKey, "create_is_idempotent", {}, "A second create with the same key gave another job"),
    (mutants.ForgetsTheAttempt, "later_attempts_begin_anew_after_a_failure", {}, "was given the job that has failed"),
    (
        mutants.TakesSuccessForAFailure,
        "later_attempts_adopt_what_runs_or_has_succeeded",
        {},
        "that has succeeded",
    ),
    (
        mutants.CannotBeFoundAgain,
        "lost_response_leaves_one_job",
        {},
        "should be one job",
    ),
    (
        mutants.CannotBeFoundAgain,
        "any_request_of_a_create_may_get_lost",
        {"fault": Lost()},
        "was request 0 of",
    ),
    (
        mutants.CannotBeFoundAgain,
        "restart_while_creating_leaves_one_job",
        {"after": True},
        "should be one job",
    ),
    (mutants.FindsOnlyWhatRuns, "find_gives_the_job_of_a_key", {}, "The job that has ended was not found"),
    (mutants.FindsAnything, "find_gives_the_job_of_a_key", {}, "under a key that none has"),
    (mutants.RemembersJobs, "restart_between_calls_finds_the_job_again", {}, "Another process does not know the job"),
    (mutants.ChangesItsInput, "create_is_idempotent", {}, "has changed the task"),
    (mutants.TakesWaitingForRunning, "states_have_their_phases", {}, "WAITING should be QUEUED"),
    (mutants.RaisesOnUnknownStates, "unknown_state_is_told_and_fails_nothing", {}, "What is HARDPOINT_UNHEARD_OF"),
    (
        mutants.FailsOnUnknownStates,
        "unknown_state_is_told_and_fails_nothing",
        {},
        "It is FAILED by a state that nobody knows",
    ),
    (mutants.LogsUnknownStatesAlways, "unknown_state_is_told_and_fails_nothing", {}, "logged once"),
    (mutants.HasOtherOutputs, "success_gives_the_declared_outputs", {}, "assert {'count'} == {'rows'}"),
    (mutants.HasOutputsOfAnotherType, "success_gives_the_declared_outputs", {}, "Expected value of type int"),
    (mutants.IsSilentOnFailure, "failure_says_why", {}, "own words are missing"),
    (mutants.WaitsForVanishedJobs, "vanished_job_has_ended", {}, "That a job is gone is certain"),
    (mutants.AnswersInAnyOrder, "many_are_asked_for_at_once", {}, "does not say, in order"),
    (mutants.AsksOneByOne, "many_are_asked_for_at_once", {}, "made 6 requests for 6 jobs"),
    (mutants.LosesOneOfMany, "one_of_many_has_vanished", {}, "The job that has vanished"),
    (mutants.HasStrictMetas, "metas_travel", {}, "of_a_later_release"),
    (mutants.PromisesTooMuch, "promises_are_kept", {}, "logs and get_logs do not agree"),
    (mutants.PromisesTooLittle, "promises_are_kept", {}, "batches_polls and get_many do not agree"),
    (mutants.ListsNothing, "promises_are_kept", {}, "The job is not listed"),
    (mutants.BlocksTheLoop, "loop_is_not_blocked", {}, "blocked the event loop"),
    (mutants.BlocksTheLoopToCreate, "loop_is_not_blocked", {}, "blocked the event loop|The caller waited"),
    (mutants.BlocksTheLoopToCreate, "slow_create_is_answered_in_time", {}, "blocked the event loop|The caller waited"),
    (mutants.ForgetsRetryAfter, "busy_service_is_left_alone", {}, "asked again after 0.5"),
    (mutants.AsksAgainAtOnce, "busy_service_is_left_alone", {}, "asked again after 0.0"),
    (mutants.TakesIllnessForRefusal, "unavailable_service_is_waited_for", {}, "is being repaired"),
    (mutants.TakesBrokenForWrong, "broken_connection_is_waited_for", {}, "does not answer"),
    (mutants.TakesRefusalForIllness, "refused_credential_is_told", {}, "is refused"),
    (mutants.TakesWrongForIllness, "invalid_task_is_told", {}, "makes no sense"),
    (mutants.SwallowsWords, "invalid_task_is_told", {}, "Actual message: 'Bad request'"),
    (mutants.EndsNothing, "cancel_before_it_is_created", {"after": True}, "but it is alive"),
    (mutants.EndsOnlyWhatRuns, "cancel_in_any_state", {}, "but it is alive"),
    (mutants.ComplainsOfTheEnded, "cancel_while_it_runs_twice", {}, "It has ended"),
    (mutants.ComplainsOfTheEnded, "cancel_after_it_has_ended", {"ok": True}, "It has ended"),
    (mutants.ComplainsOfTheVanished, "cancel_after_it_has_vanished", {}, "There is no job"),
    (mutants.SaysThatItHasEnded, "cancel_that_fails_is_told", {}, "DID NOT RAISE"),
    (mutants.LeaksInMetas, "secrets_are_seen_nowhere", {}, "in metadata, the journal"),
    (mutants.LeaksInMessages, "secrets_are_seen_nowhere", {}, "in messages"),
    (mutants.LeaksInLogs, "secrets_are_seen_nowhere", {}, "in logs"),
]


class TestLakeAnswers(LakeAnswersSuite):
    pass


NOTICED_OF_ANSWERS: list[tuple[type[Any], str, dict[str, Any], str]] = [
    (mutants.AnswersOtherwise, "work_is_done", {}, "assert {'count'} == {'rows'}"),
    (mutants.FailsQuietly, "work_is_done", {}, "It did not work out"),
    (mutants.AnswersForgettingRetryAfter, "busy_service_is_told", {}, "None"),
    (mutants.AnswersAskingAgain, "busy_service_is_told", {}, "asked again before"),
    (mutants.AnswersWithAnyError, "unavailable_service_is_told", {"fault": "unavailable"}, "It broke"),
    (mutants.AnswersWithAnyError, "unavailable_service_is_told", {"fault": "reset"}, "It broke"),
    (mutants.AnswersWithAnyError, "unavailable_service_is_told", {"fault": "lost"}, "It broke"),
    (mutants.AnswersPatiently, "slow_service_is_told", {}, "It waited"),
    (mutants.AnswersWithAnyError, "refused_credential_is_told", {}, "It broke"),
    (mutants.AnswersWithAnyError, "invalid_task_is_told", {}, "It broke"),
    (mutants.AnswersBlocking, "loop_is_not_blocked", {}, "blocked the event loop"),
    (mutants.AnswersLeaking, "secrets_are_seen_nowhere", {}, "in the answer"),
]


def _ids(rows: list[tuple[type[Any], str, dict[str, Any], str]]) -> list[str]:
    return [f"{row[0].__name__}-{row[1]}" for row in rows]


def _names(suite: type[Any]) -> dict[str, None]:
    """The tests of a suite, as names that pytest does not collect."""
    return dict.fromkeys(name for name in dir(suite) if name.startswith("test_"))


def _is_noticed(test: Any, suite: Any, arguments: dict[str, Any], says: str, caplog: pytest.LogCaptureFixture) -> None:
    given = {"caplog": caplog} if "caplog" in inspect.signature(test).parameters else {}
    with pytest.raises((Exception, pytest.fail.Exception), match=says):
        test(suite, **arguments, **given)


class TestWrongConnectors(LakeSuite):
    vars().update(_names(LakeSuite))
    patience = 1.0
    limits = JobLimits(create=5, call=5, retry=2, lease=0.6)

    @pytest.mark.parametrize(("mutant", "check", "arguments", "says"), NOTICED, ids=_ids(NOTICED))
    def test_is_noticed(
        self, mutant: type[Any], check: str, arguments: dict[str, Any], says: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        self.made_by = mutant
        _is_noticed(getattr(LakeSuite, f"test_{check}"), self, arguments, says, caplog)


class TestWrongAnswers(LakeAnswersSuite):
    vars().update(_names(LakeAnswersSuite))

    @pytest.mark.parametrize(("mutant", "check", "arguments", "says"), NOTICED_OF_ANSWERS, ids=_ids(NOTICED_OF_ANSWERS))
    def test_is_noticed(
        self, mutant: type[Any], check: str, arguments: dict[str, Any], says: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        self.made_by = mutant
        _is_noticed(getattr(LakeAnswersSuite, f"test_{check}"), self, arguments, says, caplog)
