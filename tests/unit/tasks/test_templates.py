"""Templates, byte for byte what the reference writes for the same tasks.

What differs by design stands here as it is with us: the version of the package, the programs in the image and the locations of
resolvers, and the name of the GPU resource in a pod, which the reference calls ``gpu``.
"""

from __future__ import annotations

import pickle
from string import Template
from typing import Any

import pytest
from google.protobuf import text_format

from hardpoint.idl import TaskTemplate
from hardpoint.tasks.image import ImageConfig
from hardpoint.tasks.metadata import sdk_version
from hardpoint.tasks.resources import Resources, ResourceSpec
from hardpoint.tasks.serialization import FastSerializationSettings, SerializationSettings
from tests.unit.tasks import samples

SETTINGS = SerializationSettings(
    project="p", domain="d", version="v", env={"FOO": "bar"}, image_config=ImageConfig.auto(img_name="im:tag")
)
FAST = SerializationSettings(
    project="p",
    domain="d",
    version="v",
    env={"FOO": "bar"},
    image_config=ImageConfig.auto(img_name="im:tag"),
    fast_serialization_settings=FastSerializationSettings(
        True, destination_dir="/root", distribution_location="s3://x"
    ),
)
FAST_OPEN = SerializationSettings(
    project="p",
    domain="d",
    version="v",
    image_config=ImageConfig.auto(img_name="im:tag"),
    fast_serialization_settings=FastSerializationSettings(enabled=True),
)

