"""The suite that every decorator of tasks passes. Subclass `ClassDecoratorConformance` and fill in its attributes."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import pytest

from hardpoint.context import ExecutionParameters, FlyteContextManager
from hardpoint.engine import call_task
from hardpoint.tasks.class_decorator import ClassDecorator
from hardpoint.tasks.image import ImageConfig
from hardpoint.tasks.python_function_task import PythonFunctionTask
from hardpoint.tasks.serialization import SerializationSettings
from hardpoint.tasks.task import task
from hardpoint.testing.gaps import Conformance
from hardpoint.workflows.map_task import map_task

__all__ = ["ClassDecoratorConformance"]

_SETTINGS = SerializationSettings(ImageConfig.auto(img_name="registry.example/app:1"), "p", "d", "v")


def increment(n: int, by: int = 1) -> int:
    """What is decorated as a task; at the module's top level, where a container finds it."""
    return n + by


async def increment_later(n: int, by: int = 1) -> int:
    await asyncio.sleep(0)
    return n + by


class _Marked(ClassDecorator):
    """Another decorator, to stack with: it counts its calls and has settings for the template."""

    def __init__(self, task_function: Callable[..., Any] | None = None, **config: str) -> None:
        self.config = config
        self.calls = 0
        super().__init__(task_function, **config)

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        return self.task_function(*args, **kwargs)

    def get_extra_config(self) -> dict[str, str]:
        return dict(self.config)


class ClassDecoratorConformance(Conformance):
    """Proves that a decorator is seen by nobody but those whom it serves.

    Attributes:
        decorator: The class.
        options: Arguments that it may be called with.
        task_options: Arguments of ``@task`` that it needs.
        active: Whether the decorator is at work at this moment; None if that cannot be seen from outside.
    """

    decorator: ClassVar[type[ClassDecorator]]
    options: ClassVar[Mapping[str, Any]] = {}
    task_options: ClassVar[Mapping[str, Any]] = {"enable_deck": True}
    active: ClassVar[Callable[[], bool] | None] = None

    @pytest.fixture(autouse=True)
    def _running_task(self) -> Iterator[None]:
        """Functions that are called by themselves see the context of a task with a deck."""
        with FlyteContextManager.use(params=ExecutionParameters(enable_deck=True)):
            yield

    def _decorated(self, fn: Callable[..., Any]) -> Any:
        return type(self).decorator(**self.options)(fn)

    def _task(self, fn: Callable[..., Any]) -> PythonFunctionTask[Any]:
        made: PythonFunctionTask[Any] = task(**self.task_options)(fn)
        return made

    def _at_work(self) -> bool:
        probe = type(self).active
        return probe is None or probe()

    def _at_rest(self) -> bool:
        probe = type(self).active
        return probe is None or not probe()

    def test_value_passes_unchanged(self) -> None:
        """Bare and with options alike."""
        seen: list[Any] = []

        def echo(value: object, *, also: object) -> object:
            seen.append((value, also, self._at_work()))
            return value

        for decorated in (type(self).decorator(echo), self._decorated(echo)):
            value, also = object(), object()
            assert decorated(value, also=also) is value
            assert seen.pop() == (value, also, True)
            assert self._at_rest()

    def test_exception_passes_unchanged(self) -> None:
        """The very error, with the function's own frame last; what was begun is ended, and the next call works."""
        error = KeyError("as it was")

        def fail() -> None:
            raise error

        decorated = self._decorated(fail)
        for _ in range(2):
            with pytest.raises(KeyError) as caught:
                decorated()
            assert caught.value is error
            assert caught.traceback[-1].name == "fail"
            assert self._at_rest()

    def test_async_function_is_awaited_inside(self) -> None:
        async def wait(value: object) -> tuple[object, bool]:
            await asyncio.sleep(0)
            return value, self._at_work()

        decorated = self._decorated(wait)
        assert decorated.is_async
        value = object()
        made = decorated(value)
        assert inspect.isawaitable(made)
        assert asyncio.run(_result(made)) == (value, True)
        assert self._at_rest()

    def test_async_exception_passes_unchanged(self) -> None:
        error = KeyError("as it was")

        async def fail() -> None:
            await asyncio.sleep(0)
            raise error

        with pytest.raises(KeyError) as caught:
            asyncio.run(_result(self._decorated(fail)()))
        assert caught.value is error
        assert self._at_rest()

    def test_cancelled(self) -> None:
        async def hang() -> None:
            await asyncio.sleep(60)

        async def cancel() -> None:
            running = asyncio.ensure_future(self._decorated(hang)())
            await asyncio.sleep(0.01)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running

        asyncio.run(cancel())
        assert self._at_rest()

    def test_options_serve_several_functions(self) -> None:
        configured = type(self).decorator(**self.options)
        one, other = configured(increment), configured(increment_later)
        assert (one.task_function, other.task_function) == (increment, increment_later)
        for made in (one, other):
            assert {name: made.decorator_kwargs[name] for name in self.options} == dict(self.options)

    def test_task_is_what_it_would_be_without(self) -> None:
        for fn in (increment, increment_later):
            plain, made = self._task(fn), self._task(self._decorated(fn))
            assert made.name == plain.name
            assert made.is_async == plain.is_async
            assert made.python_interface.inputs == plain.python_interface.inputs
            assert made.python_interface.outputs == plain.python_interface.outputs
            assert made.template(_SETTINGS).interface == plain.template(_SETTINGS).interface

    def test_attributes_stay_its_own(self) -> None:
        decorated = self._decorated(increment)
        own = set(vars(decorated)) - set(vars(_Marked(increment)))
        assert not own & set(vars(self._task(decorated)))
        outer = _Marked(decorated, mark="outer")
        assert not own & set(vars(outer))
        assert outer.config == {"mark": "outer"}

    def test_task_runs(self) -> None:
        assert call_task(self._task(self._decorated(increment)), (), {"n": 1, "by": 2}) == 3
        later = self._task(self._decorated(increment_later))
        assert asyncio.run(_result(call_task(later, (), {"n": 1, "by": 2}))) == 3

    def test_map(self) -> None:
        assert map_task(self._task(self._decorated(increment)))(n=[1, 2], by=[1, 1]) == [2, 3]

    def test_stacks(self) -> None:
        """In either order with another one: both run, and both have their say in the template, the outermost last."""
        config = self._decorated(increment).get_extra_config()
        clash = {"mark": "1", **dict.fromkeys(config, "another's")}
        above = _Marked(self._decorated(increment), **clash)
        assert above(1) == 2
        assert above.calls == 1
        assert self._config(above) == {**config, **clash}
        below = _Marked(increment, **clash)
        own = self._decorated(below)
        assert own(1) == 2
        assert below.calls == 1
        assert self._config(own) == {**clash, **config}

    def _config(self, decorated: Any) -> dict[str, str]:
        """What stands in the template beyond what every task says."""
        given = dict(self._task(decorated).template(_SETTINGS).config)
        usual = dict(self._task(increment).template(_SETTINGS).config)
        return {name: value for name, value in given.items() if usual.get(name) != value}


async def _result(awaitable: Any) -> Any:
    return await awaitable
