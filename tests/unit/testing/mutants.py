"""Connectors that are wrong, each in one way."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hardpoint.connectors import Capabilities, JobGoneError, Phase, Resource
from hardpoint.connectors.connection import connection
from hardpoint.errors import PermanentError, TransientError, UserError
from hardpoint.idl import TaskTemplate
from tests.unit.testing.lake import LakeAnswerConnector, LakeConnector, LakeMeta, logger


class CreatesTwo(LakeConnector):
    def create(self, task_template: TaskTemplate, *, idempotency_key: str, **kwargs: Any) -> LakeMeta:
        super().create(task_template, idempotency_key=f"{idempotency_key}-0", **kwargs)
        return super().create(task_template, idempotency_key=idempotency_key, **kwargs)


class IgnoresTheKey(LakeConnector):
    def create(self, task_template: TaskTemplate, *, idempotency_key: str, **kwargs: Any) -> LakeMeta:
        return super().create(task_template, idempotency_key=uuid.uuid4().hex, **kwargs)


class CannotBeFoundAgain(IgnoresTheKey):
    """It neither takes the key nor is it able to look a job up by it, but says that it can."""

    def find(self, idempotency_key: str, task_template: TaskTemplate, **kwargs: Any) -> LakeMeta | None:
        return None


class ForgetsTheAttempt(LakeConnector):
    """The key is that of the node."""

    def create(self, task_template: TaskTemplate, *, idempotency_key: str, **kwargs: Any) -> LakeMeta:
        tags = kwargs["tags"]
        key = tags["hardpoint-execution"] + tags["hardpoint-node"]
        return super().create(task_template, idempotency_key=key, **kwargs)


class TakesSuccessForAFailure(LakeConnector):
    def get(self, resource_meta: LakeMeta, **kwargs: Any) -> Resource:
        found = super().get(resource_meta, **kwargs)
        return Resource(Phase.FAILED, "It is over.") if found.phase is Phase.SUCCEEDED else found

    def get_many(self, metas: Sequence[LakeMeta], **kwargs: Any) -> list[Resource]:
        return [self.get(meta) for meta in metas]


class FindsOnlyWhatRuns(LakeConnector):
    def find(self, idempotency_key: str, task_template: TaskTemplate, **kwargs: Any) -> LakeMeta | None:
        found = super().find(idempotency_key, task_template, **kwargs)
        return found if found is not None and not self.get(found).phase.is_terminal else None


class FindsAnything(LakeConnector):
    def find(self, idempotency_key: str, task_template: TaskTemplate, **kwargs: Any) -> LakeMeta | None:
        return super().find(idempotency_key, task_template, **kwargs) or LakeMeta(self.url, "job-0")


class RemembersJobs(LakeConnector):
    """What it needs to know of a job is in its memory."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.mine: set[str] = set()

    def create(self, task_template: TaskTemplate, *, idempotency_key: str, **kwargs: Any) -> LakeMeta:
        meta = super().create(task_template, idempotency_key=idempotency_key, **kwargs)
        self.mine.add(meta.job_id)
        return meta

    def get(self, resource_meta: LakeMeta, **kwargs: Any) -> Resource:
        if resource_meta.job_id not in self.mine:
            raise JobGoneError("It is not known here.")
        return super().get(resource_meta, **kwargs)


class ChangesItsInput(LakeConnector):
    def create(self, task_template: TaskTemplate, *, idempotency_key: str, **kwargs: Any) -> LakeMeta:
        meta = super().create(task_template, idempotency_key=idempotency_key, **kwargs)
        del task_template.custom["rows"]
        return meta


class _Retold(LakeConnector):
    """What it says of a job is said otherwise."""

    def resource(self, told: dict[str, Any]) -> Resource:
        return self.retold(super().resource(told))

    def retold(self, resource: Resource) -> Resource:
        raise NotImplementedError


class TakesWaitingForRunning(_Retold):
    def retold(self, resource: Resource) -> Resource:
        resource.phase = Phase.RUNNING if resource.phase is Phase.QUEUED else resource.phase
        return resource


class HasOtherOutputs(_Retold):
    def retold(self, resource: Resource) -> Resource:
        resource.outputs = {"count": 7} if resource.outputs else None
        return resource