EXPECTED = {
    "plain": """
        id { resource_type: TASK project: "p" domain: "d" name: "tests.unit.tasks.samples.plain" version: "v" }
        type: "python-task" metadata { runtime { type: FLYTE_SDK version: "$VERSION" flavor: "python" } retries { }
        generates_deck { } metadata { } } interface { inputs { variables { key: "b" value { type { simple: STRING }
        description: "b" } } variables { key: "a" value { type { simple: INTEGER } description: "a" } } } outputs {
        variables { key: "o1" value { type { simple: STRING } description: "o1" } } variables { key: "o0" value { type {
        simple: INTEGER } description: "o0" } } } } container { image: "im:tag" args: "hardpoint-execute"
        args: "--inputs" args: "{{.input}}" args: "--output-prefix" args: "{{.outputPrefix}}"
        args: "--raw-output-data-prefix" args: "{{.rawOutputDataPrefix}}" args: "--checkpoint-path"
        args: "{{.checkpointOutputPrefix}}" args: "--prev-checkpoint" args: "{{.prevCheckpointPrefix}}"
        args: "--resolver" args: "hardpoint.tasks.resolver.default_task_resolver" args: "--" args: "task-module"
        args: "tests.unit.tasks.samples" args: "task-name" args: "plain" resources { } env { key: "FOO" value: "bar" } }
    """,
    "everything": """
        id { resource_type: TASK project: "p" domain: "d" name: "tests.unit.tasks.samples.everything" version: "v" }
        type: "python-task" metadata { discoverable: true runtime { type: FLYTE_SDK version: "$VERSION" flavor: "python"
        } timeout { seconds: 60 } retries { retries: 2 } discovery_version: "1" deprecated_error_message: "old"
        interruptible: true cache_serializable: true pod_template_name: "ptn" cache_ignore_input_vars: "a"
        generates_deck { value: true } metadata { labels { key: "l" value: "1" } annotations { key: "an" value: "2" } }
        } interface { inputs { variables { key: "b" value { type { simple: STRING } description: "b" } } variables {
        key: "a" value { type { simple: INTEGER } description: "a" } } } outputs { variables { key: "o0" value { type {
        simple: INTEGER } description: "o0" } } } } container { image: "im:tag" args: "hardpoint-execute"
        args: "--inputs" args: "{{.input}}" args: "--output-prefix" args: "{{.outputPrefix}}"
        args: "--raw-output-data-prefix" args: "{{.rawOutputDataPrefix}}" args: "--checkpoint-path"
        args: "{{.checkpointOutputPrefix}}" args: "--prev-checkpoint" args: "{{.prevCheckpointPrefix}}"
        args: "--resolver" args: "hardpoint.tasks.resolver.default_task_resolver" args: "--" args: "task-module"
        args: "tests.unit.tasks.samples" args: "task-name" args: "everything" resources { requests {
        name: EPHEMERAL_STORAGE value: "2Gi" } requests { name: CPU value: "1" } requests { name: GPU value: "1" }
        requests { name: MEMORY value: "1Gi" } limits { name: CPU value: "2" } } env { key: "FOO" value: "bar" } env {
        key: "A" value: "b" } } security_context { secrets { group: "g" key: "k" mount_requirement: FILE
        env_var: "MY_ENV" } } extended_resources { gpu_accelerator { device: "nvidia-tesla-t4" } shared_memory {
        mount_path: "/dev/shm" mount_name: "flyte-shared-memory" } } config { key: "port" value: "8080" } config {
        key: "link_type" value: "my-link" }
    """,
    "podded": """
        id { resource_type: TASK project: "p" domain: "d" name: "tests.unit.tasks.samples.podded" version: "v" }
        type: "python-task" metadata { runtime { type: FLYTE_SDK version: "$VERSION" flavor: "python" } retries { }
        generates_deck { } metadata { } } interface { inputs { variables { key: "a" value { type { simple: INTEGER }
        description: "a" } } } outputs { variables { key: "o0" value { type { simple: INTEGER } description: "o0" } } }
        } config { key: "primary_container_name" value: "main" } k8s_pod { metadata { labels { key: "x" value: "y" }
        annotations { key: "q" value: "r" } } pod_spec { fields { key: "volumes" value { list_value { values {
        struct_value { fields { key: "name" value { string_value: "v" } } fields { key: "emptyDir" value { struct_value
        { } } } } } } } } fields { key: "containers" value { list_value { values { struct_value { fields {
        key: "volumeMounts" value { list_value { values { struct_value { fields { key: "name" value { string_value: "v"
        } } fields { key: "mountPath" value { string_value: "/v" } } } } } } } fields { key: "resources" value {
        struct_value { fields { key: "requests" value { struct_value { fields { key: "nvidia.com/gpu" value {
        string_value: "2" } } fields { key: "ephemeral-storage" value { string_value: "1Gi" } } fields { key: "cpu"
        value { string_value: "1" } } } } } fields { key: "limits" value { struct_value { } } } } } } fields {
        key: "name" value { string_value: "main" } } fields { key: "image" value { string_value: "im:tag" } } fields {
        key: "env" value { list_value { values { struct_value { fields { key: "value" value { string_value: "bar" } }
        fields { key: "name" value { string_value: "FOO" } } } } values { struct_value { fields { key: "value" value {
        string_value: "b" } } fields { key: "name" value { string_value: "A" } } } } values { struct_value { fields {
        key: "value" value { string_value: "1" } } fields { key: "name" value { string_value: "T" } } } } } } } fields {
        key: "command" value { list_value { } } } fields { key: "args" value { list_value { values {
        string_value: "hardpoint-execute" } values { string_value: "--inputs" } values { string_value: "{{.input}}" }
        values { string_value: "--output-prefix" } values { string_value: "{{.outputPrefix}}" } values {
        string_value: "--raw-output-data-prefix" } values { string_value: "{{.rawOutputDataPrefix}}" } values {
        string_value: "--checkpoint-path" } values { string_value: "{{.checkpointOutputPrefix}}" } values {
        string_value: "--prev-checkpoint" } values { string_value: "{{.prevCheckpointPrefix}}" } values {
        string_value: "--resolver" } values { string_value: "hardpoint.tasks.resolver.default_task_resolver" } values {
        string_value: "--" } values { string_value: "task-module" } values { string_value: "tests.unit.tasks.samples" }
        values { string_value: "task-name" } values { string_value: "podded" } } } } } } values { struct_value { fields
        { key: "name" value { string_value: "side" } } fields { key: "image" value { string_value: "im:tagx" } } } } } }
        } } }
    """,
    "container": """
        id { resource_type: TASK project: "p" domain: "d" name: "ct" version: "v" } type: "raw-container" metadata {
        runtime { type: FLYTE_SDK version: "$VERSION" flavor: "python" } retries { } generates_deck { } metadata { } }
        interface { inputs { variables { key: "a" value { type { simple: INTEGER } description: "a" } } } outputs {
        variables { key: "o" value { type { simple: STRING } description: "o" } } } } container { image: "alpine:tag"
        command: "sh" command: "-c" command: "echo {{.inputs.a}}" args: "x" resources { requests { name: CPU value: "1"
        } } env { key: "FOO" value: "bar" } env { key: "A" value: "b" } data_config { enabled: true
        input_path: "/var/inputs" output_path: "/var/outputs" format: YAML } } security_context { secrets { group: "g"
        key: "k" } }
    """,
    "podded_container": """
        id { resource_type: TASK project: "p" domain: "d" name: "ct2" version: "v" } type: "raw-container" metadata {
        runtime { type: FLYTE_SDK version: "$VERSION" flavor: "python" } retries { } generates_deck { } metadata { } }
        interface { inputs { } outputs { } } config { key: "primary_container_name" value: "main" } k8s_pod { metadata {
        labels { key: "x" value: "y" } annotations { key: "q" value: "r" } } pod_spec { fields { key: "volumes" value {
        list_value { values { struct_value { fields { key: "name" value { string_value: "v" } } fields { key: "emptyDir"
        value { struct_value { } } } } } } } } fields { key: "containers" value { list_value { values { struct_value {
        fields { key: "volumeMounts" value { list_value { values { struct_value { fields { key: "name" value {
        string_value: "v" } } fields { key: "mountPath" value { string_value: "/v" } } } } } } } fields {
        key: "resources" value { struct_value { fields { key: "requests" value { struct_value { fields { key: "cpu"
        value { string_value: "1" } } } } } fields { key: "limits" value { struct_value { fields { key: "cpu" value {
        string_value: "2" } } } } } } } } fields { key: "name" value { string_value: "main" } } fields { key: "image"
        value { string_value: "alpine" } } fields { key: "env" value { list_value { values { struct_value { fields {
        key: "value" value { string_value: "bar" } } fields { key: "name" value { string_value: "FOO" } } } } values {
        struct_value { fields { key: "value" value { string_value: "1" } } fields { key: "name" value {
        string_value: "T" } } } } } } } fields { key: "command" value { list_value { values { string_value: "sh" } } } }
        } } values { struct_value { fields { key: "name" value { string_value: "side" } } fields { key: "image" value {
        string_value: "im:tagx" } } } } } } } } data_config { enabled: true } }
    """,
    "fast_plain": """
        id { resource_type: TASK project: "p" domain: "d" name: "tests.unit.tasks.samples.plain" version: "v" }
        type: "python-task" metadata { runtime { type: FLYTE_SDK version: "$VERSION" flavor: "python" } retries { }
        generates_deck { } metadata { } } interface { inputs { variables { key: "b" value { type { simple: STRING }
        description: "b" } } variables { key: "a" value { type { simple: INTEGER } description: "a" } } } outputs {
        variables { key: "o1" value { type { simple: STRING } description: "o1" } } variables { key: "o0" value { type {
        simple: INTEGER } description: "o0" } } } } container { image: "im:tag" args: "hardpoint-fast-execute"
        args: "--additional-distribution" args: "s3://x" args: "--dest-dir" args: "/root" args: "--"
        args: "hardpoint-execute" args: "--inputs" args: "{{.input}}" args: "--output-prefix" args: "{{.outputPrefix}}"
        args: "--raw-output-data-prefix" args: "{{.rawOutputDataPrefix}}" args: "--checkpoint-path"
        args: "{{.checkpointOutputPrefix}}" args: "--prev-checkpoint" args: "{{.prevCheckpointPrefix}}"
        args: "--resolver" args: "hardpoint.tasks.resolver.default_task_resolver" args: "--" args: "task-module"
        args: "tests.unit.tasks.samples" args: "task-name" args: "plain" resources { } env { key: "FOO" value: "bar" } }
    """,
    "fast_podded": """
        id { resource_type: TASK project: "p" domain: "d" name: "tests.unit.tasks.samples.podded" version: "v" }
        type: "python-task" metadata { runtime { type: FLYTE_SDK version: "$VERSION" flavor: "python" } retries { }
        generates_deck { } metadata { } } interface { inputs { variables { key: "a" value { type { simple: INTEGER }
        description: "a" } } } outputs { variables { key: "o0" value { type { simple: INTEGER } description: "o0" } } }
        } config { key: "primary_container_name" value: "main" } k8s_pod { metadata { labels { key: "x" value: "y" }
        annotations { key: "q" value: "r" } } pod_spec { fields { key: "volumes" value { list_value { values {
        struct_value { fields { key: "name" value { string_value: "v" } } fields { key: "emptyDir" value { struct_value
        { } } } } } } } } fields { key: "containers" value { list_value { values { struct_value { fields {
        key: "volumeMounts" value { list_value { values { struct_value { fields { key: "name" value { string_value: "v"
        } } fields { key: "mountPath" value { string_value: "/v" } } } } } } } fields { key: "resources" value {
        struct_value { fields { key: "requests" value { struct_value { fields { key: "nvidia.com/gpu" value {
        string_value: "2" } } fields { key: "ephemeral-storage" value { string_value: "1Gi" } } fields { key: "cpu"
        value { string_value: "1" } } } } } fields { key: "limits" value { struct_value { } } } } } } fields {
        key: "name" value { string_value: "main" } } fields { key: "image" value { string_value: "im:tag" } } fields {
        key: "env" value { list_value { values { struct_value { fields { key: "value" value { string_value: "bar" } }
        fields { key: "name" value { string_value: "FOO" } } } } values { struct_value { fields { key: "value" value {
        string_value: "b" } } fields { key: "name" value { string_value: "A" } } } } values { struct_value { fields {
        key: "value" value { string_value: "1" } } fields { key: "name" value { string_value: "T" } } } } } } } fields {
        key: "command" value { list_value { } } } fields { key: "args" value { list_value { values {
        string_value: "hardpoint-fast-execute" } values { string_value: "--additional-distribution" } values {
        string_value: "s3://x" } values { string_value: "--dest-dir" } values { string_value: "/root" } values {
        string_value: "--" } values { string_value: "hardpoint-execute" } values { string_value: "--inputs" } values {
        string_value: "{{.input}}" } values { string_value: "--output-prefix" } values {
        string_value: "{{.outputPrefix}}" } values { string_value: "--raw-output-data-prefix" } values {
        string_value: "{{.rawOutputDataPrefix}}" } values { string_value: "--checkpoint-path" } values {
        string_value: "{{.checkpointOutputPrefix}}" } values { string_value: "--prev-checkpoint" } values {
        string_value: "{{.prevCheckpointPrefix}}" } values { string_value: "--resolver" } values {
        string_value: "hardpoint.tasks.resolver.default_task_resolver" } values { string_value: "--" } values {
        string_value: "task-module" } values { string_value: "tests.unit.tasks.samples" } values {
        string_value: "task-name" } values { string_value: "podded" } } } } } } values { struct_value { fields {
        key: "name" value { string_value: "side" } } fields { key: "image" value { string_value: "im:tagx" } } } } } } }
        } }
    """,
    "fast_open": """
        id { resource_type: TASK project: "p" domain: "d" name: "tests.unit.tasks.samples.plain" version: "v" }
        type: "python-task" metadata { runtime { type: FLYTE_SDK version: "$VERSION" flavor: "python" } retries { }
        generates_deck { } metadata { } } interface { inputs { variables { key: "b" value { type { simple: STRING }
        description: "b" } } variables { key: "a" value { type { simple: INTEGER } description: "a" } } } outputs {
        variables { key: "o1" value { type { simple: STRING } description: "o1" } } variables { key: "o0" value { type {
        simple: INTEGER } description: "o0" } } } } container { image: "im:tag" args: "hardpoint-fast-execute"
        args: "--additional-distribution" args: "{{ .remote_package_path }}" args: "--dest-dir" args: "{{ .dest_dir }}"
        args: "--" args: "hardpoint-execute" args: "--inputs" args: "{{.input}}" args: "--output-prefix"
        args: "{{.outputPrefix}}" args: "--raw-output-data-prefix" args: "{{.rawOutputDataPrefix}}"
        args: "--checkpoint-path" args: "{{.checkpointOutputPrefix}}" args: "--prev-checkpoint"
        args: "{{.prevCheckpointPrefix}}" args: "--resolver" args: "hardpoint.tasks.resolver.default_task_resolver"
        args: "--" args: "task-module" args: "tests.unit.tasks.samples" args: "task-name" args: "plain" resources { } }
    """,
    "shim": """
        id { resource_type: TASK project: "p" domain: "d" name: "my.t1" version: "v" } type: "my-shim" metadata {
        runtime { type: FLYTE_SDK version: "$VERSION" flavor: "python" } retries { retries: 1 } generates_deck { }
        metadata { } } interface { inputs { variables { key: "a" value { type { simple: INTEGER } description: "a" } } }
        outputs { variables { key: "o" value { type { simple: INTEGER } description: "o" } } } } custom { fields {
        key: "y" value { struct_value { fields { key: "z" value { list_value { values { number_value: 1 } values {
        number_value: 2.5 } values { string_value: "q" } values { null_value: NULL_VALUE } values { bool_value: true } }
        } } } } } fields { key: "x" value { number_value: 1 } } } container { image: "img:1" args: "hardpoint-execute"
        args: "--inputs" args: "{{.input}}" args: "--output-prefix" args: "{{.outputPrefix}}"
        args: "--raw-output-data-prefix" args: "{{.rawOutputDataPrefix}}" args: "--resolver"
        args: "hardpoint.tasks.shim.default_task_template_resolver" args: "--" args: "{{.taskTemplatePath}}"
        args: "tests.unit.tasks.samples.Executor" resources { requests { name: CPU value: "1" } } env { key: "FOO"
        value: "bar" } } task_type_version: 2 security_context { secrets { group: "g" key: "k" } }
    """,
    "query": """
        id { resource_type: TASK project: "p" domain: "d" name: "q1" version: "v" } type: "bq" metadata { runtime {
        type: FLYTE_SDK version: "$VERSION" flavor: "python" } timeout { seconds: 90 } retries { retries: 1 }
        generates_deck { } metadata { } } interface { inputs { variables { key: "a" value { type { simple: INTEGER }
        description: "a" } } } outputs { variables { key: "r" value { type { simple: STRING } description: "r" } } } }
        config { key: "b" value: "1" } config { key: "a" value: "2" } sql { statement: "select 1" }
    """,
    "instance": """
        id { resource_type: TASK project: "p" domain: "d" name: "some.name" version: "v" } type: "pi" metadata { runtime
        { type: FLYTE_SDK version: "$VERSION" flavor: "python" } retries { } generates_deck { } metadata { } } interface
        { inputs { variables { key: "a" value { type { simple: INTEGER } description: "a" } } } outputs { variables {
        key: "o" value { type { simple: INTEGER } description: "o" } } } } container { image: "im:tag"
        args: "hardpoint-execute" args: "--inputs" args: "{{.input}}" args: "--output-prefix" args: "{{.outputPrefix}}"
        args: "--raw-output-data-prefix" args: "{{.rawOutputDataPrefix}}" args: "--checkpoint-path"
        args: "{{.checkpointOutputPrefix}}" args: "--prev-checkpoint" args: "{{.prevCheckpointPrefix}}"
        args: "--resolver" args: "hardpoint.tasks.resolver.default_task_resolver" args: "--" args: "task-module"
        args: "tests.unit.tasks.samples" args: "task-name" args: "instance" resources { } env { key: "FOO" value: "bar"
        } env { key: "Z" value: "1" } } extended_resources { shared_memory { mount_path: "/dev/shm"
        mount_name: "flyte-shared-memory" size_limit: "2Gi" } }
    """,
    "dynamic": """
        id { resource_type: TASK project: "p" domain: "d" name: "tests.unit.tasks.samples.dynamic" version: "v" }
        type: "python-task" metadata { runtime { type: FLYTE_SDK version: "$VERSION" flavor: "python" } retries { }
        generates_deck { } metadata { } } interface { inputs { variables { key: "a" value { type { simple: INTEGER }
        description: "a" } } } outputs { variables { key: "o0" value { type { simple: INTEGER } description: "o0" } } }
        } container { image: "im:tag" args: "hardpoint-execute" args: "--inputs" args: "{{.input}}"
        args: "--output-prefix" args: "{{.outputPrefix}}" args: "--raw-output-data-prefix"
        args: "{{.rawOutputDataPrefix}}" args: "--checkpoint-path" args: "{{.checkpointOutputPrefix}}"
        args: "--prev-checkpoint" args: "{{.prevCheckpointPrefix}}" args: "--resolver"
        args: "hardpoint.tasks.resolver.default_task_resolver" args: "--" args: "task-module"
        args: "tests.unit.tasks.samples" args: "task-name" args: "dynamic" resources { requests { name: CPU value: "1" }
        } env { key: "FOO" value: "bar" } env { key: "_F_SS_C" value: "$CONTEXT" } }
    """,
    "echo": """
        id { resource_type: TASK project: "p" domain: "d" name: "ec" version: "v" } type: "echo" metadata { runtime {
        type: FLYTE_SDK version: "$VERSION" flavor: "python" } retries { } generates_deck { } metadata { } } interface {
        inputs { variables { key: "b" value { type { simple: STRING } description: "b" } } variables { key: "a" value {
        type { simple: INTEGER } description: "a" } } } outputs { variables { key: "o1" value { type { simple: STRING }
        description: "o1" } } variables { key: "o0" value { type { simple: INTEGER } description: "o0" } } } }
    """,
}


