"""A container, which finds the task by what its template says, gives what a local call gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from hardpoint import kwtypes
from hardpoint.context import ExecutionParameters, FlyteContextManager, Mode
from hardpoint.integrations.duckdb import DuckDBQuery
from hardpoint.storage import FileAccess
from hardpoint.tasks.dispatch import dispatch
from hardpoint.tasks.image import ImageConfig
from hardpoint.tasks.serialization import SerializationSettings

SETTINGS = SerializationSettings(ImageConfig.auto(img_name="registry.example/app:1"), "p", "d", "v")
INPUTS: dict[str, Any] = {"mine": pd.DataFrame({"a": [1, 2, 3]}), "params": {"least": 2}, "query": None}

QUERY = DuckDBQuery(
    "conformance.query",
    "SELECT a, '$5 ?' AS t FROM mine WHERE a >= $least",
    inputs=kwtypes(mine=pd.DataFrame, params=dict[str, int], query=str | None),
)


@pytest.mark.parametrize("mode", [Mode.LOCAL_TASK_EXECUTION, Mode.TASK_EXECUTION])
def test_container_gives_what_a_local_call_gives(tmp_path: Path, mode: Mode) -> None:
    args = list(QUERY.template(SETTINGS).container.args)
    task = QUERY
    if mode is Mode.TASK_EXECUTION:
        task = QUERY.task_resolver.load_task(args[args.index("--") + 1 :])
    with FlyteContextManager.use(mode=mode, params=ExecutionParameters(), files=FileAccess(str(tmp_path / "raw"))):
        outputs = dispatch(task, QUERY.encode_inputs(INPUTS))
        assert isinstance(outputs, dict)
        found = QUERY.interface.output_codecs["result"].decode(outputs["result"]).open(pa.Table).all()
    assert found.to_pylist() == [{"a": 2, "t": "$5 ?"}, {"a": 3, "t": "$5 ?"}]
    assert INPUTS["mine"]["a"].tolist() == [1, 2, 3]


def test_template_is_the_same_each_time() -> None:
    first, second = (QUERY.template(SETTINGS).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second
