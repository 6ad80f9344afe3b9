"""Functions as jobs of a stand-in for AWS Batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flyteidl.admin.agent_pb2 import TaskExecutionMetadata

from hardpoint import Resources, idl, map_task, task, workflow
from hardpoint.connectors import ConnectorRegistry, JobGoneError, Phase
from hardpoint.connectors.connection import Connection, use_connection
from hardpoint.connectors.local import JobFailedError, JobInterruptedError
from hardpoint.context import FlyteContextManager, Mode
from hardpoint.engine import execute
from hardpoint.errors import FlyteValidationException, UserError
from hardpoint.idl import TaskTemplate
from hardpoint.integrations._aws import AWSError
from hardpoint.integrations.awsbatch import AWSBatchConfig, AWSBatchFunctionTask
from hardpoint.integrations.awsbatch.connector import PHASES, AWSBatchConnector, AWSBatchMeta
from hardpoint.settings import override
from hardpoint.tasks.image import ImageConfig
from hardpoint.tasks.serialization import FastSerializationSettings, SerializationSettings
from hardpoint.types import TypeEngine
from tests.integrations.awsbatch.functions import at_home, nothing, successor
from tests.services.aws import REGION
from tests.services.aws_batch import BatchStandIn

EXAMPLE = Path(__file__).parents[3] / "examples" / "awsbatch_example.py"
SETTINGS = SerializationSettings(ImageConfig.auto(img_name="registry.example/hardpoint:1"))
KEY = "hp-a-job-of-the-tests-0123456789abcdef0123"
MODULE = "tests.integrations.awsbatch.functions"
REFERENCE = {
    "parameters": None,
    "schedulingPriority": None,
    "platformCapabilities": "EC2",
    "propagateTags": None,
    "tags": None,
}


@pytest.fixture
def batch(monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchStandIn]:
    with BatchStandIn(polls=1) as running:
        running.announce(monkeypatch)
        yield running
        assert running.faults == []


@pytest.fixture
def bucket(s3_bucket: str, batch: BatchStandIn, monkeypatch: pytest.MonkeyPatch) -> str:
    batch.announce(monkeypatch)  # its credentials, in the place of those for the bucket alone
    monkeypatch.setenv("HARDPOINT_LOCAL_RAW_OUTPUT_PREFIX", f"{s3_bucket}/raw")
    return s3_bucket


def template_of(made: Any, settings: SerializationSettings = SETTINGS) -> TaskTemplate:
    return TaskTemplate.FromString(made.template(settings).SerializeToString())


def submitted(batch: BatchStandIn, made: Any, prefix: str = "s3://b/x", **arguments: Any) -> AWSBatchMeta:
    template = template_of(made)
    words = [word.replace("{{.outputPrefix}}", prefix) for word in template.container.args]
    template.container.args[:] = words
    return AWSBatchConnector().create(template, prefix, idempotency_key=KEY, tags={"hardpoint-key": KEY}, **arguments)


def with_config(config: AWSBatchConfig | None, **arguments: Any) -> AWSBatchFunctionTask:
    return AWSBatchFunctionTask(config, successor.task_function, **arguments)


# -- the wire ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "custom"),
    [
        (None, {}),
        (AWSBatchConfig(), {}),
        (
            AWSBatchConfig({"a": "1"}, 5, "FARGATE", True, {"a": "b"}),
            {
                "parameters": {"a": "1"},
                "schedulingPriority": 5.0,
                "platformCapabilities": "FARGATE",
                "propagateTags": True,
                "tags": {"a": "b"},
            },
        ),
        (
            AWSBatchConfig(checkpoints=True, jobQueue="work", assignPublicIp=False, region="r"),
            {"jobQueue": "work", "assignPublicIp": False, "region": "r"},
        ),
    ],
)
def test_the_template_is_what_flytes_own_plugin_reads(config: AWSBatchConfig | None, custom: dict[str, Any]) -> None:
    template = template_of(with_config(config))
    assert idl.native(template.custom) == {**REFERENCE, **custom}
    assert (template.type, template.task_type_version) == ("aws-batch", 0)
    assert dict(template.config) == {"platformCapabilities": custom.get("platformCapabilities", "EC2")}
    given = config or AWSBatchConfig()
    assert given.to_dict() == {**REFERENCE, **custom}
    assert [type(given.to_dict()["schedulingPriority"])] == [float if given.schedulingPriority else type(None)]


LOADER = [
    *("--resolver", "hardpoint.tasks.resolver.default_task_resolver", "--"),
    *("task-module", MODULE, "task-name", "successor"),
]
DATA = [
    *("--inputs", "{{.input}}"),
    *("--output-prefix", "{{.outputPrefix}}/0"),
    *("--raw-output-data-prefix", "{{.rawOutputDataPrefix}}"),
]


def test_outputs_go_where_flytes_own_plugin_looks_for_them() -> None:
    assert list(template_of(successor).container.args) == ["hardpoint-execute", *DATA, *LOADER]


def test_code_may_be_fetched_first() -> None:
    fast = FastSerializationSettings(True, "/root", "s3://b/code.tar.gz")
    settings = SerializationSettings(SETTINGS.image_config, fast_serialization_settings=fast)
    prefix = [
        *("hardpoint-fast-execute", "--additional-distribution", "s3://b/code.tar.gz", "--dest-dir", "/root", "--"),
    ]
    assert list(template_of(successor, settings).container.args) == [*prefix, "hardpoint-execute", *DATA, *LOADER]


def test_checkpoints_are_told_of_if_asked_for() -> None:
    args = list(template_of(with_config(AWSBatchConfig(checkpoints=True))).container.args)
    flags = ["--checkpoint-path", "{{.checkpointOutputPrefix}}", "--prev-checkpoint", "{{.prevCheckpointPrefix}}"]
    assert args[: 1 + len(DATA) + len(flags)] == ["hardpoint-execute", *DATA, *flags]


def test_a_task_with_a_command_of_its_own_keeps_it() -> None:
    made = with_config(None)
    made.set_command_fn(lambda settings: ["notebook", "--output-prefix", "{{.outputPrefix}}", "--resolver", "x.y"])
    assert list(template_of(made).container.args) == [
        *("notebook", "--output-prefix", "{{.outputPrefix}}/0", "--resolver", "x.y"),
    ]


def test_it_may_be_mapped_over() -> None:
    args = list(template_of(map_task(successor)).container.args)
    assert args[: 1 + len(DATA)] == ["hardpoint-map-execute", *DATA]
    with FlyteContextManager.use(mode=Mode.TASK_EXECUTION):
        assert map_task(at_home)(n=[1, 2]) == [2, 3]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AWSBatchConfig(platformCapabilities="ECS"), "should be EC2 or FARGATE, but is 'ECS'"),
        (lambda: AWSBatchConfig(schedulingPriority=10_000), "from 0 to 9999, but is 10000"),
        (lambda: AWSBatchConfig(schedulingPriority=True), "from 0 to 9999, but is True"),
        (lambda: AWSBatchConfig(schedulingPriority=5.5), "from 0 to 9999, but is 5.5"),  # type: ignore[arg-type]
        (lambda: AWSBatchConfig(tags={"a": 1}), "tags of AWSBatchConfig should be text for text, but has 'a': 1"),  # type: ignore[dict-item]
        (lambda: AWSBatchConfig(parameters={"a": None}), "parameters of AWSBatchConfig"),  # type: ignore[dict-item]
        (lambda: AWSBatchConfig(tags={str(n): "" for n in range(51)}), "at most 50 tags, but there are 51"),
    ],
)
def test_what_is_wrong_is_told_at_once(make: Any, message: str) -> None:
    with pytest.raises(FlyteValidationException, match=message):
        make()


def test_metadata_is_json_without_secrets() -> None:
    meta = AWSBatchMeta("id", REGION, "s3://b/x", True)
    assert json.loads(meta.encode()) == {
        "job_id": "id",
        "region": REGION,
        "output_prefix": "s3://b/x",
        "has_outputs": True,
    }
    assert AWSBatchMeta.decode(b'{"job_id": "id", "region": "r", "later": 1}') == AWSBatchMeta("id", "r")


def test_every_state_of_the_api_has_a_phase() -> None:
    import botocore.session

    shape = botocore.session.Session().get_service_model("batch").shape_for("JobStatus")
    assert set(PHASES) == set(shape.enum)


def test_the_connector_and_the_task_are_found() -> None:
    assert isinstance(ConnectorRegistry.get_connector("aws-batch", 0), AWSBatchConnector)
    assert type(successor) is AWSBatchFunctionTask


# -- what Batch is asked for -------------------------------------------------------------------------------------------


def test_the_job_is_what_the_task_says(batch: BatchStandIn) -> None:
    metadata = TaskExecutionMetadata(environment_variables={"FLYTE_INTERNAL_EXECUTION_ID": "f1"})
    made = with_config(
        AWSBatchConfig(
            {"a": "1"}, 7, "EC2", True, {"team": "x"}, jobQueue="work", shareIdentifier="s", jobRoleArn="arn:role"
        ),
        container_image="registry.example/other:2",
        environment={"LANG": "C"},
        requests=Resources(cpu="1500m", mem="1Gi", gpu="2"),
        limits=Resources(cpu="4", mem="2Gi"),
    )
    template = template_of(made)
    template.metadata.timeout.FromSeconds(90)
    submitted(batch, made, task_execution_metadata=metadata)
    [asked], [definition] = batch.parameters("SubmitJob"), batch.parameters("RegisterJobDefinition")
    assert asked["jobName"] == KEY
    assert asked["jobQueue"] == "work"
    assert asked["tags"] == {"hardpoint-key": KEY, "team": "x"}
    assert (asked["parameters"], asked["propagateTags"]) == ({"a": "1"}, True)
    assert (asked["shareIdentifier"], asked["schedulingPriorityOverride"]) == ("s", 7)
    overrides = asked["containerOverrides"]
    command = overrides["command"]
    assert command[command.index("--output-prefix") + 1] == "s3://b/x"
    assert {pair["name"]: pair["value"] for pair in overrides["environment"]} == {
        "FLYTE_INTERNAL_EXECUTION_ID": "f1",
        "LANG": "C",
    }
    assert definition["platformCapabilities"] == ["EC2"]
    assert definition["schedulingPriority"] == 7
    assert definition["containerProperties"] == {
        "image": "registry.example/other:2",
        "jobRoleArn": "arn:role",
        "resourceRequirements": [
            {"type": "VCPU", "value": "2"},
            {"type": "MEMORY", "value": "1024"},
            {"type": "GPU", "value": "2"},
        ],
    }


def test_fargate_has_parts_of_processors(batch: BatchStandIn) -> None:
    config = AWSBatchConfig(
        platformCapabilities="FARGATE", jobQueue="work", executionRoleArn="arn:role", assignPublicIp=True
    )
    submitted(batch, with_config(config, limits=Resources(cpu="500m")))
    [definition] = batch.parameters("RegisterJobDefinition")
    assert definition["containerProperties"] == {
        "image": "registry.example/hardpoint:1",
        "executionRoleArn": "arn:role",
        "networkConfiguration": {"assignPublicIp": "ENABLED"},
        "resourceRequirements": [{"type": "VCPU", "value": "0.5"}, {"type": "MEMORY", "value": "2048"}],
    }


def test_definitions_are_shared(batch: BatchStandIn) -> None:
    submitted(batch, successor)
    submitted(batch, successor, "s3://b/y")
    assert len(batch.definitions) == 1
    submitted(batch, nothing)
    assert len(batch.definitions) == 2


@pytest.mark.parametrize(("seconds", "told"), [(0, None), (5, 60), (90, 90)])
def test_a_timeout_is_batchs_to_keep(batch: BatchStandIn, seconds: int, told: int | None) -> None:
    template = template_of(successor)
    template.metadata.timeout.FromSeconds(seconds)
    AWSBatchConnector().create(template, "s3://b/x", idempotency_key=KEY, tags={})
    [asked] = batch.parameters("SubmitJob")
    assert asked.get("timeout", {}).get("attemptDurationSeconds") == told


def test_there_is_room_for_the_users_tags(batch: BatchStandIn) -> None:
    tags = {f"t{n}": "" for n in range(49)}
    made = with_config(AWSBatchConfig(tags=tags, jobQueue="work"))
    AWSBatchConnector().create(
        template_of(made), "s3://b/x", idempotency_key=KEY, tags={"hardpoint-node": "n0", "hardpoint-key": KEY}
    )
    [asked] = batch.parameters("SubmitJob")
    assert asked["tags"] == {**tags, "hardpoint-key": KEY}


def test_the_queue_may_be_the_connections(batch: BatchStandIn) -> None:
    with pytest.raises(UserError, match=r"There is no job queue") as caught:
        submitted(batch, at_home)
    assert "jobQueue" in str(caught.value)
    with use_connection(Connection(configs={"job_queue": "work"})):
        submitted(batch, at_home)
    assert len(batch.created()) == 1


def test_a_refused_job_says_why(batch: BatchStandIn) -> None:
    with pytest.raises(AWSError, match=r"batch refused SubmitJob: ClientException: JobQueue nowhere does not exist"):
        submitted(batch, with_config(AWSBatchConfig(jobQueue="nowhere")))


# -- what it says ------------------------------------------------------------------------------------------------------


def test_a_lost_machine_is_no_fault_of_the_job(batch: BatchStandIn) -> None:
    batch.polls = None
    connector, meta = AWSBatchConnector(), submitted(batch, successor, "file:///nowhere")
    job = batch.jobs[meta.job_id]
    job.state, job.reason = "FAILED", "Host EC2 (instance i-0123) terminated."
    resource = connector.get(meta)
    assert (resource.phase, resource.message) == (Phase.RETRYABLE_FAILED, job.reason)
    job.reason = ""
    assert connector.get(meta).message == "AWS Batch reports the job as FAILED, and says no more."


def test_links_lead_to_the_job_and_its_log(batch: BatchStandIn) -> None:
    connector, meta = AWSBatchConnector(), submitted(batch, nothing, "file:///nowhere")
    batch.polls = None
    batch.jobs[meta.job_id].facts["container"] = {"logStreamName": "hardpoint/default/1"}
    job, log = connector.get(meta).log_links or ()
    console = "https://eu-central-1.console.aws.amazon.com"
    assert job.uri == f"{console}/batch/home?region=eu-central-1#jobs/detail/{meta.job_id}"
    assert log.uri == (
        f"{console}/cloudwatch/home?region=eu-central-1#logsV2:log-groups/log-group/$252Faws$252Fbatch$252Fjob"
        "/log-events/hardpoint$252Fdefault$252F1"
    )


def test_many_states_are_one_question(batch: BatchStandIn) -> None:
    batch.polls = None
    connector = AWSBatchConnector()
    metas = [submitted(batch, successor, f"s3://b/{n}") for n in range(connector.capabilities.poll_batch)]
    batch.say(metas[99].job_id, "RUNNING")
    told = connector.get_many(metas)
    assert [resource.phase for resource in told] == [Phase.QUEUED] * 99 + [Phase.RUNNING]
    assert [len(asked["jobs"]) for asked in batch.parameters("DescribeJobs")] == [100]
    batch.forget(metas[3].job_id)
    with pytest.raises(JobGoneError, match=metas[3].job_id):
        connector.get_many(metas)
    connector.delete(metas[3])


# -- running -----------------------------------------------------------------------------------------------------------


def test_without_a_queue_the_function_is_called_here(batch: BatchStandIn) -> None:
    assert at_home(n=1) == 2
    assert batch.created() == []


def test_in_its_container_the_function_is_called(batch: BatchStandIn) -> None:
    with FlyteContextManager.use(mode=Mode.TASK_EXECUTION):
        assert successor.execute(n=1) == 2
    assert batch.created() == []


def test_with_a_queue_batch_runs_it(batch: BatchStandIn, bucket: str) -> None:
    @task
    def double(n: int) -> int:
        return 2 * n

    @workflow
    def wf(n: int) -> int:
        return double(n=successor(n=n))

    run = execute(wf, {"n": 2})
    assert list(run.outputs.values()) == [6]
    [asked] = batch.parameters("SubmitJob")
    assert asked["tags"]["hardpoint-execution"] == run.id
    assert nothing(n=1) is None


def test_an_element_of_a_map_is_a_job(batch: BatchStandIn, tmp_path: Path) -> None:
    """As a control plane asks for it: all elements have the same inputs, and their variables say which one is which."""
    batch.polls = None
    numbers = TypeEngine.codec(list[int]).encode([1, 20, 300])
    (tmp_path / "inputs.pb").write_bytes(idl.literal_map({"n": numbers}).SerializeToString())
    template = template_of(map_task(successor))
    places = {
        "{{.input}}": f"{tmp_path}/inputs.pb",
        "{{.outputPrefix}}/0": f"{tmp_path}/out/0",
        "{{.rawOutputDataPrefix}}": f"{tmp_path}/raw",
    }
    template.container.args[:] = [places.get(word, word) for word in template.container.args]
    variables = {"BATCH_JOB_ARRAY_INDEX_VAR_NAME": "FLYTE_K8S_ARRAY_INDEX", "FLYTE_K8S_ARRAY_INDEX": "1"}
    metadata = TaskExecutionMetadata(environment_variables=variables)
    connector = AWSBatchConnector()
    meta = connector.create(template, f"{tmp_path}/out", task_execution_metadata=metadata, idempotency_key=KEY, tags={})
    batch.end(meta.job_id)
    assert connector.get(meta).phase is Phase.SUCCEEDED
    outputs = idl.LiteralMap.FromString((tmp_path / "out" / "outputs.pb").read_bytes())
    assert outputs.literals["o0"] == idl.integer(21)


@pytest.mark.parametrize(
    ("n", "error", "message"), [(13, JobFailedError, "Unlucky"), (14, JobInterruptedError, "The next time may do")]
)
def test_the_functions_error_is_told(
    batch: BatchStandIn, bucket: str, n: int, error: type[Exception], message: str
) -> None:
    """The container ends well, as it has done its duty when it has written the error."""
    with pytest.raises(error, match=message):
        successor(n=n)
    assert [job.state for job in batch.jobs.values()] == ["SUCCEEDED"]


def test_data_that_no_container_can_reach_is_refused(batch: BatchStandIn, tmp_path: Path) -> None:
    with (
        override(local={"raw_output_prefix": str(tmp_path)}),
        pytest.raises(UserError, match="no container can read it") as caught,
    ):
        successor(n=1)
    assert "HARDPOINT_LOCAL_RAW_OUTPUT_PREFIX" in str(caught.value)
    assert batch.created() == []


@pytest.mark.parametrize("queue", ["work", ""])
def test_the_example(batch: BatchStandIn, bucket: str, queue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_BATCH_QUEUE", queue)
    monkeypatch.syspath_prepend(EXAMPLE.parent)  # what the image holds
    ran = subprocess.run(
        [sys.executable, "-m", "hardpoint.cli.main", "run", str(EXAMPLE), "report", "--least", "3"],
        capture_output=True,
        text=True,
        env=os.environ.copy(),
    )
    assert ran.returncode == 0, ran.stderr
    assert "9 primes from 3 to 29" in ran.stdout
    assert len(batch.created()) == bool(queue)
