from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from hardpoint import idl
from hardpoint.context import FlyteContextManager
from hardpoint.errors import FlyteAssertion, FlyteValidationException, UserError
from hardpoint.integration import Integration, catalogue
from hardpoint.tasks.class_decorator import ClassDecorator
from hardpoint.tasks.dispatch import adispatch, dispatch
from hardpoint.tasks.environment import Environment
from hardpoint.tasks.image import ImageConfig
from hardpoint.tasks.metadata import Cache
from hardpoint.tasks.plugins import TaskPlugins
from hardpoint.tasks.python_function_task import AsyncPythonFunctionTask, ExecutionBehavior, PythonFunctionTask
from hardpoint.tasks.resolver import ClassStorageTaskResolver
from hardpoint.tasks.secret import Secret
from hardpoint.tasks.serialization import SerializationSettings
from hardpoint.tasks.task import task
from tests.unit.tasks import samples

SETTINGS = SerializationSettings(image_config=ImageConfig.auto(img_name="im:tag"))

held, stored = ClassStorageTaskResolver(), ClassStorageTaskResolver()


def plain(a: int) -> int:
    """Adds nothing."""
    return a


async def later(a: int) -> int:
    return a


def test_a_task_looks_like_its_function() -> None:
    made = task(plain)
    assert (made.__name__, made.__doc__, made.__wrapped__) == ("plain", "Adds nothing.", plain)  # type: ignore[attr-defined]
    assert made.task_function is plain
    assert made.short_name == "plain"
    assert repr(made) == f"PythonFunctionTask({made.name!r})"


def test_unknown_arguments() -> None:
    with pytest.raises(ValueError, match=r"Unrecognized argument\(s\) for task: dict_keys\(\['retry'\]\)"):
        task(retry=3)


def test_the_cache_ignores_only_inputs_that_there_are() -> None:
    with pytest.raises(FlyteValidationException, match=r"ignores b, which is no input; its inputs are a\."):
        task(cache=Cache(version="1", ignored_inputs=("a", "b")))(plain)


def test_dependency_hints_are_for_dynamic_tasks() -> None:
    with pytest.raises(ValueError, match="node_dependency_hints should only be used on dynamic tasks"):
        task(node_dependency_hints=[samples.plain])(plain)
    made = task(node_dependency_hints=[samples.plain], execution_mode=ExecutionBehavior.DYNAMIC)(plain)
    assert made.node_dependency_hints == [samples.plain]


def test_eager_tasks_are_marked() -> None:
    made = task(execution_mode=PythonFunctionTask.ExecutionBehavior.EAGER)(later)
    assert made.template(SETTINGS).metadata.is_eager


def test_own_command_and_resolver() -> None:
    made = task(plain)
    made.set_command_fn(lambda settings: ["run", "it"])
    assert list(made.template(SETTINGS).container.args) == ["run", "it"]
    made.reset_command_fn()
    held.add(made)
    made.set_resolver(held)
    assert made.get_command(SETTINGS)[-4:] == ["--resolver", f"{__name__}.held", "--", "0"]


def test_tasks_of_a_workflow_belong_to_it() -> None:
    class Compilation:
        task_resolver = stored

    with FlyteContextManager.use(compilation=Compilation()):
        made = task(plain)
    assert made.get_command(SETTINGS)[-4:] == ["--resolver", f"{__name__}.stored", "--", "0"]


# -- plugins -------------------------------------------------------------------------------------------------------------


@dataclass
class Config:
    workers: int = 1


class SubConfig(Config):
    pass


class OtherConfig:
    pass


class Plugin(PythonFunctionTask[Config]):
    def __init__(self, task_config: Config, task_function: Any, **kwargs: Any) -> None:
        super().__init__(task_config, task_function, task_type="plugged", **kwargs)

    def get_custom(self, settings: SerializationSettings) -> dict[str, Any]:
        assert self.task_config is not None
        return {"workers": self.task_config.workers}


class OtherPlugin(PythonFunctionTask[Any]):
    pass


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> type[TaskPlugins]:
    monkeypatch.setattr(TaskPlugins, "_registered", {})
    return TaskPlugins


def test_plugin_by_config(plugins: type[TaskPlugins]) -> None:
    plugins.register_pythontask_plugin(Config, Plugin)
    plugins.register_pythontask_plugin(Config, Plugin)  # again: nothing happens
    for config in (Config(3), SubConfig(3)):
        made = task(task_config=config, retries=2)(plain)
        assert type(made) is Plugin
        template = made.template(SETTINGS)
        assert (template.type, template.metadata.retries.retries) == ("plugged", 2)
        assert template.custom == idl.struct({"workers": 3})
    with pytest.raises(TypeError, match="collides with existing plugin"):
        plugins.register_pythontask_plugin(Config, OtherPlugin)


def test_nearest_ancestor_decides(plugins: type[TaskPlugins]) -> None:
    plugins.register_pythontask_plugin(Config, Plugin)
    plugins.register_pythontask_plugin(SubConfig, OtherPlugin)
    assert plugins.find_pythontask_plugin(SubConfig) is OtherPlugin


