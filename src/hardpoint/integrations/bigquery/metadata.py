"""What is needed to find a query again."""

from __future__ import annotations

from dataclasses import dataclass

from hardpoint.connectors import ResourceMeta

__all__ = ["BigQueryMetadata"]


@dataclass
class BigQueryMetadata(ResourceMeta):
    """What is needed to find a query again.

    Attributes:
        job_id: Its id, which is the key under which it was asked for.
        project: Its project.
        location: Where it runs, as BigQuery said.
        endpoint: URL of the API, if it is not Google's public one.
        results: Whether the task declares the output.
    """

    job_id: str
    project: str
    location: str | None
    endpoint: str = ""
    results: bool = True
