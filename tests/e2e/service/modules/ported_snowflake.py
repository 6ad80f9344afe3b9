"""A connector for a warehouse and its task, as they are written for Flytekit; `flytekit` was replaced by `hardpoint`."""

from dataclasses import dataclass
from typing import Any, Optional

from flyteidl.core.execution_pb2 import TaskExecution

from hardpoint import FlyteContextManager, StructuredDataset, kwtypes, lazy_module, logger
from hardpoint.configuration import SerializationSettings
from hardpoint.core.type_engine import TypeEngine
from hardpoint.extend import SQLTask
from hardpoint.extend.backend.base_connector import (
    AsyncConnectorBase,
    AsyncConnectorExecutorMixin,
    ConnectorRegistry,
    Resource,
    ResourceMeta,
)
from hardpoint.extend.backend.utils import convert_to_flyte_phase, get_connector_secret
from hardpoint.models import task as _task_model
from hardpoint.models.core.execution import TaskLog
from hardpoint.models.literals import LiteralMap
from hardpoint.models.task import TaskTemplate
from hardpoint.models.types import LiteralType, StructuredDatasetType

warehouse = lazy_module("warehouse_client")

TASK_TYPE = "ported_warehouse"


@dataclass
class WarehouseConfig:
    user: str
    account: str
    database: str
    schema: str
    warehouse: str


class WarehouseTask(AsyncConnectorExecutorMixin, SQLTask[WarehouseConfig]):
    _TASK_TYPE = TASK_TYPE

    def __init__(
        self,
        name: str,
        query_template: str,
        task_config: WarehouseConfig,
        inputs: Optional[dict[str, type]] = None,
        output_schema_type: Optional[type[StructuredDataset]] = None,
        **kwargs,
    ):
        outputs = None
        if output_schema_type is not None:
            outputs = {"results": output_schema_type}
        super().__init__(
            name=name,
            task_config=task_config,
            query_template=query_template,
            inputs=inputs,
            outputs=outputs,
            task_type=self._TASK_TYPE,
            **kwargs,
        )

    def get_config(self, settings: SerializationSettings) -> dict[str, str]:
        return {key: getattr(self.task_config, key) for key in ("user", "account", "database", "schema", "warehouse")}

    def get_sql(self, settings: SerializationSettings) -> Optional[_task_model.Sql]:
        return _task_model.Sql(statement=self.query_template, dialect=_task_model.Sql.Dialect.ANSI)


@dataclass
class WarehouseJobMetadata(ResourceMeta):
    user: str
    account: str
    database: str
    schema: str
    warehouse: str
    query_id: str
    has_output: bool


def get_connection(meta: WarehouseJobMetadata):
    return warehouse.connect(
        user=meta.user,
        account=meta.account,
        private_key=get_connector_secret("ported_private_key"),
        database=meta.database,
        schema=meta.schema,
        warehouse=meta.warehouse,
    )


class WarehouseConnector(AsyncConnectorBase):
    name = "Ported Warehouse Connector"

    def __init__(self):
        super().__init__(task_type_name=TASK_TYPE, metadata_type=WarehouseJobMetadata)

    async def create(
        self, task_template: TaskTemplate, inputs: Optional[LiteralMap] = None, **kwargs
    ) -> WarehouseJobMetadata:
        ctx = FlyteContextManager.current_context()
        literal_types = task_template.interface.inputs

        params: Optional[dict[str, Any]] = (
            TypeEngine.literal_map_to_kwargs(ctx, inputs, literal_types=literal_types) if inputs.literals else None
        )
        config = task_template.config
        meta = WarehouseJobMetadata(
            user=config["user"],
            account=config["account"],
            database=config["database"],
            schema=config["schema"],
            warehouse=config["warehouse"],
            query_id="",
            has_output=task_template.interface.outputs is not None and len(task_template.interface.outputs) > 0,
        )
        cs = get_connection(meta).cursor()
        cs.execute_async(task_template.sql.statement, params)
        meta.query_id = str(cs.sfqid)
        return meta

    async def get(self, resource_meta: WarehouseJobMetadata, **kwargs) -> Resource:
        conn = get_connection(resource_meta)
        log_link = TaskLog(
            uri=f"https://console.example/{resource_meta.account}/{resource_meta.query_id}",
            name="Query Details",
        ).to_flyte_idl()
        try:
            query_status = conn.get_query_status_throw_if_error(resource_meta.query_id)
        except warehouse.ProgrammingError as err:
            logger.error("Failed to get the status of the query: %s", err)
            return Resource(phase=TaskExecution.FAILED, message=str(err), log_links=[log_link])

        cur_phase = convert_to_flyte_phase(str(query_status.name))
        res = None
        if cur_phase == TaskExecution.SUCCEEDED and resource_meta.has_output:
            ctx = FlyteContextManager.current_context()
            uri = f"snowflake://{resource_meta.user}:{resource_meta.account}/{resource_meta.query_id}"
            res = {
                "results": TypeEngine.to_literal(
                    ctx,
                    StructuredDataset(uri=uri),
                    StructuredDataset,
                    LiteralType(structured_dataset_type=StructuredDatasetType(format="")),
                )
            }
        return Resource(phase=cur_phase, outputs=res, log_links=[log_link])

    async def delete(self, resource_meta: WarehouseJobMetadata, **kwargs):
        conn = get_connection(resource_meta)
        cs = conn.cursor()
        cs.execute(f"SELECT SYSTEM$CANCEL_QUERY('{resource_meta.query_id}')")
        cs.fetchall()
        cs.close()
        conn.close()


ConnectorRegistry.register(WarehouseConnector())


query = WarehouseTask(
    name="ported.query",
    query_template="SELECT * FROM flights WHERE delay > %(least)s AND carrier = %(carrier)s",
    task_config=WarehouseConfig("me", "org-account", "db", "public", "compute"),
    inputs=kwtypes(least=int, carrier=str),
    output_schema_type=StructuredDataset,
)

if __name__ == "__main__":
    print(query(least=3, carrier="UA").uri)
