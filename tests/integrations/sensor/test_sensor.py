"""Sensors: what their templates say, and what becomes of a look."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hardpoint import TaskMetadata, idl, workflow
from hardpoint.connectors import Phase, Resource
from hardpoint.connectors.connection import Connection, use_connection
from hardpoint.connectors.jobs import Jobs
from hardpoint.connectors.journal import open_journal
from hardpoint.connectors.local import JobFailedError
from hardpoint.connectors.pool import call, guard_loop
from hardpoint.connectors.registry import ConnectorRegistry, FlyteConnectorNotFound
from hardpoint.connectors.service.directory import import_modules
from hardpoint.context import FlyteContextManager
from hardpoint.engine import RunOptions, execute
from hardpoint.errors import FlyteValidationException, TransientError, UserError
from hardpoint.idl import TaskTemplate
from hardpoint.integrations.sensor import SensorMetadata
from hardpoint.sensor import BaseSensor, FileSensor, FileSensorConfig, PokeResult, SensorConfig, SensorEngine
from hardpoint.storage import FileAccess
from hardpoint.tasks.serialization import SerializationSettings
from tests.integrations.sensor import sensors
from tests.services.s3 import S3
from tests.unit.connectors.owners import metadata as owner

SETTINGS = SerializationSettings(project="p", domain="d", version="v")
HERE = sensors.__name__


def template(sensor: BaseSensor) -> TaskTemplate:
    return TaskTemplate.FromString(sensor.template(SETTINGS).SerializeToString())


def create(sensor: BaseSensor, key: str = "hp-k", **inputs: Any) -> SensorMetadata:
    literals = idl.literal_map(sensor.encode_inputs(inputs))
    meta = SensorEngine().create(template(sensor), "", literals, idempotency_key=key)
    return SensorMetadata.decode(meta.encode())


def look(meta: SensorMetadata, connector: SensorEngine | None = None) -> Resource:
    return asyncio.run((connector or SensorEngine()).get(meta))


# -- templates ---------------------------------------------------------------------------------------------------------


def test_the_template_is_that_of_the_reference() -> None:
    made = template(FileSensor("wait", timeout=60))
    assert (made.type, made.task_type_version, made.HasField("container")) == ("sensor", 0, False)
    assert idl.native(made.custom) == {
        "sensor_module": "hardpoint.integrations.sensor.file_sensor",
        "sensor_name": "FileSensor",
        "sensor_config": None,
        "inputs": None,
    }
    assert made.metadata.timeout.seconds == 60
    assert list(made.interface.inputs.variables) == ["path"]
    assert not made.interface.outputs.variables


def test_a_config_is_a_dict_in_the_template() -> None:
    custom = idl.native(template(sensors.Counted("count", sensor_config=sensors.Threshold(3))).custom)
    assert custom["sensor_config"] == {"least": 3, "unit": "rows"}
    assert isinstance(sensors.Threshold(3), SensorConfig)


@pytest.mark.parametrize("timeout", [9, timedelta(seconds=9), None])
@pytest.mark.parametrize("metadata", [None, TaskMetadata(retries=3), TaskMetadata(retries=3, timeout=7)])
def test_metadata_and_timeout_are_put_together(timeout: Any, metadata: TaskMetadata | None) -> None:
    if timeout is not None and metadata is not None and metadata.timeout is not None:
        with pytest.raises(ValueError, match="You cannot set both timeout and metadata parameters at the same time"):
            FileSensor("wait", timeout=timeout, metadata=metadata)
        return
    made = FileSensor("wait", timeout=timeout, metadata=metadata)
    assert made.metadata.retries == (3 if metadata else 0)
    expected = timeout or (metadata.timeout if metadata else None)
    assert made.metadata.timeout == (timedelta(seconds=expected) if isinstance(expected, int) else expected)
    assert template(made).metadata.retries.retries == made.metadata.retries


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sensors.Unready("s"), "Unready has no method poke"),
        (lambda: sensors.Undeclared("s", sensor_config=sensors.Threshold(1)), "Nobody knows how to make the config"),
        (lambda: template(sensors.Demanding("s", "ns")), "does not know namespace"),
        (lambda: template(local_sensor()), "defined inside a function"),
        (lambda: untyped_sensor(), "'path' has no type"),
    ],
)
def test_what_cannot_be_made_again_is_refused_at_once(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(FlyteValidationException, match=message) as caught:
        make()
    assert caught.value.remedy


def local_sensor() -> BaseSensor:
    class Local(BaseSensor):
        def poke(self) -> bool:
            return True

    return Local("local")


def untyped_sensor() -> BaseSensor:
    class Untyped(BaseSensor):
        def poke(self, path) -> bool:  # type: ignore[no-untyped-def]
            return True

    return Untyped("untyped")


# -- jobs --------------------------------------------------------------------------------------------------------------


def test_metas_are_those_of_the_reference_and_more(tmp_path: Path) -> None:
    meta = create(FileSensor("wait"), path="/tmp/x")
    told = json.loads(meta.encode())
    assert told == {
        "sensor_module": "hardpoint.integrations.sensor.file_sensor",
        "sensor_name": "FileSensor",
        "sensor_config": None,
        "inputs": {"path": "/tmp/x"},
        "literals": None,
        "task_name": "wait",
        "key": "hp-k",
    }
    assert create(FileSensor("wait"), path="/tmp/x") == meta
    assert create(FileSensor("wait"), "hp-other", path="/tmp/x") != meta
    theirs = {"sensor_module": "flytekit.sensor.file_sensor", "sensor_name": "FileSensor", "sensor_config": None}
    (tmp_path / "x").touch()
    ours = SensorMetadata.decode(json.dumps({**theirs, "inputs": {"path": str(tmp_path / "x")}}).encode())
    assert look(ours).phase is Phase.SUCCEEDED


@pytest.mark.parametrize(
    "sensor",
    [
        sensors.Annotated("s", sensors.Threshold(2, "files")),
        sensors.Short("s", sensors.Threshold(2, "files")),
    ],
    ids=["sensor_config", "config"],
)
def test_a_config_arrives_as_it_was(sensor: BaseSensor) -> None:
    assert look(create(sensor)).message == "Threshold(least=2, unit='files')"


def test_without_a_config_there_is_none() -> None:
    assert look(create(sensors.Annotated("s"))).message == "None"


def test_a_sensor_may_be_inside_of_a_class() -> None:
    assert look(create(sensors.Outer.Inner("s"))).phase is Phase.SUCCEEDED


def test_inputs_of_any_type_arrive_and_outputs_leave(tmp_path: Path) -> None:
    (tmp_path / "f.txt").write_text("hello")
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    sensor = sensors.Typed("typed")
    meta = create(sensor, when=now, file=str(tmp_path / "f.txt"), tags={"b": 2, "a": 1}, n=3)
    assert meta.inputs is None
    literals = look(meta).literals()
    assert literals is not None
    codecs = sensor.interface.output_codecs
    assert {name: codecs[name].decode(literal) for name, literal in literals.literals.items()} == {
        "when": now,
        "text": "hello [('a', 1), ('b', 2)] 3",
    }
    told = sensor(when=now, file=str(tmp_path / "f.txt"), tags={"a": 1})
    assert (told.when, told.text) == (now, "hello [('a', 1)] 3")


def test_outputs_that_are_missing_are_told() -> None:
    resource = look(create(sensors.Forgetful("s")))
    assert resource.phase is Phase.FAILED
    assert "gave the outputs none, but declared are found" in str(resource.message)


@pytest.mark.parametrize(
    ("word", "phase", "message"),
    [
        ("", Phase.RUNNING, None),
        ("yes", Phase.SUCCEEDED, None),
        ("permanent", Phase.FAILED, "The service is gone for good.\n  -> Use another."),
        ("vain", Phase.FAILED, "It will never come."),
        ("silent", Phase.FAILED, "Failing says that it waits in vain."),
        ("bug", Phase.RUNNING, "Failing.poke raised KeyError: 'rows' (1 of 5 times in a row)"),
        ("exit", Phase.RUNNING, "SystemExit(3)"),
    ],
)
def test_what_a_look_comes_to(tmp_path: Path, word: str, phase: Phase, message: str | None) -> None:
    (tmp_path / "script").write_text(word)
    resource = look(create(sensors.Failing("s"), script=str(tmp_path / "script")))
    assert (resource.phase, resource.outputs) == (phase, None)
    assert message in (resource.message or "") if message else resource.message is None


def test_a_bug_ends_the_wait_only_if_it_persists(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    connector, script = SensorEngine(), tmp_path / "script"
    script.write_text("bug")
    meta = create(sensors.Failing("s"), script=str(script))

    def phases(count: int) -> list[Phase]:
        return [look(meta, connector).phase for _ in range(count)]

    with caplog.at_level(logging.WARNING):
        assert phases(4) == [Phase.RUNNING] * 4
        script.write_text("")
        assert phases(1) == [Phase.RUNNING]
        script.write_text("bug")
        assert phases(4) == [Phase.RUNNING] * 4
        resource = look(meta, connector)
    assert resource.phase is Phase.FAILED
    assert resource.message == "Failing.poke raised KeyError: 'rows', 5 times in a row"
    assert connector._failures == {}
    assert "sensors.py" in caplog.text  # with its traceback


def test_what_passes_is_waited_for(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("transient")
    connector = SensorEngine()
    meta = create(sensors.Failing("s"), script=str(script))
    for _ in range(7):
        with pytest.raises(TransientError, match="The service is away"):
            look(meta, connector)
    script.write_text("yes")
    assert look(meta, connector).phase is Phase.SUCCEEDED


class Hasty(SensorEngine):
    patience = 0.2


@pytest.fixture
def slow() -> Iterator[type[sensors.Slow]]:
    sensors.Slow.release, sensors.Slow.looks = threading.Event(), 0
    yield sensors.Slow
    sensors.Slow.release.set()


async def until_done(connector: SensorEngine, meta: SensorMetadata) -> Resource:
    async with asyncio.timeout(30):
        while (resource := await call(connector, "get", meta)).phase is Phase.RUNNING:
            pass
    assert isinstance(resource, Resource)
    return resource


def test_a_look_that_takes_long_is_told_and_goes_on(slow: type[sensors.Slow]) -> None:
    connector, meta, other = Hasty(), create(slow("s")), create(sensors.Annotated("other"))

    async def main() -> None:
        with guard_loop(1):
            for _ in range(3):
                resource = await call(connector, "get", meta)
                assert resource.phase is Phase.RUNNING
                assert "Slow has been looking for " in resource.message
            assert (await until_done(connector, other)).phase is Phase.SUCCEEDED
            slow.release.set()
            assert (await until_done(connector, meta)).phase is Phase.SUCCEEDED

    asyncio.run(main())
    assert slow.looks == 1


def test_an_ended_wait_leaves_nothing_behind(slow: type[sensors.Slow], tmp_path: Path) -> None:
    connector, meta = Hasty(), create(slow("s"))
    (tmp_path / "script").write_text("bug")
    failing = create(sensors.Failing("s"), script=str(tmp_path / "script"))

    async def main() -> None:
        await connector.get(meta)
        await connector.get(failing)
        for ended in (meta, failing):
            connector.delete(ended)
            connector.delete(ended)
        assert (connector._looks, connector._failures) == ({}, {})

    asyncio.run(main())


def test_looks_leave_no_objects_behind(tmp_path: Path) -> None:
    connector, meta = SensorEngine(), create(FileSensor("wait"), path=str(tmp_path / "none"))

    def alive() -> int:
        gc.collect()
        return sum(type(thing) is FileSensor for thing in gc.get_objects())

    look(meta, connector)
    before = alive()
    for _ in range(20):
        assert look(meta, connector).phase is Phase.RUNNING
    assert alive() <= before


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("no_such_module", "Sensor"),
        (HERE, "Nobody"),
        (HERE, "NOT_A_SENSOR"),
        ("os", "system"),
        (HERE, "Threshold"),
        ("hardpoint.sensor", "BaseSensor"),
    ],
)
def test_only_sensors_that_are_there_are_made(module: str, name: str) -> None:
    made = template(sensors.Undeclared("s"))
    made.custom.update({"sensor_module": module, "sensor_name": name})
    message = f"There is no sensor {module}.{name} where the connector runs"
    with pytest.raises(UserError, match=message):
        SensorEngine().create(made, "", None, idempotency_key="k")
    with pytest.raises(TransientError, match=message) as caught:  # another process has begun the wait, and knows it
        look(SensorMetadata(module, name))
    assert f"--modules {module}" in str(caught.value.remedy)


def test_no_module_is_imported_because_a_call_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To import is to run: whoever starts the service says what is imported, and not whoever calls it."""
    ran = tmp_path / "ran"
    source = f"""
from hardpoint.sensor import BaseSensor
open({str(ran)!r}, "w").close()

class Ready(BaseSensor):
    def poke(self) -> bool:
        return True
"""
    (tmp_path / "sensors_of_another.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    meta = SensorMetadata("sensors_of_another", "Ready")
    with pytest.raises(TransientError, match=r"no sensor sensors_of_another\.Ready"):
        look(meta)
    assert not ran.exists()
    import_modules(["sensors_of_another"])
    monkeypatch.delitem(sys.modules, "sensors_of_another")  # forgotten at the end; the class is known already
    assert look(meta).phase is Phase.SUCCEEDED


def test_a_config_that_makes_no_sense_is_told_at_once() -> None:
    made = template(sensors.Undeclared("s"))
    made.custom["sensor_config"] = {"a": 1}
    with pytest.raises(UserError, match="Nobody knows how to make the config of Undeclared"):
        SensorEngine().create(made, "", None)


def test_a_config_that_its_class_does_not_take_is_told_at_once() -> None:
    made = template(sensors.Annotated("s"))
    made.custom["sensor_config"] = {"most": 1}
    with pytest.raises(UserError, match=r"No Annotated can be made of the config \{'most': 1\}: TypeError: .*'most'"):
        SensorEngine().create(made, "", None)


def test_two_that_wait_for_the_same_are_two_jobs(tmp_path: Path) -> None:
    path = tmp_path / "x"
    sensor = FileSensor("wait")
    inputs = idl.literal_map(sensor.encode_inputs({"path": str(path)}))

    async def main() -> None:
        journal = open_journal(str(tmp_path / "jobs.sqlite"))
        jobs, connector = Jobs(journal), SensorEngine()
        try:
            made = [
                await jobs.create_or_adopt(connector, template(sensor), inputs, "", owner(execution=run))
                for run in ("first", "first", "second")
            ]
            assert made[0] == made[1] != made[2]
            path.touch()
            assert (await jobs.state(connector, made[0])).phase is Phase.SUCCEEDED
            path.unlink()
            # What the first has seen says nothing to the second.
            assert (await jobs.state(connector, made[2])).phase is Phase.RUNNING
            await jobs.cancel(connector, made[2])
            assert (await jobs.state(connector, made[0])).phase is Phase.SUCCEEDED
        finally:
            journal.close()

    asyncio.run(main())


def test_secrets_are_at_hand_and_seen_nowhere(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("_FSEC_SENSOR_KEY", "canary-7Zq12")
    discreet, indiscreet, connector = create(sensors.Secretive("s")), create(sensors.Indiscreet("s")), SensorEngine()
    told = [discreet.encode().decode(), str(template(sensors.Secretive("s")))]
    with caplog.at_level(logging.DEBUG):
        assert look(discreet).message == "It has 12 letters."
        told += [str(look(indiscreet, connector)) for _ in range(5)]
    assert "***" in told[-1]
    assert "canary" not in "".join(told)
    assert "canary" not in " ".join(f"{record.getMessage()} {record.exc_info}" for record in caplog.records)
    with use_connection(Connection(secrets={"sensor_key": "another"})):
        assert look(discreet).message == "It has 7 letters."


# -- files -------------------------------------------------------------------------------------------------------------


@contextmanager
def later(do: Callable[[], Any], seconds: float = 0.5) -> Iterator[None]:
    timer = threading.Timer(seconds, do)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def test_a_workflow_waits_for_a_file(tmp_path: Path) -> None:
    sensor, path = FileSensor("wait.workflow", timeout=60), tmp_path / "x"

    @workflow
    def wf(path: str) -> None:
        sensor(path=path)

    with later(path.touch):
        wf(path=str(path))
    assert path.exists()


def test_a_wait_has_its_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        FileSensor("wait.in_vain", timeout=1)(path=str(tmp_path / "x"))
    assert time.monotonic() - began < 4
    assert caplog.text == ""  # it is certain that it has ended


def test_a_wait_that_is_cancelled_has_ended_until_it_begins_again(tmp_path: Path) -> None:
    connector, made = SensorEngine(), template(FileSensor("wait.cancelled"))
    meta = connector.create(made, "", idl.literal_map({"path": idl.string(str(tmp_path))}), idempotency_key="k")
    connector.delete(meta)
    assert look(meta, connector).phase is Phase.ABORTED
    connector.create(made, "", idl.literal_map({"path": idl.string(str(tmp_path))}), idempotency_key="k")
    assert look(meta, connector).phase is Phase.SUCCEEDED


def test_a_run_that_is_resumed_goes_on_waiting(tmp_path: Path) -> None:
    sensor, script = sensors.Failing("wait.resumed"), tmp_path / "script"

    @workflow
    def wf(script: str) -> None:
        sensor(script=script)

    script.write_text("permanent")
    with pytest.raises(JobFailedError, match="The service is gone for good"):
        execute(wf, {"script": str(script)}, RunOptions(run_id="resumed"))
    script.write_text("yes")
    execute(wf, {"script": str(script)}, RunOptions(resume="resumed"))


def poke(sensor: FileSensor, path: str) -> PokeResult:
    return asyncio.run(sensor.poke(path))


def test_files_folders_and_patterns(tmp_path: Path) -> None:
    sensor = FileSensor("wait")
    (tmp_path / "day").mkdir()
    for path, expected in [
        (tmp_path / "day", True),
        (f"file://{tmp_path}/day", True),
        (tmp_path / "day" / "*.parquet", False),
        (tmp_path / "night" / "*.parquet", False),
        (tmp_path / "nothing", False),
    ]:
        assert bool(poke(sensor, str(path))) is expected
    (tmp_path / "day" / "a[1].parquet").touch()
    assert poke(sensor, str(tmp_path / "day" / "*.parquet")).message == f"{tmp_path}/day/*.parquet is there."
    assert poke(sensor, str(tmp_path / "day" / "a[1].parquet")).done
    assert poke(sensor, str(tmp_path / "day" / "b?.parquet")).message == f"{tmp_path}/day/b?.parquet is not there yet."


def test_a_file_may_have_to_be_large_enough(tmp_path: Path) -> None:
    sensor = FileSensor("wait", sensor_config=FileSensorConfig(min_bytes=1500))
    path = tmp_path / "x"
    path.write_bytes(b"x" * 1200)
    meta = create(sensor, path=str(path))
    assert look(meta).message == f"{path} has 1,200 bytes of 1,500."
    (tmp_path / "y").write_bytes(b"x" * 400)
    assert look(create(sensor, path=str(tmp_path))).phase is Phase.SUCCEEDED
    path.write_bytes(b"x" * 1500)
    assert look(meta).phase is Phase.SUCCEEDED


@pytest.fixture
def files(tmp_path: Path) -> Iterator[None]:
    """Storage whose clients no other test has made."""
    with FlyteContextManager.use(files=FileAccess(str(tmp_path / "raw"))):
        yield


def test_files_on_s3(s3_bucket: str, files: None) -> None:
    import boto3

    bucket = boto3.resource("s3").Bucket(s3_bucket.removeprefix("s3://"))
    metas = [create(FileSensor("wait"), path=f"{s3_bucket}/day/{name}") for name in ("_SUCCESS", "*.parquet", "other")]
    whole = create(FileSensor("wait"), path=f"{s3_bucket}/day")
    connector = SensorEngine()
    for _ in range(2):
        assert {look(meta, connector).phase for meta in (*metas, whole)} == {Phase.RUNNING}
    bucket.put_object(Key="day/_SUCCESS", Body=b"")
    bucket.put_object(Key="day/part-0.parquet", Body=b"x")
    assert [look(meta, connector).phase for meta in (*metas, whole)] == [
        Phase.SUCCEEDED,
        Phase.SUCCEEDED,
        Phase.RUNNING,
        Phase.SUCCEEDED,
    ]


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is not there. Named before storage is made, whose client then is of no other address."""
    for name, value in {**S3("http://127.0.0.1:9").environment, "FLYTE_AWS_RETRIES": "1"}.items():
        monkeypatch.setenv(name, value)


def test_a_bucket_that_is_away_is_waited_for(away: None, files: None) -> None:
    meta = create(FileSensor("wait"), path="s3://bucket/x")
    with pytest.raises(TransientError):
        look(meta)


def test_a_signed_address_is_not_shown() -> None:
    meta = create(FileSensor("wait"), path="memory://nowhere/x?X-Amz-Signature=canary-7Zq12")
    assert "canary" not in str(look(meta).message)


# -- task types --------------------------------------------------------------------------------------------------------


def test_a_sensor_with_a_task_type_of_its_own_needs_a_connector_of_its_own() -> None:
    sensor = sensors.Annotated("own", task_type="my_sensor")
    with pytest.raises(FlyteConnectorNotFound, match="my_sensor"):
        sensor()
    mine = SensorEngine(task_type_name="my_sensor")
    ConnectorRegistry.register(mine)
    try:
        assert sensor() is None
    finally:
        ConnectorRegistry.unregister(mine.task_category)
