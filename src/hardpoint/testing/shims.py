"""The suite that every shim task passes. Subclass `ShimConformance` in a test module and fill in its attributes."""

from __future__ import annotations

import copy
import json
import logging
import operator
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import pytest

from hardpoint import idl
from hardpoint.context import ExecutionParameters, FlyteContextManager, Mode
from hardpoint.errors import HardpointError
from hardpoint.idl import Literal, TaskTemplate
from hardpoint.secrets import SecretsManager
from hardpoint.storage import FileAccess
from hardpoint.tasks.command import TASK_TEMPLATE_PATH
from hardpoint.tasks.dispatch import Dispatchable, dispatch
from hardpoint.tasks.image import ImageConfig
from hardpoint.tasks.secret import Secret
from hardpoint.tasks.serialization import SerializationSettings
from hardpoint.tasks.shim import ExecutableTemplateShimTask, PythonCustomizedContainerTask
from hardpoint.testing.gaps import Conformance

__all__ = ["CANARY", "ShimConformance"]

CANARY = "canary-5Hd91x"
"""What every secret of a task holds while the suite runs; it may be seen nowhere."""

_SETTINGS = SerializationSettings(
    ImageConfig.auto(img_name="registry.example/hardpoint:1"), project="p", domain="d", version="v", env={"A": "b"}
)


