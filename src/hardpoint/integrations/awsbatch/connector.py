"""Submits functions to AWS Batch as container jobs, follows them, and reads what they have written.

https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from flyteidl.admin.agent_pb2 import TaskExecutionMetadata
from flyteidl.core.tasks_pb2 import Container, Resources

from hardpoint import idl
from hardpoint.connectors import AsyncConnectorBase, Capabilities, JobGoneError, Phase, Resource, ResourceMeta, log_link
from hardpoint.connectors.connection import connection
from hardpoint.connectors.containers import as_written
from hardpoint.connectors.phases import phase_or_running
from hardpoint.errors import UserError
from hardpoint.idl import LiteralMap, TaskLog, TaskTemplate
from hardpoint.integrations._aws import AWSError, client, console, explained, region_of
from hardpoint.integrations.awsbatch.task import SUBFOLDER, TASK_TYPE
from hardpoint.tasks.container_run import parse_quantity

__all__ = ["PHASES", "AWSBatchConnector", "AWSBatchMeta"]

# https://docs.aws.amazon.com/batch/latest/userguide/job_states.html
PHASES = {
    "SUBMITTED": Phase.QUEUED,
    "PENDING": Phase.QUEUED,
    "RUNNABLE": Phase.WAITING_FOR_RESOURCES,
    "STARTING": Phase.INITIALIZING,
    "RUNNING": Phase.RUNNING,
    "SUCCEEDED": Phase.SUCCEEDED,
    "FAILED": Phase.FAILED,  # RETRYABLE_FAILED if the machine was lost
}

# https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html#evaluateOnExit
_LOST_MACHINE = ("Host EC2", "Your Spot Task was interrupted")
_MOST_TAGS = 50
_SHORTEST_TIMEOUT = 60
_LOG_GROUP = "/aws/batch/job"
_REASON = "Cancelled by Hardpoint"


@dataclass
class AWSBatchMeta(ResourceMeta):
    """Where a job is found again.

    Attributes:
        job_id: Batch's id.
        region: Its region.
        output_prefix: Where its container writes.
        has_outputs: Whether the task has outputs.
    """

    job_id: str
    region: str
    output_prefix: str = ""
    has_outputs: bool = False

    @property
    def endpoint(self) -> str:
        """By what watchers are told apart."""
        return self.region


class AWSBatchConnector(AsyncConnectorBase[AWSBatchMeta]):
    """A connector for `AWSBatchFunctionTask`. Batch has no tokens for requests, so a job is looked up by its name."""

    name = "AWS Batch Connector"
    task_type_name = TASK_TYPE
    metadata_type = AWSBatchMeta
    capabilities = Capabilities(finds_by_key=True, batches_polls=True, poll_batch=100, poll_rate=10)

    def create(  # type: ignore[override]
        self,
        task_template: TaskTemplate,
        output_prefix: str,
        inputs: LiteralMap | None = None,
        task_execution_metadata: TaskExecutionMetadata | None = None,
        *,
        idempotency_key: str,
        tags: Mapping[str, str],
        **kwargs: Any,
    ) -> AWSBatchMeta:
        """Submit the job, named by the key; its definition is registered unless there is the same one.

        Raises:
            UserError: there is no queue, or what the task asks for is nothing that Batch has.
        """
        custom = idl.native(task_template.custom)
        region = region_of(custom.get("region"))
        batch = client("batch", region)
        command = _command(task_template.container)
        request = _submission(task_template, custom, command, task_execution_metadata, tags)
        definition = _definition(task_template.container, custom)
        request |= {"jobName": idempotency_key, "jobDefinition": _registered(batch, definition)}
        with explained("batch", "SubmitJob"):
            answer = batch.submit_job(**request)
        return _meta(answer["jobId"], region, command, task_template)

    def find(self, idempotency_key: str, task_template: TaskTemplate, **kwargs: Any) -> AWSBatchMeta | None:
        """The job of this name in the queue; Batch remembers jobs for at least a week after their end."""
        custom = idl.native(task_template.custom)
        region = region_of(custom.get("region"))
        batch = client("batch", region)
        named = {"name": "JOB_NAME", "values": [idempotency_key]}
        with explained("batch", "ListJobs"):
            found = batch.list_jobs(jobQueue=_queue(custom), filters=[named])["jobSummaryList"]
        for summary in found:
            for job in _described(batch, [summary["jobId"]]):
                return _meta(job["jobId"], region, job.get("container", {}).get("command", []), task_template)
        return None

    def get(self, resource_meta: AWSBatchMeta, **kwargs: Any) -> Resource:
        """How the job stands.

        Raises:
            JobGoneError: Batch does not know it any more.
        """
        return self.get_many([resource_meta])[0]

    def get_many(self, metas: Sequence[AWSBatchMeta], **kwargs: Any) -> list[Resource]:
        """How several jobs of one region stand. Raises as `get`; one that is gone spoils it for all."""
        batch = client("batch", metas[0].region)
        known = {job["jobId"]: job for job in _described(batch, [meta.job_id for meta in metas])}
        gone = [meta.job_id for meta in metas if meta.job_id not in known]
        if gone:
            raise JobGoneError(f"AWS Batch knows no job {', '.join(gone)}.")
        return [_resource(known[meta.job_id], meta) for meta in metas]

    def delete(self, resource_meta: AWSBatchMeta, **kwargs: Any) -> None:
        """End the job, wherever it is on its way. Batch says nothing against it if it has ended."""
        try:
            with explained("batch", "TerminateJob"):
                client("batch", resource_meta.region).terminate_job(jobId=resource_meta.job_id, reason=_REASON)
        except AWSError as error:
            if "does not exist" not in error.message and "not found" not in error.message.lower():
                raise


# -- what is asked for -------------------------------------------------------------------------------------------------


def _queue(custom: Mapping[str, Any]) -> str:
    queue = custom.get("jobQueue") or connection().config("job_queue")
    if not queue:
        raise UserError("There is no job queue for AWS Batch.", remedy="Give AWSBatchConfig(jobQueue='name').")
    return str(queue)


def _command(container: Container) -> list[str]:
    """The container's command. Outputs go to the prefix itself, as those of all tasks of connectors."""
    words = [*container.command, *container.args]
    for position, word in enumerate(words):
        if position and words[position - 1] == "--output-prefix":
            words[position] = word.removesuffix(SUBFOLDER)
    return words


