from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hardpoint.connectors.journal import Journal
from hardpoint.connectors.journal_sqlite import SQLiteJournal
from tests.unit.connectors.vendor import Vendor, running_vendor


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with running_vendor() as running:
        yield running


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = SQLiteJournal(tmp_path / "jobs.sqlite")
    yield opened
    opened.close()
