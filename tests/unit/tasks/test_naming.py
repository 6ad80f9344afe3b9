from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hardpoint.errors import FlyteValidationException, UserError
from hardpoint.tasks.naming import refuse_nested
from hardpoint.tasks.resolver import (
    ClassStorageTaskResolver,
    default_task_resolver,
    load_object,
    load_resolver,
)
from hardpoint.tasks.serialization import SerializationSettings
from hardpoint.tasks.task import task
from tests.unit.tasks import foreign, samples

SETTINGS = SerializationSettings()

MODULE = """
import functools
from hardpoint.tasks.interface import Interface
from hardpoint.tasks.python_function_task import PythonInstanceTask
from hardpoint.tasks.serialization import SerializationSettings
from hardpoint.tasks.task import task

def around(fn):
    @functools.wraps(fn)
    def inner(*args, **kwargs):
        return fn(*args, **kwargs)
    return inner

@task
def t(a: int) -> int:
    return a

@task
@around
def wrapped(a: int) -> int:
    return a

i = PythonInstanceTask("i", None, interface=Interface())

def show():
    for it in (t, wrapped, i):
        print(it.name, *it.task_resolver.loader_args(SerializationSettings(), it)[1::2])

if __name__ == "__main__":
    show()
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """``pk`` is a package, ``ns`` is not."""
    for folder in ("pk", "ns"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "m.py").write_text(MODULE)
    (tmp_path / "pk" / "__init__.py").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "module"),
    [
        (["pk/m.py"], "pk.m"),
        (["-m", "pk.m"], "pk.m"),
        (["-c", "import pk.m; pk.m.show()"], "pk.m"),
        (["-c", "import sys; sys.path.insert(0, 'pk'); import m; m.show()"], "pk.m"),
        (["ns/m.py"], "m"),
        (["-m", "ns.m"], "ns.m"),
        (["-c", "import ns.m; ns.m.show()"], "ns.m"),
    ],
)
def test_modules(tree: Path, arguments: list[str], module: str) -> None:
    run = subprocess.run([sys.executable, *arguments], cwd=tree, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == [f"{module}.t {module} t", f"{module}.wrapped {module} wrapped", f"i {module} i"]


def test_tasks_are_found_again() -> None:
    for found in (samples.plain, samples.instance, samples.everything):
        arguments = default_task_resolver.loader_args(SETTINGS, found)
        assert default_task_resolver.load_task(arguments) is found
    assert load_resolver(default_task_resolver.location) is default_task_resolver


def by_hand(a: int) -> int:
    return a


renamed = task(by_hand)
from_elsewhere = task(foreign.local_type)


def test_tasks_made_without_the_syntax_of_decorators_are_found_again() -> None:
    for found, variable in ((renamed, "renamed"), (from_elsewhere, "from_elsewhere")):
        arguments = default_task_resolver.loader_args(SETTINGS, found)
        assert arguments == ["task-module", __name__, "task-name", variable]
        assert default_task_resolver.load_task(arguments) is found
    assert renamed.name == f"{__name__}.by_hand"
    with pytest.raises(UserError, match="by_hand is a function, not a task"):
        default_task_resolver.load_task(["task-module", __name__, "task-name", "by_hand"])


def test_nested_functions_are_refused_outside_of_tests() -> None:
    def nested() -> None: ...

    refuse_nested(nested)  # this is a test module
    nested.__module__ = "elsewhere"
    with pytest.raises(ValueError, match="TaskFunction cannot be a nested/inner or local function") as caught:
        refuse_nested(nested)
    assert isinstance(caught.value, FlyteValidationException)
    assert "elsewhere." in str(caught.value)


def test_lambdas_are_refused() -> None:
    anonymous = lambda: None  # noqa: E731 - that is what is refused
    anonymous.__module__ = "elsewhere"
    with pytest.raises(ValueError, match="TaskFunction cannot be a nested"):
        refuse_nested(anonymous)


def test_objects_without_a_variable_cannot_be_found() -> None:
    task = samples.Instance("lost", None)
    with pytest.raises(FlyteValidationException, match="is in no variable of module"):
        default_task_resolver.loader_args(SETTINGS, task)


def test_storage_finds_by_index() -> None:
    storage = ClassStorageTaskResolver()
    storage.add(samples.plain)
    storage.add(samples.later)
    assert storage.loader_args(SETTINGS, samples.later) == ["1"]
    assert storage.load_task(["1"]) is samples.later
    assert storage.get_all_tasks() == [samples.plain, samples.later]
    with pytest.raises(ValueError, match="no such task"):
        storage.loader_args(SETTINGS, samples.echo)
    for bad in (["2"], ["0", "1"], ["x"], []):
        with pytest.raises(FlyteValidationException):
            storage.load_task(bad)


def test_loading() -> None:
    assert load_object("hardpoint.tasks.container_task.ContainerTask.IOStrategy").__name__ == "IOStrategy"
    with pytest.raises(UserError, match=r"absent_module\.x cannot be imported"):
        load_object("absent_module.x")
    with pytest.raises(UserError, match=r"hardpoint\.tasks\.naming has no absent"):
        load_object("hardpoint.tasks.naming.absent")
    with pytest.raises(UserError, match="not a task resolver"):
        load_resolver("hardpoint.tasks.naming.Tracked")
    assert isinstance(load_resolver("hardpoint.tasks.resolver.ClassStorageTaskResolver"), ClassStorageTaskResolver)


def test_error_inside_the_module_is_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "needs_absent.py").write_text("import absent_library")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="absent_library"):
        load_object("needs_absent.task")


NOTEBOOK = """
import sys
from hardpoint.tasks.notebook import pickle_entities
from hardpoint.tasks.serialization import SerializationSettings
from hardpoint.tasks.task import task

@task
def t(a: int) -> int:
    return a + 1

print(t.task_resolver.location, *t.task_resolver.loader_args(SerializationSettings(), t))
pickle_entities({t.name: t}, ".")
"""


def test_notebook_tasks_travel_as_pickles(tmp_path: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-c", NOTEBOOK], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout.split()
    assert shown == ["hardpoint.tasks.notebook.default_notebook_task_resolver", "entity-name", "__main__.t"]
    program = (
        "from hardpoint.tasks.resolver import load_resolver\n"
        f"t = load_resolver({shown[0]!r}).load_task({shown[1:]!r})\n"
        "print(t.execute(a=1))"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "2"


def test_pickle_of_another_python_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hardpoint.tasks import notebook

    monkeypatch.chdir(tmp_path)
    notebook.pickle_entities({"x": 1}, tmp_path)
    assert notebook.default_notebook_task_resolver.load_task(["entity-name", "x"]) == 1
    with pytest.raises(UserError, match="holds no y, only x"):
        notebook.default_notebook_task_resolver.load_task(["entity-name", "y"])
    monkeypatch.setattr(sys, "version_info", (3, 8, 1))
    with pytest.raises(UserError, match="cannot be read across minor versions"):
        notebook.default_notebook_task_resolver.load_task(["entity-name", "x"])
