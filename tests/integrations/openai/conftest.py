from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from hardpoint.testing import CANARY
from tests.integrations.openai.server import FakeOpenAI, running_openai


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connectors' key is there, and nothing of the developer's own account."""
    for name in [name for name in os.environ if name.startswith("OPENAI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("_FSEC_FLYTE_OPENAI_API_KEY", CANARY)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOpenAI]:
    """The service, where the environment says that OpenAI is. Its batches go on whenever somebody looks."""
    with running_openai(auto=True) as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.url)
        yield running
