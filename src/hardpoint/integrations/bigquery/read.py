"""Tables as Arrow data: streamed by the Storage Read API where there is one, else as the REST API's rows."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from hardpoint.errors import PermanentError, StorageAccessError, StorageNotFoundError, TransientError
from hardpoint.integrations.bigquery.clients import SECONDS, own_project, rest_client, storage_client
from hardpoint.integrations.bigquery.filters import restriction
from hardpoint.integrations.bigquery.options import BigQueryReadOptions
from hardpoint.integrations.bigquery.problems import explained
from hardpoint.integrations.bigquery.schema import arrow_schema
from hardpoint.integrations.bigquery.uris import TableName
from hardpoint.types.structured import MissingColumnsError, ReadOptions
from hardpoint.types.structured.arrow_read import filter_columns, filter_expression
from hardpoint.types.structured.schema import resolve

if TYPE_CHECKING:
    from google.cloud.bigquery import SchemaField, Table
    from google.cloud.bigquery_storage import BigQueryReadClient

__all__ = ["BigQuerySource"]

logger = logging.getLogger(__name__)

_WAITING = 4
"""Batches for each stream that are read ahead of whoever consumes them."""


class BigQuerySource:
    """A table that is ready to be read. So far its schema is known.

    Args:
        uri: The table.
        options: Filters, which BigQuery applies as far as it can, and how many streams.

    Attributes:
        schema: Of all its columns.
        where: Its URI.

    Raises:
        StorageNotFoundError: there is no such table.
        MissingColumnsError: a filter looks at a column that is not there.
    """

    def __init__(self, uri: str, options: ReadOptions) -> None:
        self._name, self.where = TableName.parse(uri), uri
        self._options = options if isinstance(options, BigQueryReadOptions) else BigQueryReadOptions(options.filters)
        self._filter = filter_expression(options.filters)
        self._table = _table(self._name, uri)
        self.schema: pa.Schema = arrow_schema(self._table.schema)
        looked_at = filter_columns(options.filters)
        self._filtered = self.schema.names if looked_at is None else self.select(looked_at)

    def select(self, columns: Iterable[str]) -> list[str]:
        names, missing = resolve(columns, self.schema)
        if missing:
            raise MissingColumnsError(missing, self.schema.names, self.where)
        return names

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        return pa.Table.from_batches(list(self._batches(columns)), self._schema(columns))

    def batches(self, rows: int, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows in pieces of exactly `rows`, but for the last."""
        kept: list[pa.RecordBatch] = []
        count = 0
        for batch in self._batches(columns):
            while count + batch.num_rows >= rows:
                take = rows - count
                yield _joined([*kept, batch.slice(0, take)])
                batch, kept, count = batch.slice(take), [], 0
            if batch.num_rows:
                kept.append(batch)
                count += batch.num_rows
        if kept:
            yield _joined(kept)

    def _schema(self, columns: Sequence[str] | None) -> pa.Schema:
        return self.schema if columns is None else pa.schema([self.schema.field(name) for name in columns])

    def _batches(self, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        """The rows as they come, filtered, with the wanted columns in the wanted order."""
        wanted = self._schema(columns)
        if not wanted.names:
            return
        filtered = self._filtered if self._filter is not None else []
        fetched = [name for name in self.schema.names if name in {*wanted.names, *filtered}]
        for batch in self._fetched(fetched):
            if self._filter is not None:
                batch = _joined(pa.Table.from_batches([batch]).filter(self._filter).to_batches(), batch.schema)
            yield pa.RecordBatch.from_arrays(
                [batch.column(field.name).cast(field.type) for field in wanted], schema=wanted
            )

    def _fetched(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        client = storage_client() if self._options.storage_api else None
        if client is not None:
            session = self._session(client, columns)
            if session is not None:
                yield from _streamed(client, session)
                return
        yield from self._rows(columns)

    def _session(self, client: BigQueryReadClient, columns: list[str]) -> Any:
        """A session that reads the table; None where these credentials may not have one."""
        from google.api_core.exceptions import Forbidden, InvalidArgument
        from google.cloud.bigquery_storage_v1.types import DataFormat, ReadSession

        condition = restriction(self._options.filters, self.schema)
        for project in dict.fromkeys(filter(None, (self._name.project, own_project()))):
            for where in dict.fromkeys((condition, "")):
                read = ReadSession.TableReadOptions(selected_fields=columns, row_restriction=where)
                session = ReadSession(table=self._name.path, data_format=DataFormat.ARROW, read_options=read)
                with explained(f"read {self.where}"):
                    try:
                        return client.create_read_session(
                            parent=f"projects/{project}",
                            read_session=session,
                            max_stream_count=self._options.max_streams,
                            timeout=SECONDS,
                        )
                    except Forbidden as error:
                        logger.info(
                            "%s may not be read by the Storage API in %s: %s", self.where, project, error.message
                        )
                        break
                    except InvalidArgument as error:
                        if not where:
                            raise
                        logger.info("BigQuery does not take the condition %s: %s", where, error.message)
        return None

    def _rows(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        client = rest_client(self._name.project)
        fields = [_json_as_text(field) for field in self._table.schema if field.name in columns]
        with explained(f"read {self.where}"):
            rows = client.list_rows(self._table, selected_fields=fields, timeout=SECONDS)
            # Not by its own `to_arrow_iterable`, which does not know of every type, INTERVAL for one.
            schema = pa.schema([self.schema.field(field.name) for field in fields])
            count = 0
            for page in rows.pages:
                values = [row.values() for row in page]
                count += len(values)
                cells = zip(*values, strict=True) if values else [()] * len(fields)
                arrays = [pa.array(column, kind) for column, kind in zip(cells, schema.types, strict=True)]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)
            _check_count(count, rows.total_rows, self.where)


def _json_as_text(field: SchemaField) -> SchemaField:
    """A field of which Google's library leaves JSON as BigQuery writes it, as the Storage API does."""
    from google.cloud.bigquery import SchemaField

    def told(part: dict[str, Any]) -> dict[str, Any]:
        if part["type"] == "JSON":
            return {**part, "type": "STRING"}
        return {**part, "fields": [told(inner) for inner in part["fields"]]} if part.get("fields") else part

    return SchemaField.from_api_repr(told(field.to_api_repr()))


def _check_count(got: int, told: int | None, where: str) -> None:
    """Refuse an answer that is not whole."""
    if told is not None and got != told:
        raise TransientError(f"BigQuery gave {got} rows of {where}, and said that it gave {told}.")


def _table(name: TableName, uri: str) -> Table:
    from google.api_core.exceptions import NotFound
    from google.cloud.bigquery import TableReference

    client = rest_client(name.project)
    try:
        with explained(f"read {uri}"):
            try:
                return client.get_table(TableReference.from_api_repr(name.reference), timeout=SECONDS)
            except NotFound as error:
                raise StorageNotFoundError(
                    uri, remedy="Results of queries without a destination table are kept for a day."
                ) from error
    except PermanentError as error:
        raise StorageAccessError(error.message, remedy=error.remedy, uri=uri) from error


def _joined(batches: Sequence[pa.RecordBatch], schema: pa.Schema | None = None) -> pa.RecordBatch:
    if len(batches) == 1:
        return batches[0]
    return pa.concat_batches(batches) if batches else pa.RecordBatch.from_pylist([], schema=schema)


# -- streams -----------------------------------------------------------------------------------------------------------


def _streamed(client: BigQueryReadClient, session: Any) -> Iterator[pa.RecordBatch]:
    """The batches of all streams of a session; of one stream, in their order."""
    schema = pa.ipc.read_schema(pa.py_buffer(session.arrow_schema.serialized_schema))

    def read(name: str) -> Iterator[pa.RecordBatch]:
        with explained(f"read {session.table}"):
            for response in client.read_rows(name):  # type: ignore[no-untyped-call]
                data = response.arrow_record_batch.serialized_record_batch
                batch = pa.ipc.read_record_batch(pa.py_buffer(data), schema)
                _check_count(batch.num_rows, response.row_count, session.table)
                yield batch

    names = [stream.name for stream in session.streams]
    if len(names) <= 1:
        for name in names:
            yield from read(name)
        return
    yield from _together([lambda name=name: read(name) for name in names])  # type: ignore[misc]


def _together(readers: Sequence[Callable[[], Iterator[pa.RecordBatch]]]) -> Iterator[pa.RecordBatch]:
    """What several readers give, each in a thread of its own, as it comes; no more than a few batches wait."""
    ready: queue.Queue[pa.RecordBatch | Exception | None] = queue.Queue(_WAITING * len(readers))
    stopped = threading.Event()

    def put(item: pa.RecordBatch | Exception | None) -> None:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def work(reader: Callable[[], Iterator[pa.RecordBatch]]) -> None:
        try:
            for batch in reader():
                put(batch)
                if stopped.is_set():
                    return
            put(None)
        except Exception as error:  # it is raised to whoever consumes
            put(error)

    for reader in readers:
        threading.Thread(target=work, args=(reader,), name="hardpoint-bigquery", daemon=True).start()
    try:
        left = len(readers)
        while left:
            item = ready.get()
            if isinstance(item, Exception):
                raise item
            if item is None:
                left -= 1
            else:
                yield item
    finally:
        stopped.set()
