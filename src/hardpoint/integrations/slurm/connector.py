"""Runs jobs on Slurm clusters and follows them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from typing import Any, ClassVar, TypeVar

from flyteidl.admin.agent_pb2 import (
    GetTaskLogsResponse,
    GetTaskLogsResponseBody,
    GetTaskLogsResponseHeader,
    TaskExecutionMetadata,
)

from hardpoint.connectors.contract import AsyncConnectorBase, Capabilities
from hardpoint.connectors.phases import JobGoneError, Phase
from hardpoint.connectors.resource import Resource
from hardpoint.errors import HardpointError, TransientError, UserError
from hardpoint.idl import LiteralMap, TaskTemplate, native
from hardpoint.integrations.slurm import results, scripts
from hardpoint.integrations.slurm.cluster import Cluster, Missing, Part, checked_id, links, summary
from hardpoint.integrations.slurm.commands import Job, Submission, check_options, job_name
from hardpoint.integrations.slurm.login import Login, SSHConfig
from hardpoint.integrations.slurm.meta import SlurmJobMetadata, SlurmScriptMetadata, comment_of, facts_in
from hardpoint.integrations.slurm.preparation import Preparation
from hardpoint.integrations.slurm.ssh import Hosts
from hardpoint.integrations.slurm.states import standing

__all__ = ["SlurmFunctionConnector", "SlurmScriptConnector"]

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_THREADS = 16

M = TypeVar("M", SlurmJobMetadata, SlurmScriptMetadata)
A = TypeVar("A")
B = TypeVar("B")


class _SlurmConnector(AsyncConnectorBase[M]):
    """What both connectors have in common.

    Args:
        grace: Seconds after which a job that neither the queue nor accounting knows counts as gone.
        kwargs: As for `AsyncConnectorBase`.
    """

    capabilities: ClassVar[Capabilities] = Capabilities(
        idempotent_create=True, finds_by_key=True, batches_polls=True, cancels=True, logs=True
    )

    def __init__(self, grace: float = 30.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._hosts = Hosts()
        self._missing = Missing(grace)

    def close(self) -> None:
        """Close its connections. They are made again when they are needed."""
        self._hosts.close()

    def _cluster(self, config: Mapping[str, Any]) -> Cluster:
        return Cluster(self._hosts, Login.of(SSHConfig.from_dict(config)))

    def get(self, resource_meta: M, **kwargs: Any) -> Resource:
        """How a job stands. Errors are as for the base class."""
        [answer] = self._look([resource_meta])
        if isinstance(answer, HardpointError):
            raise answer
        return answer

    def get_many(self, metas: Sequence[M], **kwargs: Any) -> list[Resource]:
        """How jobs stand: of each cluster one question for all of them, and a second one if some have left the queue.

        A cluster that cannot be reached now is an answer about its own jobs.
        """
        answers = self._look(metas)
        return [_instead_of(answer) if isinstance(answer, HardpointError) else answer for answer in answers]

    def _look(self, metas: Sequence[M]) -> list[Resource | HardpointError]:
        """What is known of each job. What is wrong with one, or with its cluster, is an answer about that one alone."""
        until = time.monotonic() + results.PATIENCE
        answers: dict[int, Resource | HardpointError] = {}
        by_login: dict[Login, list[int]] = {}
        for number, meta in enumerate(metas):
            try:
                checked_id(meta.job_id)
                by_login.setdefault(self._cluster(meta.ssh_config).login, []).append(number)
            except HardpointError as error:
                answers[number] = error

        def look(login: Login) -> list[Resource | HardpointError]:
            return self._look_at(Cluster(self._hosts, login), [metas[number] for number in by_login[login]], until)

        for numbers, found in zip(by_login.values(), _at_once(look, list(by_login)), strict=True):
            answers.update(zip(numbers, found, strict=True))
        return [answers[number] for number in range(len(metas))]

    def _look_at(self, cluster: Cluster, metas: Sequence[M], until: float) -> list[Resource | HardpointError]:
        try:
            jobs = cluster.jobs([meta.job_id for meta in metas])
            ended = [id for id, job in jobs.items() if standing(job.states)[0].is_terminal]
            reports = dict(zip(ended, cluster.reports([jobs[id] for id in ended]), strict=True))
        except HardpointError as error:
            return [error] * len(metas)

        def answer(meta: M) -> Resource | HardpointError:
            try:
                return self._answer(cluster, meta, jobs.get(meta.job_id), reports.get(meta.job_id, ""), until)
            except HardpointError as error:
                return error

        return _at_once(answer, metas)

    def _answer(self, cluster: Cluster, meta: M, job: Job | None, report: str, until: float) -> Resource:
        config = cluster.login.config
        if job is None:
            raise self._missing.error(config.endpoint, meta.job_id)
        self._missing.found(config.endpoint, meta.job_id)
        phase, said = standing(job.states)
        resource = Resource(phase, message=said or summary(job), log_links=links(config, meta.job_id, job))
        if phase.is_terminal:
            resource.message = report
            return self._finished(cluster, meta, resource, until)
        return resource

    def _finished(self, cluster: Cluster, meta: M, resource: Resource, until: float) -> Resource:
        """How a job stands that has ended, with what it has left; it is waited for until then."""
        raise NotImplementedError

    def delete(self, resource_meta: M, **kwargs: Any) -> None:
        """Cancel a job, and see that it does not go on."""
        self._cluster(resource_meta.ssh_config).cancel(resource_meta.job_id)

    def get_logs(
        self, resource_meta: M, lines: int = 0, token: str = "", **kwargs: Any
    ) -> Iterator[GetTaskLogsResponse]:
        """What a job has written to its output by now, part by part.

        The last part says where to go on; nothing, if that is all that there will be.

        Args:
            resource_meta: The job.
            lines: At most so many, the last ones, of a first answer; 0: all.
            token: Where an earlier answer has ended.
            kwargs: Nothing.
        """
        cluster, job_id = self._cluster(resource_meta.ssh_config), resource_meta.job_id
        job = cluster.jobs([job_id]).get(job_id)  # asked for first, so that what it wrote until its end is read
        position = int(token) if token.isdigit() else 0
        has_ended = job is not None and standing(job.states)[0].is_terminal
        return _logs(cluster.output(job_id, position), position, 0 if token else lines, has_ended)


def _logs(parts: Iterator[Part], position: int, lines: int, has_ended: bool) -> Iterator[GetTaskLogsResponse]:
    kept: list[str] = []
    for part in parts:
        position = part.end
        if lines:
            kept = [*kept, *part.lines][-lines:]
        else:
            yield GetTaskLogsResponse(body=GetTaskLogsResponseBody(results=part.lines))
    if kept:
        yield GetTaskLogsResponse(body=GetTaskLogsResponseBody(results=kept))
    yield GetTaskLogsResponse(header=GetTaskLogsResponseHeader(token="" if has_ended else str(position)))


def _at_once(work: Callable[[A], B], items: Sequence[A]) -> list[B]:
    """What the work gives for each item, several at a time."""
    if len(items) <= 1:
        return [work(item) for item in items]
    contexts = [copy_context() for _ in items]
    with ThreadPoolExecutor(min(len(items), _THREADS), thread_name_prefix="hardpoint-slurm") as threads:
        return list(threads.map(lambda context, item: context.run(work, item), contexts, items))


def _instead_of(error: HardpointError) -> Resource:
    """What stands among the answers about many jobs for what `get` raises.

    Raises:
        HardpointError: no retry mends it, and it says nothing of the job. Whoever asked has to ask for each job by itself.
    """
    if isinstance(error, TransientError):
        return Resource(Phase.UNDEFINED, message=error.message)  # nothing is known of it now
    if isinstance(error, JobGoneError):
        return Resource(Phase.RETRYABLE_FAILED, message=str(error))
    raise error


class SlurmFunctionConnector(_SlurmConnector[SlurmJobMetadata]):
    """Runs Python functions."""

    name = "Slurm Function Connector"
    task_type_name = "slurm_fn"
    metadata_type = SlurmJobMetadata

    def create(  # type: ignore[override]  # what it must have is named
        self,
        task_template: TaskTemplate,
        output_prefix: str,
        inputs: LiteralMap | None = None,
        task_execution_metadata: TaskExecutionMetadata | None = None,
        *,
        idempotency_key: str,
        tags: Mapping[str, str],
        **kwargs: Any,
    ) -> SlurmJobMetadata:
        """Submit the script that runs the function. Arguments and errors are as for the base class."""
        custom, container = _custom(task_template), task_template.container
        environment = dict(task_execution_metadata.environment_variables) if task_execution_metadata else {}
        environment.update((pair.key, pair.value) for pair in container.env)
        for name in environment:
            if not _VARIABLE.fullmatch(name):
                raise UserError(
                    f"{name!r} is not the name of a variable.", remedy="Rename it in the task's environment."
                )
        cluster, meta = self._cluster(_ssh(custom)), _function_meta(task_template, custom, output_prefix)
        submission = Submission(
            job_name(custom.get("sbatch_config"), idempotency_key),
            check_options(custom.get("sbatch_config")),
            scripts.function_script(custom.get("script"), [*container.command, *container.args], environment),
            comment=comment_of(tags, meta),
        )
        return replace(meta, job_id=cluster.submit(submission))

    def find(self, idempotency_key: str, task_template: TaskTemplate, **kwargs: Any) -> SlurmJobMetadata | None:
        """The job of a key, by its name."""
        custom = _custom(task_template)
        found = self._cluster(_ssh(custom)).find(job_name(custom.get("sbatch_config"), idempotency_key))
        return replace(_function_meta(task_template, custom, ""), job_id=found[0]) if found else None

    def _finished(self, cluster: Cluster, meta: SlurmJobMetadata, resource: Resource, until: float) -> Resource:
        # Jobs of the reference's connector do not tell where they write.
        return results.of_function(resource, meta) if meta.output_prefix else resource


def _function_meta(template: TaskTemplate, custom: Mapping[str, Any], output_prefix: str) -> SlurmJobMetadata:
    # The job writes where its own command says.
    args = list(template.container.args)
    if "--output-prefix" in args[:-1]:
        output_prefix = args[args.index("--output-prefix") + 1]
    config = SSHConfig.from_dict(_ssh(custom)).to_dict()
    return SlurmJobMetadata("", config, output_prefix, bool(template.interface.outputs.variables))


class SlurmScriptConnector(_SlurmConnector[SlurmScriptMetadata]):
    """Runs batch scripts: those that are on the cluster, and those that a task brings."""

    name = "Slurm Script Connector"
    task_type_name = "slurm"
    metadata_type = SlurmScriptMetadata

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._copies = results.Background()

    def create(  # type: ignore[override]  # what it must have is named
        self,
        task_template: TaskTemplate,
        output_prefix: str,
        inputs: LiteralMap | None = None,
        task_execution_metadata: TaskExecutionMetadata | None = None,
        *,
        idempotency_key: str,
        tags: Mapping[str, str],
        **kwargs: Any,
    ) -> SlurmScriptMetadata:
        """Submit the script. Arguments and errors are as for the base class."""
        custom = _custom(task_template)
        cluster = self._cluster(_ssh(custom))
        prepared = Preparation(cluster, custom, task_template, inputs or LiteralMap(), idempotency_key, output_prefix)
        submission = Submission(
            job_name(custom.get("sbatch_config"), idempotency_key),
            check_options(custom.get("sbatch_config")),
            prepared.script,
            prepared.path,
            [str(argument) for argument in custom.get("batch_script_args") or ()],
            comment_of(tags, prepared.meta),
        )
        return replace(
            prepared.meta, job_id=cluster.submit(submission, prepared.stage if prepared.meta.folder else None)
        )

    def find(self, idempotency_key: str, task_template: TaskTemplate, **kwargs: Any) -> SlurmScriptMetadata | None:
        """The job of a key, by its name; what its inputs had a part in is in its label."""
        custom = _custom(task_template)
        cluster = self._cluster(_ssh(custom))
        found = cluster.find(job_name(custom.get("sbatch_config"), idempotency_key))
        if found is None:
            return None
        facts = {**facts_in(found[1]), "job_id": found[0], "ssh_config": cluster.login.config.to_dict()}
        return SlurmScriptMetadata.decode(json.dumps(facts).encode())

    def _finished(self, cluster: Cluster, meta: SlurmScriptMetadata, resource: Resource, until: float) -> Resource:
        if resource.phase is Phase.SUCCEEDED and meta.outputs:
            place = f"{meta.endpoint}/{meta.job_id}"
            try:
                patience = max(0.0, until - time.monotonic())
                copied = self._copies.result(place, lambda: results.fetch(cluster, meta), patience)
            except UserError as error:
                return replace(resource, phase=Phase.FAILED, message=f"{error}\n{resource.message}")
            if copied is None:
                return replace(resource, phase=Phase.RUNNING, message="COMPLETED; its outputs are being copied.")
            resource.outputs = copied
        results.remove(cluster, meta)
        return resource

    def delete(self, resource_meta: SlurmScriptMetadata, **kwargs: Any) -> None:
        """Cancel a job, see that it does not go on, and remove what it was given."""
        super().delete(resource_meta)
        results.remove(self._cluster(resource_meta.ssh_config), resource_meta)


def _custom(template: TaskTemplate) -> dict[str, Any]:
    given: dict[str, Any] = native(template.custom)
    return given


def _ssh(custom: Mapping[str, Any]) -> dict[str, Any]:
    return dict(custom.get("ssh_config") or {})
