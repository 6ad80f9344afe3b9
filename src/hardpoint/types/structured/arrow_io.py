"""Arrow data to and from parquet files, on any storage; what every handler of a dataframe library stands on.

Reading fetches no more than it is asked for: columns, row groups and partitions that nobody wants stay where they are.
Written are ``<uri>/00000`` (and ``00001``, ... where files have a size limit), or with partitions
``<uri>/<column>=<value>/part-N.parquet``; read is whatever Spark, Dask, Polars, DuckDB or a person made.

https://parquet.apache.org/docs/file-format/
"""

from hardpoint.types.structured.arrow_read import Source, open_source
from hardpoint.types.structured.arrow_write import as_arrow, write

__all__ = ["Source", "as_arrow", "open_source", "write"]
