"""Jobs on real clusters: what becomes of them, and what is told of it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from hardpoint.connectors import Phase, Resource
from hardpoint.connectors.phases import JobGoneError
from hardpoint.connectors.resource import MetaError
from hardpoint.errors import TransientError, UserError
from hardpoint.idl import LiteralMap, TaskTemplate
from hardpoint.integrations.slurm import (
    OutputLocation,
    SlurmConfig,
    SlurmScriptConfig,
    SlurmScriptConnector,
    SlurmShellTask,
    SlurmTask,
)
from hardpoint.integrations.slurm.login import SLURM_PRIVATE_KEY
from hardpoint.integrations.slurm.meta import SlurmJobMetadata, SlurmScriptMetadata
from hardpoint.integrations.slurm.problems import SlurmError
from hardpoint.tasks.base import PythonTask
from hardpoint.tasks.serialization import SerializationSettings
from hardpoint.types.file import FlyteFile
from tests.integrations.slurm.surroundings import ssh_config_of
from tests.services.slurm import Clusters, Slurm

TAGS = {"hardpoint-execution": "e1", "hardpoint-node": "n0"}


def template(task: PythonTask[Any]) -> TaskTemplate:
    return TaskTemplate.FromString(task.template(SerializationSettings()).SerializeToString())


class Desk:
    """A connector, and a cluster whose jobs it starts."""

    def __init__(self, slurm: Slurm, ssh_config: dict[str, Any], folder: Path) -> None:
        self.slurm, self.ssh_config, self.folder = slurm, ssh_config, folder
        self.connector = SlurmScriptConnector(grace=0.0)

    def submit(self, body: str, key: str = "", **options: Any) -> SlurmScriptMetadata:
        config = SlurmConfig(self.ssh_config, {"chdir": str(self.folder), **options})
        return self.create(SlurmShellTask("jobs.shell", config, f"#!/bin/bash\n{body}\n"), key)

    def create(self, task: PythonTask[Any], key: str = "") -> SlurmScriptMetadata:
        return self.connector.create(
            template(task),
            str(self.folder / "outputs"),
            LiteralMap(),
            idempotency_key=key or f"hp-{uuid4().hex}",
            tags=TAGS,
        )

    def until(self, meta: SlurmScriptMetadata, is_so: Callable[[Resource], bool]) -> Resource:
        deadline = time.monotonic() + 40
        while True:
            resource = self.connector.get(meta)
            if is_so(resource):
                return resource
            assert time.monotonic() < deadline, resource
            time.sleep(0.1)

    def ended(self, meta: SlurmScriptMetadata) -> Resource:
        return self.until(meta, lambda resource: resource.phase.is_terminal)

    def running(self, meta: SlurmScriptMetadata) -> Resource:
        return self.until(meta, lambda resource: resource.phase is Phase.RUNNING)

    def leaves_queue(self, meta: SlurmScriptMetadata) -> None:
        deadline = time.monotonic() + 90
        while meta.job_id in self.slurm.run("squeue", "--noheader", "--states=all", "--format=%F").split():
            assert time.monotonic() < deadline
            time.sleep(0.2)


@pytest.fixture
def desk(slurm: Clusters, ssh_config: dict[str, Any], sbatch_config: dict[str, Any]) -> Iterator[Desk]:
    made = Desk(slurm.main, ssh_config, Path(sbatch_config["chdir"]))
    yield made
    made.connector.close()


@pytest.fixture
def hasty(
    slurm: Clusters, own_home: Path, sbatch_config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    """A cluster that forgets a job two seconds after its end; accounting has it."""
    login = slurm.login("hasty", {"SLURM_CONF": slurm.hasty.conf})
    monkeypatch.setenv(f"_FSEC_{SLURM_PRIVATE_KEY}", Path(login.client_key).read_text())
    made = Desk(slurm.hasty, ssh_config_of(login), Path(sbatch_config["chdir"]))
    yield made
    made.connector.close()


@pytest.fixture
def forgetful(
    slurm: Clusters, own_home: Path, sbatch_config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    """The same without accounting."""
    login = slurm.login("forgetful", {"SLURM_CONF": slurm.hasty.conf_without_accounting})
    monkeypatch.setenv(f"_FSEC_{SLURM_PRIVATE_KEY}", Path(login.client_key).read_text())
    made = Desk(slurm.hasty, ssh_config_of(login), Path(sbatch_config["chdir"]))
    yield made
    made.connector.close()


# -- create ------------------------------------------------------------------------------------------------------------


def test_a_key_has_one_job(desk: Desk) -> None:
    key = f"hp-{uuid4().hex}"
    with ThreadPoolExecutor(6) as threads:  # more than one connection can have at once would be refused
        metas = list(threads.map(lambda _: desk.submit("sleep 60", key), range(12)))
    assert len({meta.job_id for meta in metas}) == 1
    assert desk.slurm.run("squeue", "--noheader", f"--name={key}", "--format=%A").split() == [metas[0].job_id]
    assert list(Path("/tmp").glob(f"hardpoint-*{key}")) == []
    desk.connector.delete(metas[0])


def test_a_job_bears_its_owner_and_the_name_that_the_task_gives(desk: Desk) -> None:
    meta = desk.submit("true", "hp-named-1", **{"job-name": "train"})
    name, comment = (
        desk.slurm.run("squeue", "--noheader", "--states=all", f"--jobs={meta.job_id}", "--format=%j|%k")
        .strip()
        .split("|")
    )
    assert name == "train.hp-named-1"
    assert json.loads(comment) == TAGS


def test_a_task_may_say_something_of_its_job(desk: Desk) -> None:
    meta = desk.submit("true", comment="it's $mine")
    told = desk.slurm.run("squeue", "--noheader", "--states=all", f"--jobs={meta.job_id}", "--format=%k")
    assert told.strip() == "it's $mine"


def test_a_script_on_the_cluster(desk: Desk, tmp_path: Path) -> None:
    script = tmp_path / "a script.sh"
    script.write_text('#!/bin/bash\nprintf "<%s>" "$@"\n')
    config = SlurmScriptConfig(
        desk.ssh_config, {"chdir": str(desk.folder)}, ["a b", "$(touch pwned)"], batch_script_path=str(script)
    )
    resource = desk.ended(desk.create(SlurmTask("jobs.script", config)))
    assert resource.phase is Phase.SUCCEEDED
    assert resource.message is not None
    assert "<a b><$(touch pwned)>" in resource.message


def test_a_script_that_is_not_there(desk: Desk) -> None:
    config = SlurmScriptConfig(desk.ssh_config, batch_script_path="/nowhere.sh")
    with pytest.raises(SlurmError, match=r"Unable to open file /nowhere.sh"):
        desk.create(SlurmTask("jobs.nowhere", config))


def test_what_slurm_refuses_is_told_in_its_words(desk: Desk) -> None:
    with pytest.raises(SlurmError, match=r"refused to submit the job: .*invalid partition specified: nope") as caught:
        desk.submit("true", partition="nope")
    assert caught.value.remedy is not None


def test_text_does_not_run_as_a_program(desk: Desk) -> None:
    with pytest.raises(SlurmError, match="invalid partition"):
        desk.submit("true", partition=f"a; touch {desk.folder}/pwned; $(touch {desk.folder}/pwned)")
    assert not (desk.folder / "pwned").exists()


# -- states ------------------------------------------------------------------------------------------------------------


def test_a_job_that_fails(desk: Desk) -> None:
    meta = desk.submit("echo out; echo err >&2; exit 7", error="errors.txt")
    resource = desk.ended(meta)
    assert resource.phase is Phase.FAILED
    assert resource.message is not None
    assert resource.message.startswith("FAILED (NonZeroExitCode) exit status 7 on ")
    out = desk.folder / f"slurm-{meta.job_id}.out"
    assert f"The end of {out}:\nout\n" in resource.message
    assert f"The end of {desk.folder}/errors.txt:\nerr" in resource.message
    endpoint = f"{desk.ssh_config['username']}@127.0.0.1:{desk.ssh_config['port']}"
    assert [link.uri for link in resource.log_links or ()] == [
        f"sftp://{endpoint}{out}",
        f"sftp://{endpoint}{desk.folder}/errors.txt",
    ]


def test_a_message_holds_the_end_of_much_output(desk: Desk) -> None:
    resource = desk.ended(desk.submit("seq 100000; exit 1"))
    assert resource.message is not None
    assert len(resource.message) < 4600
    assert resource.message.endswith("\n99999\n100000")


def test_a_job_that_a_signal_ended(desk: Desk) -> None:
    resource = desk.ended(desk.submit("kill -9 $$"))
    assert resource.phase is Phase.FAILED
    assert resource.message is not None
    assert "signal 9" in resource.message


def test_a_job_that_is_held_suspended_and_let_go(desk: Desk) -> None:
    go = desk.folder / "go"
    meta = desk.submit(f"until [ -e {go} ]; do sleep 0.1; done", hold=True)
    held = desk.connector.get(meta)
    assert (held.phase, held.message) == (Phase.QUEUED, "PENDING (JobHeldUser)")
    desk.slurm.run("scontrol", "release", meta.job_id)
    assert desk.running(meta).message == "RUNNING"
    desk.slurm.run("scontrol", "suspend", meta.job_id)
    suspended = desk.connector.get(meta)
    assert (suspended.phase, suspended.message) == (Phase.RUNNING, "SUSPENDED")
    desk.slurm.run("scontrol", "resume", meta.job_id)
    go.touch()
    assert desk.ended(meta).phase is Phase.SUCCEEDED


def test_a_job_that_is_queued_again_has_not_failed(desk: Desk) -> None:
    meta = desk.submit("sleep 60")
    desk.running(meta)
    desk.slurm.run("scontrol", "requeuehold", meta.job_id)
    requeued = desk.until(meta, lambda resource: resource.phase is Phase.QUEUED)
    assert requeued.message is not None
    assert "held" in requeued.message
    desk.connector.delete(meta)
    assert desk.ended(meta).phase is Phase.ABORTED


def test_an_array_is_one_job(desk: Desk) -> None:
    meta = desk.submit("exit $SLURM_ARRAY_TASK_ID", array="0-2")
    resource = desk.ended(meta)
    assert resource.phase is Phase.FAILED
    assert resource.message is not None
    assert "exit status" in resource.message
    assert desk.ended(desk.submit("true", array="0-2")).phase is Phase.SUCCEEDED


def test_a_job_of_several_components_is_one_job(hasty: Desk) -> None:
    # Its components want a node each, and there is one node.
    meta = hasty.submit("#SBATCH --ntasks=1\n#SBATCH hetjob\n#SBATCH --ntasks=1\ntrue")
    assert "+1|" in hasty.slurm.run("squeue", "--noheader", f"--jobs={meta.job_id}", "--format=%i|%T")
    waiting = hasty.connector.get(meta)
    assert (waiting.phase, (waiting.message or "").split()[0]) == (Phase.QUEUED, "PENDING")
    hasty.connector.delete(meta)
    assert hasty.ended(meta).phase is Phase.ABORTED
    hasty.leaves_queue(meta)
    resource = hasty.ended(meta)
    assert resource.phase is Phase.ABORTED
    assert (resource.message or "").startswith("CANCELLED by ")


def test_many_jobs_are_asked_for_at_once(desk: Desk) -> None:
    metas = [desk.submit(f"exit {n % 2}") for n in range(4)]
    metas.append(desk.submit("sleep 60"))
    for meta in metas[:4]:
        desk.ended(meta)
    unknown = SlurmScriptMetadata("999999999", desk.ssh_config)
    answers = desk.connector.get_many([*metas[::-1], unknown])
    phases = [answer.phase for answer in answers]
    assert not phases[0].is_terminal
    assert phases[1:] == [Phase.FAILED, Phase.SUCCEEDED, Phase.FAILED, Phase.SUCCEEDED, Phase.RETRYABLE_FAILED]
    assert answers[1] == desk.connector.get(metas[3])
    desk.connector.delete(metas[4])


def test_a_job_that_nobody_knows_may_yet_appear(desk: Desk) -> None:
    meta = SlurmScriptMetadata("999999999", desk.ssh_config)
    with pytest.raises(JobGoneError, match="neither the queue nor accounting has it") as caught:
        desk.connector.get(meta)
    assert caught.value.remedy is not None
    assert "MinJobAge" in caught.value.remedy
    patient = SlurmScriptConnector()
    with pytest.raises(TransientError, match="does not know the job 999999999 at the moment"):
        patient.get(meta)
    assert [answer.phase for answer in patient.get_many([meta])] == [Phase.UNDEFINED]
    patient.close()


# -- those that have left the queue --------------------------------------------------------------------------------------


def test_accounting_knows_a_job_that_has_left_the_queue(hasty: Desk) -> None:
    key = f"hp-{uuid4().hex}"
    failed, well = hasty.submit("exit 5", key), hasty.submit("true")
    cancelled = hasty.submit("sleep 60")
    hasty.running(cancelled)
    hasty.connector.delete(cancelled)
    for meta in (failed, well, cancelled):
        hasty.leaves_queue(meta)
    resource = hasty.ended(failed)
    assert resource.phase is Phase.FAILED
    assert resource.message is not None
    assert resource.message.startswith("FAILED exit status 5 on ")
    assert hasty.ended(well).phase is Phase.SUCCEEDED
    resource = hasty.ended(cancelled)
    assert resource.phase is Phase.ABORTED
    assert resource.message is not None
    assert resource.message.startswith("CANCELLED by ")
    found = hasty.connector.find(
        key, template(SlurmShellTask("jobs.find", SlurmConfig(hasty.ssh_config), "#!/bin/sh\ntrue"))
    )
    assert found is not None
    assert found.job_id == failed.job_id
    hasty.connector.delete(failed)


def test_without_accounting_a_job_that_has_left_the_queue_is_gone(forgetful: Desk) -> None:
    key = f"hp-{uuid4().hex}"
    meta = forgetful.submit("true", key)
    task = SlurmShellTask("jobs.find", SlurmConfig(forgetful.ssh_config), "#!/bin/sh\ntrue")
    assert forgetful.connector.find(key, template(task)) == meta
    forgetful.leaves_queue(meta)
    with pytest.raises(JobGoneError, match="neither the queue nor accounting has it"):
        forgetful.connector.get(meta)
    assert forgetful.connector.find(key, template(task)) is None
    forgetful.connector.delete(meta)


def test_a_node_that_fails_is_not_the_jobs_fault(hasty: Desk) -> None:
    meta = hasty.submit("sleep 60", **{"no-requeue": True})
    hasty.running(meta)
    node = hasty.slurm.run("sinfo", "--noheader", "--format=%n").strip()
    hasty.slurm.run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    try:
        resource = hasty.ended(meta)
    finally:
        while hasty.slurm.run("sinfo", "--noheader", "--format=%t").strip() != "idle":
            with contextlib.suppress(subprocess.CalledProcessError):  # it may have come back by itself
                hasty.slurm.run("scontrol", "update", f"nodename={node}", "state=resume")
            time.sleep(0.2)
    assert resource.phase is Phase.RETRYABLE_FAILED
    assert resource.message is not None
    assert resource.message.startswith("NODE_FAIL")


# -- delete and logs ---------------------------------------------------------------------------------------------------


def test_a_job_is_cancelled_in_any_state(desk: Desk) -> None:
    held = desk.submit("sleep 60", hold=True)
    running = desk.submit("trap '' TERM; sleep 60")
    done = desk.submit("true")
    desk.ended(done)
    desk.running(running)
    for meta in (held, running, done, done, SlurmScriptMetadata("999999999", desk.ssh_config)):
        desk.connector.delete(meta)
    assert desk.ended(held).phase is Phase.ABORTED
    assert desk.ended(running).phase is Phase.ABORTED
    assert desk.ended(done).phase is Phase.SUCCEEDED


def test_what_a_job_writes_can_be_read_as_it_goes(desk: Desk) -> None:
    go = desk.folder / "go"
    meta = desk.submit(f"echo one; echo two; printf thr; until [ -e {go} ]; do sleep 0.1; done; echo ee")
    desk.running(meta)
    parts: list[Any] = []
    deadline = time.monotonic() + 30
    while len(parts) < 2 and time.monotonic() < deadline:
        parts = list(desk.connector.get_logs(meta))
    assert list(parts[0].body.results) == ["one", "two"]
    assert next(list(part.body.results) for part in desk.connector.get_logs(meta, lines=1)) == ["two"]
    go.touch()
    desk.ended(meta)
    rest = list(desk.connector.get_logs(meta, token=parts[-1].header.token))
    assert [list(part.body.results) for part in rest[:-1]] == [["three"]]
    assert rest[-1].header.token == ""


def test_much_output_comes_in_parts(desk: Desk) -> None:
    meta = desk.submit("seq 30000; printf '\\xff\\n'")
    desk.ended(meta)
    *parts, last = desk.connector.get_logs(meta)
    lines = [line for part in parts for line in part.body.results]
    assert len(parts) > 1
    assert lines == [*map(str, range(1, 30001)), "\N{REPLACEMENT CHARACTER}"]
    assert last.HasField("header")


def test_what_a_login_shell_says_is_no_part_of_an_answer(
    slurm: Clusters, own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = slurm.login("talkative", {"SLURM_CONF": slurm.main.conf})
    (Path(login.home) / ".bashrc").write_text("printf 'Welcome!\\n1|RUNNING|None\\n7\\n'\n")
    monkeypatch.setenv(f"_FSEC_{SLURM_PRIVATE_KEY}", Path(login.client_key).read_text())
    talkative = Desk(slurm.main, ssh_config_of(login), tmp_path)
    try:
        ran = subprocess.run(login.ssh("true"), capture_output=True, text=True, check=True, timeout=30)
        assert ran.stdout == "Welcome!\n1|RUNNING|None\n7\n"
        key = f"hp-{uuid4().hex}"
        find = SlurmShellTask("jobs.find", SlurmConfig(talkative.ssh_config), "#!/bin/sh\ntrue")
        assert talkative.connector.find(key, template(find)) is None
        meta = talkative.submit("pwd", key)
        assert talkative.connector.find(key, template(find)) == meta
        resource = talkative.ended(meta)
        assert resource.phase is Phase.SUCCEEDED
        assert resource.message is not None
        assert resource.message.endswith(f"\nThe end of {tmp_path}/slurm-{meta.job_id}.out:\n{tmp_path}")
        lines = [line for part in talkative.connector.get_logs(meta) for line in part.body.results]
        assert lines == [str(tmp_path)]
        relative = SlurmShellTask(
            "jobs.relative",
            SlurmConfig(talkative.ssh_config),
            "#!/bin/sh\ntrue",
            output_locs=[OutputLocation("o", FlyteFile, "o.txt")],
        )
        assert talkative.create(relative).outputs == {"o": f"{login.home}/o.txt"}
    finally:
        talkative.connector.close()


# -- metadata ------------------------------------------------------------------------------------------------------------


def test_jobs_of_the_reference_can_be_followed(desk: Desk) -> None:
    meta = desk.submit("echo hello")
    theirs = {"job_id": meta.job_id, "ssh_config": {**desk.ssh_config, "client_keys": []}}
    resource = desk.ended(SlurmScriptMetadata.decode(json.dumps({**theirs, "outputs": {}}).encode()))
    assert resource.phase is Phase.SUCCEEDED
    function = SlurmJobMetadata.decode(json.dumps(theirs).encode())
    assert function.endpoint == f"{desk.ssh_config['username']}@127.0.0.1:{desk.ssh_config['port']}"
    with pytest.raises(MetaError, match="ssh_config"):
        SlurmJobMetadata.decode(b'{"job_id": "1"}')


def test_an_id_that_is_none_reaches_no_command(desk: Desk) -> None:
    meta = SlurmScriptMetadata("1; touch pwned", desk.ssh_config)
    for verb in (desk.connector.get, desk.connector.delete):
        with pytest.raises(UserError, match="is not the id of a job"):
            verb(meta)
