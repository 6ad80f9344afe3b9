"""Validation at the borders of tasks."""

from __future__ import annotations

import json
import logging
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import pandera.pandas as pa
import pandera.polars as papl
import polars as pl
import pytest
from pandera.errors import SchemaErrors
from pandera.typing.pandas import DataFrame
from pandera.typing.polars import DataFrame as PolarsFrame
from pandera.typing.polars import LazyFrame

from hardpoint import HashMethod, kwtypes, task, workflow
from hardpoint.context import FlyteContextManager, current_context
from hardpoint.errors import FlyteValidationException, TypeTransformerFailedError, UserError
from hardpoint.idl import Literal, SimpleType
from hardpoint.integrations.pandera import FrameValidationError, PandasReportRenderer, ValidationConfig
from hardpoint.integrations.pandera.validation import KNOWN, _Known
from hardpoint.storage import FileAccess
from hardpoint.types import TypeEngine
from hardpoint.types.structured import StructuredDataset


class People(pa.DataFrameModel):
    name: str = pa.Field(nullable=True)
    age: int = pa.Field(ge=0, le=150)


class PolarsPeople(papl.DataFrameModel):
    name: str = papl.Field(nullable=True)
    age: int = papl.Field(ge=0, le=150)


GOOD = pd.DataFrame({"name": ["Ann", "Bob"], "age": [30, 40]})
BAD = pd.DataFrame({"name": ["Ann", "Bob", "Cy", "Di"], "age": [30, -1, 200, 40]})


@pytest.fixture(autouse=True)
def storage(tmp_path: Path) -> Iterator[None]:
    with FlyteContextManager.use(files=FileAccess(str(tmp_path / "raw"))):
        yield


def encode(t: Any, value: Any) -> Literal:
    return TypeEngine.codec(t).encode(value)


def decode(t: Any, literal: Literal) -> Any:
    return TypeEngine.codec(t).decode(literal)


def unchecked(frame: Any) -> Literal:
    """A frame that nobody has validated."""
    return encode(type(frame), frame)


# -- in workflows ------------------------------------------------------------------------------------------------------


@task
def load(bad: bool) -> pd.DataFrame:
    return BAD if bad else GOOD


@task
def oldest(people: DataFrame[People]) -> int:
    return int(people["age"].max())


@task
def reversed_people(people: DataFrame[People]) -> DataFrame[People]:
    return people.iloc[::-1].assign(age=lambda frame: -frame["age"])


@workflow
def oldest_of(bad: bool) -> int:
    return oldest(people=load(bad=bad))


@workflow
def wrong_output() -> DataFrame[People]:
    return reversed_people(people=load(bad=False))


def test_a_frame_that_fits() -> None:
    assert oldest_of(bad=False) == 40


def test_a_wrong_input_is_pandera_s_error_and_a_user_error() -> None:
    with pytest.raises(SchemaErrors) as caught:
        oldest_of(bad=True)
    assert isinstance(caught.value, UserError)
    assert isinstance(caught.value, FrameValidationError)
    assert "greater_than_or_equal_to(0): -1" in str(caught.value)


def test_a_wrong_output() -> None:
    with pytest.raises(FrameValidationError, match="greater_than_or_equal_to"):
        wrong_output()


def test_a_wrong_argument() -> None:
    with pytest.raises(SchemaErrors):
        oldest(people=BAD)


# -- the literal type --------------------------------------------------------------------------------------------------


def columns(t: Any) -> dict[str, int]:
    declared = TypeEngine.to_literal_type(t).structured_dataset_type.columns
    return {column.name: column.literal_type.simple for column in declared}


def test_columns_are_in_the_literal_type() -> None:
    assert columns(DataFrame[People]) == {"name": SimpleType.STRING, "age": SimpleType.INTEGER}
    assert columns(LazyFrame[PolarsPeople]) == columns(PolarsFrame[PolarsPeople]) == columns(DataFrame[People])
    name = TypeEngine.to_literal_type(PolarsFrame[PolarsPeople]).structured_dataset_type.columns[0]
    assert dict(name.literal_type.metadata) == {"dtype": "String", "nullable": True}
    assert columns(DataFrame) == {}


