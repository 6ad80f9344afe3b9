"""What a task's template asks of BigQuery."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from hardpoint.errors import UserError
from hardpoint.idl import LiteralMap, LiteralType, TaskTemplate, native
from hardpoint.integrations.bigquery.metadata import BigQueryMetadata
from hardpoint.integrations.bigquery.parameters import bound
from hardpoint.integrations.bigquery.task import JOB_SETTINGS

if TYPE_CHECKING:
    from google.cloud.bigquery import QueryJobConfig

__all__ = ["QueryRequest"]

_OWN = frozenset({"Domain", "Endpoint", "Location", "ProjectID", "configs", "secrets"})


@dataclass(frozen=True)
class QueryRequest:
    """A query, as its task's template describes it.

    Attributes:
        statement: The query.
        project: In which it runs.
        location: Where; None: where its datasets are.
        endpoint: URL of the API; empty for Google's.
        settings: The job's configuration in Google's words.
        interface: Literal types of the inputs.
        results: Whether the output is declared.
    """

    statement: str
    project: str
    location: str | None
    endpoint: str
    settings: Mapping[str, Any]
    interface: Mapping[str, LiteralType]
    results: bool

    @classmethod
    def of(cls, template: TaskTemplate) -> QueryRequest:
        """Read a template.

        Raises:
            UserError: it has no query or no project.
        """
        custom = {name: value for name, value in native(template.custom).items() if value is not None}
        if not custom.get("ProjectID") or not template.sql.statement:
            raise UserError(
                f"The template of {template.id.name or 'the task'} has no "
                f"{'query' if custom.get('ProjectID') else 'ProjectID'}.",
                remedy="Make the task with BigQueryTask, and serialize it anew.",
            )
        return cls(
            statement=template.sql.statement,
            project=str(custom["ProjectID"]),
            location=custom.get("Location") or None,
            endpoint=str(custom.get("Endpoint") or ""),
            settings={name: value for name, value in custom.items() if name not in _OWN},
            interface={name: variable.type for name, variable in template.interface.inputs.variables.items()},
            results="results" in template.interface.outputs.variables,
        )

    def job_config(self, inputs: LiteralMap | None, tags: Mapping[str, str]) -> QueryJobConfig:
        """The configuration of the job.

        Args:
            inputs: Values of the inputs.
            tags: Labels that say whose job it is.

        Raises:
            ParameterError: an input does not fit the type of its parameter.
        """
        from google.cloud.bigquery import QueryJobConfig

        query = {name: value for name, value in self.settings.items() if name not in JOB_SETTINGS}
        parameters = bound(inputs or LiteralMap(), self.interface, query.pop("queryParameters", ()))
        if parameters:
            query["queryParameters"] = parameters
        job = {name: self.settings[name] for name in JOB_SETTINGS if name in self.settings}
        labels = {**job.get("labels", {}), **tags}
        return cast("QueryJobConfig", QueryJobConfig.from_api_repr({**job, "query": query, "labels": labels}))

    def meta(self, job_id: str, location: str | None) -> BigQueryMetadata:
        """The metadata of the job that was made of it."""
        return BigQueryMetadata(job_id, self.project, location or self.location, self.endpoint, self.results)
