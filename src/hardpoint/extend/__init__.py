"""What authors of integrations build on, in one place. Each name is imported when it is first used."""

from typing import TYPE_CHECKING

from hardpoint._lazy import attach

if TYPE_CHECKING:
    from hardpoint.context import ExecutionState as ExecutionState
    from hardpoint.integration import Integration as Integration
    from hardpoint.secrets import SecretsManager as SecretsManager
    from hardpoint.storage import FileAccess as FileAccess
    from hardpoint.tasks.base import PythonTask as PythonTask
    from hardpoint.tasks.class_decorator import ClassDecorator as ClassDecorator
    from hardpoint.tasks.dispatch import IgnoreOutputs as IgnoreOutputs
    from hardpoint.tasks.image import Image as Image
    from hardpoint.tasks.image import ImageConfig as ImageConfig
    from hardpoint.tasks.interface import Interface as Interface
    from hardpoint.tasks.plugins import TaskPlugins as TaskPlugins
    from hardpoint.tasks.resolver import ClassStorageTaskResolver as ClassStorageTaskResolver
    from hardpoint.tasks.resolver import TaskResolverMixin as TaskResolverMixin
    from hardpoint.tasks.serialization import FastSerializationSettings as FastSerializationSettings
    from hardpoint.tasks.serialization import SerializationSettings as SerializationSettings
    from hardpoint.tasks.shim import ExecutableTemplateShimTask as ExecutableTemplateShimTask
    from hardpoint.tasks.shim import PythonCustomizedContainerTask as PythonCustomizedContainerTask
    from hardpoint.tasks.shim import ShimTaskExecutor as ShimTaskExecutor
    from hardpoint.tasks.shim import TaskTemplateResolver as TaskTemplateResolver
    from hardpoint.tasks.sql import SQLTask as SQLTask
    from hardpoint.types import AsyncTypeTransformer as AsyncTypeTransformer
    from hardpoint.types import Codec as Codec
    from hardpoint.types import SimpleTransformer as SimpleTransformer
    from hardpoint.types import TypeEngine as TypeEngine
    from hardpoint.types import TypeTransformer as TypeTransformer
    from hardpoint.types.containers import DictTransformer as DictTransformer
    from hardpoint.types.structured import StructuredDatasetDecoder as StructuredDatasetDecoder
    from hardpoint.types.structured import StructuredDatasetEncoder as StructuredDatasetEncoder
    from hardpoint.workflows.promise import Promise as Promise

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "AsyncTypeTransformer": "hardpoint.types:AsyncTypeTransformer",
        "ClassDecorator": "hardpoint.tasks.class_decorator:ClassDecorator",
        "ClassStorageTaskResolver": "hardpoint.tasks.resolver:ClassStorageTaskResolver",
        "Codec": "hardpoint.types:Codec",
        "DictTransformer": "hardpoint.types.containers:DictTransformer",
        "ExecutableTemplateShimTask": "hardpoint.tasks.shim:ExecutableTemplateShimTask",
        "ExecutionState": "hardpoint.context:ExecutionState",
        "FastSerializationSettings": "hardpoint.tasks.serialization:FastSerializationSettings",
        "FileAccess": "hardpoint.storage:FileAccess",
        "IgnoreOutputs": "hardpoint.tasks.dispatch:IgnoreOutputs",
        "Image": "hardpoint.tasks.image:Image",
        "ImageConfig": "hardpoint.tasks.image:ImageConfig",
        "Integration": "hardpoint.integration:Integration",
        "Interface": "hardpoint.tasks.interface:Interface",
        "Promise": "hardpoint.workflows.promise:Promise",
        "PythonCustomizedContainerTask": "hardpoint.tasks.shim:PythonCustomizedContainerTask",
        "PythonTask": "hardpoint.tasks.base:PythonTask",
        "SQLTask": "hardpoint.tasks.sql:SQLTask",
        "SecretsManager": "hardpoint.secrets:SecretsManager",
        "SerializationSettings": "hardpoint.tasks.serialization:SerializationSettings",
        "ShimTaskExecutor": "hardpoint.tasks.shim:ShimTaskExecutor",
        "SimpleTransformer": "hardpoint.types:SimpleTransformer",
        "StructuredDatasetDecoder": "hardpoint.types.structured:StructuredDatasetDecoder",
        "StructuredDatasetEncoder": "hardpoint.types.structured:StructuredDatasetEncoder",
        "TaskPlugins": "hardpoint.tasks.plugins:TaskPlugins",
        "TaskResolverMixin": "hardpoint.tasks.resolver:TaskResolverMixin",
        "TaskTemplateResolver": "hardpoint.tasks.shim:TaskTemplateResolver",
        "TypeEngine": "hardpoint.types:TypeEngine",
        "TypeTransformer": "hardpoint.types:TypeTransformer",
    },
)
