"""The URIs of BigQuery's tables: ``bq://project:dataset.table``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hardpoint.errors import UserError

__all__ = ["BIGQUERY", "BadTableUriError", "TableName"]

BIGQUERY = "bq"
"""The scheme."""

_FORM = "bq://<project>:<dataset>.<table>"
# A project may stand in a domain, as in `example.com:project`. https://cloud.google.com/bigquery/docs/reference/standard-sql/lexical#table_names
_PROJECT = r"(?:[\w-]+(?:\.[\w-]+)+:)?[\w-]+"
_TABLE = re.compile(
    rf"`?(?:`(?P<quoted_project>{_PROJECT})`|(?P<project>{_PROJECT}))[:.]"
    r"(?:`(?P<quoted_dataset>\w+)`|(?P<dataset>\w+))\."
    r"(?:`(?P<quoted_table>[^`/]+)`|(?P<table>[^`.:/?#]+))`?"
)


class BadTableUriError(UserError, ValueError):
    """A URI names no table of BigQuery."""

    code = "USER:BadTableUri"

    def __init__(self, uri: str | None) -> None:
        said = f"{uri} names no table" if uri else "Missing StructuredDataset URI"
        super().__init__(
            f"{said} for BigQuery. Expected format: {_FORM}",
            remedy=f'Write uri="{_FORM}"; backquotes around a part let it hold dots.',
            uri=uri,
        )


@dataclass(frozen=True)
class TableName:
    """A table.

    Args:
        project: Its project, with its domain if it has one.
        dataset: Its dataset.
        table: Its own name.
    """

    project: str
    dataset: str
    table: str

    @classmethod
    def parse(cls, uri: str | None) -> TableName:
        """The table of a URI; between project and dataset may be a colon or a dot.

        Raises:
            BadTableUriError: it is the URI of none.
        """
        scheme, separator, rest = (uri or "").partition("://")
        match = _TABLE.fullmatch(rest) if separator and scheme.lower() == BIGQUERY else None
        if match is None:
            raise BadTableUriError(uri)
        parts = (match[f"quoted_{part}"] or match[part] for part in ("project", "dataset", "table"))
        return cls(*parts)

    @property
    def uri(self) -> str:
        """The URI, as the reference writes it; a table with a dot in its name stands in backquotes."""
        table = f"`{self.table}`" if set(self.table) & set(".:?#") else self.table
        return f"{BIGQUERY}://{self.project}:{self.dataset}.{table}"

    @property
    def path(self) -> str:
        """The resource name in the Storage API."""
        return f"projects/{self.project}/datasets/{self.dataset}/tables/{self.table}"

    @property
    def reference(self) -> dict[str, str]:
        """The table in the REST API."""
        return {"projectId": self.project, "datasetId": self.dataset, "tableId": self.table}
