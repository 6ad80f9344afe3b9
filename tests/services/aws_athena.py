"""A stand-in for Amazon Athena: its API on 127.0.0.1, with DuckDB for an engine and an S3 server for results."""

from __future__ import annotations

import re
import tempfile
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import sqlglot
from sqlglot.tokens import TokenType

from tests.services.aws import REGION, AwsStandIn, Job, Refusal
from tests.services.s3 import S3

_UNLOAD = re.compile(r"UNLOAD \((.*)\) TO '((?:[^']|'')*)' WITH \(format = 'PARQUET'\)", re.DOTALL)


class AthenaStandIn(AwsStandIn):
    """Athena.

    Args:
        s3: Where results go.
        tables: SQL for DuckDB that makes the tables there are.
        polls: As for every stand-in.

    Attributes:
        page: How many executions a page of the list has.
    """

    services = ("athena",)
    final = frozenset(("SUCCEEDED", "FAILED", "CANCELLED"))

    def __init__(self, s3: S3, tables: str = "", polls: int | None = None) -> None:
        super().__init__(polls)
        self.s3, self.tables = s3, tables
        self.tokens: dict[str, str] = {}
        self.page = 50

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "AWS_ENDPOINT_URL": self.s3.endpoint}

    # -- the API -------------------------------------------------------------------------------------------------------

    def do_StartQueryExecution(self, asked: dict[str, Any]) -> dict[str, Any]:
        token = asked["ClientRequestToken"]
        if not 32 <= len(token) <= 128:
            raise Refusal("InvalidRequestException", "clientRequestToken should have 32 to 128 characters")
        if any(not 1 <= len(text) <= 1024 for text in asked.get("ExecutionParameters", ())):
            raise Refusal("InvalidRequestException", "Member must have length less than or equal to 1024")
        if token in self.tokens:
            known = self.jobs[self.tokens[token]]
            if known.parameters != asked:
                raise Refusal("InvalidRequestException", "Idempotent parameters do not match")
            return {"QueryExecutionId": known.id}
        if asked.get("WorkGroup", "primary") not in ("primary", "analysts"):
            raise Refusal("InvalidRequestException", f"WorkGroup {asked['WorkGroup']} is not found.")
        job = Job(str(uuid.uuid4()), asked, "QUEUED")
        self.jobs[job.id] = job
        self.tokens[token] = job.id
        return {"QueryExecutionId": job.id}

    def do_GetQueryExecution(self, asked: dict[str, Any]) -> dict[str, Any]:
        job = self._known(asked["QueryExecutionId"])
        self.looked(job)
        return {"QueryExecution": self._told(job)}

    def do_BatchGetQueryExecution(self, asked: dict[str, Any]) -> dict[str, Any]:
        ids = asked["QueryExecutionIds"]
        if not 1 <= len(ids) <= 50:
            raise Refusal("InvalidRequestException", "queryExecutionIds should have 1 to 50 members")
        known = [self.jobs[id] for id in dict.fromkeys(ids) if id in self.jobs and id not in self.forgotten]
        for job in known:
            self.looked(job)
        missing = [{"QueryExecutionId": id, "ErrorCode": "NOT_FOUND"} for id in ids if id not in self.jobs]
        return {
            "QueryExecutions": [self._told(job) for job in reversed(known)],  # in no order that is promised
            "UnprocessedQueryExecutionIds": missing,
        }

    def do_ListQueryExecutions(self, asked: dict[str, Any]) -> dict[str, Any]:
        group = asked.get("WorkGroup", "primary")
        ids = [
            job.id
            for job in reversed(self.jobs.values())
            if job.parameters.get("WorkGroup", "primary") == group and job.id not in self.forgotten
        ]
        start = int(asked.get("NextToken", 0))
        end = start + min(asked.get("MaxResults", 50), self.page)
        told: dict[str, Any] = {"QueryExecutionIds": ids[start:end]}
        if end < len(ids):
            told["NextToken"] = str(end)
        return told

    def do_StopQueryExecution(self, asked: dict[str, Any]) -> None:
        job = self._known(asked["QueryExecutionId"])
        if job.state not in self.final:
            job.state, job.reason = "CANCELLED", "Query cancelled by user"

    def _known(self, id: str) -> Job:
        if id not in self.jobs or id in self.forgotten:
            raise Refusal("InvalidRequestException", f"QueryExecution {id} was not found")
        return self.jobs[id]

    def _told(self, job: Job) -> dict[str, Any]:
        status: dict[str, Any] = {"State": job.state, "SubmissionDateTime": datetime.now(UTC)}
        if job.reason:
            status["StateChangeReason"] = job.reason
        if "error" in job.facts:
            status["AthenaError"] = job.facts["error"]
        folder = job.parameters.get("ResultConfiguration", {}).get("OutputLocation", "s3://of-the-workgroup/")
        return {
            "QueryExecutionId": job.id,
            "Query": job.parameters["QueryString"],
            "StatementType": "DML",
            "ResultConfiguration": {"OutputLocation": f"{folder}{job.id}.csv"},
            "Status": status,
            "Statistics": {"DataScannedInBytes": 1024, "TotalExecutionTimeInMillis": 7},
            "WorkGroup": job.parameters.get("WorkGroup", "primary"),
        }

    # -- the engine ----------------------------------------------------------------------------------------------------

    def end(self, job: str, ok: bool = True, *, retryable: bool = False) -> None:
        with self.lock:
            found = self.jobs[job]
            if not ok:
                self._fail(found, "Query exhausted resources at this scale factor", retryable)
                return
            try:
                self._run(found)
            except (duckdb.Error, sqlglot.errors.SqlglotError) as error:
                self._fail(found, f"SYNTAX_ERROR: {error}", False)
            else:
                found.state = "SUCCEEDED"

    @staticmethod
    def _fail(job: Job, words: str, retryable: bool) -> None:
        job.state, job.reason = "FAILED", words
        job.facts["error"] = {"ErrorCategory": 2, "ErrorType": 1, "Retryable": retryable, "ErrorMessage": words}

    def _run(self, job: Job) -> None:
        statement = job.parameters["QueryString"]
        unload = _UNLOAD.fullmatch(statement)
        query = unload[1] if unload else statement
        bound = _bound(query, job.parameters.get("ExecutionParameters", ()))
        with tempfile.TemporaryDirectory() as folder, duckdb.connect() as engine:
            engine.execute(self.tables)
            table = engine.sql(bound).to_arrow_table()
            engine.register("result", table)
            file = Path(folder, "file")
            if unload:
                if table.num_rows:  # of nothing, nothing is written
                    engine.execute(f"COPY result TO '{file}' (FORMAT parquet)")
                    self._put(f"{unload[2].replace(chr(39) * 2, chr(39))}20260101_000000_00001_{uuid.uuid4()}", file)
            else:
                engine.execute(f"COPY result TO '{file}' (FORMAT csv, FORCE_QUOTE *)")
                self._put(f"{job.parameters['ResultConfiguration']['OutputLocation']}{job.id}.csv", file)

    def _put(self, uri: str, file: Path) -> None:
        import boto3

        s3 = boto3.client(
            "s3",
            endpoint_url=self.s3.endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        s3.put_object(Bucket=urlsplit(uri).netloc, Key=urlsplit(uri).path[1:], Body=file.read_bytes())


def _bound(query: str, given: Sequence[str]) -> str:
    """A query of Athena's with expressions in the places of its parameters, in DuckDB's SQL."""
    places = [token for token in sqlglot.tokenize(query, read="trino") if token.token_type is TokenType.PLACEHOLDER]
    if len(places) != len(given):
        raise duckdb.InvalidInputException(
            f"Incorrect number of parameters: expected {len(places)} but found {len(given)}"
        )
    for place, text in reversed(list(zip(places, given, strict=True))):
        sqlglot.parse_one(text, read="trino")  # each is one expression, and nothing more
        query = f"{query[: place.start]}{text}{query[place.end + 1 :]}"
    return sqlglot.transpile(query, read="trino", write="duckdb")[0]
