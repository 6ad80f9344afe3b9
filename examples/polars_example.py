"""Polars frames between tasks: sensor readings that stay lazy until a total is wanted.

    hardpoint run examples/polars_example.py --days 30 --least 20.5

The readings are computed piece by piece and written to a folder per station; the summary reads only the columns and the rows
that it needs.
"""

from __future__ import annotations

from typing import Annotated

import polars as pl

from hardpoint import kwtypes, task, workflow
from hardpoint.types.structured import ReadOptions, WriteOptions

STATIONS = ["Bergen", "Oslo", "Voss"]


@task
def readings(days: int) -> Annotated[pl.LazyFrame, WriteOptions(compression="zstd", partition_by=["station"])]:
    minutes = pl.LazyFrame({"minute": range(days * 24 * 60)})
    stations = pl.LazyFrame({"station": STATIONS, "warmth": [3.0, 0.0, -2.0]})
    return minutes.join(stations, how="cross").select(
        "station",
        "minute",
        celsius=15 + pl.col("warmth") + 5 * (pl.col("minute") / 229).sin(),
        pressure=1013 + (pl.col("minute") / 1000).cos(),
    )


@task
def warm_hours(
    # Of the files only two columns are fetched; the folder of Voss is left alone.
    found: Annotated[
        pl.LazyFrame, kwtypes(station=str, celsius=float), ReadOptions(filters=[("station", "!=", "Voss")])
    ],
    least: float,
) -> pl.DataFrame:
    return (
        found.filter(pl.col("celsius") >= least)
        .group_by("station")
        .agg(hours=(pl.len() / 60).round(1))
        .sort("station")
        .collect()
    )


@workflow
def weather(days: int = 7, least: float = 18.0) -> pl.DataFrame:
    return warm_hours(found=readings(days=days), least=least)
