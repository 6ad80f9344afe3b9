"""`ChatGPTTask` and `BatchEndpointTask`: what OpenAI does, as tasks. Connectors run them, so that they need no container."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from hardpoint.connectors.local import AsyncConnectorExecutorMixin, SyncConnectorExecutorMixin
from hardpoint.errors import FlyteValidationException
from hardpoint.integrations.openai.account import Account, checked_url
from hardpoint.tasks.base import PythonTask
from hardpoint.tasks.interface import Interface
from hardpoint.tasks.serialization import SerializationSettings

__all__ = ["BatchEndpointTask", "ChatGPTTask"]

_EXTRA_OUTPUTS: dict[str, Any] = {"finish_reason": str, "usage": dict, "id": str}


class ChatGPTTask(SyncConnectorExecutorMixin, PythonTask[dict[str, Any]]):
    """A prompt and its answer: input ``message``, output ``o0``, both text.

    Args:
        name: Name of the task.
        chatgpt_config: The request: ``model``, and whatever else the API knows. The message is added to its ``messages``
            (for the responses API its ``input``), which may hold a system prompt or a history.
        openai_organization: The organization that is charged; None: that of the key.
        openai_project: The project that is charged; None: that of the key.
        base_url: The URL of a server that speaks OpenAI's API; None: what the connector's ``OPENAI_BASE_URL`` says, else OpenAI.
        api: ``"chat.completions"`` or ``"responses"``.
        request_timeout: Seconds that the answer may take.
        extra_outputs: Further outputs, of ``finish_reason``, ``usage`` (the tokens) and ``id``.
        secrets: ``{"FLYTE_OPENAI_API_KEY": "name"}`` if the key is kept under another name.
        kwargs: As for `PythonTask`.

    Raises:
        FlyteValidationException: there is no model, or an argument is none of its values.
    """

    _TASK_TYPE = "chatgpt"

    def __init__(
        self,
        name: str,
        chatgpt_config: Mapping[str, Any],
        openai_organization: str | None = None,
        *,
        openai_project: str | None = None,
        base_url: str | None = None,
        api: Literal["chat.completions", "responses"] = "chat.completions",
        request_timeout: float | None = None,
        extra_outputs: Iterable[str] = (),
        secrets: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        if "model" not in chatgpt_config:
            raise FlyteValidationException(
                "The 'model' configuration variable is required in chatgpt_config",
                remedy='Write chatgpt_config={"model": "gpt-4o-mini"}, for example.',
            )
        if chatgpt_config.get("stream"):
            raise FlyteValidationException(
                f"{name} asks for a stream, but a task has one whole answer.", remedy='Leave "stream" out.'
            )
        if api not in ("chat.completions", "responses"):
            raise FlyteValidationException(f"api should be 'chat.completions' or 'responses', not {api!r}.")
        extra = tuple(extra_outputs)
        strangers = [output for output in extra if output not in _EXTRA_OUTPUTS]
        if strangers:
            raise FlyteValidationException(
                f"{name} has no output {', '.join(strangers)}.", remedy=f"There are {', '.join(_EXTRA_OUTPUTS)}."
            )
        self._account = Account(checked_url(base_url) or "", openai_organization or "", openai_project or "")
        self._more = _given(
            api=api if api != "chat.completions" else None, timeout=request_timeout, secrets=dict(secrets or {})
        )
        outputs = {"o0": str, **{output: _EXTRA_OUTPUTS[output] for output in extra}}
        super().__init__(
            self._TASK_TYPE, name, dict(chatgpt_config), interface=Interface({"message": str}, outputs), **kwargs
        )

    def get_custom(self, settings: SerializationSettings) -> dict[str, Any]:
        return {**self._account.custom(), "chatgpt_config": self.task_config, **self._more}


class BatchEndpointTask(AsyncConnectorExecutorMixin, PythonTask[dict[str, Any]]):
    """A batch of requests: input ``input_file_id``, the id of an uploaded file; output ``result``, the finished batch as a dict.

    Args:
        name: Name of the task.
        config: The request: ``endpoint`` (``/v1/chat/completions``), ``completion_window`` (``24h``), ``metadata`` and whatever
            else the API knows.
        openai_organization: The organization that is charged; None: that of the key.
        openai_project: The project that is charged; None: that of the key.
        base_url: The URL of a server that speaks OpenAI's API; None: what the connector's ``OPENAI_BASE_URL`` says, else OpenAI.
        accept_partial: Whether a batch that has expired with some answers counts as a success.
        secrets: ``{"FLYTE_OPENAI_API_KEY": "name"}`` if the key is kept under another name.
        kwargs: As for `PythonTask`.
    """

    _TASK_TYPE = "openai-batch"

    def __init__(
        self,
        name: str,
        config: Mapping[str, Any],
        openai_organization: str | None = None,
        *,
        openai_project: str | None = None,
        base_url: str | None = None,
        accept_partial: bool = False,
        secrets: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        self._account = Account(checked_url(base_url) or "", openai_organization or "", openai_project or "")
        self._more = _given(accept_partial=accept_partial, secrets=dict(secrets or {}))
        interface = Interface({"input_file_id": str}, {"result": dict})
        super().__init__(self._TASK_TYPE, name, dict(config), interface=interface, **kwargs)

    def get_custom(self, settings: SerializationSettings) -> dict[str, Any]:
        return {**self._account.custom(), "config": self.task_config, **self._more}


def _given(**values: Any) -> dict[str, Any]:
    """What is said in a template only if it differs from the default, so that plain ones are those of the reference."""
    return {name: value for name, value in values.items() if value}
