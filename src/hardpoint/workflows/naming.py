"""Names of nodes."""

from __future__ import annotations

import re

__all__ = ["dns_name", "short_name"]

_LIMIT = 63
"""https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names"""


def dns_name(text: str) -> str:
    """A name that Kubernetes accepts: lower-case, a dash before a capital and in place of ``_`` and ``.``.

    What would be longer than 63 characters keeps its tail, after a digest of the whole.
    """
    known = re.sub(r"[^A-Za-z0-9_.-]", "", text)
    name = re.sub(r"[_.](?=[A-Z])|[_.]|(?<=[^-_.])(?=[A-Z])", "-", known).lower().strip("-")
    if len(text) >= _LIMIT or len(name) > _LIMIT:
        import hashlib

        return f"{hashlib.sha224(text.encode()).hexdigest()[:10]}-{name[-(_LIMIT - 11) :]}"
    return name


def short_name(name: str) -> str:
    """The last part of a dotted name."""
    return name.rpartition(".")[2]
