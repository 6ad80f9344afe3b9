"""Queries on BigQuery as tasks, and its tables as datasets."""

from typing import TYPE_CHECKING

from hardpoint.integration import Integration

if TYPE_CHECKING:
    from hardpoint.integrations.bigquery.arrow_frames import ArrowToBQEncodingHandlers as ArrowToBQEncodingHandlers
    from hardpoint.integrations.bigquery.arrow_frames import BQToArrowDecodingHandler as BQToArrowDecodingHandler
    from hardpoint.integrations.bigquery.connector import BigQueryConnector as BigQueryConnector
    from hardpoint.integrations.bigquery.metadata import BigQueryMetadata as BigQueryMetadata
    from hardpoint.integrations.bigquery.options import BigQueryReadOptions as BigQueryReadOptions
    from hardpoint.integrations.bigquery.options import BigQueryWriteOptions as BigQueryWriteOptions
    from hardpoint.integrations.bigquery.pandas_frames import BQToPandasDecodingHandler as BQToPandasDecodingHandler
    from hardpoint.integrations.bigquery.pandas_frames import PandasToBQEncodingHandlers as PandasToBQEncodingHandlers
    from hardpoint.integrations.bigquery.parameters import pythonTypeToBigQueryType as pythonTypeToBigQueryType
    from hardpoint.integrations.bigquery.task import BigQueryConfig as BigQueryConfig
    from hardpoint.integrations.bigquery.task import BigQueryTask as BigQueryTask
    from hardpoint.integrations.bigquery.uris import BIGQUERY as BIGQUERY

integration = Integration(
    name="bigquery",
    title="BigQuery",
    summary="Run SQL with bound parameters on BigQuery, and read and write its tables as datasets.",
    extra="bigquery",
    requires=("google.cloud.bigquery", "pyarrow"),
    supports=("google-cloud-bigquery>=3.40", "google-cloud-bigquery-storage>=2.33"),
    connectors={"bigquery_query_job_task": ".connector:BigQueryConnector"},
    types={
        "hardpoint.integrations.bigquery.values.Bytes": ".values:BytesTransformer",
        "hardpoint.integrations.bigquery.values.Numeric": ".values:NumericTransformer",
        "hardpoint.integrations.bigquery.values.Time": ".values:TimeTransformer",
    },
    datasets={
        "bq://pandas.DataFrame": (
            ".pandas_frames:PandasToBQEncodingHandlers",
            ".pandas_frames:BQToPandasDecodingHandler",
        ),
        "bq://polars.DataFrame": (".polars_frames:PolarsToBQEncoder", ".polars_frames:BQToPolarsDecoder"),
        "bq://pyarrow.RecordBatchReader": (".arrow_frames:ReaderToBQEncoder", ".arrow_frames:BQToReaderDecoder"),
        "bq://pyarrow.Table": (".arrow_frames:ArrowToBQEncodingHandlers", ".arrow_frames:BQToArrowDecodingHandler"),
    },
    exports=(
        ".arrow_frames:ArrowToBQEncodingHandlers",
        ".arrow_frames:BQToArrowDecodingHandler",
        ".connector:BigQueryConnector",
        ".metadata:BigQueryMetadata",
        ".options:BigQueryReadOptions",
        ".options:BigQueryWriteOptions",
        ".pandas_frames:BQToPandasDecodingHandler",
        ".pandas_frames:PandasToBQEncodingHandlers",
        ".parameters:pythonTypeToBigQueryType",
        ".task:BigQueryConfig",
        ".task:BigQueryTask",
        ".uris:BIGQUERY",
    ),
)
__getattr__, __dir__, __all__ = integration.lazy()
