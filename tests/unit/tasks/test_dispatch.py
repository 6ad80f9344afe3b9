from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from flyteidl.core.dynamic_job_pb2 import DynamicJobSpec

from hardpoint import idl
from hardpoint.context import ExecutionParameters, FlyteContext, FlyteContextManager, current_context
from hardpoint.errors import FlyteRecoverableException, TransientError, TypeTransformerFailedError, UserError
from hardpoint.tasks.dispatch import IgnoreOutputs, adispatch, dispatch
from hardpoint.tasks.python_function_task import PythonFunctionTask
from hardpoint.tasks.task import task
from hardpoint.types.engine import TypeEngine
from hardpoint.types.transformer import TypeTransformer
from tests.unit.tasks import samples

A = {"a": idl.integer(3)}


def test_literals_in_literals_out() -> None:
    assert dispatch(samples.plain, {**A, "b": idl.string("q")}) == {"o0": idl.integer(3), "o1": idl.string("q")}
    assert dispatch(samples.paired, idl.literal_map(A)) == {"number": idl.integer(3), "text": idl.string("3")}


def test_no_outputs() -> None:
    @task
    def silent(a: int):  # type: ignore[no-untyped-def]
        return a

    assert dispatch(silent, A) == {}


def test_async_tasks_from_plain_code_and_from_a_loop() -> None:
    assert samples.later.is_async
    assert dispatch(samples.later, A) == {"o0": idl.integer(4)}
    assert asyncio.run(adispatch(samples.later, A)) == {"o0": idl.integer(4)}
    assert asyncio.run(adispatch(samples.paired, A)) == {"number": idl.integer(3), "text": idl.string("3")}


async def test_async_tasks_are_awaited_on_a_loop() -> None:
    with pytest.raises(UserError, match="was dispatched from code that runs on an event loop"):
        dispatch(samples.later, A)


class Storm(Exception):
    def __init__(self, code: int, where: str) -> None:
        super().__init__(code, where)
        self.where = where


@pytest.mark.parametrize("error", [Storm(3, "here"), KeyError("x"), FlyteRecoverableException("again")])
def test_errors_of_the_user_pass_unchanged(error: Exception) -> None:
    @task
    def stormy(a: int) -> int:
        raise error

    arguments, kind = error.args, type(error)
    runs: list[Any] = [lambda: dispatch(stormy, A), lambda: asyncio.run(adispatch(stormy, A))]
    for run in runs:
        with pytest.raises(kind) as caught:
            run()
        assert caught.value is error
        assert error.args == arguments
    assert error.__notes__ == [f"Error encountered while executing '{stormy.name}'"] * 2


def test_wrong_input() -> None:
    with pytest.raises(TypeTransformerFailedError) as caught:
        dispatch(samples.paired, {"a": idl.string("x")})
    message = str(caught.value)
    assert message.startswith(
        f"Error encountered while converting inputs of '{samples.paired.name}':\n  Failed argument 'a':"
    )
    assert (caught.value.task, caught.value.argument) == (samples.paired.name, "a")  # type: ignore[attr-defined]
    with pytest.raises(TypeTransformerFailedError, match="There is no input named 'z'; it has a"):
        dispatch(samples.paired, {**A, "z": idl.integer(1)})


def test_wrong_argument_of_a_call() -> None:
    with pytest.raises(TypeTransformerFailedError) as caught:
        samples.paired.encode_inputs({"a": "x"})
    assert str(caught.value).startswith(
        f"Failed to convert inputs of task '{samples.paired.name}':\n  Failed argument 'a': Expected value of type int"
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            (1, 2),
            "at position 1.\nFailed to convert type <class 'int'> to type <class 'str'>.\nError Message: Expected",
        ),
        (1, "declares 2 outputs (o0, o1), but returned 1."),
        ((1, "a", 2), "declares 2 outputs (o0, o1), but returned 3 values."),
        (None, "declares 2 outputs (o0, o1), but returned None."),
    ],
)
def test_wrong_outputs(value: Any, message: str) -> None:
    with pytest.raises(TypeTransformerFailedError) as caught:
        samples.plain.encode_outputs(value)
    assert samples.plain.name in str(caught.value)
    assert message in str(caught.value)
    assert caught.value.code.startswith("USER")


def test_place_of_a_wrong_element_is_said() -> None:
    @task
    def lists(a: list[int]) -> list[int]:
        return a

    with pytest.raises(TypeTransformerFailedError, match="while converting element 1 of a list"):
        lists.encode_inputs({"a": [1, "x"]})
    with pytest.raises(TypeTransformerFailedError, match="while converting element 1 of a list"):
        lists.encode_outputs([1, "x"])


def test_wrong_named_output() -> None:
    with pytest.raises(TypeTransformerFailedError, match="at position text"):
        samples.paired.encode_outputs((1, 2))


def test_tuple_in_place_of_one_value() -> None:
    with pytest.raises(TypeError, match=r"received a tuple \(1, 2\)"):
        samples.later.encode_outputs((1, 2))


def test_ignored_outputs_pass_without_a_note() -> None:
    @task
    def worker(a: int) -> int:
        raise IgnoreOutputs("I am not the leader")

    with pytest.raises(IgnoreOutputs) as caught:
        dispatch(worker, A)
    assert not hasattr(caught.value, "__notes__")