class ShimConformance(Conformance):
    """Proves that the template is all that a shim task needs, and that it says nothing that it should not.

    Attributes:
        inputs: Inputs with which the task succeeds.
        failing: What makes it fail: inputs, and the error that it raises.
        secrets: Secrets that it reads; each holds `CANARY`.
        equal: How an output of a local run and one of a container are compared, as Python values.
    """

    inputs: ClassVar[Mapping[str, Any]] = {}
    failing: ClassVar[Sequence[tuple[Mapping[str, Any], type[HardpointError]]]] = ()
    secrets: ClassVar[Sequence[Secret]] = ()
    equal: ClassVar[Callable[[Any, Any], bool]] = staticmethod(operator.eq)

    def make_task(self) -> PythonCustomizedContainerTask[Any]:
        """A new task. Two calls give equal ones."""
        raise NotImplementedError("Override make_task.")

    @pytest.fixture(autouse=True)
    def _surroundings(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        for secret in self.secrets:
            name = SecretsManager().get_secrets_env_var(secret.group, secret.key, secret.group_version)
            monkeypatch.setenv(name, CANARY)
        with FlyteContextManager.use(files=FileAccess(str(tmp_path / "raw"))):
            yield

    def _in_container(self, folder: Path) -> ExecutableTemplateShimTask:
        """The task as a container makes it: from a file with the template and the executor's name."""
        task = self.make_task()
        file = folder / "template.pb"
        file.write_bytes(task.template(_SETTINGS).SerializeToString())
        place, executor = task.task_resolver.loader_args(_SETTINGS, task)
        assert place == TASK_TEMPLATE_PATH
        made: ExecutableTemplateShimTask = task.task_resolver.load_task([str(file), executor])
        return made

    def _outputs(self, task: Dispatchable, inputs: Mapping[str, Any], mode: Mode) -> dict[str, Literal]:
        literals = self.make_task().encode_inputs(inputs)
        with FlyteContextManager.use(mode=mode, params=ExecutionParameters()):
            outputs = dispatch(task, literals)
        assert isinstance(outputs, dict)
        return outputs

    def _both(self, folder: Path) -> list[tuple[Dispatchable, Mode]]:
        return [
            (self.make_task(), Mode.LOCAL_TASK_EXECUTION),
            (self._in_container(folder), Mode.TASK_EXECUTION),
        ]

    def _values(self, outputs: Mapping[str, Literal]) -> dict[str, Any]:
        codecs = self.make_task().interface.output_codecs
        return {name: codecs[name].decode(literal) for name, literal in outputs.items()}

    def test_template_is_the_same_each_time(self) -> None:
        first, second = (self.make_task().template(_SETTINGS).SerializeToString(deterministic=True) for _ in range(2))
        assert first == second
        assert TaskTemplate.FromString(first).SerializeToString(deterministic=True) == first

    def test_command_names_the_executor(self) -> None:
        task = self.make_task()
        executor = task.executor_type
        args = list(task.template(_SETTINGS).container.args)
        assert args[args.index("--") + 1 :] == [TASK_TEMPLATE_PATH, f"{executor.__module__}.{executor.__qualname__}"]
        assert task.task_resolver.location in args

    def test_custom_survives_the_template(self) -> None:
        """Numbers are doubles there, and whole ones are given back as integers."""
        task = self.make_task()
        custom = task.get_custom(_SETTINGS) or {}
        assert idl.native(task.template(_SETTINGS).custom) == json.loads(json.dumps(custom))

    def test_container_gives_what_a_local_call_gives(self, tmp_path: Path) -> None:
        local, remote = (self._values(self._outputs(task, self.inputs, mode)) for task, mode in self._both(tmp_path))
        assert set(local) == set(remote) == set(self.make_task().interface.outputs)
        for name, value in local.items():
            assert type(self).equal(value, remote[name])

    def test_interface_survives_the_template(self, tmp_path: Path) -> None:
        task, loaded = self.make_task(), self._in_container(tmp_path)
        assert loaded.name == task.name
        assert set(loaded.interface.inputs) == set(task.interface.inputs)
        assert list(loaded.interface.outputs) == list(task.interface.outputs)  # a tuple's values go by their order

    def test_inputs_are_not_changed(self) -> None:
        given = dict(self.inputs)
        before = copy.deepcopy(given)
        template = self.make_task().template(_SETTINGS)
        unchanged = template.SerializeToString(deterministic=True)
        self.make_task().executor.execute_from_model(template, **given)
        assert given == before
        assert template.SerializeToString(deterministic=True) == unchanged

    def test_runs_do_not_see_each_other(self) -> None:
        """Runs of one task, one after the other and side by side, give the same."""
        task = self.make_task()
        context = FlyteContextManager.current_context()

        def run(_: int) -> dict[str, Any]:
            with FlyteContextManager.use(context):
                return self._values(self._outputs(task, self.inputs, Mode.LOCAL_TASK_EXECUTION))

        with ThreadPoolExecutor(4) as pool:
            first, *others = [run(0), *pool.map(run, range(4))]
        for other in others:
            assert all(type(self).equal(value, other[name]) for name, value in first.items())

    def test_failures_are_typed(self, tmp_path: Path) -> None:
        for inputs, kind in self.failing:
            for task, mode in self._both(tmp_path):
                with pytest.raises(kind) as caught:
                    self._outputs(task, inputs, mode)
                assert len(str(caught.value)) > 20

    def test_secrets_are_requested(self) -> None:
        asked = self.make_task().template(_SETTINGS).security_context.secrets
        found = {(secret.group, secret.key, secret.group_version) for secret in asked}
        for secret in self.secrets:
            assert (secret.group or "", secret.key or "", secret.group_version or "") in found

    def test_secrets_are_seen_nowhere(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """Neither in the template nor in logs, errors, decks or outputs."""
        assert CANARY not in str(self.make_task().template(_SETTINGS))
        told: list[str] = []
        with caplog.at_level(logging.DEBUG):
            for inputs in [self.inputs, *(inputs for inputs, _ in self.failing)]:
                for task, mode in self._both(tmp_path):
                    literals = self.make_task().encode_inputs(inputs)
                    params = ExecutionParameters(enable_deck=True)
                    task.enable_deck, task.deck_fields = True, ("Input", "Output", "Timeline")  # type: ignore[misc]
                    with FlyteContextManager.use(mode=mode, params=params):
                        try:
                            told.append(str(dispatch(task, literals)))
                        except HardpointError as error:
                            told += ["".join(traceback.format_exception(error)), repr(vars(error))]
                    told += [deck.html for deck in params.decks]
        assert CANARY not in "".join(told) + caplog.text
