"""What executes the SQL of the stand-in for BigQuery: DuckDB, with BigQuery's names, types and values in front of it."""

from __future__ import annotations

import base64
import datetime
import io
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import sqlglot
from sqlglot import exp

Field = dict[str, Any]

# https://cloud.google.com/bigquery/docs/reference/rest/v2/tables#TableFieldSchema
_FROM_DUCKDB = {
    **dict.fromkeys(("bigint", "hugeint", "integer", "smallint", "tinyint", "ubigint", "uinteger"), "INTEGER"),
    **dict.fromkeys(("double", "float"), "FLOAT"),
    **dict.fromkeys(("varchar", "uuid", "enum"), "STRING"),
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "DATETIME",
    "timestamp with time zone": "TIMESTAMP",
    "time": "TIME",
    "blob": "BYTES",
    "decimal": "NUMERIC",
    "interval": "INTERVAL",
}
_TO_DUCKDB = {
    "BIGNUMERIC": "DECIMAL(38, 18)",
    "BOOL": "BOOLEAN",
    "BOOLEAN": "BOOLEAN",
    "BYTES": "BLOB",
    "DATE": "DATE",
    "DATETIME": "TIMESTAMP",
    "FLOAT": "DOUBLE",
    "FLOAT64": "DOUBLE",
    "INT64": "BIGINT",
    "INTEGER": "BIGINT",
    "INTERVAL": "INTERVAL",
    "JSON": "JSON",
    "NUMERIC": "DECIMAL(38, 9)",
    "STRING": "VARCHAR",
    "TIME": "TIME",
    "TIMESTAMP": "TIMESTAMPTZ",
}
_ARROW = {
    "BIGNUMERIC": pa.decimal256(76, 38),
    "BOOLEAN": pa.bool_(),
    "BYTES": pa.binary(),
    "DATE": pa.date32(),
    "DATETIME": pa.timestamp("us"),
    "FLOAT": pa.float64(),
    "INTEGER": pa.int64(),
    "INTERVAL": pa.month_day_nano_interval(),
    "JSON": pa.string(),
    "NUMERIC": pa.decimal128(38, 9),
    "STRING": pa.string(),
    "TIME": pa.time64("us"),
    "TIMESTAMP": pa.timestamp("us", tz="UTC"),
}
_STATEMENTS = {
    exp.Select: "SELECT",
    exp.SetOperation: "SELECT",
    exp.Insert: "INSERT",
    exp.Update: "UPDATE",
    exp.Delete: "DELETE",
    exp.Merge: "MERGE",
    exp.Create: "CREATE_TABLE",
    exp.Drop: "DROP_TABLE",
}
_NAME_V1 = re.compile(r"[^A-Za-z0-9_]")
# https://cloud.google.com/bigquery/docs/schemas#flexible-column-names
_NAME_V2 = re.compile(r"""[!"$()*,./;?@\[\\\]^`{}~]""")


class Failure(Exception):
    """What BigQuery refuses, with its reason."""

    def __init__(self, reason: str, message: str, location: str = "") -> None:
        super().__init__(message)
        self.reason, self.message, self.location = reason, message, location

    @property
    def proto(self) -> dict[str, str]:
        told = {"reason": self.reason, "message": self.message}
        return {**told, "location": self.location} if self.location else told


@dataclass
class Table:
    """What is known of a table beyond its rows."""

    fields: list[Field] | None = None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass
class Outcome:
    """What came of a statement."""

    kind: str
    destination: tuple[str, str, str] | None = None
    changed: int | None = None
    bytes: int = 0


