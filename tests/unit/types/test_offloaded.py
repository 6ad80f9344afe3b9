"""Literals that stand in a file of their own are fetched before they are read."""

from pathlib import Path

import pytest

from hardpoint import task
from hardpoint.errors import TypeTransformerFailedError
from hardpoint.idl import Literal
from hardpoint.tasks.dispatch import dispatch
from hardpoint.types import TypeEngine


def offloaded(path: Path, content: bytes) -> Literal:
    path.write_bytes(content)
    literal = Literal()
    literal.offloaded_metadata.uri = str(path)
    literal.offloaded_metadata.size_bytes = len(content)
    return literal


@task
def total(xs: list[int]) -> int:
    return sum(xs)


def test_a_task_reads_an_offloaded_input(tmp_path: Path) -> None:
    content = TypeEngine.codec(list[int]).encode([1, 2, 3]).SerializeToString()
    literal = offloaded(tmp_path / "xs_offloaded_metadata.pb", content)
    assert TypeEngine.to_python_value(None, literal, list[int]) == [1, 2, 3]
    made = dispatch(total, {"xs": literal})
    assert isinstance(made, dict)
    assert made["o0"].scalar.primitive.integer == 6


def test_a_file_that_holds_no_literal(tmp_path: Path) -> None:
    with pytest.raises(TypeTransformerFailedError, match="should hold an offloaded literal"):
        TypeEngine.codec(int).decode(offloaded(tmp_path / "x.pb", b"\xff\xff\xff"))
