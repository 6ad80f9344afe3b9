"""DuckDB: SQL over dataframes, in the task's own process."""

from typing import TYPE_CHECKING

from hardpoint.integration import Integration

if TYPE_CHECKING:
    from hardpoint.integrations.duckdb.task import DuckDBProvider as DuckDBProvider
    from hardpoint.integrations.duckdb.task import DuckDBQuery as DuckDBQuery
    from hardpoint.integrations.duckdb.task import MissingSecretError as MissingSecretError
    from hardpoint.integrations.duckdb.task import QueryOutput as QueryOutput

integration = Integration(
    name="duckdb",
    title="DuckDB",
    summary="Run SQL over dataframes and files in the task's own process, and hand the result on as a dataset.",
    extra="duckdb",
    requires=("duckdb", "pyarrow"),
    supports=("duckdb>=1.0,<3", "pyarrow>=22"),
    exports=(".task:DuckDBProvider", ".task:DuckDBQuery", ".task:MissingSecretError", ".task:QueryOutput"),
)

__getattr__, __dir__, __all__ = integration.lazy()
