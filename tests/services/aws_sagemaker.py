"""A stand-in for Amazon SageMaker's inference: its APIs on 127.0.0.1. Its models add up what they are given."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from tests.services.aws import ACCOUNT, REGION, AwsStandIn, Job, Refusal

ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"
_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")


class SageMakerStandIn(AwsStandIn):
    """SageMaker; its jobs are endpoints.

    Attributes:
        models, configs: What there is, by name.
        quota: How many endpoints there may be.
        deletes_in_progress: Whether an endpoint can be deleted while it is being made.
    """

    services = ("sagemaker", "sagemaker-runtime")
    final = frozenset(("InService", "Failed", "OutOfService", "UpdateRollbackFailed", "Deleting"))

    def __init__(self, polls: int | None = None) -> None:
        super().__init__(polls)
        self.models: dict[str, dict[str, Any]] = {}
        self.configs: dict[str, dict[str, Any]] = {}
        self.quota = 1000
        self.deletes_in_progress = True

    # -- models and configurations -------------------------------------------------------------------------------------

    def do_CreateModel(self, asked: dict[str, Any]) -> dict[str, Any]:
        _make(self.models, "model", asked["ModelName"], asked)
        return {"ModelArn": f"{ARN}:model/{asked['ModelName']}"}

    def do_DescribeModel(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = asked["ModelName"]
        _known(self.models, "model", name)
        return {"ModelName": name, "ModelArn": f"{ARN}:model/{name}", "CreationTime": datetime.now(UTC)}

    def do_DeleteModel(self, asked: dict[str, Any]) -> None:
        _known(self.models, "model", asked["ModelName"])
        del self.models[asked["ModelName"]]

    def do_CreateEndpointConfig(self, asked: dict[str, Any]) -> dict[str, Any]:
        for variant in asked["ProductionVariants"]:
            _known(self.models, "model", variant["ModelName"])
        _make(self.configs, "endpoint-config", asked["EndpointConfigName"], asked)
        return {"EndpointConfigArn": f"{ARN}:endpoint-config/{asked['EndpointConfigName']}"}

    def do_DescribeEndpointConfig(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = asked["EndpointConfigName"]
        _known(self.configs, "endpoint-config", name)
        return {"EndpointConfigName": name, "EndpointConfigArn": f"{ARN}:endpoint-config/{name}"}

    def do_DeleteEndpointConfig(self, asked: dict[str, Any]) -> None:
        _known(self.configs, "endpoint-config", asked["EndpointConfigName"])
        del self.configs[asked["EndpointConfigName"]]

    # -- endpoints -----------------------------------------------------------------------------------------------------

    def do_CreateEndpoint(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = asked["EndpointName"]
        if not _NAME.fullmatch(name) or len(asked.get("Tags", ())) > 50:
            raise Refusal("ValidationException", f"1 validation error detected: Value '{name}' at 'endpointName'")
        _known(self.configs, "endpoint-config", asked["EndpointConfigName"])
        if self._endpoint(name) is not None:
            raise Refusal("ValidationException", f'Cannot create already existing endpoint "{ARN}:endpoint/{name}".')
        if len(self.jobs) - len(self.forgotten) >= self.quota:
            words = f"The account-level service limit 'Number of endpoints' is {self.quota}. Use AWS Service Quotas."
            raise Refusal("ResourceLimitExceeded", words)
        job = Job(f"{name}#{len(self.jobs)}", asked, "Creating")
        self.jobs[job.id] = job
        return {"EndpointArn": f"{ARN}:endpoint/{name}"}

    def do_DescribeEndpoint(self, asked: dict[str, Any]) -> dict[str, Any]:
        job = self._existing(asked)
        self.looked(job)
        now = datetime.now(UTC)
        told = {
            "EndpointName": asked["EndpointName"],
            "EndpointArn": f"{ARN}:endpoint/{asked['EndpointName']}",
            "EndpointConfigName": job.parameters["EndpointConfigName"],
            "EndpointStatus": job.state,
            "CreationTime": now,
            "LastModifiedTime": now,
        }
        return told | ({"FailureReason": job.reason} if job.reason else {})

    def do_DeleteEndpoint(self, asked: dict[str, Any]) -> None:
        job = self._existing(asked)
        if job.state == "Creating" and not self.deletes_in_progress:
            raise Refusal(
                "ValidationException", f'Cannot update in-progress endpoint "{ARN}:endpoint/{asked["EndpointName"]}".'
            )
        self.forgotten.add(job.id)

    def do_ListTags(self, asked: dict[str, Any]) -> dict[str, Any]:
        job = self._existing({"EndpointName": asked["ResourceArn"].rpartition("/")[2]})
        return {"Tags": job.parameters.get("Tags", [])}

    def _endpoint(self, name: str) -> Job | None:
        found = [
            job for job in self.jobs.values() if job.parameters["EndpointName"] == name and job.id not in self.forgotten
        ]
        return found[-1] if found else None

    def _existing(self, asked: dict[str, Any]) -> Job:
        job = self._endpoint(asked["EndpointName"])
        if job is None:
            raise Refusal("ValidationException", f'Could not find endpoint "{ARN}:endpoint/{asked["EndpointName"]}".')
        return job

    def end(self, job: str, ok: bool = True) -> None:
        with self.lock:
            found = self.jobs[job]
            found.state = "InService" if ok else "Failed"
            if not ok:
                found.reason = (
                    "The primary container for production variant AllTraffic did not pass the ping health check."
                )

    # -- calls ---------------------------------------------------------------------------------------------------------

    def do_InvokeEndpoint(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._serving(asked)
        total = sum(json.loads(asked["Body"]))
        if asked.get("Accept") == "application/octet-stream":
            return {"Body": b"\xff%d" % total, "ContentType": asked["Accept"], "InvokedProductionVariant": "v1"}
        body = json.dumps({"total": total}).encode()
        return {"Body": body, "ContentType": "application/json", "InvokedProductionVariant": "v1"}

    def do_InvokeEndpointAsync(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._serving(asked)
        return {"InferenceId": asked.get("InferenceId", "i1"), "OutputLocation": f"{asked['InputLocation']}.out"}

    def _serving(self, asked: dict[str, Any]) -> None:
        job = self._endpoint(asked["EndpointName"])
        if job is None or job.state != "InService":
            words = f"Endpoint {asked['EndpointName']} of account {ACCOUNT} not found."
            raise Refusal("ValidationError", words)


def _make(known: dict[str, dict[str, Any]], kind: str, name: str, asked: dict[str, Any]) -> None:
    if not _NAME.fullmatch(name):
        raise Refusal("ValidationException", f"1 validation error detected: Value '{name}' at '{kind}'")
    if name in known:
        words = kind.replace("endpoint-config", "endpoint configuration")
        raise Refusal("ValidationException", f'Cannot create already existing {words} "{ARN}:{kind}/{name}".')
    known[name] = asked


def _known(known: dict[str, dict[str, Any]], kind: str, name: str) -> None:
    if name not in known:
        words = kind.replace("endpoint-config", "endpoint configuration")
        raise Refusal("ValidationException", f'Could not find {words} "{ARN}:{kind}/{name}".')
