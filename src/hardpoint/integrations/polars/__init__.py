"""Polars: data frames, eager and lazy, as datasets."""

from typing import TYPE_CHECKING

from hardpoint.integration import Integration

if TYPE_CHECKING:
    from hardpoint.integrations.polars.dataset import (
        ParquetToPolarsDataFrameDecodingHandler as ParquetToPolarsDataFrameDecodingHandler,
    )
    from hardpoint.integrations.polars.dataset import (
        ParquetToPolarsLazyFrameDecodingHandler as ParquetToPolarsLazyFrameDecodingHandler,
    )
    from hardpoint.integrations.polars.dataset import (
        PolarsDataFrameToParquetEncodingHandler as PolarsDataFrameToParquetEncodingHandler,
    )
    from hardpoint.integrations.polars.dataset import (
        PolarsLazyFrameToParquetEncodingHandler as PolarsLazyFrameToParquetEncodingHandler,
    )
    from hardpoint.integrations.polars.renderer import PolarsDataFrameRenderer as PolarsDataFrameRenderer

_EAGER = (".dataset:PolarsDataFrameToParquetEncodingHandler", ".dataset:ParquetToPolarsDataFrameDecodingHandler")
_LAZY = (".dataset:PolarsLazyFrameToParquetEncodingHandler", ".dataset:ParquetToPolarsLazyFrameDecodingHandler")

integration = Integration(
    name="polars",
    title="Polars",
    summary="Hand polars frames from task to task as parquet; lazy ones are streamed, and read only as far as needed.",
    extra="polars",
    requires=("polars", "pyarrow"),
    supports=("polars>=1.37,<3", "pyarrow>=22"),
    datasets={"polars.DataFrame": _EAGER, "polars.LazyFrame": _LAZY},
    renderers=dict.fromkeys(("polars.DataFrame", "polars.LazyFrame"), ".renderer:PolarsDataFrameRenderer"),
    exports=(*_EAGER, *_LAZY, ".renderer:PolarsDataFrameRenderer"),
)

__getattr__, __dir__, __all__ = integration.lazy()
