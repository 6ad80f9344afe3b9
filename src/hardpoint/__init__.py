"""Hardpoint: typed Python workflows, and the places where they attach to everything outside them.

Everything here is imported when it is first used; `import hardpoint` itself imports next to nothing.
"""

from typing import TYPE_CHECKING

from hardpoint._lazy import attach

__version__ = "0.1.0"

if TYPE_CHECKING:
    from hardpoint.context import Checkpoint as Checkpoint
    from hardpoint.context import ExecutionParameters as ExecutionParameters
    from hardpoint.context import FlyteContext as FlyteContext
    from hardpoint.context import FlyteContextManager as FlyteContextManager
    from hardpoint.context import current_context as current_context
    from hardpoint.context import new_context as new_context
    from hardpoint.deck import Deck as Deck
    from hardpoint.deck import DeckField as DeckField
    from hardpoint.errors import FlyteRecoverableException as FlyteRecoverableException
    from hardpoint.errors import HardpointError as HardpointError
    from hardpoint.errors import PermanentError as PermanentError
    from hardpoint.errors import TransientError as TransientError
    from hardpoint.errors import UserError as UserError
    from hardpoint.integration import Integration as Integration
    from hardpoint.integrations.sensor import SensorEngine as SensorEngine
    from hardpoint.lazy_import.lazy_module import lazy_module as lazy_module
    from hardpoint.loggers import logger as logger
    from hardpoint.models.core.execution import WorkflowExecutionPhase as WorkflowExecutionPhase
    from hardpoint.models.core.types import BlobType as BlobType
    from hardpoint.models.literals import Blob as Blob
    from hardpoint.models.literals import BlobMetadata as BlobMetadata
    from hardpoint.models.literals import Literal as Literal
    from hardpoint.models.literals import Scalar as Scalar
    from hardpoint.models.security import SecurityContext as SecurityContext
    from hardpoint.models.types import LiteralType as LiteralType
    from hardpoint.models.types import StructuredDatasetType as StructuredDatasetType
    from hardpoint.tasks.container_task import ContainerTask as ContainerTask
    from hardpoint.tasks.dispatch import IgnoreOutputs as IgnoreOutputs
    from hardpoint.tasks.environment import Environment as Environment
    from hardpoint.tasks.image_spec import ImageSpec as ImageSpec
    from hardpoint.tasks.metadata import Cache as Cache
    from hardpoint.tasks.metadata import CachePolicy as CachePolicy
    from hardpoint.tasks.metadata import Description as Description
    from hardpoint.tasks.metadata import Documentation as Documentation
    from hardpoint.tasks.metadata import SourceCode as SourceCode
    from hardpoint.tasks.metadata import TaskMetadata as TaskMetadata
    from hardpoint.tasks.metadata import VersionParameters as VersionParameters
    from hardpoint.tasks.plugins import load_implicit_plugins as load_implicit_plugins
    from hardpoint.tasks.pod import PodTemplate as PodTemplate
    from hardpoint.tasks.python_function_task import PythonFunctionTask as PythonFunctionTask
    from hardpoint.tasks.python_function_task import PythonInstanceTask as PythonInstanceTask
    from hardpoint.tasks.resources import Resources as Resources
    from hardpoint.tasks.secret import Secret as Secret
    from hardpoint.tasks.sql import SQLTask as SQLTask
    from hardpoint.tasks.task import task as task
    from hardpoint.types.annotations import FlyteAnnotation as FlyteAnnotation
    from hardpoint.types.annotations import HashMethod as HashMethod
    from hardpoint.types.columns import kwtypes as kwtypes
    from hardpoint.types.directory import BatchSize as BatchSize
    from hardpoint.types.directory import FlyteDirectory as FlyteDirectory
    from hardpoint.types.file import FlyteFile as FlyteFile
    from hardpoint.types.iterator import JSON as JSON
    from hardpoint.types.iterator import FlyteIterator as FlyteIterator
    from hardpoint.types.schema import FlyteSchema as FlyteSchema
    from hardpoint.types.structured import StructuredDataset as StructuredDataset
    from hardpoint.types.structured import StructuredDatasetTransformerEngine as StructuredDatasetTransformerEngine
    from hardpoint.workflows.condition import conditional as conditional
    from hardpoint.workflows.dynamic import dynamic as dynamic
    from hardpoint.workflows.gate import approve as approve
    from hardpoint.workflows.gate import sleep as sleep
    from hardpoint.workflows.gate import wait_for_input as wait_for_input
    from hardpoint.workflows.imperative import ImperativeWorkflow as ImperativeWorkflow
    from hardpoint.workflows.imperative import Workflow as Workflow
    from hardpoint.workflows.launch_plan import ConcurrencyLimitBehavior as ConcurrencyLimitBehavior
    from hardpoint.workflows.launch_plan import ConcurrencyPolicy as ConcurrencyPolicy
    from hardpoint.workflows.launch_plan import LaunchPlan as LaunchPlan
    from hardpoint.workflows.map_task import map_task as map_task
    from hardpoint.workflows.node_creation import create_node as create_node
    from hardpoint.workflows.notification import Email as Email
    from hardpoint.workflows.notification import PagerDuty as PagerDuty
    from hardpoint.workflows.notification import Slack as Slack
    from hardpoint.workflows.options import Annotations as Annotations
    from hardpoint.workflows.options import AuthRole as AuthRole
    from hardpoint.workflows.options import Labels as Labels
    from hardpoint.workflows.options import Options as Options
    from hardpoint.workflows.reference import LaunchPlanReference as LaunchPlanReference
    from hardpoint.workflows.reference import TaskReference as TaskReference
    from hardpoint.workflows.reference import WorkflowReference as WorkflowReference
    from hardpoint.workflows.reference import get_reference_entity as get_reference_entity
    from hardpoint.workflows.reference import reference_launch_plan as reference_launch_plan
    from hardpoint.workflows.reference import reference_task as reference_task
    from hardpoint.workflows.reference import reference_workflow as reference_workflow
    from hardpoint.workflows.schedule import CronSchedule as CronSchedule
    from hardpoint.workflows.schedule import FixedRate as FixedRate
    from hardpoint.workflows.workflow import WorkflowFailurePolicy as WorkflowFailurePolicy
    from hardpoint.workflows.workflow import workflow as workflow

