"""Tasks that run on a Slurm cluster: a function, a script that is there, a script that the task brings."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hardpoint.connectors.local import AsyncConnectorExecutorMixin
from hardpoint.context import FlyteContextManager
from hardpoint.errors import FlyteValidationException
from hardpoint.integrations.slurm.commands import check_options
from hardpoint.integrations.slurm.login import SSHConfig
from hardpoint.integrations.slurm.scripts import FUNCTION, check_script
from hardpoint.tasks.base import PythonTask
from hardpoint.tasks.interface import Interface
from hardpoint.tasks.python_function_task import PythonFunctionTask
from hardpoint.types.directory import FlyteDirectory
from hardpoint.types.file import FlyteFile

if TYPE_CHECKING:
    from collections.abc import Callable

    from hardpoint.tasks.serialization import SerializationSettings

__all__ = [
    "OutputLocation",
    "SlurmConfig",
    "SlurmFunctionConfig",
    "SlurmFunctionTask",
    "SlurmScriptConfig",
    "SlurmShellTask",
    "SlurmTask",
]


_NO_IMAGE = "none"
"""A template's container without an image is refused by control planes."""


def _checked(ssh_config: Mapping[str, Any], sbatch_config: Mapping[str, Any] | None) -> dict[str, Any]:
    SSHConfig.from_dict(ssh_config)
    check_options(sbatch_config)
    return dict(sbatch_config or {})


@dataclass
class SlurmFunctionConfig:
    """How a function runs on a cluster.

    Args:
        ssh_config: The login host: the fields of `SSHConfig`, of which only ``host`` is needed.
        sbatch_config: Options of sbatch by their long names, without dashes: ``{"partition": "gpu", "gpus": 2}``. Those that take
            no value are True.
        script: The batch script, with ``{task.fn}`` where the function is to run; default: Bash with ``~/.bashrc``, and only that.

    Raises:
        FlyteValidationException: something is missing or does not belong there.
    """

    ssh_config: dict[str, Any]
    sbatch_config: dict[str, Any] | None = None
    script: str | None = None

    def __post_init__(self) -> None:
        self.sbatch_config = _checked(self.ssh_config, self.sbatch_config)
        if self.script is not None:
            check_script(self.script)
            if FUNCTION not in self.script:
                raise FlyteValidationException(
                    "The script never runs the function.", remedy=f"Write {FUNCTION} where the function is to run."
                )