def _meta(job_id: str, region: str, command: Sequence[str], template: TaskTemplate) -> AWSBatchMeta:
    words = list(command)
    prefix = words[words.index("--output-prefix") + 1] if "--output-prefix" in words else ""
    return AWSBatchMeta(job_id, region, prefix, bool(template.interface.outputs.variables))


def _submission(
    template: TaskTemplate,
    custom: Mapping[str, Any],
    command: Sequence[str],
    metadata: TaskExecutionMetadata | None,
    tags: Mapping[str, str],
) -> dict[str, Any]:
    """The arguments of SubmitJob, but for the name and the definition."""
    variables = {pair.key: pair.value for pair in template.container.env}
    variables |= dict(metadata.environment_variables) if metadata is not None else {}
    own = custom.get("tags") or {}
    room = max(0, _MOST_TAGS - len(own))
    request: dict[str, Any] = {
        "jobQueue": _queue(custom),
        "tags": {**dict(list(tags.items())[-room:] if room else []), **own},
        "containerOverrides": {
            "command": list(command),
            "environment": [{"name": name, "value": value} for name, value in sorted(variables.items())],
        },
    }
    for key in ("parameters", "propagateTags", "shareIdentifier"):
        if custom.get(key) is not None:
            request[key] = custom[key]
    if custom.get("shareIdentifier") and custom.get("schedulingPriority") is not None:
        request["schedulingPriorityOverride"] = custom["schedulingPriority"]
    timeout = template.metadata.timeout.ToSeconds()
    if timeout:
        request["timeout"] = {"attemptDurationSeconds": max(timeout, _SHORTEST_TIMEOUT)}
    return request


