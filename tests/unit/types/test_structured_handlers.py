"""Which handler serves what: by hand, by manifest, along the MRO, by protocol and format."""

from __future__ import annotations

import io
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from flyteidl.core.literals_pb2 import StructuredDataset as DatasetLiteral

from hardpoint.errors import MissingDependencyError, TypeTransformerFailedError, UserError
from hardpoint.integration import Catalogue, Integration
from hardpoint.types import TypeEngine
from hardpoint.types.structured import (
    DuplicateHandlerError,
    HandlerNotFoundError,
    ParquetDecoder,
    ParquetEncoder,
    StructuredDataset,
    StructuredDatasetDecoder,
    StructuredDatasetEncoder,
    StructuredDatasetTransformerEngine,
    registry,
)

Engine = StructuredDatasetTransformerEngine


class Rows(list[Any]):
    """A dataframe class of a library that nobody knows."""


WRITTEN: dict[str, Any] = {}


class RowsEncoder(StructuredDatasetEncoder[Any]):
    def encode(self, ctx: Any, structured_dataset: Any, structured_dataset_type: Any) -> Any:
        uri = structured_dataset.uri or f"{self.protocol or 'memory'}://rows/{len(WRITTEN)}"
        WRITTEN[uri] = structured_dataset.dataframe
        structured_dataset_type.format = "whatever"  # it is the handler's own copy
        return DatasetLiteral(uri=uri)