class Warehouse:
    """Projects, datasets and tables. A project is a DuckDB catalog, a dataset a schema of it.

    Attributes:
        skips: How many rows of each file are left out of its table.
    """

    def __init__(self) -> None:
        self._duckdb = duckdb.connect()
        self._lock = threading.Lock()
        self._projects: set[str] = set()
        self.datasets: dict[tuple[str, str], str] = {}
        self.tables: dict[tuple[str, str, str], Table] = {}
        self.skips = 0

    def cursor(self) -> duckdb.DuckDBPyConnection:
        return self._duckdb.cursor()

    def close(self) -> None:
        self._duckdb.close()
        del self._duckdb  # a test that failed is kept by pytest, with its server; DuckDB complains of what outlives it

    # -- datasets and tables -------------------------------------------------------------------------------------------

    def add_dataset(self, project: str, dataset: str, location: str = "US") -> None:
        with self._lock:
            cursor = self.cursor()
            if project not in self._projects:
                cursor.execute(f"ATTACH ':memory:' AS {_quoted(project)}")
                self._projects.add(project)
            cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {_quoted(project, dataset)}")
            self.datasets.setdefault((project, dataset), location)

    def add_table(self, project: str, dataset: str, table: str, rows: pa.Table) -> None:
        """A table that is there already."""
        self.add_dataset(project, dataset)
        cursor = self.cursor()
        cursor.register("given", rows)
        cursor.execute(f"CREATE TABLE {_quoted(project, dataset, table)} AS SELECT * FROM given")
        self.tables[project, dataset, table] = Table()

    def fields(self, table: tuple[str, str, str]) -> list[Field]:
        known = self.tables[table].fields
        if known is not None:
            return known
        described = self.cursor().execute(f"SELECT * FROM {_quoted(*table)} LIMIT 0").description
        return [_field(name, kind) for name, kind, *_ in described or ()]

    def count(self, table: tuple[str, str, str]) -> int:
        row = self.cursor().execute(f"SELECT count(*) FROM {_quoted(*table)}").fetchone()
        assert row is not None
        return int(row[0])

    def size(self, table: tuple[str, str, str]) -> int:
        return self.count(table) * 8 * len(self.fields(table))

    def arrow(self, table: tuple[str, str, str], where: str = "") -> pa.Table:
        """All rows as the Storage API hands them on.

        Raises:
            Failure: the condition cannot be understood.
        """
        fields = self.fields(table)
        condition = ""
        if where:
            try:
                condition = f" WHERE {sqlglot.parse_one(where, read='bigquery').sql(dialect='duckdb')}"
            except sqlglot.errors.ParseError as error:
                raise Failure("invalid", f"Row filter is not supported: {error}") from error
        try:
            rows = self.cursor().sql(f"SELECT * FROM {_quoted(*table)}{condition}").to_arrow_table()
        except duckdb.Error as error:
            raise Failure("invalid", f"Row filter is not supported: {error}") from error
        schema = pa.schema([pa.field(f["name"], arrow_type(f)) for f in fields])
        columns = [_repeated_never_null(rows.column(f["name"]), f).cast(arrow_type(f)) for f in fields]
        return pa.Table.from_arrays(columns, schema=schema)

    def drop(self, table: tuple[str, str, str]) -> None:
        self.cursor().execute(f"DROP TABLE {_quoted(*table)}")
        del self.tables[table]

    # -- statements ----------------------------------------------------------------------------------------------------

    def parse(self, sql: str) -> list[exp.Expression]:
        try:
            return [statement for statement in sqlglot.parse(sql, read="bigquery") if statement is not None]
        except sqlglot.errors.ParseError as error:
            first = error.errors[0] if error.errors else {}
            where = f" at [{first.get('line', 1)}:{first.get('col', 1)}]"
            raise Failure("invalidQuery", f"Syntax error: {first.get('description', error)}{where}", "query") from error

    def kind(self, statement: exp.Expression) -> str:
        return next((name for cls, name in _STATEMENTS.items() if isinstance(statement, cls)), "SELECT")

    def used(self, statement: exp.Expression, project: str, dataset: str = "") -> list[tuple[str, str, str]]:
        """The tables that a statement names and that are there."""
        found = []
        for table in statement.find_all(exp.Table):
            key = (table.catalog or project, table.db or dataset, table.name)
            if key in self.tables:
                found.append(key)
        return found

    def location_of(self, statements: Sequence[exp.Expression], project: str, dataset: str = "") -> str | None:
        """Where the datasets are that statements name."""
        for statement in statements:
            for table in statement.find_all(exp.Table):
                found = self.datasets.get((table.catalog or project, table.db or dataset))
                if found is not None:
                    return found
        return None

    def check_parameters(self, statements: Sequence[exp.Expression], parameters: Mapping[str, Any]) -> None:
        for statement in statements:
            for parameter in statement.find_all(exp.Parameter):
                if parameter.name not in parameters:
                    raise Failure("invalidQuery", f"Query parameter '{parameter.name}' not found", "query")

    def run(
        self,
        cursor: duckdb.DuckDBPyConnection,
        statement: exp.Expression,
        project: str,
        dataset: str,
        parameters: Sequence[Mapping[str, Any]],
        destination: tuple[str, str, str],
        config: Mapping[str, Any],
    ) -> Outcome:
        """Execute one statement. The rows of a query go to `destination`.

        Raises:
            Failure: it cannot be executed.
        """
        given = {p["name"]: (type_name(p["parameterType"]), value_of(p)) for p in parameters}
        kind = self.kind(statement)
        read = sum(self.size(table) for table in self.used(statement, project, dataset))
        text, values = _translated(statement, given)
        try:
            if project in self._projects:
                cursor.execute(f"USE {_quoted(project, dataset) if dataset else _quoted(project)}")
            if kind == "SELECT":
                self._store(cursor, text, values, destination, config)
                return Outcome(kind, destination, bytes=read)
            result = cursor.execute(text, values)
            target = statement.find(exp.Table)
            assert target is not None
            key = (target.catalog or project, target.db or dataset, target.name)
            if isinstance(statement, exp.Create):
                self.tables[key] = Table()
            elif isinstance(statement, exp.Drop):
                self.tables.pop(key, None)
            row = result.fetchone() if kind in ("INSERT", "UPDATE", "DELETE") else None
            return Outcome(kind, key, changed=int(row[0]) if row else None, bytes=read)
        except duckdb.InterruptException:
            raise Failure("stopped", "Job execution was cancelled: User requested cancellation") from None
        except duckdb.CatalogException as error:
            missing = re.search(
                r"Table with name (\S+) does not exist|Schema with name (\S+) does not exist", str(error)
            )
            if missing:
                name = missing[1] or missing[2]
                raise Failure("notFound", f"Not found: Table {project}:{name} was not found", "query") from error
            raise Failure("invalidQuery", str(error), "query") from error
        except duckdb.OutOfRangeException as error:
            raise Failure("invalidQuery", f"Out of range: {error}", "query") from error
        except duckdb.Error as error:
            raise Failure("invalidQuery", str(error), "query") from error

    def _store(
        self,
        cursor: duckdb.DuckDBPyConnection,
        text: str,
        values: dict[str, Any],
        target: tuple[str, str, str],
        config: Mapping[str, Any],
    ) -> None:
        disposition = config.get(
            "writeDisposition", "WRITE_EMPTY" if "destinationTable" in config else "WRITE_TRUNCATE"
        )
        name = _quoted(*target)
        known = target in self.tables
        if target[:2] not in self.datasets:
            raise Failure("notFound", f"Not found: Dataset {target[0]}:{target[1]}")
        if known and disposition == "WRITE_EMPTY" and self.count(target):
            raise Failure("duplicate", f"Already Exists: Table {target[0]}:{target[1]}.{target[2]}")
        if not known and config.get("createDisposition") == "CREATE_NEVER":
            raise Failure("notFound", f"Not found: Table {target[0]}:{target[1]}.{target[2]}")
        if known and disposition == "WRITE_APPEND":
            cursor.execute(f"INSERT INTO {name} {text}", values)
            return
        cursor.execute(f"CREATE OR REPLACE TABLE {name} AS {text}", values)
        described = cursor.execute(f"SELECT * FROM {name} LIMIT 0").description or ()
        for column, kind, *_ in described:
            if str(kind) in ("HUGEINT", "UHUGEINT"):  # sums of integers are integers
                cursor.execute(f"ALTER TABLE {name} ALTER COLUMN {_quoted(column)} TYPE BIGINT")
        self.tables[target] = Table()

    # -- loads ---------------------------------------------------------------------------------------------------------

    def load(self, config: Mapping[str, Any], data: bytes) -> int:
        """Load a parquet file; how many rows it had.

        Raises:
            Failure: it does not fit.
        """
        reference = config["destinationTable"]
        target = (reference["projectId"], reference["datasetId"], reference["tableId"])
        where = f"{target[0]}:{target[1]}"
        if target[:2] not in self.datasets:
            raise Failure("notFound", f"Not found: Dataset {where}")
        if config.get("sourceFormat") != "PARQUET":
            raise Failure("invalid", f"The stand-in loads PARQUET, not {config.get('sourceFormat')}")
        try:
            rows = pq.read_table(io.BytesIO(data))
        except pa.ArrowException as error:
            raise Failure("invalid", f"Error while reading data, error message: {error}") from error
        names = [_column_name(name, config.get("columnNameCharacterMap")) for name in rows.schema.names]
        if len(set(map(str.lower, names))) < len(names):
            raise Failure("invalid", "Duplicate column names (ignoring case).")
        rows = rows.rename_columns(names).slice(0, rows.num_rows - self.skips)
        inferred = bool(config.get("parquetOptions", {}).get("enableListInference"))
        fields = config.get("schema", {}).get("fields") or [field_of(f) for f in rows.schema]
        for given in fields:
            _check_column(given, rows.schema, inferred)
        fits = self.fields(target) if target in self.tables else None
        disposition = config.get("writeDisposition", "WRITE_APPEND")
        if fits is not None and disposition == "WRITE_EMPTY" and self.count(target):
            raise Failure("duplicate", f"Already Exists: Table {where}.{target[2]}")
        if fits is None and config.get("createDisposition") == "CREATE_NEVER":
            raise Failure("notFound", f"Not found: Table {where}.{target[2]}")
        cursor = self.cursor()
        name = _quoted(*target)
        if fits is None or disposition == "WRITE_TRUNCATE":
            columns = ", ".join(f"{_quoted(f['name'])} {duckdb_type(f)}" for f in fields)
            cursor.execute(f"CREATE OR REPLACE TABLE {name} ({columns})")
            facts = {key: config[key] for key in ("timePartitioning", "clustering") if key in config}
            self.tables[target] = Table(list(fields), facts)
        else:
            allowed = {f["name"]: _kind(f) for f in fits}
            for given in fields:
                if allowed.get(given["name"]) != _kind(given):
                    raise Failure(
                        "invalid",
                        f"Provided Schema does not match Table {where}.{target[2]}. Field {given['name']} has changed "
                        f"type from {allowed.get(given['name'])} to {_kind(given)}",
                    )
        columns = [_repeated_never_null(rows.column(f["name"]), f) for f in fields]
        cursor.register("uploaded", pa.table(dict(zip((f["name"] for f in fields), columns, strict=True))))
        cursor.execute(f"INSERT INTO {name} BY NAME SELECT * FROM uploaded")
        return int(rows.num_rows)


