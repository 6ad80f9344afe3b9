"""One configuration for all object stores, in the words of each store's client."""

from __future__ import annotations

from typing import Any

from hardpoint.settings import StorageSettings, settings

__all__ = ["canonical", "storage_options"]

_ALIASES = {"s3a": "s3", "gcs": "gs", "abfss": "abfs", "az": "abfs", "https": "http"}


def canonical(scheme: str) -> str:
    """The one name of a store that has several: ``s3a`` is ``s3``, ``abfss`` is ``abfs``, ``https`` is ``http``."""
    return _ALIASES.get(scheme, scheme)


def storage_options(
    protocol: str, anonymous: bool = False, configuration: StorageSettings | None = None
) -> dict[str, Any]:
    """The arguments with which fsspec's file system of a protocol is made; libraries such as polars take the same.

    Args:
        protocol: A URI's scheme.
        anonymous: Use no credentials.
        configuration: Default: the settings in force.
    """
    given = settings().storage if configuration is None else configuration
    match canonical(protocol):
        case "s3":
            return _s3(given, anonymous or given.s3_anonymous)
        case "gs":
            return _gs(given, anonymous or given.gcs_anonymous)
        case "abfs":
            return _abfs(given, anonymous)
        case "http":
            return _http()
    return {}


def _filled(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value not in ("", None, {})}


# Listings are never cached: another process may write to the same prefix.


def _s3(given: StorageSettings, anonymous: bool) -> dict[str, Any]:
    options = _filled(
        endpoint_url=given.s3_endpoint,
        client_kwargs=_filled(region_name=given.s3_region),
        config_kwargs={"retries": {"mode": "standard", "total_max_attempts": max(given.retries, 1)}},
    )
    if anonymous:
        options["anon"] = True
    else:
        options |= _filled(key=given.s3_access_key_id, secret=given.s3_secret_access_key)
    return {**options, "use_listings_cache": False}


def _gs(given: StorageSettings, anonymous: bool) -> dict[str, Any]:
    endpoint = given.gcs_endpoint
    if endpoint and "://" not in endpoint:
        endpoint = f"http://{endpoint}"
    # The true service is never spoken to without TLS: it is an emulator, which wants no credentials.
    emulated = endpoint.startswith("http://")
    options = _filled(project=given.gcs_project, endpoint_url=endpoint)
    if anonymous or emulated:
        options["token"] = "anon"
    return {**options, "use_listings_cache": False}


def _abfs(given: StorageSettings, anonymous: bool) -> dict[str, Any]:
    # Said explicitly, since the client takes an account without a key for a public one.
    options: dict[str, Any] = {"anon": anonymous, "use_listings_cache": False}
    if given.azure_connection_string and not anonymous:  # it names the account, the key and the endpoints
        return options | {"connection_string": given.azure_connection_string}
    options |= _filled(account_name=given.azure_account_name)
    if not anonymous:
        options |= _filled(account_key=given.azure_account_key)
    if not anonymous and given.azure_client_secret:
        # A workload identity also sets the tenant and the client; without a secret they are the business of Azure's own
        # chain of credentials, which the client does not ask if it is given them.
        options |= _filled(
            tenant_id=given.azure_tenant_id,
            client_id=given.azure_client_id,
            client_secret=given.azure_client_secret,
        )
    return options


def _http() -> dict[str, Any]:
    from aiohttp import ClientTimeout

    # The client's own limit of five minutes for a whole request would cut large downloads.
    timeout = ClientTimeout(total=None, sock_connect=30, sock_read=60)
    return {"client_kwargs": {"timeout": timeout, "trust_env": True}, "use_listings_cache": False}
