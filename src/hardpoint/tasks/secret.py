"""`Secret`: a request for a secret. What it holds is never in a template; `hardpoint.secrets` looks it up."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hardpoint import idl
from hardpoint.errors import FlyteAssertion, FlyteValidationException

if TYPE_CHECKING:
    from flyteidl.core.security_pb2 import Secret as SecretMessage

    from hardpoint.idl import SecurityContext

__all__ = ["Secret", "security_context"]

_ENV_VAR = r"[A-Z_][A-Z0-9_]*"


@dataclass(frozen=True)
class Secret:
    """A secret that a task wants to have.

    Args:
        group: Name of the group, for example of the Kubernetes secret.
        key: Name within the group.
        group_version: Version of the group, where the backend keeps several.
        mount_requirement: How it must be handed over.
        env_var: An environment variable that shall hold it too.
    """

    class MountType(enum.Enum):
        """How a secret reaches the task; numbered as in flyteidl/core/security.proto."""

        ANY = 0
        ENV_VAR = 1
        FILE = 2

    group: str | None = None
    key: str | None = None
    group_version: str | None = None
    mount_requirement: MountType = MountType.ANY
    env_var: str | None = None

    def __post_init__(self) -> None:
        if not self.group:
            raise FlyteValidationException(
                "Group is a required parameter", remedy='Write Secret(group="...", key="...").'
            )
        if self.env_var is not None and not re.fullmatch(_ENV_VAR, self.env_var):
            raise FlyteValidationException(
                f"Invalid environment variable name: {self.env_var}",
                remedy="It must start with a capital letter or an underscore, and go on with these and digits.",
            )

    def proto(self) -> SecretMessage:
        from flyteidl.core.security_pb2 import Secret as SecretMessage

        return SecretMessage(
            group=self.group or "",
            key=self.key or "",
            group_version=self.group_version or "",
            mount_requirement=self.mount_requirement.name,
            env_var=self.env_var or "",
        )


def security_context(secrets: Iterable[Secret] | None) -> SecurityContext | None:
    """The `SecurityContext` of a task that requests these; None if it requests nothing.

    Raises:
        FlyteAssertion: one of them is something else than a `Secret`.
    """
    requested = list(secrets or ())
    for secret in requested:
        if not isinstance(secret, Secret):
            raise FlyteAssertion(f"Secret {secret} should be of type hardpoint.Secret, received {type(secret)}")
    if not requested:
        return None
    return idl.SecurityContext(secrets=[secret.proto() for secret in requested])
