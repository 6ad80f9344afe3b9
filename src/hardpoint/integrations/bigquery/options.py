"""How BigQuery's tables are written and read, beyond what holds for every dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hardpoint.types.structured import ReadOptions, WriteOptions

__all__ = ["BigQueryReadOptions", "BigQueryWriteOptions"]


@dataclass(frozen=True)
class BigQueryWriteOptions(WriteOptions):
    """How a frame becomes a table: ``StructuredDataset(frame, uri="bq://...", write_options=BigQueryWriteOptions(...))``.

    Of what it inherits, `compression` is that of the upload, `partition_by` names the one column of dates or times by which the
    table is partitioned, and `allow_truncated_timestamps` drops nanoseconds, which BigQuery does not have.

    Args:
        write_disposition: What becomes of rows that are there already: more come to them, they are replaced, or that there are any
            is an error.
        create_disposition: Whether a table that is not there is made.
        clustering: Columns by which a new table is clustered, at most four.
        partition_size: What a partition of a new table spans.
        location: Where the dataset is; None: BigQuery finds out.
    """

    write_disposition: Literal["WRITE_APPEND", "WRITE_TRUNCATE", "WRITE_EMPTY"] = "WRITE_APPEND"
    create_disposition: Literal["CREATE_IF_NEEDED", "CREATE_NEVER"] = "CREATE_IF_NEEDED"
    clustering: Sequence[str] = ()
    partition_size: Literal["HOUR", "DAY", "MONTH", "YEAR"] = "DAY"
    location: str | None = None


@dataclass(frozen=True)
class BigQueryReadOptions(ReadOptions):
    """How a table is read: ``Annotated[pa.Table, BigQueryReadOptions(max_streams=8)]``.

    Args:
        max_streams: Streams that are read at once. With more than one, rows come in no particular order.
        storage_api: Whether the Storage Read API may be used; without it rows come as JSON, slowly, and at no cost.
    """

    max_streams: int = 4
    storage_api: bool = True
