"""How `FlyteSchema` travels: as a schema literal, with whose place structured datasets are exchangeable.

Wire facts: flyteidl/core/types.proto (`SchemaType`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from flyteidl.core.types_pb2 import SchemaType

from hardpoint.context import FlyteContext
from hardpoint.errors import TypeTransformerFailedError
from hardpoint.idl import Literal, LiteralType, SimpleType
from hardpoint.types.codec import Codec, describe_type, mismatch, wrong_literal
from hardpoint.types.columns import column_type
from hardpoint.types.schema.handlers import SchemaEngine, SchemaFormat, SchemaOpenMode
from hardpoint.types.schema.schema import FlyteSchema
from hardpoint.types.transformer import TypeTransformer, plain_of, unannotated

__all__ = ["FlyteSchemaTransformer"]

_Kind = SchemaType.SchemaColumn.SchemaColumnType

_PYTHON: dict[int, type[Any]] = {
    SchemaType.SchemaColumn.INTEGER: int,
    SchemaType.SchemaColumn.FLOAT: float,
    SchemaType.SchemaColumn.STRING: str,
    SchemaType.SchemaColumn.BOOLEAN: bool,
    SchemaType.SchemaColumn.DATETIME: datetime,
    SchemaType.SchemaColumn.DURATION: timedelta,
}


def _column_kind(t: Any) -> Any:
    """The type of a column; the enum has the same names as that of simple types."""
    try:
        return _Kind.Value(SimpleType.Name(column_type(t).simple))
    except (ValueError, TypeTransformerFailedError) as error:
        raise TypeTransformerFailedError(
            f"type {describe_type(t)} is currently not supported by FlyteSchema",
            remedy="A column is int, float, bool, str, datetime, timedelta, or one of numpy's kinds of these.",
        ) from error


class FlyteSchemaTransformer(TypeTransformer[FlyteSchema]):
    """`FlyteSchema`, and tables of any class that has a handler."""

    def __init__(self) -> None:
        super().__init__("FlyteSchema Transformer", FlyteSchema, enable_type_assertions=False)

    @staticmethod
    def _class_of(t: Any) -> type[FlyteSchema]:
        declared: type[FlyteSchema] = unannotated(t)
        return declared

    def get_literal_type(self, t: Any) -> LiteralType:
        literal_type = LiteralType()
        literal_type.schema.SetInParent()
        for name, column in self._class_of(t).columns().items():
            literal_type.schema.columns.add(name=name, type=_column_kind(column))
        return literal_type

    def compile(self, t: Any) -> Codec:
        codec = super().compile(t)
        codec.accepts = lambda value: isinstance(value, FlyteSchema) or SchemaEngine.find(type(value)) is not None
        return codec

    def _schema(self, value: Any, t: Any) -> FlyteSchema:
        """A value as a schema; a table is written to a new one."""
        if isinstance(value, FlyteSchema):
            return value
        handler = SchemaEngine.get_handler(type(value))
        made = self._class_of(t)()
        place = made.remote_path if handler.handles_remote_io else made.local_path
        handler.writer(place, made.columns(), made.format()).write(value)
        return made

    def to_literal(self, ctx: FlyteContext, python_val: Any, python_type: Any, expected: LiteralType) -> Literal:
        literal = Literal()
        literal.scalar.schema.uri = self._schema(python_val, python_type).publish()
        literal.scalar.schema.type.CopyFrom(self.get_literal_type(python_type).schema)
        return literal

    def to_python_value(self, ctx: FlyteContext, lv: Literal, expected_python_type: Any) -> Any:
        scalar = lv.scalar
        if scalar.HasField("schema"):
            return self._received(scalar.schema.uri, expected_python_type)
        if scalar.HasField("structured_dataset"):
            dataset = scalar.structured_dataset
            format = dataset.metadata.structured_dataset_type.format
            if format not in ("", SchemaFormat.PARQUET.value):
                raise wrong_literal(expected_python_type, lv, f"the dataset is in {format}, and a schema is parquet")
            return self._received(dataset.uri, expected_python_type)
        return self.from_plain(plain_of(lv, expected_python_type), expected_python_type)

    def _received(self, uri: str, t: Any) -> FlyteSchema:
        return self._class_of(t)(remote_path=uri, supported_mode=SchemaOpenMode.READ)

    def to_plain(self, value: Any, t: Any) -> Any:
        return {"remote_path": self._schema(value, t).publish()}

    def from_plain(self, data: Any, t: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("remote_path"), str):
            raise mismatch(t, data)
        return self._received(data["remote_path"], t)

    def plain_schema(self, t: Any) -> dict[str, Any]:
        text = {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}
        return {
            "type": "object",
            "title": "FlyteSchema",
            "properties": {"remote_path": text},
            "additionalProperties": False,
        }

    def guess_python_type(self, literal_type: LiteralType) -> type[FlyteSchema]:
        if literal_type.WhichOneof("type") != "schema":
            raise ValueError("not a schema")
        return FlyteSchema.__class_getitem__({c.name: _PYTHON[c.type] for c in literal_type.schema.columns})