def expected(name: str) -> TaskTemplate:
    text = Template(EXPECTED[name]).safe_substitute(VERSION=sdk_version(), CONTEXT=SETTINGS.serialized_context)
    return text_format.Parse(text, TaskTemplate())


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("plain", SETTINGS),
        ("everything", SETTINGS),
        ("dynamic", SETTINGS),
        ("instance", SETTINGS),
        ("podded", SETTINGS),
        ("container", SETTINGS),
        ("podded_container", SETTINGS),
        ("shim", SETTINGS),
        ("query", SETTINGS),
        ("echo", SETTINGS),
        ("fast_plain", FAST),
        ("fast_podded", FAST),
        ("fast_open", FAST_OPEN),
    ],
)
def test_template_is_that_of_the_reference(name: str, settings: SerializationSettings) -> None:
    task = getattr(samples, name.removeprefix("fast_") if name != "fast_open" else "plain")
    made, wanted = task.template(settings), expected(name)
    assert text_format.MessageToString(made) == text_format.MessageToString(wanted)
    assert made.SerializeToString(deterministic=True) == wanted.SerializeToString(deterministic=True)


def test_shim_and_container_are_not_fetched_code_for() -> None:
    for name in ("shim", "container"):
        task = getattr(samples, name)
        assert task.template(FAST) == task.template(SETTINGS)


