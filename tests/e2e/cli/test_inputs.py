"""Inputs of every type, from options and from files; the parsing itself needs no process."""

from __future__ import annotations

import datetime as dt
import importlib.util
import json
import sys
import typing
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
from pydantic import BaseModel

from hardpoint.cli.parameters import Parameter, parameters_of, read_inputs
from hardpoint.cli.plain import plain
from hardpoint.idl import Literal
from hardpoint.tasks.interface import Interface
from hardpoint.types import FlyteAnnotation, HashMethod, TypeEngine


@pytest.fixture(scope="module")
def values() -> typing.Iterator[ModuleType]:
    """The module with the classes of the workflows."""
    spec = importlib.util.spec_from_file_location("values", Path(__file__).parent / "workflows" / "values.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["values"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["values"]


def parameter(t: Any) -> Parameter:
    return parameters_of(Interface({"it": t}))["it"]


def of_text(t: Any, text: str) -> Any:
    return TypeEngine.codec(t).decode(parameter(t).from_text(text))


def of_data(t: Any, data: Any) -> Any:
    return TypeEngine.codec(t).decode(parameter(t).from_data(data))


def complaint(t: Any, text: str) -> str:
    with pytest.raises(click.UsageError) as caught:
        parameter(t).from_text(text)
    return caught.value.message


@pytest.mark.parametrize(
    ("t", "text", "value"),
    [
        (int, "3", 3),
        (int, "-3", -3),
        (float, "1e-3", 0.001),
        (float, "3", 3.0),
        (float, "inf", float("inf")),
        (str, "null", "null"),
        (str, "@home", "@home"),
        (str, "", ""),
        (bool, "true", True),
        (dt.datetime, "2026-01-31T12:00", dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)),
        (dt.date, "2026-01-31", dt.date(2026, 1, 31)),
        (dt.timedelta, "1h", dt.timedelta(hours=1)),
        (typing.Literal["a", "b"], "b", "b"),
        (typing.Literal[1, 2], "2", 2),
        (list[int], "[1, 2]", [1, 2]),
        (list[int], "[]", []),
        (list[dt.timedelta], "[1h, 90]", [dt.timedelta(hours=1), dt.timedelta(seconds=90)]),
        (dict[str, float], "{a: 1, b: 2.5}", {"a": 1.0, "b": 2.5}),
        (dict[str, list[dt.date]], "{a: [2026-01-31]}", {"a": [dt.date(2026, 1, 31)]}),
        (dict[int, str], '{"1": "a"}', {1: "a"}),
        (dict, "{a: [1, {b: null}]}", {"a": [1, {"b": None}]}),
        (int | None, "3", 3),
        (int | None, "null", None),
        (str | None, "null", None),
        (str | None, "None", "None"),
        (int | str, "3", 3),
        (str | int, "3", 3),
        (int | str, "x", "x"),
        (float | int, "3", 3),
        (float | int, "3.5", 3.5),
        (str | list[str], '["a"]', ["a"]),
        (str | list[str], "a", "a"),
        (bool | str, "true", True),
        (typing.Annotated[int, FlyteAnnotation({"unit": "s"})], "3", 3),
    ],
)
def test_text_becomes_the_value(t: Any, text: str, value: Any) -> None:
    assert of_text(t, text) == value
    assert type(of_text(t, text)) is type(value)


@pytest.mark.parametrize(
    ("t", "data", "value"),
    [
        (int, 3, 3),
        (float, 3, 3.0),
        (str, "3", "3"),
        (bool, False, False),
        (dt.timedelta, 90, dt.timedelta(seconds=90)),
        (dt.timedelta, "1h", dt.timedelta(hours=1)),
        (dt.datetime, "2026-01-31", dt.datetime(2026, 1, 31, tzinfo=dt.UTC)),
        (list[int] | None, None, None),
        (float | int, 3, 3),
        (typing.Literal[1, 2], 2, 2),
    ],
)
def test_data_becomes_the_value(t: Any, data: Any, value: Any) -> None:
    assert of_data(t, data) == value


