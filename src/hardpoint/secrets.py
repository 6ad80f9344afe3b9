"""Secrets: where they are looked up, and how they are kept out of what is written down."""

from __future__ import annotations

import re

__all__ = ["redact", "redact_uri"]

_HIDDEN = "***"


def redact(text: str) -> str:
    return text


_QUERY = re.compile(
    r"(?i)([?&](?:[\w.-]*(?:signature|token|secret|password|passwd|credential|api[_-]?key|access[_-]?key|auth)[\w.-]*|sig|key|pwd)=)[^&#]*"
)
_USERINFO = re.compile(r"(?i)^([a-z][a-z0-9+.-]*://[^/?#:@]*):[^/?#]*@")


def redact_uri(uri: str) -> str:
    """The URI without the password of its user and without keys, tokens and signatures of its query."""
    return _QUERY.sub(rf"\1{_HIDDEN}", _USERINFO.sub(rf"\1:{_HIDDEN}@", uri))
