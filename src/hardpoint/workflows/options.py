"""`Options`: what may be said of executions when a workflow is registered or started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from flyteidl.admin import common_pb2
from flyteidl.admin.common_pb2 import RawOutputDataConfig
from flyteidl.core.security_pb2 import SecurityContext

from hardpoint.models.messages import Model, message_of, model_of
from hardpoint.workflows.notification import Notification

__all__ = ["Annotations", "AuthRole", "Labels", "Options", "pairs"]

Labels = model_of(common_pb2.Labels)
"""Labels of an execution: ``Labels({"team": "maps"})``. A dict does as well."""

Annotations = model_of(common_pb2.Annotations)
"""Annotations of an execution: ``Annotations({"team": "maps"})``. A dict does as well."""

AuthRole = model_of(common_pb2.AuthRole)
"""As whom an execution runs. Deprecated: use a `SecurityContext`."""


def pairs(given: Mapping[str, str] | Model | None) -> Mapping[str, str]:
    """Labels or annotations as a mapping, whichever way they were given."""
    if given is None or isinstance(given, Mapping):
        return given or {}
    found: Mapping[str, str] = message_of(given).values
    return found


class Options(msgspec.Struct, frozen=True):
    """What executions of a launch plan get. None: as the launch plan, or else the platform, has it.

    Args:
        labels: Labels of the execution.
        annotations: Annotations of the execution.
        raw_output_data_config: Where large data is written: a URI prefix, or the message.
        security_context: As whom the execution runs.
        max_parallelism: How many task nodes may run at the same time.
        notifications: Who is told of its end.
        disable_notifications: Tell nobody.
        overwrite_cache: Run cached tasks again, and replace what is stored.
    """

    labels: Mapping[str, str] | Model | None = None
    annotations: Mapping[str, str] | Model | None = None
    raw_output_data_config: str | RawOutputDataConfig | Model | None = None
    security_context: SecurityContext | Model | None = None
    max_parallelism: int | None = None
    notifications: Sequence[Notification] | None = None
    disable_notifications: bool | None = None
    overwrite_cache: bool | None = None

    @classmethod
    def default_from(cls, k8s_service_account: str | None = None, raw_data_prefix: str | None = None) -> Options:
        """Options that name a service account, a place for large data, or both."""
        context = None
        if k8s_service_account:
            context = SecurityContext()
            context.run_as.k8s_service_account = k8s_service_account
        return cls(security_context=context, raw_output_data_config=raw_data_prefix)
