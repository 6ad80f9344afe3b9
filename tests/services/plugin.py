"""The fixtures: `postgres`, `postgres_url`, `mariadb`, `mariadb_url`, `s3`, `s3_bucket`, `azurite`, `slurm`."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.services.azurite import Azurite, azurite_server
from tests.services.mariadb import MariaDB, mariadb_server
from tests.services.postgres import PostgreSQL, postgres_server
from tests.services.s3 import S3, s3_server
from tests.services.share import Pool
from tests.services.slurm import Clusters, slurm_clusters

_POOL = pytest.StashKey[Pool]()


def pytest_configure(config: pytest.Config) -> None:
    # A worker of pytest-xdist uses the servers of the session that started it.
    given: dict[str, Any] = getattr(config, "workerinput", {})
    if "services" in given:
        root, owner = given["services"]
    else:
        root, owner = tempfile.mkdtemp(prefix="hardpoint-services-"), os.getpid()
        os.chmod(root, 0o755)  # a server may run as another user
    config.stash[_POOL] = Pool(Path(root), owner)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    pool = node.config.stash[_POOL]
    node.workerinput["services"] = (str(pool.root), pool.owner)


def pytest_unconfigure(config: pytest.Config) -> None:
    pool = config.stash[_POOL]
    if pool.owner == os.getpid():
        pool.stop()
        shutil.rmtree(pool.root, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> PostgreSQL:
    """A PostgreSQL server."""
    return postgres_server(request.config.stash[_POOL])


@pytest.fixture
def postgres_url(postgres: PostgreSQL) -> Iterator[str]:
    """The URL of an empty database of this test's own, for SQLAlchemy with psycopg 3."""
    import psycopg

    name = f"t{uuid4().hex[:12]}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield postgres.url(name, driver="psycopg")
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def mariadb(request: pytest.FixtureRequest) -> MariaDB:
    """A MariaDB server."""
    return mariadb_server(request.config.stash[_POOL])


@pytest.fixture
def mariadb_url(mariadb: MariaDB) -> Iterator[str]:
    """The URL of an empty database of this test's own, for SQLAlchemy with PyMySQL."""
    import pymysql

    name = f"t{uuid4().hex[:12]}"
    with pymysql.connect(
        host="127.0.0.1", port=mariadb.port, user="test", password="test", autocommit=True
    ) as connection:
        connection.cursor().execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        yield mariadb.url(name)
        connection.cursor().execute(f"DROP DATABASE {name}")


@pytest.fixture(scope="session")
def s3(request: pytest.FixtureRequest) -> S3:
    """An S3 server."""
    return s3_server(request.config.stash[_POOL])


@pytest.fixture
def s3_bucket(s3: S3, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URI of an empty bucket of this test's own; the environment names its server."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    return s3.make_bucket(f"t{uuid4().hex[:12]}")


@pytest.fixture(scope="session")
def azurite(request: pytest.FixtureRequest) -> Azurite:
    """A server of Azure Blob Storage."""
    return azurite_server(request.config.stash[_POOL])


@pytest.fixture(scope="session")
def slurm(request: pytest.FixtureRequest) -> Clusters:
    """Slurm clusters, and SSH to them."""
    return slurm_clusters(request.config.stash[_POOL])
