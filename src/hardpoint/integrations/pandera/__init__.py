"""Pandera: frames that are validated whenever they cross a task's border."""

from typing import TYPE_CHECKING

from hardpoint.integration import Integration

if TYPE_CHECKING:
    from hardpoint.integrations.pandera.config import ValidationConfig as ValidationConfig
    from hardpoint.integrations.pandera.errors import FrameValidationError as FrameValidationError
    from hardpoint.integrations.pandera.report import PandasReportRenderer as PandasReportRenderer
    from hardpoint.integrations.pandera.transformer import PanderaPandasTransformer as PanderaPandasTransformer
    from hardpoint.integrations.pandera.transformer import PanderaPolarsTransformer as PanderaPolarsTransformer

_POLARS = ".transformer:PanderaPolarsTransformer"

integration = Integration(
    name="pandera",
    title="Pandera",
    summary="Validate pandas and polars frames against Pandera schemas whenever they enter or leave a task.",
    extra="pandera",
    requires=("pandera", "pyarrow"),
    supports=("pandera>=0.24,<1", "pyarrow>=22"),
    types={
        "pandera.typing.pandas.DataFrame": ".transformer:PanderaPandasTransformer",
        "pandera.typing.polars.DataFrame": _POLARS,
        "pandera.typing.polars.LazyFrame": _POLARS,
    },
    exports=(
        ".config:ValidationConfig",
        ".errors:FrameValidationError",
        ".report:PandasReportRenderer",
        ".transformer:PanderaPandasTransformer",
        ".transformer:PanderaPolarsTransformer",
    ),
)

__getattr__, __dir__, __all__ = integration.lazy()
