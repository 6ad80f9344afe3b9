"""Frames that are validated at every task's border: orders from two shops, one of which is careless.

    hardpoint run examples/pandera_example.py --shop careless

Rows that do not fit are dropped where the orders come in, and the report in the deck says which; from there on every task can
rely on the schema.
"""

from __future__ import annotations

from typing import Annotated

import pandas as pd
import pandera.pandas as pa
from pandera.typing import DataFrame

from hardpoint import task, workflow
from hardpoint.integrations.pandera import ValidationConfig


class Orders(pa.DataFrameModel):
    """What an order looks like."""

    customer: str = pa.Field(str_length={"min_value": 1})
    amount: float = pa.Field(gt=0)

    class Config:
        """Other columns are left out."""

        strict = "filter"


class Totals(pa.DataFrameModel):
    """One row for each customer."""

    customer: str = pa.Field(unique=True)
    total: float = pa.Field(gt=0)


@task
def receive(shop: str) -> pd.DataFrame:
    amounts = [12.5, 40.0, 7.5] if shop == "careful" else [12.5, -40.0, 7.5]
    return pd.DataFrame({"customer": ["Ann", "Bob", "Ann"], "amount": amounts, "note": ["", "late", ""]})


@task(enable_deck=True)
def clean(orders: Annotated[DataFrame[Orders], ValidationConfig(on_error="drop")]) -> DataFrame[Orders]:
    return orders


@task
def sum_up(orders: DataFrame[Orders]) -> DataFrame[Totals]:
    totals = orders.groupby("customer", as_index=False)["amount"].sum()
    return totals.rename(columns={"amount": "total"})


@task
def describe(totals: DataFrame[Totals]) -> str:
    return ", ".join(f"{row.customer}: {row.total:.2f}" for row in totals.itertuples())


@workflow
def shop_totals(shop: str = "careful") -> str:
    return describe(totals=sum_up(orders=clean(orders=receive(shop=shop))))
