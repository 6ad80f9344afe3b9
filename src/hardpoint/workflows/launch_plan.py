"""`LaunchPlan`: a workflow with inputs, a schedule, notifications and settings of its executions."""

from __future__ import annotations

import enum
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import msgspec

from hardpoint import idl
from hardpoint.context import FlyteContextManager
from hardpoint.errors import FlyteAssertion, FlyteValidationException
from hardpoint.tasks.conversion import encode_inputs
from hardpoint.tasks.interface import Interface, is_optional
from hardpoint.workflows.graph import NodeMetadata, identifier

if TYPE_CHECKING:
    from flyteidl.admin.common_pb2 import AuthRole, RawOutputDataConfig
    from flyteidl.admin.launch_plan_pb2 import ConcurrencyPolicy as ConcurrencyPolicyMessage
    from flyteidl.admin.launch_plan_pb2 import LaunchPlanSpec
    from flyteidl.core.security_pb2 import SecurityContext
    from flyteidl.core.workflow_pb2 import Node as NodeMessage

    from hardpoint.models.messages import Model
    from hardpoint.tasks.serialization import SerializationSettings
    from hardpoint.workflows.graph import Node
    from hardpoint.workflows.notification import Notification
    from hardpoint.workflows.options import Options
    from hardpoint.workflows.schedule import OnSchedule, Schedule
    from hardpoint.workflows.workflow import WorkflowBase

__all__ = ["ConcurrencyLimitBehavior", "ConcurrencyPolicy", "LaunchPlan"]


class ConcurrencyLimitBehavior(enum.IntEnum):
    """What becomes of an execution that would be one too many; numbered as in flyteidl/admin/launch_plan.proto."""

    SKIP = 0
    """It is not started."""


class ConcurrencyPolicy(msgspec.Struct, frozen=True):
    """How many executions of a launch plan may run at the same time.

    Args:
        max_concurrency: The number.
        behavior: What becomes of one too many.
    """

    max_concurrency: int
    behavior: ConcurrencyLimitBehavior = ConcurrencyLimitBehavior.SKIP

    def proto(self) -> ConcurrencyPolicyMessage:
        from flyteidl.admin.launch_plan_pb2 import ConcurrencyPolicy as ConcurrencyPolicyMessage

        behavior = f"CONCURRENCY_LIMIT_BEHAVIOR_{self.behavior.name}"
        return ConcurrencyPolicyMessage(max=self.max_concurrency, behavior=behavior)


class LaunchPlanSettings(msgspec.Struct, frozen=True):
    """What a launch plan has beside its workflow; two plans of one name must agree in all of it.

    Args:
        default_inputs: Inputs for executions that do not give them.
        fixed_inputs: Inputs that executions cannot give.
        schedule: When executions start by themselves.
        notifications: Who is told of the end of executions.
        labels: Labels of executions.
        annotations: Annotations of executions.
        raw_output_data_config: Where large data is written: a URI prefix, or the message.
        max_parallelism: How many task nodes may run at the same time.
        security_context: As whom executions run.
        auth_role: The same. Deprecated.
        trigger: An `OnSchedule`, the same as `schedule`.
        overwrite_cache: Run cached tasks again, and replace what is stored.
        auto_activate: Make the plan the active one as soon as it is registered.
        concurrency: How many executions may run at the same time.
    """

    default_inputs: Mapping[str, Any] | None = None
    fixed_inputs: Mapping[str, Any] | None = None
    schedule: Schedule | None = None
    notifications: Sequence[Notification] | None = None
    labels: Mapping[str, str] | Model | None = None
    annotations: Mapping[str, str] | Model | None = None
    raw_output_data_config: str | RawOutputDataConfig | Model | None = None
    max_parallelism: int | None = None
    security_context: SecurityContext | Model | None = None
    auth_role: AuthRole | Model | None = None
    trigger: OnSchedule | None = None
    overwrite_cache: bool | None = None
    auto_activate: bool = False
    concurrency: ConcurrencyPolicy | None = None


