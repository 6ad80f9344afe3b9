from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest

from hardpoint import idl
from hardpoint.context import ExecutionParameters, FlyteContext, FlyteContextManager
from hardpoint.errors import TypeTransformerFailedError, UserError
from hardpoint.idl import TaskTemplate
from hardpoint.storage import FileAccess
from hardpoint.tasks.dispatch import IgnoreOutputs, dispatch
from hardpoint.tasks.image import ImageConfig
from hardpoint.tasks.interface import Interface
from hardpoint.tasks.resolver import load_resolver
from hardpoint.tasks.secret import Secret
from hardpoint.tasks.serialization import SerializationSettings
from hardpoint.tasks.shim import (
    ExecutableTemplateShimTask,
    PythonCustomizedContainerTask,
    ShimTaskExecutor,
    default_task_template_resolver,
)
from hardpoint.types.columns import kwtypes
from hardpoint.types.file import FlyteFile
from tests.unit.tasks import samples

SETTINGS = SerializationSettings(
    project="p", domain="d", version="v", image_config=ImageConfig.auto(img_name="im:tag"), env={"FOO": "bar"}
)
A = {"a": idl.integer(3)}


@dataclass
class Point:
    x: int
    y: int | None = None


class Outer:
    """Holds an executor, to see that inner classes are found."""

    class Moves(ShimTaskExecutor[None]):
        def execute_from_model(self, tt: TaskTemplate, **kwargs: Any) -> Any:
            point, points = kwargs["point"], kwargs["points"]
            return Point(point.x + 1), [Point(p.x) for p in points], None


class Refuses(ShimTaskExecutor[None]):
    error: Exception = UserError("bad credentials")

    def execute_from_model(self, tt: TaskTemplate, **kwargs: Any) -> Any:
        raise self.error


class Ignores(ShimTaskExecutor[None]):
    def execute_from_model(self, tt: TaskTemplate, **kwargs: Any) -> Any:
        raise IgnoreOutputs


class Shows(ShimTaskExecutor[None]):
    seen: TaskTemplate | None = None

    def execute_from_model(self, tt: TaskTemplate, **kwargs: Any) -> Any:
        type(self).seen = tt
        return kwargs["a"]


def make(executor: type[ShimTaskExecutor[Any]], **arguments: Any) -> PythonCustomizedContainerTask[None]:
    arguments.setdefault("interface", Interface({"a": int}, {"o": int}))
    return PythonCustomizedContainerTask("shim", None, "img:1", executor, **arguments)


def in_container(task: PythonCustomizedContainerTask[Any], folder: Path) -> ExecutableTemplateShimTask:
    """The task as a container gets it: from the template's file and the loader arguments."""
    template = task.template(SETTINGS)
    args = list(template.container.args)
    location, (path, executor) = args[args.index("--resolver") + 1], args[args.index("--") + 1 :]
    assert path == "{{.taskTemplatePath}}"
    (folder / "template.pb").write_bytes(template.SerializeToString())
    with FlyteContextManager.use(params=ExecutionParameters(), files=FileAccess(str(folder / "raw"))):
        return load_resolver(location).load_task([str(folder / "template.pb"), executor])  # type: ignore[no-any-return]


def test_local_and_remote_runs_are_alike(tmp_path: Path) -> None:
    remote = in_container(samples.shim, tmp_path)
    assert remote.executor_type is samples.Executor
    assert remote.name == "my.t1"
    assert dispatch(samples.shim, A) == dispatch(remote, A) == {"o": idl.integer(4)}
    assert remote.task_template.id == samples.shim.template(SETTINGS).id


def test_declared_types_are_used_locally_and_guessed_in_a_container(tmp_path: Path) -> None:
    task = make(
        Outer.Moves,
        interface=Interface(
            {"point": Point, "points": list[Point]}, {"moved": Point, "all": list[Point], "none": Point | None}
        ),
    )
    literals = task.encode_inputs({"point": Point(1), "points": [Point(2, 3)]})
    local = dispatch(task, literals)
    assert isinstance(local, dict)
    values = {name: task.interface.output_codecs[name].decode(literal) for name, literal in local.items()}
    assert values == {"moved": Point(2), "all": [Point(2)], "none": None}
    remote = in_container(task, tmp_path)
    point = remote.decode_inputs(literals)["point"]
    assert (type(point).__name__, type(point) is Point) == ("Point", False)
    assert dispatch(remote, literals) == local


class Tabulates(ShimTaskExecutor[None]):
    def execute_from_model(self, tt: TaskTemplate, **kwargs: Any) -> Any:
        import pandas as pd

        frame = pd.DataFrame({"a": [1, 2]})
        return frame, [frame], frame, Path(str(tt.custom["file"])), {"k": Point(1)}


class Tabulating(PythonCustomizedContainerTask[None]):
    def get_custom(self, settings: SerializationSettings) -> dict[str, Any]:
        return {"file": __file__}


