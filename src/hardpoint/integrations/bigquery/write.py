"""Frames into tables: a parquet file is uploaded, and the job that loads it is waited for."""

from __future__ import annotations

import hashlib
import logging
import tempfile
import threading
import time
import uuid
from collections import Counter
from typing import IO, TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

import pyarrow as pa
import pyarrow.parquet as pq

from hardpoint.connectors.identity import JobOwner
from hardpoint.context import ExecutionParameters, FlyteContextManager
from hardpoint.errors import FlyteValidationException, PermanentError
from hardpoint.integrations.bigquery.clients import SECONDS, rest_client
from hardpoint.integrations.bigquery.options import BigQueryWriteOptions
from hardpoint.integrations.bigquery.problems import explained, reason_text
from hardpoint.integrations.bigquery.schema import converted, fields_of, loadable
from hardpoint.integrations.bigquery.uris import TableName
from hardpoint.types.structured import WriteOptions

if TYPE_CHECKING:
    from google.cloud.bigquery import Client, LoadJob, LoadJobConfig

__all__ = ["load"]

logger = logging.getLogger(__name__)

_CHUNK = 1 << 20
_SHORTEST, _LONGEST = 0.1, 5.0
"""Seconds between two looks at a job."""

_lock = threading.Lock()
_loads: WeakKeyDictionary[ExecutionParameters, Counter[str]] = WeakKeyDictionary()
"""How often an attempt has loaded the same rows in the same way."""


def load(data: pa.Table | pa.RecordBatchReader, name: TableName, given: WriteOptions) -> int:
    """Write rows to a table; how many they were.

    The id of the job that loads them is made of the node that runs here, of the table and of the rows, and of how often this
    attempt has written them: a node that is run again appends the same rows once. What replaces a table is loaded anew, since the
    table may hold something else by now.

    Args:
        data: The rows.
        name: The table.
        given: How they are written.

    Raises:
        UnsuitableFrameError: a column, or a value, is none that a table can have.
        UserError: BigQuery refuses the rows.
        TransientError: it is not available.
    """
    options = given if isinstance(given, BigQueryWriteOptions) else BigQueryWriteOptions(**vars(given))
    target = loadable(data.schema)
    config = _config(target, options)
    client = rest_client(name.project)
    with tempfile.TemporaryFile() as file:
        count = _write(data, target, file, options)
        job = _loaded(client, file, name, config, options)
    if job.output_rows != count:
        raise PermanentError(
            f"BigQuery says that it loaded {job.output_rows} rows of {count} into {name.uri}.",
            remedy=f"Look at the job {job.job_id} in the console.",
            job=job.job_id,
        )
    return count


def _write(data: pa.Table | pa.RecordBatchReader, target: pa.Schema, file: IO[bytes], options: WriteOptions) -> int:
    """Write the rows as parquet."""
    count = 0
    compression = options.compression
    with pq.ParquetWriter(file, target, compression=compression, compression_level=options.compression_level) as writer:
        for batch in data.to_batches() if isinstance(data, pa.Table) else data:
            writer.write_batch(converted(batch, target, options.allow_truncated_timestamps))
            count += batch.num_rows
    return count


def _config(schema: pa.Schema, options: BigQueryWriteOptions) -> LoadJobConfig:
    from google.cloud.bigquery import LoadJobConfig

    load: dict[str, Any] = {
        "sourceFormat": "PARQUET",
        "schema": {"fields": fields_of(schema)},
        "writeDisposition": options.write_disposition,
        "createDisposition": options.create_disposition,
        "parquetOptions": {"enableListInference": True},
        "columnNameCharacterMap": "V2",
    }
    for column in (*options.partition_by, *options.clustering):
        if column not in schema.names:
            raise FlyteValidationException(
                f"The frame has no column {column!r} by which the table could be partitioned or clustered.",
                remedy=f"It has {', '.join(schema.names)}.",
            )
    if len(options.partition_by) > 1:
        raise FlyteValidationException(
            "A table of BigQuery is partitioned by one column.", remedy="Cluster it by the others: clustering=(...)."
        )
    if options.partition_by:
        load["timePartitioning"] = {"type": options.partition_size, "field": options.partition_by[0]}
    if options.clustering:
        load["clustering"] = {"fields": list(options.clustering)}
    return cast("LoadJobConfig", LoadJobConfig.from_api_repr({"load": load, "labels": JobOwner.of(None).tags}))


def _loaded(
    client: Client, file: IO[bytes], name: TableName, config: LoadJobConfig, options: BigQueryWriteOptions
) -> LoadJob:
    """The job that has loaded the file: one that an earlier run of the node has left, or a new one."""
    from google.api_core.exceptions import Conflict
    from google.cloud.bigquery import TableReference

    size, key = file.seek(0, 2), _key(file, name, config)
    table = TableReference.from_api_repr(name.reference)
    loads = _loads_here()
    turn = uuid.uuid4().hex if options.write_disposition == "WRITE_TRUNCATE" else str(loads[key])
    attempt = 0
    while True:
        id = f"{key}-{turn}-{attempt}"
        file.seek(0)
        with explained(f"load rows into {name.uri}"):
            try:
                job = client.load_table_from_file(
                    file, table, size=size, job_id=id, location=options.location, job_config=config, timeout=SECONDS * 6
                )
            except Conflict:
                place = options.location or client.get_dataset(table.dataset_id, timeout=SECONDS).location
                job = cast("LoadJob", client.get_job(id, location=place, timeout=SECONDS))
                if job.error_result:
                    attempt += 1
                    continue
                logger.info("The rows are in %s already, by the job %s.", name.uri, id)
            done = _awaited(job)
        with _lock:
            loads[key] += 1
        return done


def _loads_here() -> Counter[str]:
    """What the attempt that runs here has loaded so far."""
    with _lock:
        return _loads.setdefault(FlyteContextManager.current_context().params, Counter())


def _awaited(job: LoadJob) -> LoadJob:
    from google.api_core.exceptions import GoogleAPICallError

    pause = _SHORTEST
    while not job.done(timeout=SECONDS):  # Google's own loop looks once a second, and most loads take less
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST)
    try:
        job.result()
    except GoogleAPICallError as error:
        # What is wrong with which row is in the list, of which the error itself has the first.
        error.message = "; ".join(map(reason_text, job.errors or ())) or error.message
        raise
    return job


def _key(file: IO[bytes], name: TableName, config: LoadJobConfig) -> str:
    digest = hashlib.sha256(f"{JobOwner.of(None).node_key} {name.uri} {config.to_api_repr()['load']}".encode())
    file.seek(0)
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return f"hp-load-{digest.hexdigest()[:40]}"
