"""A large Arrow table through a StructuredDataset. Usage: parquet.py ours|reference|raw write|read|columns FOLDER SEED

Each side reads what it has written itself; `raw` is plain pyarrow with its defaults.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from clock import Stopwatch

ROWS = 2_400_000


def table(seed: int) -> Any:
    """About a gigabyte: 20 columns each of integers and of floats, 10 of short strings."""
    generator = np.random.default_rng(seed)
    words = pa.array([f"word-{n:05}" for n in range(5_000)])
    columns: dict[str, Any] = {}
    for n in range(20):
        columns[f"i{n}"] = pa.array(generator.integers(0, 1 << 40, ROWS))
    for n in range(20):
        columns[f"f{n}"] = pa.array(generator.random(ROWS))
    for n in range(10):
        columns[f"s{n}"] = words.take(pa.array(generator.integers(0, 5_000, ROWS)))
    return pa.table(columns)


def main(side: str, what: str, folder: Path, seed: int) -> None:
    note = folder / f"{side}.uri"
    if side == "raw":
        import pyarrow.parquet as pq

        uri = str(folder / "raw.parquet")

        def write(value: Any) -> None:
            pq.write_table(value, uri)
            note.write_text(uri)

        def read(columns: list[str] | None = None) -> Any:
            return pq.read_table(uri, columns=columns)
    else:
        if side == "ours":
            from hardpoint import FlyteContextManager, StructuredDataset, kwtypes
            from hardpoint.idl import Literal
            from hardpoint.storage import FileAccess
            from hardpoint.types import TypeEngine

            scope = FlyteContextManager.use(files=FileAccess(str(folder / "ours")))
            parse = Literal.FromString

            def serialize(literal: Any) -> bytes:
                return literal.SerializeToString()
        else:
            from flyteidl.core.literals_pb2 import Literal as Message
            from flytekit import FlyteContextManager, StructuredDataset, kwtypes
            from flytekit.configuration import Config
            from flytekit.core.data_persistence import FileAccessProvider
            from flytekit.core.type_engine import TypeEngine
            from flytekit.models.literals import Literal

            access = FileAccessProvider(
                str(folder / "local"), str(folder / "raw"), data_config=Config.auto().data_config
            )
            scope = FlyteContextManager.with_context(FlyteContextManager.current_context().with_file_access(access))

            def parse(data: bytes) -> Any:
                return Literal.from_flyte_idl(Message.FromString(data))

            def serialize(literal: Any) -> bytes:
                return literal.to_flyte_idl().SerializeToString()

        context = scope.__enter__()

        def write(value: Any) -> None:
            literal = TypeEngine.to_literal(context, value, pa.Table, TypeEngine.to_literal_type(pa.Table))
            note.write_bytes(serialize(literal))

        def read(columns: list[str] | None = None) -> Any:
            kinds = {"i": int, "f": float, "s": str}
            wanted: Any = StructuredDataset
            if columns:
                wanted = Annotated[StructuredDataset, kwtypes(**{name: kinds[name[0]] for name in columns})]
            dataset = TypeEngine.to_python_value(context, parse(note.read_bytes()), wanted)
            return dataset.open(pa.Table).all()

    watch = Stopwatch()
    if what == "write":
        watch.best("write", write, [table(seed)])
    else:
        columns = ["i3", "f7"] if what == "columns" else None
        got = watch.best(f"{what}, first call" if columns else what, read, [columns])
        if columns:  # little to read, beside what the first call imports
            got = watch.best(what, read, [columns] * 4)
        assert (got.num_rows, got.num_columns) == (ROWS, 2 if columns else 50)
    os.sync()  # what one side leaves to be written later does not fall to the next
    watch.answer()


main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