def test_values_travel_as_declared_where_types_are_only_guessed(tmp_path: Path) -> None:
    import pandas as pd

    columns = Annotated[pd.DataFrame, kwtypes(a=int), "csv"]
    task = Tabulating(
        "shim",
        None,
        "img:1",
        Tabulates,
        interface=Interface(
            {},
            {
                "one": columns,
                "many": list[pd.DataFrame],
                "perhaps": pd.DataFrame | None,
                "file": FlyteFile,
                "map": dict[str, Point],
            },
        ),
    )
    remote = in_container(task, tmp_path)
    ctx = FlyteContext(params=ExecutionParameters(), files=FileAccess(str(tmp_path / "raw")))
    local, found = dispatch(task, {}, ctx=ctx), dispatch(remote, {}, ctx=ctx)
    assert isinstance(local, dict)
    assert isinstance(found, dict)
    for made in (local, found):
        kind = made["one"].scalar.structured_dataset.metadata.structured_dataset_type
        assert (kind.format, [column.name for column in kind.columns]) == ("csv", ["a"])
        assert made["perhaps"].scalar.union.type.structure.tag == "StructuredDataset Transformer"
        frames = task.interface.output_codecs["many"].decode(made["many"])
        assert frames[0].to_dict("list") == {"a": [1, 2]}
    assert found["map"] == local["map"]
    for made in (local, found):
        assert Path(made["file"].scalar.blob.uri).read_bytes() == Path(__file__).read_bytes()


def test_environment_and_secrets_are_in_the_local_template() -> None:
    task = make(Shows, environment={"A": "b"}, secret_requests=[Secret("g", "k")], task_type_version=2)
    dispatch(task, A)
    template = Shows.seen
    assert template is not None
    assert {pair.key: pair.value for pair in template.container.env} == {"A": "b"}
    assert [secret.key for secret in template.security_context.secrets] == ["k"]
    assert template.task_type_version == 2
    assert template.id.project == "PLACEHOLDER_PROJECT"
    with FlyteContextManager.use(serialization=SETTINGS):
        dispatch(task, A)
    assert Shows.seen is not None
    assert Shows.seen.id.project == "p"


@pytest.mark.parametrize("error", [UserError("bad credentials"), KeyError("x")])
def test_errors_keep_their_kind(error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Refuses, "error", error)
    task = make(Refuses)
    for entity in (task, in_container(task, tmp_path)):
        with pytest.raises(type(error)) as caught:
            dispatch(entity, A)
        assert caught.value is error
    assert "Error encountered while executing 'shim'" in error.__notes__


def test_ignored_outputs(tmp_path: Path) -> None:
    for entity in (make(Ignores), in_container(make(Ignores), tmp_path)):
        with pytest.raises(IgnoreOutputs):
            dispatch(entity, A)


def test_decks(tmp_path: Path) -> None:
    task = make(Shows, enable_deck=True)
    for entity in (task, in_container(task, tmp_path)):
        ctx = FlyteContext(params=ExecutionParameters())
        dispatch(entity, A, ctx=ctx)
        assert [deck.name for deck in ctx.params.decks] == ["Timeline", "Dependencies", "Input", "Output"]


def test_wrong_output_names_task_and_output(tmp_path: Path) -> None:
    task = make(Shows, interface=Interface({"a": int}, {"o": str}))
    for entity in (task, in_container(task, tmp_path)):
        with pytest.raises(TypeTransformerFailedError, match="Failed to convert outputs of task 'shim' at position 0"):
            dispatch(entity, A)


class Counts(ShimTaskExecutor[None]):
    def execute_from_model(self, tt: TaskTemplate, **kwargs: Any) -> Any:
        return tuple(range(12))


@pytest.mark.parametrize(
    ("names", "told"),
    [([f"o{index}" for index in range(12)], False), ([f"x{index}" for index in reversed(range(12))], True)],
)
def test_outputs_keep_their_order(names: list[str], told: bool, tmp_path: Path) -> None:
    task = make(Counts, interface=Interface({}, dict.fromkeys(names, int)))
    assert ("hardpoint_output_order" in task.template(SETTINGS).config) is told
    expected = {name: idl.integer(index) for index, name in enumerate(names)}
    assert dispatch(task, {}) == dispatch(in_container(task, tmp_path), {}) == expected


def test_executors_must_be_importable() -> None:
    class Local(ShimTaskExecutor[None]):
        pass

    with pytest.raises(UserError, match="defined inside a function"):
        make(Local)
    inner = make(Outer.Moves)
    assert default_task_template_resolver.loader_args(SETTINGS, inner) == [
        "{{.taskTemplatePath}}",
        f"{__name__}.Outer.Moves",
    ]
    assert default_task_template_resolver.name() == "task template resolver"
    assert default_task_template_resolver.get_all_tasks() == []


def test_executor_without_method() -> None:
    with pytest.raises(NotImplementedError, match="ShimTaskExecutor has no execute_from_model method"):
        dispatch(make(ShimTaskExecutor), A)
