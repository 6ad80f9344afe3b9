"""Tables of BigQuery as `pandas.DataFrame`."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from hardpoint.integrations.bigquery.handlers import BigQueryDecoder, BigQueryEncoder
from hardpoint.integrations.bigquery.schema import UnsuitableFrameError

__all__ = ["BQToPandasDecodingHandler", "PandasToBQEncodingHandlers"]


class PandasToBQEncodingHandlers(BigQueryEncoder[pd.DataFrame]):
    """Writes a frame; an index that has a name becomes a column, any other is left out."""

    def __init__(self) -> None:
        super().__init__(pd.DataFrame)

    def to_arrow(self, frame: pd.DataFrame) -> pa.Table:
        keeps = all(name is not None for name in frame.index.names)
        try:
            return pa.Table.from_pandas(frame, preserve_index=keeps).replace_schema_metadata(None)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise UnsuitableFrameError(
                f"A column of the frame does not have one type: {error}", remedy="Convert it."
            ) from error


class BQToPandasDecodingHandler(BigQueryDecoder[pd.DataFrame]):
    """Reads a frame, with its rows numbered from 0."""

    def __init__(self) -> None:
        super().__init__(pd.DataFrame)

    def from_arrow(self, table: pa.Table) -> pd.DataFrame:
        frame: pd.DataFrame = table.to_pandas()
        return frame
