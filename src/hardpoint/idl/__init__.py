"""The messages of `flyteidl`, which are the model: nothing here mirrors them. Beside them, the builders that make them pleasant.

Each is imported when it is first asked for. So a module that is loaded while tasks and workflows are declared writes
``from hardpoint import idl`` and ``idl.Literal()``, and protobuf waits until something is converted, compiled or run.

Wire facts: https://github.com/flyteorg/flyte/tree/master/flyteidl/protos/flyteidl/core
"""

from typing import TYPE_CHECKING

from hardpoint._lazy import attach

if TYPE_CHECKING:
    from flyteidl.admin.workflow_pb2 import WorkflowSpec as WorkflowSpec
    from flyteidl.core.dynamic_job_pb2 import DynamicJobSpec as DynamicJobSpec
    from flyteidl.core.execution_pb2 import TaskExecution as TaskExecution
    from flyteidl.core.execution_pb2 import TaskLog as TaskLog
    from flyteidl.core.identifier_pb2 import LAUNCH_PLAN as LAUNCH_PLAN
    from flyteidl.core.identifier_pb2 import TASK as TASK
    from flyteidl.core.identifier_pb2 import WORKFLOW as WORKFLOW
    from flyteidl.core.identifier_pb2 import Identifier as Identifier
    from flyteidl.core.interface_pb2 import Parameter as Parameter
    from flyteidl.core.interface_pb2 import ParameterMap as ParameterMap
    from flyteidl.core.interface_pb2 import TypedInterface as TypedInterface
    from flyteidl.core.interface_pb2 import Variable as Variable
    from flyteidl.core.interface_pb2 import VariableMap as VariableMap
    from flyteidl.core.literals_pb2 import Binding as Binding
    from flyteidl.core.literals_pb2 import BindingData as BindingData
    from flyteidl.core.literals_pb2 import BindingDataCollection as BindingDataCollection
    from flyteidl.core.literals_pb2 import BindingDataMap as BindingDataMap
    from flyteidl.core.literals_pb2 import Literal as Literal
    from flyteidl.core.literals_pb2 import LiteralMap as LiteralMap
    from flyteidl.core.literals_pb2 import Scalar as Scalar
    from flyteidl.core.security_pb2 import SecurityContext as SecurityContext
    from flyteidl.core.tasks_pb2 import Container as Container
    from flyteidl.core.tasks_pb2 import ExtendedResources as ExtendedResources
    from flyteidl.core.tasks_pb2 import K8sPod as K8sPod
    from flyteidl.core.tasks_pb2 import RuntimeMetadata as RuntimeMetadata
    from flyteidl.core.tasks_pb2 import Sql as Sql
    from flyteidl.core.tasks_pb2 import TaskTemplate as TaskTemplate
    from flyteidl.core.types_pb2 import BlobType as BlobType
    from flyteidl.core.types_pb2 import LiteralType as LiteralType
    from flyteidl.core.types_pb2 import OutputReference as OutputReference
    from flyteidl.core.types_pb2 import PromiseAttribute as PromiseAttribute
    from flyteidl.core.types_pb2 import SimpleType as SimpleType
    from flyteidl.core.types_pb2 import StructuredDatasetType as StructuredDatasetType
    from flyteidl.core.workflow_pb2 import WorkflowMetadata as WorkflowMetadata
    from flyteidl.core.workflow_pb2 import WorkflowTemplate as WorkflowTemplate
    from google.protobuf.struct_pb2 import Struct as Struct

    from hardpoint.idl.builders import MSGPACK as MSGPACK
    from hardpoint.idl.builders import binary as binary
    from hardpoint.idl.builders import blob as blob
    from hardpoint.idl.builders import boolean as boolean
    from hardpoint.idl.builders import floating as floating
    from hardpoint.idl.builders import integer as integer
    from hardpoint.idl.builders import literal_map as literal_map
    from hardpoint.idl.builders import msgpack_annotation as msgpack_annotation
    from hardpoint.idl.builders import native as native
    from hardpoint.idl.builders import none as none
    from hardpoint.idl.builders import record as record
    from hardpoint.idl.builders import simple as simple
    from hardpoint.idl.builders import string as string
    from hardpoint.idl.builders import struct as struct

