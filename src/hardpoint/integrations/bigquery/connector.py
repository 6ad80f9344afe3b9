"""Starts queries on BigQuery and follows them to their ends."""

from __future__ import annotations

import datetime
import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hardpoint.connectors import (
    AsyncConnectorBase,
    Capabilities,
    JobGoneError,
    Phase,
    Resource,
    log_link,
    phase_or_running,
)
from hardpoint.connectors.errors import JobExistsError
from hardpoint.errors import TransientError
from hardpoint.idl import LiteralMap, TaskTemplate
from hardpoint.integrations.bigquery.clients import SECONDS, rest_client
from hardpoint.integrations.bigquery.metadata import BigQueryMetadata
from hardpoint.integrations.bigquery.problems import explained, reason_text, remedy_for
from hardpoint.integrations.bigquery.request import QueryRequest
from hardpoint.integrations.bigquery.states import STATES, failure_phase
from hardpoint.integrations.bigquery.uris import TableName
from hardpoint.types.structured import StructuredDataset

if TYPE_CHECKING:
    from google.cloud.bigquery import Client, QueryJob

__all__ = ["BigQueryConnector"]

logger = logging.getLogger(__name__)

_LOOK_BACK = datetime.timedelta(days=2)
_MOST_JOBS = 10_000
_CALL: dict[str, Any] = {
    "retry": None,
    "timeout": SECONDS,
}  # to try again is the kernel's, which knows of other calls too


