"""A stand-in for AWS Batch: its API on 127.0.0.1. Its containers are threads, which run the functions of tasks."""

from __future__ import annotations

import itertools
import time
import traceback
import uuid
from typing import Any

from flyteidl.core.errors_pb2 import ContainerError, ErrorDocument

from hardpoint.context import FlyteContextManager, Mode
from hardpoint.errors import TransientError
from hardpoint.idl import LiteralMap, literal_map
from hardpoint.tasks.dispatch import dispatch
from hardpoint.tasks.resolver import load_resolver
from tests.services.aws import ACCOUNT, REGION, AwsStandIn, Job, Refusal

ARN = f"arn:aws:batch:{REGION}:{ACCOUNT}"


class BatchStandIn(AwsStandIn):
    """AWS Batch with the queue ``work``.

    Attributes:
        definitions: Job definitions by ARN.
    """

    services = ("batch",)
    final = frozenset(("SUCCEEDED", "FAILED"))

    def __init__(self, polls: int | None = None) -> None:
        super().__init__(polls)
        self.definitions: dict[str, dict[str, Any]] = {}

    # -- the API -------------------------------------------------------------------------------------------------------

    def do_RegisterJobDefinition(self, asked: dict[str, Any]) -> dict[str, Any]:
        properties = asked["containerProperties"]
        kinds = [requirement["type"] for requirement in properties.get("resourceRequirements", ())]
        if asked["type"] != "container" or not {"VCPU", "MEMORY"} <= set(kinds) or not properties.get("image"):
            raise Refusal("ClientException", "Container properties should name image, VCPU and MEMORY")
        if asked["platformCapabilities"] == ["FARGATE"] and not properties.get("executionRoleArn"):
            raise Refusal("ClientException", "executionRoleArn should not be null or empty for Fargate")
        name = asked["jobDefinitionName"]
        revision = 1 + sum(arn.split("/")[1].startswith(f"{name}:") for arn in self.definitions)
        arn = f"{ARN}:job-definition/{name}:{revision}"
        self.definitions[arn] = {**asked, "jobDefinitionArn": arn, "revision": revision, "status": "ACTIVE"}
        return {"jobDefinitionName": name, "jobDefinitionArn": arn, "revision": revision}

    def do_DescribeJobDefinitions(self, asked: dict[str, Any]) -> dict[str, Any]:
        found = [
            definition
            for definition in self.definitions.values()
            if definition["jobDefinitionName"] == asked["jobDefinitionName"]
        ]
        return {"jobDefinitions": found}

    def do_SubmitJob(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._check_queue(asked)
        if asked["jobDefinition"] not in self.definitions:
            raise Refusal("ClientException", f"JobDefinition {asked['jobDefinition']} does not exist")
        if len(asked["jobName"]) > 128 or len(asked.get("tags", {})) > 50:
            raise Refusal("ClientException", "Job name or tags are too long")
        if asked.get("timeout", {}).get("attemptDurationSeconds", 60) < 60:
            raise Refusal("ClientException", "attemptDurationSeconds must be 60 or more")
        job = Job(str(uuid.uuid4()), asked, "SUBMITTED")
        self.jobs[job.id] = job
        return {"jobArn": f"{ARN}:job/{job.id}", "jobName": asked["jobName"], "jobId": job.id}

    def do_ListJobs(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._check_queue(asked)
        [wanted] = [filter["values"] for filter in asked["filters"] if filter["name"] == "JOB_NAME"]
        found = [job for job in self._known(self.jobs) if job.parameters["jobName"] in wanted]
        return {
            "jobSummaryList": [
                {"jobId": job.id, "jobName": job.parameters["jobName"], "status": job.state} for job in found
            ]
        }

    def do_DescribeJobs(self, asked: dict[str, Any]) -> dict[str, Any]:
        if len(asked["jobs"]) > 100:
            raise Refusal("ClientException", "At most 100 jobs may be described")
        found = self._known(asked["jobs"])
        for job in found:
            self.looked(job)
        return {"jobs": [self._told(job) for job in reversed(found)]}

    def do_TerminateJob(self, asked: dict[str, Any]) -> None:
        if asked["jobId"] not in self.jobs or asked["jobId"] in self.forgotten:
            raise Refusal("ClientException", f"Job {asked['jobId']} does not exist")
        job = self.jobs[asked["jobId"]]
        if job.state not in self.final:
            job.state, job.reason = "FAILED", asked["reason"]

    @staticmethod
    def _check_queue(asked: dict[str, Any]) -> None:
        if asked["jobQueue"] != "work":
            raise Refusal("ClientException", f"JobQueue {asked['jobQueue']} does not exist")

    def _known(self, ids: Any) -> list[Job]:
        return [self.jobs[id] for id in ids if id in self.jobs and id not in self.forgotten]

    def _told(self, job: Job) -> dict[str, Any]:
        asked = job.parameters
        container = {
            **self.definitions[asked["jobDefinition"]]["containerProperties"],
            **asked["containerOverrides"],
            **job.facts.get("container", {}),
        }
        return {
            "jobId": job.id,
            "jobName": asked["jobName"],
            "jobQueue": f"{ARN}:job-queue/work",
            "jobDefinition": asked["jobDefinition"],
            "status": job.state,
            "statusReason": job.reason,
            "startedAt": int(time.time() * 1000),
            "container": container,
        }

    # -- containers ----------------------------------------------------------------------------------------------------

    def end(self, job: str, ok: bool = True) -> None:
        with self.lock:
            found = self.jobs[job]
            found.facts["container"] = {"exitCode": 0, "logStreamName": f"hardpoint/default/{job}"}
            if ok:
                run_container(found.parameters["containerOverrides"]["command"])
                found.state, found.reason = "SUCCEEDED", "Essential container in task exited"
            else:
                found.state, found.reason = "FAILED", "Essential container in task exited"
                found.facts["container"] |= {"exitCode": 137, "reason": "OutOfMemoryError: Container killed"}


def run_container(command: list[str]) -> None:
    """Do what the command of a function task does in its container: also an error of the function is written, and ends well."""
    words = dict(itertools.pairwise(command))
    prefix = words["--output-prefix"]
    with FlyteContextManager.use(mode=Mode.TASK_EXECUTION) as context:
        files = context.file_access
        with files.open(words["--inputs"], "rb") as stream:
            inputs = LiteralMap.FromString(stream.read())
        task = load_resolver(words["--resolver"]).load_task(command[command.index("--") + 1 :])
        try:
            outputs: Any = dispatch(task, inputs)
            name, message = "outputs.pb", outputs if isinstance(outputs, LiteralMap) else literal_map(outputs)
        except Exception as error:
            again = isinstance(error, TransientError)
            kind = ContainerError.RECOVERABLE if again else ContainerError.NON_RECOVERABLE
            failure = ContainerError(code="USER:Unknown", message=traceback.format_exc(), kind=kind)
            name, message = "error.pb", ErrorDocument(error=failure)
        with files.open(f"{prefix}/{name}", "wb") as stream:
            stream.write(message.SerializeToString())
