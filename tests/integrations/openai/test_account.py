"""Clients of OpenAI's API."""

from __future__ import annotations

import gc
import weakref

from hardpoint.integrations.openai import account
from hardpoint.integrations.openai.account import Account
from hardpoint.testing import CANARY
from tests.integrations.openai.server import FakeOpenAI


def test_a_client_that_nobody_has_closes_its_connections(service: FakeOpenAI) -> None:
    made = Account().client(CANARY)
    assert Account().client(CANARY) is made
    assert not list(made.batches.list())
    dropped = weakref.ref(made)
    del made
    account._client.cache_clear()
    gc.collect()  # a connection that is left open is an error of this test
    assert dropped() is None
