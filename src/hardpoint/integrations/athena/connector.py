"""Starts queries on Athena, follows them, and says where their results are.

https://docs.aws.amazon.com/athena/latest/APIReference/API_StartQueryExecution.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from hardpoint import idl
from hardpoint.connectors import AsyncConnectorBase, Capabilities, JobGoneError, Phase, Resource, ResourceMeta, log_link
from hardpoint.connectors.errors import JobExistsError
from hardpoint.connectors.phases import phase_or_running
from hardpoint.errors import FlyteValidationException
from hardpoint.idl import Literal, LiteralMap, TaskTemplate
from hardpoint.integrations._aws import AWSError, client, console, explained, region_of
from hardpoint.integrations.athena.statement import Statements, quoted
from hardpoint.integrations.athena.task import TASK_TYPE

__all__ = ["PHASES", "AthenaConnector", "AthenaMeta"]

# https://docs.aws.amazon.com/athena/latest/APIReference/API_QueryExecutionStatus.html
PHASES = {
    "QUEUED": Phase.QUEUED,
    "RUNNING": Phase.RUNNING,
    "SUCCEEDED": Phase.SUCCEEDED,
    "FAILED": Phase.FAILED,  # RETRYABLE_FAILED if Athena says that it may be tried again
    "CANCELLED": Phase.FAILED,  # the control plane drops the message of ABORTED, and who cancelled it is worth knowing
}

_AT_ONCE = 50
"""Executions that Athena tells of in one call."""
_PAGES = 10
"""Pages of the latest executions among which one is looked for."""
_OUTPUT = "results"


@dataclass
class AthenaMeta(ResourceMeta):
    """Where a query is found again.

    Attributes:
        query_execution_id: Athena's id.
        region: Its region.
        results: Where its rows are written; empty if it has no output, or if Athena chooses the place.
        format: As what: ``parquet`` or ``csv``; empty if it has no output.
        is_schema: Whether the output is a `FlyteSchema`.
        columns: Names of the declared columns, with the simple types that they have.
    """

    query_execution_id: str
    region: str
    results: str = ""
    format: str = ""
    is_schema: bool = False
    columns: dict[str, int] = field(default_factory=dict)

    @property
    def endpoint(self) -> str:
        """By what watchers are told apart."""
        return self.region


class AthenaConnector(AsyncConnectorBase[AthenaMeta]):
    """A connector for `AthenaTask`."""

    name = "Athena Connector"
    task_type_name = TASK_TYPE
    metadata_type = AthenaMeta
    capabilities = Capabilities(
        idempotent_create=True, finds_by_key=True, batches_polls=True, poll_batch=_AT_ONCE, poll_rate=10
    )

    def create(  # type: ignore[override]
        self,
        task_template: TaskTemplate,
        output_prefix: str,
        inputs: LiteralMap | None = None,
        *,
        idempotency_key: str,
        **kwargs: Any,
    ) -> AthenaMeta:
        """Start the query. A key that Athena has seen gives the execution of then.

        Raises:
            FlyteValidationException: the query and its inputs do not fit, or there is no place for its result.
            JobExistsError: there is an execution with this key, of a query that writes elsewhere.
        """
        request, meta = _request(task_template, output_prefix, inputs, idempotency_key)
        try:
            with explained("athena", "StartQueryExecution"):
                answer = client("athena", meta.region).start_query_execution(**request)
        except AWSError as error:
            if "idempotent" not in error.message.lower():
                raise
            raise JobExistsError(error.message) from error
        meta.query_execution_id = answer["QueryExecutionId"]
        return meta

    def find(self, idempotency_key: str, task_template: TaskTemplate, **kwargs: Any) -> AthenaMeta | None:
        """The execution that writes to the folder of this key, if it is among the workgroup's latest few hundred.

        One whose place is the workgroup's alone is not found in this way, but by its token, when it is created again.
        """
        custom = idl.native(task_template.custom)
        region = region_of(custom.get("region"))
        athena = client("athena", region)
        asked = {"WorkGroup": custom["routingGroup"]} if custom.get("routingGroup") else {}
        folder = f"/{idempotency_key}/"
        for _ in range(_PAGES):
            with explained("athena", "ListQueryExecutions"):
                page = athena.list_query_executions(MaxResults=_AT_ONCE, **asked)
            for execution in _executions(athena, page.get("QueryExecutionIds", [])):
                location = execution.get("ResultConfiguration", {}).get("OutputLocation", "")
                place = next((text for text in (location, execution.get("Query", "")) if folder in text), None)
                if place is not None:
                    base = place[: place.index(folder)]
                    meta = _meta(task_template, region, f"{base[base.rfind('s3://') :]}{folder}")
                    meta.query_execution_id = execution["QueryExecutionId"]
                    return meta
            if not page.get("NextToken"):
                return None
            asked["NextToken"] = page["NextToken"]
        return None

    def get(self, resource_meta: AthenaMeta, **kwargs: Any) -> Resource:
        """How the query stands.

        Raises:
            JobGoneError: Athena does not know it any more; it remembers queries for 45 days.
        """
        try:
            with explained("athena", "GetQueryExecution"):
                answer = client("athena", resource_meta.region).get_query_execution(
                    QueryExecutionId=resource_meta.query_execution_id
                )
        except AWSError as error:
            if _is_gone(error):
                raise JobGoneError(error.message) from error
            raise
        return _resource(answer["QueryExecution"], resource_meta)

    def get_many(self, metas: Sequence[AthenaMeta], **kwargs: Any) -> list[Resource]:
        """How several queries of one region stand. Raises as `get`; one that is gone spoils it for all."""
        ids = list(dict.fromkeys(meta.query_execution_id for meta in metas))
        found = _executions(client("athena", metas[0].region), ids)
        known = {execution["QueryExecutionId"]: execution for execution in found}
        gone = [meta.query_execution_id for meta in metas if meta.query_execution_id not in known]
        if gone:
            raise JobGoneError(f"Athena knows no query {', '.join(gone)}.")
        return [_resource(known[meta.query_execution_id], meta) for meta in metas]

    def delete(self, resource_meta: AthenaMeta, **kwargs: Any) -> None:
        """Stop the query. Athena says nothing against it if it has ended."""
        try:
            with explained("athena", "StopQueryExecution"):
                client("athena", resource_meta.region).stop_query_execution(
                    QueryExecutionId=resource_meta.query_execution_id
                )
        except AWSError as error:
            if not _is_gone(error):
                raise


# -- what is asked for -------------------------------------------------------------------------------------------------


def _request(
    template: TaskTemplate, output_prefix: str, inputs: LiteralMap | None, key: str
) -> tuple[dict[str, Any], AthenaMeta]:
    """The arguments of StartQueryExecution, and the metadata, in which only the id is missing."""
    custom = idl.native(template.custom)
    statements = Statements(custom["statement"])
    base = custom.get("outputLocation") or (output_prefix if output_prefix.startswith("s3://") else "")
    folder = f"{base.rstrip('/')}/{key}/" if base else ""
    meta = _meta(template, region_of(custom.get("region")), folder)
    bound = statements.bind(inputs.literals if inputs is not None else {}, raw_output=_rows(folder), unique=key)
    text = bound.text
    if meta.format == "parquet" and statements.is_query:
        if not folder:
            raise FlyteValidationException(
                f"The rows of {template.id.name} have no place in S3.",
                remedy="Give AthenaConfig(output_location='s3://...'), or keep raw outputs in S3.",
            )
        text = f"UNLOAD (\n{text}\n) TO {quoted(_rows(folder))} WITH (format = 'PARQUET')"
    elif meta.format and not statements.is_query and not statements.uses_output:
        raise FlyteValidationException(
            f"{template.id.name} declares results, but its statement gives no rows.",
            remedy="Let it write to '{{ .rawOutputDataPrefix }}', or declare no output.",
        )
    request: dict[str, Any] = {"QueryString": text, "ClientRequestToken": key}
    if bound.parameters:
        request["ExecutionParameters"] = bound.parameters
    context = {"Database": custom.get("schema"), "Catalog": custom.get("catalog")}
    if any(context.values()):
        request["QueryExecutionContext"] = {name: value for name, value in context.items() if value}
    if custom.get("routingGroup"):
        request["WorkGroup"] = custom["routingGroup"]
    if folder:
        request["ResultConfiguration"] = {"OutputLocation": folder}
    return request, meta


def _rows(folder: str) -> str:
    """Where rows are written: apart from the files that Athena writes beside them."""
    return f"{folder}rows/" if folder else ""


def _meta(template: TaskTemplate, region: str, folder: str) -> AthenaMeta:
    meta = AthenaMeta("", region)
    variable = template.interface.outputs.variables.get(_OUTPUT)
    if variable is None:
        return meta
    declared = variable.type.structured_dataset_type
    meta.is_schema = variable.type.HasField("schema")
    meta.format = "csv" if declared.format == "csv" else "parquet"
    meta.columns = {column.name: column.literal_type.simple for column in declared.columns}
    # The file of a CSV has the execution's id for its name, so its place is taken from what Athena says.
    meta.results = _rows(folder) if meta.format == "parquet" else ""
    return meta


# -- what is told ------------------------------------------------------------------------------------------------------


def _executions(athena: Any, ids: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    if ids:
        with explained("athena", "BatchGetQueryExecution"):
            yield from athena.batch_get_query_execution(QueryExecutionIds=list(ids))["QueryExecutions"]


def _is_gone(error: AWSError) -> bool:
    return "was not found" in error.message or "does not exist" in error.message


def _resource(execution: Mapping[str, Any], meta: AthenaMeta) -> Resource:
    status = execution["Status"]
    phase, note = phase_or_running(status["State"], PHASES, integration="Athena")
    failure = status.get("AthenaError", {})
    if phase is Phase.FAILED and failure.get("Retryable"):
        phase = Phase.RETRYABLE_FAILED
    said = dict.fromkeys(filter(None, (note, status.get("StateChangeReason"), failure.get("ErrorMessage"))))
    message = "\n".join(said)
    if phase.is_failure and not message:
        message = f"Athena reports the query as {status['State']}, and says no more."
    address = f"{console(meta.region)}/athena/home?region={meta.region}#/query-editor/history/{meta.query_execution_id}"
    return Resource(
        phase,
        message=message or None,
        log_links=[log_link("Athena query", address)],
        outputs=_outputs(execution, meta) if phase is Phase.SUCCEEDED and meta.format else None,
        custom_info={"statistics": _statistics(execution)} if phase.is_terminal else None,
    )


def _statistics(execution: Mapping[str, Any]) -> dict[str, Any]:
    """What the query has cost: numbers, in bytes and milliseconds."""
    return {name: value for name, value in execution.get("Statistics", {}).items() if isinstance(value, int | float)}


def _outputs(execution: Mapping[str, Any], meta: AthenaMeta) -> LiteralMap:
    literal = Literal()
    if meta.is_schema:
        literal.scalar.schema.uri = meta.results
    else:
        dataset = literal.scalar.structured_dataset
        dataset.uri = meta.results or execution["ResultConfiguration"]["OutputLocation"]
        dataset.metadata.structured_dataset_type.format = meta.format
    if meta.results:
        _fill_if_empty(meta)
    return idl.literal_map({_OUTPUT: literal})


def _fill_if_empty(meta: AthenaMeta) -> None:
    """Write a file without rows where Athena has written none at all, as it does for an empty result."""
    bucket, prefix = urlsplit(meta.results).netloc, urlsplit(meta.results).path.lstrip("/")
    s3 = client("s3", meta.region)
    with explained("s3", "ListObjectsV2"):
        if s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("Contents"):
            return
    from hardpoint.integrations.athena.empty import no_rows

    with explained("s3", "PutObject"):
        s3.put_object(Bucket=bucket, Key=f"{prefix}empty.parquet", Body=no_rows(meta.columns))
