"""Every error that Hardpoint raises, in one hierarchy.

    HardpointError
    ├── UserError                the caller must change something; trying again will not help
    │   ├── TypeTransformerFailedError   a value does not fit the declared type (also TypeError, ValueError,
    │   │   │                            AssertionError)
    │   │   └── RestrictedTypeError      the type may not be used at all
    │   ├── FlyteValidationException     a task, workflow or launch plan is put together wrongly (also ValueError)
    │   │   └── FlyteAssertion           (also AssertionError)
    │   ├── MissingDependencyError       a library that an integration needs is absent or unsuitable (also ImportError)
    │   ├── SecretNotFoundError          (also ValueError)
    │   ├── StorageNotFoundError         nothing is at a URI (also FileNotFoundError)
    │   ├── StorageAccessError           a store refuses these credentials, or there are none (also PermissionError)
    │   └── FlyteDisapprovalException    a person said no at a gate
    ├── TransientError           the same call may succeed later
    │   └── FlyteRecoverableException    raised by user code that wants to be retried
    └── PermanentError           the outside refuses, and will go on refusing

Choose by what the *caller* should do. Facts are attributes; the sentence is built in the class; `remedy` says what
mends it.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "FlyteAssertion",
    "FlyteDisapprovalException",
    "FlyteRecoverableException",
    "FlyteValidationException",
    "HardpointError",
    "MissingDependencyError",
    "PermanentError",
    "RestrictedTypeError",
    "SecretNotFoundError",
    "StorageAccessError",
    "StorageNotFoundError",
    "TransientError",
    "TypeTransformerFailedError",
    "UserError",
]


class HardpointError(Exception):
    """Root of all errors of this package.

    Args:
        message: What failed, where, and the words of whoever refused.
        remedy: The command or setting that mends it, as one sentence; shown on a line of its own.
        facts: Further attributes of the error, set on the instance.
    """

    code: str = "SYSTEM"

    def __init__(self, message: str = "", *, remedy: str | None = None, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        for name, value in facts.items():
            setattr(self, name, value)

    def __str__(self) -> str:
        return f"{self.message}\n  -> {self.remedy}" if self.remedy else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # The default calls the class with the finished message; not every class is made from one.
        return _restore, (type(self), self.args, self.__dict__)


def _restore(cls: type[HardpointError], args: tuple[Any, ...], state: dict[str, Any]) -> HardpointError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class UserError(HardpointError):
    """The caller has to change code, configuration or permissions; a retry cannot help."""

    code = "USER:RuntimeError"


class TransientError(HardpointError):
    """The same call may succeed later: a time-out, a restart, a rate limit.

    Args:
        retry_after: Seconds that the other side asked us to wait, if it did.
    """

    code = "SYSTEM:Transient"

    def __init__(
        self, message: str = "", *, remedy: str | None = None, retry_after: float | None = None, **facts: Any
    ) -> None:
        super().__init__(message, remedy=remedy, **facts)
        self.retry_after = retry_after


class PermanentError(HardpointError):
    """The outside refuses and will go on refusing; it is not the caller's input that is wrong."""

    code = "SYSTEM:Permanent"


class TypeTransformerFailedError(UserError, TypeError, AssertionError, ValueError):
    """A value, or a literal, does not fit the type that was declared for it."""

    code = "USER:TypeTransformerFailed"


class RestrictedTypeError(TypeTransformerFailedError):
    """The type may not be used in an interface."""


class FlyteValidationException(UserError, ValueError):
    """A task, workflow or launch plan is put together wrongly."""

    code = "USER:ValidationError"


class FlyteAssertion(FlyteValidationException, AssertionError):
    """A call or a binding breaks a rule of the workflow language."""

    code = "USER:AssertionError"


class FlyteRecoverableException(TransientError):
    """Raised by user code to say: count this as a retryable failure."""

    code = "USER:Recoverable"


class FlyteDisapprovalException(UserError):
    """A person answered no at an approval gate."""

    code = "USER:Disapproval"


class MissingDependencyError(UserError, ImportError):
    """A library that an integration needs is missing, or of a version that it does not support.

    Args:
        integration: Name of the integration.
        found: What was found instead, for example ``polars 0.8``; None if nothing.
        wants: The requirement, for example ``polars>=1.0``.
        extra: The extra of this package that installs it.
        distribution: The distribution that owns the extra.
    """

    code = "USER:MissingDependency"

    def __init__(
        self,
        integration: str,
        wants: str,
        extra: str | None,
        *,
        found: str | None = None,
        distribution: str = "hardpoint",
    ) -> None:
        have = f"{found} is installed" if found else "it is not installed"
        command = f"pip install '{distribution}[{extra}]'" if extra else f"pip install '{wants}'"
        super().__init__(f"{integration} needs {wants}, but {have}.", remedy=command)
        self.integration, self.wants, self.found, self.extra = integration, wants, found, extra


class SecretNotFoundError(UserError, ValueError):
    """A secret was asked for and is in none of the places that are searched."""

    code = "USER:SecretNotFound"


class StorageNotFoundError(UserError, FileNotFoundError):
    """Nothing is at the URI (attribute ``uri``)."""

    code = "USER:DataNotFound"

    def __init__(self, uri: str, *, remedy: str | None = None, **facts: Any) -> None:
        super().__init__(f"There is nothing at {uri}.", remedy=remedy, uri=uri, **facts)


class StorageAccessError(UserError, PermissionError):
    """A store refuses the credentials that it was given, or none were found (attribute ``uri``)."""

    code = "USER:StorageAccess"