# Names must be unique among the plans that somebody still holds. Nothing is kept alive by being here.
_known: WeakValueDictionary[str, LaunchPlan] = WeakValueDictionary()
_lock = threading.RLock()


class LaunchPlan:
    """A way to start a workflow. Use `create` or `get_or_create`.

    Attributes:
        name: Its name; that of the workflow for the default plan.
        workflow: What it starts.
        settings: All else that it was made of; do not change it.
    """

    def __init__(self, name: str, workflow: WorkflowBase, settings: LaunchPlanSettings | None = None) -> None:
        self.name, self.workflow = name, workflow
        self.settings = settings = settings or LaunchPlanSettings()
        self.default_inputs = dict(settings.default_inputs or {})
        self.fixed_inputs = dict(settings.fixed_inputs or {})
        for input_name in (*self.default_inputs, *self.fixed_inputs):
            if input_name not in workflow.python_interface.inputs:
                raise FlyteAssertion(
                    f"The launch plan {name!r} gives {input_name!r}, which is no input of {workflow.name}; "
                    f"its inputs are {', '.join(workflow.python_interface.inputs) or 'none'}."
                )
        if settings.trigger is not None and settings.schedule is not None:
            raise LaunchPlanError(f"The launch plan {name!r} has a schedule and a trigger; give one of them.")
        if settings.auth_role is not None and settings.security_context is not None:
            raise LaunchPlanError(
                "Use of AuthRole is deprecated. You cannot specify both AuthRole and SecurityContext",
                remedy="Say it all in the SecurityContext.",
            )

    # -- making and finding --------------------------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        name: str,
        workflow: WorkflowBase,
        default_inputs: Mapping[str, Any] | None = None,
        fixed_inputs: Mapping[str, Any] | None = None,
        schedule: Schedule | None = None,
        **settings: Any,
    ) -> LaunchPlan:
        """Make a launch plan.

        Args:
            name: Its name, which must be unique.
            workflow: What it starts.
            default_inputs: Inputs for executions that do not give them.
            fixed_inputs: Inputs that executions cannot give.
            schedule: When executions start by themselves.
            settings: Any other field of `LaunchPlanSettings`.

        Raises:
            FlyteAssertion: there is a plan of that name already, or an input is not one of the workflow.
        """
        plan = cls(name, workflow, LaunchPlanSettings(default_inputs, fixed_inputs, schedule, **settings))
        with _lock:
            known = _known.get(name)
            if known is not None and not _redefined(known.workflow, workflow):
                raise FlyteAssertion(
                    f"Launch plan named {name} was already created! Make sure your names are unique.",
                    remedy="Use get_or_create to have the one that exists.",
                )
            _known[name] = plan
        return plan

    @classmethod
    def get_or_create(
        cls,
        workflow: WorkflowBase,
        name: str | None = None,
        default_inputs: Mapping[str, Any] | None = None,
        fixed_inputs: Mapping[str, Any] | None = None,
        schedule: Schedule | None = None,
        **settings: Any,
    ) -> LaunchPlan:
        """The launch plan of that name, made if need be; without a name, the default plan.

        Args:
            workflow: What it starts.
            name: Its name; None for the default plan, which takes no other argument.
            default_inputs: Inputs for executions that do not give them.
            fixed_inputs: Inputs that executions cannot give.
            schedule: When executions start by themselves.
            settings: Any other field of `LaunchPlanSettings`.

        Raises:
            LaunchPlanError: arguments, but no name (also a ValueError).
            FlyteAssertion: the plan of that name is of another workflow, or differs in an argument.
        """
        wanted = LaunchPlanSettings(default_inputs, fixed_inputs, schedule, **settings)
        if name is None:
            if wanted != LaunchPlanSettings():
                raise LaunchPlanError(
                    "Only named launchplans can be created that have other properties. "
                    "Default launchplans cannot have any other associations",
                    remedy="Give it a name.",
                )
            return cls.get_default_launch_plan(workflow)
        with _lock:
            known = _known.get(name)
            if known is None or _redefined(known.workflow, workflow):
                plan = _known[name] = cls(name, workflow, wanted)
                return plan
        if known.workflow is not workflow:
            raise FlyteAssertion(
                f"Trying to create two launch plans both named '{name}' for the workflows '{workflow.name}' "
                f"and '{known.workflow.name}' - please ensure unique names."
            )
        for argument, (new, old) in _differences(wanted, known.settings).items():
            raise FlyteAssertion(
                f"Trying to create two launch plans for workflow '{workflow.name}' both named '{name}' "
                f"but with different values for '{argument}' - please use different launch plan names.",
                new=new,
                old=old,
            )
        return known

    @classmethod
    def get_default_launch_plan(cls, workflow: WorkflowBase) -> LaunchPlan:
        """The plan that has the workflow's name and nothing but its defaults and default options."""
        with _lock:
            known = _known.get(workflow.name)
            if known is not None and known.workflow is workflow:
                return known
            options = workflow.default_options or _no_options()
            settings = LaunchPlanSettings(labels=options.labels, annotations=options.annotations)
            plan = _known[workflow.name] = cls(workflow.name, workflow, settings)
            return plan

    def clone_with(self, name: str, **changes: Any) -> LaunchPlan:
        """A plan of another name that differs in `changes`, which are fields of `LaunchPlanSettings`."""
        return type(self)(
            name, self.workflow, LaunchPlanSettings(**{**msgspec.structs.asdict(self.settings), **changes})
        )

    # -- as an entity --------------------------------------------------------------------------------------------------

    @cached_property
    def python_interface(self) -> Interface:
        """The inputs that executions may give, with the plan's defaults, and the outputs of the workflow."""
        whole = self.workflow.python_interface
        defaults = {**whole.defaults, **self.default_inputs}
        inputs = {
            name: (t, defaults[name]) if name in defaults else t
            for name, t in whole.inputs.items()
            if name not in self.fixed_inputs
        }
        return Interface(inputs, whole.outputs, whole.output_tuple_name, whole.output_tuple, lambda: whole.docstring)

    @property
    def interface(self) -> Interface:
        return self.python_interface

    @property
    def should_auto_activate(self) -> bool:
        return self.settings.auto_activate

    def node_metadata(self) -> NodeMetadata:
        return self.workflow.node_metadata()

    def fill_node(self, message: NodeMessage, node: Node, settings: SerializationSettings) -> None:
        message.workflow_node.launchplan_ref.CopyFrom(identifier(idl.LAUNCH_PLAN, self.name, settings))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """A node where a workflow is being compiled; elsewhere, run the workflow here with the plan's inputs.

        Raises:
            FlyteAssertion: an argument by position, or for a fixed input.
        """
        if args:
            raise FlyteAssertion("Only Keyword Arguments are supported for launch plan executions")
        fixed = sorted(self.fixed_inputs.keys() & kwargs.keys())
        if fixed:
            raise FlyteAssertion(
                f"Fixed inputs cannot be specified. Please remove the following inputs - {', '.join(fixed)}"
            )
        compilation = FlyteContextManager.current_context().compilation
        if compilation is not None:
            return compilation.call(self, (), kwargs)
        return self.workflow(**{**self.default_inputs, **kwargs, **self.fixed_inputs})

    # -- as a message --------------------------------------------------------------------------------------------------

    def parameters(self) -> idl.ParameterMap:
        """The inputs that executions may give: required, or with a default."""
        interface = self.python_interface
        message = idl.ParameterMap()
        for name, codec in interface.input_codecs.items():
            parameter = message.parameters[name]
            parameter.var.CopyFrom(interface.typed.inputs.variables[name])
            value = interface.defaults.get(name)
            if value is not None:
                parameter.default.CopyFrom(codec.encode(value))
            elif is_optional(interface.inputs[name]):
                parameter.default.CopyFrom(idl.none())
            else:
                parameter.required = True
        return message

    def fixed_literals(self) -> dict[str, idl.Literal]:
        """The inputs that executions cannot give."""
        return encode_inputs(self.name, self.workflow.python_interface.input_codecs, self.fixed_inputs)

    def spec(self, settings: SerializationSettings, options: Options | None = None) -> LaunchPlanSpec:
        """What is registered; `options` come before what the plan says itself."""
        from flyteidl.admin.launch_plan_pb2 import LaunchPlanSpec

        from hardpoint.models.messages import message_of
        from hardpoint.workflows.options import pairs

        own, over = self.settings, options or _no_options()
        message = LaunchPlanSpec(
            workflow_id=identifier(idl.WORKFLOW, self.workflow.name, settings),
            default_inputs=self.parameters(),
            fixed_inputs=idl.literal_map(self.fixed_literals()),
            raw_output_data_config=_raw_output(over.raw_output_data_config or own.raw_output_data_config),
            max_parallelism=over.max_parallelism or own.max_parallelism or 0,
            overwrite_cache=bool(over.overwrite_cache or own.overwrite_cache),
        )
        message.entity_metadata.SetInParent()
        schedule = own.trigger.schedule if own.trigger is not None else own.schedule
        if schedule is not None:
            message.entity_metadata.schedule.CopyFrom(schedule.proto())
        if not over.disable_notifications:
            told = over.notifications or own.notifications or ()
            message.entity_metadata.notifications.extend(notification.proto() for notification in told)
        message.labels.SetInParent()
        message.labels.values.update(pairs(over.labels or own.labels))
        message.annotations.SetInParent()
        message.annotations.values.update(pairs(over.annotations or own.annotations))
        if own.security_context is not None:
            message.security_context.CopyFrom(message_of(own.security_context))
        if own.auth_role is not None:
            message.security_context.run_as.iam_role = own.auth_role.assumable_iam_role
            message.security_context.run_as.k8s_service_account = own.auth_role.kubernetes_service_account
        if over.security_context is not None:
            message.security_context.MergeFrom(message_of(over.security_context))
        if own.concurrency is not None:
            message.concurrency_policy.CopyFrom(own.concurrency.proto())
        return message

    def __repr__(self) -> str:
        return f"<LaunchPlan {self.name} of {self.workflow.name}>"


class LaunchPlanError(FlyteValidationException, ValueError):
    """Arguments of a launch plan that cannot go together."""


def _redefined(old: WorkflowBase, new: WorkflowBase) -> bool:
    """Whether a workflow was defined anew, as when a cell of a notebook is run again."""
    return old is not new and old.name == new.name


def _differences(new: LaunchPlanSettings, old: LaunchPlanSettings) -> dict[str, tuple[Any, Any]]:
    pairs = {name: (value or None, getattr(old, name) or None) for name, value in msgspec.structs.asdict(new).items()}
    return {name: pair for name, pair in pairs.items() if not _same(*pair)}


def _same(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    try:
        return bool(a == b)
    except (TypeError, ValueError):  # arrays and frames compare by element; one that is not the same object differs
        return False


def _no_options() -> Options:
    from hardpoint.workflows.options import Options

    return Options()


def _raw_output(config: str | RawOutputDataConfig | Model | None) -> RawOutputDataConfig:
    from flyteidl.admin.common_pb2 import RawOutputDataConfig

    from hardpoint.models.messages import message_of

    given: str | RawOutputDataConfig | None = message_of(config)
    if isinstance(given, RawOutputDataConfig):
        return given
    return RawOutputDataConfig(output_location_prefix=given or "")