@pytest.mark.parametrize("message", [idl.literal_map({"o0": idl.integer(9)}), DynamicJobSpec(min_successes=2)])
def test_messages_pass_as_they_are(message: Any) -> None:
    @task
    def makes(a: int) -> int:
        return message  # type: ignore[no-any-return]

    assert dispatch(makes, A) is message


class Around(PythonFunctionTask[Any]):
    seen: ClassVar[list[Any]] = []

    def pre_execute(self, user_params: ExecutionParameters) -> ExecutionParameters:
        self.seen.append("pre")
        return user_params.with_attributes(SESSION="open")

    def post_execute(self, user_params: ExecutionParameters, rval: Any) -> Any:
        self.seen.append(user_params.SESSION)
        return rval + 1


def test_hooks() -> None:
    def asks(a: int) -> int:
        Around.seen.append(current_context().SESSION)
        return a

    Around.seen.clear()
    made = Around(None, asks)
    before = FlyteContextManager.current_context()
    assert dispatch(made, A) == {"o0": idl.integer(4)}
    assert Around.seen == ["pre", "open", "open"]
    assert FlyteContextManager.current_context() is before
    assert asyncio.run(adispatch(made, A)) == {"o0": idl.integer(4)}
    assert Around.seen == ["pre", "open", "open"] * 2


def test_context_is_restored_after_a_failure() -> None:
    @task
    def fails(a: int) -> int:
        raise KeyError

    before = FlyteContextManager.current_context()
    with pytest.raises(KeyError):
        dispatch(fails, A, ctx=FlyteContext(params=ExecutionParameters(raw_output_prefix="x")))
    assert FlyteContextManager.current_context() is before


class Far:
    """A value that is stored somewhere else."""

    def __init__(self, uri: str) -> None:
        self.uri = uri


class FarTransformer(TypeTransformer[Far]):
    """Waits until as many conversions run as it was told."""

    together: threading.Barrier | None = None
    failure: Exception | None = None
    threads: ClassVar[list[int]] = []

    def __init__(self) -> None:
        super().__init__("far", Far)

    def get_literal_type(self, t: type[Far]) -> idl.LiteralType:
        return idl.simple(idl.SimpleType.STRING)

    def _move(self) -> None:
        if self.failure is not None:
            raise self.failure
        self.threads.append(threading.get_ident())
        if self.together is not None:
            self.together.wait(5)

    def to_literal(self, ctx: Any, python_val: Far, python_type: Any, expected: Any) -> idl.Literal:
        self._move()
        return idl.string(python_val.uri)

    def to_python_value(self, ctx: Any, lv: idl.Literal, expected_python_type: Any) -> Far:
        self._move()
        return Far(lv.scalar.primitive.string_value)


@pytest.fixture(scope="module")
def registered() -> FarTransformer:
    transformer = FarTransformer()
    TypeEngine.register(transformer)
    return transformer


@pytest.fixture
def far(registered: FarTransformer) -> Iterator[FarTransformer]:
    registered.threads.clear()
    yield registered
    registered.together = registered.failure = None


def swap(a: Far, b: Far) -> tuple[Far, Far]:
    return b, a


def test_data_of_several_inputs_and_outputs_moves_at_once(far: FarTransformer) -> None:
    far.together = threading.Barrier(2)
    made: PythonFunctionTask[None] = PythonFunctionTask(None, swap)
    found = dispatch(made, {"a": idl.string("x"), "b": idl.string("y")})
    assert found == {"o0": idl.string("y"), "o1": idl.string("x")}


async def test_moving_data_leaves_the_loop_free(far: FarTransformer) -> None:
    made: PythonFunctionTask[None] = PythonFunctionTask(None, swap)
    await adispatch(made, {"a": idl.string("x"), "b": idl.string("y")})
    assert len(far.threads) == 4
    assert threading.get_ident() not in far.threads


def test_storage_errors_pass_unchanged(far: FarTransformer) -> None:
    made: PythonFunctionTask[None] = PythonFunctionTask(None, swap)
    far.failure = TransientError("the store is busy")
    literals = {"a": idl.string("x"), "b": idl.string("y")}
    with pytest.raises(TransientError) as caught:
        dispatch(made, literals)
    assert caught.value is far.failure
    assert "argument 'a'" in caught.value.__notes__[0]
    far.failure = UserError("no such bucket")
    with pytest.raises(UserError) as refused:
        made.encode_outputs((Far("x"), Far("y")))
    assert refused.value is far.failure
    assert "output 0" in refused.value.__notes__[0]


def test_compiling_replaces_running() -> None:
    class Compilation:
        def call(self, entity: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            return entity, args, kwargs

    with FlyteContextManager.use(compilation=Compilation()):
        assert samples.plain(1, b="x") == (samples.plain, (1,), {"b": "x"})


def test_a_call_runs_the_task() -> None:
    assert samples.plain(1, b="x") == (1, "x")
    assert samples.echo(a=1, b="x") == (1, "x")
    assert samples.instance() == 5


def test_tasks_without_execute_say_so() -> None:
    with pytest.raises(NotImplementedError, match="Query q1 has no execute method"):
        samples.query.execute(a=1)
