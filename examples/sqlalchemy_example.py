"""Write to a database and read from it: ``hardpoint run examples/sqlalchemy_example.py visits --names '["Ada"]'``."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pandas as pd

from hardpoint import StructuredDataset, kwtypes, task, workflow
from hardpoint.integrations.sqlalchemy import SQLAlchemyConfig, SQLAlchemyTask

# For PostgreSQL: SQLAlchemyConfig("postgresql+psycopg://me@host/db", secret_connect_args={"password": Secret("db", "password")})
DATABASE = SQLAlchemyConfig(f"sqlite:///{Path(tempfile.mkdtemp(prefix='hardpoint-example-'))}/visits.sqlite")

record = SQLAlchemyTask(
    name="record",
    query_template="""
        CREATE TABLE IF NOT EXISTS visits (name TEXT, pages INTEGER);
        INSERT INTO visits VALUES ({{ .inputs.name }}, {{ .inputs.pages }});
        SELECT count(*) AS visits FROM visits
    """,
    task_config=DATABASE,
    inputs=kwtypes(name=str, pages=int),
)

pages_of = SQLAlchemyTask(
    name="pages_of",
    query_template="SELECT name, pages FROM visits WHERE name IN {{ .inputs.names }} ORDER BY name",
    task_config=DATABASE,
    inputs=kwtypes(names=list[str]),
)


@task
def total(found: pd.DataFrame) -> int:
    return int(found["pages"].sum())


@workflow
def visits(names: list[str]) -> tuple[StructuredDataset, int]:
    first = record(name="Ada", pages=3)
    second = record(name="O'Hara", pages=4)  # a value is never code
    found = pages_of(names=names)
    first >> second
    second >> found
    return found, total(found=found)


if __name__ == "__main__":
    print(visits(names=["Ada", "O'Hara"])[1])
