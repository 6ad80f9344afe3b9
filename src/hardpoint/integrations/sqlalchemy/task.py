"""`SQLAlchemyTask`: a query as a task, run in a ready-made container."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hardpoint.errors import FlyteValidationException
from hardpoint.integrations.sqlalchemy.executor import CHUNK_ROWS, SQLAlchemyTaskExecutor
from hardpoint.tasks.secret import Secret
from hardpoint.tasks.serialization import SerializationSettings
from hardpoint.tasks.shim import PythonCustomizedContainerTask
from hardpoint.tasks.sql import SQLTask
from hardpoint.types.structured import StructuredDataset

__all__ = ["SQLAlchemyConfig", "SQLAlchemyDefaultImages", "SQLAlchemyTask"]


class SQLAlchemyDefaultImages:
    """The images in which such tasks run by default."""

    @staticmethod
    def default_image() -> str:
        """The image for the running Python, looked up when a template is made."""
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        return f"cr.flyte.org/flyteorg/flytekit:py{version}-sqlalchemy-latest"


@dataclass(frozen=True)
class SQLAlchemyConfig:
    """Where the database is and how it is reached.

    Args:
        uri: SQLAlchemy's URL of the database. ``{secret.<name>}`` in it stands for the secret of that name in
            `secret_connect_args`, which then is part of the URL and not an argument of its own.
        connect_args: Further arguments of the driver's ``connect``; they are in the task's template, so they hold no secrets.
        secret_connect_args: Such arguments whose values are secrets, by the names that the driver gives them.
        chunksize: Rows that are fetched and written at once.
    """

    uri: str
    connect_args: Mapping[str, Any] | None = None
    secret_connect_args: Mapping[str, Secret] | None = None
    chunksize: int = CHUNK_ROWS

    def secret_connect_args_to_dicts(self) -> dict[str, dict[str, Any]] | None:
        """The secrets as they are written to the template: where they are found, not what they are."""
        if self.secret_connect_args is None:
            return None
        return {
            name: {
                "group": secret.group,
                "key": secret.key,
                "group_version": secret.group_version,
                "mount_requirement": secret.mount_requirement.value,
            }
            for name, secret in self.secret_connect_args.items()
        }


class SQLAlchemyTask(PythonCustomizedContainerTask[SQLAlchemyConfig], SQLTask[SQLAlchemyConfig]):
    """Run SQL on a database; the last statement's rows are the output ``results``.

    ``{{ .inputs.x }}`` in the query is a bound parameter with the value of input ``x``; a list is one parameter for each of its
    elements, as for ``IN {{ .inputs.ids }}``. Statements are separated by semicolons and run in one transaction.

    Args:
        name: Name of the task.
        query_template: The query; it is kept as it is written.
        task_config: The database.
        inputs: Name -> type.
        output_schema_type: Type of ``results``: a dataset, a frame, a schema; None if there is no output.
        container_image: The image that holds the executor and the database's driver.
        secret_requests: Further secrets; those of the config are requested anyway.
        kwargs: As for `PythonCustomizedContainerTask`.
    """

    _TASK_TYPE = "sqlalchemy"

    def __init__(
        self,
        name: str,
        query_template: str,
        task_config: SQLAlchemyConfig,
        inputs: Mapping[str, Any] | None = None,
        output_schema_type: Any = StructuredDataset,
        container_image: str | None = None,
        secret_requests: Iterable[Secret] | None = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(task_config, SQLAlchemyConfig) or not task_config.uri:
            raise FlyteValidationException(
                f"{name} needs a database.", remedy='Pass task_config=SQLAlchemyConfig(uri="postgresql+psycopg://...").'
            )
        requests = [*(secret_requests or ()), *(task_config.secret_connect_args or {}).values()]
        super().__init__(
            name=name,
            query_template=query_template,
            task_config=task_config,
            container_image=container_image,
            executor_type=SQLAlchemyTaskExecutor,
            task_type=self._TASK_TYPE,
            secret_requests=list(dict.fromkeys(requests)) or None,
            inputs=inputs,
            outputs={} if output_schema_type is None else {"results": output_schema_type},
            **kwargs,
        )

    @property
    def output_columns(self) -> list[str] | None:
        """Names of the declared columns, if any are."""
        for variable in self.interface.typed.outputs.variables.values():
            declared = variable.type
            columns = (
                declared.schema.columns if declared.HasField("schema") else declared.structured_dataset_type.columns
            )
            return [column.name for column in columns] or None
        return None

    def get_image(self, settings: SerializationSettings) -> str:
        return super().get_image(settings) if self.container_image else SQLAlchemyDefaultImages.default_image()

    def get_custom(self, settings: SerializationSettings) -> dict[str, Any]:
        config: SQLAlchemyConfig = self.task_config  # type: ignore[assignment]
        custom: dict[str, Any] = {
            "query_template": self.query_template,
            "uri": config.uri,
            "connect_args": dict(config.connect_args or {}),
            "secret_connect_args": config.secret_connect_args_to_dicts(),
        }
        if config.chunksize != CHUNK_ROWS:
            custom["chunksize"] = config.chunksize
        return custom