def state_of(value: Any) -> Any:
    """All that a task holds, in a form that can be compared."""
    plain: dict[str, Any] = {}
    for name, held in vars(value).items():
        try:
            plain[name] = pickle.dumps(held)
        except Exception:  # a function of this module, or a resolver: it is the same object or it is not
            plain[name] = id(held)
    return plain


@pytest.mark.parametrize("task", samples.ALL, ids=lambda task: task.name)
def test_serialization_changes_nothing(task: Any) -> None:
    task.template(SETTINGS)  # compiles the interface, which is kept
    before = state_of(task)
    other = SerializationSettings(
        project="q",
        domain="e",
        version="w",
        image_config=ImageConfig.auto(img_name="other:tag"),
        default_resources=ResourceSpec(Resources(cpu="7"), Resources(mem="7Gi")),
    )
    first = task.template(SETTINGS).SerializeToString(deterministic=True)
    task.template(other)
    assert state_of(task) == before
    assert task.template(SETTINGS).SerializeToString(deterministic=True) == first


def test_default_resources_are_for_tasks_that_ask_for_none() -> None:
    settings = SerializationSettings(
        image_config=ImageConfig.auto(img_name="im:tag"),
        default_resources=ResourceSpec(Resources(cpu="7"), Resources()),
    )
    assert [entry.value for entry in samples.plain.template(settings).container.resources.requests] == ["7"]
    assert not samples.plain.template(SETTINGS).container.resources.requests
    assert [entry.value for entry in samples.dynamic.template(settings).container.resources.requests] == ["1"]


