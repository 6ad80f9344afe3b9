"""OpenAI, one prompt at a time and in a batch: ``hardpoint run examples/openai_example.py ask --message "Who are you?"``,
``hardpoint run examples/openai_example.py translations --sentences '["Good morning"]'``.

The key is read from ``FLYTE_OPENAI_API_KEY`` and, for the files of the batch, from ``OPENAI_KEY``. ``OPENAI_BASE_URL`` may name
another server that speaks OpenAI's API.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from hardpoint import JSON, Secret, task, workflow
from hardpoint.integrations.openai import BatchResult, ChatGPTTask, create_batch

SYSTEM = {"role": "system", "content": "Translate to French."}

chat = ChatGPTTask(name="examples.chat", chatgpt_config={"model": "gpt-4o-mini", "max_tokens": 100})
batch = create_batch(name="examples.translations", secret=Secret(group="openai", key="key"))


@task
def prompts(sentences: list[str]) -> Iterator[JSON]:
    for number, sentence in enumerate(sentences):
        messages = [SYSTEM, {"role": "user", "content": sentence}]
        yield {
            "custom_id": f"sentence-{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": "gpt-4o-mini", "messages": messages},
        }


@task
def texts(result: BatchResult) -> list[str]:
    if result.output_file is None:
        return []
    with result.output_file.open() as lines:
        rows = [json.loads(line) for line in lines]
    return [row["response"]["body"]["choices"][0]["message"]["content"] for row in rows]


@workflow
def translations(sentences: list[str]) -> list[str]:
    return texts(result=batch(jsonl_in=prompts(sentences=sentences)))


@workflow
def ask(message: str) -> str:
    return chat(message=message)


if __name__ == "__main__":
    print(ask(message="Why is the sky blue?"))
