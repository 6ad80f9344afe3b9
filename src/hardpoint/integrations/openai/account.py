"""Where the API is and as whom it is used: what a task says about it, and the client that follows from that."""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from hardpoint.connectors.connection import connection
from hardpoint.errors import FlyteValidationException

if TYPE_CHECKING:
    from openai import OpenAI

__all__ = ["SECRET", "TIMEOUT", "Account", "checked_url"]

SECRET = "FLYTE_OPENAI_API_KEY"
"""What the connectors call the API key."""
TIMEOUT = 60.0
"""Seconds for one request."""


def checked_url(base_url: str | None) -> str | None:
    """The URL as it was given.

    Raises:
        FlyteValidationException: it is none of a web server.
    """
    if base_url is not None and not base_url.startswith(("https://", "http://")):
        raise FlyteValidationException(
            f"base_url={base_url!r} is no URL of a server.", remedy='Write "https://host/v1", for example.'
        )
    return base_url


@dataclass(frozen=True)
class Account:
    """Where the API is, and on whose behalf it is used.

    Attributes:
        base_url: Its URL, if a task names it; empty: what the environment says in ``OPENAI_BASE_URL``, else OpenAI.
        organization: The organization; empty: that of the environment, else the key's own.
        project: The project; likewise.
    """

    base_url: str = ""
    organization: str = ""
    project: str = ""

    @classmethod
    def of(cls, custom: Mapping[str, Any]) -> Account:
        """What a template's ``custom`` says; the URL may also be a setting of the task's connection.

        Raises:
            FlyteValidationException: the URL is none.
        """
        return cls(
            base_url=checked_url(custom.get("base_url") or connection().config("base_url") or None) or "",
            organization=custom.get("openai_organization") or "",
            project=custom.get("openai_project") or "",
        )

    def custom(self) -> dict[str, Any]:
        """The reverse of `of`. The organization is always there, as it is in the reference's templates."""
        more = {"base_url": self.base_url, "openai_project": self.project}
        return {"openai_organization": self.organization or None, **{k: v for k, v in more.items() if v}}

    def connect(self) -> OpenAI:
        """The client of a connector, with the key of the task's connection, else of this process.

        Raises:
            SecretNotFoundError: there is no key.
            ForeignEndpointError: the key of this process is not for the URL that the task names.
        """
        return self.client(connection().secret(SECRET, endpoint=self.base_url or None))

    def client(self, api_key: str) -> OpenAI:
        """The client with this key. Whoever asks for the same gets the same, with its open connections."""
        said = os.environ.get
        return _client(
            api_key,
            self.base_url or said("OPENAI_BASE_URL", ""),
            self.organization or said("OPENAI_ORG_ID", ""),
            self.project or said("OPENAI_PROJECT_ID", ""),
        )


@lru_cache(maxsize=64)
def _client(api_key: str, base_url: str, organization: str, project: str) -> OpenAI:
    from openai import DefaultHttpxClient, OpenAI

    from hardpoint.integrations.openai.patience import bounded

    transport = DefaultHttpxClient(event_hooks={"response": [bounded]})
    made = OpenAI(
        api_key=api_key,
        base_url=base_url or None,
        organization=organization or None,
        project=project or None,
        timeout=TIMEOUT,
        max_retries=0,  # whoever asked knows for how long it makes sense
        http_client=transport,
    )
    # A client leaves the transport that it was given as it is; nobody else has this one.
    weakref.finalize(made, transport.close)
    return made