class SlurmFunctionTask(AsyncConnectorExecutorMixin, PythonFunctionTask[SlurmFunctionConfig]):
    """A function that runs on a cluster; ``@task(task_config=SlurmFunctionConfig(...))`` makes it.

    Args:
        task_config: How it runs.
        task_function: The function.
        container_image: Kept for the template, which may do without; a node runs the Python environment that the script sets up.
        kwargs: As for `PythonFunctionTask`.
    """

    def __init__(
        self,
        task_config: SlurmFunctionConfig,
        task_function: Callable[..., Any],
        container_image: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(task_config, task_function, task_type="slurm_fn", container_image=container_image, **kwargs)

    def get_custom(self, settings: SerializationSettings) -> dict[str, Any]:
        config: SlurmFunctionConfig = self.task_config  # type: ignore[assignment]
        return {
            "ssh_config": config.ssh_config,
            "sbatch_config": config.sbatch_config,
            "script": config.script,
        }

    def get_image(self, settings: SerializationSettings) -> str:
        """The image of the template. Nothing runs it, so there need not be one."""
        if self.container_image is None and settings.image_config.default_image is None:
            return _NO_IMAGE
        return super().get_image(settings)

    def execute(self, **kwargs: Any) -> Any:
        """Run the job, in a local run; call the function, on the node."""
        if FlyteContextManager.current_context().mode.is_local:
            return super().execute(**kwargs)
        return self.task_function(**kwargs)


@dataclass
class SlurmConfig:
    """How a script runs on a cluster.

    Args:
        ssh_config: As for `SlurmFunctionConfig`.
        sbatch_config: As for `SlurmFunctionConfig`.
        batch_script_args: What the script is called with.
        work_dir: A folder on the cluster, seen by its nodes, for files that a job is given; default: ``.hardpoint`` in the user's
            home. A job's own folder in it is removed at its end.
    """

    ssh_config: dict[str, Any]
    sbatch_config: dict[str, Any] | None = None
    batch_script_args: list[str] | None = None
    work_dir: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        self.sbatch_config = _checked(self.ssh_config, self.sbatch_config)


@dataclass
class SlurmScriptConfig(SlurmConfig):
    """How a script runs that is on the cluster already.

    Args:
        batch_script_path: Where it is.
    """

    batch_script_path: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch_script_path is None:
            raise FlyteValidationException("batch_script_path must be provided")


def _script_custom(config: SlurmConfig) -> dict[str, Any]:
    custom = {
        "ssh_config": config.ssh_config,
        "batch_script_args": config.batch_script_args,
        "sbatch_config": config.sbatch_config,
    }
    return custom if config.work_dir is None else {**custom, "work_dir": config.work_dir}


class SlurmTask(AsyncConnectorExecutorMixin, PythonTask[SlurmScriptConfig]):
    """A batch script that is on the cluster.

    Args:
        name: Its name.
        task_config: Which script, and where.
        kwargs: As for `PythonTask`.
    """

    _TASK_TYPE = "slurm"

    def __init__(self, name: str, task_config: SlurmScriptConfig, **kwargs: Any) -> None:
        super().__init__(self._TASK_TYPE, name, task_config, Interface(), **kwargs)

    def get_custom(self, settings: SerializationSettings) -> dict[str, Any]:
        config: SlurmScriptConfig = self.task_config  # type: ignore[assignment]
        return {**_script_custom(config), "batch_script_path": config.batch_script_path}


@dataclass
class OutputLocation:
    """Where a script leaves an output.

    Args:
        var: The output.
        var_type: `FlyteFile` or `FlyteDirectory`.
        location: A path on the cluster, or a URI to which the script writes itself. It may have inputs in it.
    """

    var: str
    var_type: Any
    location: str | os.PathLike[str]

    def __post_init__(self) -> None:
        if not self.location:
            raise FlyteValidationException(f"The output {self.var} has no location.")
        if not (isinstance(self.var_type, type) and issubclass(self.var_type, FlyteFile | FlyteDirectory)):
            raise FlyteValidationException(
                f"The output {self.var} should be a FlyteFile or a FlyteDirectory, but is {self.var_type}."
            )


class SlurmShellTask(AsyncConnectorExecutorMixin, PythonTask[SlurmConfig]):
    """A batch script that the task brings.

    ``{inputs.x}``, ``{outputs.o}`` and ``{ctx.working_directory}`` stand for values, which become variables of the shell and
    never a part of the script's text. Files among the inputs are copied to the cluster. ``{{`` and ``}}`` stand for single braces.

    Args:
        name: Its name.
        task_config: Where and how it runs.
        script: The script.
        inputs: Name -> type.
        output_locs: Where the script leaves its outputs.
        kwargs: As for `PythonTask`.

    Raises:
        FlyteValidationException: the script has no first line that names its program, or no command.
    """

    _TASK_TYPE = "slurm"

    def __init__(
        self,
        name: str,
        task_config: SlurmConfig,
        script: str,
        inputs: Mapping[str, Any] | None = None,
        output_locs: Sequence[OutputLocation] | None = None,
        **kwargs: Any,
    ) -> None:
        check_script(script)
        self._script, self._output_locs = script, list(output_locs or ())
        outputs = {location.var: location.var_type for location in self._output_locs}
        super().__init__(self._TASK_TYPE, name, task_config, Interface(inputs, outputs), **kwargs)

    @property
    def script(self) -> str:
        """The script, as it was given."""
        return self._script

    def get_custom(self, settings: SerializationSettings) -> dict[str, Any]:
        config: SlurmConfig = self.task_config  # type: ignore[assignment]
        return {
            **_script_custom(config),
            "script": self._script,
            # The interface says the same; readers of templates look for the key.
            "python_input_types": None,
            "output_locs": [
                {
                    "var": location.var,
                    "type": "directory" if issubclass(location.var_type, FlyteDirectory) else "file",
                    "location": os.fspath(location.location),
                }
                for location in self._output_locs
            ],
        }
