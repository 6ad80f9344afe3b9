"""Validated frames, of pandas and of polars, as types of inputs and outputs."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pandera.pandas
import pandera.polars
import polars as pl
from pandera.typing.pandas import DataFrame as PandasFrame
from pandera.typing.polars import DataFrame as PolarsFrame
from pandera.typing.polars import LazyFrame as PolarsLazyFrame

from hardpoint.testing import CodecConformance


class PandasModel(pandera.pandas.DataFrameModel):
    n: int = pandera.pandas.Field(ge=0)
    text: str = pandera.pandas.Field(nullable=True)


class PolarsModel(pandera.polars.DataFrameModel):
    n: int = pandera.polars.Field(ge=0)
    text: str = pandera.polars.Field(nullable=True)


ROWS = {"n": [1, 2], "text": ["<script>alert(1)</script>", None]}


class TestPandas(CodecConformance):
    python_type = PandasFrame[PandasModel]
    name = "Pandera Transformer"
    wrong = (1, pl.DataFrame(ROWS))
    equal = staticmethod(lambda a, b: bool(a.equals(b)))

    def sample(self) -> list[Any]:
        return [pd.DataFrame(ROWS).astype({"text": "str"}), pd.DataFrame(ROWS).astype({"text": "str"}).iloc[:0]]


class TestPolars(CodecConformance):
    python_type = PolarsFrame[PolarsModel]
    name = "Pandera Polars Transformer"
    wrong = (1, pd.DataFrame(ROWS), pl.LazyFrame(ROWS))
    equal = staticmethod(lambda a, b: bool(a.equals(b)))

    def sample(self) -> list[Any]:
        return [pl.DataFrame(ROWS), pl.DataFrame(ROWS).clear()]


class TestLazyPolars(CodecConformance):
    python_type = PolarsLazyFrame[PolarsModel]
    name = "Pandera Polars Transformer"
    wrong = (1, pl.DataFrame(ROWS))
    equal = staticmethod(lambda a, b: bool(a.collect().equals(b.collect())))

    def sample(self) -> list[Any]:
        return [pl.LazyFrame(ROWS), pl.LazyFrame(ROWS).filter(False)]
