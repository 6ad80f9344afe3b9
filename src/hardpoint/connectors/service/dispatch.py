"""Hands calls to their handlers: whoever answers gets bytes, and an error is answered with its status and never with UNKNOWN."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import grpc

from hardpoint.connectors.service.access import TokenCheck
from hardpoint.connectors.service.rpc import Rpc, current
from hardpoint.connectors.service.status import Refused, UnauthenticatedError, refused
from hardpoint.connectors.service.tracing import Tracer

__all__ = ["Dispatch", "Duplex", "Handler", "Stream", "Unary"]

logger = logging.getLogger(__name__)

Unary: TypeAlias = Callable[[Rpc, bytes], Awaitable[bytes]]
"""Answers one message with one."""
Stream: TypeAlias = Callable[[Rpc, bytes], AsyncIterator[bytes]]
"""Answers one message with many."""
Duplex: TypeAlias = Callable[[Rpc, AsyncIterator[bytes]], AsyncIterator[bytes]]
"""Answers many messages with many."""


class Handler:
    """What answers one method, of whichever kind."""

    def __init__(
        self, *, unary: Unary | None = None, stream: Stream | None = None, duplex: Duplex | None = None
    ) -> None:
        self.unary, self.stream, self.duplex = unary, stream, duplex


class Dispatch(grpc.GenericRpcHandler):  # type: ignore[misc]
    """All methods of a server.

    Args:
        handlers: By full name, as in ``/flyteidl.service.AsyncAgentService/GetTask``.
        token: Who may call; None: everybody.
        tracer: Where spans go; None: nowhere.
        is_open: Whether a method answers everybody.
    """

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        token: TokenCheck | None,
        tracer: Tracer | None,
        is_open: Callable[[str], bool],
    ) -> None:
        self._token, self._tracer = token, tracer
        self._open = {name for name in handlers if token is None or is_open(name)}
        self._methods = {name: self._method(name, handler) for name, handler in handlers.items()}
        self._closed = {name: self._method(name, _turned_away(handler)) for name, handler in handlers.items()}

    def service(self, handler_call_details: Any) -> Any:
        """The handler of a call; None if there is no such method."""
        name = handler_call_details.method
        if name in self._open or self._token is None or self._token.allows(handler_call_details.invocation_metadata):
            return self._methods.get(name)
        return self._closed.get(name)

    def _method(self, name: str, handler: Handler) -> Any:
        # No (de)serializers: grpc answers UNKNOWN where one fails.
        if handler.unary is not None:
            return grpc.unary_unary_rpc_method_handler(self._answer(name, handler.unary))
        if handler.stream is not None:
            return grpc.unary_stream_rpc_method_handler(self._answer_with_many(name, handler.stream))
        assert handler.duplex is not None
        return grpc.stream_stream_rpc_method_handler(self._answer_with_many(name, handler.duplex))

    def _answer(self, name: str, function: Unary) -> Any:
        async def answer(data: bytes, context: Any) -> bytes:
            rpc = Rpc(name, context)
            current.set(rpc)
            try:
                answered = await function(rpc, data)
                if logger.isEnabledFor(logging.DEBUG):
                    _tell(rpc)
                return answered
            except Exception as error:
                told = _told(rpc, error)
            await context.abort(told.status, told.text)
            raise AssertionError("abort raises")

        if self._tracer is None:
            return answer
        return self._tracer.unary(name, answer)

    def _answer_with_many(self, name: str, function: Callable[[Rpc, Any], AsyncIterator[bytes]]) -> Any:
        async def answer(request: Any, context: Any) -> AsyncIterator[bytes]:
            rpc = Rpc(name, context)
            current.set(rpc)
            try:
                async for part in function(rpc, request):
                    yield part
                if logger.isEnabledFor(logging.DEBUG):
                    _tell(rpc)
                return
            except Exception as error:
                told = _told(rpc, error)
            await context.abort(told.status, told.text)

        if self._tracer is None:
            return answer
        return self._tracer.many(name, answer)


def _tell(rpc: Rpc) -> None:
    logger.debug("%s of %s was answered in %.1f ms", rpc.method, rpc.task_type or "no type", rpc.age * 1000)


def _told(rpc: Rpc, error: Exception) -> Refused:
    """What the caller is told."""
    told = refused(error, f"answer {rpc.method.rpartition('/')[2]}", where="The connector service")
    # Who merely reaches the port must not be able to fill the log.
    level = logging.INFO if rpc.task_type else logging.DEBUG
    logger.log(level, "%s of %s: %s: %s", rpc.method, rpc.task_type or "no type", told.status.name, told.text)
    return told


def _turned_away(handler: Handler) -> Handler:
    """Answers in a handler's stead those who bring no token."""

    def refuse() -> Exception:
        return UnauthenticatedError(
            "The call brings no token, or a wrong one.", remedy="Send the metadata authorization: Bearer <token>."
        )

    async def unary(rpc: Rpc, data: bytes) -> bytes:
        raise refuse()

    async def many(rpc: Rpc, request: Any) -> AsyncIterator[bytes]:
        raise refuse()
        yield b""

    if handler.unary is not None:
        return Handler(unary=unary)
    return Handler(stream=many) if handler.stream is not None else Handler(duplex=many)
