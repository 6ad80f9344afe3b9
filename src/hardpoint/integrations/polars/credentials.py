"""What fsspec's clients of object stores were told, in the words of the client that polars has built in.

https://docs.rs/object_store/latest/object_store/aws/enum.AmazonS3ConfigKey.html
https://docs.rs/object_store/latest/object_store/azure/enum.AzureConfigKey.html
https://docs.rs/object_store/latest/object_store/gcp/enum.GoogleConfigKey.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from hardpoint.storage.options import canonical

__all__ = ["cloud_arguments", "object_store_options"]

_FRESH_SECONDS = 300

_HARMLESS = {"use_listings_cache", "skip_instance_cache", "asynchronous", "config_kwargs", "project", "retries"}


def cloud_arguments(protocol: str, filesystem: Any) -> dict[str, Any] | None:
    """The arguments of `polars.scan_parquet` by which it reaches what an fsspec file system reaches.

    Args:
        protocol: The scheme of the URI.
        filesystem: The file system.

    Returns:
        None where polars cannot reach it.
    """
    options = object_store_options(protocol, filesystem.storage_options)
    if options is None:
        return None
    arguments: dict[str, Any] = {"storage_options": options or None}
    if canonical(protocol) == "s3" and "aws_access_key_id" not in options and "aws_skip_signature" not in options:
        # The client that polars has built in does not know profiles, single sign-on and the like.
        arguments["credential_provider"] = _S3Session(filesystem)
    return arguments


class _S3Session:
    """Gives polars the credentials that s3fs has found."""

    def __init__(self, filesystem: Any) -> None:
        self._filesystem = filesystem

    async def _find(self) -> Any:
        await self._filesystem.set_session()
        found = await self._filesystem.session.get_credentials()
        return None if found is None else await found.get_frozen_credentials()

    def __call__(self) -> tuple[dict[str, str], int]:
        """The credentials, and until when (seconds since 1970) polars need not ask again."""
        from fsspec.asyn import sync

        found = sync(self._filesystem.loop, self._find)
        if found is None:
            raise PermissionError("There are no credentials for S3.")
        keys = {"aws_access_key_id": found.access_key, "aws_secret_access_key": found.secret_key}
        if found.token:
            keys["aws_session_token"] = found.token
        return keys, int(time.time()) + _FRESH_SECONDS


def object_store_options(protocol: str, given: Mapping[str, Any]) -> dict[str, str] | None:
    """The `storage_options` by which polars reaches what an fsspec file system reaches.

    Args:
        protocol: The scheme of the URI.
        given: What the file system was made with (its `storage_options`).

    Returns:
        None where polars cannot reach it: it has no client for the protocol, or that has no word for an option.
    """
    translate = _STORES.get(canonical(protocol))
    left = {key: value for key, value in given.items() if value not in (None, "", {}) and key not in _HARMLESS}
    made = translate(left) if translate is not None else None
    return None if left else made  # a translation takes out what it knows


def _renamed(given: dict[str, Any], names: Mapping[str, str]) -> dict[str, str]:
    return {name: str(given.pop(key)) for key, name in names.items() if key in given}


def _s3(given: dict[str, Any]) -> dict[str, str]:
    client = dict(given.pop("client_kwargs", {}))
    endpoint = given.pop("endpoint_url", None) or client.pop("endpoint_url", None)
    options = _renamed(client, {"region_name": "aws_region"})
    given.update(client)
    if endpoint:
        options["aws_endpoint_url"] = endpoint
        if endpoint.startswith("http://"):
            options["aws_allow_http"] = "true"
    if given.pop("anon", False):
        options["aws_skip_signature"] = "true"
    return options | _renamed(
        given, {"key": "aws_access_key_id", "secret": "aws_secret_access_key", "token": "aws_session_token"}
    )


def _gs(given: dict[str, Any]) -> dict[str, str]:
    token = given.pop("token", None)
    if token == "anon":
        return {"google_skip_signature": "true"}
    if isinstance(token, Mapping):
        return {"google_service_account_key": json.dumps(dict(token))}
    if isinstance(token, str) and token not in ("google_default", "cloud"):
        return {"google_service_account": token}
    return {}


def _abfs(given: dict[str, Any]) -> dict[str, str]:
    options = _renamed(
        given,
        {
            "account_name": "azure_storage_account_name",
            "account_key": "azure_storage_account_key",
            "sas_token": "azure_storage_sas_key",
            "tenant_id": "azure_storage_tenant_id",
            "client_id": "azure_storage_client_id",
            "client_secret": "azure_storage_client_secret",
        },
    )
    if given.pop("anon", False):
        options["azure_skip_signature"] = "true"
    return options


_STORES: dict[str, Callable[[dict[str, Any]], dict[str, str]]] = {"s3": _s3, "gs": _gs, "abfs": _abfs}