class RowsDecoder(StructuredDatasetDecoder[Any]):
    def decode(self, ctx: Any, flyte_value: Any, current_task_metadata: Any) -> Any:
        names = [column.name for column in current_task_metadata.structured_dataset_type.columns]
        return self.python_type([*WRITTEN[flyte_value.uri], *names])


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Registrations last for one test."""
    handlers = [registry.ENCODERS, registry.DECODERS]
    defaults = [registry.DEFAULT_PROTOCOLS, registry.DEFAULT_FORMATS]
    before: list[Any] = [
        {t: {p: {**by} for p, by in kinds.items()} for t, kinds in table.items()} for table in handlers
    ]
    before += [{**table} for table in defaults]
    monkeypatch.setattr(registry, "_met", {*registry._met})
    yield
    for table, old in zip([*handlers, *defaults], before, strict=True):
        table.clear()
        table.update(old)
    WRITTEN.clear()


def make(kind: type, *args: Any, **kwargs: Any) -> Any:
    """A handler of a class of its own, so that no two are taken for the same one."""
    return type(f"{kind.__name__}{next(_numbers)}", (kind,), {})(*args, **kwargs)


_numbers = iter(range(10_000))


def test_a_handler_is_all_that_a_type_needs() -> None:
    class Mine(Rows):
        pass

    Engine.register(RowsEncoder(Mine, "store", "rows"))
    Engine.register(RowsDecoder(Mine, "store", "rows"))
    assert registry.is_dataframe_type(Mine)
    assert TypeEngine.get_transformer(Mine).name == "StructuredDataset Transformer"
    dataset = StructuredDataset(dataframe=Mine([1, 2]), uri="store://x")
    literal = TypeEngine.to_literal(None, dataset, StructuredDataset)
    assert literal.scalar.structured_dataset.metadata.structured_dataset_type.format == "rows"
    assert TypeEngine.to_python_value(None, literal, Mine) == [1, 2]
    opened = TypeEngine.to_python_value(None, literal, StructuredDataset).open(Mine)
    assert list(opened.iter()) == [[1, 2]]


def test_subclasses_are_served_by_their_base() -> None:
    class Base(Rows):
        pass

    class Derived(Base):
        pass

    Engine.register(RowsEncoder(Base, None, "rows"))
    Engine.register(RowsDecoder(Base, None, "rows"))
    literal = TypeEngine.to_literal(None, Derived([1]), Derived)
    assert TypeEngine.to_python_value(None, literal, Base) == [1]
    with pytest.raises(TypeTransformerFailedError, match=r"read a .*Base, which is no .*Derived"):
        TypeEngine.to_python_value(None, literal, Derived)
    own = make(RowsDecoder, Derived, None, "rows")
    Engine.register(own)
    assert registry.find_decoder(Derived, "file", "rows") is own
    assert type(TypeEngine.to_python_value(None, literal, Derived)) is Derived


def test_what_is_looked_up_in_which_order() -> None:
    class Mine(Rows):
        pass

    any_parquet, any_csv, any_any = (make(RowsDecoder, Mine, None, f) for f in ("parquet", "csv", ""))
    s3_parquet, bq = make(RowsDecoder, Mine, "s3", "parquet"), make(RowsDecoder, Mine, "bq://", None)
    Engine.register(any_parquet, default_format_for_type=True)
    Engine.register(any_csv, default_format_for_type=True)  # the first default stays
    find = registry.find_decoder
    assert find(Mine, "gs", "parquet") is any_parquet
    assert find(Mine, "gs", "csv") is any_csv
    assert find(Mine, "gs", "") is any_parquet
    with pytest.raises(
        ValueError, match=r"Failed to find a handler for .*Mine, protocol \[gs\], fmt \['orc'\]"
    ) as caught:
        find(Mine, "gs", "orc")
    assert "csv, parquet" in str(caught.value)
    Engine.register(any_any)
    assert find(Mine, "gs", "orc") is any_any
    assert find(Mine, "gs", "csv") is any_csv
    Engine.register(s3_parquet)
    Engine.register(bq)
    assert find(Mine, "s3", "parquet") is s3_parquet
    assert find(Mine, "s3", "csv") is s3_parquet  # a protocol's own handler knows better
    assert find(Mine, "bq", "parquet") is bq
    assert bq.protocol == "bq"


def test_one_handler_needs_no_format() -> None:
    class Mine(Rows):
        pass

    only = make(RowsEncoder, Mine, None, "rows")
    Engine.register(only)
    assert registry.find_encoder(Mine, "s3", "") is only
    with pytest.raises(HandlerNotFoundError):
        registry.find_encoder(Mine, "s3", "parquet")


def test_defaults() -> None:
    class Mine(Rows):
        pass

    first, second = make(RowsEncoder, Mine, "one", "x"), make(RowsEncoder, Mine, "two", "y")
    Engine.register(first, default_for_type=True)
    Engine.register(second, default_for_type=True)
    assert (registry.DEFAULT_PROTOCOLS[Mine], registry.DEFAULT_FORMATS[Mine]) == ("one", "x")
    assert TypeEngine.to_literal(None, Mine([1]), Mine).scalar.structured_dataset.uri == "one://rows/0"
    Engine.register(second, default_for_type=True, override=True)
    assert (registry.DEFAULT_PROTOCOLS[Mine], registry.DEFAULT_FORMATS[Mine]) == ("two", "y")
    third = make(RowsEncoder, Mine, "three", "z")
    Engine.register(third, default_storage_for_type=True, override=True)
    assert (registry.DEFAULT_PROTOCOLS[Mine], registry.DEFAULT_FORMATS[Mine]) == ("three", "y")


def test_two_for_the_same() -> None:
    class Mine(Rows):
        pass

    first = RowsEncoder(Mine, None, "rows")
    Engine.register(first)
    Engine.register(RowsEncoder(Mine, None, "rows"))  # the same class again, as when a module is reloaded
    other = make(RowsEncoder, Mine, None, "rows")
    with pytest.raises(DuplicateHandlerError, match="want the same frames") as caught:
        Engine.register(other)
    assert isinstance(caught.value, ValueError)
    assert "override=True" in str(caught.value)
    Engine.register(other, override=True)
    assert registry.find_encoder(Mine, "file", "rows") is other


def test_built_in_handlers_are_replaced_whenever_that_is_asked() -> None:
    mine = make(RowsEncoder, pd.DataFrame, None, "parquet")
    with pytest.raises(DuplicateHandlerError):
        Engine.register(mine)
    Engine.register(mine, override=True)
    assert registry.find_encoder(pd.DataFrame, "file", "") is mine
    assert Engine.get_encoder(pd.DataFrame, "file", "csv").supported_format == "csv"
    assert Engine.DEFAULT_FORMATS[pd.DataFrame] == "parquet"


def test_what_cannot_be_registered() -> None:
    with pytest.raises(TypeError, match="neither a StructuredDatasetEncoder nor"):
        Engine.register(object())
    with pytest.raises(ValueError, match="is empty"):
        Engine.register(RowsEncoder(Rows, "", "x"))
    with pytest.raises(ValueError, match="cannot make one the default"):
        Engine.register(RowsEncoder(Rows, None, "x"), default_for_type=True)
    for abstract in (StructuredDatasetEncoder, StructuredDatasetDecoder, ParquetEncoder, ParquetDecoder):
        with pytest.raises(TypeError):
            abstract(Rows)  # type: ignore[abstract]


def test_protocols_are_cleaned() -> None:
    assert RowsEncoder(Rows, "s3://", "x").protocol == "s3"
    assert RowsDecoder(Rows, "gs://bucket", None, ["s3"]).supported_format == ""

    class Mine(Rows):
        pass

    local = make(RowsEncoder, Mine, "/", "x")
    Engine.register(local)
    assert registry.find_encoder(Mine, "file", "x") is local


def test_encoders_may_answer_with_any_object() -> None:
    class Mine(Rows):
        pass

    class Plain(StructuredDatasetEncoder[Any]):
        def encode(self, ctx: Any, structured_dataset: Any, structured_dataset_type: Any) -> Any:
            return SimpleNamespace(
                uri="mem://x", metadata=SimpleNamespace(structured_dataset_type=structured_dataset_type)
            )

    Engine.register(Plain(Mine, None, "rows"))
    literal = TypeEngine.to_literal(None, Mine(), Mine).scalar.structured_dataset
    assert (literal.uri, literal.metadata.structured_dataset_type.format) == ("mem://x", "rows")


def test_decoders_may_give_generators_and_refuse_what_they_cannot() -> None:
    class Mine(Rows):
        pass

    class Lazy(RowsDecoder):
        def decode(self, ctx: Any, flyte_value: Any, current_task_metadata: Any) -> Iterator[Any]:
            return iter([Mine([1]), Mine([2])])

    Engine.register(RowsEncoder(Mine, None, "rows"))
    Engine.register(Lazy(Mine, None, "rows"))
    dataset = TypeEngine.to_python_value(None, TypeEngine.to_literal(None, Mine([1, 2]), Mine), StructuredDataset)
    assert list(dataset.open(Mine).iter()) == [[1], [2]]
    with pytest.raises(UserError, match="cannot filter rows"):
        dataset.open(Mine, filters=[("a", "=", 1)]).all()
    with pytest.raises(UserError, match="cannot cast columns"):
        TypeEngine.to_python_value(None, TypeEngine.to_literal(None, Mine(), Mine), StructuredDataset).open(
            Mine, cast=True
        ).all()


def test_a_protocol_that_is_no_storage() -> None:
    for find in (registry.find_encoder, registry.find_decoder):
        with pytest.raises(HandlerNotFoundError, match=r"protocol \[vault\]") as caught:
            find(pd.DataFrame, "vault", "")
        assert "vault:// is no storage, and no installed integration serves it" in str(caught.value)
    with pytest.raises(ValueError, match=r"protocol \[vault\]"):
        StructuredDataset(uri="vault://project.dataset.table").open(pd.DataFrame).all()


class FromManifestEncoder(RowsEncoder):
    def __init__(self) -> None:
        super().__init__(Lazy, None, "rows")


class FromManifestDecoder(RowsDecoder):
    def __init__(self) -> None:
        super().__init__(Lazy, None, "rows")


class Warehouse(RowsDecoder):
    def __init__(self) -> None:
        super().__init__(pd.DataFrame, "wh")


class Lazy(Rows):
    pass


def manifest(**changes: Any) -> Integration:
    given = {"name": "lazy", "title": "Lazy", "summary": "Rows.", "extra": "lazy", "package": __name__, **changes}
    return Integration(**given)


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    made = Catalogue()
    for module in ("hardpoint.types.structured.registry", "hardpoint.types.engine"):
        monkeypatch.setattr(f"{module}.catalogue", made)
    return made


def test_handlers_of_a_manifest(catalogue: Catalogue) -> None:
    handlers = (f"{__name__}:FromManifestEncoder", f"{__name__}:FromManifestDecoder")
    catalogue.add(manifest(datasets={f"{__name__}.Lazy": handlers}))
    assert registry.is_dataframe_type(Lazy)
    assert not registry.is_dataframe_type(Rows)
    assert Lazy not in registry.ENCODERS
    literal = TypeEngine.to_literal(None, Lazy([1]), Lazy)
    assert TypeEngine.to_python_value(None, literal, Lazy) == [1]
    assert type(registry.find_encoder(Lazy, "s3", "")) is FromManifestEncoder


def test_handlers_of_one_protocol(catalogue: Catalogue) -> None:
    catalogue.add(manifest(title="The Warehouse", datasets={"wh://pandas.DataFrame": (f"{__name__}:Warehouse",)}))
    assert type(registry.find_decoder(pd.DataFrame, "wh", "")) is Warehouse
    assert type(registry.find_decoder(pd.DataFrame, "file", "")) is not Warehouse
    with pytest.raises(HandlerNotFoundError, match=r"wh:// is served for pandas\.DataFrame by The Warehouse\."):
        registry.find_decoder(pa.Table, "wh", "")


def test_a_missing_library_is_named(catalogue: Catalogue) -> None:
    catalogue.add(
        manifest(
            extra="warehouse",
            supports=("surely-not-installed>=1",),
            datasets={"wh://pandas.DataFrame": (f"{__name__}:Warehouse",)},
        )
    )
    with pytest.raises(MissingDependencyError, match=r"pip install 'hardpoint\[warehouse\]'"):
        registry.find_decoder(pd.DataFrame, "wh", "")
    assert registry.find_decoder(pd.DataFrame, "file", "").supported_format == "parquet"
    own = make(RowsDecoder, pd.DataFrame, "wh", None)
    Engine.register(own)
    assert registry.find_decoder(pd.DataFrame, "wh", "") is own


def test_handlers_over_arrow() -> None:
    class Frame:
        """A frame that speaks the Arrow C data interface and nothing else."""

        def __init__(self, table: pa.Table) -> None:
            self.table = table

        def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
            return self.table.__arrow_c_stream__(requested_schema)

    class Encoder(ParquetEncoder[Frame]):
        def to_arrow(self, frame: Frame) -> Any:
            return frame

    class Decoder(ParquetDecoder[Frame]):
        def from_arrow(self, table: pa.Table) -> Frame:
            return Frame(table)

    Engine.register(Encoder(Frame))
    Engine.register(Decoder(Frame))
    table = pa.table({"a": [1, 2]})
    literal = TypeEngine.to_literal(None, Frame(table), Frame)
    assert TypeEngine.to_python_value(None, literal, Frame).table.equals(table)
    assert TypeEngine.to_python_value(None, literal, pa.Table).equals(table)
    assert repr(Encoder(Frame)).endswith("Frame, any storage, format 'parquet'>")

    class Wrong(Encoder):
        def to_arrow(self, frame: Frame) -> Any:
            return io.BytesIO()

    Engine.register(Wrong(Frame), override=True)
    with pytest.raises(TypeTransformerFailedError, match=r"A _io\.BytesIO is no Arrow data"):
        TypeEngine.to_literal(None, Frame(table), Frame)
