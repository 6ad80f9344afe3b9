"""`AthenaTask`: a query that Athena runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hardpoint.connectors.local import AsyncConnectorExecutorMixin
from hardpoint.errors import FlyteValidationException
from hardpoint.integrations.athena.statement import Statements
from hardpoint.tasks.serialization import SerializationSettings
from hardpoint.tasks.sql import SQLTask

__all__ = ["AthenaConfig", "AthenaTask"]

TASK_TYPE = "presto"
"""By this name Flyte's own plugin for Athena is known as well."""


@dataclass
class AthenaConfig:
    """Where a query runs. The first three are what Flyte's own plugin knows; the others are for the connector here."""

    database: str | None = None
    """The database of names that name none."""
    workgroup: str | None = None
    """The workgroup; its default is ``primary``."""
    catalog: str | None = None
    """The data catalog; its default is ``AwsDataCatalog``."""
    region: str | None = None
    """The region; default: that of whoever runs the query."""
    output_location: str | None = None
    """Where in S3 results are written, as ``s3://bucket/prefix``; default: beside the task's other outputs, if these are in S3."""

    def __post_init__(self) -> None:
        if self.output_location is not None and not self.output_location.startswith("s3://"):
            raise FlyteValidationException(
                f"output_location should begin with s3://, but is {self.output_location!r}.",
                remedy="Athena writes to S3 alone.",
            )


class AthenaTask(AsyncConnectorExecutorMixin, SQLTask[AthenaConfig]):
    """A query on Athena; its result is the output ``results``, if that is declared.

    Args:
        name: Its name.
        query_template: The query, with ``{{ .inputs.x }}`` where the value of input ``x`` belongs: it is bound as a parameter.
            ``'{{ .rawOutputDataPrefix }}'`` is where a statement of its own, as ``UNLOAD``, is to write.
        task_config: Where it runs.
        inputs: Name -> type.
        output_schema_type: The type of ``results``: `StructuredDataset`, a dataframe, or `FlyteSchema`; None for no output. Rows
            are unloaded as parquet, or as the CSV that Athena writes for ``Annotated[StructuredDataset, "csv"]``.
        kwargs: As for `SQLTask`.

    Raises:
        FlyteValidationException: the query is empty, or it and the inputs do not fit.
    """

    def __init__(
        self,
        name: str,
        query_template: str,
        task_config: AthenaConfig | None = None,
        inputs: Mapping[str, Any] | None = None,
        output_schema_type: Any = None,
        **kwargs: Any,
    ) -> None:
        Statements(query_template).check(inputs or {})
        super().__init__(
            name=name,
            query_template=query_template,
            task_config=task_config or AthenaConfig(),
            task_type=TASK_TYPE,
            inputs=inputs,
            outputs=None if output_schema_type is None else {"results": output_schema_type},
            **kwargs,
        )

    def get_custom(self, settings: SerializationSettings) -> dict[str, Any]:
        config: AthenaConfig = self.task_config  # type: ignore[assignment]
        # The JSON form of flyteidl's PrestoQuery, in which what is not set does not appear.
        custom = {
            "statement": self.query_template,
            "schema": config.database,
            "routingGroup": config.workgroup,
            "catalog": config.catalog,
            "region": config.region,
            "outputLocation": config.output_location,
        }
        return {key: value for key, value in custom.items() if value}
