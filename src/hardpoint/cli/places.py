"""Files, folders and tables, which are handed on by path or URI; nothing of them is read here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hardpoint import idl
from hardpoint.cli.form import Form, Misfit
from hardpoint.errors import UserError
from hardpoint.idl import BlobType, Literal, LiteralType
from hardpoint.storage import uris
from hardpoint.types.codec import Codec, describe_type, describe_value

__all__ = ["blob", "table"]


def _place(text: str, expected: str, kinds: tuple[str, ...]) -> str:
    """A URI as it is; a local path, absolute, if something of the right kind is there."""
    if not text:
        raise Misfit(expected, "no text")
    if uris.is_remote(text):
        return text
    path = Path(uris.local_path(text)).expanduser().absolute()
    if not path.exists():
        raise Misfit(expected, f"{text!r}, where there is nothing")
    if (path.is_dir() and "dir" not in kinds) or (path.is_file() and "file" not in kinds):
        raise Misfit(expected, f"{text!r}, which is a {'folder' if path.is_dir() else 'file'}")
    return str(path)


def blob(base: Any, codec: Codec) -> Form:
    """A file or a folder, and what travels as one."""
    kind = codec.literal_type.blob
    if kind.format == "PythonPickle":
        raise UserError(
            f"Values of {describe_type(base)} travel as pickles, which cannot be written as text, and to load one from a "
            "file runs whatever code is in it.",
            remedy="Let a task make the value, declare another type, or give the input a default.",
        )
    many = kind.dimensionality == BlobType.MULTIPART
    expected = "an existing folder, or a URI" if many else "an existing file, or a URI"

    def of_text(text: str) -> Literal:
        place = _place(text, expected, ("dir",) if many else ("file",))
        return idl.blob(place, kind.format, multipart=many)

    def of_data(data: Any) -> Literal:
        path = data.get("path") if isinstance(data, dict) else data
        if not isinstance(path, str):
            raise Misfit(expected, describe_value(data))
        return of_text(path)

    return Form("FOLDER" if many else "FILE", expected, of_data, of_text, path="dir" if many else "file")


_TABLE_FORMATS = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv"}


def table(codec: Codec, kind: str) -> Form:
    """A table by its place. The format is the one that its name ends in, else the one that is declared."""
    expected = "an existing parquet or csv file, a folder of such files, or a URI"
    literal_type: LiteralType = codec.literal_type

    def made(place: str, format: str) -> Literal:
        literal = Literal()
        if kind == "schema":
            literal.scalar.schema.uri = place
            literal.scalar.schema.type.CopyFrom(literal_type.schema)
            return literal
        dataset = literal.scalar.structured_dataset
        dataset.uri = place
        declared = dataset.metadata.structured_dataset_type
        declared.CopyFrom(literal_type.structured_dataset_type)
        declared.format = format or _TABLE_FORMATS.get(Path(place).suffix.lower(), declared.format)
        return literal

    def of_text(text: str) -> Literal:
        return made(_place(text, expected, ("file", "dir")), "")

    def of_data(data: Any) -> Literal:
        if isinstance(data, str):
            return of_text(data)
        if isinstance(data, dict) and isinstance(data.get("uri"), str):
            return made(_place(data["uri"], expected, ("file", "dir")), data.get("file_format") or "")
        raise Misfit(expected, describe_value(data))

    return Form("TABLE", expected, of_data, of_text, path="file")
