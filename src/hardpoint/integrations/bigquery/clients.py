"""Clients of BigQuery's two APIs, shared by all who use the same credentials."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from hardpoint import __version__
from hardpoint.connectors.connection import connection
from hardpoint.errors import PermanentError, SecretNotFoundError, UserError
from hardpoint.integrations.bigquery.problems import explained
from hardpoint.secrets import remember

if TYPE_CHECKING:
    from google.cloud.bigquery import Client
    from google.cloud.bigquery_storage import BigQueryReadClient

__all__ = ["SECONDS", "SECRET", "own_project", "rest_client", "storage_client"]

SECRET = "google_application_credentials"
"""What the secret with an account's JSON is called; without it Google's default credentials are used."""
SECONDS = 20.0
"""For one call."""

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_EMULATOR = "BIGQUERY_EMULATOR_HOST"  # Google's own variable
_STORAGE = "HARDPOINT_BIGQUERY_STORAGE_ENDPOINT"
_KINDS = ("service_account", "authorized_user")
_PRIVATE = ("private_key", "private_key_id", "client_secret", "refresh_token")
_MOST = 32
_CONNECTIONS = 64

_lock = threading.Lock()
_clients: OrderedDict[tuple[str, ...], Any] = OrderedDict()


def rest_client(project: str, endpoint: str = "") -> Client:
    """A client of the REST API.

    Args:
        project: In which jobs run.
        endpoint: Where the API is, if the task says so; else Google's, or what ``BIGQUERY_EMULATOR_HOST`` names.

    Raises:
        PermanentError: there are no credentials.
        UserError: the secret is no account's JSON, or not for this endpoint.
    """
    secret = _secret(endpoint)
    address = endpoint or os.environ.get(_EMULATOR, "")
    key = ("rest", project, address, _digest(secret))

    def make() -> Client:
        from google.api_core.client_info import ClientInfo
        from google.auth.credentials import AnonymousCredentials
        from google.auth.transport.requests import AuthorizedSession
        from google.cloud.bigquery import Client
        from requests.adapters import HTTPAdapter

        credentials = _credentials(secret, anonymous=bool(address) and not endpoint)
        # Nobody's credentials cannot be refreshed; the attempt would hide what an emulator says that wants some.
        refresh = {"refresh_status_codes": ()} if isinstance(credentials, AnonymousCredentials) else {}
        session = AuthorizedSession(credentials, refresh_timeout=SECONDS, **refresh)  # type: ignore[no-untyped-call]
        session.mount("https://", HTTPAdapter(pool_maxsize=_CONNECTIONS))
        session.mount("http://", HTTPAdapter(pool_maxsize=_CONNECTIONS))
        return Client(
            project=project,
            credentials=credentials,
            _http=session,
            client_info=ClientInfo(user_agent=f"hardpoint/{__version__}"),  # type: ignore[no-untyped-call]
            client_options={"api_endpoint": address} if address else None,
        )

    made: Client = _shared(key, make)
    return made


def storage_client() -> BigQueryReadClient | None:
    """A client of the Storage Read API, which streams tables as Arrow data; None where there is no such API.

    ``HARDPOINT_BIGQUERY_STORAGE_ENDPOINT`` says where it is: ``http://host:port`` is reached without encryption and without
    credentials, as suits an emulator; ``none`` means that there is none.
    """
    address = os.environ.get(_STORAGE, "")
    if address == "none" or (os.environ.get(_EMULATOR) and not address):
        return None
    secret = "" if address.startswith("http://") else _secret("")
    key = ("storage", address, _digest(secret))

    def make() -> BigQueryReadClient:
        from google.cloud.bigquery_storage import BigQueryReadClient

        if address.startswith("http://"):
            import grpc
            from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport

            channel = grpc.insecure_channel(
                address.removeprefix("http://"), options=[("grpc.max_receive_message_length", -1)]
            )
            return BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=channel))  # type: ignore[no-untyped-call]
        options = {"api_endpoint": address.removeprefix("https://")} if address else None
        return BigQueryReadClient(credentials=_credentials(secret), client_options=options)  # type: ignore[no-untyped-call]

    made: BigQueryReadClient = _shared(key, make)
    return made


def own_project() -> str:
    """The project of the credentials; empty if they do not say."""
    secret = _secret("")
    named = os.environ.get("GOOGLE_CLOUD_PROJECT", "")
    return named or (str(_account(secret).get("project_id") or "") if secret else "")


def _shared(key: tuple[str, ...], make: Any) -> Any:
    with _lock:
        found = _clients.get(key)
    if found is None:
        with explained("be reached"):
            found = make()  # which may take seconds, so nobody else is kept waiting
    with _lock:
        found = _clients.setdefault(key, found)
        _clients.move_to_end(key)
        while len(_clients) > _MOST:
            _clients.popitem(last=False)  # whoever still uses it keeps it
    return found


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _secret(endpoint: str) -> str:
    """The account's JSON; empty where Google's default credentials are to be used."""
    try:
        found = connection().secret(SECRET, endpoint=endpoint or None)
    except SecretNotFoundError:
        return ""
    # In a local run the variable of this name is Google's own, and holds a path, which Google's library reads itself.
    return "" if found == os.environ.get(SECRET.upper()) and not found.startswith("{") else found


def _account(secret: str) -> dict[str, Any]:
    try:
        account = json.loads(secret)
    except ValueError:
        account = None
    if not isinstance(account, dict) or account.get("type") not in _KINDS:
        # Other kinds name files and programs on this machine that are to be read and run.
        raise UserError(
            f"The secret {SECRET} should be the JSON of an account whose type is one of {', '.join(_KINDS)}.",
            remedy="Store the key file of a service account under this name.",
        )
    return account


def _credentials(secret: str, anonymous: bool = False) -> Any:
    """Google's credentials.

    Args:
        secret: The account's JSON, if there is one.
        anonymous: Whether none are needed, as with an emulator.
    """
    if secret:
        from google.oauth2.credentials import Credentials
        from google.oauth2.service_account import Credentials as ServiceAccount

        account = _account(secret)
        for part in _PRIVATE:
            remember(str(account.get(part) or ""))
        try:
            if account["type"] == "service_account":
                return ServiceAccount.from_service_account_info(account, scopes=_SCOPES)  # type: ignore[no-untyped-call]
            return Credentials.from_authorized_user_info(account, scopes=_SCOPES)  # type: ignore[no-untyped-call]
        except ValueError as error:
            raise UserError(
                f"The secret {SECRET} is not complete: {error}", remedy="Store the whole key file under this name."
            ) from None
    if anonymous:
        from google.auth.credentials import AnonymousCredentials

        return AnonymousCredentials()  # type: ignore[no-untyped-call]
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    try:
        return google.auth.default(scopes=_SCOPES)[0]
    except DefaultCredentialsError as error:
        raise PermanentError(
            f"There are no credentials for BigQuery: {error}",
            remedy=f"Run: gcloud auth application-default login; or give the secret {SECRET}, a service account's JSON.",
        ) from error