class BigQueryConnector(AsyncConnectorBase[BigQueryMetadata]):
    """Runs queries as BigQuery's jobs, whose ids are the keys of the attempts that want them."""

    name = "Bigquery Connector"
    task_type_name = "bigquery_query_job_task"
    metadata_type = BigQueryMetadata
    capabilities = Capabilities(idempotent_create=True, finds_by_key=True, estimates=True)

    def create(
        self,
        task_template: TaskTemplate,
        output_prefix: str = "",
        inputs: LiteralMap | None = None,
        task_execution_metadata: Any = None,
        *,
        idempotency_key: str | None = None,
        tags: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> BigQueryMetadata:
        """Start the query; where BigQuery has a job of this key already, that is it."""
        from google.api_core.exceptions import Conflict

        request = QueryRequest.of(task_template)
        client = rest_client(request.project, request.endpoint)
        with explained("start the query"):
            try:
                job = client.query(
                    request.statement,
                    job_config=request.job_config(inputs, tags or {}),
                    job_id=idempotency_key,
                    location=request.location,
                    job_retry=None,
                    **_CALL,
                )
            except Conflict as error:
                if not idempotency_key:
                    raise
                return self._existing(request, idempotency_key, error.message)
        return request.meta(job.job_id, job.location)

    def _existing(self, request: QueryRequest, key: str, said: str) -> BigQueryMetadata:
        """The job that was there before; BigQuery says where."""
        place = re.search(rf":([\w-]+)\.{re.escape(key)}\b", said)
        if place is not None:
            return request.meta(key, place[1])
        found = self._found(request, key)
        if found is None:
            raise JobExistsError(said, remedy="Set the Location of the task, so that its job can be found.")
        return found

    def find(self, idempotency_key: str, task_template: TaskTemplate, **kwargs: Any) -> BigQueryMetadata | None:
        """The job of this key."""
        return self._found(QueryRequest.of(task_template), idempotency_key)

    def _found(self, request: QueryRequest, key: str) -> BigQueryMetadata | None:
        from google.api_core.exceptions import NotFound

        client = rest_client(request.project, request.endpoint)
        with explained("look the query up"):
            try:
                job = client.get_job(key, location=request.location, **_CALL)
            except NotFound:
                if request.location:
                    return None
            else:
                return request.meta(job.job_id, job.location)
            # Without a location only jobs in the US and the EU are found by their ids; a list has all of them.
            since = datetime.datetime.now(datetime.UTC) - _LOOK_BACK
            for job in client.list_jobs(max_results=_MOST_JOBS, min_creation_time=since, page_size=1000, **_CALL):
                if job.job_id == key:
                    return request.meta(key, job.location)
        return None

    def get(self, resource_meta: BigQueryMetadata, **kwargs: Any) -> Resource:
        """How the query stands."""
        from google.api_core.exceptions import NotFound

        meta = resource_meta
        client = rest_client(meta.project, meta.endpoint)
        with explained("tell of the query"):
            try:
                job = client.get_job(meta.job_id, location=meta.location, **_CALL)
            except NotFound as error:
                if meta.location:
                    raise JobGoneError(f"BigQuery has no job {meta.job_id} in {meta.location}.") from error
                raise TransientError(f"BigQuery finds no job {meta.job_id}, and its location is not known.") from error
            return self._resource(client, job, meta)

    def delete(self, resource_meta: BigQueryMetadata, **kwargs: Any) -> None:
        """Cancel the query."""
        from google.api_core.exceptions import NotFound

        meta = resource_meta
        client = rest_client(meta.project, meta.endpoint)
        with explained("cancel the query"):
            try:
                client.cancel_job(meta.job_id, location=meta.location, **_CALL)
            except NotFound:
                logger.info("BigQuery has no job %s any more.", meta.job_id)

    def estimate(self, task_template: TaskTemplate, inputs: LiteralMap | None = None, **kwargs: Any) -> dict[str, Any]:
        """What the query would read, from a dry run, which costs nothing and creates no job.

        Returns:
            ``bytes_processed``, ``statement_type``, ``location``, and ``maximum_bytes_billed`` if the task sets one.
        """
        request = QueryRequest.of(task_template)
        config = request.job_config(inputs, {})
        limit = config.maximum_bytes_billed
        config.dry_run = True
        client = rest_client(request.project, request.endpoint)
        with explained("estimate the query"):
            job = client.query(request.statement, job_config=config, location=request.location, job_retry=None, **_CALL)
        told = {
            "bytes_processed": job.total_bytes_processed or 0,
            "statement_type": job.statement_type,
            "location": job.location,
        }
        return told if limit is None else {**told, "maximum_bytes_billed": limit}

    # -- what BigQuery says ----------------------------------------------------------------------------------------------

    def _resource(self, client: Client, job: Any, meta: BigQueryMetadata) -> Resource:
        raw = str(job.state)
        running = Resource(
            Phase.RUNNING, message=raw, log_links=[_console(meta, job.location)], custom_info=_usage(job)
        )
        phase, strange = phase_or_running(raw, STATES, integration="bigquery")
        if phase is not Phase.SUCCEEDED:
            return replace(running, phase=phase, message=strange or raw)
        if job.error_result:  # what is in `errors` alone has not stopped the job
            reason = str(job.error_result.get("reason") or "")
            said = _with_remedy(reason_text(job.error_result), remedy_for(reason))
            return replace(running, phase=failure_phase(reason), message=said)
        succeeded = replace(running, phase=phase, message="\n".join([raw, *map(reason_text, job.errors or ())]))
        if not meta.results:
            return succeeded
        table = _rows_of(client, job)
        if table is None:
            said = f"The statement ({job.statement_type}) gives no rows, but the task declares the output results."
            remedy = "Leave output_structured_dataset_type out, or end the query with a SELECT."
            return replace(running, phase=Phase.FAILED, message=_with_remedy(said, remedy))
        return replace(succeeded, outputs={"results": StructuredDataset(uri=table.uri)})


def _with_remedy(said: str, remedy: str | None) -> str:
    return f"{said}\n  -> {remedy}" if remedy else said


def _console(meta: BigQueryMetadata, location: str | None) -> Any:
    job = f"bq:{location or meta.location}:{meta.job_id}"
    uri = f"https://console.cloud.google.com/bigquery?project={meta.project}&j={job}&page=queryresults"
    return log_link("BigQuery Console", uri)


def _usage(job: QueryJob) -> dict[str, Any]:
    """What is known of a query's cost, under BigQuery's names."""
    names = (
        "statement_type",
        "total_bytes_processed",
        "total_bytes_billed",
        "slot_millis",
        "cache_hit",
        "num_dml_affected_rows",
    )
    told = {name: getattr(job, name, None) for name in names}
    return {name: value for name, value in told.items() if value is not None} | {"location": job.location}


def _rows_of(client: Client, job: Any) -> TableName | None:
    """The table with the rows of a query, or of a script's last query; None if there are none."""
    if job.statement_type == "SCRIPT":
        # The newest comes first. What a script works out for itself is a SELECT too, as in `SET x = (SELECT ...)`.
        for child in client.list_jobs(parent_job=job.job_id, **_CALL):
            part = getattr(child, "script_statistics", None)
            is_expression = part is not None and part.evaluation_kind == "EXPRESSION"
            if getattr(child, "statement_type", None) == "SELECT" and not is_expression:
                return _table(child)
        return None
    return _table(job) if job.statement_type in ("SELECT", None) else None


def _table(job: Any) -> TableName | None:
    found = getattr(job, "destination", None)
    return None if found is None else TableName(found.project, found.dataset_id, found.table_id)
