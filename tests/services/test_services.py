"""The servers that other tests rely on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from tests.services.plugin import PostgreSQL
from tests.services.s3 import S3
from tests.services.share import missing


def test_a_database_of_ones_own(postgres: PostgreSQL, postgres_url: str) -> None:
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        connection.execute("CREATE TABLE t AS SELECT generate_series(1, 3) AS n")
        assert connection.execute("SELECT sum(n) FROM t").fetchone() == (6,)
    assert f":{postgres.port}/" in postgres_url


def test_a_bucket_of_ones_own(s3_bucket: str) -> None:
    import boto3

    client = boto3.client("s3")
    bucket = s3_bucket.removeprefix("s3://")
    client.put_object(Bucket=bucket, Key="k", Body=b"v")
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"v"


def test_one_server_a_session(s3: S3, request: pytest.FixtureRequest) -> None:
    from tests.services.plugin import _POOL
    from tests.services.s3 import s3_server

    assert s3_server(request.config.stash[_POOL]) == s3


def test_a_missing_server_fails_in_ci_and_skips_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt-get install --no-install-recommends slurm"):
        missing("Slurm", "slurm")
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="Slurm is not installed"):
        missing("Slurm", "slurm")


@pytest.mark.parametrize("end", ["told", "orphaned"])
def test_a_server_ends_with_its_session(tmp_path: Path, end: str) -> None:
    record, began = tmp_path / "record", tmp_path / "began"
    record.touch()
    owner = subprocess.Popen(["sleep", "60"])
    keeper = Path(__file__).with_name("keeper.py")
    server = f"import os, pathlib, time; pathlib.Path({str(began)!r}).write_text(str(os.getpid())); time.sleep(60)"
    process = subprocess.Popen(
        [sys.executable, str(keeper), str(owner.pid), str(record), "", sys.executable, "-c", server],
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 30
    while not (began.exists() and began.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    if end == "told":
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    owner.kill()
    owner.wait()
    assert process.wait(30) == 0
    assert not record.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(began.read_text()), 0)
