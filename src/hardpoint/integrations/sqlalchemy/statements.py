"""A query template as statements with bound parameters. No value of an input becomes part of a statement's text."""

from __future__ import annotations

import datetime
import enum
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hardpoint.errors import UserError
from hardpoint.tasks.sql import InputReference, bind_query, parse_query

if TYPE_CHECKING:
    import sqlalchemy

__all__ = ["Statement", "split"]

_STANDARD = (r"--[^\n]*|/\*.*?\*/", r"'(?:[^']|'')*'|\b[eE]'(?:[^'\\]|''|\\.)*'")
# In MySQL a backslash escapes, and # begins a comment. https://dev.mysql.com/doc/refman/8.4/en/string-literals.html
_MYSQL = (rf"{_STANDARD[0]}|\#[^\n]*", r"'(?:[^'\\]|''|\\.)*'")


def _tokens(comment: str, string: str) -> re.Pattern[str]:
    return re.compile(
        rf"""(?P<comment>{comment})|(?P<quoted>{string}|"(?:[^"]|"")*"|`[^`]*`|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)"""
        r"|(?P<end>;)|(?P<reference>{{.*?}})|(?P<word>\w+)|(?P<blank>\s+)|.",
        re.DOTALL,
    )


_TOKEN, _TOKEN_MYSQL = _tokens(*_STANDARD), _tokens(*_MYSQL)
_BODY = {"TRIGGER", "FUNCTION", "PROCEDURE"}
"""What is created with a body, whose semicolons do not end the statement."""
_HEAD_WORDS = 6  # CREATE OR REPLACE TEMPORARY CONSTRAINT TRIGGER
_INNER_ENDS = {"IF", "LOOP", "WHILE", "REPEAT", "FOR"}
_CURSOR = {"SELECT", "VALUES", "TABLE", "WITH"}
_NO_CURSOR = {"INSERT", "UPDATE", "DELETE", "MERGE", "INTO"}


@dataclass
class Statement:
    """One statement.

    Attributes:
        parts: Its text and the places of inputs.
        words: Its words, upper-cased, without those in strings and comments.
    """

    parts: list[str | InputReference] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def closed(self, text: str) -> Statement:
        """This statement with its last text; without any part if there is nothing but blanks and comments."""
        if text:
            self.parts.append(text)
        if not self.words and all(isinstance(part, str) for part in self.parts):
            self.parts.clear()
        return self

    @property
    def streams(self) -> bool:
        """Whether a cursor of the database can be declared for it; not if it changes anything."""
        return bool(self.words) and self.words[0] in _CURSOR and not _NO_CURSOR.intersection(self.words)

    def bind(self, inputs: Mapping[str, Any], dialect: str) -> sqlalchemy.TextClause:
        """The statement with its values as parameters; a list after IN is one parameter for each of its elements.

        Args:
            inputs: Values of the inputs.
            dialect: SQLAlchemy's name of the database.
        """
        from sqlalchemy import bindparam, text

        written: list[str] = []
        parameters: list[Any] = []
        parts = list(self.parts)
        for index, part in enumerate(parts):
            if isinstance(part, str):
                written.append(part.replace(":", r"\:"))  # a colon of the user's is a colon
                continue
            value = inputs[part.name]
            name = f"{part.name}_{index}"
            expands = isinstance(value, list | tuple) and _follows_in(parts, index)
            if expands and written[-1].rstrip().endswith("("):
                # SQLAlchemy writes the parentheses.
                written[-1] = written[-1].rstrip()[:-1]
                parts[index + 1] = str(parts[index + 1]).lstrip()[1:]
            values = [_plain(v, dialect) for v in value] if isinstance(value, list | tuple) else _plain(value, dialect)
            parameters.append(bindparam(name, values, type_=_type(values, dialect), expanding=expands))
            written.append(f" :{name} ")
        return text("".join(written)).bindparams(*parameters)


