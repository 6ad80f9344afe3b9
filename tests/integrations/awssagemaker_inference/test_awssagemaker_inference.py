"""Models and endpoints on a stand-in for SageMaker, and on moto's."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flyteidl.admin.agent_pb2 import TaskExecutionMetadata

from hardpoint import ImageSpec, idl, kwtypes, workflow
from hardpoint.connectors import ConnectorRegistry, JobGoneError, Phase
from hardpoint.connectors.connection import Connection, ForeignEndpointError, use_connection
from hardpoint.connectors.jobs import Jobs
from hardpoint.connectors.journal import open_journal
from hardpoint.connectors.local import JobFailedError
from hardpoint.connectors.resource import MetaError
from hardpoint.engine import execute
from hardpoint.errors import FlyteValidationException, PermanentError, TransientError, UserError
from hardpoint.idl import LiteralMap, TaskTemplate
from hardpoint.integrations._aws import AWSAccessError, AWSError
from hardpoint.integrations.awssagemaker_inference import (
    Boto3ConnectorMixin,
    BotoConfig,
    BotoConnector,
    BotoTask,
    SageMakerDeleteEndpointConfigTask,
    SageMakerDeleteEndpointTask,
    SageMakerDeleteModelTask,
    SageMakerEndpointConfigTask,
    SageMakerEndpointConnector,
    SageMakerEndpointTask,
    SageMakerInvokeEndpointTask,
    SageMakerModelTask,
    create_sagemaker_deployment,
    delete_sagemaker_deployment,
    triton_image_uri,
)
from hardpoint.integrations.awssagemaker_inference.endpoint import PHASES, SageMakerEndpointMetadata
from hardpoint.settings import override
from hardpoint.tasks.serialization import SerializationSettings
from tests.services.aws import KEY_ID, REGION
from tests.services.aws_sagemaker import ARN, SageMakerStandIn
from tests.services.s3 import S3

EXAMPLE = Path(__file__).parents[3] / "examples" / "awssagemaker_inference_example.py"
KEY = "hp-an-endpoint-of-the-tests-0123456789ab"
TAGS = {"hardpoint-node": "n0", "hardpoint-key": KEY}


@pytest.fixture
def sagemaker(monkeypatch: pytest.MonkeyPatch) -> Iterator[SageMakerStandIn]:
    with SageMakerStandIn(polls=1) as running:
        running.announce(monkeypatch)
        running.configs["c"] = {}
        yield running
        assert running.faults == []


def template_of(made: Any) -> TaskTemplate:
    return TaskTemplate.FromString(made.template(SerializationSettings()).SerializeToString())


def model(config: dict[str, Any] | None = None, **arguments: Any) -> SageMakerModelTask:
    return SageMakerModelTask("m", config or {"ModelName": "m-{idempotence_token}"}, **arguments)


def endpoint(name: str = "e-{idempotence_token}", **arguments: Any) -> SageMakerEndpointTask:
    config = {"EndpointName": name, "EndpointConfigName": "c", **arguments.pop("config", {})}
    return SageMakerEndpointTask("e", config, **arguments)


def created(made: SageMakerEndpointTask, key: str = KEY) -> SageMakerEndpointMetadata:
    tags = {**TAGS, "hardpoint-key": key}
    return SageMakerEndpointConnector().create(template_of(made), "s3://b/x", idempotency_key=key, tags=tags)


# -- the wire ----------------------------------------------------------------------------------------------------------

CONFIG = {"A": "{inputs.a}", "B": [1, {"C": True}]}


@pytest.mark.parametrize(
    ("made", "service", "method"),
    [
        (SageMakerModelTask("t", CONFIG, "r", {"i": "x:1"}, kwtypes(a=str)), "sagemaker", "create_model"),
        (SageMakerEndpointConfigTask("t", CONFIG, "r", kwtypes(a=str)), "sagemaker", "create_endpoint_config"),
        (SageMakerDeleteEndpointTask("t", CONFIG, "r", kwtypes(a=str)), "sagemaker", "delete_endpoint"),
        (SageMakerDeleteEndpointConfigTask("t", CONFIG, "r", kwtypes(a=str)), "sagemaker", "delete_endpoint_config"),
        (SageMakerDeleteModelTask("t", CONFIG, "r", kwtypes(a=str)), "sagemaker", "delete_model"),
        (SageMakerInvokeEndpointTask("t", CONFIG, "r", kwtypes(a=str)), "sagemaker-runtime", "invoke_endpoint_async"),
        (
            SageMakerInvokeEndpointTask("t", CONFIG, "r", kwtypes(a=str), synchronous=True),
            "sagemaker-runtime",
            "invoke_endpoint",
        ),
        (BotoTask("t", BotoConfig("s3", "list_buckets", CONFIG, "r"), kwtypes(a=str)), "s3", "list_buckets"),
    ],
)
def test_templates_are_the_references(made: BotoTask, service: str, method: str) -> None:
    template = template_of(made)
    assert (template.type, template.task_type_version, template.WhichOneof("target")) == ("boto", 0, None)
    images = {"i": "x:1"} if method == "create_model" else None
    assert idl.native(template.custom) == {
        "service": service,
        "config": CONFIG,
        "region": "r",
        "method": method,
        "images": images,
    }
    assert list(template.interface.outputs.variables) == ["idempotence_token", "result"] or list(
        template.interface.outputs.variables
    ) == ["result", "idempotence_token"]


def test_the_template_of_an_endpoint_is_the_references() -> None:
    template = template_of(endpoint(region="r"))
    assert (template.type, template.task_type_version) == ("sagemaker-endpoint", 0)
    config = {"EndpointName": "e-{idempotence_token}", "EndpointConfigName": "c"}
    assert idl.native(template.custom) == {"config": config, "region": "r"}
    assert list(template.interface.outputs.variables) == ["result"]


def test_an_image_spec_travels_as_its_name() -> None:
    spec = ImageSpec(name="server", registry="registry.example", packages=["x"])
    call = BotoConfig("sagemaker", "create_model", {}, images={"i": spec, "j": triton_image_uri()})
    images = idl.native(template_of(BotoTask("t", call)).custom)["images"]
    assert images["i"].startswith("registry.example/server:")
    assert images["j"] == triton_image_uri()
    assert call.images == {"i": spec, "j": triton_image_uri()}


def test_metadata_is_json_and_pickles_are_not_read() -> None:
    meta = SageMakerEndpointMetadata("e", "r", KEY)
    assert json.loads(meta.encode()) == {"endpoint_name": "e", "region": "r", "key": KEY}
    assert SageMakerEndpointMetadata.decode(b'{"endpoint_name": "e", "region": "r"}').key == ""
    with pytest.raises(MetaError):
        SageMakerEndpointMetadata.decode(b"\x80\x05cos\nsystem\n(S'false'\ntR.")


def test_every_state_of_the_api_has_a_phase() -> None:
    import botocore.session

    shape = botocore.session.Session().get_service_model("sagemaker").shape_for("EndpointStatus")
    assert set(PHASES) == set(shape.enum)


def test_the_connectors_are_found() -> None:
    assert isinstance(ConnectorRegistry.get_connector("boto", 0), BotoConnector)
    assert isinstance(ConnectorRegistry.get_connector("sagemaker-endpoint", 0), SageMakerEndpointConnector)


# -- calls -------------------------------------------------------------------------------------------------------------


def test_a_call_gets_what_its_configuration_says(sagemaker: SageMakerStandIn) -> None:
    config = {
        "ModelName": "{inputs.name}",
        "PrimaryContainer": {"Image": "{images.server}", "Environment": {"N": "n={inputs.n}"}},
        "EnableNetworkIsolation": True,
    }
    made = model(config, images={"server": triton_image_uri("21.08")}, inputs=kwtypes(name=str, n=int))
    result, token = made(name="m1", n=3)
    assert (result, token) == ({"ModelArn": f"{ARN}:model/m1"}, "")
    assert sagemaker.parameters("CreateModel") == [
        {
            "ModelName": "m1",
            "PrimaryContainer": {
                "Image": "746233611703.dkr.ecr.eu-central-1.amazonaws.com/sagemaker-tritonserver:21.08-py3",
                "Environment": {"N": "n=3"},
            },
            "EnableNetworkIsolation": True,
        }
    ]


def test_what_exists_is_what_its_name_says(sagemaker: SageMakerStandIn) -> None:
    first, second = model()(), model()()
    assert first == second
    assert first[0] == {"ModelArn": f"{ARN}:model/m-{first[1]}"}
    assert len(sagemaker.models) == 1


def test_a_name_without_a_token_may_be_somebody_elses(sagemaker: SageMakerStandIn) -> None:
    made = model({"ModelName": "m"})
    made()
    with pytest.raises(AWSError, match='Cannot create already existing model "arn:') as caught:
        made()
    assert "{idempotence_token}" in str(caught.value)


@pytest.mark.parametrize(
    ("cls", "key"),
    [
        (SageMakerDeleteEndpointTask, "EndpointName"),
        (SageMakerDeleteEndpointConfigTask, "EndpointConfigName"),
        (SageMakerDeleteModelTask, "ModelName"),
    ],
)
def test_what_is_gone_need_not_be_deleted(sagemaker: SageMakerStandIn, cls: Any, key: str) -> None:
    assert cls("d", {key: "nothing"})()[0] == {"result": None}


def test_an_endpoint_is_asked(sagemaker: SageMakerStandIn) -> None:
    endpoint("e")()
    common = {"EndpointName": "e", "ContentType": "application/json"}
    ask = SageMakerInvokeEndpointTask(
        "a", {**common, "Body": "{inputs.rows}"}, inputs=kwtypes(rows=str), synchronous=True
    )
    result, _ = ask(rows="[1, 2]")
    assert (result["Body"], result["InvokedProductionVariant"]) == ({"total": 3}, "v1")
    raw = SageMakerInvokeEndpointTask(
        "r", {**common, "Body": "[4]", "Accept": "application/octet-stream"}, synchronous=True
    )
    assert raw()[0]["Body"] == "/zQ="
    later = SageMakerInvokeEndpointTask("l", {**common, "InputLocation": "s3://b/in"})
    assert later()[0]["OutputLocation"] == "s3://b/in.out"
    with pytest.raises(AWSError, match="Endpoint other of account 123456789012 not found"):
        SageMakerInvokeEndpointTask("n", {**common, "EndpointName": "other", "Body": ""}, synchronous=True)()


def test_any_service_may_be_called(s3: S3, s3_bucket: str) -> None:
    bucket = s3_bucket.removeprefix("s3://")
    put = BotoTask(
        "p", BotoConfig("s3", "put_object", {"Bucket": bucket, "Key": "k", "Body": "{inputs.text}"}), kwtypes(text=str)
    )
    put(text="hello")
    got, _ = BotoTask("g", BotoConfig("s3", "get_object", {"Bucket": bucket, "Key": "k"}))()
    assert got["Body"] == "hello"
    assert got["LastModified"].startswith("20")


@pytest.mark.parametrize(
    ("service", "method", "config", "message"),
    [
        ("sagemaker", "create_mode", {}, "has no method 'create_mode'"),
        ("sagemaker", "close", {}, "has no method 'close'"),
        ("sagemake", "create_model", {}, "Unknown service: 'sagemake'"),
        ("sagemaker", "create_model", {"Nonsense": 1}, 'Unknown parameter in input: "Nonsense"'),
        ("sagemaker", "create_model", {"ModelName": "{inputs.a}"}, "Could not find the key a"),
    ],
)
def test_a_wrong_call_is_told(
    sagemaker: SageMakerStandIn, service: str, method: str, config: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        BotoTask("t", BotoConfig(service, method, config))()


def test_the_region_is_the_nearest(sagemaker: SageMakerStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    made = model({"ModelName": "{inputs.region}"}, region="no-such-1", inputs=kwtypes(region=str))
    assert made(region=REGION)[0] == {"ModelArn": f"{ARN}:model/{REGION}"}
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with use_connection(Connection(configs={"region": REGION})):
        assert Boto3ConnectorMixin(service="sagemaker")._call("create_model", {"ModelName": "r"})[1] == ""
    with pytest.raises(UserError, match="There is no AWS region") as caught:
        model()()
    assert "AWS_REGION" in str(caught.value)


def test_a_region_that_is_none_is_told(sagemaker: SageMakerStandIn) -> None:
    with pytest.raises(UserError, match="doesn't match a supported format"):
        model(region="eu central/1")()


# -- endpoints ---------------------------------------------------------------------------------------------------------


def test_an_endpoint_is_waited_for(sagemaker: SageMakerStandIn) -> None:
    made = endpoint(config={"Tags": [{"Key": "team", "Value": "x"}]})

    @workflow
    def wf() -> dict:
        return made()

    run = execute(wf, {})
    [asked] = sagemaker.parameters("CreateEndpoint")
    assert list(run.outputs.values()) == [{"EndpointArn": f"{ARN}:endpoint/{asked['EndpointName']}"}]
    tags = {tag["Key"]: tag["Value"] for tag in asked["Tags"]}
    assert tags["team"] == "x"
    assert tags["hardpoint-execution"] == run.id


def test_a_failed_endpoint_says_why_and_is_replaced(sagemaker: SageMakerStandIn) -> None:
    sagemaker.polls = None
    meta = created(endpoint())
    sagemaker.end(sagemaker.created()[0], ok=False)
    resource = SageMakerEndpointConnector().get(meta)
    assert resource.phase is Phase.FAILED
    assert "did not pass the ping health check" in (resource.message or "")
    assert created(endpoint()) == meta  # the same attempt asks again
    again = created(endpoint(), f"{KEY}-1")
    assert again.endpoint_name == meta.endpoint_name
    assert again != meta
    assert SageMakerEndpointConnector().get(again).phase is Phase.RUNNING


def test_a_failure_fails_the_task(sagemaker: SageMakerStandIn) -> None:
    sagemaker.polls = None

    def fail() -> None:
        while not sagemaker.created():
            time.sleep(0.01)
        sagemaker.end(sagemaker.created()[0], ok=False)

    thread = threading.Thread(target=fail)
    thread.start()
    with pytest.raises(JobFailedError, match="ping health check"):
        endpoint()()
    thread.join()


def test_an_endpoint_of_somebody_else_is_left_alone(sagemaker: SageMakerStandIn) -> None:
    sagemaker.polls = None
    theirs = created(endpoint("e"))
    with pytest.raises(UserError, match="There is an endpoint e already, which is not this task's") as caught:
        created(endpoint("e"), f"{KEY}-1")
    assert "{idempotence_token}" in str(caught.value)
    SageMakerEndpointConnector().delete(SageMakerEndpointMetadata("e", REGION, f"{KEY}-1"))
    assert sagemaker.alive(sagemaker.created()[0])
    SageMakerEndpointConnector().delete(theirs)
    assert not sagemaker.alive(sagemaker.created()[0])


def test_an_endpoint_with_a_token_is_shared(sagemaker: SageMakerStandIn) -> None:
    sagemaker.polls = None
    created(endpoint())
    mine = created(endpoint(), f"{KEY}-1")
    assert len(sagemaker.created()) == 1
    SageMakerEndpointConnector().delete(mine)
    assert sagemaker.alive(sagemaker.created()[0])


@pytest.mark.parametrize("ok", [True, False], ids=["in service", "failed"])
def test_an_endpoint_that_is_wished_away_goes_also_if_it_has_been_made_since(
    sagemaker: SageMakerStandIn, ok: bool
) -> None:
    """SageMaker refuses while it makes the endpoint; whoever asks again has it deleted."""
    sagemaker.polls, sagemaker.deletes_in_progress = None, False
    meta = created(endpoint())
    [made] = sagemaker.created()
    with pytest.raises(TransientError, match="Cannot update in-progress endpoint") as caught:
        SageMakerEndpointConnector().delete(meta)
    assert "again later" in str(caught.value)
    sagemaker.end(made, ok)
    SageMakerEndpointConnector().delete(meta)
    assert made in sagemaker.forgotten
    SageMakerEndpointConnector().delete(meta)


def test_an_endpoint_that_is_being_deleted_is_let_be(sagemaker: SageMakerStandIn) -> None:
    sagemaker.polls = None
    meta = created(endpoint())
    sagemaker.say(sagemaker.created()[0], "Deleting")
    SageMakerEndpointConnector().delete(meta)
    assert sagemaker.parameters("DeleteEndpoint") == []


async def test_a_cancellation_that_is_repeated_leaves_no_endpoint(sagemaker: SageMakerStandIn, tmp_path: Path) -> None:
    """Through the kernel, as a control plane does it: it repeats what was refused."""
    sagemaker.polls, sagemaker.deletes_in_progress = None, False
    connector, made = SageMakerEndpointConnector(), template_of(endpoint())
    journal = open_journal(tmp_path / "jobs.sqlite")
    jobs = Jobs(journal)
    meta = await jobs.create_or_adopt(connector, made, LiteralMap(), f"{tmp_path}/n0/0", TaskExecutionMetadata())
    with pytest.raises(TransientError, match="in-progress"):
        await jobs.cancel(connector, meta)
    [job] = sagemaker.created()
    assert sagemaker.alive(job)
    sagemaker.end(job)
    await jobs.cancel(connector, meta)
    assert job in sagemaker.forgotten
    journal.close()


def test_a_used_up_quota_is_told(sagemaker: SageMakerStandIn) -> None:
    sagemaker.quota = 0
    with pytest.raises(PermanentError, match="service limit 'Number of endpoints' is 0") as caught:
        endpoint()()
    assert "Service Quotas" in str(caught.value)


def test_an_endpoint_that_has_vanished(sagemaker: SageMakerStandIn) -> None:
    meta = created(endpoint())
    sagemaker.forget(sagemaker.created()[0])
    with pytest.raises(JobGoneError, match="There is no endpoint"):
        SageMakerEndpointConnector().get(meta)
    SageMakerEndpointConnector().delete(meta)


def test_the_link_leads_to_the_console(sagemaker: SageMakerStandIn) -> None:
    [link] = SageMakerEndpointConnector().get(created(endpoint("e"))).log_links or ()
    assert link.uri == "https://eu-central-1.console.aws.amazon.com/sagemaker/home?region=eu-central-1#/endpoints/e"


# -- workflows ---------------------------------------------------------------------------------------------------------

MODEL = {"ModelName": "xgb", "PrimaryContainer": {"Image": "{images.i}", "ModelDataUrl": "{inputs.path}"}}
VARIANT = {"InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
ENDPOINT_CONFIG = {
    "EndpointConfigName": "xgb",
    "ProductionVariants": [
        {**VARIANT, "VariantName": "a", "ModelName": "xgb"},
        {**VARIANT, "VariantName": "b", "ModelName": "xgb"},
        {**VARIANT, "VariantName": "c", "ModelName": "other"},
    ],
}
ENDPOINT = {"EndpointName": "xgb", "EndpointConfigName": "xgb"}


def deployment(**arguments: Any) -> Any:
    given = {"images": {"i": "x:1"}, "model_input_types": kwtypes(path=str), "region": REGION, **arguments}
    return create_sagemaker_deployment("d", MODEL, ENDPOINT_CONFIG, ENDPOINT, **given)


def test_the_workflows_are_the_references() -> None:
    made = deployment(region=None, region_at_runtime=True, endpoint_input_types=kwtypes(path=str, more=int))
    assert made.name == "sagemaker-deploy-d"
    assert list(made.interface.inputs) == ["region", "path", "more"]
    assert dict(made.interface.outputs) == {"wf_output": list[dict]}
    nodes = made.compile().nodes
    assert [node.entity.name for node in nodes] == [
        "sagemaker-model-d",
        "sagemaker-endpoint-config-d",
        "sagemaker-endpoint-d",
    ]
    assert [node.upstream_ids for node in nodes] == [[], [nodes[0].id], [nodes[1].id]]
    gone = delete_sagemaker_deployment("d", REGION)
    assert gone.name == "sagemaker-delete-deployment-d"
    assert list(gone.interface.inputs) == ["endpoint_name", "endpoint_config_name", "model_name"]
    assert [node.entity.name for node in gone.compile().nodes] == [
        "sagemaker-delete-endpoint-d",
        "sagemaker-delete-endpoint-config-d",
        "sagemaker-delete-model-d",
    ]
    for make in (lambda: deployment(region=None), lambda: delete_sagemaker_deployment("d")):
        with pytest.raises(FlyteValidationException, match="Region parameter is required"):
            make()


def test_a_model_is_deployed_once_and_taken_away(sagemaker: SageMakerStandIn) -> None:
    before = copy.deepcopy((MODEL, ENDPOINT_CONFIG, ENDPOINT))
    sagemaker.models["other"] = {}
    outputs = [execute(deployment(), {"path": "s3://b/m"}).outputs["wf_output"] for _ in range(2)]
    assert before == (MODEL, ENDPOINT_CONFIG, ENDPOINT)
    assert outputs[0] == outputs[1]
    [model_arn, config_arn, endpoint_arn] = [next(iter(result.values())) for result in outputs[0]]
    model_name = model_arn.rpartition("/")[2]
    assert model_name.startswith("xgb-")
    [asked, _] = sagemaker.parameters("CreateEndpointConfig")
    assert [variant["ModelName"] for variant in asked["ProductionVariants"]] == [model_name, model_name, "other"]
    [endpoint_, _] = sagemaker.parameters("CreateEndpoint")
    assert endpoint_["EndpointConfigName"] == config_arn.rpartition("/")[2] == asked["EndpointConfigName"]
    names = {
        "endpoint_name": endpoint_arn.rpartition("/")[2],
        "endpoint_config_name": endpoint_["EndpointConfigName"],
        "model_name": model_name,
    }
    execute(delete_sagemaker_deployment("d", REGION), names)
    assert set(sagemaker.models) == {"other"}
    assert set(sagemaker.configs) == {"c"}
    assert not sagemaker.alive(sagemaker.created()[0])


def test_names_may_be_left_alone(sagemaker: SageMakerStandIn) -> None:
    sagemaker.models["other"] = {}
    execute(deployment(idempotence_token=False), {"path": "s3://b/m"})
    assert {"xgb", "other"} == set(sagemaker.models)
    assert [asked["EndpointName"] for asked in sagemaker.parameters("CreateEndpoint")] == ["xgb"]


def test_moto_takes_it_as_well(s3: S3, s3_bucket: str) -> None:
    """Another implementation of the API, by others."""
    unique = s3_bucket.removeprefix("s3://")
    made = create_sagemaker_deployment(
        unique,
        {**MODEL, "ModelName": unique, "ExecutionRoleArn": "arn:aws:iam::123456789012:role/inference"},
        {
            "EndpointConfigName": unique,
            "ProductionVariants": [{**VARIANT, "VariantName": "a", "ModelName": unique}],
        },
        {"EndpointName": unique, "EndpointConfigName": unique},
        images={"i": "x:1"},
        model_input_types=kwtypes(path=str),
        region="us-east-1",
    )
    results = execute(made, {"path": f"{s3_bucket}/m"}).outputs["wf_output"]
    assert [list(result) for result in results] == [["ModelArn"], ["EndpointConfigArn"], ["EndpointArn"]]
    names = [next(iter(result.values())).rpartition("/")[2] for result in results]
    given = dict(zip(("model_name", "endpoint_config_name", "endpoint_name"), names, strict=True))
    execute(delete_sagemaker_deployment(unique, "us-east-1"), given)
    listed, _ = BotoTask("l", BotoConfig("sagemaker", "list_endpoints", {"NameContains": unique}, "us-east-1"))()
    assert listed["Endpoints"] == []


# -- credentials -------------------------------------------------------------------------------------------------------


def test_a_shared_service_lends_its_credentials_to_sagemaker_alone(
    sagemaker: SageMakerStandIn, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3.endpoint)
    listing = template_of(BotoTask("t", BotoConfig("s3", "list_buckets", {})))
    with use_connection(Connection(shared=True)):
        assert BotoConnector().do(template_of(model()), "s3://b/x").phase is Phase.SUCCEEDED
        with pytest.raises(ForeignEndpointError, match=r"127\.0\.0\.1"):
            BotoConnector().do(listing, "s3://b/x")
        with override(connectors={"endpoints": "127.0.0.*"}):
            assert BotoConnector().do(listing, "s3://b/x").phase is Phase.SUCCEEDED


def test_a_task_may_bring_its_own_credentials(
    sagemaker: SageMakerStandIn, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOFSOMEBODYELSE")
    own = {"aws_access_key_id": KEY_ID, "aws_secret_access_key": "canary-secret", "aws_session_token": "canary-token"}
    with pytest.raises(AWSAccessError, match="UnrecognizedClientException"):
        BotoConnector().do(template_of(model()), "s3://b/x")
    with use_connection(Connection.of(None, secrets=own, shared=True)):
        resource = BotoConnector().do(template_of(model()), "s3://b/x")
        meta = SageMakerEndpointConnector().create(template_of(endpoint()), "s3://b/x", idempotency_key=KEY, tags={})
    assert resource.phase is Phase.SUCCEEDED
    assert "canary" not in f"{resource}{meta.encode()!r}{caplog.text}"


# -- the command line --------------------------------------------------------------------------------------------------


def run(*words: str) -> str:
    command = [sys.executable, "-m", "hardpoint.cli.main", "run", str(EXAMPLE), *words]
    ran = subprocess.run(command, capture_output=True, text=True, env=os.environ.copy())
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_example(sagemaker: SageMakerStandIn) -> None:
    assert "EndpointArn" in run("deploy", "--model", "s3://b/model.tar.gz")
    [asked] = sagemaker.parameters("CreateEndpoint")
    assert "6" in run("ask", "--endpoint", asked["EndpointName"])
    [made] = sagemaker.models
    names = ["--endpoint_name", asked["EndpointName"], "--endpoint_config_name", asked["EndpointConfigName"]]
    run("undeploy", *names, "--model_name", made)
    assert sagemaker.models == {}