# -- names and types ---------------------------------------------------------------------------------------------------


def _quoted(*names: str) -> str:
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def _column_name(name: str, characters: str | None) -> str:
    return _NAME_V2.sub("_", name) if characters == "V2" else _NAME_V1.sub("_", name)


def _kind(f: Field) -> tuple[str, bool]:
    return _LEGACY.get(f["type"], f["type"]), f.get("mode") == "REPEATED"


_LEGACY = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN", "STRUCT": "RECORD"}


def _field(name: str, kind: Any) -> Field:
    """A field of BigQuery's schema, of a type of DuckDB's."""
    if kind.id == "list":
        return {**_field(name, kind.children[0][1]), "mode": "REPEATED"}
    if kind.id == "struct":
        inner = [_field(n, k) for n, k in kind.children]
        return {"name": name, "type": "RECORD", "mode": "NULLABLE", "fields": inner}
    told = "JSON" if str(kind) == "JSON" else _FROM_DUCKDB[kind.id]
    return {"name": name, "type": told, "mode": "NULLABLE"}


def duckdb_type(f: Field) -> str:
    if f["type"] in ("RECORD", "STRUCT"):
        inner = ", ".join(f"{_quoted(g['name'])} {duckdb_type(g)}" for g in f["fields"])
        base = f"STRUCT({inner})"
    else:
        base = _TO_DUCKDB[f["type"]]
    return f"{base}[]" if f.get("mode") == "REPEATED" else base