def _follows_in(parts: list[str | InputReference], index: int) -> bool:
    before = parts[index - 1] if index else ""
    after = parts[index + 1] if index + 1 < len(parts) else ""
    if not isinstance(before, str):
        return False
    if re.search(r"\bIN\s*$", before, re.IGNORECASE):
        return True
    return (
        re.search(r"\bIN\s*\(\s*$", before, re.IGNORECASE) is not None
        and isinstance(after, str)
        and after.lstrip().startswith(")")
    )


# SQLite's functions take text without a zone as UTC; the drivers of MySQL would drop the zone and keep the hours.
_ZONELESS = ("sqlite", "mysql", "mariadb")


def _plain(value: Any, dialect: str) -> Any:
    """A value as the driver knows it."""
    if isinstance(value, enum.Enum):
        return value.value
    if dialect in _ZONELESS and isinstance(value, datetime.datetime) and value.tzinfo is not None:
        return value.astimezone(datetime.UTC).replace(tzinfo=None)
    return value


def _type(value: Any, dialect: str) -> Any:
    """SQLAlchemy's type for what the driver has none for. All else is the driver's, which leaves types to the database."""
    from sqlalchemy import types

    one = value[0] if isinstance(value, list) and value else value
    if dialect == "sqlite":
        if isinstance(one, datetime.datetime):
            return types.DateTime()
        if isinstance(one, datetime.date):
            return types.Date()
        if isinstance(one, datetime.time):
            return types.Time()
    return types.NullType()


def split(query: str, inputs: Mapping[str, Any], database: str = "") -> list[Statement]:
    """The statements of a query template.

    Args:
        query: The template.
        inputs: Values of the inputs.
        database: What its URL begins with, since MySQL has strings and comments of its own kinds.

    Raises:
        FlyteValidationException: the query names an input that there is not, or does not use one that there is.
        UserError: there is no statement, or an input is inside of a longer string.
    """
    pattern = _TOKEN_MYSQL if database.startswith(("mysql", "mariadb")) else _TOKEN
    found = [statement for statement in _statements(query, pattern) if statement.parts]
    bind_query([part for statement in found for part in statement.parts], inputs, "")
    if not found:
        raise UserError("The query holds no statement.", remedy="Write at least one statement.")
    return found


def _statements(query: str, tokens: re.Pattern[str]) -> Iterator[Statement]:
    """What is between semicolons, except for those in strings, in comments and in the bodies of triggers and functions."""
    statement, text, depth = Statement(), "", 0
    for match in tokens.finditer(query):
        kind, token = match.lastgroup, match[0]
        reference = _reference(token) if kind in ("reference", "quoted") else None
        if reference is not None:
            statement.parts += [text, reference] if text else [reference]
            text = ""
        elif kind == "end" and depth == 0:
            yield statement.closed(text)
            statement, text = Statement(), ""
        else:
            text += token
            if kind == "word":
                depth = max(depth + _opened(statement.words, token.upper(), query[match.end() :]), 0)
                statement.words.append(token.upper())
    yield statement.closed(text)


def _opened(words: list[str], word: str, rest: str) -> int:
    """By how much a word changes the depth within a body, after these words and before this rest of the text."""
    if not words or words[0] != "CREATE" or _BODY.isdisjoint(words[:_HEAD_WORDS]):
        return 0
    if word == "END":
        following = re.match(r"\s*(\w+)", rest)
        return 0 if following is not None and following[1].upper() in _INNER_ENDS else -1
    return int(word in ("BEGIN", "CASE") and words[-1] != "END")


def _reference(token: str) -> InputReference | None:
    """The input that a token stands for: by itself, or as the whole of a string, as whoever spliced text had to write it.

    Raises:
        UserError: the input is a part of a string.
    """
    quoted = token[0] == "'"
    parts = parse_query(token[1:-1] if quoted else token)
    references = [part for part in parts if isinstance(part, InputReference)]
    if not references:
        return None
    if len(parts) == 1:
        return references[0]
    name = references[0].name
    raise UserError(
        f"The input {name!r} is inside of {token[:80]}, where nothing can be bound.",
        remedy=f"Put the text together in SQL: 'text' || {{{{ .inputs.{name} }}}}.",
    )