def test_unknown_config_makes_a_plain_task(plugins: type[TaskPlugins]) -> None:
    made = task(task_config=OtherConfig())(plain)
    assert type(made) is PythonFunctionTask


@pytest.fixture
def manifest() -> Any:
    package = __name__.rpartition(".")[0]
    module = __name__.rpartition(".")[2]
    added = Integration(
        name="plugged-by-manifest",
        title="Plugged",
        summary="A task plugin.",
        package=package,
        task_plugins={f".{module}:OtherConfig": f".{module}:OtherPlugin"},
    )
    catalogue.add(added)
    yield added
    catalogue._read().pop(added.name)
    catalogue._index.clear()


def test_plugin_by_manifest(plugins: type[TaskPlugins], manifest: Integration) -> None:
    made = task(task_config=OtherConfig())(plain)
    assert type(made).__qualname__ == "OtherPlugin"


def test_async_functions_need_a_plugin_for_them(plugins: type[TaskPlugins]) -> None:
    assert type(task(later)) is AsyncPythonFunctionTask
    plugins.register_pythontask_plugin(Config, Plugin)
    with pytest.raises(FlyteAssertion, match="Plugin runs plain functions only, but later is async"):
        task(task_config=Config())(later)


# -- decorators ----------------------------------------------------------------------------------------------------------


class Marked(ClassDecorator):
    """Notes that it ran, and says so in the template."""

    def __init__(self, task_function: Any = None, mark: str = "", metadata: str = "mine", **kwargs: Any) -> None:
        super().__init__(task_function, mark=mark, metadata=metadata, **kwargs)
        self.mark, self.metadata = mark, metadata

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        return [self.mark, *self.task_function(*args, **kwargs)]

    def get_extra_config(self) -> dict[str, str]:
        return {self.mark: "ran", self.LINK_TYPE_KEY: self.mark}


class AsyncMarked(Marked):
    def execute(self, *args: Any, **kwargs: Any) -> Any:
        async def run() -> Any:
            return [self.mark, *await self.task_function(*args, **kwargs)]

        return run()


@task
@Marked(mark="outer")
@Marked(mark="inner")
def stacked(a: int) -> list[str]:
    return [str(a)]


@task
@Marked
def bare(a: int) -> list[str]:
    return [str(a)]


@task
@AsyncMarked(mark="outer")
async def awaited(a: int) -> list[str]:
    return [str(a)]


def strings(*values: str) -> dict[str, idl.Literal]:
    literal = idl.Literal()
    literal.collection.literals.extend(idl.string(value) for value in values)
    return {"o0": literal}


def test_decorators_stack() -> None:
    literals = {"a": idl.integer(1)}
    assert dispatch(stacked, literals) == strings("outer", "inner", "1")
    assert dispatch(bare, literals) == strings("", "1")
    assert stacked.name.endswith(".stacked")
    assert stacked.get_config(SETTINGS) == {"inner": "ran", "outer": "ran", "link_type": "outer"}


def test_attributes_of_a_decorator_stay_its_own() -> None:
    assert stacked.metadata.retries == 0
    assert stacked.task_function.metadata == "mine"


def test_decorators_of_coroutines() -> None:
    assert awaited.is_async
    assert asyncio.run(adispatch(awaited, {"a": idl.integer(1)})) == strings("outer", "1")


def test_a_decorator_without_execute_says_so() -> None:
    with pytest.raises(NotImplementedError, match="ClassDecorator has no execute method"):
        ClassDecorator(plain)(1)


# -- secrets, environments -------------------------------------------------------------------------------------------------


def test_secrets_are_checked() -> None:
    with pytest.raises(ValueError, match="Group is a required parameter"):
        Secret(key="k")
    with pytest.raises(ValueError, match="Invalid environment variable name: lower"):
        Secret(group="g", env_var="lower")
    with pytest.raises(FlyteAssertion, match=r"Secret g should be of type hardpoint\.Secret, received <class 'str'>"):
        task(secret_requests=["g"])(plain)
    assert isinstance(Secret("g", "k"), Secret)


def test_environment_gives_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    env = Environment(retries=2, environment={"A": "1", "B": "1"})
    made = env(plain)
    assert (made.metadata.retries, made.environment) == (2, {"A": "1", "B": "1"})
    changed = env.task(retries=3, environment={"B": "2"})(plain)
    assert (changed.metadata.retries, changed.environment) == (3, {"A": "1", "B": "2"})
    extended = env.extend(timeout=5)
    env.update(retries=9)
    assert extended.overrides == {"retries": 2, "environment": {"A": "1", "B": "1"}, "timeout": 5}
    assert env.task(plain).metadata.retries == 9
    extended.show()
    assert capsys.readouterr().out.splitlines() == ["retries: 2", "environment: {'A': '1', 'B': '1'}", "timeout: 5"]


def test_environment_of_dynamic_tasks() -> None:
    made = Environment(retries=2).dynamic(plain)
    assert (made.execution_mode, made.metadata.retries) == (ExecutionBehavior.DYNAMIC, 2)


def test_errors_are_the_users() -> None:
    with pytest.raises(UserError):
        task(timeout="soon")(plain)
    assert issubclass(FlyteValidationException, UserError)
