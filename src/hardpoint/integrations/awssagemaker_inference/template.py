"""Configurations with inputs in them: what a call gets, and the token that is made from it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hardpoint.errors import UserError
from hardpoint.idl import Literal
from hardpoint.integrations._aws import plain
from hardpoint.integrations.awssagemaker_inference.images import filled
from hardpoint.integrations.awssagemaker_inference.xxh64 import xxh64

__all__ = ["TOKEN", "MissingKeyError", "Resolved", "canonical", "resolve", "values_of"]

TOKEN = "idempotence_token"
_LONGEST_NAME = 63
"""Of names in SageMaker."""

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][\w-]*(?:\.[\w-]+)+)\}")


class MissingKeyError(UserError, ValueError):
    """A configuration names an input or an image that there is not."""


@dataclass(frozen=True)
class Resolved:
    """What a call gets.

    Attributes:
        config: Its arguments.
        token: What was made from them; empty if they ask for none.
    """

    config: dict[str, Any]
    token: str


def values_of(inputs: Mapping[str, Literal]) -> dict[str, Any]:
    """Inputs as configurations see them."""
    return {name: plain(literal) for name, literal in inputs.items()}


def resolve(
    config: Mapping[str, Any] | None,
    *,
    inputs: Mapping[str, Any],
    images: Mapping[str, str],
    region: str,
    service: str,
) -> Resolved:
    """A configuration with values in the place of ``{inputs.x}`` and ``{images.x}``, and with its token. Nothing is changed.

    A text that is one placeholder and nothing else becomes the value as it is. In names of SageMaker a token is cut so that they
    are not longer than 63 characters.

    Raises:
        MissingKeyError: an input or an image is not there.
    """
    known = {"inputs": dict(inputs), "images": {name: filled(image, region) for name, image in images.items()}}
    cuts = service == "sagemaker"
    made = _filled(config or {}, known, cuts)
    token = ""
    if TOKEN in str(made):
        token = xxh64(canonical(made).encode())
        made = _filled(made, {TOKEN: token}, cuts)
    return Resolved(made, token)


def canonical(value: Any) -> str:
    """The text from which a token is made; the reference's, so that both make the same names."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{canonical(key)}: {canonical(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(canonical(item) for item in sorted(value, key=str)) + "]"
    return str(value)


def _filled(value: Any, known: Mapping[str, Any], cuts: bool) -> Any:
    if isinstance(value, Mapping):
        return {key: _filled(item, known, cuts) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, known, cuts) for item in value]
    if not isinstance(value, str):
        return value
    if TOKEN in known:
        return _with_token(value, "{" + TOKEN + "}", known[TOKEN], cuts)
    whole = _PLACEHOLDER.fullmatch(value)
    if whole is not None and whole[1] != f"inputs.{TOKEN}":
        return _look_up(whole[1], known)
    text = _PLACEHOLDER.sub(
        lambda match: match[0] if match[1] == f"inputs.{TOKEN}" else str(_look_up(match[1], known)), value
    )
    own = "{inputs." + TOKEN + "}"
    return _with_token(text, own, str(_look_up(own[1:-1], known)), cuts) if own in text else text


def _with_token(text: str, placeholder: str, token: str, cuts: bool) -> str:
    room = _LONGEST_NAME - len(text.replace(placeholder, ""))
    if cuts and len(token) > room:
        token = token[: max(room, 0)]
    return text.replace(placeholder, token)


def _look_up(path: str, known: Mapping[str, Any]) -> Any:
    found: Any = known
    for key in path.split("."):
        if isinstance(found, str):
            found = _attributes(found)
        if not isinstance(found, Mapping) or key not in found:
            raise MissingKeyError(
                f"Could not find the key {key} in {list(found) if isinstance(found, Mapping) else type(found).__name__}.",
                remedy=f"{{{path}}} stands in the configuration; declare the input, or correct its name.",
            )
        found = found[key]
    return found


def _attributes(text: str) -> Any:
    """What a value with attributes holds, which is written as JSON where it stands as a whole."""
    try:
        return json.loads(text)
    except ValueError:
        return text
