"""SQLAlchemy's task passes the suite of shim tasks."""

from typing import Any

import pyarrow as pa

from hardpoint import Secret
from hardpoint.integrations.sqlalchemy import SQLAlchemyConfig, SQLAlchemyTask
from hardpoint.integrations.sqlalchemy.problems import DatabaseError
from hardpoint.testing import ShimConformance

TOKEN = Secret(group="db", key="token")


def same(one: Any, other: Any) -> bool:
    return bool(one.open(pa.Table).all().equals(other.open(pa.Table).all()))


class TestQuery(ShimConformance):
    inputs = {"n": 3, "word": "it's", "ids": [1, 2, 3]}
    failing = [({"n": -1, "word": "x", "ids": []}, DatabaseError)]
    equal = staticmethod(same)

    def make_task(self) -> SQLAlchemyTask:
        return SQLAlchemyTask(
            "conformance.query",
            "CREATE TABLE t (a INT CHECK (a > 0), b TEXT);\n"
            "INSERT INTO t VALUES ({{ .inputs.n }}, {{ .inputs.word }});\n"
            "SELECT a, b, ':x  --' AS c FROM t WHERE a IN {{ .inputs.ids }}",
            SQLAlchemyConfig("sqlite://", connect_args={"cached_statements": 7}, chunksize=2),
            inputs={"n": int, "word": str, "ids": list[int]},
        )


class TestSecret(ShimConformance):
    """The name of a database in memory is as secret as a password would be."""

    inputs = {"n": -1}
    failing = [({"n": -(2**63)}, DatabaseError)]
    secrets = [TOKEN]
    equal = staticmethod(same)

    def make_task(self) -> SQLAlchemyTask:
        return SQLAlchemyTask(
            "conformance.secret",
            "SELECT abs({{ .inputs.n }}) AS n",
            SQLAlchemyConfig("sqlite:///file:{secret.name}?mode=memory&uri=true", secret_connect_args={"name": TOKEN}),
            inputs={"n": int},
        )