@pytest.mark.parametrize(
    ("t", "data"), [(int, "3"), (int, 3.5), (int, True), (bool, 1), (str, 3), (typing.Literal[1], True)]
)
def test_data_is_not_bent(t: Any, data: Any) -> None:
    with pytest.raises(click.UsageError, match=r"^--it should be .*, but got "):
        of_data(t, data)


@pytest.mark.parametrize(
    ("t", "text", "message"),
    [
        (int, "x", "--it should be a whole number, but got 'x'."),
        (int, "1.5", "--it should be a whole number, but got '1.5'."),
        (int, str(2**63), f"--it should be a whole number of 64 bits, but got '{2**63}'."),
        (float, "x", "--it should be a number, but got 'x'."),
        (dt.datetime, "x", "--it should be a time, such as 2026-01-31T12:00 or now, but got 'x'."),
        (dt.date, "x", "--it should be a day, such as 2026-01-31 or today, but got 'x'."),
        (dt.timedelta, "x", "--it should be a length of time, such as 1h30m, 90 (seconds) or PT1H30M, but got 'x'."),
        (typing.Literal["a", "b"], "c", "--it should be one of a, b, but got 'c'."),
        (list[int], "1", "--it should be a list such as [INTEGER, ...] as JSON or YAML, but got 1."),
        (list[int], "[1, x]", "--it[1] should be a whole number, but got 'x'."),
        (list[list[int]], "[[1], [2, x]]", "--it[1][1] should be a whole number, but got 'x'."),
        (dict[str, int], "{a: {b: 1}}", "--it['a'] should be a whole number, but got {'b': 1}."),
        (dict[str, int], "{1: 1}", "--it key 1 should be text, but got 1."),
        (int | None, "x", "--it should be a whole number, or null, but got 'x'."),
        (
            int | list[int],
            "x",
            "--it should be a whole number or a list such as [INTEGER, ...] as JSON or YAML, but got 'x'.",
        ),
        (int | list[int], "[x]", "--it[0] should be a whole number, but got 'x'."),
    ],
)
def test_what_does_not_fit_is_named(t: Any, text: str, message: str) -> None:
    assert complaint(t, text) == message


def test_broken_data_says_where() -> None:
    assert complaint(list[int], "[1, 2").startswith(
        "--it should be a list such as [INTEGER, ...] as JSON or YAML, but got '[1, 2' ("
    )
    assert "line 1, column 6" in complaint(list[int], "[1, 2")
    assert "@nowhere" in complaint(list[int], "@nowhere")


