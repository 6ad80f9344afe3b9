"""Errors of OpenAI's client as ours, by what the caller should do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

from hardpoint.errors import HardpointError, PermanentError, TransientError, UserError
from hardpoint.integrations.openai.account import SECRET
from hardpoint.secrets import redact_uri

if TYPE_CHECKING:
    from openai import APIStatusError

__all__ = ["AccessRefusedError", "NoSuchObjectError", "RequestRefusedError", "ask", "explained"]

T = TypeVar("T")


class AccessRefusedError(PermanentError, PermissionError):
    """The API does not accept the key, or not for this."""

    code = "USER:AccessRefused"


class RequestRefusedError(UserError):
    """The API does not accept a request as it is."""


class NoSuchObjectError(RequestRefusedError):
    """The API says itself that it has no such model, file or batch."""


def ask(call: Callable[..., T], doing: str, **arguments: Any) -> T:
    """What a method of the client returns.

    Args:
        call: The method.
        doing: What is done, as in ``create the batch``.
        arguments: What it gets; an argument that it does not have is the caller's error.
    """
    with explained(doing):
        try:
            answer = call(**arguments)
        except TypeError as error:  # of its signature, or of a value that is not JSON
            raise RequestRefusedError(
                f"OpenAI's client could not {doing}: {redact_uri(str(error))}", remedy="Correct the task's config."
            ) from _shown(error)
    if isinstance(answer, str):  # what the client makes of an answer that is not JSON
        raise PermanentError(
            f"The server could not {doing}; it does not speak OpenAI's API but answered {redact_uri(answer)[:200]!r}.",
            remedy="Check base_url, or OPENAI_BASE_URL; it usually ends in /v1.",
        )
    return answer


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """The client's errors as ours.

    Raises:
        AccessRefusedError: the key is refused.
        RequestRefusedError: so is the request.
        TransientError: the API cannot be reached, has had enough of us, or has failed.
        PermanentError: the account's quota is used up, or the server speaks another language.
    """
    import httpx2
    import openai

    try:
        yield
    except openai.APIStatusError as error:
        raise _refused(error, doing) from _shown(error)
    except (openai.APIConnectionError, httpx2.TransportError) as error:
        told = error.__cause__ or error
        if isinstance(
            told, HardpointError
        ):  # of a file that is read while it is sent; early clients wrap whatever fails
            raise told from None
        said = redact_uri(str(told)) or type(told).__name__
        raise TransientError(f"OpenAI's API could not {doing}, as it cannot be reached: {said}") from _shown(error)
    except (openai.APIError, httpx2.HTTPError, json.JSONDecodeError) as error:
        raise TransientError(f"OpenAI's API could not {doing}; its answer is broken: {error}") from _shown(error)
    except openai.OpenAIError as error:
        raise PermanentError(f"OpenAI's client could not {doing}: {redact_uri(str(error))}") from _shown(error)


def _shown(error: Exception) -> Exception | None:
    """The error, to be shown as a cause; None if its words hold a secret."""
    return error if redact_uri(str(error)) == str(error) else None


def _refused(error: APIStatusError, doing: str) -> HardpointError:
    # https://platform.openai.com/docs/guides/error-codes
    status, body = error.status_code, error.body
    own = body.get("message") if isinstance(body, dict) else None
    request = f", request {error.request_id}" if error.request_id else ""
    said = f"OpenAI's API could not {doing}: {redact_uri(str(own or error.message))} (HTTP {status}{request})"
    if error.code == "insufficient_quota":
        return PermanentError(said, remedy="Add credit to the account, or raise its limit; waiting does not help.")
    if status in (408, 409, 429) or status >= 500:
        return TransientError(said, retry_after=_retry_after(error), status=status)
    if status in (401, 403):
        remedy = f"Check the API key (the connectors' is the secret {SECRET}), its organization and its project."
        return AccessRefusedError(said, remedy=remedy)
    # A wrong address is answered with the same status, and says nothing about the thing.
    is_absent = status == 404 and own and "url" not in str(own).lower()
    return (NoSuchObjectError if is_absent else RequestRefusedError)(said, status=status)


def _retry_after(error: APIStatusError) -> float | None:
    """Seconds for which the API wants to be left alone; None if it does not say."""
    headers = error.response.headers
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            return max(float(headers[name]) / unit, 0)
        except (KeyError, ValueError):
            continue
    try:
        until = parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    return max((until - datetime.now(UTC)).total_seconds(), 0)
