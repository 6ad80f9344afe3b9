"""SQL over a dataframe, in the task's own process: ``hardpoint run examples/duckdb_example.py report --least 2``."""

from __future__ import annotations

import pandas as pd

from hardpoint import kwtypes, task, workflow
from hardpoint.integrations.duckdb import DuckDBQuery

by_city = DuckDBQuery(
    name="by_city",
    query="""
        SELECT city, count(*) AS orders, sum(amount) AS total  -- the input `orders` is a table
        FROM orders
        GROUP BY city
        HAVING count(*) >= $least
        ORDER BY total DESC
    """,
    inputs=kwtypes(orders=pd.DataFrame, params=dict[str, int]),
    config={"threads": 2},
)


@task
def make_orders() -> pd.DataFrame:
    return pd.DataFrame({"city": ["Oslo", "Bergen", "Oslo", "Bergen", "Voss"], "amount": [10.0, 5.0, 2.5, 1.0, 99.0]})


@task
def parameters(least: int) -> dict[str, int]:
    return {"least": least}


@task
def best(cities: pd.DataFrame) -> str:
    first = cities.iloc[0]
    return f"{first['city']}: {first['orders']} orders, {first['total']}"


@workflow
def report(least: int = 2) -> str:
    return best(cities=by_city(orders=make_orders(), params=parameters(least=least)))


if __name__ == "__main__":
    print(report())