def arrow_type(f: Field) -> pa.DataType:
    kind = _LEGACY.get(f["type"], f["type"])
    base = pa.struct([(g["name"], arrow_type(g)) for g in f["fields"]]) if kind == "RECORD" else _ARROW[kind]
    return pa.list_(base) if f.get("mode") == "REPEATED" else base


def field_of(f: pa.Field) -> Field:
    """The field that BigQuery takes a parquet file's column for."""
    t = f.type
    if pa.types.is_list(t) or pa.types.is_large_list(t):
        return {**field_of(pa.field(f.name, t.value_type)), "mode": "REPEATED"}
    if pa.types.is_struct(t):
        return {"name": f.name, "type": "RECORD", "mode": "NULLABLE", "fields": [field_of(g) for g in t]}
    return {"name": f.name, "type": _read_as(t)[0], "mode": "NULLABLE"}


def _read_as(t: pa.DataType) -> tuple[str, ...]:
    """What a parquet column can be loaded as; first what it is without a schema."""
    if pa.types.is_integer(t):
        return ("INTEGER",)
    if pa.types.is_floating(t):
        return ("FLOAT",)
    if pa.types.is_boolean(t):
        return ("BOOLEAN",)
    if pa.types.is_date(t):
        return ("DATE",)
    if pa.types.is_time(t):
        return ("TIME",)
    if pa.types.is_timestamp(t):
        return ("TIMESTAMP", "DATETIME")
    if pa.types.is_decimal(t):
        return ("NUMERIC", "BIGNUMERIC")
    if pa.types.is_string(t) or pa.types.is_large_string(t) or pa.types.is_dictionary(t):
        return ("STRING", "JSON")
    if pa.types.is_binary(t) or pa.types.is_large_binary(t):
        return ("BYTES", "STRING")
    raise Failure("invalid", f"The stand-in does not know the parquet type {t}")


