"""A task in whose context decks are made, and markup that would run if anything forgot to escape it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hardpoint.context import ExecutionParameters, FlyteContextManager
from hardpoint.storage import FileAccess

PAYLOAD = "<script>alert('hp')</script><img src=x onerror=alert(1)>"


def harmless(html: str) -> bool:
    """Whether the payload stands in the markup only as text."""
    return "<script>alert" not in html and "<img src=x" not in html


@pytest.fixture
def task(tmp_path: Path) -> Iterator[ExecutionParameters]:
    """The parameters of a running task with decks enabled."""
    params = ExecutionParameters(enable_deck=True, output_metadata_prefix=str(tmp_path / "metadata"))
    with FlyteContextManager.use(params=params, files=FileAccess(str(tmp_path / "raw"))):
        yield params