def _definition(container: Container, custom: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of RegisterJobDefinition, but for the name: what many jobs of a task have in common."""
    platform = custom.get("platformCapabilities") or "EC2"
    properties: dict[str, Any] = {
        "image": container.image,
        "resourceRequirements": _requirements(container.resources, platform),
    }
    for key in ("jobRoleArn", "executionRoleArn"):
        if custom.get(key):
            properties[key] = custom[key]
    if custom.get("assignPublicIp") is not None:
        public = "ENABLED" if custom["assignPublicIp"] else "DISABLED"
        properties["networkConfiguration"] = {"assignPublicIp": public}
    definition = {"type": "container", "platformCapabilities": [platform], "containerProperties": properties}
    if custom.get("schedulingPriority") is not None:
        definition["schedulingPriority"] = custom["schedulingPriority"]
    return definition


def _requirements(resources: Resources, platform: str) -> list[dict[str, str]]:
    """What the container needs, in Batch's words: processors, MiB and GPUs. Requests count before limits.

    Without any, one processor and 2 GiB, which are the least that both platforms have in common use.
    """
    asked = {
        entry.name: parse_quantity(entry.value) for side in (resources.limits, resources.requests) for entry in side
    }
    cpu = asked.get(Resources.CPU, Decimal(1))
    memory = asked.get(Resources.MEMORY, Decimal(2 * 1024**3))
    # Fargate has quarters of processors, EC2 whole ones.
    processors = f"{cpu.normalize():f}" if platform == "FARGATE" else str(max(1, math.ceil(cpu)))
    found = [
        {"type": "VCPU", "value": processors},
        {"type": "MEMORY", "value": str(math.ceil(memory / 1024**2))},
    ]
    if asked.get(Resources.GPU):
        found.append({"type": "GPU", "value": str(math.ceil(asked[Resources.GPU]))})
    return found


def _registered(batch: Any, definition: Mapping[str, Any]) -> str:
    """The ARN of the job definition, which is named by what is in it."""
    digest = hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()
    name = f"hardpoint-{digest[:32]}"
    with explained("batch", "DescribeJobDefinitions"):
        known = batch.describe_job_definitions(jobDefinitionName=name, status="ACTIVE")["jobDefinitions"]
    if known:
        return str(known[0]["jobDefinitionArn"])
    with explained("batch", "RegisterJobDefinition"):
        return str(batch.register_job_definition(jobDefinitionName=name, **definition)["jobDefinitionArn"])


# -- what is told ------------------------------------------------------------------------------------------------------


def _described(batch: Any, ids: Sequence[str]) -> Iterable[Mapping[str, Any]]:
    with explained("batch", "DescribeJobs"):
        found: list[Mapping[str, Any]] = batch.describe_jobs(jobs=list(dict.fromkeys(ids)))["jobs"]
    return found


def _resource(job: Mapping[str, Any], meta: AWSBatchMeta) -> Resource:
    phase, note = phase_or_running(job["status"], PHASES, integration="AWS Batch")
    reason = str(job.get("statusReason", ""))
    container = job.get("container", {})
    if phase is Phase.FAILED and reason.startswith(_LOST_MACHINE):
        phase = Phase.RETRYABLE_FAILED
    said = [note, reason, container.get("reason", "")]
    if container.get("exitCode"):
        said.append(f"The container ended with exit code {container['exitCode']}.")
    message = "\n".join(dict.fromkeys(filter(None, said)))
    if phase.is_failure and not message:
        message = f"AWS Batch reports the job as {job['status']}, and says no more."
    resource = Resource(phase, message=message or None, log_links=_links(job, meta.region))
    if phase.is_terminal and meta.output_prefix:
        return as_written(resource, meta.output_prefix, meta.has_outputs)
    return resource


def _links(job: Mapping[str, Any], region: str) -> list[TaskLog]:
    base = console(region)
    links = [log_link("AWS Batch job", f"{base}/batch/home?region={region}#jobs/detail/{job['jobId']}")]
    stream = job.get("container", {}).get("logStreamName")
    if stream:
        # The console wants what stands in its fragment quoted twice, with $ in the place of the percent sign.
        group, name = (quote(quote(text, safe=""), safe="").replace("%", "$") for text in (_LOG_GROUP, stream))
        address = f"{base}/cloudwatch/home?region={region}#logsV2:log-groups/log-group/{group}/log-events/{name}"
        links.append(log_link("CloudWatch log", address, while_pending=False))
    return links
