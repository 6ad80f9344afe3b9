"""Counts the numbers of an interval where the LakeQ library is: in an image of its own, or locally."""

from dataclasses import dataclass
from typing import Any

from hardpoint.idl import TaskTemplate, native
from hardpoint.tasks.interface import Interface
from hardpoint.tasks.serialization import SerializationSettings
from hardpoint.tasks.shim import PythonCustomizedContainerTask, ShimTaskExecutor


@dataclass
class LakeQ:
    """How the numbers are counted.

    Args:
        step: The distance from one to the next.
    """

    step: int = 1


class CountExecutor(ShimTaskExecutor[LakeQ]):
    """Does the work; all it knows is in the template."""

    def execute_from_model(self, tt: TaskTemplate, **kwargs: Any) -> int:
        step: int = native(tt.custom)["step"]
        return len(range(kwargs["low"], kwargs["high"] + 1, step))


class LakeQCount(PythonCustomizedContainerTask[LakeQ]):
    """A task with inputs `low` and `high` whose output is how many numbers lie between them, both included.

    Args:
        name: Its name.
        task_config: How the numbers are counted.
        container_image: The image that holds this package.
        kwargs: As for every task.
    """

    def __init__(
        self,
        name: str,
        task_config: LakeQ | None = None,
        container_image: str = "registry.example/hardpoint-lakeq:1.0",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            name,
            task_config or LakeQ(),
            container_image,
            CountExecutor,
            task_type="lakeq_count",
            interface=Interface({"low": int, "high": int}, {"o0": int}),
            **kwargs,
        )

    def get_custom(self, settings: SerializationSettings) -> dict[str, Any]:
        assert self.task_config is not None
        return {"step": self.task_config.step}