def test_context_of_dynamic_tasks_can_be_read_back() -> None:
    assert SerializationSettings.from_transport(SETTINGS.serialized_context) == SETTINGS
    everything = SerializationSettings(
        project="p",
        image_config=ImageConfig.from_images("im:1", {"a": "b@sha256:1"}),
        default_resources=ResourceSpec(Resources(cpu=("1"), gpu=1), Resources(mem="1Gi")),
        fast_serialization_settings=FastSerializationSettings(True, "/root", "s3://x"),
        source_root="/root",
        git_repo="g",
    )
    assert SerializationSettings.from_transport(everything.serialized_context) == everything


def test_context_written_by_the_reference_can_be_read() -> None:
    # Its `python_interpreter` and `flytekit_virtualenv_root` are those of the image that it expects.
    text = (
        "H4sIAAAAAAAC/6VQMW7DMAz8iqE5gIZseUDXPKAoDNmmHbaypFKU0TTI30PSCILOXSze8XS6883hGhbox5xmXNypu7kJ5tAi97YwJoVVh+fGHTo3"
        "fydlcFXAQW/aIWjCBSoLkVqM90O3v1CFeP+f1YeaFcqfMCrniknyGtAMJoUbUMVseFMMabMKb+ezckMgpy7PjgQ1Nxotnb4hqwWVLvnFlCtfcuox"
        "MVAhkK9a+VzYb+LvB0x+1xytT7wyfInLhsQtRJH0lDP/uWTCULmvQBgi/gaW2IKYMS3VMkMKQ4RJZqYGlrrKdldOuKcwZ/tVlQmHZsuYR1Opoh5P"
        "3v9Y673rK4wN9wcCH6o4AwIAAA=="
    )
    assert SerializationSettings.from_transport(text) == SerializationSettings(
        project="p",
        domain="d",
        version="v",
        env={"FOO": "bar"},
        image_config=ImageConfig.auto(img_name="im:tag"),
        python_interpreter="/opt/venv/bin/python3",
        flytekit_virtualenv_root="/opt/venv",
        fast_serialization_settings=FastSerializationSettings(
            enabled=True, destination_dir="/root", distribution_location="s3://x"
        ),
        source_root="/root",
    )
