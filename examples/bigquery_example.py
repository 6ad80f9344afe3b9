"""SQL on BigQuery: ``hardpoint run examples/bigquery_example.py report --least 2``.

The project is the one that GOOGLE_CLOUD_PROJECT names; it has a table `sales.orders` with the columns `city`, `amount` and `day`.
"""

from __future__ import annotations

import os
from datetime import date

import pandas as pd

from hardpoint import kwtypes, task, workflow
from hardpoint.integrations.bigquery import BigQueryConfig, BigQueryTask

by_city = BigQueryTask(
    name="by_city",
    query_template="""
        SELECT city, count(*) AS orders, sum(amount) AS total  -- the inputs are bound parameters
        FROM sales.orders
        WHERE day >= @since AND city NOT IN UNNEST(@without)
        GROUP BY city
        HAVING count(*) >= @least
        ORDER BY total DESC
    """,
    task_config=BigQueryConfig(
        ProjectID=os.environ.get("GOOGLE_CLOUD_PROJECT", "my-project"),
        Location="EU",
        QueryJobConfig={"query": {"maximumBytesBilled": str(10**9)}, "labels": {"team": "sales"}},
    ),
    inputs=kwtypes(since=date, without=list[str], least=int),
    output_structured_dataset_type=pd.DataFrame,
)


@task
def best(cities: pd.DataFrame) -> str:
    first = cities.iloc[0]
    return f"{first['city']}: {first['orders']} orders, {first['total']}"


@workflow
def report(since: date = date(2024, 1, 1), without: list[str] = ["L'Aquila"], least: int = 2) -> str:  # noqa: B006
    return best(cities=by_city(since=since, without=without, least=least))


if __name__ == "__main__":
    print(report())
