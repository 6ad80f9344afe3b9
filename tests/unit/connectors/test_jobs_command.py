"""`hardpoint jobs`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from hardpoint.cli.jobs import jobs
from hardpoint.connectors import ConnectorRegistry
from hardpoint.connectors.jobs import Jobs
from hardpoint.connectors.journal import open_journal
from hardpoint.errors import UserError
from tests.unit.connectors.owners import metadata
from tests.unit.connectors.vendor import Finding, Vendor, template


@pytest.fixture
def running(vendor: Vendor) -> Iterator[str]:
    """The key of a job that runs."""
    connector, journal = Finding(), open_journal()
    ConnectorRegistry.register(connector)
    asyncio.run(
        Jobs(journal).create_or_adopt(connector, template(vendor, "vendor_finding"), None, "s3://b", metadata())
    )
    yield vendor.jobs["j0"].token
    journal.close()
    ConnectorRegistry.unregister(connector.task_category)


def told(*words: str) -> str:
    result = CliRunner().invoke(jobs, words, catch_exceptions=False, standalone_mode=False)
    return result.output


def test_jobs_are_listed_until_they_are_cancelled(vendor: Vendor, running: str) -> None:
    [fact] = json.loads(told("list", "--json"))
    assert (fact["key"], fact["type"], fact["state"], fact["node"]) == (running, "vendor_finding_v0", "created", "n0")
    assert running[:12] in told("list")
    assert told("cancel", running[:12]) == f"Cancelled {running}.\n"
    assert vendor.jobs["j0"].state == "KILLED"
    assert told("list") == "No jobs.\n"


def test_a_job_that_is_not_there_is_told(running: str) -> None:
    with pytest.raises(UserError, match="No jobs that have not ended begin with hp-x"):
        told("cancel", "hp-x")
