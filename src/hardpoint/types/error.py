"""`FlyteError`: what went wrong, as the handler of a failed workflow receives it.

Wire facts: flyteidl/core/types.proto (`Error`).
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any, Self

from hardpoint.context import FlyteContext
from hardpoint.idl import Literal, LiteralType, SimpleType, simple
from hardpoint.types.codec import mismatch, wrong_literal
from hardpoint.types.transformer import TypeTransformer, plain_of, unannotated

__all__ = ["ErrorTransformer", "FlyteError"]


@dataclass
class FlyteError:
    """An error of a workflow, for the task that ``on_failure`` names: it receives one as its input ``err``.

    Args:
        message: What failed.
        failed_node_id: Id of the node that failed; empty if none is known.
    """

    message: str
    failed_node_id: str = ""

    @classmethod
    def from_exception(cls, error: BaseException, failed_node_id: str = "") -> Self:
        """An exception, with its notes, as an error of a workflow."""
        lines = [f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())]
        return cls(message="\n".join(lines), failed_node_id=failed_node_id)


class ErrorTransformer(TypeTransformer[FlyteError]):
    """`FlyteError` and its subclasses; on the wire these are the same."""

    io = False

    def __init__(self) -> None:
        super().__init__("FlyteError", FlyteError)

    def get_literal_type(self, t: Any) -> LiteralType:
        return simple(SimpleType.ERROR)

    def to_literal(self, ctx: FlyteContext, python_val: Any, python_type: Any, expected: LiteralType) -> Literal:
        literal = Literal()
        literal.scalar.error.message = python_val.message
        literal.scalar.error.failed_node_id = python_val.failed_node_id
        return literal

    def to_python_value(self, ctx: FlyteContext, lv: Literal, expected_python_type: Any) -> Any:
        if not lv.scalar.HasField("error"):
            if not lv.scalar.HasField("binary") and not lv.scalar.HasField("generic"):
                raise wrong_literal(expected_python_type, lv)
            return self.from_plain(plain_of(lv, expected_python_type), expected_python_type)
        error = lv.scalar.error
        return unannotated(expected_python_type)(message=error.message, failed_node_id=error.failed_node_id)

    def to_plain(self, value: Any, t: Any) -> Any:
        self.assert_type(t, value)
        return {"message": value.message, "failed_node_id": value.failed_node_id}

    def from_plain(self, data: Any, t: Any) -> Any:
        if not isinstance(data, dict):
            raise mismatch(t, data)
        return unannotated(t)(message=data.get("message", ""), failed_node_id=data.get("failed_node_id", ""))

    def plain_schema(self, t: Any) -> dict[str, Any]:
        text = {"type": "string"}
        return {
            "type": "object",
            "title": "FlyteError",
            "properties": {"message": text, "failed_node_id": text},
            "required": ["message", "failed_node_id"],
            "additionalProperties": False,
        }

    def to_html(self, ctx: FlyteContext, python_val: Any, expected_python_type: Any) -> str:
        where = f"<p>Node {html.escape(python_val.failed_node_id)}</p>" if python_val.failed_node_id else ""
        return f"{where}<pre>{html.escape(python_val.message)}</pre>"

    def guess_python_type(self, literal_type: LiteralType) -> type[FlyteError]:
        if literal_type.WhichOneof("type") == "simple" and literal_type.simple == SimpleType.ERROR:
            return FlyteError
        raise ValueError("not an error")
