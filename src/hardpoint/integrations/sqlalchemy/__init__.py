"""SQLAlchemy: SQL on any database that it speaks to."""

from typing import TYPE_CHECKING

from hardpoint.integration import Integration

if TYPE_CHECKING:
    from hardpoint.integrations.sqlalchemy.executor import SQLAlchemyTaskExecutor as SQLAlchemyTaskExecutor
    from hardpoint.integrations.sqlalchemy.task import SQLAlchemyConfig as SQLAlchemyConfig
    from hardpoint.integrations.sqlalchemy.task import SQLAlchemyDefaultImages as SQLAlchemyDefaultImages
    from hardpoint.integrations.sqlalchemy.task import SQLAlchemyTask as SQLAlchemyTask

integration = Integration(
    name="sqlalchemy",
    title="SQLAlchemy",
    summary="Run SQL with bound parameters on any database that SQLAlchemy speaks to, and hand the result on as a dataset.",
    extra="sqlalchemy",
    requires=("sqlalchemy", "pyarrow"),
    supports=("sqlalchemy>=1.4.40,<3", "pyarrow>=22"),
    exports=(
        ".executor:SQLAlchemyTaskExecutor",
        ".task:SQLAlchemyConfig",
        ".task:SQLAlchemyDefaultImages",
        ".task:SQLAlchemyTask",
    ),
)

__getattr__, __dir__, __all__ = integration.lazy()