def test_columns_of_all_kinds() -> None:
    schema = papl.DataFrameSchema(
        {
            "b": papl.Column(pl.Boolean),
            "f": papl.Column(pl.Float32),
            "t": papl.Column(pl.Datetime("us", "UTC")),
            "d": papl.Column(pl.Date),
            "s": papl.Column(pl.Duration),
            "c": papl.Column(pl.Categorical),
            "u": papl.Column(pl.UInt8),
            "maybe": papl.Column(pl.Int8, required=False),
        }
    )

    class Model(papl.DataFrameModel):
        @classmethod
        def to_schema(cls) -> Any:
            return schema

    assert columns(PolarsFrame[Model]) == {
        "b": SimpleType.BOOLEAN,
        "f": SimpleType.FLOAT,
        "t": SimpleType.DATETIME,
        "d": SimpleType.DATETIME,
        "s": SimpleType.DURATION,
        "c": SimpleType.STRING,
        "u": SimpleType.INTEGER,
    }


def test_columns_that_no_literal_type_can_tell() -> None:
    class Nested(papl.DataFrameModel):
        n: int
        l: pl.List = papl.Field(dtype_kwargs={"inner": pl.Int64})  # noqa: E741

    class Pattern(pa.DataFrameModel):
        n: int = pa.Field(alias="n_.+", regex=True)

    assert columns(PolarsFrame[Nested]) == {}
    assert columns(DataFrame[Pattern]) == {}
    frame = pd.DataFrame({"n_1": [1], "other": [2]})
    assert decode(DataFrame[Pattern], encode(DataFrame[Pattern], frame)).equals(frame)


def test_a_model_that_is_broken() -> None:
    class Broken(pa.DataFrameModel):
        n: object() = pa.Field()  # type: ignore[valid-type]

    with pytest.raises(TypeTransformerFailedError, match="no usable Pandera schema"):
        TypeEngine.codec(DataFrame[Broken])


# -- extras ------------------------------------------------------------------------------------------------------------


def test_extras_of_any_number_and_order() -> None:
    warn = ValidationConfig(on_error="warn")
    for t in (
        Annotated[DataFrame[People], warn, "parquet", HashMethod(lambda frame: "hash"), object()],
        Annotated[Annotated[DataFrame[People], "parquet", HashMethod(lambda frame: "hash")], warn],
    ):
        assert TypeEngine.to_literal_type(t).structured_dataset_type.format == "parquet"
        literal = encode(t, BAD)
        assert literal.hash == "hash"
        assert decode(t, literal).equals(BAD)


def test_a_format_is_not_lost() -> None:
    literal = encode(Annotated[DataFrame[People], "csv"], GOOD)
    assert literal.scalar.structured_dataset.metadata.structured_dataset_type.format == "csv"
    assert decode(DataFrame[People], literal).equals(GOOD)


