"""`BigQueryTask`: a query on BigQuery as a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flyteidl.core.tasks_pb2 import Sql

from hardpoint.connectors.local import AsyncConnectorExecutorMixin
from hardpoint.context import FlyteContextManager
from hardpoint.errors import FlyteValidationException
from hardpoint.idl import literal_map
from hardpoint.integrations.bigquery.parameters import kind_of_literal_type, kind_of_type, wire_type
from hardpoint.tasks.serialization import SerializationSettings
from hardpoint.tasks.sql import InputReference, SQLTask

if TYPE_CHECKING:
    from google.cloud import bigquery

    from hardpoint.types.structured import StructuredDataset

__all__ = ["JOB_SETTINGS", "BigQueryConfig", "BigQueryTask"]

JOB_SETTINGS = ("jobTimeoutMs", "labels", "maxSlots", "reservation")
"""What belongs to a job whatever it does; all else of a `QueryJobConfig` belongs to the query."""


@dataclass
class BigQueryConfig:
    """Where a query runs, and how.

    Args:
        ProjectID: The project that the query runs in, and that is billed for it.
        Location: Where it runs, such as ``EU`` or ``europe-west3``; None: where its datasets are.
        QueryJobConfig: Google's own ``bigquery.QueryJobConfig``, or a dict in the form of its ``to_api_repr``: the destination
            table, the priority, ``maximum_bytes_billed``, labels and so on. A query parameter without a value in it says of
            what type the input of its name is, such as ``ScalarQueryParameter("at", "DATETIME", None)``.
        Credentials: Name of the secret that holds the JSON of the account that runs the query; None: those of the connector.
        Endpoint: URL of the API, if it is not Google's public one.
    """

    ProjectID: str
    Location: str | None = None
    QueryJobConfig: bigquery.QueryJobConfig | Mapping[str, Any] | None = None
    Credentials: str | None = None
    Endpoint: str | None = None

    def job_settings(self) -> dict[str, Any]:
        """The job's configuration in Google's words, without the level that tells the query's from the job's.

        Raises:
            FlyteValidationException: it is for a job that would not run the query.
        """
        given: Any = self.QueryJobConfig
        if given is None:
            return {}
        told: Mapping[str, Any] = given if isinstance(given, Mapping) else given.to_api_repr()
        if told.get("dryRun"):
            raise FlyteValidationException(
                "A task whose QueryJobConfig has dry_run does not run its query.",
                remedy="Leave dry_run out; the task's estimate(...) makes a dry run.",
            )
        unknown = sorted(set(told) - {"query", "dryRun", "jobType", *JOB_SETTINGS})
        if unknown:
            raise FlyteValidationException(
                f"A query's job has no settings {', '.join(unknown)}.",
                remedy='Write {"query": {...}, "labels": {...}}, as QueryJobConfig.to_api_repr() does.',
            )
        return {**told.get("query", {}), **{name: told[name] for name in JOB_SETTINGS if name in told}}


class BigQueryTask(AsyncConnectorExecutorMixin, SQLTask[BigQueryConfig]):
    """Run a query on BigQuery; its rows are the output ``results``, as a dataset at ``bq://project:dataset.table``.

    ``@x`` in the query is a bound parameter with the value of input ``x``. Inputs are bool, bytes, date, datetime (a TIMESTAMP),
    Decimal, dict (JSON), float, int, str, time, timedelta, dataclasses (a STRUCT), and lists of these; those that may be None are
    NULL then. The query is kept as it is written.

    Args:
        name: Name of the task.
        query_template: The query, in GoogleSQL.
        task_config: Where it runs, and how.
        inputs: Name -> type.
        output_structured_dataset_type: Type of ``results``: a `StructuredDataset` or a frame; None if there is no output.
        kwargs: As for `SQLTask`.

    Raises:
        FlyteValidationException: BigQuery has no parameters for an input's type, or the query has ``{{ .inputs.x }}`` in it.
    """

    _TASK_TYPE = "bigquery_query_job_task"

    def __init__(
        self,
        name: str,
        query_template: str,
        task_config: BigQueryConfig,
        inputs: Mapping[str, Any] | None = None,
        output_structured_dataset_type: type[StructuredDataset] | Any = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(task_config, BigQueryConfig) or not task_config.ProjectID:
            raise FlyteValidationException(
                f"{name} needs a project.", remedy='Pass task_config=BigQueryConfig(ProjectID="my-project").'
            )
        given = dict(inputs or {})
        self._kinds = {name: kind_of_type(t) for name, t in given.items()}
        super().__init__(
            name=name,
            query_template=query_template,
            task_config=task_config,
            task_type=self._TASK_TYPE,
            inputs={name: wire_type(t) for name, t in given.items()},
            outputs=None if output_structured_dataset_type is None else {"results": output_structured_dataset_type},
            **kwargs,
        )
        for part in self.query_parts:
            if isinstance(part, InputReference) and part.name in given:
                raise FlyteValidationException(
                    f"{part.text} in the query of {name} would not be replaced.", remedy=f"Write @{part.name}."
                )
        self._settings = task_config.job_settings()

    def get_custom(self, settings: SerializationSettings) -> dict[str, Any]:
        config: BigQueryConfig = self.task_config  # type: ignore[assignment]
        custom: dict[str, Any] = {
            "Location": config.Location,
            "ProjectID": config.ProjectID,
            "Domain": settings.domain,
            **self._settings,
        }
        if parameters := [*self._settings.get("queryParameters", ()), *self._typed()]:
            custom["queryParameters"] = parameters
        if config.Endpoint:
            custom["Endpoint"] = config.Endpoint
        if config.Credentials:
            custom["secrets"] = {"google_application_credentials": config.Credentials}
        return custom

    def estimate(self, **inputs: Any) -> dict[str, Any]:
        """What the query would read with these inputs, from a dry run, which costs nothing; see `BigQueryConnector.estimate`.

        Raises:
            UserError: BigQuery refuses the query.
        """
        from hardpoint.connectors.connection import Connection, use_connection
        from hardpoint.integrations.bigquery.connector import BigQueryConnector

        template = self.template(FlyteContextManager.current_context().serialization or SerializationSettings())
        with use_connection(Connection.of(template)):
            return BigQueryConnector().estimate(template, literal_map(self.encode_inputs(inputs)))

    def get_sql(self, settings: SerializationSettings) -> Sql:
        return Sql(statement=self.query_template, dialect=Sql.Dialect.ANSI)

    def _typed(self) -> list[dict[str, Any]]:
        """The types of inputs whose literal types do not tell them."""
        declared = {parameter.get("name") for parameter in self._settings.get("queryParameters", ())}
        variables = self.interface.typed.inputs.variables
        return [
            {"name": name, "parameterType": kind}
            for name, kind in sorted(self._kinds.items())
            if name not in declared and kind != kind_of_literal_type(variables[name].type)
        ]