def _check_column(f: Field, schema: pa.Schema | pa.StructType, inferred: bool) -> None:
    kind, repeated = _kind(f)
    t = schema.field(f["name"]).type
    if repeated:
        if not inferred:
            raise Failure("invalid", f"Provided schema is not compatible with the file. Field {f['name']} is a list.")
        t = t.value_type
    if kind == "RECORD":
        for inner in f["fields"]:
            _check_column(inner, t, inferred)
    elif kind not in _read_as(t):
        raise Failure(
            "invalid", f"Field '{f['name']}' is specified as {kind} in provided schema which does not match {t}"
        )


def _repeated_never_null(column: pa.ChunkedArray, f: Field) -> pa.ChunkedArray:
    """An array that is NULL is stored as an empty one."""
    if f.get("mode") != "REPEATED" or not column.null_count:
        return column
    return pc.fill_null(column, pa.scalar([], column.type))


# -- parameters and values ---------------------------------------------------------------------------------------------


def type_name(kind: Mapping[str, Any]) -> str:
    """The DuckDB type of a query parameter's type.

    Raises:
        Failure: BigQuery has no such type.
    """
    if kind["type"] == "ARRAY":
        if kind["arrayType"]["type"] == "ARRAY":
            raise Failure("invalid", "ARRAY of ARRAY is not a type")
        return f"{type_name(kind['arrayType'])}[]"
    if kind["type"] == "STRUCT":
        inner = (f"{_quoted(f['name'])} {type_name(f['type'])}" for f in kind["structTypes"])
        return f"STRUCT({', '.join(inner)})"
    try:
        return _TO_DUCKDB[kind["type"]]
    except KeyError:
        raise Failure("invalid", f"Invalid parameter type {kind['type']}") from None


_INTERVAL = re.compile(r"(-?)(\d+)-(\d+) (-?\d+) (-?)(\d+):(\d+):(\d+)(\.\d+)?")
_SCALARS: dict[str, re.Pattern[str]] = {
    "INT64": re.compile(r"-?\d+"),
    "BOOL": re.compile(r"true|false", re.IGNORECASE),
    "DATE": re.compile(r"\d{4}-\d\d-\d\d"),
    "DATETIME": re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,6})?"),
    "TIME": re.compile(r"\d\d:\d\d:\d\d(\.\d{1,6})?"),
    "TIMESTAMP": re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,6})?([+-]\d\d:\d\d|Z| UTC)"),
    "NUMERIC": re.compile(r"-?\d{1,29}(\.\d{1,9})?"),
    "BIGNUMERIC": re.compile(r"-?\d{1,39}(\.\d{1,38})?"),
    "INTERVAL": _INTERVAL,
}


def value_of(parameter: Mapping[str, Any]) -> Any:
    """The value of a query parameter.

    Raises:
        Failure: it is not written as its type is.
    """
    return _value(parameter["parameterType"], parameter.get("parameterValue", {}), parameter["name"])


def _value(kind: Mapping[str, Any], value: Mapping[str, Any], name: str) -> Any:
    if kind["type"] == "ARRAY":
        if "arrayValues" not in value:
            return None
        return [_value(kind["arrayType"], item, name) for item in value["arrayValues"]]
    if kind["type"] == "STRUCT":
        given = value.get("structValues")
        if given is None:
            return None
        return {f["name"]: _value(f["type"], given[f["name"]], name) for f in kind["structTypes"]}
    text = value.get("value")
    if text is None:
        return None
    pattern = _SCALARS.get(kind["type"])
    if not isinstance(text, str) or (pattern is not None and pattern.fullmatch(text) is None):
        raise Failure("invalid", f"Invalid value for {kind['type']} parameter '{name}': {text!r}")
    return _scalar(kind["type"], text)