def test_columns_of_the_annotation_go_before_those_of_the_schema() -> None:
    t = Annotated[DataFrame[People], kwtypes(name=str, age=int, city=str)]
    frame = GOOD.assign(city=["x", "y"], more=1)
    assert list(columns(t)) == ["name", "age", "city"]
    assert decode(t, unchecked(frame)).columns.tolist() == ["name", "age", "city"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"on_error": "explode"}, "Invalid on_error value: 'explode'"),
        ({"head": 0}, "head should be 1 or more"),
        ({"on_error": "drop", "head": 5}, "look at all rows"),
    ],
)
def test_config_that_makes_no_sense(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(FlyteValidationException, match=said):
        ValidationConfig(**arguments)


def test_two_configs() -> None:
    with pytest.raises(FlyteValidationException, match="more than one ValidationConfig"):
        TypeEngine.codec(Annotated[DataFrame[People], ValidationConfig(), ValidationConfig(head=1)])


# -- what is read and written ------------------------------------------------------------------------------------------


def test_only_the_columns_of_the_schema_are_read() -> None:
    wide = GOOD.assign(extra=[1, 2])
    assert decode(DataFrame[People], unchecked(wide)).columns.tolist() == ["name", "age"]
    t = Annotated[DataFrame[People], ValidationConfig(prune=False)]
    assert decode(t, unchecked(wide)).columns.tolist() == ["name", "age", "extra"]
    lazy = decode(LazyFrame[PolarsPeople], unchecked(wide))
    assert "PROJECT 2/3 COLUMNS" in lazy.explain()


def test_all_columns_are_written() -> None:
    """A schema that allows other columns does not take them away from the next task."""
    wide = GOOD.assign(extra=[1, 2])
    assert decode(pd.DataFrame, encode(DataFrame[People], wide)).equals(wide)
    lazy = pl.LazyFrame(wide.to_dict("list"))
    assert decode(pl.DataFrame, encode(LazyFrame[PolarsPeople], lazy)).columns == ["name", "age", "extra"]


def test_a_strict_schema_sees_what_it_forbids() -> None:
    class Strict(People):
        class Config:
            strict = True

    with pytest.raises(FrameValidationError, match="extra"):
        decode(DataFrame[Strict], unchecked(GOOD.assign(extra=1)))


def test_a_check_of_the_whole_frame_sees_all_of_it() -> None:
    class Whole(People):
        @pa.dataframe_check
        def wide(cls, frame: pd.DataFrame) -> bool:
            return "extra" in frame.columns

    assert "extra" in decode(DataFrame[Whole], unchecked(GOOD.assign(extra=1))).columns


def test_absent_columns_are_what_the_schema_says_is_wrong() -> None:
    with pytest.raises(FrameValidationError) as caught:
        decode(DataFrame[People], unchecked(GOOD[["name"]]))
    assert [failure.code for failure in caught.value.failures] == ["COLUMN_NOT_IN_DATAFRAME"]
    assert "age" in str(caught.value)
    with pytest.raises(FrameValidationError):
        encode(DataFrame[People], GOOD[["age"]])


def test_optional_columns() -> None:
    class Optional(papl.DataFrameModel):
        n: int
        maybe: int | None

    schema = Optional.to_schema()
    assert not schema.columns["maybe"].required
    assert decode(PolarsFrame[Optional], unchecked(pl.DataFrame({"n": [1], "x": [2]}))).columns == ["n"]
    assert decode(PolarsFrame[Optional], unchecked(pl.DataFrame({"n": [1], "maybe": [2]}))).columns == ["n", "maybe"]


def test_coerced_frames_are_what_is_stored() -> None:
    class Coerced(People):
        class Config:
            coerce = True

    literal = encode(DataFrame[Coerced], GOOD.assign(age=["30", "40"]))
    assert decode(pd.DataFrame, literal)["age"].tolist() == [30, 40]


def test_a_structured_dataset_is_validated_too() -> None:
    assert decode(DataFrame[People], encode(DataFrame[People], StructuredDataset(dataframe=GOOD))).equals(GOOD)
    written = decode(StructuredDataset, unchecked(BAD))
    for dataset in (StructuredDataset(dataframe=BAD), written):
        with pytest.raises(SchemaErrors):
            encode(DataFrame[People], dataset)


def test_a_uri_of_one_s_own(tmp_path: Path) -> None:
    uri = str(tmp_path / "mine")
    literal = encode(DataFrame[People], StructuredDataset(dataframe=GOOD, uri=uri))
    assert literal.scalar.structured_dataset.uri == uri
    pd.DataFrame(BAD).to_parquet(f"{uri}/00000")  # somebody else writes there
    with pytest.raises(SchemaErrors):
        decode(DataFrame[People], literal)


def test_a_bare_frame_is_not_validated() -> None:
    assert decode(DataFrame, encode(DataFrame, BAD)).equals(BAD)
    assert decode(DataFrame, encode(DataFrame, pd.DataFrame())).empty


# -- what becomes of a frame that does not fit -------------------------------------------------------------------------


def test_warn(caplog: pytest.LogCaptureFixture) -> None:
    t = Annotated[DataFrame[People], ValidationConfig(on_error="warn")]
    with caplog.at_level(logging.WARNING):
        literal = encode(t, BAD)
    assert "2 checks failed" in caplog.text
    assert decode(t, literal).equals(BAD)
    with pytest.raises(SchemaErrors):
        decode(DataFrame[People], literal)  # that it was let through once does not make it fit


@task
def lenient(
    people: Annotated[DataFrame[People], ValidationConfig(on_error="warn")],
) -> Annotated[DataFrame[People], ValidationConfig(on_error="warn")]:
    return people


def test_a_call_warns_once_of_each_frame(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    with caplog.at_level(logging.WARNING):
        assert lenient(people=BAD).equals(BAD)
    assert len(caplog.records) == 2  # what goes in, and what comes out
    caplog.clear()
    t = Annotated[DataFrame[People], ValidationConfig(on_error="warn")]
    with caplog.at_level(logging.WARNING):
        literal = encode(t, StructuredDataset(dataframe=BAD, uri=str(tmp_path / "mine")))
        decode(t, literal)
    assert len(caplog.records) == 2  # by then, it could have been another


def test_drop(caplog: pytest.LogCaptureFixture) -> None:
    t = Annotated[DataFrame[People], ValidationConfig(on_error="drop")]
    with caplog.at_level(logging.WARNING):
        got = decode(t, unchecked(BAD))
    assert got.equals(BAD.iloc[[0, 3]])
    assert "Rows that were dropped: 2." in caplog.text
    lazy = pl.DataFrame(BAD.to_dict("list"))
    config = ValidationConfig(on_error="drop")
    assert decode(Annotated[PolarsFrame[PolarsPeople], config], unchecked(lazy)).equals(lazy[[0, 3]])


def test_drop_where_labels_repeat() -> None:
    t = Annotated[DataFrame[People], ValidationConfig(on_error="drop")]
    frame = BAD.set_axis([7, 7, 8, 8])
    assert decode(t, unchecked(frame)).equals(frame.iloc[[0, 3]])


def test_drop_cannot_mend_the_form() -> None:
    t = Annotated[DataFrame[People], ValidationConfig(on_error="drop")]
    with pytest.raises(FrameValidationError):
        decode(t, unchecked(BAD[["name"]]))


def test_head_and_sample() -> None:
    head = Annotated[DataFrame[People], ValidationConfig(head=1)]
    literal = encode(head, BAD)
    with pytest.raises(SchemaErrors):
        decode(DataFrame[People], literal)  # nobody has looked at all of it
    sample = Annotated[DataFrame[People], ValidationConfig(sample=1000, random_state=1)]
    with pytest.raises(SchemaErrors):
        encode(sample, BAD)


def test_a_lazy_frame_is_not_collected() -> None:
    def fail(frame: pl.DataFrame) -> pl.DataFrame:
        raise AssertionError("collected")

    plan = pl.LazyFrame(GOOD.to_dict("list"))
    watched = plan.map_batches(fail, schema=plan.collect_schema())
    with pytest.raises(FrameValidationError) as caught:
        encode(LazyFrame[PolarsPeople], watched.drop("age"))
    assert caught.value.rows is None
    bad = unchecked(pl.LazyFrame(BAD.to_dict("list")))
    assert decode(LazyFrame[PolarsPeople], bad).select(pl.len()).collect().item() == 4
    literal = encode(LazyFrame[PolarsPeople], pl.LazyFrame(BAD.to_dict("list")))
    with pytest.raises(SchemaErrors):
        decode(PolarsFrame[PolarsPeople], literal)  # its schema was found to fit, its values were not looked at


# -- the error ---------------------------------------------------------------------------------------------------------


def test_the_error_is_for_programs_too() -> None:
    t = Annotated[DataFrame[People], ValidationConfig(max_failure_cases=2)]
    frame = pd.DataFrame({"name": ["x"] * 50, "age": range(-40, 10)})
    with pytest.raises(FrameValidationError) as caught:
        encode(t, frame)
    error = caught.value
    summary = json.loads(json.dumps(error.summary))
    assert summary["schema"] == "People"
    assert summary["rows"] == 50
    [failure] = summary["failures"]
    assert failure["kind"] == "DATA"
    assert failure["column"] == "age"
    assert failure["code"] == "DATAFRAME_CHECK"
    assert failure["count"] == 40
    assert failure["cases"] == ["-40", "-39"]
    assert "and 38 more" in str(error)
    assert error.failure_cases.shape[0] == 40
    assert error.data.equals(frame)


def test_the_error_goes_to_another_process() -> None:
    with pytest.raises(FrameValidationError) as caught:
        encode(DataFrame[People], BAD)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert str(copy) == str(caught.value)
    assert copy.summary == caught.value.summary
    assert copy.data is None


# -- what is known ------------------------------------------------------------------------------------------------------


def test_what_was_validated_once_is_not_validated_again() -> None:
    looked = []

    class Counting(pa.DataFrameModel):
        age: int

        @pa.check("age")
        def look(cls, ages: pd.Series) -> bool:
            looked.append(len(ages))
            return True

    literal = encode(DataFrame[Counting], GOOD)
    decode(DataFrame[Counting], literal)
    assert looked == [2]


def test_models_of_one_name_are_different_models() -> None:
    def model(most: int) -> Any:
        class Same(pa.DataFrameModel):
            age: int = pa.Field(le=most)

        return Same

    literal = encode(DataFrame[model(100)], GOOD)
    with pytest.raises(SchemaErrors):
        decode(DataFrame[model(35)], literal)


def test_what_is_known_is_bounded_and_of_one_execution() -> None:
    known = _Known(limit=3)
    for i in range(10):
        known.add("run-1", f"uri-{i}", People)
    assert len(known) == 3
    assert known.has("run-1", "uri-9", People)
    assert not known.has("run-1", "uri-0", People)
    assert not known.has("run-2", "uri-9", People)
    known.add("run-2", "uri", People)
    assert len(known) == 1
    assert len(KNOWN) <= 1024


# -- decks -------------------------------------------------------------------------------------------------------------


@task(enable_deck=True)
def with_deck(people: Annotated[DataFrame[People], ValidationConfig(on_error="warn")]) -> int:
    decks = [deck for deck in current_context().decks if deck.name.startswith("Pandera")]
    return len(decks)


@task
def without_deck(people: Annotated[DataFrame[People], ValidationConfig(on_error="warn")]) -> int:
    return len(current_context().decks)


def test_a_report_is_made_only_for_a_deck() -> None:
    assert with_deck(people=BAD) == 1
    assert without_deck(people=BAD) == 0


def test_a_report() -> None:
    frame = pd.DataFrame({"name": ["<script>alert(1)</script>"] * 100, "age": [-1] * 100})
    with pytest.raises(FrameValidationError) as caught:
        encode(DataFrame[People], frame)
    html = PandasReportRenderer("Input").to_html(frame, People.to_schema(), caught.value)
    for expected in ("Input", "Data validation failed", "(100, 2)", "0.00%", "(+90 more)", "DATAFRAME_CHECK", "yes"):
        assert expected in html, expected
    assert "<script>" not in html
    assert "http" not in html
    assert len(html) < 30_000


def test_a_report_of_pandera_s_own_error() -> None:
    with pytest.raises(SchemaErrors) as caught:
        People.validate(BAD, lazy=True)
    assert "75.00%" in PandasReportRenderer().to_html(BAD, People.to_schema(), caught.value)


def test_a_report_of_success_and_of_nothing() -> None:
    html = PandasReportRenderer().to_html(GOOD, People.to_schema())
    assert "Pandera Error Report" in html
    assert "Data validation succeeded" in html
    empty = GOOD.iloc[:0]
    assert "(0, 2)" in PandasReportRenderer().to_html(empty, People.to_schema())
    lazy = pl.LazyFrame(GOOD.to_dict("list"))
    assert "(?, 2)" in PandasReportRenderer().to_html(lazy, PolarsPeople.to_schema())


def test_a_report_that_fails_does_not_hide_why_the_data_is_wrong(caplog: pytest.LogCaptureFixture) -> None:
    class Rude(pa.DataFrameModel):
        age: int = pa.Field(ge=0)

        @classmethod
        def to_schema(cls) -> Any:
            schema = super().to_schema()
            schema.columns["age"].checks[0].name = Unprintable()
            return schema

    context = FlyteContextManager.current_context()
    params = context.user_space_params.with_attributes()
    params.enable_deck = True
    with FlyteContextManager.use(context.new(params=params)), pytest.raises(SchemaErrors):
        encode(DataFrame[Rude], BAD)
    assert "report could not be made" in caplog.text


class Unprintable:
    def __str__(self) -> str:
        raise ValueError("no text")
