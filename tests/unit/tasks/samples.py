"""Tasks as users write them, for tests that look at what becomes of them."""

from __future__ import annotations

from typing import Any, NamedTuple

from flyteidl.core.tasks_pb2 import Sql

from hardpoint.tasks.accelerators import T4
from hardpoint.tasks.base import PythonTask
from hardpoint.tasks.class_decorator import ClassDecorator
from hardpoint.tasks.container_task import ContainerTask
from hardpoint.tasks.environment import Echo
from hardpoint.tasks.interface import Interface
from hardpoint.tasks.metadata import Cache, Documentation, TaskMetadata
from hardpoint.tasks.pod import PodTemplate
from hardpoint.tasks.python_function_task import ExecutionBehavior, PythonInstanceTask
from hardpoint.tasks.resources import Resources
from hardpoint.tasks.secret import Secret
from hardpoint.tasks.shim import PythonCustomizedContainerTask, ShimTaskExecutor
from hardpoint.tasks.sql import SQLTask
from hardpoint.tasks.task import task
from hardpoint.types.columns import kwtypes


class Pair(NamedTuple):
    number: int
    text: str


@task
def plain(a: int, b: str = "x") -> tuple[int, str]:
    return a, b


@task
def paired(a: int) -> Pair:
    return Pair(a, str(a))


@task
async def later(a: int) -> int:
    return a + 1


class linked(ClassDecorator):
    def __init__(self, task_function: Any = None, link: str = "my-link", **kwargs: Any) -> None:
        super().__init__(task_function, link=link, **kwargs)
        self.link = link

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        return self.task_function(*args, **kwargs)

    def get_extra_config(self) -> dict[str, str]:
        return {self.LINK_TYPE_KEY: self.link, self.PORT_KEY: "8080"}


@task(
    retries=2,
    timeout=60,
    interruptible=True,
    cache=Cache(version="1", serialize=True, ignored_inputs=("a",)),
    deprecated="old",
    environment={"A": "b"},
    requests=Resources(cpu="1", mem="1Gi", gpu="1", ephemeral_storage="2Gi"),
    limits=Resources(cpu="2"),
    secret_requests=[Secret(group="g", key="k", mount_requirement=Secret.MountType.FILE, env_var="MY_ENV")],
    accelerator=T4,
    shared_memory=True,
    enable_deck=True,
    labels={"l": "1"},
    annotations={"an": "2"},
    pod_template_name="ptn",
    docs=Documentation(short_description="s"),
)
@linked
def everything(a: int, b: str) -> int:
    return a


@task(execution_mode=ExecutionBehavior.DYNAMIC, requests=Resources(cpu="1"))
def dynamic(a: int) -> int:
    return a


class Instance(PythonInstanceTask[None]):
    def execute(self, **kwargs: Any) -> Any:
        return kwargs["a"] + 1


instance = Instance(
    "some.name",
    None,
    task_type="pi",
    interface=Interface({"a": (int, 4)}, {"o": int}),
    environment={"Z": "1"},
    shared_memory="2Gi",
)

POD = PodTemplate(
    primary_container_name="main",
    labels={"x": "y"},
    annotations={"q": "r"},
    pod_spec={
        "containers": [
            {"name": "main", "env": [{"name": "T", "value": "1"}], "volumeMounts": [{"name": "v", "mountPath": "/v"}]},
            {"name": "side", "image": "{{.image.default.fqn}}:{{.image.default.version}}x"},
        ],
        "volumes": [{"name": "v", "emptyDir": {}}],
    },
)


@task(pod_template=POD, environment={"A": "b"}, requests=Resources(cpu="1", gpu="2", ephemeral_storage="1Gi"))
def podded(a: int) -> int:
    return a


container = ContainerTask(
    name="ct",
    image="alpine:{{.image.default.version}}",
    command=["sh", "-c", "echo {{.inputs.a}}"],
    arguments=["x"],
    inputs=kwtypes(a=int),
    outputs=kwtypes(o=str),
    input_data_dir="/var/inputs",
    output_data_dir="/var/outputs",
    requests=Resources(cpu="1"),
    environment={"A": "b"},
    secret_requests=[Secret(group="g", key="k")],
    metadata_format=ContainerTask.MetadataFormat.YAML,
)

podded_container = ContainerTask(
    name="ct2", image="alpine", command=["sh"], pod_template=POD, resources=Resources(cpu=("1", "2"))
)


class Executor(ShimTaskExecutor[None]):
    def execute_from_model(self, tt: Any, **kwargs: Any) -> Any:
        return kwargs["a"] + int(tt.custom["x"])


class Shim(PythonCustomizedContainerTask[None]):
    def get_custom(self, settings: Any) -> dict[str, Any]:
        return {"x": 1, "y": {"z": [1, 2.5, "q", None, True]}}


shim = Shim(
    name="my.t1",
    task_config=None,
    container_image="img:1",
    executor_type=Executor,
    task_type="my-shim",
    interface=Interface({"a": int}, {"o": int}),
    requests=Resources(cpu="1"),
    secret_requests=[Secret(group="g", key="k")],
    task_type_version=2,
    metadata=TaskMetadata(retries=1),
)


class Query(SQLTask[None]):
    def get_sql(self, settings: Any) -> Sql:
        return Sql(statement=self.query_template)

    def get_config(self, settings: Any) -> dict[str, str]:
        return {"b": "1", "a": "2"}


query = Query(
    name="q1",
    query_template="select 1",
    inputs=kwtypes(a=int),
    outputs=kwtypes(r=str),
    task_type="bq",
    metadata=TaskMetadata(retries=1, timeout=90),
)

echo = Echo(name="ec", inputs=kwtypes(a=int, b=str))

ALL: list[PythonTask[Any]] = [
    *(plain, paired, later, everything, dynamic, instance, podded),
    *(container, podded_container, shim, query, echo),
]