_NAMES = {
    "Annotations": "hardpoint.workflows.options:Annotations",
    "approve": "hardpoint.workflows.gate:approve",
    "AuthRole": "hardpoint.workflows.options:AuthRole",
    "BatchSize": "hardpoint.types.directory:BatchSize",
    "Blob": "hardpoint.models.literals:Blob",
    "BlobMetadata": "hardpoint.models.literals:BlobMetadata",
    "BlobType": "hardpoint.models.core.types:BlobType",
    "Cache": "hardpoint.tasks.metadata:Cache",
    "CachePolicy": "hardpoint.tasks.metadata:CachePolicy",
    "Checkpoint": "hardpoint.context:Checkpoint",
    "ConcurrencyLimitBehavior": "hardpoint.workflows.launch_plan:ConcurrencyLimitBehavior",
    "ConcurrencyPolicy": "hardpoint.workflows.launch_plan:ConcurrencyPolicy",
    "conditional": "hardpoint.workflows.condition:conditional",
    "ContainerTask": "hardpoint.tasks.container_task:ContainerTask",
    "create_node": "hardpoint.workflows.node_creation:create_node",
    "CronSchedule": "hardpoint.workflows.schedule:CronSchedule",
    "current_context": "hardpoint.context:current_context",
    "Deck": "hardpoint.deck:Deck",
    "DeckField": "hardpoint.deck:DeckField",
    "Description": "hardpoint.tasks.metadata:Description",
    "Documentation": "hardpoint.tasks.metadata:Documentation",
    "dynamic": "hardpoint.workflows.dynamic:dynamic",
    "Email": "hardpoint.workflows.notification:Email",
    "Environment": "hardpoint.tasks.environment:Environment",
    "ExecutionParameters": "hardpoint.context:ExecutionParameters",
    "FixedRate": "hardpoint.workflows.schedule:FixedRate",
    "FlyteAnnotation": "hardpoint.types.annotations:FlyteAnnotation",
    "FlyteContext": "hardpoint.context:FlyteContext",
    "FlyteContextManager": "hardpoint.context:FlyteContextManager",
    "FlyteDirectory": "hardpoint.types.directory:FlyteDirectory",
    "FlyteFile": "hardpoint.types.file:FlyteFile",
    "FlyteIterator": "hardpoint.types.iterator:FlyteIterator",
    "FlyteRecoverableException": "hardpoint.errors:FlyteRecoverableException",
    "FlyteSchema": "hardpoint.types.schema:FlyteSchema",
    "get_reference_entity": "hardpoint.workflows.reference:get_reference_entity",
    "HardpointError": "hardpoint.errors:HardpointError",
    "HashMethod": "hardpoint.types.annotations:HashMethod",
    "IgnoreOutputs": "hardpoint.tasks.dispatch:IgnoreOutputs",
    "ImageSpec": "hardpoint.tasks.image_spec:ImageSpec",
    "ImperativeWorkflow": "hardpoint.workflows.imperative:ImperativeWorkflow",
    "Integration": "hardpoint.integration:Integration",
    "JSON": "hardpoint.types.iterator:JSON",
    "kwtypes": "hardpoint.types.columns:kwtypes",
    "Labels": "hardpoint.workflows.options:Labels",
    "LaunchPlan": "hardpoint.workflows.launch_plan:LaunchPlan",
    "LaunchPlanReference": "hardpoint.workflows.reference:LaunchPlanReference",
    "lazy_module": "hardpoint.lazy_import.lazy_module:lazy_module",
    "Literal": "hardpoint.models.literals:Literal",
    "LiteralType": "hardpoint.models.types:LiteralType",
    "load_implicit_plugins": "hardpoint.tasks.plugins:load_implicit_plugins",
    "logger": "hardpoint.loggers:logger",
    "map_task": "hardpoint.workflows.map_task:map_task",
    "new_context": "hardpoint.context:new_context",
    "Options": "hardpoint.workflows.options:Options",
    "PagerDuty": "hardpoint.workflows.notification:PagerDuty",
    "PermanentError": "hardpoint.errors:PermanentError",
    "PodTemplate": "hardpoint.tasks.pod:PodTemplate",
    "PythonFunctionTask": "hardpoint.tasks.python_function_task:PythonFunctionTask",
    "PythonInstanceTask": "hardpoint.tasks.python_function_task:PythonInstanceTask",
    "reference_launch_plan": "hardpoint.workflows.reference:reference_launch_plan",
    "reference_task": "hardpoint.workflows.reference:reference_task",
    "reference_workflow": "hardpoint.workflows.reference:reference_workflow",
    "Resources": "hardpoint.tasks.resources:Resources",
    "Scalar": "hardpoint.models.literals:Scalar",
    "Secret": "hardpoint.tasks.secret:Secret",
    "SecurityContext": "hardpoint.models.security:SecurityContext",
    "SensorEngine": "hardpoint.integrations.sensor:SensorEngine",
    "Slack": "hardpoint.workflows.notification:Slack",
    "sleep": "hardpoint.workflows.gate:sleep",
    "SourceCode": "hardpoint.tasks.metadata:SourceCode",
    "SQLTask": "hardpoint.tasks.sql:SQLTask",
    "StructuredDataset": "hardpoint.types.structured:StructuredDataset",
    "StructuredDatasetTransformerEngine": "hardpoint.types.structured:StructuredDatasetTransformerEngine",
    "StructuredDatasetType": "hardpoint.models.types:StructuredDatasetType",
    "task": "hardpoint.tasks.task:task",
    "TaskMetadata": "hardpoint.tasks.metadata:TaskMetadata",
    "TaskReference": "hardpoint.workflows.reference:TaskReference",
    "TransientError": "hardpoint.errors:TransientError",
    "UserError": "hardpoint.errors:UserError",
    "VersionParameters": "hardpoint.tasks.metadata:VersionParameters",
    "wait_for_input": "hardpoint.workflows.gate:wait_for_input",
    "Workflow": "hardpoint.workflows.imperative:Workflow",
    "workflow": "hardpoint.workflows.workflow:workflow",
    "WorkflowExecutionPhase": "hardpoint.models.core.execution:WorkflowExecutionPhase",
    "WorkflowFailurePolicy": "hardpoint.workflows.workflow:WorkflowFailurePolicy",
    "WorkflowReference": "hardpoint.workflows.reference:WorkflowReference",
}

__getattr__, __dir__, __all__ = attach(__name__, _NAMES)
