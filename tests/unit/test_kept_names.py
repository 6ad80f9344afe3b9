"""Names that users of the reference know are where they look for them."""

import pkgutil
import subprocess
import sys
from importlib import import_module

import pytest

import hardpoint
import hardpoint.extend


@pytest.mark.parametrize("name", hardpoint.__all__)
def test_names_of_the_package(name: str) -> None:
    assert getattr(hardpoint, name) is not None


@pytest.mark.parametrize("name", hardpoint.extend.__all__)
def test_names_of_extend(name: str) -> None:
    assert getattr(hardpoint.extend, name) is not None


NAMES = """
configuration: FastSerializationSettings Image ImageConfig SerializationSettings
deck.renderer: ArrowRenderer MarkdownRenderer PythonDependencyRenderer Renderable SourceCodeRenderer TopFrameRenderer
extras.accelerators: A100 A100_80GB GPUAccelerator L4 T4 V5E
core.base_task: IgnoreOutputs PythonTask TaskMetadata TaskResolverMixin kwtypes
core.class_based_resolver: ClassStorageTaskResolver
core.constants: FLYTE_FAIL_ON_ERROR
core.container_task: ContainerTask
core.context_manager: ExecutionParameters ExecutionState FlyteContext FlyteContextManager SecretsManager
core.data_persistence: FileAccessProvider
core.interface: Interface
core.pod_template: PRIMARY_CONTAINER_DEFAULT_NAME PodTemplate
core.python_auto_container: PythonAutoContainerTask
core.python_customized_container_task: PythonCustomizedContainerTask
core.python_function_task: AsyncPythonFunctionTask PythonFunctionTask PythonInstanceTask
core.resources: ResourceSpec Resources
core.shim_task: ExecutableTemplateShimTask ShimTaskExecutor
core.task: TaskPlugins task
core.tracker: TrackedInstance
core.type_engine: AsyncTypeTransformer DictTransformer TypeEngine TypeTransformer TypeTransformerFailedError
core.utils: ClassDecorator timeit
core.workflow: ImperativeWorkflow WorkflowFailurePolicy workflow
deck: Deck
exceptions.base: FlyteException FlyteRecoverableException
exceptions.system: FlyteAgentNotFound FlyteConnectorNotFound FlyteSystemException
exceptions.user: FlyteAssertion FlyteDataNotFoundException FlyteTimeout FlyteUserException
exceptions.user: FlyteValidationException FlyteValueException
extend.backend.base_agent: AgentBase AgentRegistry AsyncAgentBase AsyncAgentExecutorMixin Resource ResourceMeta SyncAgentBase
extend.backend.base_agent: SyncAgentExecutorMixin TaskCategory
extend.backend.base_connector: AsyncConnectorBase AsyncConnectorExecutorMixin ConnectorBase ConnectorRegistry Resource ResourceMeta
extend.backend.base_connector: SyncConnectorBase SyncConnectorExecutorMixin TaskCategory convert_to_flyte_phase is_terminal_phase
extend.backend.base_connector: local_connector_loop render_task_template
extend.backend.utils: convert_to_flyte_phase get_agent_secret get_connector_secret is_terminal_phase mirror_async_methods
extend.backend.utils: render_task_template
image_spec: ImageSpec
image_spec.image_spec: ImageSpec
lazy_import.lazy_module: is_imported lazy_module
loggers: logger
models.annotation: TypeAnnotation
models.common: FlyteIdlEntity
models.core.execution: TaskExecutionPhase TaskLog WorkflowExecutionPhase
models.core.identifier: Identifier NodeExecutionIdentifier ResourceType TaskExecutionIdentifier WorkflowExecutionIdentifier
models.core.types: BlobType
models.interface: TypedInterface Variable
models.literals: Binary Blob BlobMetadata Literal LiteralCollection LiteralMap Primitive RetryStrategy Scalar Schema
models.literals: StructuredDataset StructuredDatasetMetadata Union Void
models.security: Identity Secret SecurityContext
models.task: Container K8sObjectMetadata K8sPod Resources RuntimeMetadata Sql TaskExecutionMetadata TaskMetadata TaskTemplate
models.types: EnumType LiteralType SchemaType SimpleType StructuredDatasetType TypeStructure UnionType
sensor: BaseSensor FileSensor SensorEngine
sensor.base_sensor: BaseSensor SensorConfig
sensor.file_sensor: FileSensor
sensor.sensor_engine: SensorEngine
testing: CodecConformance
types.directory: FlyteDirectory
types.error: FlyteError
types.file: FlyteFile JSONLFile
types.iterator: JSON
types.pickle: FlytePickle
types.schema: FlyteSchema
types.structured: StructuredDataset
types.structured.structured_dataset: PARQUET StructuredDataset StructuredDatasetDecoder StructuredDatasetEncoder
"""

KEPT = [(line.partition(": ")[0], name) for line in NAMES.split("\n") for name in line.partition(": ")[2].split()]


@pytest.mark.parametrize(("module", "name"), KEPT)
def test_submodules_keep_their_names(module: str, name: str) -> None:
    assert getattr(import_module(f"hardpoint.{module}"), name) is not None


PAGES = ("core", "exceptions", "image_spec", "lazy_import", "models", "sensor")


@pytest.mark.parametrize("room", PAGES)
def test_every_page_is_listed(room: str) -> None:
    pages = {f"{room}.{page.name}" for page in pkgutil.walk_packages(import_module(f"hardpoint.{room}").__path__)}
    here = {f"{room}.{name}" for name in ("annotation", "environment", "hash", "launch_plan", "promise", "core")}
    assert pages - {module for module, _ in KEPT} - here <= {"models.messages"}


def test_a_lazy_module_is_imported_when_it_is_used() -> None:
    code = (
        "import sys; from hardpoint import lazy_module; m = lazy_module('wsgiref.handlers'); "
        "assert 'wsgiref.util' not in sys.modules; m.BaseHandler; assert 'wsgiref.util' in sys.modules; "
        "import wsgiref.handlers; assert wsgiref.handlers is m"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_a_lazy_module_that_is_not_installed() -> None:
    for name in ("not_installed_anywhere", "not_installed_anywhere.sub"):
        absent = hardpoint.lazy_module(name)
        with pytest.raises(ImportError, match=rf"Module {name} is not installed"):
            _ = absent.anything


def test_connectors_of_either_kind_are_connectors() -> None:
    from hardpoint.connectors import AsyncConnectorBase, Resource, SyncConnectorBase
    from hardpoint.extend.backend import base_agent, base_connector

    assert issubclass(base_connector.AsyncConnectorBase, AsyncConnectorBase)
    assert issubclass(base_agent.SyncAgentBase, SyncConnectorBase)
    assert issubclass(base_connector.Resource, Resource)
    assert AsyncConnectorBase.receives is None
