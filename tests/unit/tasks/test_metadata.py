from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from flyteidl.core.tasks_pb2 import TaskMetadata as TaskMetadataMessage

from hardpoint.errors import FlyteValidationException
from hardpoint.tasks.metadata import Cache, Description, Documentation, SourceCode, TaskMetadata, VersionParameters
from hardpoint.tasks.task import task


class Policy:
    def __init__(self, text: str) -> None:
        self.text = text

    def get_version(self, salt: str, params: VersionParameters[Any, Any]) -> str:
        return f"{self.text}-{salt}-{params.func.__name__}-{params.container_image}"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"timeout": "1"}, "timeout should be duration"),
        ({"timeout": True}, "timeout should be duration"),
        ({"retries": -1}, "retries should be 0 or more"),
        ({"cache": True}, "cache_version is not set"),
        ({"cache_serialize": True}, "cache is not enabled"),
        ({"cache_ignore_input_vars": ("a",)}, "cache is not enabled"),
    ],
)
def test_contradictions_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(FlyteValidationException, match=words):
        TaskMetadata(**arguments)


def test_timeouts() -> None:
    assert TaskMetadata(timeout=90).timeout == timedelta(seconds=90)
    message = TaskMetadataMessage()
    TaskMetadata(timeout=timedelta(milliseconds=1500)).fill(message, generates_deck=False)
    assert (message.timeout.seconds, message.timeout.nanos) == (1, 500_000_000)
    unlimited = TaskMetadataMessage()
    TaskMetadata(timeout=0).fill(unlimited, generates_deck=False)
    assert not unlimited.HasField("timeout")


@pytest.mark.parametrize("interruptible", [None, True, False])
def test_interruptible_has_three_states(interruptible: bool | None) -> None:
    message = TaskMetadataMessage()
    TaskMetadata(interruptible=interruptible).fill(message, generates_deck=False)
    assert message.HasField("interruptible") is (interruptible is not None)
    assert message.interruptible is bool(interruptible)


def test_cache_version_is_derived_from_policies() -> None:
    @task(cache=Cache(salt="s", policies=[Policy("p"), Policy("q")]), container_image="im:1")
    def cached(a: int) -> int:
        return a

    text = "p-s-cached-im:1" + "q-s-cached-im:1"
    assert cached.metadata.cache_version == hashlib.sha256(text.encode()).hexdigest()


def test_cache_without_version_needs_a_policy() -> None:
    with pytest.raises(ValueError, match="at least one cache policy needs to be set"):

        @task(cache=True)
        def cached(a: int) -> int:
            return a


def test_older_cache_arguments() -> None:
    @task(cache=True, cache_version="1", cache_serialize=True, cache_ignore_input_vars=("a",))
    def cached(a: int) -> int:
        return a

    assert cached.metadata == TaskMetadata(
        cache=True, cache_version="1", cache_serialize=True, cache_ignore_input_vars=("a",), timeout=0
    )
    with pytest.raises(ValueError, match="cannot be used together with a Cache object"):
        task(cache=Cache("1"), cache_version="2")(lambda a: a)


def test_cache_arguments_may_be_single() -> None:
    cache = Cache("1", ignored_inputs="a", policies=Policy("p"))
    assert cache.get_ignored_inputs() == ("a",)
    assert cache.get_version(VersionParameters(len)) == "1"


def test_documentation_is_filled_from_the_docstring() -> None:
    @task(docs=Documentation(short_description="given", source_code=SourceCode("https://x")))
    def documented(a: int) -> int:
        """Not this.

        But this.
        """
        return a

    assert documented.docs == Documentation(
        short_description="given", long_description=Description("But this."), source_code=SourceCode("https://x")
    )
    message = documented.docs.proto()
    assert message.short_description == "given"
    assert message.long_description.value == "But this."
    assert message.source_code.link == "https://x"


def test_no_docstring_no_documentation() -> None:
    @task
    def bare(a: int) -> int:
        return a

    assert bare.docs is None