class HasOutputsOfAnotherType(_Retold):
    def retold(self, resource: Resource) -> Resource:
        resource.outputs = {"rows": "seven"} if resource.outputs else None
        return resource


class IsSilentOnFailure(_Retold):
    def retold(self, resource: Resource) -> Resource:
        resource.message = "failed" if resource.phase.is_failure else resource.message
        return resource


class RaisesOnUnknownStates(LakeConnector):
    def warn(self, state: str) -> None:
        raise PermanentError(f"What is {state}?")


class FailsOnUnknownStates(_Retold):
    def retold(self, resource: Resource) -> Resource:
        if "not known" in (resource.message or ""):
            resource.phase = Phase.FAILED
        return resource


class LogsUnknownStatesAlways(LakeConnector):
    def warn(self, state: str) -> None:
        self.told.clear()
        super().warn(state)


class WaitsForVanishedJobs(LakeConnector):
    def get(self, resource_meta: LakeMeta, **kwargs: Any) -> Resource:
        try:
            return super().get(resource_meta, **kwargs)
        except JobGoneError as error:
            raise TransientError(error.message) from error


class AnswersInAnyOrder(LakeConnector):
    def get_many(self, metas: Sequence[LakeMeta], **kwargs: Any) -> list[Resource]:
        return super().get_many(sorted(metas, key=lambda meta: meta.job_id), **kwargs)


class AsksOneByOne(LakeConnector):
    def get_many(self, metas: Sequence[LakeMeta], **kwargs: Any) -> list[Resource]:
        return [self.get(meta) for meta in metas]


class LosesOneOfMany(LakeConnector):
    def get_many(self, metas: Sequence[LakeMeta], **kwargs: Any) -> list[Resource]:
        found = super().get_many(metas, **kwargs)
        return [Resource(Phase.RUNNING) if resource.message == "The job is gone." else resource for resource in found]


@dataclass
class StrictMeta(LakeMeta):
    @classmethod
    def decode(cls, data: bytes) -> StrictMeta:
        return cls(**json.loads(data))


class HasStrictMetas(LakeConnector):
    metadata_type = StrictMeta


class PromisesTooMuch(LakeConnector):
    capabilities = Capabilities(idempotent_create=True, finds_by_key=True, batches_polls=True, logs=True)


class PromisesTooLittle(LakeConnector):
    capabilities = Capabilities(idempotent_create=True, finds_by_key=True)


class ListsNothing(LakeConnector):
    def find_owned(
        self, task_template: TaskTemplate | None = None, **kwargs: Any
    ) -> list[tuple[LakeMeta, dict[str, str]]]:
        return []


class BlocksTheLoop(LakeConnector):
    async def get(self, resource_meta: LakeMeta, **kwargs: Any) -> Resource:  # type: ignore[override]
        return super().get(resource_meta, **kwargs)


class BlocksTheLoopToCreate(LakeConnector):
    timeout = 2.5

    async def create(self, task_template: TaskTemplate, *, idempotency_key: str, **kwargs: Any) -> LakeMeta:  # type: ignore[override]
        return super().create(task_template, idempotency_key=idempotency_key, **kwargs)


class _Raises(LakeConnector):
    """Other errors than it should raise."""

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        try:
            return super().ask(method, path, body)
        except Exception as error:
            raise self.other(error) from error

    def other(self, error: Exception) -> Exception:
        raise NotImplementedError


class ForgetsRetryAfter(_Raises):
    def other(self, error: Exception) -> Exception:
        return TransientError(str(error)) if isinstance(error, TransientError) else error


class AsksAgainAtOnce(LakeConnector):
    def ask(self, method: str, path: str, body: Any = None) -> Any:
        for _ in range(3):
            try:
                return super().ask(method, path, body)
            except TransientError:
                time.sleep(0.05)
        return super().ask(method, path, body)


class TakesIllnessForRefusal(_Raises):
    def other(self, error: Exception) -> Exception:
        return PermanentError(str(error)) if "repaired" in str(error) else error


class TakesBrokenForWrong(_Raises):
    def other(self, error: Exception) -> Exception:
        return UserError(str(error)) if "does not answer" in str(error) else error


class TakesRefusalForIllness(_Raises):
    def other(self, error: Exception) -> Exception:
        return TransientError(str(error)) if isinstance(error, PermanentError) else error


