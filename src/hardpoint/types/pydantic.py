"""Codecs of pydantic (version 2) models: their JSON form as MessagePack, with the model's JSON schema in the literal type."""

from __future__ import annotations

import json
from typing import Any

from hardpoint.errors import TypeTransformerFailedError
from hardpoint.idl import LiteralType
from hardpoint.types.codec import Codec, describe_type, mismatch
from hardpoint.types.dataclass import record_codec
from hardpoint.types.fields import carried_codec
from hardpoint.types.transformer import CodecTransformer, unannotated

__all__ = ["PydanticTransformer"]


class PydanticTransformer(CodecTransformer[Any]):
    """Any subclass of ``pydantic.BaseModel``."""

    def __init__(self) -> None:
        super().__init__("Pydantic Transformer", object)

    def compile(self, t: Any) -> Codec:
        from pydantic import ValidationError
        from pydantic_core import PydanticSerializationError

        model = unannotated(t)
        members: dict[str, LiteralType] = {}
        io = False
        for name, field in model.model_fields.items():
            try:
                codec = carried_codec(field.annotation)
            except TypeTransformerFailedError:
                continue  # pydantic itself carries the field; only attribute access on a promise needs its literal type
            members[name] = codec.literal_type
            io = io or codec.io

        def to_plain(value: Any) -> Any:
            if not isinstance(value, model):
                raise mismatch(t, value)
            try:
                return json.loads(value.model_dump_json())
            except PydanticSerializationError as error:
                raise TypeTransformerFailedError(f"A {describe_type(model)} has no JSON form: {error}") from error

        def from_plain(data: Any) -> Any:
            if not isinstance(data, dict):
                raise mismatch(t, data)
            try:
                return model.model_validate_json(json.dumps(data))
            except (ValidationError, TypeError) as error:
                raise TypeTransformerFailedError(f"The data is not a {describe_type(model)}: {error}") from error

        return record_codec(
            python_type=t,
            name=self.name,
            accepts=lambda value: isinstance(value, model),
            to_plain=to_plain,
            from_plain=from_plain,
            schema=model.model_json_schema,
            members=members,
            io=io,
            transformer=self,
        )
