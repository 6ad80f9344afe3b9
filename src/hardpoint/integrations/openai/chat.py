"""Answers a prompt, within one call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from hardpoint import idl
from hardpoint.connectors import Phase, Resource, SyncConnectorBase
from hardpoint.errors import PermanentError, UserError
from hardpoint.idl import LiteralMap, TaskTemplate
from hardpoint.integrations.openai.account import TIMEOUT, Account
from hardpoint.integrations.openai.patience import ask_patiently

if TYPE_CHECKING:
    from openai import OpenAI

__all__ = ["ChatGPTConnector", "NoAnswerError"]


PATIENCE = 120.0
"""Seconds."""


class NoAnswerError(UserError):
    """The model has answered something else than text."""


class _Answer(NamedTuple):
    text: str
    id: str
    model: str
    finish_reason: str
    usage: dict[str, Any]


class ChatGPTConnector(SyncConnectorBase):
    """Sends the message with what the task's config holds, and hands the text on that comes back.

    Args:
        patience: Seconds for which a busy API is asked again, where whoever asks has no deadline.
        kwargs: As for `SyncConnectorBase`.
    """

    name = "ChatGPT Connector"
    task_type_name = "chatgpt"
    pool_size = 256  # an answer takes long, and is only waited for

    def __init__(self, *, patience: float = PATIENCE, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._patience = patience

    def do(
        self, task_template: TaskTemplate, output_prefix: str, inputs: LiteralMap | None = None, **kwargs: Any
    ) -> Resource:
        custom = idl.native(task_template.custom)
        config = {name: value for name, value in (custom.get("chatgpt_config") or {}).items() if value is not None}
        config.setdefault("timeout", custom.get("timeout") or TIMEOUT)
        config["patience"] = self._patience
        message = inputs.literals["message"].scalar.primitive.string_value if inputs is not None else ""
        answer_of = _respond if custom.get("api") == "responses" else _complete
        answer = answer_of(Account.of(custom).connect(), config, {"role": "user", "content": message})
        facts = answer._asdict()
        known = {"o0": facts.pop("text"), **facts}
        declared = task_template.interface.outputs.variables
        return Resource(
            Phase.SUCCEEDED,
            outputs={name: value for name, value in known.items() if name in declared},
            custom_info=facts,
        )


def _complete(client: OpenAI, config: Mapping[str, Any], message: dict[str, str]) -> _Answer:
    # https://platform.openai.com/docs/api-reference/chat/object
    messages = [*config.get("messages", ()), message]
    told = ask_patiently(client.chat.completions.create, "complete the chat", **{**config, "messages": messages})
    if not told.choices:
        raise PermanentError(f"The model {told.model} has answered without a choice.", id=told.id)
    choice = told.choices[0]
    usage = told.usage.to_dict() if told.usage is not None else {}
    text = choice.message.content
    if text is None:
        calls = ", ".join(call.type for call in choice.message.tool_calls or ())
        raise _no_text(told.model, choice.message.refusal, calls, choice.finish_reason)
    return _Answer(text, told.id, told.model, choice.finish_reason, usage)


def _respond(client: OpenAI, config: Mapping[str, Any], message: dict[str, str]) -> _Answer:
    # https://platform.openai.com/docs/api-reference/responses/object
    given = config.get("input", ())
    history = [{"role": "user", "content": given}] if isinstance(given, str) else given
    told = ask_patiently(client.responses.create, "respond", **{**config, "input": [*history, message]})
    if told.error is not None:
        raise PermanentError(f"The model {told.model} has failed: {told.error.message}", id=told.id)
    why = told.incomplete_details.reason if told.incomplete_details is not None else None
    usage = told.usage.to_dict() if told.usage is not None else {}
    if not told.output_text:
        said = [part.to_dict() for item in told.output if item.type == "message" for part in item.content]
        refusal = next((str(part["refusal"]) for part in said if part.get("type") == "refusal"), None)
        calls = ", ".join(item.type for item in told.output if item.type.endswith("_call"))
        raise _no_text(told.model, refusal, calls, why or told.status or "")
    return _Answer(told.output_text, told.id, told.model, why or told.status or "", usage)


def _no_text(model: str, refusal: str | None, calls: str, finish_reason: str) -> NoAnswerError:
    if refusal:
        return NoAnswerError(f"The model {model} refuses: {refusal}", remedy="Change the message.", refusal=refusal)
    if calls:
        return NoAnswerError(
            f"The model {model} wants to call tools ({calls}) instead of answering with text.",
            remedy='Leave "tools" out of the config, or set "tool_choice": "none".',
        )
    return NoAnswerError(
        f"The model {model} has answered without text; it finished by {finish_reason!r}.",
        remedy="Allow more tokens, or change the message.",
        finish_reason=finish_reason,
    )