_NAMES = {
    "binary": ".builders:binary",
    "Binding": "flyteidl.core.literals_pb2:Binding",
    "BindingData": "flyteidl.core.literals_pb2:BindingData",
    "BindingDataCollection": "flyteidl.core.literals_pb2:BindingDataCollection",
    "BindingDataMap": "flyteidl.core.literals_pb2:BindingDataMap",
    "blob": ".builders:blob",
    "BlobType": "flyteidl.core.types_pb2:BlobType",
    "boolean": ".builders:boolean",
    "Container": "flyteidl.core.tasks_pb2:Container",
    "DynamicJobSpec": "flyteidl.core.dynamic_job_pb2:DynamicJobSpec",
    "ExtendedResources": "flyteidl.core.tasks_pb2:ExtendedResources",
    "floating": ".builders:floating",
    "Identifier": "flyteidl.core.identifier_pb2:Identifier",
    "integer": ".builders:integer",
    "K8sPod": "flyteidl.core.tasks_pb2:K8sPod",
    "LAUNCH_PLAN": "flyteidl.core.identifier_pb2:LAUNCH_PLAN",
    "Literal": "flyteidl.core.literals_pb2:Literal",
    "literal_map": ".builders:literal_map",
    "LiteralMap": "flyteidl.core.literals_pb2:LiteralMap",
    "LiteralType": "flyteidl.core.types_pb2:LiteralType",
    "MSGPACK": ".builders:MSGPACK",
    "msgpack_annotation": ".builders:msgpack_annotation",
    "native": ".builders:native",
    "none": ".builders:none",
    "OutputReference": "flyteidl.core.types_pb2:OutputReference",
    "Parameter": "flyteidl.core.interface_pb2:Parameter",
    "ParameterMap": "flyteidl.core.interface_pb2:ParameterMap",
    "PromiseAttribute": "flyteidl.core.types_pb2:PromiseAttribute",
    "record": ".builders:record",
    "RuntimeMetadata": "flyteidl.core.tasks_pb2:RuntimeMetadata",
    "Scalar": "flyteidl.core.literals_pb2:Scalar",
    "SecurityContext": "flyteidl.core.security_pb2:SecurityContext",
    "simple": ".builders:simple",
    "SimpleType": "flyteidl.core.types_pb2:SimpleType",
    "Sql": "flyteidl.core.tasks_pb2:Sql",
    "string": ".builders:string",
    "Struct": "google.protobuf.struct_pb2:Struct",
    "struct": ".builders:struct",
    "StructuredDatasetType": "flyteidl.core.types_pb2:StructuredDatasetType",
    "TASK": "flyteidl.core.identifier_pb2:TASK",
    "TaskExecution": "flyteidl.core.execution_pb2:TaskExecution",
    "TaskLog": "flyteidl.core.execution_pb2:TaskLog",
    "TaskTemplate": "flyteidl.core.tasks_pb2:TaskTemplate",
    "TypedInterface": "flyteidl.core.interface_pb2:TypedInterface",
    "Variable": "flyteidl.core.interface_pb2:Variable",
    "VariableMap": "flyteidl.core.interface_pb2:VariableMap",
    "WORKFLOW": "flyteidl.core.identifier_pb2:WORKFLOW",
    "WorkflowMetadata": "flyteidl.core.workflow_pb2:WorkflowMetadata",
    "WorkflowSpec": "flyteidl.admin.workflow_pb2:WorkflowSpec",
    "WorkflowTemplate": "flyteidl.core.workflow_pb2:WorkflowTemplate",
}

__getattr__, __dir__, __all__ = attach(__name__, _NAMES)
