"""SQL on Amazon Athena: ``hardpoint run examples/athena_example.py report --least 2``.

Results go to the bucket that HARDPOINT_LOCAL_RAW_OUTPUT_PREFIX names, for example s3://my-bucket/results.
"""

from __future__ import annotations

import pandas as pd

from hardpoint import kwtypes, task, workflow
from hardpoint.integrations.athena import AthenaConfig, AthenaTask

by_city = AthenaTask(
    name="by_city",
    query_template="""
        SELECT city, count(*) AS orders, sum(amount) AS total  -- the input is a bound parameter
        FROM orders
        WHERE city <> {{ .inputs.without }}
        GROUP BY city
        HAVING count(*) >= {{ .inputs.least }}
        ORDER BY total DESC
    """,
    task_config=AthenaConfig(database="shop"),
    inputs=kwtypes(least=int, without=str),
    output_schema_type=pd.DataFrame,
)


@task
def best(cities: pd.DataFrame) -> str:
    first = cities.iloc[0]
    return f"{first['city']}: {first['orders']} orders, {first['total']}"


@workflow
def report(least: int = 2, without: str = "L'Aquila") -> str:
    return best(cities=by_city(least=least, without=without))


if __name__ == "__main__":
    print(report())
