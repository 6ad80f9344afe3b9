"""What BigQuery's front end refuses of a request, whatever it asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tests.services.bigquery_sql import Failure

_LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,1024}")

# Fields that a body may have; others are refused, as Google's front end does.
FIELDS: dict[str, frozenset[str]] = {
    "": frozenset({"configuration", "jobReference"}),
    "jobReference": frozenset({"projectId", "jobId", "location"}),
    "configuration": frozenset({"query", "load", "labels", "dryRun", "jobTimeoutMs", "reservation", "maxSlots"}),
    "query": frozenset(
        {
            "query",
            "destinationTable",
            "createDisposition",
            "writeDisposition",
            "defaultDataset",
            "priority",
            "preserveNulls",
            "allowLargeResults",
            "useQueryCache",
            "flattenResults",
            "maximumBillingTier",
            "maximumBytesBilled",
            "useLegacySql",
            "parameterMode",
            "queryParameters",
            "schemaUpdateOptions",
            "timePartitioning",
            "rangePartitioning",
            "clustering",
            "tableDefinitions",
            "createSession",
            "connectionProperties",
            "continuous",
            "destinationEncryptionConfiguration",
            "userDefinedFunctionResources",
            "scriptOptions",
            "writeIncrementalResults",
        }
    ),
    "load": frozenset(
        {
            "destinationTable",
            "createDisposition",
            "writeDisposition",
            "sourceFormat",
            "schema",
            "parquetOptions",
            "timePartitioning",
            "clustering",
            "columnNameCharacterMap",
            "decimalTargetTypes",
            "schemaUpdateOptions",
            "rangePartitioning",
            "maxBadRecords",
            "autodetect",
            "destinationTableProperties",
        }
    ),
    "queryParameter": frozenset({"name", "parameterType", "parameterValue"}),
    "parameterType": frozenset({"type", "arrayType", "structTypes"}),
    "parameterValue": frozenset({"value", "arrayValues", "structValues"}),
}


def check_labels(labels: Mapping[str, str]) -> None:
    for key, value in labels.items():
        if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
            raise Failure("invalid", f"Label {key!r}: {value!r} does not conform to the requirements.")


def check_job_id(id: str) -> None:
    if not _JOB_ID.fullmatch(id):
        raise Failure("invalid", f"Invalid job ID {id!r}.")


def check_fields(kind: str, body: Mapping[str, Any], where: str) -> None:
    for name in body:
        if name not in FIELDS[kind]:
            raise Failure(
                "invalid", f"Invalid JSON payload received. Unknown name \"{name}\" at '{where}': Cannot find field."
            )


def check_parameter(parameter: Mapping[str, Any]) -> None:
    check_fields("queryParameter", parameter, "query_parameters")

    def check_type(kind: Mapping[str, Any]) -> None:
        check_fields("parameterType", kind, "parameter_type")
        if "arrayType" in kind:
            check_type(kind["arrayType"])
        for inner in kind.get("structTypes", ()):
            check_type(inner["type"])

    def check_value(value: Mapping[str, Any]) -> None:
        check_fields("parameterValue", value, "parameter_value")
        for item in (*value.get("arrayValues", ()), *value.get("structValues", {}).values()):
            check_value(item)

    check_type(parameter["parameterType"])
    check_value(parameter.get("parameterValue", {}))