class TakesWrongForIllness(_Raises):
    def other(self, error: Exception) -> Exception:
        return TransientError(str(error)) if isinstance(error, UserError) else error


class SwallowsWords(_Raises):
    def other(self, error: Exception) -> Exception:
        return UserError("Bad request") if isinstance(error, UserError) else error


class EndsNothing(LakeConnector):
    def delete(self, resource_meta: LakeMeta, **kwargs: Any) -> None:
        return


class EndsOnlyWhatRuns(LakeConnector):
    def delete(self, resource_meta: LakeMeta, **kwargs: Any) -> None:
        if super().get(resource_meta, **kwargs).phase is Phase.RUNNING:
            super().delete(resource_meta, **kwargs)


class ComplainsOfTheEnded(LakeConnector):
    def delete(self, resource_meta: LakeMeta, **kwargs: Any) -> None:
        if super().get(resource_meta, **kwargs).phase.is_terminal:
            raise PermanentError("It has ended.")
        super().delete(resource_meta, **kwargs)


class ComplainsOfTheVanished(LakeConnector):
    def delete(self, resource_meta: LakeMeta, **kwargs: Any) -> None:
        try:
            self.ask("DELETE", f"/jobs/{resource_meta.job_id}")
        except JobGoneError as error:
            raise PermanentError(error.message) from error


class SaysThatItHasEnded(LakeConnector):
    def delete(self, resource_meta: LakeMeta, **kwargs: Any) -> None:
        try:
            super().delete(resource_meta, **kwargs)
        except TransientError:
            return


@dataclass
class TellingMeta(LakeMeta):
    headers: str = ""


class LeaksInMetas(LakeConnector):
    metadata_type = TellingMeta

    def create(self, task_template: TaskTemplate, *, idempotency_key: str, **kwargs: Any) -> LakeMeta:
        made = super().create(task_template, idempotency_key=idempotency_key, **kwargs)
        return TellingMeta(made.endpoint, made.job_id, connection().secret("lake_token"))


class LeaksInMessages(_Retold):
    def retold(self, resource: Resource) -> Resource:
        resource.message = f"{resource.message} (asked with {connection().secret('lake_token')})"
        return resource


class LeaksInLogs(LakeConnector):
    def ask(self, method: str, path: str, body: Any = None) -> Any:
        logger.debug("%s %s with %s", method, path, connection().secret("lake_token"))
        return super().ask(method, path, body)


# -- those that answer at once -----------------------------------------------------------------------------------------


class AnswersOtherwise(LakeAnswerConnector):
    def do(self, task_template: TaskTemplate, **kwargs: Any) -> Resource:
        return Resource(Phase.SUCCEEDED, outputs={"count": 7})


class FailsQuietly(LakeAnswerConnector):
    def do(self, task_template: TaskTemplate, **kwargs: Any) -> Resource:
        return Resource(Phase.FAILED, "It did not work out.")


class AnswersForgettingRetryAfter(LakeAnswerConnector):
    def do(self, task_template: TaskTemplate, **kwargs: Any) -> Resource:
        try:
            return super().do(task_template, **kwargs)
        except TransientError as error:
            raise TransientError(error.message) from error


class AnswersAskingAgain(LakeAnswerConnector):
    def do(self, task_template: TaskTemplate, **kwargs: Any) -> Resource:
        try:
            return super().do(task_template, **kwargs)
        except TransientError:
            return super().do(task_template, **kwargs)


class AnswersWithAnyError(LakeAnswerConnector):
    def do(self, task_template: TaskTemplate, **kwargs: Any) -> Resource:
        try:
            return super().do(task_template, **kwargs)
        except Exception as error:
            raise ValueError("It broke.") from error


class AnswersPatiently(LakeAnswerConnector):
    timeout = 2.5


class AnswersBlocking(LakeAnswerConnector):
    async def do(self, task_template: TaskTemplate, **kwargs: Any) -> Resource:  # type: ignore[override]
        return super().do(task_template, **kwargs)


class AnswersLeaking(LakeAnswerConnector):
    def do(self, task_template: TaskTemplate, **kwargs: Any) -> Resource:
        done = super().do(task_template, **kwargs)
        done.message = f"Asked with {connection().secret('lake_token')}"
        return done