def test_dataclasses(values: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("epochs: 3\noptimizer:\n  name: adam\nlimit: 5\n")
    config = of_text(values.Config, f"@{file}")
    assert config == values.Config(3, values.Optimizer("adam"), limit=dt.timedelta(seconds=5))
    assert of_text(list[values.Optimizer], "[{name: sgd}]") == [values.Optimizer("sgd")]
    told = complaint(values.Config, "{epochs: x}")
    assert told.startswith("--it should be Config as JSON or YAML, but got {'epochs': 'x'}: ")
    assert "in field 'epochs'" in told
    assert "\n" not in told
    assert complaint(values.Config, "{epoch: 1}") == (
        "--it should be an object with the keys epochs, optimizer, tags, limit, but got the key 'epoch'."
    )
    assert complaint(values.Config, "{epochs: 1, optimizer: {nam: x}}").startswith(
        "--it['optimizer'] should be an object"
    )
    assert complaint(list[values.Optimizer], "[{name: a}, {}]").startswith(
        "--it[1] should be Optimizer as JSON or YAML"
    )


class Model(BaseModel):
    layers: list[int]
    name: str = "m"


def test_models() -> None:
    assert of_text(Model, '{"layers": [1]}') == Model(layers=[1])
    assert complaint(Model, '{"layers": "x"}').startswith("--it should be Model as JSON or YAML")


def test_enums(values: ModuleType) -> None:
    assert of_text(values.Color, "red") is values.Color.RED
    assert complaint(values.Color, "green") == "--it should be one of red, blue, but got 'green'."


def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hardpoint import FlyteDirectory, FlyteFile, StructuredDataset

    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("a\n1\n")
    (tmp_path / "folder").mkdir()
    assert parameter(FlyteFile).from_text("a.csv").scalar.blob.uri == str(tmp_path / "a.csv")
    assert parameter(FlyteFile["csv"]).from_text("a.csv").scalar.blob.metadata.type.format == "csv"
    assert parameter(FlyteFile).from_data({"path": "a.csv"}).scalar.blob.uri == str(tmp_path / "a.csv")
    assert parameter(FlyteFile).from_text("s3://bucket/key").scalar.blob.uri == "s3://bucket/key"
    assert parameter(FlyteDirectory).from_text("folder").scalar.blob.uri == str(tmp_path / "folder")
    assert [item.scalar.blob.uri for item in parameter(list[FlyteFile]).from_text("[a.csv]").collection.literals] == [
        str(tmp_path / "a.csv")
    ]
    assert parameter(FlyteFile | None).from_text("a.csv").scalar.union.value.scalar.blob.uri == str(tmp_path / "a.csv")
    expected = "--it should be an existing file, or a URI, but got "
    assert complaint(FlyteFile, "b.csv") == f"{expected}'b.csv', where there is nothing."
    assert complaint(FlyteFile, "folder") == f"{expected}'folder', which is a folder."
    assert complaint(FlyteFile, "") == f"{expected}no text."
    assert (
        complaint(FlyteDirectory, "a.csv")
        == "--it should be an existing folder, or a URI, but got 'a.csv', which is a file."
    )

    table = parameter(StructuredDataset).from_text("a.csv").scalar.structured_dataset
    assert (table.uri, table.metadata.structured_dataset_type.format) == (str(tmp_path / "a.csv"), "csv")
    given = (
        parameter(StructuredDataset).from_data({"uri": "s3://b/k", "file_format": "parquet"}).scalar.structured_dataset
    )
    assert (given.uri, given.metadata.structured_dataset_type.format) == ("s3://b/k", "parquet")
    assert "where there is nothing" in complaint(StructuredDataset, "nothing.parquet")


def test_hashes_of_annotated_types_are_kept() -> None:
    hashed = typing.Annotated[int, HashMethod(lambda value: f"hash of {value}")]
    assert parameter(hashed).from_text("3").hash == "hash of 3"


@pytest.mark.filterwarnings("ignore:.*travels as a pickle")
def test_pickles_are_refused_with_the_reason(values: ModuleType) -> None:
    told = complaint(values.Opaque, "x")
    assert told.startswith("--it cannot be given. Values of values.Opaque travel as pickles")
    with pytest.raises(click.UsageError, match="cannot be given"):
        read_inputs("it", values.pickled.python_interface, parameters_of(values.pickled.python_interface), {}, None)


def read(interface: Interface, given: dict[str, Literal], file: Path | None = None) -> dict[str, Any]:
    literals = read_inputs("flow", interface, parameters_of(interface), given, str(file) if file else None)
    return {name: plain(literal) for name, literal in literals.items()}


def test_options_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    interface = Interface({"a": int, "b": (int, 2), "c": (int, 3), "d": int | None})
    file = tmp_path / "inputs.json"
    file.write_text(json.dumps({"a": 10, "b": 20}))
    assert read(interface, {"a": TypeEngine.codec(int).encode(1)}, file) == {"a": 1, "b": 20, "c": 3, "d": None}


def test_missing_inputs_are_all_named() -> None:
    with pytest.raises(click.UsageError) as caught:
        read(Interface({"learning_rate": float, "n": int, "m": (int, 1)}), {})
    assert caught.value.message == "flow needs --learning-rate (a number), --n (a whole number)."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "should hold an object"),
        ('{"m": 1}', "there is no input 'm'"),
        ('{"n": "x"}', "--n should be a whole number, but got 'x'"),
        ("{", "line 1"),
    ],
)
def test_broken_input_files(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "inputs.yaml"
    file.write_text(text)
    with pytest.raises(click.UsageError) as caught:
        read(Interface({"n": int}), {}, file)
    assert message in caught.value.message


def test_values_reach_the_task(hardpoint: Any) -> None:
    ended = hardpoint(
        *("run", "-q", "values.py", "scalars", "--whole-number", "3", "--ratio", "1e-3", "--text=--x", "--no-dry-run"),
        *("--when", "2026-01-31T12:00", "--day", "2026-01-31", "--wait", "1m30s", "--color", "blue", "--size", "m"),
    )
    assert ended.err == ""
    assert ended.out == "o0  (3, 0.001, '--x', False, '2026-01-31T12:00:00+00:00', '2026-01-31', 90.0, 'BLUE', 'm')\n"


def test_structures_reach_the_task(hardpoint: Any, tmp_path: Path) -> None:
    (tmp_path / "inputs.yaml").write_text("config: {epochs: 1}\nanything: {}\nnumbers: [9]\n")
    ended = hardpoint(
        *(
            "run",
            "-q",
            "--inputs-file",
            str(tmp_path / "inputs.yaml"),
            "values.py",
            "structures",
            "--numbers",
            "[1, 2]",
        ),
        *("--prices", "{a: 1}", "--either", "[3]", "--delays", "[1h]"),
    )
    assert ended.status == 0, ended.err
    assert ended.out.startswith("o0  ([1, 2], {'a': 1.0}, Config(epochs=1, optimizer=Optimizer(name='sgd', rate=0.1)")
    assert ended.out.endswith(", {}, [3], None, [datetime.timedelta(seconds=3600)])\n")


def test_files_and_tables_reach_the_task(hardpoint: Any, tmp_path: Path) -> None:
    import numpy as np
    import pandas as pd

    (tmp_path / "words.txt").write_text("some words")
    (tmp_path / "rows.csv").write_text("a,b\n1,x\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "one").write_text("1")
    np.save(tmp_path / "array.npy", np.arange(3))
    pd.DataFrame({"a": [1, 2]}).to_parquet(tmp_path / "rows.parquet")
    at = {name: str(tmp_path / name) for name in ("words.txt", "rows.csv", "folder", "array.npy", "rows.parquet")}
    ended = hardpoint(
        *("run", "-q", "frames.py", "places", "--file", at["words.txt"], "--table-file", at["rows.csv"]),
        *("--folder", at["folder"], "--path", at["words.txt"], "--array", at["array.npy"]),
    )
    assert ended.out == "o0  ('some words', 'a,b\\n1,x\\n', ['one'], 'some words', [0, 1, 2])\n", ended.err
    ended = hardpoint(
        *("run", "-q", "frames.py", "tables", "--frame", at["rows.csv"], "--dataset", at["rows.parquet"]),
        *("--model", "{layers: [1]}"),
    )
    assert ended.out == "o0  ({'a': [1], 'b': ['x']}, {'a': [1, 2]}, Model(layers=[1], name='m'))\n", ended.err


def test_help_documents_every_input(hardpoint: Any) -> None:
    ended = hardpoint("run", "values.py", "scalars", "--help")
    lines = [" ".join(line.split()) for line in ended.out.splitlines()]
    assert lines[0] == "Usage: hardpoint run values.py scalars [INPUT]..."
    assert "Take scalars." in lines
    assert "--whole-number INTEGER How many. [int; required]" in lines
    assert "--ratio NUMBER how much of it. [float; required]" in lines
    assert "--dry-run / --no-dry-run [bool; required]" in lines
    assert "--color red|blue [values.Color; required]" in lines
    assert "--n INTEGER [int; default: 2]" in " ".join(hardpoint("run", "values.py", "outputs", "--help").out.split())


def test_underscores_are_understood(hardpoint: Any) -> None:
    told = hardpoint("run", "values.py", "scalars", "--whole_number", "x").err
    assert told == "error: --whole-number should be a whole number, but got 'x'.\n"
