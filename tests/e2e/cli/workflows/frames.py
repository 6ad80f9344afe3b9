"""Tasks that take files, tables and models."""

import pathlib

import numpy as np
import pandas as pd
from pydantic import BaseModel

from hardpoint import FlyteDirectory, FlyteFile, StructuredDataset, task

Csv = FlyteFile["csv"]


class Model(BaseModel):
    layers: list[int]
    name: str = "m"


@task
def places(file: FlyteFile, table_file: Csv, folder: FlyteDirectory, path: pathlib.Path, array: np.ndarray) -> str:
    listed = sorted(str(entry).rpartition("/")[2] for entry in folder.listdir(folder))
    with open(file) as stream, open(table_file) as rows, open(path) as third:
        return repr((stream.read(), rows.read(), listed, third.read(), array.tolist()))


@task
def tables(frame: pd.DataFrame, dataset: StructuredDataset, model: Model) -> str:
    other = dataset.open(pd.DataFrame).all()
    return repr((frame.to_dict("list"), other.to_dict("list"), model))
