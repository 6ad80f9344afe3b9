"""A stand-in for AWS Batch: its API on 127.0.0.1. Its containers are processes, with the programs that an image has."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

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
                code = run_container(found.parameters["containerOverrides"])
                found.state, found.reason = "FAILED" if code else "SUCCEEDED", "Essential container in task exited"
                found.facts["container"]["exitCode"] = code
            else:
                found.state, found.reason = "FAILED", "Essential container in task exited"
                found.facts["container"] |= {"exitCode": 137, "reason": "OutOfMemoryError: Container killed"}


def run_container(overrides: dict[str, Any]) -> int:
    """Run the container's command as a process, and return its exit code. Its image holds what can be imported here.

    It has the variables of its job and, as its job's role, the credentials of this process.
    """
    image = {"PATH": str(Path(sys.executable).parent), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    role = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    own = {variable["name"]: variable["value"] for variable in overrides["environment"]}
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(overrides["command"], env=image | role | own, cwd=folder, check=False).returncode