def _scalar(kind: str, text: str) -> Any:
    if kind == "INT64":
        return int(text)
    if kind == "FLOAT64":
        return float(text)
    if kind == "BOOL":
        return text.lower() == "true"
    if kind == "BYTES":
        return base64.b64decode(text, validate=True)
    if kind == "DATE":
        return datetime.date.fromisoformat(text)
    if kind in ("DATETIME", "TIMESTAMP"):
        return datetime.datetime.fromisoformat(text.replace(" UTC", "+00:00"))
    if kind == "TIME":
        return datetime.time.fromisoformat(text)
    if kind in ("NUMERIC", "BIGNUMERIC"):
        return Decimal(text)
    if kind == "INTERVAL":
        match = _INTERVAL.fullmatch(text)
        assert match is not None
        clock = datetime.timedelta(
            hours=int(match[6]), minutes=int(match[7]), seconds=float(match[8] + (match[9] or ""))
        )
        return datetime.timedelta(days=int(match[4])) + (-clock if match[5] else clock)
    return text


def value_set(statement: exp.Expression) -> exp.Expression:
    """The query that works out what a variable is set to."""
    assignment = statement.find(exp.EQ)
    if assignment is None:
        raise Failure("invalidQuery", f"The stand-in cannot execute {statement.sql()}", "query")
    return exp.select(exp.alias_(assignment.expression.copy(), "f0_"))


def _translated(statement: exp.Expression, given: Mapping[str, tuple[str, Any]]) -> tuple[str, dict[str, Any]]:
    """The statement in DuckDB's dialect, each parameter cast to its type."""
    used: dict[str, Any] = {}

    def change(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Parameter):
            kind, value = given[node.name]
            used[node.name] = value
            cast = exp.Cast(this=exp.Placeholder(this=node.name), to=exp.DataType.build(kind, dialect="duckdb"))
            return exp.Paren(this=cast)
        if isinstance(node, exp.DataType) and node.is_type("decimal") and not node.expressions:
            return exp.DataType.build("DECIMAL(38, 9)", dialect="duckdb")
        return node

    tree = statement.copy()
    if isinstance(tree, exp.Select):
        unnamed = [e for e in tree.expressions if not e.alias_or_name and not e.is_star]
        for number, expression in enumerate(unnamed):
            expression.replace(exp.alias_(expression.copy(), f"f{number}_", quoted=True))
    return tree.transform(change).sql(dialect="duckdb"), used


def rows_of(table: pa.Table, fields: Iterable[Field], micros: bool) -> list[dict[str, Any]]:
    """Rows as the REST API writes them."""
    columns = [[_cell(f, value, micros) for value in table.column(f["name"]).to_pylist()] for f in fields]
    return [{"f": [{"v": cell} for cell in row]} for row in zip(*columns, strict=True)]


def _interval_text(value: Any) -> str:
    """As BigQuery writes it, each part with its sign: ``1-2 3 4:5:6.789``."""
    years, months = divmod(abs(value.months), 12)
    seconds, nanos = divmod(abs(value.nanoseconds), 10**9)
    fraction = f".{nanos // 1000:06d}".rstrip("0") if nanos else ""
    signs = ["-" if part < 0 else "" for part in (value.months, value.nanoseconds)]
    clock = f"{seconds // 3600}:{seconds // 60 % 60}:{seconds % 60}{fraction}"
    return f"{signs[0]}{years}-{months} {value.days} {signs[1]}{clock}"


def _cell(f: Field, value: Any, micros: bool) -> Any:
    if f.get("mode") == "REPEATED":
        single = {**f, "mode": "NULLABLE"}
        return [{"v": _cell(single, item, micros)} for item in value or ()]
    kind = _LEGACY.get(f["type"], f["type"])
    if value is None:
        return None
    if kind == "RECORD":
        return {"f": [{"v": _cell(g, value[g["name"]], micros)} for g in f["fields"]]}
    if kind == "BOOLEAN":
        return str(value).lower()
    if kind == "BYTES":
        return base64.b64encode(value).decode()
    if kind == "FLOAT":
        return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(repr(value), repr(value))
    if kind == "DATETIME":
        return value.isoformat()
    if kind == "TIMESTAMP":
        since = value - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
        whole = since // datetime.timedelta(microseconds=1)
        return str(whole) if micros else repr(whole / 1e6)
    if kind in ("NUMERIC", "BIGNUMERIC"):
        return f"{value.normalize():f}"
    if kind == "INTERVAL":
        return _interval_text(value)
    return str(value)
